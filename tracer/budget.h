/* SPDX-License-Identifier: MIT */
/*
 * Keeps what traces cost within a share of one core: more than that, and only
 * one of n packets is followed. Plain logic, without a clock and without I/O.
 *
 * The kernel counts the run time of programs only while it is asked to, which
 * itself costs; so it is asked for a window of PS_BUDGET_WINDOW_NS in each
 * PS_BUDGET_PERIOD_NS, the first at once. What the daemon itself uses is known
 * all the time, and taken from one window's end to the next one's. Only what
 * is too much in two windows after each other is.
 *
 * What the programs ask of packets that no trace wants costs too, and is not
 * less where fewer are followed: a step that does not help is taken back.
 */
#ifndef PS_TRACER_BUDGET_H
#define PS_TRACER_BUDGET_H

#include "common/util.h"

#define PS_BUDGET_WINDOW_NS    (50 * PS_NS_PER_MS)
#define PS_BUDGET_PERIOD_NS    (500 * PS_NS_PER_MS)
#define PS_BUDGET_MAX_THROTTLE 65536u

struct ps_budget {
    double share;      /* of one core, allowed */
    uint32_t throttle; /* one of so many; 1: all */
    bool measuring;
    uint64_t since;      /* of the window, or of the end of the last one */
    uint64_t run_ns;     /* at the window's beginning */
    uint64_t own_ns;     /* at the end of the last window */
    uint64_t own_since;  /* when that was */
    bool over;           /* the last window was */
    double used;         /* share, of the last window */
    double programs;     /* of it, without the daemon's own */
    uint32_t tried_from; /* the throttle before the last step up; 0: none */
    double tried_used;   /* what was used then */
    double floor; /* what is used however few are followed; 0: not known */
    uint64_t programs_ns; /* of all windows, stretched over the time between */
    uint64_t last;        /* end of the last window; 0: none yet */
};

void ps_budget_start(struct ps_budget *b, double share, uint64_t now,
                     uint64_t own_ns);
/*
 * Call every few milliseconds while traces run. run_ns: the programs' run time
 * (only looked at while b->measuring is set); own_ns: the daemon's CPU time.
 * True where b->measuring or b->throttle has changed: act on it.
 */
bool ps_budget_tick(struct ps_budget *b, uint64_t now, uint64_t run_ns,
                    uint64_t own_ns);

#endif
