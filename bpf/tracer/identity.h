/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The other names of a packet: inside of a tunnel, and on the other side of a
 * translation. Who asks by one of them gets the whole way, so what was matched
 * teaches the other tuples of its connection to all programs.
 *
 * The callers are in follow.h.
 */
#ifndef PS_BPF_TRACER_IDENTITY_H
#define PS_BPF_TRACER_IDENTITY_H

#include "bpf/lib/skb.h"
#include "bpf/tracer/match.h"
#include "bpf/tracer/tracer_abi.h"

#define VXLAN_PORT       4789
#define VXLAN_PORT_LINUX 8472 /* the kernel's default */
#define GENEVE_PORT      6081
#define GRE_CSUM         0x8000
#define GRE_KEY          0x2000
#define GRE_SEQ          0x1000
#define GRE_KNOWN        0xb000

#define CT_POINTER  (~7ull) /* of skb->_nfct; the rest: how it belongs */
#define CT_REPLY    3       /* IP_CT_IS_REPLY and above */
#define CT_NAT_BITS 0x30    /* IPS_SRC_NAT, IPS_DST_NAT */

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, PS_TRACER_MAX_ALIASES);
    __type(key, struct ps_tracer_tuple);
    __type(value, struct ps_tracer_alias);
} aliases SEC(".maps");

/* 0: aliases is empty, and nobody looks into it. */
volatile __u32 have_aliases;
/* Tuples that found aliases full. */
__u64 aliases_full;

/* ---- tunnels ------------------------------------------------------------ */

/* Offset from head of the inner IP header, 0: none. */
static __always_inline __u32 behind_gre(const unsigned char *head, __u32 l4)
{
    __be16 raw[2] = {};
    __u16 flags;
    __u32 len = 4;

    if (bpf_probe_read_kernel(raw, sizeof(raw), head + l4))
        return 0;
    flags = bpf_ntohs(raw[0]);
    if (flags & ~GRE_KNOWN)
        return 0;
    len += flags & GRE_CSUM ? 4 : 0;
    len += flags & GRE_KEY ? 4 : 0;
    len += flags & GRE_SEQ ? 4 : 0;
    if (raw[1] == bpf_htons(0x6558)) /* an Ethernet frame */
        len += ETH_HLEN;
    else if (raw[1] != bpf_htons(ETH_P_IP) && raw[1] != bpf_htons(ETH_P_IPV6))
        return 0;
    return l4 + len;
}

/* UDP, then VXLAN or Geneve, then Ethernet. */
static __always_inline __u32 behind_udp(const unsigned char *head, __u32 l4,
                                        __u16 dport)
{
    __u8 raw[4] = {};
    __u32 options = 0;

    if (bpf_probe_read_kernel(raw, sizeof(raw), head + l4 + 8))
        return 0;
    if (dport == GENEVE_PORT) {
        if (raw[0] >> 6 || raw[2] != 0x65 || raw[3] != 0x58)
            return 0;
        options = (raw[0] & 63u) * 4;
    } else if (!(raw[0] & 8)) {
        return 0; /* without a network's number it is not VXLAN */
    }
    return l4 + 16 + options + ETH_HLEN;
}

struct inner_head {
    union {
        struct iphdr v4;
        struct ipv6hdr v6;
    };
};

