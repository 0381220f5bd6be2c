/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The packets that the function tier follows, by their buffer (skb->head):
 * clones share it, and it stays while headers are put before and taken off.
 *
 * An entry is two words, of which one alone says nothing: what two CPUs wrote
 * at once belongs to no key (Hyatt and Mann's lockless hashing, 2002).
 */
#ifndef PS_BPF_FUNCTIONS_FOLLOW_H
#define PS_BPF_FUNCTIONS_FOLLOW_H

#include "bpf/lib/skb.h"
#include "bpf/tracer/functions_abi.h"
#include "bpf/tracer/when.h"

struct ps_fn_slot slots[PS_FN_SLOTS];
/* Packets whose place was taken by others while they may have lived. */
volatile __u64 evicted;
/* When each trace began: what was followed before is not for it. */
volatile __u64 since[PS_TRACER_MAX_TRACES];
volatile __u32 active;
/* Whether any packet was followed since a trace first ran: before, no place
 * needs to be looked at. */
volatile __u32 following;
/* Whether sessions tell of calls, and not first(). */
volatile __u32 sessions;
/* Traces that ask who called; see functions_stack.h. */
volatile __u32 stack_traces;

static __always_inline __u32 slot_of(__u64 key)
{
    return (__u32)((key * 0x9E3779B97F4A7C15ull) >> 40) & (PS_FN_SLOTS - 1);
}

/* The slot of a key, or its neighbour; NULL: neither holds it. */
static __always_inline struct ps_fn_slot *slot_find(__u64 key)
{
    __u32 at = slot_of(key);
    volatile struct ps_fn_slot *slot = &slots[at];

    if (slot->id && (slot->id ^ slot->check) == key)
        return (struct ps_fn_slot *)slot;
    slot = &slots[at ^ 1];
    if (slot->id && (slot->id ^ slot->check) == key)
        return (struct ps_fn_slot *)slot;
    return NULL;
}

static __always_inline bool slot_free(volatile const struct ps_fn_slot *slot)
{
    __u64 id = slot->id;

    return !id || id & PS_FN_GONE || !((id >> PS_FN_TRACES_SHIFT) & active);
}

static __always_inline void slot_set(volatile struct ps_fn_slot *slot,
                                     __u64 key, __u64 id)
{
    slot->id = id;
    slot->check = id ^ key;
}

/* In its own place, in a free one, or in that of the older of two. */
static __always_inline struct ps_fn_slot *slot_put(__u64 key, __u64 id)
{
    struct ps_fn_slot *slot = slot_find(key);
    __u32 at = slot_of(key);

    if (!slot) {
        struct ps_fn_slot *a = &slots[at], *b = &slots[at ^ 1];

        if (slot_free(a))
            slot = a;
        else if (slot_free(b))
            slot = b;
        else {
            slot = ps_is_before(a->id, b->id) ? a : b;
            __sync_fetch_and_add(&evicted, 1);
        }
    }
    slot->signature = 0;
    slot_set(slot, key, id);
    return slot;
}

/* The traces that follow this packet. */
static __always_inline __u32 traces_of(__u64 id)
{
    __u32 traces = (__u32)(id >> PS_FN_TRACES_SHIFT) & active;
    __u64 first = id & ~PS_FN_CPU_MASK;

    if (!traces)
        return 0;
    for (__u32 i = 0; i < PS_TRACER_MAX_TRACES; i++)
        traces &=
            ~((__u32)ps_is_before(first, since[i] & ~PS_FN_CPU_MASK) << i);
    return traces;
}

static __always_inline __u64 new_id(__u32 traces)
{
    __u64 time = bpf_ktime_get_ns() & PS_FN_ID_MASK & ~PS_FN_CPU_MASK;

    return (__u64)traces << PS_FN_TRACES_SHIFT | PS_FN_NEW | time |
           (bpf_get_smp_processor_id() & PS_FN_CPU_MASK);
}

#endif
