/* SPDX-License-Identifier: MIT */
/*
 * Where callers that have no packet among their arguments stand in a packet's
 * call tree: from the stacks that some of its calls carry. Plain logic: no I/O,
 * no clock, no names.
 *
 * A function that a stack shows at the place where it was shown for the call
 * before, with the same callers further out, is taken for the same call of it.
 */
#ifndef PS_TRACER_CALLERS_H
#define PS_TRACER_CALLERS_H

#include "common/util.h"
#include "tracer/calls.h"
#include "tracer/carry.h"

struct ps_callers;

/* Of one call: which functions of its stack are new, and stand before it. */
struct ps_callers_shown {
    size_t first;        /* of the functions that were given: to their end */
    uint16_t depth;      /* of the first one, 0: outermost */
    uint16_t call_depth; /* of the call itself */
};

int ps_callers_new(struct ps_callers **ret_callers);
void ps_callers_free(struct ps_callers **callers);

/*
 * A packet's calls one after the other, in order of time. function: where the
 * call's begins. stack: where those begin that called it, outermost first, n of
 * them, at most PS_CARRY_FRAMES; 0: it has the callers of the one before. cut:
 * there are more further out.
 */
void ps_callers_add(struct ps_callers *callers, const struct ps_call *call,
                    uint64_t function, const uint64_t *stack, size_t n,
                    bool cut, struct ps_callers_shown *ret_shown);

#endif
