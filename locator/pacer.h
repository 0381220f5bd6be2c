/* SPDX-License-Identifier: MIT */
/* An even rate with a small burst (a leaky bucket); times are given. */
#ifndef PS_LOCATOR_PACER_H
#define PS_LOCATOR_PACER_H

#include "common/util.h"

struct ps_pacer {
    uint64_t gap_ns;   /* between two */
    uint64_t burst_ns; /* how far it may run ahead after a pause */
    uint64_t next;     /* when the next one may go */
};

/* rate: each second, at least 1. */
static inline void ps_pacer_init(struct ps_pacer *pacer, uint64_t rate)
{
    pacer->gap_ns = PS_NS_PER_S / rate;
    /* The event loop's timers are a few milliseconds coarse. */
    pacer->burst_ns = 5 * PS_NS_PER_MS;
    pacer->next = 0;
}

/* Takes one if it may go now. */
static inline bool ps_pacer_take(struct ps_pacer *pacer, uint64_t now)
{
    if (now < pacer->next)
        return false;
    if (now - pacer->next > pacer->burst_ns)
        pacer->next = now - pacer->burst_ns;
    pacer->next += pacer->gap_ns;
    return true;
}

#endif
