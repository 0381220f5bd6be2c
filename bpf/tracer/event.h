/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* From a packet that is wanted to a record in the ring. */
#ifndef PS_BPF_TRACER_EVENT_H
#define PS_BPF_TRACER_EVENT_H

#include "bpf/tracer/content.h"
#include "bpf/tracer/sock.h"

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

#define KERNEL_POINTER 0xffff000000000000ull

/* What a hook is called with. The pointers may be NULL, but skb. */
struct hook {
    void *ctx; /* of a program that may ask for a stack; else NULL */
    struct sk_buff *skb;
    struct net_device *dev;
    enum ps_tracer_station station;
    enum ps_skb_where where;
    bool direct;     /* see bpf/lib/load.h */
    bool dev_direct; /* the same for dev */
};

enum counted { HIT, RING_FULL, THROTTLED, MAP_FULL };

/* An interrupt's program may count at the same place: atomically. */
static __noinline void count_for(__u32 traces, __u32 station, enum counted what)
{
    for (__u32 i = 0; i < PS_TRACER_MAX_TRACES; i++) {
        __u32 key = i * PS_ST_MAX + station;
        __u32 wants = traces >> i & 1;
        struct ps_tracer_count *count;

        /* To the verifier one bit says nothing of the others. */
        barrier_var(wants);
        if (!wants)
            continue;
        count = bpf_map_lookup_elem(&counts, &key);
        if (!count)
            continue;
        if (what == HIT)
            __sync_fetch_and_add(&count->hits, 1);
        else if (what == RING_FULL)
            __sync_fetch_and_add(&count->ring_full, 1);
        else if (what == THROTTLED)
            __sync_fetch_and_add(&count->throttled, 1);
        else
            __sync_fetch_and_add(&count->map_full, 1);
    }
}

struct event_alone {
    struct ps_tracer_event event;
};
struct event_with_stack {
    struct ps_tracer_event event;
    __u64 stack[PS_TRACER_STACK_FRAMES];
};
struct event_with_bytes {
    struct ps_tracer_event event;
    __u8 bytes[PS_TRACER_SNAP_BYTES];
};
struct event_with_both {
    struct ps_tracer_event event;
    __u64 stack[PS_TRACER_STACK_FRAMES];
    __u8 bytes[PS_TRACER_SNAP_BYTES];
};

static __always_inline void take_stack(void *ctx, __u64 *stack,
                                       struct ps_tracer_event *e)
{
    long n = bpf_get_stack(ctx, stack, PS_TRACER_STACK_FRAMES * 8, 0);

    e->stack = n > 0 ? (__u32)n / 8 : 0;
}

/* Of the linear data only; what a socket sends lies mostly in pages. */
static __always_inline void take_bytes(const unsigned char *from, __u32 avail,
                                       __u8 *bytes, struct ps_tracer_event *e)
{
    __u32 n = snap_bytes;

    if (n > avail)
        n = avail;
    if (n > PS_TRACER_SNAP_BYTES)
        n = PS_TRACER_SNAP_BYTES;
    barrier_var(n);
    if (n && n <= PS_TRACER_SNAP_BYTES &&
        !bpf_probe_read_kernel(bytes, n, from))
        e->bytes = n;
}

#define RESERVE(type)                                                 \
    ({                                                                \
        struct type *record_ =                                        \
            bpf_ringbuf_reserve(&events, sizeof(*record_), 0);        \
                                                                      \
        if (!record_)                                                 \
            return NULL;                                              \
        __builtin_memset(&record_->event, 0, sizeof(record_->event)); \
        record_;                                                      \
    })

/* A record with its stack and bytes, all else 0; NULL: the ring is full.
 * from: the L3 header of a packet at first sight, else NULL. */
static __always_inline struct ps_tracer_event *
reserve(void *ctx, __u32 traces, const unsigned char *from, __u32 avail)
{
    bool stack = ctx && (traces & stack_traces);
    bool bytes = from && snap_bytes;

    if (!stack && !bytes)
        return &RESERVE(event_alone)->event;
    if (!bytes) {
        struct event_with_stack *r = RESERVE(event_with_stack);

        take_stack(ctx, r->stack, &r->event);
        return &r->event;
    }
    if (!stack) {
        struct event_with_bytes *r = RESERVE(event_with_bytes);

        take_bytes(from, avail, r->bytes, &r->event);
        return &r->event;
    }
    struct event_with_both *r = RESERVE(event_with_both);

    take_stack(ctx, r->stack, &r->event);
    take_bytes(from, avail, r->bytes, &r->event);
    return &r->event;
}

/* A hit is counted before anybody can see its event. */
static __noinline struct ps_tracer_event *open_event(void *ctx, __u32 traces,
                                                     __u32 station,
                                                     const unsigned char *from,
                                                     __u32 avail)
{
    struct ps_tracer_event *e;

    count_for(traces, station, HIT);
    e = reserve(ctx, traces, from, avail);
    if (!e) {
        count_for(traces, station, RING_FULL);
        return NULL;
    }
    e->traces = (__u8)traces;
    e->station = (__u8)station;
    return e;
}

static __always_inline void emit(struct ps_tracer_event *e)
{
    bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
}

static __always_inline void fill_sock(const struct sock *sk,
                                      struct ps_tracer_event *e)
{
    /* An offset of a fragment shares the field before 6.7. */
    if (!sk)
        return;
    barrier_var(sk);
    if ((__u64)sk < KERNEL_POINTER)
        return;
    e->sk = (__u64)sk;
    e->cookie = (__u64)BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
}

static __always_inline void fill_place(const struct hook *h,
                                       struct net_device *dev,
                                       struct ps_tracer_event *e)
{
    struct sk_buff *skb = h->skb;

    e->skb = (__u64)skb;
    e->head = (__u64)ps_load(h->direct, skb, head);
    e->len = ps_load(h->direct, skb, len);
    e->mark = ps_load(h->direct, skb, mark);
    e->cpu = (__u16)bpf_get_smp_processor_id();
    if (!dev) {
        e->ifindex = (__u32)ps_load(h->direct, skb, skb_iif);
        return;
    }
    e->ifindex = (__u32)ps_load(h->dev_direct, dev, ifindex);
    e->netns = h->dev_direct ? dev->nd_net.net->ns.inum
                             : BPF_CORE_READ(dev, nd_net.net, ns.inum);
    bpf_probe_read_kernel_str(e->ifname, sizeof(e->ifname), dev->name);
}

#endif
