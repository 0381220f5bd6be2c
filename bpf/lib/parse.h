/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Reads the headers of a packet that lies linear in memory (XDP), once, into
 * a struct ps_pkt. Nothing that it cannot read is guessed: what is known
 * stands in `have`, and `complete` is false where the packet ended too early,
 * had more than two VLAN tags, or more extension headers than are followed.
 *
 * The struct lies in a map, not on the stack, and the place in the packet is
 * kept in it: what is read back from a map is unknown to the verifier, so that
 * the ways through the headers meet again instead of multiplying.
 */
#ifndef PS_BPF_LIB_PARSE_H
#define PS_BPF_LIB_PARSE_H

#include "bpf/lib/compat.h"
#include "bpf/lib/parse_abi.h"

/* Macros of linux/in6.h, which BTF does not know. */
#define PS_NEXT_HOPOPTS  0
#define PS_NEXT_ROUTING  43
#define PS_NEXT_FRAGMENT 44
#define PS_NEXT_AH       51
#define PS_NEXT_ICMPV6   58
#define PS_NEXT_DSTOPTS  60

struct ps_pkt {
    __u64 saddr[2], daddr[2]; /* network order; IPv4: low half of [0] */
    __u16 sport, dport;       /* host order */
    struct ps_pkt_bits bits;
    __u8 family; /* 4, 6; 0: neither */
    __u8 complete;
    __u8 next;  /* header type at off */
    __u16 off;  /* bytes from the frame's start */
    __u16 left; /* bytes from off that the IP length allows */
};

/* No header that is looked for starts later. */
#define PS_MAX_OFF 0x3fff

struct ps_vlan_hdr {
    __be16 tci;
    __be16 type;
};

static __always_inline bool ps_is_vlan(__be16 type)
{
    return type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD);
}

/* The upper-layer header, at pkt->off. */
static __always_inline void ps_parse_l4(struct ps_pkt *pkt, void *data,
                                        void *end)
{
    __u32 off, left;
    __u8 *b;

    pkt->bits.proto = pkt->next;
    pkt->bits.have = PS_HAVE_PROTO;
    barrier();
    off = pkt->off;
    left = pkt->left;
    if (off > PS_MAX_OFF)
        return;
    b = data + off;
    switch (pkt->bits.proto) {
    case IPPROTO_TCP:
    case IPPROTO_UDP:
    case IPPROTO_UDPLITE:
    case IPPROTO_SCTP:
    case IPPROTO_DCCP:
        if (left < 4 || (void *)b + 4 > end)
            return;
        pkt->sport = bpf_ntohs(*(__be16 *)b);
        pkt->dport = bpf_ntohs(*(__be16 *)(b + 2));
        pkt->bits.have |= PS_HAVE_PORTS;
        if (pkt->bits.proto != IPPROTO_TCP)
            break;
        if (left < 14 || (void *)b + 14 > end)
            return;
        pkt->bits.tcp_flags = b[13];
        pkt->bits.have |= PS_HAVE_FLAGS;
        break;
    case IPPROTO_ICMP:
    case PS_NEXT_ICMPV6:
        /* The other family's ICMP means nothing here. */
        if ((pkt->family == 4) != (pkt->bits.proto == IPPROTO_ICMP))
            break;
        if (left < 2 || (void *)b + 2 > end)
            return;
        pkt->bits.icmp_type = b[0];
        pkt->bits.icmp_code = b[1];
        pkt->bits.have |= PS_HAVE_ICMP;
        break;
    default:
        break;
    }
    pkt->complete = 1;
}

/* Not the first fragment: what follows is not the header of next. */
static __always_inline void ps_parse_fragment(struct ps_pkt *pkt, __u8 next)
{
    pkt->bits.proto = next;
    pkt->bits.have = PS_HAVE_PROTO;
    pkt->complete = 1;
}

