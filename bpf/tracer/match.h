/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Filters of traces. */
#ifndef PS_BPF_TRACER_MATCH_H
#define PS_BPF_TRACER_MATCH_H

#include "bpf/lib/skb.h"
#include "bpf/tracer/tracer_abi.h"

#ifndef IPPROTO_ICMPV6
#define IPPROTO_ICMPV6 58
#endif

/* 1 where x is not 0, without a branch: branches here would multiply the
 * verifier's states by each other. */
static __always_inline __u64 nonzero(__u64 x)
{
    __u64 minus = -x;

    /* The compiler knows this trick, and would make a branch of it. */
    barrier_var(minus);
    x = (x | minus) >> 63;
    barrier_var(x);
    return x;
}

/* 0 where the tuple equals the filter's value under its mask. */
static __always_inline __u64 differs(const struct ps_tracer_filter *f,
                                     const struct ps_tracer_tuple *tuple)
{
    const __u64 *value = (const __u64 *)&f->value;
    const __u64 *mask = (const __u64 *)&f->mask;
    const __u64 *t = (const __u64 *)tuple;
    __u64 diff = 0;

    for (__u32 i = 0; i < PS_TRACER_TUPLE_WORDS; i++)
        diff |= (t[i] ^ value[i]) & mask[i];
    return nonzero(diff);
}

static __always_inline void reverse_tuple(const struct ps_tracer_tuple *t,
                                          struct ps_tracer_tuple *r)
{
    *r = *t;
    __builtin_memcpy(r->saddr, t->daddr, 16);
    __builtin_memcpy(r->daddr, t->saddr, 16);
    r->sport = t->dport;
    r->dport = t->sport;
}

/* Bit mask of the filters, among those `on`, that want this tuple. */
static __always_inline __u8 match_filters(const struct ps_tracer_filter *f,
                                          __u32 on,
                                          const struct ps_tracer_tuple *tuple)
{
    struct ps_tracer_tuple back;
    __u64 mask = 0;

    reverse_tuple(tuple, &back);
    for (__u32 i = 0; i < PS_TRACER_MAX_TRACES; i++) {
        if (!(on >> i))
            break;
        mask |= (1 ^ (differs(&f[i], tuple) & differs(&f[i], &back))) << i;
    }
    return (__u8)(mask & on);
}

static __always_inline void fill_tuple(const struct ps_skb_info *info,
                                       struct ps_tracer_tuple *t)
{
    __builtin_memcpy(t->saddr, info->saddr, 16);
    __builtin_memcpy(t->daddr, info->daddr, 16);
    t->sport = info->sport;
    t->dport = info->dport;
    t->family = info->family;
    t->proto = info->proto;
}

#endif
