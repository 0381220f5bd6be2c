/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The content by which steps of a packet are joined. */
#ifndef PS_BPF_TRACER_CONTENT_H
#define PS_BPF_TRACER_CONTENT_H

#include "bpf/lib/skb.h"
#include "bpf/tracer/tracer_abi.h"

#ifndef IPPROTO_ICMPV6
#define IPPROTO_ICMPV6 58
#endif

/* As in an event. */
struct ps_content {
    __u32 seq, ack, payload, hash;
    __u16 flags; /* PS_EF_HASH, or 0 */
    __u8 tcp_flags;
    __u8 pad;
};

/* FNV-1a over words: only equality is asked of it. */
static __always_inline __u32 hash_words(const __u32 *words, int n)
{
    __u32 hash = 2166136261u;

    for (int i = 0; i < n; i++)
        hash = (hash ^ words[i]) * 16777619u;
    return hash;
}

/* All of the hash's bits decide which part of the numbers it is in. */
static __always_inline __u32 spread(__u32 hash)
{
    hash ^= hash >> 16;
    hash *= 0x85ebca6bu;
    hash ^= hash >> 13;
    hash *= 0xc2b2ae35u;
    return hash ^ (hash >> 16);
}

static __always_inline __u16 hash_end(const __u8 *addr, __u16 port)
{
    const __u32 *w = (const __u32 *)addr;
    __u32 words[5] = {w[0], w[1], w[2], w[3], port};
    __u32 hash = hash_words(words, 5);

    return (__u16)(hash ^ (hash >> 16));
}

static __always_inline void fill_ends(const struct ps_skb_info *info,
                                      __u16 *ends)
{
    ends[0] = hash_end(info->saddr, info->sport);
    ends[1] = hash_end(info->daddr, info->dport);
}

/* Up to PS_TRACER_HASH_BYTES of payload; without them no hash. */
static __always_inline void hash_payload(const unsigned char *at, __u32 avail,
                                         struct ps_content *c)
{
    __u32 words[PS_TRACER_HASH_BYTES / 4] = {};
    __u32 n = c->payload < sizeof(words) ? c->payload : sizeof(words);

    if (n > avail)
        return;
    if (n && bpf_probe_read_kernel(words, n, at))
        return;
    c->hash = hash_words(words, PS_TRACER_HASH_BYTES / 4);
    c->flags = PS_EF_HASH;
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
static __noinline PS_UNUSED void read_content(const struct ps_skb_view *v,
                                              const struct ps_skb_info *info,
                                              struct ps_content *c)
{
    const unsigned char *head = v->head;
    __u32 end = v->data_off + v->len; /* of all of it, from head */
    __u32 linear = v->linear_end;
    __u32 l4 = info->l4_off, l4_len = 8, stop;
    __u8 raw[16] = {};

    __builtin_memset(c, 0, sizeof(*c));
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
        c->seq = info->tcp_seq;
        c->ack = bpf_ntohl(*(__be32 *)(raw + 8));
        c->tcp_flags = raw[13];
        l4_len = (__u32)(raw[12] >> 4) * 4;
    } else if (info->proto == IPPROTO_ICMP || info->proto == IPPROTO_ICMPV6) {
        if (bpf_probe_read_kernel(raw, 8, head + l4))
            return;
        c->seq = bpf_ntohs(*(__be16 *)(raw + 6));
        c->ack = ((__u32)bpf_ntohs(*(__be16 *)(raw + 4)) << 16) |
                 ((__u32)raw[0] << 8) | raw[1];
    } else if (info->proto != IPPROTO_UDP) {
        l4_len = 0;
    }
    if (l4 + l4_len > end)
        return;
    c->payload = end - l4 - l4_len;
    if (info->proto != IPPROTO_TCP)
        hash_payload(head + l4 + l4_len,
                     linear > l4 + l4_len ? linear - l4 - l4_len : 0, c);
}

/*
 * What a NAT and a tunnel around it leave as it is. Merging (GRO) leaves it
 * too: TCP's payload is not in it. An ICMP id is not: NAT changes it.
 */
static __always_inline __u32 signature(const struct ps_skb_info *info,
                                       const struct ps_content *c)
{
    bool tcp = info->proto == IPPROTO_TCP;
    __u32 words[6] = {
        info->proto,          c->seq,  tcp ? c->ack : c->ack & 0xffff,
        tcp ? 0 : c->payload, c->hash, info->ip_id,
    };

    return hash_words(words, 6);
}

static __always_inline void fill_content(const struct ps_skb_info *info,
                                         const struct ps_content *c,
                                         struct ps_tracer_event *e)
{
    e->seq = c->seq;
    e->ack = c->ack;
    e->payload = c->payload;
    e->hash = c->hash;
    e->ip_id = info->ip_id;
    e->tcp_flags = c->tcp_flags;
    e->flags |= c->flags;
}

#endif