static __always_inline void ps_parse_ipv4(struct ps_pkt *pkt, void *data,
                                          void *end)
{
    __u32 head, total, off = pkt->off;
    struct iphdr *ip;

    if (off > PS_MAX_OFF)
        return;
    ip = data + off;
    if ((void *)(ip + 1) > end || ip->version != 4)
        return;
    head = (__u32)ip->ihl * 4;
    total = bpf_ntohs(ip->tot_len);
    if (total == 0) /* larger than 64 KiB, made by the stack itself */
        total = 0xffff;
    if (head < sizeof(*ip) || total < head)
        return;
    pkt->family = 4;
    pkt->saddr[0] = ip->saddr;
    pkt->daddr[0] = ip->daddr;
    if (ip->frag_off & bpf_htons(0x1fff)) {
        ps_parse_fragment(pkt, ip->protocol);
        return;
    }
    pkt->next = ip->protocol;
    pkt->off = (__u16)(off + head);
    pkt->left = (__u16)(total - head);
    ps_parse_l4(pkt, data, end);
}

static __always_inline bool ps_is_ext(__u8 next)
{
    return next == PS_NEXT_HOPOPTS || next == PS_NEXT_ROUTING ||
           next == PS_NEXT_FRAGMENT || next == PS_NEXT_AH ||
           next == PS_NEXT_DSTOPTS;
}

/* Steps over the extension header at off. False: there is nothing more to
 * read, for the packet ends or is a later fragment. */
static __always_inline bool ps_skip_ext(struct ps_pkt *pkt, void *data,
                                        void *end)
{
    __u32 off = pkt->off, left = pkt->left, len;
    __u8 *b;

    if (off > PS_MAX_OFF)
        return false;
    b = data + off;
    if (left < 8 || (void *)b + 8 > end)
        return false;
    len = ((__u32)b[1] + 1) * 8;
    if (pkt->next == PS_NEXT_AH)
        len = ((__u32)b[1] + 2) * 4;
    if (pkt->next == PS_NEXT_FRAGMENT) {
        len = 8;
        if (*(__be16 *)(b + 2) & bpf_htons(0xfff8)) {
            ps_parse_fragment(pkt, b[0]);
            return false;
        }
    }
    if (left < len)
        return false;
    pkt->next = b[0];
    pkt->off = (__u16)(off + len);
    pkt->left = (__u16)(left - len);
    barrier();
    return true;
}

static __always_inline void ps_parse_ipv6(struct ps_pkt *pkt, void *data,
                                          void *end)
{
    __u32 off = pkt->off;
    struct ipv6hdr *ip;
    int i;

    if (off > PS_MAX_OFF)
        return;
    ip = data + off;
    if ((void *)(ip + 1) > end || ip->version != 6)
        return;
    pkt->family = 6;
    __builtin_memcpy(pkt->saddr, &ip->saddr, 16);
    __builtin_memcpy(pkt->daddr, &ip->daddr, 16);
    pkt->next = ip->nexthdr;
    pkt->off = (__u16)(off + sizeof(*ip));
    pkt->left = bpf_ntohs(ip->payload_len);
    if (pkt->left == 0) /* a jumbogram, or larger than 64 KiB */
        pkt->left = 0xffff;
    barrier();
    for (i = 0; i < PS_MAX_EXT; i++) {
        if (!ps_is_ext(pkt->next))
            break;
        if (!ps_skip_ext(pkt, data, end))
            return;
    }
    if (!ps_is_ext(pkt->next))
        ps_parse_l4(pkt, data, end);
}

/* Fills pkt, which must be zero and in a map, from an Ethernet frame. */
static __always_inline void ps_parse_eth(struct ps_pkt *pkt, void *data,
                                         void *end)
{
    struct ethhdr *eth = data;
    struct ps_vlan_hdr *tag;
    __u32 off = sizeof(*eth);
    __be16 type;
    int i;

    if (data + off > end)
        return;
    type = eth->h_proto;
    for (i = 0; i < PS_MAX_VLAN && ps_is_vlan(type); i++) {
        tag = data + off;
        if ((void *)(tag + 1) > end)
            return;
        type = tag->type;
        off += sizeof(*tag);
    }
    pkt->off = (__u16)off;
    barrier();
    if (type == bpf_htons(ETH_P_IP))
        ps_parse_ipv4(pkt, data, end);
    else if (type == bpf_htons(ETH_P_IPV6))
        ps_parse_ipv6(pkt, data, end);
    else
        pkt->complete = !ps_is_vlan(type);
    barrier();
}

#endif
