/* SPDX-License-Identifier: MIT */
/*
 * A MaxMind DB file: libmaxminddb finds the record, record.c reads it.
 *
 * The file is mapped. One that is cut short under us would end the process
 * at the next access, so its size is asked again before each look-up.
 */
#ifndef PS_LOCATOR_MMDB_H
#define PS_LOCATOR_MMDB_H

#include "common/net.h"
#include "locator/record.h"

#define PS_MMDB_MAX_BYTES (UINT64_C(4) << 30)

struct ps_mmdb;

/* ret_reason: a sentence, owned by the caller; set on every failure but
 * -ENOMEM. */
int ps_mmdb_open(const char *path, struct ps_mmdb **ret_db, char **ret_reason);
void ps_mmdb_free(struct ps_mmdb **db);

/*
 * Adds what it says to *record. -ENOENT: it does not know the address;
 * -EBADMSG: the file is broken there; -ESTALE: it was changed in place and is
 * not read any more.
 */
int ps_mmdb_lookup(struct ps_mmdb *db, const struct ps_addr *addr,
                   struct ps_record *record);

/* Unix seconds, 0: not said. */
uint64_t ps_mmdb_built(const struct ps_mmdb *db);

#endif
