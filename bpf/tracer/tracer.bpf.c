// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The stations of the core tier: each program sees an skb, asks whether a
 * running trace wants it, and if so writes one event. They are attached only
 * while a trace runs.
 *
 * Each tracepoint has two programs with one body: tp_btf, where fields are
 * plain loads, and raw_tp for kernels that refuse that.
 */
#include "bpf/tracer/match.h"
#include "bpf/tracer/sock.h"

#define NETNS_INUM_MIN 0xE0000000u
#define KERNEL_POINTER 0xffff000000000000ull
#define NF_ACCEPT      1

char LICENSE[] SEC("license") = "Dual MIT/GPL";

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

/* Written by user space: a filter is whole before its bit is set. */
struct ps_tracer_filter filters[PS_TRACER_MAX_TRACES];
volatile __u32 active;
/* Where skb_release_data() is: ps_skb_freed_as_part(). */
const volatile __u64 release_from = 0;
const volatile __u64 release_to = 0;

extern void *bpf_cast_to_kern_ctx(void *obj) __ksym __weak;

/* ---- match and emit ----------------------------------------------------- */

/* An interrupt's program may count at the same place: atomically. */
static __always_inline void count_event(const struct ps_tracer_event *e,
                                        bool lost)
{
    for (__u32 i = 0; i < PS_TRACER_MAX_TRACES; i++) {
        __u32 key = i * PS_ST_MAX + e->station;
        struct ps_tracer_count *count;

        if (!(e->traces & (1u << i)))
            continue;
        count = bpf_map_lookup_elem(&counts, &key);
        if (count)
            __sync_fetch_and_add(lost ? &count->ring_full : &count->hits, 1);
    }
}

/* A hit is counted before anybody can see its event. */
static __always_inline void emit(struct ps_tracer_event *e)
{
    count_event(e, false);
    if (bpf_ringbuf_output(&events, e, sizeof(*e), BPF_RB_NO_WAKEUP))
        count_event(e, true);
}

static __always_inline void fill_sock(const struct sock *sk,
                                      struct ps_tracer_event *e)
{
    /* An offset of a fragment shares the field before 6.7. */
    if ((__u64)sk < KERNEL_POINTER)
        return;
    e->sk = (__u64)sk;
    e->cookie = (__u64)BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
}

static __always_inline void fill_place(struct sk_buff *skb, bool direct,
                                       struct net_device *dev,
                                       const struct ps_skb_info *info,
                                       struct ps_tracer_event *e)
{
    e->time = bpf_ktime_get_ns();
    e->skb = (__u64)skb;
    e->len = ps_load(direct, skb, len);
    e->mark = ps_load(direct, skb, mark);
    e->cpu = (__u16)bpf_get_smp_processor_id();
    e->netns = info->netns;
    e->ifindex = info->ifindex;
    e->packets = info->packets;
    e->ip_id = info->ip_id;
    if (info->flags & PS_SKB_FRAGMENT)
        e->flags |= PS_EF_FRAGMENT;
    /* Not as the verifier's typed pointer: it may be an offset. */
    fill_sock(BPF_CORE_READ(skb, sk), e);
    if (dev)
        bpf_probe_read_kernel_str(e->ifname, sizeof(e->ifname), dev->name);
    else
        e->ifindex = (__u32)ps_load(direct, skb, skb_iif);
}

/* Parses and matches; true: e is filled and somebody wants it. */
static __always_inline bool begin(struct sk_buff *skb, struct net_device *dev,
                                  enum ps_tracer_station station,
                                  enum ps_skb_where where, bool direct,
                                  struct ps_tracer_event *e)
{
    struct ps_skb_info parsed, info;

    if (!active)
        return false;
    ps_skb_parse_dev(skb, dev, where, direct, &parsed);
    /* A copy that the verifier knows nothing of: otherwise every way through
     * the parser is verified together with every way through the rest. */
    if (bpf_probe_read_kernel(&info, sizeof(info), &parsed) || !info.family)
        return false;
    __builtin_memset(e, 0, sizeof(*e));
    fill_tuple(&info, &e->tuple);
    e->traces = match_filters(filters, active, &e->tuple);
    if (!e->traces)
        return false;
    e->station = (__u8)station;
    e->head = (__u64)ps_load(direct, skb, head);
    fill_place(skb, direct, dev, &info, e);
    fill_content(skb, direct, &info, e);
    return true;
}

static __always_inline int at_device(struct sk_buff *skb,
                                     enum ps_tracer_station station,
                                     enum ps_skb_where where, bool direct)
{
    struct ps_tracer_event e;

    if (begin(skb, ps_load(direct, skb, dev), station, where, direct, &e))
        emit(&e);
    return 0;
}

/* ---- transmission ------------------------------------------------------- */

