/* SPDX-License-Identifier: MIT */
/* Lists that grow up to a bound. */
#ifndef PS_COMMON_ARRAY_H
#define PS_COMMON_ARRAY_H

#include "common/util.h"

/*
 * Room for need items of item bytes each in the list that *list points to;
 * list is the address of a pointer (NULL with *cap 0: no list yet), which may
 * move. *cap items have room, at most max. -ENOSPC: need is more than max;
 * -ENOMEM. Nothing has changed then.
 */
_must_check_ int ps_array_reserve(void *list, uint32_t *cap, uint64_t need,
                                  uint32_t max, size_t item);

#endif
