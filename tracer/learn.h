/* SPDX-License-Identifier: MIT */
/*
 * Which sockets belong to the processes that running traces ask for: the
 * programs are told of those that are there, and of the processes whose new
 * ones they are to take (bpf/tracer/process_abi.h).
 */
#ifndef PS_TRACER_LEARN_H
#define PS_TRACER_LEARN_H

#include "bpf/tracer/process_abi.h"
#include "common/util.h"
#include "tracer/process.h"

struct ps_trace;
struct tracer;

#define PS_LEARN_MAX_ENDS 4096u

/* A socket without a peer, at one address; with PS_TRACER_LOCAL_END. */
struct ps_local_end {
    struct ps_tracer_tuple tuple;
    uint32_t slots; /* bit mask of traces */
};

struct ps_local_ends {
    struct ps_local_end *list;
    uint32_t n, cap;
};

struct ps_learn {
    struct ps_members members; /* as the programs have them */
    struct ps_local_ends ends; /* the same */
    uint64_t next;             /* look; CLOCK_MONOTONIC */
    uint64_t full;             /* sockets and processes without room */
    /* Of connections that are translated: tables that were not read to their
     * end, tuples without room. */
    uint64_t unread, aliases_full;
};

/*
 * The trace has another filter: what its slot knew beside it is forgotten, and
 * its processes' sockets, and other names of what it takes, are learned.
 */
void ps_learn_ask(struct tracer *t, struct ps_trace *trace);
/* Its packets are not looked at any more. */
void ps_learn_stop(struct tracer *t, const struct ps_trace *trace);
/* Looks again at times, while traces ask for processes. */
void ps_learn_tick(struct tracer *t, uint64_t now);
void ps_learn_close(struct tracer *t);
/* Sockets and processes that there was no room for. */
uint64_t ps_learn_full(const struct tracer *t);

/* ---- records as keys of aliases; plain logic ----------------------------- */

/* What a connected socket sends. False: it has no peer, or no ports. */
bool ps_learn_tuple(const struct ps_tracer_sock *sock,
                    struct ps_tracer_tuple *ret_tuple);
/* Whether others come to it by its local end alone. */
bool ps_learn_has_end(const struct ps_tracer_sock *sock);
/* The key of a local end at this address, of the family's length. */
void ps_learn_end(const struct ps_tracer_sock *sock, unsigned int family,
                  const uint8_t *addr, struct ps_tracer_tuple *ret_end);
/* The address that it is bound to, as packets have it. Returns the family; 0:
 * any address. */
unsigned int ps_learn_bound(const struct ps_tracer_sock *sock,
                            uint8_t ret_addr[16]);

#endif
