// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Every packet that an interface sends or receives, and every one that is
 * dropped, summed by flow.
 *
 * A flow's counters are shared by all CPUs and changed by atomic adds; an
 * interface's, which are hotter, are per CPU and changed by plain ones: rx by
 * one program and tx by another, neither of which interrupts itself but for
 * a packet that netconsole sends from a hard interrupt. Nothing is allocated
 * here: a full map is counted.
 */
#include "bpf/lib/place.h"
#include "bpf/lib/skb.h"

#include "bpf/analyzer/analyzer_abi.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define PACKET_LOOPBACK 5

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, PS_FLOWS_MAX_DEFAULT);
    __type(key, struct ps_flow_key);
    __type(value, struct ps_flow_entry);
} flows SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
    __uint(max_entries, PS_IFACES_MAX_DEFAULT);
    __type(key, struct ps_iface_key);
    __type(value, struct ps_iface_value);
} ifaces SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, PS_DROPS_MAX);
    __type(key, struct ps_drop_key);
    __type(value, struct ps_drop_value);
} drops SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, PS_FLOW_DROPS_MAX_DEFAULT);
    __type(key, struct ps_flow_drop_key);
    __type(value, struct ps_drop_value);
} flow_drops SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct ps_analyzer_losses);
} losses SEC(".maps");

/* Arguments of the tracepoint kfree_skb: 2, 3 (reason), 4 (rx_sk). */
const volatile __u32 kfree_skb_args = 2;
const volatile struct ps_places places = {};

static __always_inline struct ps_analyzer_losses *get_losses(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&losses, &zero);
}

/* As struct ps_flow_entry has it: only GSO takes more than two adds. */
static __always_inline void add_shared(struct ps_counters *c,
                                       const struct ps_skb_info *info)
{
    __sync_fetch_and_add(&c->skbs, 1);
    __sync_fetch_and_add(&c->bytes, info->bytes);
    if (info->packets > 1)
        __sync_fetch_and_add(&c->packets, info->packets - 1);
    if (info->wire_bytes > info->bytes)
        __sync_fetch_and_add(&c->wire_bytes, info->wire_bytes - info->bytes);
}

static __always_inline void add_own(struct ps_counters *c,
                                    const struct ps_skb_info *info)
{
    c->skbs++;
    c->packets += info->packets;
    c->bytes += info->bytes;
    c->wire_bytes += info->wire_bytes;
}

/* The clock costs as much as a look into a map; the tick is one load. */
static __always_inline void touch(__u64 *last_ns, __u64 *last_tick)
{
    __u64 tick = bpf_jiffies64();

    if (*last_tick == tick)
        return;
    *last_tick = tick;
    *last_ns = bpf_ktime_get_ns();
}

static __always_inline void make_key(const struct ps_skb_info *info, bool out,
                                     struct ps_flow_key *key)
{
    __builtin_memset(key, 0, sizeof(*key));
    key->netns = info->netns;
    key->netns_gen = info->netns_gen;
    key->ifindex = info->ifindex;
    key->ethertype = info->ethertype;
    key->proto = info->proto;
    key->family = info->family;
    if (out) {
        __builtin_memcpy(key->laddr, info->saddr, 16);
        __builtin_memcpy(key->raddr, info->daddr, 16);
        key->lport = info->sport;
        key->rport = info->dport;
    } else {
        __builtin_memcpy(key->laddr, info->daddr, 16);
        __builtin_memcpy(key->raddr, info->saddr, 16);
        key->lport = info->dport;
        key->rport = info->sport;
    }
}

static __always_inline void count_flow(const struct ps_skb_info *info, bool out)
{
    struct ps_analyzer_losses *loss;
    struct ps_flow_entry *flow;
    struct ps_flow_key key;

    make_key(info, out, &key);
    flow = bpf_map_lookup_elem(&flows, &key);
    if (!flow) {
        __u64 now = bpf_ktime_get_ns();
        struct ps_flow_entry fresh = {.first_ns = now, .last_ns = now};

        /* Another CPU may be first: then ours is refused and found. */
        bpf_map_update_elem(&flows, &key, &fresh, BPF_NOEXIST);
        flow = bpf_map_lookup_elem(&flows, &key);
    }
    if (flow) {
        add_shared(out ? &flow->tx : &flow->rx, info);
        touch(&flow->last_ns, &flow->tick);
        return;
    }
    loss = get_losses();
    if (!loss)
        return;
    __sync_fetch_and_add(&loss->flow_full_skbs, 1);
    __sync_fetch_and_add(&loss->flow_full_packets, info->packets);
    __sync_fetch_and_add(&loss->flow_full_bytes, info->bytes);
}

