// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The stations of the core tier: each program sees an skb, asks whether a
 * running trace wants it, and if so writes one event. They are attached only
 * while a trace runs.
 *
 * Each tracepoint has two programs with one body: tp_btf, where fields are
 * plain loads, and raw_tp for kernels that refuse that.
 */
#include "bpf/tracer/stations.h"

#define NF_ACCEPT 1
#define TCX_NEXT  (-1)
#define MSG_PEEK  2

char LICENSE[] SEC("license") = "Dual MIT/GPL";

extern void *bpf_cast_to_kern_ctx(void *obj) __ksym __weak;

#define HOOK(st, wh, is_direct)           \
    {.skb = skb,                          \
     .dev = ps_load(is_direct, skb, dev), \
     .station = (st),                     \
     .where = (wh),                       \
     .may_stack = true,                   \
     .direct = (is_direct)}
/* Where skb->dev is no device, or not known to be one. */
#define HOOK_NO_DEV(st, is_direct) \
    {.skb = skb,                   \
     .station = (st),              \
     .where = PS_SKB_ANY,          \
     .may_stack = true,            \
     .direct = (is_direct)}

#define DEVICE_STATION(kind, prefix, is_direct, name, st, wh, ...) \
    SEC(kind "/" #name)                                            \
    int BPF_PROG(prefix##_##name, __VA_ARGS__)                     \
    {                                                              \
        const struct hook h = HOOK(st, wh, is_direct);             \
                                                                   \
        return at_device(ctx, &h);                                 \
    }

#define CALL_STATION(kind, prefix, is_direct, name, st)                     \
    SEC(kind "/" #name)                                                     \
    int BPF_PROG(prefix##_##name, struct sock *sk, int ret, int flags)      \
    {                                                                       \
        /* What is only looked at is not taken. */                          \
        return flags & MSG_PEEK ? 0 : at_call(ctx, sk, ret, st, is_direct); \
    }

#define FREE_STATION(kind, prefix, is_direct, name, suffix, call, ...) \
    SEC(kind "/" #name)                                                \
    int BPF_PROG(prefix##_##suffix, __VA_ARGS__)                       \
    {                                                                  \
        struct hook h = HOOK_NO_DEV(PS_ST_CONSUME_SKB, is_direct);     \
                                                                       \
        return call;                                                   \
    }

static __always_inline int at_dequeue(void *ctx, struct sk_buff *skb,
                                      bool direct)
{
    const struct hook h = HOOK(PS_ST_QDISC_DEQUEUE, PS_SKB_TX, direct);

    return at_device(ctx, &h);
}

/* All of them for one kind. Where arguments grew there is a program for each
 * form, and user space takes the one that the running kernel has. */
#define STATIONS(kind, prefix, is_direct)                                    \
    DEVICE_STATION(kind, prefix, is_direct, net_dev_queue,                   \
                   PS_ST_NET_DEV_QUEUE, PS_SKB_TX, struct sk_buff *skb)      \
    DEVICE_STATION(kind, prefix, is_direct, qdisc_enqueue,                   \
                   PS_ST_QDISC_ENQUEUE, PS_SKB_TX, void *q PS_UNUSED,        \
                   void *txq PS_UNUSED, struct sk_buff *skb)                 \
    DEVICE_STATION(kind, prefix, is_direct, netif_rx, PS_ST_NETIF_RX,        \
                   PS_SKB_RX, struct sk_buff *skb)                           \
    DEVICE_STATION(kind, prefix, is_direct, napi_gro_receive_entry,          \
                   PS_ST_NAPI_GRO_RECEIVE, PS_SKB_RX, struct sk_buff *skb)   \
    DEVICE_STATION(kind, prefix, is_direct, netif_receive_skb,               \
                   PS_ST_NETIF_RECEIVE_SKB, PS_SKB_RX, struct sk_buff *skb)  \
    CALL_STATION(kind, prefix, is_direct, sock_send_length, PS_ST_SOCK_SEND) \
    CALL_STATION(kind, prefix, is_direct, sock_recv_length, PS_ST_SOCK_RECV) \
                                                                             \
    SEC(kind "/qdisc_dequeue")                                               \
    int BPF_PROG(prefix##_qdisc_dequeue, void *q PS_UNUSED,                  \
                 void *txq PS_UNUSED, int n PS_UNUSED, struct sk_buff *skb)  \
    {                                                                        \
        /* Nothing was in it. */                                             \
        if (!skb)                                                            \
            return 0;                                                        \
        return at_dequeue(ctx, skb, is_direct);                              \
    }                                                                        \
    SEC(kind "/net_dev_start_xmit")                                          \
    int BPF_PROG(prefix##_net_dev_start_xmit, struct sk_buff *skb)           \
    {                                                                        \
        const struct hook h =                                                \
            HOOK(PS_ST_NET_DEV_START_XMIT, PS_SKB_TX, is_direct);            \
                                                                             \
        return at_start_xmit(ctx, &h);                                       \
    }                                                                        \
    SEC(kind "/net_dev_xmit")                                                \
    int BPF_PROG(prefix##_net_dev_xmit, struct sk_buff *skb, int rc)         \
    {                                                                        \
        return at_xmit(ctx, skb, rc);                                        \
    }                                                                        \
    SEC(kind "/tcp_probe")                                                   \
    int BPF_PROG(prefix##_tcp_probe, struct sock *sk, struct sk_buff *skb)   \
    {                                                                        \
        const struct hook h = HOOK_NO_DEV(PS_ST_TCP_PROBE, is_direct);       \
                                                                             \
        return at_tcp_probe(ctx, &h, sk);                                    \
    }                                                                        \
    SEC(kind "/skb_copy_datagram_iovec")                                     \
    int BPF_PROG(prefix##_skb_copy_datagram_iovec, struct sk_buff *skb,      \
                 int len)                                                    \
    {                                                                        \
        const struct hook h = HOOK_NO_DEV(PS_ST_COPY_DATAGRAM, is_direct);   \
                                                                             \
        return at_copy(ctx, &h, len);                                        \
    }                                                                        \
    FREE_STATION(kind, prefix, is_direct, kfree_skb, kfree_skb2,             \
                 at_kfree(ctx, &h, location, false, 0), struct sk_buff *skb, \
                 void *location)                                             \
    FREE_STATION(kind, prefix, is_direct, kfree_skb, kfree_skb3,             \
                 at_kfree(ctx, &h, location, true, reason),                  \
                 struct sk_buff *skb, void *location, __u32 reason)          \
    FREE_STATION(kind, prefix, is_direct, consume_skb, consume_skb1,         \
                 at_consume(ctx, &h, NULL), struct sk_buff *skb)             \
    FREE_STATION(kind, prefix, is_direct, consume_skb, consume_skb2,         \
                 at_consume(ctx, &h, location), struct sk_buff *skb,         \
                 void *location)

STATIONS("tp_btf", btf, true)
STATIONS("raw_tp", raw, false)

/* One program for all hooks of both families. */
SEC("netfilter")
int nf(struct bpf_nf_ctx *ctx)
{
    const struct nf_hook_state *state = ctx->state;
    __u8 hook = state->hook;
    struct hook h = {
        .skb = ctx->skb,
        /* prerouting, input, forward, output, postrouting: 0 to 4. */
        .dev = hook < 3 ? state->in : state->out,
        .station = PS_ST_NF_PREROUTING + hook,
        .where = PS_SKB_ANY,
        .direct = true,
        .netfilter = true,
    };

    if (hook <= 4)
        at_device(NULL, &h);
    return NF_ACCEPT;
}

static __always_inline void at_skb_hook(struct __sk_buff *ctx,
                                        enum ps_tracer_station station)
{
    struct sk_buff *skb = bpf_cast_to_kern_ctx(ctx);
    const struct hook h = {
        .skb = skb,
        .dev = skb->dev,
        .station = station,
        .where = PS_SKB_ANY,
        .direct = true,
    };

    at_device(NULL, &h);
}

SEC("cgroup_skb/ingress")
int cgroup_ingress(struct __sk_buff *ctx)
{
    at_skb_hook(ctx, PS_ST_CGROUP_INGRESS);
    return 1;
}

SEC("cgroup_skb/egress")
int cgroup_egress(struct __sk_buff *ctx)
{
    at_skb_hook(ctx, PS_ST_CGROUP_EGRESS);
    return 1;
}

SEC("tcx/ingress")
int tcx_ingress(struct __sk_buff *ctx)
{
    at_skb_hook(ctx, PS_ST_TCX_INGRESS);
    return TCX_NEXT;
}

SEC("tcx/egress")
int tcx_egress(struct __sk_buff *ctx)
{
    at_skb_hook(ctx, PS_ST_TCX_EGRESS);
    return TCX_NEXT;
}
