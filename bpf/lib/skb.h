/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What an sk_buff is: flow identity, lengths, packets on the wire.
 *
 * Every function is inlined and takes `direct`, a constant (bpf/lib/load.h).
 *
 * Header bytes are read from skb->head + offset: once for Ethernet type, IP
 * header and the first eight bytes of L4, once more only for IP options,
 * extension headers, VLAN tags or GSO. A read of this size stays in the
 * buffer, which ends with skb_shared_info; what lies behind the linear data
 * is not believed.
 */
#ifndef PS_BPF_SKB_H
#define PS_BPF_SKB_H

#include "bpf/lib/load.h"
#include "bpf/lib/skb_info.h"

#define PS_ARPHRD_ETHER    1
#define PS_ARPHRD_LOOPBACK 772
#define PS_ETH_P_802_2     0x0004
/* IPv6 extension headers. */
#define PS_NH_HOPOPTS   0
#define PS_NH_ROUTING   43
#define PS_NH_FRAGMENT  44
#define PS_NH_AH        51
#define PS_NH_DSTOPTS   60
#define PS_SKB_MAX_EXT  8
#define PS_SKB_MAX_TAGS 2

/* Before 6.1 a flag says that there is an accelerated tag. */
struct sk_buff___vlan_present {
    __u8 vlan_present : 1;
} __attribute__((preserve_access_index));

/* The skb's fields that the rest needs, loaded once. */
struct ps_skb_view {
    const unsigned char *head;
    __u32 len;
    __u32 data_off;   /* from head, as the others */
    __u32 linear_end; /* first offset behind the linear data */
    __u32 l3_off;     /* 0: not known */
    __u16 dev_type;   /* ARPHRD_* */
};

static __always_inline bool ps_has_ports(__u8 proto)
{
    return proto == IPPROTO_TCP || proto == IPPROTO_UDP ||
           proto == IPPROTO_SCTP || proto == IPPROTO_DCCP ||
           proto == IPPROTO_UDPLITE;
}

/* Fills the view; dev is the caller's, for it knows whether skb->dev can be
 * believed (NULL: none). */
static __always_inline void ps_skb_view(struct sk_buff *skb,
                                        struct net_device *dev,
                                        enum ps_skb_where where, bool direct,
                                        struct ps_skb_view *v)
{
    const unsigned char *data = ps_load(direct, skb, data);
    __u32 net = ps_load(direct, skb, network_header);

    v->head = ps_load(direct, skb, head);
    v->dev_type = dev ? ps_load(direct, dev, type) : PS_ARPHRD_ETHER;
    v->len = ps_load(direct, skb, len);
    v->data_off = (__u32)(data - v->head);
    v->linear_end = v->data_off + v->len - ps_load(direct, skb, data_len);
    if (where == PS_SKB_RX)
        v->l3_off = v->data_off;
    else if (where == PS_SKB_ANY)
        v->l3_off = net;
    else if (v->dev_type == PS_ARPHRD_ETHER ||
             v->dev_type == PS_ARPHRD_LOOPBACK)
        v->l3_off = v->data_off + ETH_HLEN;
    else
        v->l3_off = net >= v->data_off ? net : v->data_off;
}

/* Takes accelerated and in-frame tags off; leaves v->l3_off behind them. */
static __always_inline void ps_skb_vlan(struct sk_buff *skb, bool direct,
                                        struct ps_skb_view *v,
                                        struct ps_skb_info *info)
{
    __u16 tci = ps_load(direct, skb, vlan_tci);
    bool present;

    if (bpf_core_field_exists(
            ((struct sk_buff___vlan_present *)0)->vlan_present)) {
        struct sk_buff___vlan_present *old = (void *)skb;

        present = BPF_CORE_READ_BITFIELD_PROBED(old, vlan_present);
    } else {
        present = ps_load(direct, skb, vlan_all) != 0;
    }
    if (present) {
        info->flags |= PS_SKB_VLAN;
        info->vlan_tci = tci;
    }
    for (int i = 0; i < PS_SKB_MAX_TAGS; i++) {
        __be16 tag[2];

        if (info->ethertype != ETH_P_8021Q && info->ethertype != ETH_P_8021AD)
            return;
        if (v->l3_off + sizeof(tag) > v->linear_end ||
            bpf_probe_read_kernel(tag, sizeof(tag), v->head + v->l3_off)) {
            info->flags |= PS_SKB_UNPARSED;
            return;
        }
        if (!(info->flags & PS_SKB_VLAN)) {
            info->flags |= PS_SKB_VLAN;
            info->vlan_tci = bpf_ntohs(tag[0]);
        }
        info->ethertype = bpf_ntohs(tag[1]);
        v->l3_off += sizeof(tag);
    }
}

