/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* From a packet that is wanted to a record in the ring. */
#ifndef PS_BPF_TRACER_EVENT_H
#define PS_BPF_TRACER_EVENT_H

#include "bpf/tracer/filter.h"
#include "bpf/tracer/match.h"
#include "bpf/tracer/where.h"

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, PS_TRACER_RING_BYTES);
} events SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, PS_TRACER_MAX_TRACES *PS_ST_MAX);
    __type(key, __u32);
    __type(value, struct ps_tracer_count);
} counts SEC(".maps");

/* Traces that want stacks, and bytes of a packet that some trace wants. */
volatile __u32 stack_traces;
volatile __u32 snap_bytes;

/* Each time that so many more bytes lie in the ring, a power of two, user space
 * is woken. */
const volatile __u32 wake_bytes = PS_TRACER_RING_BYTES / PS_TRACER_RING_WAKES;

/* The numbers of struct ps_tracer_count. */
enum counted { HIT, RING_FULL, THROTTLED, MAP_FULL, COUNTED };

/* An interrupt's program may count at the same place: atomically. */
__noinline int count_for(__u32 traces, __u32 station, __u32 what)
{
    for (__u32 i = 0; i < PS_TRACER_MAX_TRACES; i++) {
        __u32 key = i * PS_ST_MAX + station;
        __u32 wants = traces >> i & 1;
        unsigned long long *count;

        /* To the verifier one bit says nothing of the others. */
        barrier_var(wants);
        if (!wants)
            continue;
        count = bpf_map_lookup_elem(&counts, &key);
        if (count)
            __sync_fetch_and_add(&count[what & (COUNTED - 1)], 1);
    }
    return 0;
}

/* The room's event is for these traces; the rest of it is 0. A hit is counted
 * before anybody can see its event. */
static __always_inline void begin_event(struct room *room, __u32 traces,
                                        __u32 station, bool may_stack)
{
    struct ps_tracer_event *e = &room->event;

    count_for(traces, station, HIT);
    __builtin_memset(e, 0, sizeof(*e));
    e->traces = (__u8)traces;
    e->station = (__u8)station;
    e->cpu = (__u16)bpf_get_smp_processor_id();
    room->with_stack = may_stack && (traces & stack_traces);
    room->with_bytes = false;
}

/* Of the linear data only; what a socket sends lies mostly in pages. from: an
 * L3 header; the stack, if there is to be one, comes before. */
static __always_inline void take_bytes(struct room *room,
                                       const unsigned char *from, __u32 avail)
{
    __u8 *to = (__u8 *)room->tail;
    __u32 n = snap_bytes;

    if (!n)
        return;
    room->with_bytes = true;
    if (n > avail)
        n = avail;
    if (n > PS_TRACER_SNAP_BYTES)
        n = PS_TRACER_SNAP_BYTES;
    if (room->with_stack)
        to += sizeof(__u64[PS_TRACER_STACK_FRAMES]);
    barrier_var(n);
    if (n && n <= PS_TRACER_SNAP_BYTES && !bpf_probe_read_kernel(to, n, from))
        room->event.bytes = n;
}

/* What comes behind the event. */
static __always_inline __u32 tail_size(const struct room *room)
{
    __u32 size = room->with_stack ? PS_TRACER_STACK_FRAMES * 8 : 0;

    if (room->with_bytes)
        size += room->event.bytes > PS_TRACER_SNAP_SHORT ? PS_TRACER_SNAP_BYTES
                                                         : PS_TRACER_SNAP_SHORT;
    return size;
}

/* Room nr's event into the ring; the room is free after it. */
__noinline int send(__u32 nr)
{
    struct room *room = room_at(nr), *first = room_at(0);
    struct ps_tracer_event *e;
    __u64 before, flags;
    __u32 size;

    if (!room || !first)
        return 0;
    e = &room->event;
    e->lost = (__u8)(1 + first->lost % 255);
    size = tail_size(room);
    barrier_var(size);
    if (size > sizeof(room->tail))
        size = sizeof(room->tail);
    /* Whoever empties it comes by himself; but not only when it is full. */
    before = bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA);
    flags = (before ^ (before + sizeof(*e) + size)) & ~(__u64)(wake_bytes - 1)
                ? BPF_RB_FORCE_WAKEUP
                : BPF_RB_NO_WAKEUP;
    if (bpf_ringbuf_output(&events, e, sizeof(*e) + size, flags)) {
        first->lost++;
        count_for(e->traces, e->station, RING_FULL);
    }
    leave_room(room);
    return 0;
}

/* The end of every program that has a room, nr: the stack is its own. ctx of
 * a program that may ask for one, else NULL. */
static __always_inline int finish(void *ctx, __u32 nr)
{
    struct room *room = room_at(nr);
    long n;

    if (ctx && room && room->with_stack) {
        n = bpf_get_stack(ctx, room->tail, PS_TRACER_STACK_FRAMES * 8, 0);
        room->event.stack = n > 0 ? (__u32)n / 8 : 0;
    }
    send(nr);
    return 0;
}

/* number: the address of a struct sock, or 0. */
static __always_inline void fill_sock(__u64 number, struct ps_tracer_event *e)
{
    const struct sock *sk = (const struct sock *)number;

    /* An offset of a fragment shares the field before 6.7. */
    if (number < KERNEL_POINTER)
        return;
    e->sk = number;
    e->cookie = (__u64)BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
}

/* number: skb's address. direct is a constant, see bpf/lib/load.h. */
static __always_inline void fill_place(struct sk_buff *skb,
                                       struct net_device *dev, __u64 number,
                                       bool direct, struct ps_tracer_event *e)
{
    e->skb = number;
    e->head = (__u64)ps_load(direct, skb, head);
    e->len = ps_load(direct, skb, len);
    e->mark = ps_load(direct, skb, mark);
    if (!dev) {
        e->ifindex = (__u32)ps_load(direct, skb, skb_iif);
        return;
    }
    e->ifindex = (__u32)ps_load(direct, dev, ifindex);
    e->netns = direct ? dev->nd_net.net->ns.inum
                      : BPF_CORE_READ(dev, nd_net.net, ns.inum);
    bpf_probe_read_kernel_str(e->ifname, sizeof(e->ifname), dev->name);
}

#endif
