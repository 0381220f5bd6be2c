/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Filters of traces, by tuple and more. */
#ifndef PS_BPF_TRACER_MATCH_H
#define PS_BPF_TRACER_MATCH_H

#include "bpf/tracer/content.h"
#include "bpf/tracer/expr.h"
#include "bpf/tracer/where.h"

/* See tracer_plain.bpf.c. */
#ifndef PS_WITH_EXPR
#define PS_WITH_EXPR 1
#endif

static __noinline __u32 match_here(struct sk_buff *skb, struct net_device *dev,
                                   __u64 word, __u32 asked)
{
    struct seen_at at = {};

    at.mark = BPF_CORE_READ(skb, mark);
    at.netns = skb_netns(skb, dev);
    if (dev)
        bpf_probe_read_kernel_str(at.ifname, sizeof(at.ifname), dev->name);
    return match_place(word, asked, &at);
}

/* Of the traces whose tuple fits, those that take it. dev: where it is, or
 * NULL; at: see expr_at(). */
static __noinline PS_UNUSED __u32 match_more(struct room *room,
                                             struct sk_buff *skb,
                                             struct net_device *dev,
                                             __u32 traces, __u64 at)
{
    __u64 word = room->sight.word;
    __u32 asked = traces & slots_of(word, PS_FW_MORE), ask;

    traces &= ~asked;
    asked = match_here(skb, dev, word, asked);
    ask = asked & slots_of(word, PS_FW_EXPR);
    if (ask && PS_WITH_EXPR)
        asked = (asked & ~ask) | match_exprs(room, skb, word, ask, at);
    return traces | asked;
}

/* Of the traces, those that leave this packet out because they take only one
 * of so many. hash: of what is the same wherever it is seen. */
static __always_inline __u32 sampled_out(__u64 word, __u32 traces, __u32 hash)
{
    __u32 some = traces & slots_of(word, PS_FW_SAMPLE), out = 0;

    if (!some)
        return 0;
    hash = spread(hash);
    for (__u32 i = 0; i < PS_TRACER_MAX_TRACES; i++) {
        __u64 turn = (__u64)hash * filter_of(word, i)->sample >> 32;

        out |= (__u32)nonzero(turn) << i;
    }
    return out & some;
}

#endif