/* Follows IPv6 extension headers from `off` (just behind the fixed header).
 * Leaves the last header's number in info->proto and returns its offset. */
static __always_inline __u32 ps_skb_ext(const struct ps_skb_view *v, __u32 off,
                                        struct ps_skb_info *info)
{
    for (int i = 0; i < PS_SKB_MAX_EXT; i++) {
        struct {
            __u8 next;
            __u8 len;
            __be16 frag;
            __be32 id;
        } ext;
        __u8 proto = info->proto;

        if (proto != PS_NH_HOPOPTS && proto != PS_NH_ROUTING &&
            proto != PS_NH_FRAGMENT && proto != PS_NH_AH &&
            proto != PS_NH_DSTOPTS)
            return off;
        if (off + sizeof(ext) > v->linear_end ||
            bpf_probe_read_kernel(&ext, sizeof(ext), v->head + off))
            break;
        info->proto = ext.next;
        if (proto == PS_NH_FRAGMENT) {
            info->flags |= PS_SKB_FRAGMENT;
            info->ip_id = bpf_ntohl(ext.id);
            off += sizeof(ext);
            if (ext.frag & bpf_htons(0xfff8)) {
                info->flags |= PS_SKB_LATER_FRAGMENT;
                return off;
            }
        } else if (proto == PS_NH_AH) {
            off += (ext.len + 2u) * 4;
        } else {
            off += (ext.len + 1u) * 8;
        }
    }
    info->flags |= PS_SKB_UNPARSED;
    return off;
}

/* Ports and sequence from the first eight bytes of L4, already in host
 * memory (l4) or still in the buffer (NULL). */
static __always_inline void ps_skb_l4(const struct ps_skb_view *v, __u32 off,
                                      const __be16 *l4,
                                      struct ps_skb_info *info)
{
    __be16 buf[4];

    if (info->flags & (PS_SKB_LATER_FRAGMENT | PS_SKB_UNPARSED))
        return;
    if (off > v->linear_end) {
        info->flags |= PS_SKB_UNPARSED;
        return;
    }
    info->l4_off = (__u16)off;
    if (off + sizeof(buf) > v->linear_end) {
        /* Every protocol with ports has eight bytes at least. */
        if (ps_has_ports(info->proto))
            info->flags |= PS_SKB_UNPARSED;
        return;
    }
    if (!l4) {
        if (bpf_probe_read_kernel(buf, sizeof(buf), v->head + off)) {
            info->flags |= PS_SKB_UNPARSED;
            return;
        }
        l4 = buf;
    }
    info->flags |= PS_SKB_HAS_L4;
    if (!ps_has_ports(info->proto))
        return;
    info->sport = bpf_ntohs(l4[0]);
    info->dport = bpf_ntohs(l4[1]);
    if (info->proto == IPPROTO_TCP)
        info->tcp_seq = ((__u32)bpf_ntohs(l4[2]) << 16) | bpf_ntohs(l4[3]);
}

static __always_inline void ps_skb_ipv4(const struct ps_skb_view *v,
                                        const struct ps_l3_head *h,
                                        struct ps_skb_info *info)
{
    __u32 ihl = (h->version_ihl & 15u) * 4;
    __u16 frag = bpf_ntohs(h->v4.frag_off);

    if (v->l3_off + sizeof(struct iphdr) > v->linear_end ||
        h->version_ihl >> 4 != 4 || ihl < sizeof(struct iphdr)) {
        info->flags |= PS_SKB_UNPARSED;
        return;
    }
    info->family = 4;
    info->proto = h->v4.protocol;
    info->ip_id = bpf_ntohs(h->v4.id);
    __builtin_memcpy(info->saddr, &h->v4.saddr, 4);
    __builtin_memcpy(info->daddr, &h->v4.daddr, 4);
    if (frag & 0x3fff)
        info->flags |= PS_SKB_FRAGMENT;
    if (frag & 0x1fff)
        info->flags |= PS_SKB_LATER_FRAGMENT;
    if (ihl == sizeof(struct iphdr)) {
        __be16 l4[4];

        __builtin_memcpy(l4, h->l4_v4, sizeof(l4));
        ps_skb_l4(v, v->l3_off + sizeof(struct iphdr), l4, info);
    } else {
        ps_skb_l4(v, v->l3_off + ihl, NULL, info);
    }
}

