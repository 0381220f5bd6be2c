/* SPDX-License-Identifier: MIT */
#include "analyzer/mapread.h"

#include <bpf/bpf.h>

#define BATCH 1024

/* Entries of one batch, and the kernel's place in the map. */
struct batch {
    char *keys, *values;
    uint32_t place;
    bool started;
};

static void batch_free(struct batch *b)
{
    free(b->keys);
    free(b->values);
}

/* 0: there may be more; 1: that was the last one. */
static int next_batch(const struct ps_map *map, struct batch *b, size_t max,
                      ps_map_fn fn, void *arg)
{
    uint32_t n = (uint32_t)max;
    int r;

    errno = 0;
    r = bpf_map_lookup_batch(map->fd, b->started ? &b->place : NULL, &b->place,
                             b->keys, b->values, &n, NULL);
    if (r < 0 && errno != ENOENT)
        return -errno;
    b->started = true;
    for (size_t i = 0; i < n; i++) {
        int stop = fn(arg, b->keys + i * map->key_size,
                      b->values + i * map->value_size);

        if (stop < 0)
            return stop;
    }
    return r < 0;
}

static int read_batches(const struct ps_map *map, ps_map_fn fn, void *arg)
{
    _cleanup_(batch_free) struct batch b = {0};
    size_t max = BATCH < map->max_entries ? BATCH : map->max_entries;
    int r;

    do {
        free(b.keys);
        free(b.values);
        b.keys = calloc(max, map->key_size);
        b.values = calloc(max, map->value_size);
        if (!b.keys || !b.values)
            return -ENOMEM;
        do {
            r = next_batch(map, &b, max, fn, arg);
        } while (r == 0);
        /* One bucket holds more than a batch: a larger batch goes on. */
        max *= 2;
    } while (r == -ENOSPC && max / 2 < map->max_entries);
    return r < 0 ? r : 0;
}

/* Bounded, for the kernel starts again when the key it was at is gone. */
static int read_singly(const struct ps_map *map, ps_map_fn fn, void *arg)
{
    _cleanup_free_ char *key = malloc(map->key_size);
    _cleanup_free_ char *value = malloc(map->value_size);
    bool started = false;
    int r;

    if (!key || !value)
        return -ENOMEM;
    for (size_t i = 0; i < map->max_entries * 2; i++) {
        if (bpf_map_get_next_key(map->fd, started ? key : NULL, key) < 0)
            return errno == ENOENT ? 0 : -errno;
        started = true;
        if (bpf_map_lookup_elem(map->fd, key, value) < 0)
            continue;
        r = fn(arg, key, value);
        if (r < 0)
            return r;
    }
    return 0;
}

int ps_map_read(const struct ps_map *map, ps_map_fn fn, void *arg)
{
    int r = read_batches(map, fn, arg);

    return r == -EINVAL || r == -EOPNOTSUPP || r == -524 /* ENOTSUPP */
               ? read_singly(map, fn, arg)
               : r;
}

int ps_map_take(const struct ps_map *map, const void *key, void *value)
{
    if (bpf_map_lookup_and_delete_elem(map->fd, key, value) == 0)
        return 0;
    if (errno == ENOENT)
        return -ENOENT;
    if (bpf_map_lookup_elem(map->fd, key, value) < 0 ||
        bpf_map_delete_elem(map->fd, key) < 0)
        return -errno;
    return 0;
}
