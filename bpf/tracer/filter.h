/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Which running traces want a packet that is seen for the first time.
 *
 *   word = filters_now();
 *   traces = match_tuple(word, &tuple) (| that of its other names)
 *   traces = match_more(skb, dev, word, traces, at)        (match.h)
 *   traces &= ~sampled_out(word, traces, signature)        (match.h)
 *
 * The tuple is compared without a branch for each trace. Only where a trace
 * whose tuple fits asks more (place, mark, expression) is more looked at.
 */
#ifndef PS_BPF_TRACER_FILTER_H
#define PS_BPF_TRACER_FILTER_H

#include "bpf/lib/skb.h"
#include "bpf/tracer/tracer_abi.h"

#ifndef IPPROTO_ICMPV6
#define IPPROTO_ICMPV6 58
#endif

/* Written by user space: a filter is whole before the word names it. */
struct ps_tracer_filters tracing;

/* All of what is in force, at one moment. */
static __always_inline __u64 filters_now(void)
{
    return *(volatile unsigned long long *)&tracing.word;
}

static __always_inline __u32 slots_of(__u64 word, enum ps_tracer_word what)
{
    return (word >> what) & 0xff;
}

static __always_inline __u32 traces_on(__u64 word)
{
    return slots_of(word, PS_FW_ON);
}

/* slot: less than PS_TRACER_MAX_TRACES, which the mask tells the verifier. */
static __always_inline const struct ps_tracer_filter *filter_of(__u64 word,
                                                                __u32 slot)
{
    __u32 bank = (slots_of(word, PS_FW_BANK) >> slot) & 1;

    return &tracing.filters[(slot * PS_TRACER_BANKS + bank) &
                            (PS_TRACER_MAX_TRACES * PS_TRACER_BANKS - 1)];
}

/* ---- tuples ------------------------------------------------------------- */

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

/* A tuple's last word: all of it but the addresses. */
union tuple_ends {
    struct {
        __u16 sport, dport;
        __u8 family, proto;
        __u16 pad;
    };
    __u64 word;
};

/* Whether these slots may take a packet with such ends, whatever its
 * addresses: most are refused so, before these are read. */
static __always_inline bool may_take_ends(__u64 word, __u32 on,
                                          const union tuple_ends *ends)
{
    const __u32 last = PS_TRACER_TUPLE_WORDS - 1;
    union tuple_ends back = *ends;
    __u64 fit = 0;

    back.sport = ends->dport;
    back.dport = ends->sport;
    for (__u32 i = 0; i < PS_TRACER_MAX_TRACES; i++) {
        const struct ps_tracer_filter *f;
        __u64 value, mask;

        if (!(on >> i))
            break;
        f = filter_of(word, i);
        value = ((const __u64 *)&f->value)[last];
        mask = ((const __u64 *)&f->mask)[last];
        fit |= (1 ^ (nonzero((ends->word ^ value) & mask) &
                     nonzero((back.word ^ value) & mask)))
               << i;
    }
    return fit & on;
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

/* Of the slots, those whose tuple fits. */
static __always_inline __u32 match_slots(__u64 word, __u32 on,
                                         const struct ps_tracer_tuple *tuple)
{
    struct ps_tracer_tuple back;
    __u64 mask = 0;

    reverse_tuple(tuple, &back);
    for (__u32 i = 0; i < PS_TRACER_MAX_TRACES; i++) {
        const struct ps_tracer_filter *f;

        if (!(on >> i))
            break;
        f = filter_of(word, i);
        mask |= (1 ^ (differs(f, tuple) & differs(f, &back))) << i;
    }
    return (__u32)mask & on;
}

/* Bit mask of the running traces that take a packet by its own tuple. What is
 * not IP (a tuple of zeros) fits those that have an expression and ask for no
 * tuple. */
static __always_inline __u32 match_tuple(__u64 word,
                                         const struct ps_tracer_tuple *tuple)
{
    __u32 on = traces_on(word) & ~slots_of(word, PS_FW_LEARNED);

    if (!tuple->family)
        on &= slots_of(word, PS_FW_EXPR);
    return match_slots(word, on, tuple);
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

/* Of the slots, those that ask for this namespace or for none. */
static __always_inline __u32 match_netns(__u64 word, __u32 asked, __u32 netns)
{
    __u32 out = 0;

    for (__u32 i = 0; i < PS_TRACER_MAX_TRACES; i++) {
        __u32 wanted = filter_of(word, i)->netns;

        out |= (__u32)(1 ^ (nonzero(wanted) & nonzero(wanted ^ netns))) << i;
    }
    return out & asked;
}

/* ---- place and mark ----------------------------------------------------- */

struct seen_at {
    __u32 netns;
    __u32 mark;
    __u64 ifname[2];
};

static __always_inline __u32 match_place(__u64 word, __u32 asked,
                                         const struct seen_at *at)
{
    __u32 out = 0;

    for (__u32 i = 0; i < PS_TRACER_MAX_TRACES; i++) {
        const struct ps_tracer_filter *f = filter_of(word, i);
        const __u64 *name = (const __u64 *)f->ifname;
        __u64 wrong = (__u64)(f->netns ^ at->netns) & -nonzero(f->netns);

        wrong |= ((at->mark & f->mark_mask) ^ f->mark) &
                 -nonzero(f->flags & PS_FF_MARK);
        wrong |= ((name[0] ^ at->ifname[0]) | (name[1] ^ at->ifname[1])) &
                 -nonzero(f->flags & PS_FF_IFNAME);
        out |= (__u32)(1 ^ nonzero(wrong)) << i;
    }
    return out & asked;
}

#endif