static __always_inline void ps_skb_ipv6(const struct ps_skb_view *v,
                                        const struct ps_l3_head *h,
                                        struct ps_skb_info *info)
{
    __u32 off = v->l3_off + sizeof(struct ipv6hdr), end;

    if (off > v->linear_end || h->version_ihl >> 4 != 6) {
        info->flags |= PS_SKB_UNPARSED;
        return;
    }
    info->family = 6;
    info->proto = h->v6.nexthdr;
    __builtin_memcpy(info->saddr, &h->v6.saddr, 16);
    __builtin_memcpy(info->daddr, &h->v6.daddr, 16);
    end = ps_skb_ext(v, off, info);
    if (end == off) {
        __be16 l4[4];

        __builtin_memcpy(l4, h->l4_v6, sizeof(l4));
        ps_skb_l4(v, off, l4, info);
    } else {
        ps_skb_l4(v, end, NULL, info);
    }
}

/* Bytes of headers up to and with L4 that segmentation repeats, from l2. */
static __always_inline __u32 ps_skb_gso_headers(struct sk_buff *skb,
                                                const struct ps_skb_view *v,
                                                bool direct, __u32 l2,
                                                const struct ps_skb_info *info)
{
    __u32 l4 = info->l4_off;
    __u8 proto = info->proto, doff = 0;

    /* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): a macro's */
    if (direct ? BPF_CORE_READ_BITFIELD(skb, encapsulation)
               : BPF_CORE_READ_BITFIELD_PROBED(skb, encapsulation)) {
        __u32 inner = ps_load(direct, skb, inner_transport_header);

        /* Only TCP is segmented inside of a tunnel, but for UDP_L4. */
        if (inner > l4) {
            l4 = inner;
            proto = IPPROTO_TCP;
        }
    }
    if (!l4 || l4 < l2)
        return 0;
    if (proto == IPPROTO_UDP)
        return l4 - l2 + 8;
    if (proto != IPPROTO_TCP)
        return l4 - l2;
    if (bpf_probe_read_kernel(&doff, 1, v->head + l4 + 12))
        return l4 - l2;
    return l4 - l2 + (doff >> 4) * 4u;
}

/*
 * bytes, packets and wire_bytes. bytes are what the interface's own counters
 * count: with the Ethernet header on Ethernet devices (both ways), without
 * on loopback, tun and tunnels.
 */
static __always_inline void ps_skb_lengths(struct sk_buff *skb,
                                           const struct ps_skb_view *v,
                                           __u32 l3_outer, bool direct,
                                           struct ps_skb_info *info)
{
    struct skb_shared_info *shinfo =
        (void *)(v->head + ps_load(direct, skb, end));
    __u32 l2_len = v->dev_type == PS_ARPHRD_ETHER ? ETH_HLEN : 0;
    __u32 l3 = l3_outer ? l3_outer : v->data_off;
    struct ps_gso gso = ps_gso_read(shinfo, direct);
    __u32 headers;

    info->bytes = v->len + v->data_off - l3 + l2_len;
    info->packets = gso.segs ? gso.segs : 1;
    info->wire_bytes = info->bytes;
    if (!gso.size)
        return;
    headers = ps_skb_gso_headers(skb, v, direct, l3 - l2_len, info);
    if (!gso.segs && info->bytes > headers)
        info->packets = (info->bytes - headers + gso.size - 1) / gso.size;
    info->wire_bytes += (__u64)(info->packets - 1) * headers;
}

/* Namespace of a device, a socket or a dst. net may be NULL. */
static __always_inline void ps_skb_netns(struct net *net, bool direct,
                                         struct ps_skb_info *info)
{
    if (!net)
        return;
    info->netns = ps_load(direct, net, ns.inum);
    if (bpf_core_field_exists(net->net_cookie))
        info->netns_gen = (__u32)ps_load(direct, net, net_cookie);
    else
        info->netns_gen = ps_load(direct, net, hash_mix);
}

