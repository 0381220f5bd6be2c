/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Function tier: what is known of the packet at hand, and what became of it. */
#ifndef PS_BPF_FUNCTIONS_ROOM_H
#define PS_BPF_FUNCTIONS_ROOM_H

#include "bpf/tracer/content.h"
#include "bpf/tracer/functions_match.h"

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, PS_TRACER_MAX_TRACES);
    __type(key, __u32);
    __type(value, struct ps_fn_count);
} fn_counts SEC(".maps");

enum counted { HIT, RING_FULL, RETURN_LOST, THROTTLED };

static __always_inline void count(__u32 traces, enum counted what)
{
    for (__u32 i = 0; i < PS_TRACER_MAX_TRACES; i++) {
        struct ps_fn_count *c;
        __u32 key = i;

        if (!(traces & (1u << i)))
            continue;
        c = bpf_map_lookup_elem(&fn_counts, &key);
        if (!c)
            continue;
        if (what == HIT)
            __sync_fetch_and_add(&c->hits, 1);
        else if (what == RING_FULL)
            __sync_fetch_and_add(&c->ring_full, 1);
        else if (what == RETURN_LOST)
            __sync_fetch_and_add(&c->returns_lost, 1);
        else
            __sync_fetch_and_add(&c->throttled, 1);
    }
}

/* The call whose stack was taken last on a CPU; see functions_stack.h. */
struct fn_outer {
    __u64 id; /* of its packet; 0: it has returned */
    __u64 ip, sp;
    __u64 caller; /* where it goes back to */
    __u32 pid;
    __u32 told; /* its return is told */
};

/* What is known of the packet at hand. Programs of this kind do not interrupt
 * each other on one CPU: the kernel leaves the inner one out. */
struct fn_room {
    struct ps_skb_info info;
    struct ps_content content;
    struct fn_outer outer;
    /* The record: frames[] follow call, as many as it says. */
    struct ps_fn_call call;
    __u64 frames[PS_FN_FRAMES];
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct fn_room);
} fn_room SEC(".maps");

static __always_inline struct fn_room *room_of_cpu(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&fn_room, &zero);
}

/*
 * Functions of their own take numbers and keep what they find in the room: each
 * is verified once, whoever calls it and whatever it was called with. A packet
 * that is followed is not on the way that must be cheap: all is read by helper.
 */
__noinline int fn_parse(__u64 addr, __u32 where)
{
    struct sk_buff *skb = (struct sk_buff *)addr;
    struct fn_room *room = room_of_cpu();

    if (room)
        ps_skb_parse_dev(skb, NULL, where, false, &room->info);
    return 0;
}

__noinline int fn_content(__u64 addr)
{
    struct sk_buff *skb = (struct sk_buff *)addr;
    struct fn_room *room = room_of_cpu();
    struct ps_content content = {};
    struct ps_skb_view view;

    if (!room)
        return 0;
    ps_skb_view(skb, NULL, PS_SKB_ANY, false, &view);
    if (room->info.family)
        read_content(&view, &room->info, &content);
    room->content = content;
    return 0;
}

#endif
