/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The one question of every station, asked for every packet: as few loads as
 * can be before the answer is no.
 *
 * Everywhere: is this sk_buff followed since it was taken? Only at the entries
 * - where packets come in, are made, or die - do the filters look at it, by
 * its tuple; what fits, and what is not read at a glance, goes to look().
 */
#ifndef PS_BPF_TRACER_ASK_H
#define PS_BPF_TRACER_ASK_H

#include "bpf/tracer/follow.h"

/* What a hook is called with. The pointers may be NULL, but skb. */
struct hook {
    struct sk_buff *skb;
    struct net_device *dev;
    enum ps_tracer_station station;
    enum ps_skb_where where;
    bool may_stack;
    bool direct; /* see bpf/lib/load.h */
    bool netfilter;
};

/* Not every kernel has netfilter's hooks; without them TCP asks. */
const volatile bool without_hooks = false;

/* Where a packet may be seen that was not before: it comes in, is made (a
 * fragment behind the network's hooks, a buffer by XDP that is not native), is
 * a copy for one reader of several, or dies. Beside them there are the
 * sockets' stations, without an sk_buff. */
static __always_inline bool is_entry(enum ps_tracer_station station)
{
    switch (station) {
    case PS_ST_NF_OUTPUT:
    case PS_ST_NF_PREROUTING:
    case PS_ST_TCX_EGRESS:
    case PS_ST_NET_DEV_QUEUE:
    case PS_ST_NETIF_RX:
    case PS_ST_NAPI_GRO_RECEIVE:
    case PS_ST_NETIF_RECEIVE_SKB:
    case PS_ST_COPY_DATAGRAM:
    case PS_ST_KFREE_SKB:
        return true;
    case PS_ST_TCP_PROBE:
        return without_hooks;
    default:
        return false;
    }
}

/* Behind a translation of addresses it has another tuple. */
static __always_inline bool is_tracked(const struct hook *h)
{
    struct sk_buff *skb = h->skb;

    if (h->station != PS_ST_NF_FORWARD && h->station != PS_ST_NF_INPUT)
        return false;
    return bpf_core_field_exists(skb->_nfct) &&
           (ps_load(h->direct, skb, _nfct) & CT_POINTER);
}

/* Behind netif_receive_skb a packet is what it was there, but for its device
 * and mark: where no trace asks for these it is not looked at twice. */
static __always_inline bool is_asked(const struct hook *h)
{
    return h->station == PS_ST_TCX_INGRESS &&
           slots_of(filters_now(), PS_FW_MORE);
}

/* Whether it may be one of those into which the stack cut a buffer of several
 * before the driver gets them. */
static __always_inline bool may_be_cut(enum ps_tracer_station station)
{
    return station == PS_ST_NET_DEV_START_XMIT && live_used & LIVE_SEVERAL;
}

enum glance {
    GLANCE_TUPLE, /* its tuple */
    GLANCE_OTHER, /* is not IP */
    GLANCE_LOOK,  /* the parser has to look */
    GLANCE_NONE,  /* no filter can take it */
};

static __always_inline bool is_tunnel_port(__u16 port)
{
    return port == VXLAN_PORT || port == VXLAN_PORT_LINUX ||
           port == GENEVE_PORT;
}

/* By all but its addresses, where that is enough. at: the L3 header, with
 * eight bytes behind the fixed one. */
static __always_inline bool is_refused(const unsigned char *at, bool v6)
{
    const struct ipv6hdr *h6 = bpf_core_cast(at, struct ipv6hdr);
    const struct iphdr *h4 = bpf_core_cast(at, struct iphdr);
    __u8 version = *(const __u8 *)h4;
    __u64 word = filters_now();
    union tuple_ends ends = {};
    const struct udphdr *l4;

    if (have_aliases || traces_on(word) & slots_of(word, PS_FW_LEARNED))
        return false;
    if (v6 ? version >> 4 != 6
           : version != 0x45 || h4->frag_off & bpf_htons(0x3fff))
        return false;
    ends.family = v6 ? 6 : 4;
    ends.proto = v6 ? h6->nexthdr : h4->protocol;
    if (ends.proto != IPPROTO_TCP && ends.proto != IPPROTO_UDP)
        return false;
    l4 = bpf_core_cast(at + (v6 ? sizeof(*h6) : sizeof(*h4)), struct udphdr);
    ends.sport = bpf_ntohs(l4->source);
    ends.dport = bpf_ntohs(l4->dest);
    if (ends.proto == IPPROTO_UDP && is_tunnel_port(ends.dport))
        return false;
    return !may_take_ends(word, traces_on(word), &ends);
}

