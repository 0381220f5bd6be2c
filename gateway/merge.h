/* SPDX-License-Identifier: MIT */
/* Lists of several locators as one; without I/O. */
#ifndef PS_GATEWAY_MERGE_H
#define PS_GATEWAY_MERGE_H

#include <stddef.h>

#include "common/types.h"

struct ps_merge_missing {
    const char *instance, *reason; /* borrowed for the call */
};

struct ps_merge {
    const Ps__PathList *const *lists; /* each newest first */
    size_t n;
    size_t limit; /* paths in the result, above 0 */
    const struct ps_merge_missing *missing;
    size_t n_missing;
};

/*
 * The newest paths of all lists, in the order in which each locator gives
 * them: by start, then id, both descending. It ends where a list ends that
 * its locator cut short, since what follows there is not known. next_cursor
 * is a locator's: any of them goes on there. The result's paths point into
 * the lists. -ENOMEM.
 */
int ps_merge_paths(const struct ps_merge *merge, Ps__PathList **ret_list);
/* Frees what ps_merge_paths() made, not the paths. */
void ps_merge_free(Ps__PathList **list);

#endif
