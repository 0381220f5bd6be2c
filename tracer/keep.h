/* SPDX-License-Identifier: MIT */
/*
 * Ways of a trace into the history while it runs: each once it is settled (its
 * fate is known, or nothing new came for a while), again when something came
 * after all. A little at a time, so that the ring is emptied in between.
 *
 * What was stored is told on topic "packet", without the packet's bytes and
 * the kernel's stacks, a bounded number in a second.
 */
#ifndef PS_TRACER_KEEP_H
#define PS_TRACER_KEEP_H

#include "common/types.h"
#include "common/util.h"

struct tracer;
struct ps_trace;
struct ps_way;

struct ps_keep {
    uint16_t *steps; /* of each listed way, as it is stored; 0: it is not */
    uint16_t *cut;   /* of each, the steps that did not fit its row */
    uint32_t n;      /* room in steps and cut */
    uint32_t next;   /* where the search for the next one goes on */
    uint64_t after;  /* CLOCK_MONOTONIC: nothing is tried before */
    bool quota;      /* the history's bound has no room for more */
    int error;       /* of the last write; 0: it went well */
};

int ps_keep_init(struct ps_keep *keep, uint32_t max_packets);
void ps_keep_clear(struct ps_keep *keep);

/* Stores some of those that are settled. */
void ps_keep_settled(struct tracer *t, struct ps_trace *trace, uint64_t now);
/*
 * Stores some of those that are not stored as they are. 1: there are more; 0:
 * all are, or never will be (the bound); -errno: the disk refused, nothing is
 * lost and it may be tried again.
 */
int ps_keep_rest(struct tracer *t, struct ps_trace *trace, uint64_t now);
/* Listed ways that are not stored at all. */
uint32_t ps_keep_missing(const struct ps_trace *trace);
/* Ways that are stored without some of their steps. */
uint32_t ps_keep_cuts(const struct ps_trace *trace);
/* How many steps of this listed way are not stored, while others are. */
uint16_t ps_keep_cut(const struct ps_trace *trace, uint32_t n);
/* Whether this listed way is stored as it is, or as much as can be. */
bool ps_keep_is_stored(const struct ps_trace *trace, uint32_t n,
                       const struct ps_way *way);

#endif