static __always_inline void
count_iface(struct net_device *dev, const struct ps_skb_info *info, bool out)
{
    struct ps_iface_key key = {.netns = info->netns,
                               .netns_gen = info->netns_gen,
                               .ifindex = info->ifindex};
    struct ps_analyzer_losses *loss;
    struct ps_iface_value *iface;

    iface = bpf_map_lookup_elem(&ifaces, &key);
    if (!iface) {
        struct ps_iface_value fresh = {0};

        bpf_core_read_str(fresh.name, sizeof(fresh.name), &dev->name);
        bpf_map_update_elem(&ifaces, &key, &fresh, BPF_NOEXIST);
        iface = bpf_map_lookup_elem(&ifaces, &key);
    }
    if (iface) {
        add_own(out ? &iface->tx : &iface->rx, info);
        touch(&iface->last_ns, &iface->tick);
        return;
    }
    loss = get_losses();
    if (loss)
        __sync_fetch_and_add(&loss->iface_full_skbs, 1);
}

static __always_inline void count(struct sk_buff *skb, bool out, bool direct)
{
    struct net_device *dev = ps_load(direct, skb, dev);
    struct ps_skb_info info;

    if (!dev)
        return;
    ps_skb_parse_dev(skb, dev, out ? PS_SKB_TX : PS_SKB_RX, direct, &info);
    if (info.flags & PS_SKB_UNPARSED) {
        struct ps_analyzer_losses *loss = get_losses();

        if (loss)
            __sync_fetch_and_add(&loss->unparsed_skbs, 1);
    }
    count_flow(&info, out);
    count_iface(dev, &info, out);
}

/* The kernel's own copy of a multicast that it sends: counted when sent, and
 * never received by the interface. */
static __always_inline bool is_copy(struct sk_buff *skb, bool direct)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): a macro's */
    return (direct ? BPF_CORE_READ_BITFIELD(skb, pkt_type)
                   : BPF_CORE_READ_BITFIELD_PROBED(skb, pkt_type)) ==
           PACKET_LOOPBACK;
}

SEC("tp_btf/net_dev_start_xmit")
int BPF_PROG(tx_btf, struct sk_buff *skb)
{
    count(skb, true, true);
    return 0;
}

SEC("tp_btf/netif_receive_skb")
int BPF_PROG(rx_btf, struct sk_buff *skb)
{
    if (!is_copy(skb, true))
        count(skb, false, true);
    return 0;
}

SEC("raw_tp/net_dev_start_xmit")
int tx_raw(struct bpf_raw_tracepoint_args *ctx)
{
    count((struct sk_buff *)ctx->args[0], true, false);
    return 0;
}

SEC("raw_tp/netif_receive_skb")
int rx_raw(struct bpf_raw_tracepoint_args *ctx)
{
    struct sk_buff *skb = (struct sk_buff *)ctx->args[0];

    if (!is_copy(skb, false))
        count(skb, false, false);
    return 0;
}

/* ---- drops -------------------------------------------------------------- */

static __always_inline void count_drop(void *map, const void *key,
                                       const struct ps_skb_info *info,
                                       bool flow)
{
    struct ps_drop_value *drop = bpf_map_lookup_elem(map, key);
    __u64 now = bpf_ktime_get_ns();
    struct ps_analyzer_losses *loss;

    if (!drop) {
        struct ps_drop_value fresh = {.first_ns = now, .last_ns = now};

        bpf_map_update_elem(map, key, &fresh, BPF_NOEXIST);
        drop = bpf_map_lookup_elem(map, key);
    }
    if (drop) {
        __sync_fetch_and_add(&drop->skbs, 1);
        __sync_fetch_and_add(&drop->packets, info->packets);
        drop->last_ns = now;
        return;
    }
    loss = get_losses();
    if (loss)
        __sync_fetch_and_add(
            flow ? &loss->flow_drop_full_skbs : &loss->drop_full_skbs, 1);
}

/* The device that the packet's route leads to, or NULL. Queues of TCP keep a
 * list in the place of _skb_refdst. */
static __always_inline struct net_device *route_dev(struct sk_buff *skb)
{
    unsigned long ref = BPF_CORE_READ(skb, _skb_refdst);
    struct dst_entry *dst = (void *)(ref & ~7UL);

    return dst ? ps_dev_checked(BPF_CORE_READ(dst, dev)) : NULL;
}

/* Addresses of a packet that has no IP header yet are its socket's. */
static __always_inline void fill_from_sock(struct sock *sk,
                                           struct ps_skb_info *info)
{
    __u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

