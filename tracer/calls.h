/* SPDX-License-Identifier: MIT */
/*
 * Calls of functions with a packet become a tree. Plain logic: no I/O, no
 * clock.
 *
 * A call stands in the packet's tree below those that have not returned: of the
 * same thread, and on one stack further out. A call whose return is not told
 * has returned once another one begins, or returns, as far out as it did; its
 * duration is then not known.
 */
#ifndef PS_TRACER_CALLS_H
#define PS_TRACER_CALLS_H

#include "bpf/tracer/functions_abi.h"
#include "common/util.h"
#include "tracer/join.h"

#define PS_CALLS_MAX     (1u << 19)
#define PS_CALLS_PLACES  (1u << 18)
#define PS_CALLS_PER_WAY 2048u
#define PS_CALLS_NONE    UINT32_MAX
#define PS_CALLS_NO_TIME UINT64_MAX
/* Calls that are looked at for the one that returns. */
#define PS_CALLS_MAX_OPEN 128u

/* What was so for several calls one after the other. */
struct ps_call_place {
    struct ps_tracer_tuple tuple; /* family 0: none yet */
    uint32_t netns, ifindex, len, packets, mark;
    uint16_t flags; /* enum ps_tracer_event_flags */
    uint16_t pad;   /* places are compared as bytes */
    char ifname[16];
};

struct ps_call {
    uint64_t time, ip, sp;
    uint64_t duration; /* PS_CALLS_NO_TIME: not known */
    uint32_t place;    /* PS_CALLS_NONE: of a socket's, which has none */
    uint32_t next;     /* of the same packet, in order of time */
    uint32_t outer;    /* the next one that has not returned, further out */
    uint32_t pid;
    uint32_t stack; /* as it was given */
    uint16_t cpu;
    uint16_t depth; /* 0: outermost */
    bool returns;   /* its return is told */
    bool by_socket; /* it has the packet's socket, and no packet */
};

struct ps_calls;

/* max_ways: packets of the join. */
int ps_calls_new(uint32_t max_ways, struct ps_calls **ret_calls);
void ps_calls_free(struct ps_calls **calls);

/* The packet with this number is this way of the join; PS_CALLS_NONE: it is not
 * kept, for this reason. */
void ps_calls_name(struct ps_calls *calls, uint64_t packet, uint32_t way,
                   enum ps_join_result why);
/* Counts the result too: PS_JOIN_STEP, _STEP_LIMIT, _NO_PACKET, or what
 * ps_calls_name() gave. stack: its number (carry.h), 0: none. */
enum ps_join_result ps_calls_add(struct ps_calls *calls,
                                 const struct ps_fn_call *call, uint32_t stack);
void ps_calls_return(struct ps_calls *calls, const struct ps_fn_return *ret);

/* The way of a packet; PS_CALLS_NONE: it has none, for this reason. */
uint32_t ps_calls_way(const struct ps_calls *calls, uint64_t packet,
                      enum ps_join_result *ret_why);
/*
 * A call that has a socket alone (sockcalls.h) stands in this way, further out
 * than the calls of it that come now. Its number; PS_CALLS_NONE: no room. It is
 * in none of the counts.
 */
uint32_t ps_calls_add_socket(struct ps_calls *calls, uint32_t way,
                             const struct ps_fn_return *call);
/* It has returned. */
void ps_calls_end_socket(struct ps_calls *calls, uint32_t way, uint32_t number,
                         uint64_t time);
/* Whether a call at sp says that this one, whose return is told, is over. */
bool ps_calls_is_over(uint64_t open_sp, uint64_t sp);

uint64_t ps_calls_count(const struct ps_calls *calls,
                        enum ps_join_result result);
/* How many a way has, at most PS_CALLS_PER_WAY. */
uint32_t ps_calls_of(const struct ps_calls *calls, uint32_t way);
/* How many of them, calls of sockets, have returned: some take long. */
uint32_t ps_calls_ended(const struct ps_calls *calls, uint32_t way);
/* Of a way, in order of time. Borrowed until the next one is added; NULL: no
 * more. */
const struct ps_call *ps_calls_first(const struct ps_calls *calls,
                                     uint32_t way);
const struct ps_call *ps_calls_next(const struct ps_calls *calls,
                                    const struct ps_call *call);
/* NULL: of a socket's call. */
const struct ps_call_place *ps_calls_place(const struct ps_calls *calls,
                                           const struct ps_call *call);

/* The record as an event of the join: the first sight of its packet. */
void ps_calls_event(const struct ps_fn_call *call,
                    struct ps_tracer_event *ret_event);

#endif
