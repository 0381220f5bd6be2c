/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Function tier: whether a packet is followed. */
#ifndef PS_BPF_FUNCTIONS_MATCH_H
#define PS_BPF_FUNCTIONS_MATCH_H

#include "bpf/lib/skb.h"
#include "bpf/tracer/filter.h"
#include "bpf/tracer/functions_follow.h"
#include "bpf/tracer/one_of.h"

static __always_inline struct sk_buff *skb_at(__u64 addr, bool direct)
{
    return direct ? bpf_core_cast((void *)addr, struct sk_buff)
                  : (struct sk_buff *)addr;
}

/* An address that may be reckoned with. Of a field that is loaded plainly newer
 * kernels (6.17) say that it is a pointer; its halves are numbers. */
static __always_inline __u64 number_of(const void *pointer)
{
    __u32 low = (__u32)(__u64)pointer;
    __u32 high = (__u32)((__u64)pointer >> 32);

    /* 32-bit moves, which the compiler would leave out. */
    asm volatile("%0 = %0; %1 = %1" : "+w"(low), "+w"(high));
    return (__u64)high << 32 | low;
}

static __always_inline __u64 head_of(struct sk_buff *skb, bool direct)
{
    return number_of(ps_load(direct, skb, head));
}

/* Before the network layer has said where its header is, it is what the data
 * begin with, on the way up; 0: there is none yet. */
static __always_inline __u32 l3_of(struct sk_buff *skb, __u64 head, bool direct)
{
    __u16 l3 = ps_load(direct, skb, network_header);

    if (l3 || ps_load(direct, skb, mac_header) == 0xffff)
        return l3;
    return (__u32)(number_of(ps_load(direct, skb, data)) - head);
}

/* Reads what filters compare. No extension headers, no tags in the frame: such
 * a packet is taken where the stack has come behind them. */
static __always_inline bool quick_tuple(const unsigned char *at, bool direct,
                                        struct ps_tracer_tuple *t)
{
    struct ps_l3_head h = {};
    const __be16 *l4;

    if (!ps_l3_read(at, direct, &h))
        return false;
    if (h.version_ihl == 0x45) {
        t->family = 4;
        t->proto = h.v4.protocol;
        __builtin_memcpy(t->saddr, &h.v4.saddr, 4);
        __builtin_memcpy(t->daddr, &h.v4.daddr, 4);
        if (h.v4.frag_off & bpf_htons(0x1fff))
            return true;
        l4 = h.l4_v4;
    } else if (h.version_ihl >> 4 == 6) {
        t->family = 6;
        t->proto = h.v6.nexthdr;
        __builtin_memcpy(t->saddr, &h.v6.saddr, 16);
        __builtin_memcpy(t->daddr, &h.v6.daddr, 16);
        l4 = h.l4_v6;
    } else {
        return false;
    }
    if (ps_has_ports(t->proto)) {
        t->sport = bpf_ntohs(l4[0]);
        t->dport = bpf_ntohs(l4[1]);
    }
    return true;
}

/* Traces that take packets of a protocol; set by user space. */
__u8 protocols[256];

/* Nearly all that nobody asks for ends here. */
static __always_inline __u32 by_protocol(const unsigned char *at, __u32 want)
{
    const struct ipv6hdr *v6 = bpf_core_cast(at, struct ipv6hdr);
    const struct iphdr *v4 = bpf_core_cast(at, struct iphdr);

    if (*(const __u8 *)v4 >> 4 == 6)
        return want & protocols[v6->nexthdr];
    return want & protocols[v4->protocol];
}

/* The same before any packet was wanted: nothing else needs to be known then,
 * and no function of our own to be called. */
static __always_inline bool may_match(__u64 addr)
{
    struct sk_buff *skb = skb_at(addr, true);
    __u64 head = head_of(skb, true);
    __u32 l3 = l3_of(skb, head, true);

    return l3 && by_protocol((const unsigned char *)head + l3, active);
}