/* Fixed headers only: false for what is in no tunnel, or not linear. */
static __always_inline bool inner_ip(const unsigned char *head, __u32 l3,
                                     __u32 linear_end, struct ps_skb_info *info)
{
    struct inner_head h = {};
    __u8 version;

    if (l3 + sizeof(h.v4) > linear_end ||
        bpf_probe_read_kernel(&h, sizeof(h), head + l3))
        return false;
    version = *(__u8 *)&h >> 4;
    if (version == 4 && (*(__u8 *)&h & 15) >= 5) {
        if (h.v4.frag_off & bpf_htons(0x1fff))
            return false;
        __builtin_memset(info->saddr, 0, sizeof(info->saddr));
        __builtin_memset(info->daddr, 0, sizeof(info->daddr));
        __builtin_memcpy(info->saddr, &h.v4.saddr, 4);
        __builtin_memcpy(info->daddr, &h.v4.daddr, 4);
        info->family = 4;
        info->proto = h.v4.protocol;
        info->ip_id = bpf_ntohs(h.v4.id);
        info->l4_off = (__u16)(l3 + (*(__u8 *)&h & 15u) * 4);
    } else if (version == 6 && l3 + sizeof(h.v6) <= linear_end) {
        __builtin_memcpy(info->saddr, &h.v6.saddr, 16);
        __builtin_memcpy(info->daddr, &h.v6.daddr, 16);
        info->family = 6;
        info->proto = h.v6.nexthdr;
        info->ip_id = 0;
        info->l4_off = (__u16)(l3 + sizeof(h.v6));
    } else {
        return false;
    }
    info->l3_off = (__u16)l3;
    return true;
}

static __always_inline bool may_tunnel(const struct ps_skb_info *info)
{
    if (!info->l4_off || info->flags & PS_SKB_LATER_FRAGMENT)
        return false;
    if (info->proto == IPPROTO_UDP)
        return info->dport == VXLAN_PORT || info->dport == VXLAN_PORT_LINUX ||
               info->dport == GENEVE_PORT;
    return info->proto == IPPROTO_GRE || info->proto == IPPROTO_IPIP ||
           info->proto == IPPROTO_IPV6;
}

/* Makes info that of the packet inside, where there is one; may_tunnel() said
 * that there may be. linear_end: first offset from head behind what is linear.
 */
static __noinline bool enter_tunnel(const unsigned char *head, __u32 linear_end,
                                    struct ps_skb_info *info)
{
    __u32 l3;
    __be16 l4[4] = {};

    if (info->proto == IPPROTO_UDP)
        l3 = behind_udp(head, info->l4_off, info->dport);
    else if (info->proto == IPPROTO_GRE)
        l3 = behind_gre(head, info->l4_off);
    else
        l3 = info->l4_off;
    if (!l3 || !inner_ip(head, l3, linear_end, info))
        return false;
    info->sport = info->dport = 0;
    info->tcp_seq = 0;
    if (!ps_has_ports(info->proto) || info->l4_off + sizeof(l4) > linear_end ||
        bpf_probe_read_kernel(l4, sizeof(l4), head + info->l4_off))
        return true;
    info->sport = bpf_ntohs(l4[0]);
    info->dport = bpf_ntohs(l4[1]);
    if (info->proto == IPPROTO_TCP)
        info->tcp_seq = ((__u32)bpf_ntohs(l4[2]) << 16) | bpf_ntohs(l4[3]);
    return true;
}

/* ---- translated addresses ----------------------------------------------- */

/* As a packet of this direction has it. */
static __always_inline void from_conntrack(const struct nf_conntrack_tuple *ct,
                                           const struct ps_tracer_tuple *like,
                                           bool reversed,
                                           struct ps_tracer_tuple *t)
{
    __u8 *src = reversed ? t->daddr : t->saddr;
    __u8 *dst = reversed ? t->saddr : t->daddr;
    __u16 from = 0, to = 0;

    __builtin_memset(t, 0, sizeof(*t));
    if (like->family == 6) {
        bpf_core_read(src, 16, &ct->src.u3);
        bpf_core_read(dst, 16, &ct->dst.u3);
    } else {
        bpf_core_read(src, 4, &ct->src.u3);
        bpf_core_read(dst, 4, &ct->dst.u3);
    }
    if (ps_has_ports(like->proto)) {
        from = bpf_ntohs(BPF_CORE_READ(ct, src.u.all));
        to = bpf_ntohs(BPF_CORE_READ(ct, dst.u.all));
    }
    t->sport = reversed ? to : from;
    t->dport = reversed ? from : to;
    t->family = like->family;
    t->proto = like->proto;
}