static __always_inline enum glance glance_v4(const struct ps_l3_head *h,
                                             struct ps_tracer_tuple *t)
{
    __u8 proto = h->v4.protocol;

    if (h->version_ihl != 0x45 || h->v4.frag_off & bpf_htons(0x3fff))
        return GLANCE_LOOK;
    __builtin_memcpy(t->saddr, &h->v4.saddr, 4);
    __builtin_memcpy(t->daddr, &h->v4.daddr, 4);
    t->family = 4;
    t->proto = proto;
    if (proto == IPPROTO_TCP || proto == IPPROTO_UDP) {
        t->sport = bpf_ntohs(h->l4_v4[0]);
        t->dport = bpf_ntohs(h->l4_v4[1]);
        return GLANCE_TUPLE;
    }
    return proto == IPPROTO_ICMP ? GLANCE_TUPLE : GLANCE_LOOK;
}

static __always_inline enum glance glance_v6(const struct ps_l3_head *h,
                                             struct ps_tracer_tuple *t)
{
    __u8 proto = h->v6.nexthdr;

    if (h->version_ihl >> 4 != 6)
        return GLANCE_LOOK;
    __builtin_memcpy(t->saddr, &h->v6.saddr, 16);
    __builtin_memcpy(t->daddr, &h->v6.daddr, 16);
    t->family = 6;
    t->proto = proto;
    if (proto == IPPROTO_TCP || proto == IPPROTO_UDP) {
        t->sport = bpf_ntohs(h->l4_v6[0]);
        t->dport = bpf_ntohs(h->l4_v6[1]);
        return GLANCE_TUPLE;
    }
    return proto == IPPROTO_ICMPV6 ? GLANCE_TUPLE : GLANCE_LOOK;
}

static __always_inline enum glance
glance(struct sk_buff *skb, bool rx, bool direct, struct ps_tracer_tuple *t)
{
    const unsigned char *head = ps_load(direct, skb, head);
    __u32 data = (__u32)(ps_load(direct, skb, data) - head);
    __u32 end = data + ps_load(direct, skb, len) -
                ps_load(direct, skb, data_len);
    __u32 l3 = rx ? data : ps_load(direct, skb, network_header);
    __u16 proto = ps_load(direct, skb, protocol);
    bool v6 = proto == bpf_htons(ETH_P_IPV6);
    struct ps_l3_head l3_head = {};
    enum glance seen;

    if (!v6 && proto != bpf_htons(ETH_P_IP))
        return proto == bpf_htons(ETH_P_ARP) ? GLANCE_OTHER : GLANCE_LOOK;
    /* The fixed header and eight bytes behind it. */
    if (l3 < ETH_HLEN || l3 + (v6 ? 48 : 28) > end)
        return GLANCE_LOOK;
    if (ps_can_cast(direct) && is_refused(head + l3, v6))
        return GLANCE_NONE;
    if (!ps_l3_read(head + l3, direct, &l3_head))
        return GLANCE_LOOK;
    seen = v6 ? glance_v6(&l3_head, t) : glance_v4(&l3_head, t);
    /* There may be another packet in it. */
    if (t->proto == IPPROTO_UDP && is_tunnel_port(t->dport))
        return GLANCE_LOOK;
    return seen;
}

/* The verifier does not calculate with pointers to the kernel's memory; what
 * was added to in memory it takes for a number. Not a plain 0, of which the
 * compiler would make an operation that 5.10 has not. */
static __always_inline __u64 as_number(const void *pointer)
{
    __u64 number = (__u64)pointer;

    __sync_fetch_and_add(&number, (__u64)unknown_zero);
    return number;
}

/* Of the ways by which it was filled the verifier has to know nothing: it
 * would follow each of them through all filters. */
static __always_inline void forget(struct ps_tracer_tuple *tuple)
{
    __u64 *words = (__u64 *)tuple, zero = unknown_zero;

    for (__u32 i = 0; i < PS_TRACER_TUPLE_WORDS; i++)
        words[i] ^= zero;
}