static __always_inline __u32 matching(struct sk_buff *skb, __u64 head,
                                      __u32 want, bool direct)
{
    struct ps_tracer_tuple tuple = {};
    __u32 l3 = l3_of(skb, head, direct);
    __u64 word = filters_now();
    __u16 proto;

    if (!l3)
        return 0;
    if (ps_can_cast(direct))
        want = by_protocol((const unsigned char *)head + l3, want);
    if (!want)
        return 0;
    proto = ps_load(direct, skb, protocol);
    if (proto && proto != bpf_htons(ETH_P_IP) && proto != bpf_htons(ETH_P_IPV6))
        return 0;
    if (!want || !quick_tuple((const unsigned char *)head + l3, direct, &tuple))
        return 0;
    return match_slots(word, want, &tuple);
}

/* Freeing takes a few functions more, called by the one that gave the buffer
 * back: not much deeper on its stack, and at once. */
#define RELEASE_STACK 4096u
#define RELEASE_TIME  1024u /* of 1024 ns */

static __always_inline void slot_release(struct ps_fn_slot *slot, __u32 sp)
{
    slot->signature = sp;
    slot->l3_off = (__u32)(bpf_ktime_get_ns() >> 10);
}

static __always_inline bool in_release(const struct ps_fn_slot *slot, __u32 sp)
{
    return slot->signature - sp < RELEASE_STACK &&
           (__u32)(bpf_ktime_get_ns() >> 10) - slot->l3_off < RELEASE_TIME;
}

/* The number of what is in this slot, 0: the buffer is another one's now, or
 * was given back and is about to be. Who gives it back may have another one do
 * it, which can be told from a free of the next packet by the stack alone. */
static __always_inline __u64 followed(struct ps_fn_slot *slot, __u64 head,
                                      __u32 how, __u32 sp)
{
    __u64 id = slot ? slot->id : 0;

    if (!(id & PS_FN_GONE))
        return id;
    if (how & (PS_FN_END | PS_FN_RELEASE) && in_release(slot, sp))
        return id;
    if (!(how & PS_FN_END))
        slot_set(slot, head, 0);
    return 0;
}

/* A buffer is about to be replaced, and where returns are not told that is not
 * seen: meanwhile the packet is known by its skb. */
static __always_inline void moves(__u64 addr, __u64 id)
{
    struct ps_fn_slot *slot = slot_put(addr, id & ~(PS_FN_NEW | PS_FN_GONE));

    slot->l3_off = (__u32)(bpf_ktime_get_ns() >> 10);
}

/* It has another buffer now. What was so long ago was another packet's skb. */
static __always_inline struct ps_fn_slot *moved(__u64 addr, __u64 head)
{
    struct ps_fn_slot *slot = slot_find(addr);
    __u64 id;

    if (!slot)
        return NULL;
    id = slot->id;
    slot_set(slot, addr, 0);
    if ((__u32)(bpf_ktime_get_ns() >> 10) - slot->l3_off >= RELEASE_TIME)
        return NULL;
    return slot_put(head, id);
}

/* The packet's number, or 0: nobody follows it. PS_FN_OPEN: fn_taken() says. */
static __always_inline __u64 follow(__u64 addr, __u32 how, __u32 sp,
                                    bool direct)
{
    struct sk_buff *skb = skb_at(addr, direct);
    __u64 head = head_of(skb, direct), id;
    struct ps_fn_slot *slot = following ? slot_find(head) : NULL;
    __u32 traces = 0, want;

    if (!slot && following && !sessions)
        slot = moved(addr, head);
    if (how & PS_FN_UNMADE) {
        if (slot)
            slot_set(slot, head, 0);
        return 0;
    }
    id = followed(slot, head, how, sp);
    if (id)
        traces = traces_of(id);
    want = active & ~traces;
    if (!want || how & PS_FN_END || id & PS_FN_GONE)
        return traces ? id : 0;
    want = matching(skb, head, want, direct);
    if (!want)
        return traces ? id : 0;
    if (traces)
        id |= (__u64)want << PS_FN_TRACES_SHIFT;
    else
        id = new_id(want);
    following = 1;
    if (!traces && throttle > 1)
        return id | PS_FN_OPEN;
    slot_put(head, id);
    return id;
}

__noinline __u64 follow_cast(__u64 addr, __u32 how, __u32 sp)
{
    return follow(addr, how, sp, true);
}

__noinline __u64 follow_read(__u64 addr, __u32 how, __u32 sp)
{
    return follow(addr, how, sp, false);
}

#endif
