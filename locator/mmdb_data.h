/* SPDX-License-Identifier: MIT */
/*
 * The encoding of a MaxMind DB's data section (its format's version 2). The
 * bytes are hostile: every length is checked, nothing recurses, and the
 * number of values looked at is bounded.
 */
#ifndef PS_LOCATOR_MMDB_DATA_H
#define PS_LOCATOR_MMDB_DATA_H

#include "common/util.h"

enum ps_mmdb_type {
    PS_MMDB_EXTENDED = 0,
    PS_MMDB_POINTER = 1,
    PS_MMDB_STRING = 2,
    PS_MMDB_DOUBLE = 3,
    PS_MMDB_UINT16 = 5,
    PS_MMDB_UINT32 = 6,
    PS_MMDB_MAP = 7,
    PS_MMDB_UINT64 = 9,
    PS_MMDB_ARRAY = 11,
    PS_MMDB_BOOLEAN = 14,
    PS_MMDB_FLOAT = 15,
};

struct ps_mmdb_value {
    unsigned int type;
    size_t size; /* bytes; pairs of a map, items of an array */
    size_t at;   /* of the content; of what a pointer points to */
    size_t next; /* behind the content; behind the head of a map or array */
};

/*
 * Finds a value in the record at offset. path is a NULL-ended array of map
 * keys; "0" is the first item of an array. Pointers are followed. -ENOENT: it
 * is not there; -EBADMSG: broken bytes, or too many values to look at.
 */
int ps_mmdb_find(const uint8_t *data, size_t len, size_t offset,
                 const char *const *path, struct ps_mmdb_value *ret_value);

/* The content as a number; false: of another type or size. */
bool ps_mmdb_real(const uint8_t *data, const struct ps_mmdb_value *value,
                  double *ret_number);
bool ps_mmdb_uint(const uint8_t *data, const struct ps_mmdb_value *value,
                  uint64_t *ret_number);

#endif
