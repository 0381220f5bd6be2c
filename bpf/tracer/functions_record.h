/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Function tier: what is told of a call. */
#ifndef PS_BPF_FUNCTIONS_RECORD_H
#define PS_BPF_FUNCTIONS_RECORD_H

#include "bpf/tracer/functions_stack.h"
#include "bpf/tracer/functions_throttle.h"

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, PS_TRACER_RING_BYTES);
} calls SEC(".maps");

/* Returns that were not told, and when that was last: calls that seem to be
 * open may not be. */
volatile __u64 untold, untold_at;

/* ---- records ------------------------------------------------------------ */

/* False: the ring is full. */
static __always_inline bool tell_small(enum ps_fn_kind kind, __u32 traces,
                                       __u64 id, __u64 ip, __u64 sp)
{
    struct ps_fn_return *r = bpf_ringbuf_reserve(&calls, sizeof(*r), 0);

    if (!r)
        return false;
    r->kind = (__u8)kind;
    r->traces = (__u8)traces;
    r->cpu = (__u16)bpf_get_smp_processor_id();
    r->pid = (__u32)bpf_get_current_pid_tgid();
    r->packet = id & PS_FN_ID_MASK;
    r->ip = ip;
    r->sp = sp;
    r->time = bpf_ktime_get_ns();
    bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
    return true;
}

/* A socket's queue keeps other things in skb->dev. */
static __always_inline void fill_device(struct net_device *dev,
                                        struct ps_fn_call *c)
{
    if (!dev)
        return;
    c->ifindex = (__u32)BPF_CORE_READ(dev, ifindex);
    c->netns = BPF_CORE_READ(dev, nd_net.net, ns.inum);
    bpf_probe_read_kernel_str(c->ifname, sizeof(c->ifname), dev->name);
}

static __always_inline void fill_call(const struct ps_skb_info *info,
                                      const struct ps_content *content,
                                      struct ps_fn_call *c)
{
    fill_tuple(info, &c->tuple);
    c->seq = content->seq;
    c->ack = content->ack;
    c->payload = content->payload;
    c->hash = content->hash;
    c->ip_id = info->ip_id;
    c->tcp_flags = content->tcp_flags;
    c->flags = content->flags;
    if (info->flags & PS_SKB_FRAGMENT)
        c->flags |= PS_EF_FRAGMENT;
}

/*
 * The buffer was freed and used again, and that was not seen: the header is
 * where it was, and is another one's. A tunnel's header is elsewhere.
 */
static __always_inline bool is_other(struct ps_fn_slot *slot,
                                     const struct ps_skb_info *info,
                                     const struct ps_content *content)
{
    __u32 now = signature(info, content) | 1, before = slot->signature;
    __u32 l3_off = info->l3_off;

    if (!info->l4_off)
        return false;

    if (before && before != now && slot->l3_off == l3_off)
        return true;
    slot->signature = now;
    slot->l3_off = l3_off;
    return false;
}

/* The last one to hold the buffer gives it back. */
static __always_inline bool is_last(struct sk_buff *skb, __u64 head)
{
    struct skb_shared_info *shinfo =
        (struct skb_shared_info *)(head + BPF_CORE_READ(skb, end));
    int bias = BPF_CORE_READ_BITFIELD_PROBED(skb, nohdr) ? (1 << 16) + 1 : 1;

    if (BPF_CORE_READ(skb, users.refs.counter) > 1)
        return false;
    return !BPF_CORE_READ_BITFIELD_PROBED(skb, cloned) ||
           BPF_CORE_READ(shinfo, dataref.counter) == bias;
}

