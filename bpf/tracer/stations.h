/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What each kind of station does for its event, besides what look() does: at
 * the device (transmission), at sockets, at the end.
 */
#ifndef PS_BPF_TRACER_STATIONS_H
#define PS_BPF_TRACER_STATIONS_H

#include "bpf/lib/place.h"
#include "bpf/tracer/ask.h"
#include "bpf/tracer/owners.h"

/* What is being transmitted on this CPU: net_dev_xmit comes when the skb may
 * be gone, so its content is kept from net_dev_start_xmit. */
struct xmit_stack {
    __u32 depth;
    __u32 pad;
    struct ps_tracer_event events[PS_TRACER_XMIT_DEPTH];
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct xmit_stack);
} xmits SEC(".maps");

const volatile struct ps_places places = {};

static __always_inline int at_device(void *ctx, const struct hook *h)
{
    __u32 room = ask(h);

    return room ? finish(ctx, room - 1) : 0;
}

/* ---- transmission ------------------------------------------------------- */

__noinline int keep_xmit(__u32 nr)
{
    struct room *room = room_at(nr);
    struct xmit_stack *stack;
    __u32 key = 0, depth;

    stack = bpf_map_lookup_elem(&xmits, &key);
    if (!room || !stack)
        return 0;
    depth = stack->depth;
    if (depth < PS_TRACER_XMIT_DEPTH) {
        __builtin_memcpy(&stack->events[depth], &room->event,
                         sizeof(room->event));
        stack->depth = depth + 1;
    } else {
        count_for(room->event.traces, PS_ST_NET_DEV_XMIT, HIT);
        count_for(room->event.traces, PS_ST_NET_DEV_XMIT, MAP_FULL);
    }
    return 0;
}

static __always_inline int at_start_xmit(void *ctx, const struct hook *h)
{
    __u32 room = ask(h);

    if (!room)
        return 0;
    keep_xmit(room - 1);
    return finish(ctx, room - 1);
}

/* An event like one before, now, with this result; as look(). */
__noinline int look_sent(__u32 depth, __u32 rc)
{
    struct ps_tracer_event *e, *before;
    struct xmit_stack *stack;
    __u32 key = 0, traces, nr;
    struct room *room;

    stack = bpf_map_lookup_elem(&xmits, &key);
    if (!stack || depth >= PS_TRACER_XMIT_DEPTH)
        return 0;
    before = &stack->events[depth];
    /* A trace that ended meanwhile counts nothing more. */
    traces = before->traces & traces_on(filters_now());
    if (!traces)
        return 0;
    nr = take_room();
    room = room_at(nr);
    if (!room) {
        count_for(traces, PS_ST_NET_DEV_XMIT, HIT);
        count_for(traces, PS_ST_NET_DEV_XMIT, MAP_FULL);
        return 0;
    }
    e = &room->event;
    begin_event(room, traces, PS_ST_NET_DEV_XMIT, true);
    __builtin_memcpy(e, before, sizeof(*e));
    e->time = bpf_ktime_get_ns();
    e->traces = (__u8)traces;
    e->station = PS_ST_NET_DEV_XMIT;
    e->stack = e->bytes = 0;
    e->flags &= (__u16)~PS_EF_FIRST;
    e->reason = rc;
    return (int)nr + 1;
}

static __always_inline int at_xmit(void *ctx, struct sk_buff *skb, int rc)
{
    struct xmit_stack *stack;
    __u32 key = 0, depth, room;

    stack = bpf_map_lookup_elem(&xmits, &key);
    if (!stack || !stack->depth)
        return 0;
    depth = stack->depth - 1;
    if (depth >= PS_TRACER_XMIT_DEPTH ||
        stack->events[depth].skb != as_number(skb))
        return 0;
    stack->depth = depth;
    room = (__u32)look_sent(depth, (__u32)rc);
    return room ? finish(ctx, room - 1) : 0;
}

/* ---- sockets ------------------------------------------------------------ */