    if (family != AF_INET && family != AF_INET6)
        return;
    info->proto = (__u8)BPF_CORE_READ(sk, sk_protocol);
    if (ps_has_ports(info->proto)) {
        info->sport = BPF_CORE_READ(sk, __sk_common.skc_num);
        info->dport = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
    }
    if (family == AF_INET) {
        __be32 src = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
        __be32 dst = BPF_CORE_READ(sk, __sk_common.skc_daddr);

        info->family = 4;
        info->ethertype = ETH_P_IP;
        __builtin_memcpy(info->saddr, &src, 4);
        __builtin_memcpy(info->daddr, &dst, 4);
        return;
    }
    info->family = 6;
    info->ethertype = ETH_P_IPV6;
    BPF_CORE_READ_INTO(&info->saddr, sk, __sk_common.skc_v6_rcv_saddr);
    BPF_CORE_READ_INTO(&info->daddr, sk, __sk_common.skc_v6_daddr);
}

/*
 * Which way a packet was going when it was dropped, and on which interface:
 * received, when skb_iif names the device or the link-layer header was taken
 * off already; otherwise sent. Without a device it is the one that it came in
 * by (the transport forgets skb->dev), then the one of its route, else 0.
 */
static __always_inline bool drop_is_out(struct sk_buff *skb,
                                        struct net_device *dev,
                                        struct ps_skb_info *info)
{
    __u32 iif = (__u32)BPF_CORE_READ(skb, skb_iif);
    __u16 mac = BPF_CORE_READ(skb, mac_header);
    struct net_device *route;
    long data_off;

    if (dev && iif)
        return info->ifindex != iif;
    if (dev) {
        data_off = BPF_CORE_READ(skb, data) - BPF_CORE_READ(skb, head);
        return mac == 0xffff || data_off <= mac;
    }
    route = route_dev(skb);
    if (route)
        ps_skb_device(route, false, info);
    if (iif)
        info->ifindex = iif;
    return !iif;
}

/* False for what is no packet of the network: netlink, AF_UNIX. */
static __always_inline bool drop_identity(struct sk_buff *skb,
                                          struct sock *rx_sk,
                                          struct ps_skb_info *info,
                                          struct ps_flow_key *key)
{
    struct net_device *dev = ps_dev_checked(BPF_CORE_READ(skb, dev));
    struct sock *sk = BPF_CORE_READ(skb, sk);
    bool out;

    ps_skb_parse_dev(skb, dev, PS_SKB_ANY, false, info);
    if (!sk)
        sk = rx_sk;
    out = drop_is_out(skb, dev, info);
    if (!info->netns && sk)
        ps_skb_netns(BPF_CORE_READ(sk, __sk_common.skc_net.net), false, info);
    if (!info->family && !info->ethertype && sk)
        fill_from_sock(sk, info);
    if (!info->ethertype && !info->ifindex)
        return false;
    make_key(info, out, key);
    return true;
}

/* The two values of the reason's enum that are no drops. */
static __always_inline bool not_dropped(__u32 reason)
{
    if (bpf_core_enum_value_exists(enum skb_drop_reason, SKB_NOT_DROPPED_YET) &&
        reason ==
            bpf_core_enum_value(enum skb_drop_reason, SKB_NOT_DROPPED_YET))
        return true;
    return bpf_core_enum_value_exists(enum skb_drop_reason, SKB_CONSUMED) &&
           reason == bpf_core_enum_value(enum skb_drop_reason, SKB_CONSUMED);
}

static __always_inline void count_drops(struct sk_buff *skb, __u64 address,
                                        __u32 reason, struct sock *rx_sk)
{
    __u64 location = ps_place(address, &places);
    struct ps_flow_drop_key key = {.location = location, .reason = reason};
    struct ps_drop_key total = {.location = location, .reason = reason};
    struct ps_skb_info info;

    if ((kfree_skb_args > 2 && not_dropped(reason)) ||
        ps_place_is_part(location, reason, &places))
        return;
    if (!drop_identity(skb, rx_sk, &info, &key.flow))
        return;
    total.netns = info.netns;
    count_drop(&drops, &total, &info, false);
    count_drop(&flow_drops, &key, &info, true);
}

/* The arguments that this kernel does not have are never loaded: the
 * verifier knows kfree_skb_args and leaves the dead branches out. */
static __always_inline void kfree_skb(__u64 *args)
{
    __u64 reason = kfree_skb_args > 2 ? args[2] : 0;
    struct sock *rx_sk = kfree_skb_args > 3 ? (struct sock *)args[3] : NULL;

    count_drops((struct sk_buff *)args[0], args[1], (__u32)reason, rx_sk);
}

SEC("tp_btf/kfree_skb")
int drop_btf(__u64 *ctx)
{
    kfree_skb(ctx);
    return 0;
}

SEC("raw_tp/kfree_skb")
int drop_raw(struct bpf_raw_tracepoint_args *ctx)
{
    kfree_skb(ctx->args);
    return 0;
}
