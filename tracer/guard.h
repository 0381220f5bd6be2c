/* SPDX-License-Identifier: MIT */
/*
 * The guarder's drops: while traces run it is asked, over the bus, for the
 * packets that its rules dropped and that a trace may want. Where the kernel
 * freed a buffer for it, the rule goes to that step; where the driver had made
 * none yet, the drop is a step of its own ("xdp:drop").
 */
#ifndef PS_TRACER_GUARD_H
#define PS_TRACER_GUARD_H

#include "common/bus.h"
#include "common/types.h"
#include "tracer/rules.h"

struct tracer;
struct ps_trace;
struct ps_guard;

int ps_guard_new(struct tracer *t, struct ps_guard **ret_guard);
void ps_guard_free(struct ps_guard **guard);

/*
 * Answers the call with msg, and frees it, once the guarder watches for what
 * runs now, or where it does not answer: so that no drop after it is missed.
 * guard may be NULL.
 */
void ps_guard_reply(struct ps_guard *guard, struct ps_call *call,
                    ProtobufCMessage *msg);
/* Every few milliseconds while a trace runs. */
void ps_guard_tick(struct ps_guard *guard, uint64_t now);
/*
 * Whether everything that the guarder dropped before `since` has come, or it
 * does not answer. guard may be NULL.
 */
bool ps_guard_is_past(const struct ps_guard *guard, uint64_t since);
/* Drops that the guarder could not note, or that could not be read here. */
uint64_t ps_guard_lost(const struct ps_guard *guard);

/* The watches of one trace, for its filter: at most 2. Freed by the caller.
 * Returns their number, or -ENOMEM. */
int ps_guard_watches(const Ps__TraceFilter *filter, Ps__Rule **ret_rules);

#endif
