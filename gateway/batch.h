/* SPDX-License-Identifier: MIT */
/*
 * Events that many streams get at once: put together once, shared by all that
 * stand at the same place and see the same topics. Pure: no I/O, no clock.
 */
#ifndef PS_GATEWAY_BATCH_H
#define PS_GATEWAY_BATCH_H

#include "gateway/ring.h"

/* An event more may follow once a batch has so many bytes. */
#define PS_BATCH_BYTES (64u << 10)
#define PS_BATCH_KEPT  4

/* Shared by those that have not sent it yet. */
struct ps_batch {
    uint32_t refs;
    uint32_t topics;
    uint64_t from, next; /* numbers of its first event, and after its last */
    size_t len;
    char text[]; /* as it goes over the wire; may be empty */
};

/* The last ones made; zeroed at the start. */
struct ps_batches {
    struct ps_batch *kept[PS_BATCH_KEPT];
    size_t turn;
};

/*
 * The events of these topics from a number on that the ring holds, or was
 * empty of them up to next. Borrowed; NULL without memory.
 */
struct ps_batch *ps_batch_get(struct ps_batches *batches,
                              const struct ps_ring *ring, uint64_t from,
                              uint32_t topics);
void ps_batches_clear(struct ps_batches *batches);
struct ps_batch *ps_batch_ref(struct ps_batch *batch);
void ps_batch_unref(struct ps_batch *batch);

#endif
