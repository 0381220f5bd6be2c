/* SPDX-License-Identifier: MIT */
/*
 * Measured paths on disk, the newest kept within a bound. Places are not
 * stored: they are what the databases say when it is read.
 */
#ifndef PS_LOCATOR_HISTORY_H
#define PS_LOCATOR_HISTORY_H

#include "common/net.h"
#include "common/store.h"
#include "common/types.h"

struct ps_history;

/* As ps_store_open. */
int ps_history_open(const char *dir, const char *name, uint64_t max_bytes,
                    struct ps_history **ret_history, char **ret_error);
void ps_history_free(struct ps_history **history);
/* Paths that left since then, to make room. */
uint64_t ps_history_evicted(const struct ps_history *history);

/* Adds or replaces by id; makes room by removing the oldest. */
int ps_history_put(struct ps_history *history, const Ps__Path *path);
/* Those still marked as running become failed ("restart"). */
int ps_history_close_running(struct ps_history *history, uint64_t now,
                             size_t *ret_n);

/* -ENOENT: no such id. Owned by the caller. */
int ps_history_get(struct ps_history *history, const char *id,
                   Ps__Path **ret_path);
int ps_history_count(struct ps_history *history, const struct ps_addr *target,
                     uint64_t *ret_n);
/* A path's place in the order of lists. */
struct ps_history_place {
    uint64_t started; /* Unix nanoseconds */
    char id[65];
};
/*
 * Newest first, by start, then id; target NULL: all; after NULL: from the
 * first, else what comes after that place, there or not. fn takes the path
 * over, and returns 0 to go on, 1 to end, or -errno.
 */
int ps_history_list(struct ps_history *history, const struct ps_addr *target,
                    const struct ps_history_place *after,
                    int (*fn)(void *arg, Ps__Path *path), void *arg);

#endif