static __always_inline bool same_tuple(const struct ps_tracer_tuple *a,
                                       const struct ps_tracer_tuple *b)
{
    const __u64 *x = (const __u64 *)a, *y = (const __u64 *)b;
    __u64 diff = 0;

    for (__u32 i = 0; i < PS_TRACER_TUPLE_WORDS; i++)
        diff |= x[i] ^ y[i];
    return diff == 0;
}

/*
 * The tuple on the other side, in e->other: a packet of a connection's first
 * direction has the original tuple before, the reply's reversed one behind.
 * False where nothing is translated, or the packet is only related to the
 * connection. nfct: of the skb.
 */
static __noinline bool find_translated(__u64 nfct, struct ps_tracer_event *e)
{
    const struct nf_conntrack_tuple *orig, *reply;
    struct ps_tracer_tuple before;
    struct nf_conn *ct;
    bool back;

    if (!bpf_core_type_exists(struct nf_conn))
        return false;
    ct = (struct nf_conn *)(nfct & CT_POINTER);
    if (!ct || !(BPF_CORE_READ(ct, status) & CT_NAT_BITS))
        return false;
    back = (nfct & ~CT_POINTER) >= CT_REPLY;
    orig = __builtin_preserve_access_index(&ct->tuplehash[0].tuple);
    reply = __builtin_preserve_access_index(&ct->tuplehash[1].tuple);
    if (BPF_CORE_READ(orig, dst.protonum) != e->tuple.proto)
        return false;
    from_conntrack(back ? reply : orig, &e->tuple, false, &before);
    from_conntrack(back ? orig : reply, &e->tuple, true, &e->other);
    if (same_tuple(&before, &e->other))
        goto none;
    if (same_tuple(&e->tuple, &before))
        return true;
    if (!same_tuple(&e->tuple, &e->other))
        goto none;
    e->other = before;
    return true;
none:
    __builtin_memset(&e->other, 0, sizeof(e->other));
    return false;
}

/* ---- what is followed because of it ------------------------------------- */

static __always_inline __u32 alias_of(const struct ps_tracer_tuple *tuple)
{
    struct ps_tracer_alias *alias = bpf_map_lookup_elem(&aliases, tuple);

    return alias ? alias->traces : 0;
}

static __noinline int alias_put(const struct ps_tracer_tuple *tuple,
                                __u32 traces)
{
    struct ps_tracer_alias fresh = {.traces = traces}, *alias;

    if (!tuple)
        return 0;
    /* Also where it is there since a trace that has ended. */
    if (!have_aliases)
        have_aliases = 1;
    alias = bpf_map_lookup_elem(&aliases, tuple);
    if (!alias) {
        if (!bpf_map_update_elem(&aliases, tuple, &fresh, BPF_NOEXIST))
            return 0;
        alias = bpf_map_lookup_elem(&aliases, tuple);
        if (!alias)
            __sync_fetch_and_add(&aliases_full, 1);
    }
    /* Not atomic, which 5.10 has not: the next packet tries again. */
    if (alias && (alias->traces & traces) != traces)
        alias->traces |= traces;
    return 0;
}

/* Both directions. */
static __always_inline void alias_both(const struct ps_tracer_tuple *tuple,
                                       __u32 traces)
{
    struct ps_tracer_tuple back;

    alias_put(tuple, traces);
    reverse_tuple(tuple, &back);
    alias_put(&back, traces);
}

/*
 * e was matched by these traces. What is inside of a tunnel belongs to it;
 * but who asked for what is inside did not ask for the whole tunnel.
 */
static __noinline void learn(const struct ps_tracer_event *e, __u32 by_tuple,
                             __u32 by_other)
{
    __u32 other = e->traces & ~by_other;
    __u32 tuple = e->flags & PS_EF_NAT ? e->traces & ~by_tuple : 0;

    if (!(e->flags & (PS_EF_INNER | PS_EF_NAT)))
        return;
    if (other && (alias_of(&e->other) & other) != other)
        alias_both(&e->other, other);
    if (tuple && (alias_of(&e->tuple) & tuple) != tuple)
        alias_both(&e->tuple, tuple);
}

#endif