static __always_inline __u32 match_sock(const struct ps_tracer_tuple *tuple)
{
    __u64 word = filters_now();
    __u32 traces = match_tuple(word, tuple);

    /* Under its other name, too: it may be behind a translation. */
    if (have_aliases)
        traces |= alias_of(tuple) & traces_on(word);
    return traces;
}

/* Of these traces, those that do not want this socket's calls because they ask
 * for a namespace alone, and it is in another one. */
static __always_inline __u32 is_elsewhere(__u32 traces, const struct sock *sk)
{
    __u64 word = filters_now();
    __u32 here = traces & slots_of(word, PS_FW_HERE);

    return here ? here & ~match_netns(word, here, sock_netns(sk)) : 0;
}

/* The task that runs uses this socket. */
static __always_inline void note_user(__u64 sk_number)
{
    const struct sock_common *skc = &((struct sock *)sk_number)->__sk_common;
    __u16 lport = BPF_CORE_READ(skc, skc_num);
    __u16 rport = bpf_ntohs(BPF_CORE_READ(skc, skc_dport));

    /* By the address too: packets may have been seen before it had a cookie. */
    if (note_owner(PS_TRACER_OWNER_KEY(sk_number, lport, rport), lport, rport))
        note_owner((__u64)BPF_CORE_READ(skc, skc_cookie.counter), 0, 0);
}

/*
 * Bytes of a TCP stream, told by the socket's own position: what a buffer
 * holds may have swallowed others since it came. skb may be 0. As look().
 */
__noinline int look_range(__u64 sk_number, __u64 skb_number, __u32 station,
                          __u32 len)
{
    const struct tcp_sock *tp = (const struct tcp_sock *)sk_number;
    struct sk_buff *skb = (struct sk_buff *)skb_number;
    struct sock *sk = (struct sock *)sk_number;
    struct ps_tracer_tuple got = {};
    struct ps_tracer_event *e;
    __u32 traces, nr;
    struct room *room;

    if (!glance_sock(sk, false, &got))
        return 0;
    traces = match_sock(&got);
    traces &= ~is_elsewhere(traces, sk);
    if (!traces)
        return 0;
    nr = take_room();
    room = room_at(nr);
    if (!room) {
        count_for(traces, station, HIT);
        count_for(traces, station, MAP_FULL);
        return 0;
    }
    if (station != PS_ST_COPY_DATAGRAM)
        note_user(sk_number);
    begin_event(room, traces, station, true);
    e = &room->event;
    e->time = bpf_ktime_get_ns();
    e->tuple = got;
    e->packets = 1;
    fill_sock(sk_number, e);
    e->netns = sock_netns(sk);
    e->flags = PS_EF_RANGE;
    e->payload = len;
    if (station == PS_ST_SOCK_SEND) {
        reverse_tuple(&got, &e->tuple);
        e->seq = BPF_CORE_READ(tp, write_seq) - len;
    } else {
        e->seq = BPF_CORE_READ(tp, copied_seq);
        if (station == PS_ST_SOCK_RECV)
            e->seq -= len;
    }
    if (skb) {
        e->skb = skb_number;
        e->head = (__u64)BPF_CORE_READ(skb, head);
        e->len = BPF_CORE_READ(skb, len);
        e->mark = BPF_CORE_READ(skb, mark);
        e->ifindex = (__u32)BPF_CORE_READ(skb, skb_iif);
    }
    return (int)nr + 1;
}

static __always_inline int at_range(void *ctx, struct sock *sk,
                                    const struct ps_tracer_tuple *got,
                                    struct sk_buff *skb,
                                    enum ps_tracer_station station, int len)
{
    __u32 room;

    if (!match_sock(got))
        return 0;
    room =
        (__u32)look_range(as_number(sk), as_number(skb), station, (__u32)len);
    return room ? finish(ctx, room - 1) : 0;
}

__noinline int fill_sock_netns(__u32 nr, __u64 skb)
{
    struct room *room = room_at(nr);

    if (room)
        room->event.netns =
            sock_netns(BPF_CORE_READ((struct sk_buff *)skb, sk));
    return 0;
}

