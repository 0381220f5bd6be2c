/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Which packets are followed while only one of so many is; the same in both
 * tiers.
 *
 * A packet is taken whole or not at all, so that what is decided where it is
 * seen first has to hold for its copies too, in other buffers, and for the
 * parts that it is cut into. Copies have the same content, which decides. Parts
 * have another one: they come right behind the packet, on its CPU, and what was
 * decided for it is kept by their content, for their copies.
 */
#ifndef PS_BPF_TRACER_ONE_OF_H
#define PS_BPF_TRACER_ONE_OF_H

#include "bpf/tracer/content.h"

#define CUT_NS     (1000 * 1000ull)
#define PARTS      8192
#define PART_TAKEN (1ull << 32)
#define PART_KNOWN (1ull << 33)
/* What is alike is taken or left out together for so long: 2^24 ns. */
#define ALIKE_BITS 24

/* The packet of several that a CPU saw last. */
struct whole {
    __u64 now;
    __u32 seq, ack, payload;
    __u16 ends[2];
    __u8 proto, taken;
    __u16 pad;
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct whole);
} wholes SEC(".maps");

/* By signature: it, PART_KNOWN, and perhaps PART_TAKEN. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, PARTS);
    __type(key, __u32);
    __type(value, __u64);
} parts SEC(".maps");

/* One of so many packets is followed; 0 and 1: all. */
volatile __u32 throttle;

/* What decides of a packet. */
struct chance {
    const struct ps_skb_info *info;
    const struct ps_content *content;
    const __u16 *ends;
    __u32 signature;
    __u64 now;
};

static __always_inline bool is_numbered(const struct ps_skb_info *info)
{
    return info->ip_id || info->proto == IPPROTO_TCP ||
           info->proto == IPPROTO_ICMP || info->proto == IPPROTO_ICMPV6;
}

static __always_inline bool taken_by_content(const struct chance *c)
{
    /* Not the hash of a trace that samples: the two are independent. */
    __u32 words[2] = {c->signature, 0};

    if (!is_numbered(c->info))
        words[1] = (__u32)(c->now >> ALIKE_BITS);
    return (__u64)spread(hash_words(words, 2)) * throttle >> 32 == 0;
}

static __always_inline bool is_cut_from(const struct whole *w,
                                        const struct chance *c)
{
    const struct ps_content *content = c->content;

    if (!w->now || c->now - w->now > CUT_NS || w->proto != c->info->proto ||
        w->ends[0] != c->ends[0] || w->ends[1] != c->ends[1] ||
        content->payload >= w->payload)
        return false;
    return w->proto == IPPROTO_UDP ||
           (w->proto == IPPROTO_TCP && w->ack == content->ack &&
            content->seq - w->seq + content->payload <= w->payload);
}

static __always_inline struct whole *whole_of_cpu(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&wholes, &zero);
}

/* Whether the packet is one of those that are followed. */
static __always_inline bool has_luck(const struct chance *c)
{
    __u32 key = c->signature & (PARTS - 1);
    struct whole *w = whole_of_cpu();
    __u64 *part = bpf_map_lookup_elem(&parts, &key);

    if (!part || !w)
        return true;
    if (is_cut_from(w, c))
        *part = c->signature | PART_KNOWN | (w->taken ? PART_TAKEN : 0);
    else if (*part >> 33 == 0 || (__u32)*part != c->signature)
        return taken_by_content(c);
    return (*part & PART_TAKEN) != 0;
}

/* It may be cut into parts soon. */
static __always_inline void fill_whole(struct whole *w, const struct chance *c,
                                       bool taken)
{
    w->seq = c->content->seq;
    w->ack = c->content->ack;
    w->payload = c->content->payload;
    w->ends[0] = c->ends[0];
    w->ends[1] = c->ends[1];
    w->proto = c->info->proto;
    w->taken = taken;
    w->now = c->now;
}

/* Whether a buffer holds several packets. */
static __always_inline bool is_several(struct sk_buff *skb)
{
    const unsigned char *head = BPF_CORE_READ(skb, head);
    struct skb_shared_info *shinfo = (void *)(head + BPF_CORE_READ(skb, end));

    return ps_gso_read(shinfo, false).size != 0;
}

#endif