static __always_inline int at_start_xmit(struct sk_buff *skb, bool direct)
{
    struct xmit_stack *stack;
    struct ps_tracer_event e;
    __u32 key = 0, depth;

    if (!begin(skb, ps_load(direct, skb, dev), PS_ST_NET_DEV_START_XMIT,
               PS_SKB_TX, direct, &e))
        return 0;
    emit(&e);
    stack = bpf_map_lookup_elem(&xmits, &key);
    if (!stack)
        return 0;
    depth = stack->depth;
    if (depth < PS_TRACER_XMIT_DEPTH) {
        __builtin_memcpy(&stack->events[depth], &e, sizeof(e));
        stack->depth = depth + 1;
    }
    return 0;
}

static __always_inline int at_xmit(struct sk_buff *skb, int rc)
{
    struct xmit_stack *stack;
    struct ps_tracer_event e;
    __u32 key = 0, depth;

    stack = bpf_map_lookup_elem(&xmits, &key);
    if (!stack)
        return 0;
    depth = stack->depth - 1;
    if (depth >= PS_TRACER_XMIT_DEPTH || stack->events[depth].skb != (__u64)skb)
        return 0;
    __builtin_memcpy(&e, &stack->events[depth], sizeof(e));
    stack->depth = depth;
    e.station = PS_ST_NET_DEV_XMIT;
    e.time = bpf_ktime_get_ns();
    e.reason = (__u32)rc;
    /* A trace that ended meanwhile counts nothing more. */
    e.traces &= (__u8)active;
    if (e.traces)
        emit(&e);
    return 0;
}

/* ---- sockets ------------------------------------------------------------ */

/* Bytes of a TCP stream: the skb may have swallowed others since it came, so
 * what is copied is told by the socket's own position. */
static __always_inline int copy_tcp(struct sk_buff *skb, const struct sock *sk,
                                    __u32 len, bool direct)
{
    struct ps_tracer_event e;
    struct ps_skb_info none = {.packets = 1};

    __builtin_memset(&e, 0, sizeof(e));
    receive_tuple(sk, &e.tuple);
    e.traces = match_filters(filters, active, &e.tuple);
    if (!e.traces)
        return 0;
    e.station = PS_ST_COPY_DATAGRAM;
    e.head = (__u64)ps_load(direct, skb, head);
    fill_place(skb, direct, NULL, &none, &e);
    e.netns = sock_netns(sk);
    e.flags = PS_EF_RANGE;
    e.seq = BPF_CORE_READ((const struct tcp_sock *)sk, copied_seq);
    e.payload = len;
    emit(&e);
    return 0;
}

static __always_inline int at_copy(struct sk_buff *skb, int len, bool direct)
{
    struct sock *sk;
    struct ps_tracer_event e;

    if (!active)
        return 0;
    sk = ps_load(direct, skb, sk);
    if (sk && is_full_tcp(sk))
        return copy_tcp(skb, sk, (__u32)len, direct);
    /* UDP keeps its own data in skb->dev. */
    if (!begin(skb, NULL, PS_ST_COPY_DATAGRAM, PS_SKB_ANY, direct, &e))
        return 0;
    e.netns = sock_netns(sk);
    emit(&e);
    return 0;
}

static __always_inline int at_tcp_probe(struct sock *sk, struct sk_buff *skb,
                                        bool direct)
{
    struct ps_tracer_event e;

    if (!begin(skb, NULL, PS_ST_TCP_PROBE, PS_SKB_ANY, direct, &e))
        return 0;
    e.netns = sock_netns(sk);
    fill_sock(sk, &e);
    emit(&e);
    return 0;
}

/* ---- ends --------------------------------------------------------------- */

/* skb->dev of a freed skb may be a queue's own data: only what looks like a
 * device in a namespace is believed. */
static __always_inline struct net_device *freed_dev(struct sk_buff *skb)
{
    struct net_device *dev = BPF_CORE_READ(skb, dev);
    struct net *net;

    if ((__u64)dev < KERNEL_POINTER)
        return NULL;
    net = BPF_CORE_READ(dev, nd_net.net);
    if ((__u64)net < KERNEL_POINTER ||
        BPF_CORE_READ(net, ns.inum) < NETNS_INUM_MIN)
        return NULL;
    return dev;
}

static __always_inline int at_free(struct sk_buff *skb, void *location,
                                   enum ps_tracer_station station,
                                   bool has_reason, __u32 reason)
{
    struct ps_tracer_event e;
    struct net_device *dev;

    if (!active)
        return 0;
    dev = freed_dev(skb);
    if (!begin(skb, dev, station, PS_SKB_ANY, false, &e))
        return 0;
    if (!e.netns)
        e.netns = sock_netns(BPF_CORE_READ(skb, sk));
    e.location = (__u64)location;
    if (has_reason) {
        e.flags |= PS_EF_REASON;
        e.reason = reason;
    }
    emit(&e);
    return 0;
}

/* What goes with the buffer that it is a part of is no drop. */
static __always_inline int at_kfree(struct sk_buff *skb, void *location,
                                    bool has_reason, __u32 reason)
{
    bool part =
        ps_skb_freed_as_part((__u64)location, reason, release_from, release_to);

    return at_free(skb, location, part ? PS_ST_CONSUME_SKB : PS_ST_KFREE_SKB,
                   has_reason && !part, reason);
}

/* ---- programs ----------------------------------------------------------- */