static __always_inline bool
may_match(struct sk_buff *skb, struct net_device *dev, bool rx, bool direct)
{
    struct ps_tracer_tuple tuple = {};
    __u64 word = filters_now();
    enum glance seen = glance(skb, rx, direct, &tuple);

    if (seen == GLANCE_LOOK || seen == GLANCE_NONE)
        return seen == GLANCE_LOOK;
    forget(&tuple);
    if (seen == GLANCE_OTHER)
        return traces_on(word) & slots_of(word, PS_FW_EXPR);
    if (match_tuple(word, &tuple) ||
        (have_aliases && (alias_of(&tuple) & traces_on(word))))
        return true;
    if (!(traces_on(word) & slots_of(word, PS_FW_LEARNED)))
        return false;
    return may_be_learned(word, &tuple, (__u64)BPF_CORE_READ(skb, sk),
                          as_number(dev));
}

/* Whether a filter may take it. Functions of their own, for the stack is
 * short: what they need is free when look() is called. */
static __noinline PS_UNUSED bool
may_match_direct(struct sk_buff *skb, struct net_device *dev, bool rx)
{
    return may_match(skb, dev, rx, true);
}

static __noinline PS_UNUSED bool may_match_raw(struct sk_buff *skb,
                                               struct net_device *dev, bool rx)
{
    return may_match(skb, dev, rx, false);
}

/* As live_way(), but at once: with branches, which in a function of its own do
 * not multiply the verifier's states. */
static __noinline PS_UNUSED bool is_followed(__u64 skb)
{
    const struct live_set *set;

    if (!may_live(skb))
        return false;
    set = live_set(skb);
    if (!set)
        return false;
    for (__u32 i = 0; i < LIVE_WAYS; i++)
        if (set->skb[i] == skb)
            return true;
    return false;
}

/* As look(); 0: nobody wants it. */
static __always_inline __u32 ask(const struct hook *h)
{
    __u32 at = LOOK_AT(h->station, h->where, h->may_stack);
    __u64 skb = 0;

    if (!traces_on(filters_now()))
        return 0;
    if (live_used) {
        skb = as_number(h->skb);
        if (is_followed(skb))
            /* Where the station is a constant, only one of the two is in the
             * program. */
            return (__u32)(is_entry(h->station) || h->netfilter ||
                                   h->station == PS_ST_TCX_INGRESS ||
                                   may_be_cut(h->station)
                               ? look(skb, as_number(h->dev), at)
                               : look_again(skb, as_number(h->dev), at));
    }
    if ((!is_entry(h->station) && !is_asked(h) && !is_tracked(h) &&
         !may_be_cut(h->station)) ||
        !(h->direct ? may_match_direct(h->skb, h->dev, h->where == PS_SKB_RX)
                    : may_match_raw(h->skb, h->dev, h->where == PS_SKB_RX)))
        return 0;
    if (!skb)
        skb = as_number(h->skb);
    return (__u32)look(skb, as_number(h->dev), at);
}

/* ---- at sockets --------------------------------------------------------- */

/* The tuple of what a TCP socket receives; false: it is none. */
static __always_inline bool glance_sock(struct sock *sk, bool direct,
                                        struct ps_tracer_tuple *t)
{
    const struct sock_common *skc = &sk->__sk_common;
    __u8 state = ps_load(direct, skc, skc_state);
    const __be32 *word;

    if (state == TCP_TIME_WAIT || state == TCP_NEW_SYN_RECV ||
        ps_load(direct, sk, sk_type) != SOCK_STREAM ||
        ps_load(direct, sk, sk_protocol) != IPPROTO_TCP)
        return false;
    t->proto = IPPROTO_TCP;
    t->sport = bpf_ntohs(ps_load(direct, skc, skc_dport));
    t->dport = ps_load(direct, skc, skc_num);
    if (ps_load(direct, skc, skc_family) == AF_INET6) {
        BPF_CORE_READ_INTO(&t->saddr, skc, skc_v6_daddr);
        BPF_CORE_READ_INTO(&t->daddr, skc, skc_v6_rcv_saddr);
        word = (const __be32 *)t->saddr;
        if (word[0] || word[1] || word[2] != bpf_htonl(0xffff)) {
            t->family = 6;
            return true;
        }
        __builtin_memset(t->saddr, 0, sizeof(t->saddr));
        __builtin_memset(t->daddr, 0, sizeof(t->daddr));
    }
    t->family = 4;
    *(__be32 *)t->saddr = ps_load(direct, skc, skc_daddr);
    *(__be32 *)t->daddr = ps_load(direct, skc, skc_rcv_saddr);
    return true;
}

#endif
