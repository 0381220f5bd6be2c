/* SPDX-License-Identifier: MIT */
/* What each station of the kernel means: data, in one table. */
#ifndef PS_TRACER_STATION_H
#define PS_TRACER_STATION_H

#include "bpf/tracer/tracer_abi.h"
#include "common/util.h"
#include "tracer/owners.h"

enum ps_station_flags {
    /* The stack made the packet just before: never joined to an older one. */
    PS_STATION_ORIGIN = 1 << 0,
    /* Says nothing of a packet of which nothing else was seen. */
    PS_STATION_NO_START = 1 << 1,
    /* May come again for the same packet. */
    PS_STATION_REPEATS = 1 << 2,
};

struct ps_station {
    const char *name;
    const char *layer;
    const char *direction; /* "in", "out", NULL: it does not say */
    const char *hook;      /* NULL: that of the tracepoints in use */
    unsigned int flags;
};

/* NULL for a number that is none. */
const struct ps_station *ps_station_get(unsigned int station);

/*
 * Whether the event's socket sent, or received, its packet: on the way out a
 * buffer is its sender's; behind the driver it may still be, over a veth, until
 * the receiving socket has it.
 */
bool ps_station_sender(const struct ps_tracer_event *e,
                       struct ps_sock_key *ret_key);
bool ps_station_receiver(const struct ps_tracer_event *e,
                         struct ps_sock_key *ret_key);

/* What the end of a buffer means for the packet that it held. */
enum ps_free {
    PS_FREE_UNKNOWN,
    PS_FREE_READ, /* by its reader: a delivery */
    /* By the CPU that had made it, for another one that was done with it: of
     * what had come to a socket, its reader. */
    PS_FREE_LATER,
    PS_FREE_LOSS,
};

/*
 * By the station (consume_skb or kfree_skb), the function that freed and the
 * drop reason's name; both may be NULL. Compares whole names, without the
 * suffixes that compilers add (".isra.0").
 */
enum ps_free ps_station_free(unsigned int station, const char *function,
                             const char *reason);

#endif
