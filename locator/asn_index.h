/* SPDX-License-Identifier: MIT */
/*
 * A sorted ASN table, looked up on the disk.
 *
 * The CSV is read once into an index file beside the other state; later
 * starts map the index as long as the CSV has the same size and time of
 * change. Only the pages that look-ups touch are in memory.
 */
#ifndef PS_LOCATOR_ASN_INDEX_H
#define PS_LOCATOR_ASN_INDEX_H

#include "locator/asn_csv.h"

#define PS_ASN_MAX_CSV_BYTES  (UINT64_C(256) << 20)
#define PS_ASN_MAX_RANGES     (4u << 20)
#define PS_ASN_MAX_NAME_BYTES (64u << 20)

struct ps_asn_index;

/*
 * dir: for the index file, locator.asn-….idx. ret_reason: a sentence (with
 * the line, where one is wrong), owned by the caller; set on every failure
 * but -ENOMEM.
 */
int ps_asn_open(const char *csv, const char *dir,
                struct ps_asn_index **ret_index, char **ret_reason);
void ps_asn_free(struct ps_asn_index **index);

/* Sets the AS of *record; -ENOENT: not in the table. */
int ps_asn_lookup(const struct ps_asn_index *index, const struct ps_addr *addr,
                  struct ps_record *record);

/* Unix seconds of the CSV's last change. */
uint64_t ps_asn_built(const struct ps_asn_index *index);

/* Ranges of the CSV that overlapped the next one and were cut. */
uint64_t ps_asn_overlaps(const struct ps_asn_index *index);

/* For tests: opens an index file itself. -EBADMSG: not one, or broken. */
int ps_asn_map(const char *path, struct ps_asn_index **ret_index);

#endif
