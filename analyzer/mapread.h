/* SPDX-License-Identifier: MIT */
/* Reading whole BPF maps, and taking entries out of them. */
#ifndef PS_ANALYZER_MAPREAD_H
#define PS_ANALYZER_MAPREAD_H

#include "common/util.h"

struct ps_map {
    int fd;
    size_t key_size;
    size_t value_size; /* of all CPUs, where the map is per CPU */
    size_t max_entries;
};

/* A negative answer ends the reading, and is its result. */
typedef int (*ps_map_fn)(void *arg, const void *key, const void *value);

/*
 * Calls fn for each entry: in batches, or one by one where the kernel has no
 * batches. An entry may come twice when others are deleted meanwhile.
 */
int ps_map_read(const struct ps_map *map, ps_map_fn fn, void *arg);

/*
 * Deletes an entry and gives its value: in one step from 5.14 on; before, a
 * packet that is counted between the two steps is lost. -ENOENT.
 */
int ps_map_take(const struct ps_map *map, const void *key, void *value);

#endif
