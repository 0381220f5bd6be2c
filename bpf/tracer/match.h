/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Filters of traces, and the content by which steps of a packet are joined. */
#ifndef PS_BPF_TRACER_MATCH_H
#define PS_BPF_TRACER_MATCH_H

#include "bpf/lib/skb.h"
#include "bpf/tracer/tracer_abi.h"

#ifndef IPPROTO_ICMPV6
#define IPPROTO_ICMPV6 58
#endif

/* 1 where x is not 0, without a branch: branches here would multiply the
 * verifier's states by each other. */
static __always_inline __u64 nonzero(__u64 x)
{
    x = (x | -x) >> 63;
    barrier_var(x);
    return x;
}

/* 0 where the tuple equals the filter's value under its mask. */
static __always_inline __u64 differs(const struct ps_tracer_filter *f,
                                     const struct ps_tracer_tuple *tuple)
{
    const __u64 *value = (const __u64 *)&f->value;
    const __u64 *mask = (const __u64 *)&f->mask;
    const __u64 *t = (const __u64 *)tuple;
    __u64 diff = 0;

    for (__u32 i = 0; i < PS_TRACER_TUPLE_WORDS; i++)
        diff |= (t[i] ^ value[i]) & mask[i];
    return nonzero(diff);
}

static __always_inline void reverse_tuple(const struct ps_tracer_tuple *t,
                                          struct ps_tracer_tuple *r)
{
    *r = *t;
    __builtin_memcpy(r->saddr, t->daddr, 16);
    __builtin_memcpy(r->daddr, t->saddr, 16);
    r->sport = t->dport;
    r->dport = t->sport;
}

/* Bit mask of the filters, among those `on`, that want this tuple. */
static __always_inline __u8 match_filters(const struct ps_tracer_filter *f,
                                          __u32 on,
                                          const struct ps_tracer_tuple *tuple)
{
    struct ps_tracer_tuple back;
    __u64 mask = 0;

    reverse_tuple(tuple, &back);
    for (__u32 i = 0; i < PS_TRACER_MAX_TRACES; i++) {
        if (!(on >> i))
            break;
        mask |= (1 ^ (differs(&f[i], tuple) & differs(&f[i], &back))) << i;
    }
    return (__u8)(mask & on);
}

/* FNV-1a over words: only equality is asked of it. */
static __always_inline __u32 hash_words(const __u32 *words, int n)
{
    __u32 hash = 2166136261u;

    for (int i = 0; i < n; i++)
        hash = (hash ^ words[i]) * 16777619u;
    return hash;
}

/* Up to PS_TRACER_HASH_BYTES of payload; without them no hash. */
static __always_inline void hash_payload(const unsigned char *at, __u32 avail,
                                         struct ps_tracer_event *e)
{
    __u32 words[PS_TRACER_HASH_BYTES / 4] = {};
    __u32 n = e->payload < sizeof(words) ? e->payload : sizeof(words);

    if (n > avail)
        return;
    if (n && bpf_probe_read_kernel(words, n, at))
        return;
    e->hash = hash_words(words, PS_TRACER_HASH_BYTES / 4);
    e->flags |= PS_EF_HASH;
}

/* Offset from head of the packet's end by its IP header, for small frames are
 * padded; 0 where the header has no length (jumbograms). */
static __always_inline __u32 packet_end(const unsigned char *head,
                                        const struct ps_skb_info *info)
{
    __u32 fixed = info->family == 6 ? 40 : 0;
    __be16 len = 0;

    if (bpf_probe_read_kernel(&len, sizeof(len),
                              head + info->l3_off +
                                  (info->family == 6 ? 4 : 2)) ||
        !len)
        return 0;
    return info->l3_off + fixed + bpf_ntohs(len);
}

/*
 * Sequence numbers, ids and payload's length: what stays the same while a
 * packet passes through a host. Checksums do not: offloads fill them late.
 */
static __always_inline void fill_content(struct sk_buff *skb, bool direct,
                                         const struct ps_skb_info *info,
                                         struct ps_tracer_event *e)
{
    const unsigned char *head = (const unsigned char *)e->head;
    __u32 data = (__u32)(ps_load(direct, skb, data) - head);
    __u32 len = ps_load(direct, skb, len);
    __u32 end = data + len; /* of all of it, as an offset from head */
    __u32 linear = end - ps_load(direct, skb, data_len);
    __u32 l4 = info->l4_off, l4_len = 8, stop;
    __u8 raw[16] = {};

    if (!l4)
        return;
    stop = packet_end(head, info);
    if (stop && stop < end)
        end = stop;
    if (linear > end)
        linear = end;
    if (info->proto == IPPROTO_TCP) {
        if (bpf_probe_read_kernel(raw, sizeof(raw), head + l4))
            return;
        e->seq = info->tcp_seq;
        e->ack = bpf_ntohl(*(__be32 *)(raw + 8));
        e->tcp_flags = raw[13];
        l4_len = (__u32)(raw[12] >> 4) * 4;
    } else if (info->proto == IPPROTO_ICMP || info->proto == IPPROTO_ICMPV6) {
        if (bpf_probe_read_kernel(raw, 8, head + l4))
            return;
        e->seq = bpf_ntohs(*(__be16 *)(raw + 6));
        e->ack = ((__u32)bpf_ntohs(*(__be16 *)(raw + 4)) << 16) |
                 ((__u32)raw[0] << 8) | raw[1];
    } else if (info->proto != IPPROTO_UDP) {
        l4_len = 0;
    }
    if (l4 + l4_len > end)
        return;
    e->payload = end - l4 - l4_len;
    if (info->proto != IPPROTO_TCP)
        hash_payload(head + l4 + l4_len,
                     linear > l4 + l4_len ? linear - l4 - l4_len : 0, e);
}

static __always_inline void fill_tuple(const struct ps_skb_info *info,
                                       struct ps_tracer_tuple *t)
{
    __builtin_memcpy(t->saddr, info->saddr, 16);
    __builtin_memcpy(t->daddr, info->daddr, 16);
    t->sport = info->sport;
    t->dport = info->dport;
    t->family = info->family;
    t->proto = info->proto;
}

#endif
