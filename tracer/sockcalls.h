/* SPDX-License-Identifier: MIT */
/*
 * Calls of functions that have a packet's socket and no packet: which packets'
 * trees they stand in. Plain logic: no I/O, no clock.
 *
 * What a thread has called, and has not returned, stands in each other. A
 * socket's call stands in the tree of the packet in whose call it was made; and
 * in the trees of those whose calls are made in it, up to another packet's call
 * between them. What neither stands in a packet's call nor around one belongs
 * to no packet, and is counted. Only calls whose return is told can say so.
 */
#ifndef PS_TRACER_SOCKCALLS_H
#define PS_TRACER_SOCKCALLS_H

#include "bpf/tracer/functions_abi.h"
#include "common/util.h"
#include "tracer/calls.h"

/* Threads with a call that has not returned; the one that was not heard of for
 * longest leaves. */
#define PS_SOCKCALLS_THREADS 256u
/* Calls of one that stand in each other. */
#define PS_SOCKCALLS_DEEP 48u
/* Ways that one call stands in; more are left out. */
#define PS_SOCKCALLS_WAYS 8u

struct ps_sockcalls;

/* calls: borrowed, must outlive it. */
int ps_sockcalls_new(struct ps_calls *calls, struct ps_sockcalls **ret_socks);
void ps_sockcalls_free(struct ps_sockcalls **socks);

/* In the order in which they were made, by thread. A packet's call comes here
 * before ps_calls_add(), and its name (ps_calls_name()) before that. */
void ps_sockcalls_packet(struct ps_sockcalls *socks,
                         const struct ps_fn_call *call);
void ps_sockcalls_add(struct ps_sockcalls *socks,
                      const struct ps_fn_return *call);
/* Of either, by its kind. */
void ps_sockcalls_return(struct ps_sockcalls *socks,
                         const struct ps_fn_return *ret);
/* What is open is not known any more: returns were lost, or there are none to
 * come. */
void ps_sockcalls_forget(struct ps_sockcalls *socks);

/* What became of each: PS_JOIN_STEP, PS_JOIN_NO_CALL, _STEP_LIMIT, or what
 * became of the packet's call that it was made in. Of what is open, and stands
 * in no tree yet, it is not known. */
uint64_t ps_sockcalls_count(const struct ps_sockcalls *socks,
                            enum ps_join_result result);

#endif