/* Which device, and its namespace. dev may be NULL. */
static __always_inline void ps_skb_device(struct net_device *dev, bool direct,
                                          struct ps_skb_info *info)
{
    if (!dev)
        return;
    info->ifindex = (__u32)ps_load(direct, dev, ifindex);
    ps_skb_netns(ps_load(direct, dev, nd_net.net), direct, info);
}

/*
 * A device from a pointer that may point to something else, or NULL: the
 * namespace's inode number must be one of procfs's dynamic ones, and the name
 * must start as names do.
 */
static __always_inline struct net_device *ps_dev_checked(struct net_device *dev)
{
    struct net *net;
    __u32 inum;
    char c = 0;

    if (!dev || BPF_CORE_READ(dev, ifindex) <= 0)
        return NULL;
    net = BPF_CORE_READ(dev, nd_net.net);
    inum = net ? BPF_CORE_READ(net, ns.inum) : 0;
    if (inum < 0xefffff00 || inum > 0xf7ffffff)
        return NULL;
    bpf_core_read(&c, 1, &dev->name);
    return c > ' ' && c < 127 ? dev : NULL;
}

/*
 * What the headers say: all of info but the device, lengths and packets, which
 * are left 0. Leaves the view for ps_skb_lengths(); returns the offset of L3
 * before VLAN tags.
 */
static __always_inline __u32 ps_skb_headers(struct sk_buff *skb,
                                            struct net_device *dev,
                                            enum ps_skb_where where,
                                            bool direct, struct ps_skb_view *v,
                                            struct ps_skb_info *info)
{
    struct ps_l3_head h = {};
    __u32 l3_outer;

    __builtin_memset(info, 0, sizeof(*info));
    ps_skb_view(skb, dev, where, direct, v);
    l3_outer = v->l3_off;
    info->ethertype = bpf_ntohs(ps_load(direct, skb, protocol));
    if (!v->l3_off || !ps_l3_read(v->head + v->l3_off, direct, &h)) {
        info->flags |= PS_SKB_UNPARSED;
        return l3_outer;
    }
    /* What is sent is what stands in the frame. */
    if (where == PS_SKB_TX && v->dev_type == PS_ARPHRD_ETHER)
        info->ethertype = v->l3_off <= v->linear_end ? bpf_ntohs(h.ethertype)
                                                     : 0;
    if (info->ethertype == 0 && where == PS_SKB_ANY) {
        /* The transport has not said yet what it is. */
        if (h.version_ihl >> 4 == 4)
            info->ethertype = ETH_P_IP;
        else if (h.version_ihl >> 4 == 6)
            info->ethertype = ETH_P_IPV6;
    } else if (info->ethertype < 0x600 && v->dev_type == PS_ARPHRD_ETHER) {
        info->ethertype = PS_ETH_P_802_2;
    }
    ps_skb_vlan(skb, direct, v, info);
    if (v->l3_off != l3_outer && !ps_l3_read(v->head + v->l3_off, direct, &h))
        info->flags |= PS_SKB_UNPARSED;
    info->l3_off = (__u16)v->l3_off;
    info->flags |= PS_SKB_HAS_L3;
    if (info->ethertype == ETH_P_IP)
        ps_skb_ipv4(v, &h, info);
    else if (info->ethertype == ETH_P_IPV6)
        ps_skb_ipv6(v, &h, info);
    return l3_outer;
}

/*
 * All of it. dev: skb->dev where it can be believed, else NULL. info is set
 * entirely, also on a packet that cannot be parsed.
 */
static __always_inline void
ps_skb_parse_dev(struct sk_buff *skb, struct net_device *dev,
                 enum ps_skb_where where, bool direct, struct ps_skb_info *info)
{
    struct ps_skb_view v;
    __u32 l3_outer = ps_skb_headers(skb, dev, where, direct, &v, info);

    ps_skb_device(dev, direct, info);
    ps_skb_lengths(skb, &v, l3_outer, direct, info);
}

/* The same with skb->dev, where it is known to be a device or NULL. */
static __always_inline void ps_skb_parse(struct sk_buff *skb,
                                         enum ps_skb_where where, bool direct,
                                         struct ps_skb_info *info)
{
    ps_skb_parse_dev(skb, ps_load(direct, skb, dev), where, direct, info);
}

#endif