static __always_inline int at_copy(void *ctx, const struct hook *h, int len)
{
    struct ps_tracer_tuple got = {};
    struct sk_buff *skb = h->skb;
    struct sock *sk;
    __u32 room;

    if (!traces_on(filters_now()))
        return 0;
    sk = ps_load(h->direct, skb, sk);
    if (sk && glance_sock(sk, h->direct, &got))
        return at_range(ctx, sk, &got, skb, h->station, len);
    /* UDP keeps its own data in skb->dev. */
    room = ask(h);
    if (!room)
        return 0;
    fill_sock_netns(room - 1, as_number(skb));
    return finish(ctx, room - 1);
}

__noinline int fill_reader(__u32 nr, __u64 sk)
{
    struct room *room = room_at(nr);

    if (!room)
        return 0;
    room->event.netns = sock_netns((struct sock *)sk);
    fill_sock(sk, &room->event);
    return 0;
}

static __always_inline int at_tcp_probe(void *ctx, const struct hook *h,
                                        struct sock *sk)
{
    __u32 room = ask(h);

    if (!room)
        return 0;
    fill_reader(room - 1, as_number(sk));
    return finish(ctx, room - 1);
}

/* Who uses a socket that need not have the tuples of its packets is noted
 * whatever these are. */
static __always_inline void note_other(struct sock *sk, bool direct)
{
    const struct sock_common *skc = &sk->__sk_common;
    __u16 family = ps_load(direct, skc, skc_family);
    __u64 number = as_number(sk);

    if ((family != AF_INET && family != AF_INET6) ||
        !ps_load(direct, skc, skc_num) ||
        was_seen(number, ps_load(direct, skc, skc_portpair)))
        return;
    note_user(number);
}

/* The call by which an application sent or received has done its work; what
 * it returns is the number of bytes, or an error. */
static __always_inline int at_call(void *ctx, struct sock *sk, int ret,
                                   enum ps_tracer_station station, bool direct)
{
    struct ps_tracer_tuple got = {};

    if (!traces_on(filters_now()) || ret <= 0 || !sk)
        return 0;
    if (!glance_sock(sk, direct, &got)) {
        note_other(sk, direct);
        return 0;
    }
    return at_range(ctx, sk, &got, NULL, station, ret);
}

/* ---- ends --------------------------------------------------------------- */

__noinline int fill_free(__u32 nr, __u64 skb_number, __u64 location,
                         __u32 has_reason, __u32 reason)
{
    struct sk_buff *skb = (struct sk_buff *)skb_number;
    struct room *room = room_at(nr);
    struct ps_tracer_event *e;
    struct net_device *dev;

    if (!room)
        return 0;
    e = &room->event;
    dev = believed_dev(skb);
    if (dev)
        fill_place(skb, dev, skb_number, false, e);
    if (!e->netns)
        e->netns = sock_netns(BPF_CORE_READ(skb, sk));
    e->location = location;
    if (has_reason) {
        e->flags |= PS_EF_REASON;
        e->reason = reason;
    }
    return 0;
}

static __always_inline int freed(void *ctx, const struct hook *h, __u64 place,
                                 bool has_reason, __u32 reason)
{
    __u32 room = ask(h);

    if (!room)
        return 0;
    fill_free(room - 1, as_number(h->skb), place, has_reason, reason);
    return finish(ctx, room - 1);
}

__noinline __u64 place_of(__u64 location)
{
    return ps_place(location, &places);
}

static __always_inline int at_consume(void *ctx, const struct hook *h,
                                      void *location)
{
    if (!traces_on(filters_now()))
        return 0;
    return freed(ctx, h, location ? place_of(as_number(location)) : 0, false,
                 0);
}

/* What goes with the buffer that it is a part of is no drop. */
static __always_inline int at_kfree(void *ctx, struct hook *h, void *location,
                                    bool has_reason, __u32 reason)
{
    __u64 place = place_of(as_number(location));
    bool part = ps_place_is_part(place, reason, &places);

    h->station = part ? PS_ST_CONSUME_SKB : PS_ST_KFREE_SKB;
    return freed(ctx, h, place, has_reason && !part, reason);
}

#endif
