/* SPDX-License-Identifier: MIT */
/* The layout of the index file; host byte order, it never leaves the host. */
#ifndef PS_LOCATOR_ASN_FILE_H
#define PS_LOCATOR_ASN_FILE_H

#include "common/util.h"

#define PS_ASN_MAGIC UINT64_C(0x3130304e53415350) /* "PSASN001" */

/* Header, then the ranges by address (IPv4, then IPv6), then the names: a
 * length byte and the text of each. */
struct ps_asn_header {
    uint64_t magic;
    uint64_t source_size;
    uint64_t source_changed_ns;
    uint64_t n_ranges4, n_ranges6;
    uint64_t name_bytes;
    uint64_t overlaps; /* ranges that were cut short by the next one */
};

struct ps_asn_range4 {
    uint32_t first, last; /* host byte order, both included */
    uint32_t asn;
    uint32_t name; /* offset in the names; UINT32_MAX: none */
};

struct ps_asn_range6 {
    uint8_t first[16], last[16];
    uint32_t asn;
    uint32_t name;
};

/* What identifies the CSV that an index was made of. */
struct ps_asn_source {
    uint64_t size;
    uint64_t changed_ns;
};

/* Reads the CSV (from its start) and writes the index atomically. */
int ps_asn_import(FILE *csv, const struct ps_asn_source *source,
                  const char *index_path, char **ret_reason);

#endif