#define DEVICE_STATION(name, station, where)          \
    SEC("tp_btf/" #name)                              \
    int BPF_PROG(btf_##name, struct sk_buff *skb)     \
    {                                                 \
        return at_device(skb, station, where, true);  \
    }                                                 \
    SEC("raw_tp/" #name)                              \
    int BPF_PROG(raw_##name, struct sk_buff *skb)     \
    {                                                 \
        return at_device(skb, station, where, false); \
    }

DEVICE_STATION(net_dev_queue, PS_ST_NET_DEV_QUEUE, PS_SKB_TX)
DEVICE_STATION(netif_rx, PS_ST_NETIF_RX, PS_SKB_RX)
DEVICE_STATION(napi_gro_receive_entry, PS_ST_NAPI_GRO_RECEIVE, PS_SKB_RX)
DEVICE_STATION(netif_receive_skb, PS_ST_NETIF_RECEIVE_SKB, PS_SKB_RX)

SEC("tp_btf/net_dev_start_xmit")
int BPF_PROG(btf_net_dev_start_xmit, struct sk_buff *skb)
{
    return at_start_xmit(skb, true);
}

SEC("raw_tp/net_dev_start_xmit")
int BPF_PROG(raw_net_dev_start_xmit, struct sk_buff *skb)
{
    return at_start_xmit(skb, false);
}

SEC("tp_btf/net_dev_xmit")
int BPF_PROG(btf_net_dev_xmit, struct sk_buff *skb, int rc)
{
    return at_xmit(skb, rc);
}

SEC("raw_tp/net_dev_xmit")
int BPF_PROG(raw_net_dev_xmit, struct sk_buff *skb, int rc)
{
    return at_xmit(skb, rc);
}

SEC("tp_btf/tcp_probe")
int BPF_PROG(btf_tcp_probe, struct sock *sk, struct sk_buff *skb)
{
    return at_tcp_probe(sk, skb, true);
}

SEC("raw_tp/tcp_probe")
int BPF_PROG(raw_tcp_probe, struct sock *sk, struct sk_buff *skb)
{
    return at_tcp_probe(sk, skb, false);
}

SEC("tp_btf/skb_copy_datagram_iovec")
int BPF_PROG(btf_skb_copy_datagram_iovec, struct sk_buff *skb, int len)
{
    return at_copy(skb, len, true);
}

SEC("raw_tp/skb_copy_datagram_iovec")
int BPF_PROG(raw_skb_copy_datagram_iovec, struct sk_buff *skb, int len)
{
    return at_copy(skb, len, false);
}

/* The arguments grew: one program for each form, user space takes the one
 * that the running kernel has. */
#define FREE_STATIONS(kind, prefix)                                          \
    SEC(kind "/kfree_skb")                                                   \
    int BPF_PROG(prefix##_kfree_skb2, struct sk_buff *skb, void *location)   \
    {                                                                        \
        return at_kfree(skb, location, false, 0);                            \
    }                                                                        \
    SEC(kind "/kfree_skb")                                                   \
    int BPF_PROG(prefix##_kfree_skb3, struct sk_buff *skb, void *location,   \
                 __u32 reason)                                               \
    {                                                                        \
        return at_kfree(skb, location, true, reason);                        \
    }                                                                        \
    SEC(kind "/consume_skb")                                                 \
    int BPF_PROG(prefix##_consume_skb1, struct sk_buff *skb)                 \
    {                                                                        \
        return at_free(skb, NULL, PS_ST_CONSUME_SKB, false, 0);              \
    }                                                                        \
    SEC(kind "/consume_skb")                                                 \
    int BPF_PROG(prefix##_consume_skb2, struct sk_buff *skb, void *location) \
    {                                                                        \
        return at_free(skb, location, PS_ST_CONSUME_SKB, false, 0);          \
    }

FREE_STATIONS("tp_btf", btf)
FREE_STATIONS("raw_tp", raw)

/* One program for all hooks of both families. */
SEC("netfilter")
int nf(struct bpf_nf_ctx *ctx)
{
    const struct nf_hook_state *state = ctx->state;
    struct sk_buff *skb = ctx->skb;
    struct ps_tracer_event e;
    __u8 hook = state->hook;
    /* prerouting, input, forward, output, postrouting: 0 to 4. */
    struct net_device *dev = hook < 3 ? state->in : state->out;

    if (hook <= 4 &&
        begin(skb, dev, PS_ST_NF_PREROUTING + hook, PS_SKB_ANY, true, &e))
        emit(&e);
    return NF_ACCEPT;
}

SEC("cgroup_skb/ingress")
int cgroup_ingress(struct __sk_buff *ctx)
{
    at_device(bpf_cast_to_kern_ctx(ctx), PS_ST_CGROUP_INGRESS, PS_SKB_ANY,
              true);
    return 1;
}

SEC("cgroup_skb/egress")
int cgroup_egress(struct __sk_buff *ctx)
{
    at_device(bpf_cast_to_kern_ctx(ctx), PS_ST_CGROUP_EGRESS, PS_SKB_ANY, true);
    return 1;
}
