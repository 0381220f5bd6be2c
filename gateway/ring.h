/* SPDX-License-Identifier: MIT */
/*
 * The last events, for streams that come back. What is younger than keep_ns
 * leaves only when the bound of bytes or number is met; what is older, when
 * more than a quarter of the bytes is used. The oldest go first, and how many
 * of which topic have gone is known for much longer. Pure: no I/O, no clock.
 */
#ifndef PS_GATEWAY_RING_H
#define PS_GATEWAY_RING_H

#include "common/util.h"

#define PS_RING_EVENTS  65536
#define PS_RING_HISTORY (1u << 20) /* events whose topic is remembered */
#define PS_RING_TOPICS  8

/* Shared by the ring and the streams that have not sent it yet. */
struct ps_ring_event {
    uint32_t refs;
    uint32_t topic; /* a bit's number */
    uint64_t seq;
    uint64_t time_ns;
    size_t len;
    char text[]; /* as it goes over the wire */
};

struct ps_ring;

/* The first event gets the number base, which must be above 0. */
int ps_ring_new(uint64_t base, size_t max_bytes, uint64_t keep_ns,
                struct ps_ring **ret_ring);
void ps_ring_free(struct ps_ring **ring);

/*
 * Adds an event of a topic (name of bit number topic, below PS_RING_TOPICS) at
 * now_ns of a clock that never goes back. data is one line. NULL without
 * memory; borrowed from the ring.
 */
struct ps_ring_event *ps_ring_add(struct ps_ring *ring, uint64_t now_ns,
                                  uint32_t topic, const char *name,
                                  const char *data);
struct ps_ring_event *ps_ring_ref(struct ps_ring_event *event);
void ps_ring_unref(struct ps_ring_event *event);

/* Number of the oldest one held, of the next to come, and of the first ever. */
uint64_t ps_ring_first(const struct ps_ring *ring);
uint64_t ps_ring_next(const struct ps_ring *ring);
uint64_t ps_ring_base(const struct ps_ring *ring);
/* Borrowed; NULL: not held. */
struct ps_ring_event *ps_ring_get(const struct ps_ring *ring, uint64_t seq);
/*
 * How many events of these topics with numbers in [from, first) are gone.
 * ret_exact false: there may be more, from before what is remembered.
 */
uint64_t ps_ring_lost(const struct ps_ring *ring, uint64_t from,
                      uint32_t topics, bool *ret_exact);

#endif
