/* SPDX-License-Identifier: MIT */
/*
 * How many refused requests are recorded: who floods us with wrong tokens
 * shall not fill the disk's queue too. Pure.
 */
#ifndef PS_GATEWAY_AUDIT_LIMIT_H
#define PS_GATEWAY_AUDIT_LIMIT_H

#include "common/util.h"

/* At once, and in each second after that. */
#define PS_AUDIT_BURST 50
#define PS_AUDIT_RATE  5

/* Zeroed at the start. */
struct ps_audit_limit {
    uint64_t empty_ns; /* when the last of what it holds has leaked away */
    uint64_t dropped;  /* refusals that were not recorded */
};

/* Whether one more may be recorded at now_ns (monotonic). */
static inline bool ps_audit_limit_take(struct ps_audit_limit *limit,
                                       uint64_t now_ns)
{
    const uint64_t step = PS_NS_PER_S / PS_AUDIT_RATE;

    if (limit->empty_ns < now_ns)
        limit->empty_ns = now_ns;
    if (limit->empty_ns - now_ns > (PS_AUDIT_BURST - 1) * step) {
        limit->dropped++;
        return false;
    }
    limit->empty_ns += step;
    return true;
}

#endif