/* What the room knows becomes a record, unless the ring is full. */
__noinline int fn_tell(__u64 addr, __u64 id, __u64 ip, __u64 sp, __u32 how)
{
    struct sk_buff *skb = (struct sk_buff *)addr;
    struct fn_room *room = room_of_cpu();
    __u32 traces = traces_of(id), frames, size;
    struct ps_fn_call *c;

    count(traces, HIT);
    if (!room)
        return 0;
    c = &room->call;
    frames = c->frames;
    __builtin_memset(c, 0, sizeof(*c));
    fill_call(&room->info, &room->content, c);
    fill_device(ps_dev_checked(BPF_CORE_READ(skb, dev)), c);
    c->packets = room->info.packets;
    c->kind = PS_FN_CALL;
    c->returns = !!(how & PS_FN_RETURNS);
    c->traces = (__u8)traces;
    c->cpu = (__u16)bpf_get_smp_processor_id();
    c->pid = (__u32)bpf_get_current_pid_tgid();
    c->packet = id & (PS_FN_ID_MASK | PS_FN_NEW);
    c->ip = ip;
    c->sp = sp;
    c->skb = addr;
    c->head = (__u64)BPF_CORE_READ(skb, head);
    c->len = BPF_CORE_READ(skb, len);
    c->mark = BPF_CORE_READ(skb, mark);
    c->time = bpf_ktime_get_ns();
    c->frames = frames;
    barrier_var(frames);
    size = sizeof(*c) + (frames < PS_FN_FRAMES ? frames : PS_FN_FRAMES) * 8ul;
    if (bpf_ringbuf_output(&calls, c, size, BPF_RB_NO_WAKEUP))
        count(traces, RING_FULL);
    return 0;
}

/* 0: the record is made, or the ring is full; 1: it is another packet. */
__noinline int fn_record(__u64 addr, __u64 id, __u64 ip, __u64 sp, __u32 how)
{
    struct sk_buff *skb = (struct sk_buff *)addr;
    __u64 head = (__u64)BPF_CORE_READ(skb, head);
    struct ps_fn_slot *slot = slot_find(head);
    struct fn_room *room = room_of_cpu();
    __u32 l3 = l3_of(skb, head, false);
    enum ps_skb_where where =
        l3 && !BPF_CORE_READ(skb, network_header) ? PS_SKB_RX : PS_SKB_ANY;

    if (!room)
        return 0;
    if (how & PS_FN_AFTER) {
        __builtin_memset(&room->info, 0, sizeof(room->info));
        __builtin_memset(&room->content, 0, sizeof(room->content));
    } else {
        fn_parse(addr, where);
        fn_content(addr);
        if (throttle > 1 && room->info.packets > 1)
            fn_note_whole(true);
    }
    /* Nothing in it, and no header: it was made just now. */
    if (slot && !(how & PS_FN_END) && !(id & PS_FN_GONE) &&
        (room->info.family ? is_other(slot, &room->info, &room->content)
                           : !l3 && !BPF_CORE_READ(skb, len))) {
        slot_set(slot, head, 0);
        return 1;
    }
    fn_tell(addr, id, ip, sp, how);
    if (!slot)
        return 0;
    id = slot->id & ~PS_FN_NEW;
    if (how & PS_FN_RELEASE && !(id & PS_FN_GONE) && is_last(skb, head)) {
        id |= PS_FN_GONE;
        slot_release(slot, (__u32)sp);
    }
    if (id != slot->id)
        slot_set(slot, head, id);
    return 0;
}

/* The packet's number where its call is recorded. ctx NULL: of a test, which
 * has no stack. */
static __always_inline __u64 enter(struct pt_regs *ctx, __u64 addr, __u32 how,
                                   __u64 ip, __u64 sp, bool direct)
{
    __u64 id;

    /* Twice: what was followed may turn out to be another one. */
    for (int i = 0; i < 2; i++) {
        id = direct ? follow_cast(addr, how, (__u32)sp)
                    : follow_read(addr, how, (__u32)sp);
        if (!id)
            return 0;
        if ((id & PS_FN_OPEN) == PS_FN_OPEN) {
            if (!fn_taken(addr, id))
                return 0;
            id &= ~PS_FN_GONE;
        }
        if (ctx)
            take_stack(ctx, id, ip, sp, how & PS_FN_RETURNS);
        if (!fn_record(addr, id, ip, sp, how))
            return id;
    }
    return 0;
}

#endif
