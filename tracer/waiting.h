/* SPDX-License-Identifier: MIT */
/*
 * Whether all stations and functions are attached, or, while nothing of what
 * traces ask for comes, only the entries. Plain logic, without a clock and
 * without I/O.
 *
 * To ask at each station of each packet costs as much as the host is busy,
 * also where no packet is wanted; the entries alone (ps_probes_wait()) cost a
 * sixth of it, and miss none. So on a busy host traces wait there until a first
 * packet matches; of it, and of those that come until all stations are attached
 * (some 20 ms), the other stations are missing, which is said of each.
 *
 * On a host that is not busy they do not wait at all, and once something came
 * not before nothing came for PS_WAITING_QUIET_NS.
 *
 * Functions have no probe meanwhile. Where each has one of its own it takes
 * longer until all are there again than until the stations are.
 */
#ifndef PS_TRACER_WAITING_H
#define PS_TRACER_WAITING_H

#include "common/util.h"

/* Shares of the CPU budget that the programs use: above the first traces wait,
 * and below the second, of the entries alone, they do not need to; in so many
 * measurements after each other (of budget.h: two in a second). */
#define PS_WAITING_ABOVE    0.4
#define PS_WAITING_BELOW    0.01
#define PS_WAITING_WINDOWS  3
#define PS_WAITING_QUIET_NS (60 * PS_NS_PER_S)

struct ps_waiting {
    bool on;
    bool came;           /* something did since traces run */
    uint64_t quiet;      /* since when nothing came */
    uint64_t measured;   /* the newest measurement that was counted */
    uint32_t busy, idle; /* measurements after each other that said so */
    bool returning;      /* it waited, and functions are not all there again */
};

/* A trace begins, which all stations are attached for; others run already. */
void ps_waiting_start(struct ps_waiting *w, bool others, uint64_t now);
/*
 * Call every few milliseconds. came: an event did since the last call; may: the
 * entries are enough to find what the traces ask for; share: what the programs
 * use of the budget, measured in a window that ended at this time, or 0 if none
 * did yet. True where w->on has changed: act on it.
 */
bool ps_waiting_tick(struct ps_waiting *w, bool came, bool may, double share,
                     uint64_t measured, uint64_t now);
/* Call as often. all: all functions have their probe. True, once after it
 * waited, where that is so. */
bool ps_waiting_returned(struct ps_waiting *w, bool all);

#endif
