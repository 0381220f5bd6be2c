/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Times in the numbers of packets: of nanoseconds since the machine began the
 * lower 54 bits, 208 days, after which they begin anew. Two that are compared
 * are at most half of that apart: a packet that is believed to live, and the
 * beginning of a trace that is running.
 */
#ifndef PS_BPF_TRACER_WHEN_H
#define PS_BPF_TRACER_WHEN_H

#define PS_WHEN_BITS 54

/* 1 where a was before b, without a branch: see nonzero(). Higher bits of both
 * count for nothing. */
static inline __attribute__((always_inline)) unsigned long long
ps_is_before(unsigned long long a, unsigned long long b)
{
    unsigned long long before = (a - b) << (64 - PS_WHEN_BITS);

    asm volatile("" : "+r"(before));
    before >>= 63;
    asm volatile("" : "+r"(before));
    return before;
}

#endif
