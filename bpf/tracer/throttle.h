/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Which packets are followed while only one of so many is.
 *
 * A packet is taken whole or not at all, so that what is decided where it is
 * seen first has to hold for its copies too, in other buffers, and for the
 * parts that it is cut into. Copies have the same content, which decides. Parts
 * have another one: they come right behind the packet, on its CPU, and what was
 * decided for it is kept by their content, for their copies.
 */
#ifndef PS_BPF_TRACER_THROTTLE_H
#define PS_BPF_TRACER_THROTTLE_H

#include "bpf/tracer/match.h"

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

static __always_inline bool is_numbered(const struct sight *s)
{
    return s->info.ip_id || s->info.proto == IPPROTO_TCP ||
           s->info.proto == IPPROTO_ICMP || s->info.proto == IPPROTO_ICMPV6;
}

static __always_inline bool taken_by_content(const struct sight *s)
{
    /* Not the hash of a trace that samples: the two are independent. */
    __u32 words[2] = {s->signature, 0};

    if (!is_numbered(s))
        words[1] = (__u32)(s->now >> ALIKE_BITS);
    return (__u64)spread(hash_words(words, 2)) * throttle >> 32 == 0;
}

static __always_inline bool is_cut_from(const struct whole *w,
                                        const struct sight *s)
{
    const struct ps_content *c = &s->content;

    if (!w->now || s->now - w->now > CUT_NS || w->proto != s->info.proto ||
        w->ends[0] != s->ends[0] || w->ends[1] != s->ends[1] ||
        c->payload >= w->payload)
        return false;
    return w->proto == IPPROTO_UDP ||
           (w->proto == IPPROTO_TCP && w->ack == c->ack &&
            c->seq - w->seq + c->payload <= w->payload);
}

/* Whether the packet in this room is one of those that are followed. */
__noinline int is_taken(__u32 nr)
{
    struct room *room = room_at(nr);
    __u32 zero = 0, key;
    struct whole *w;
    struct sight *s;
    __u64 *part;

    if (!room || throttle < 2)
        return 1;
    s = &room->sight;
    key = s->signature & (PARTS - 1);
    part = bpf_map_lookup_elem(&parts, &key);
    w = bpf_map_lookup_elem(&wholes, &zero);
    if (!part || !w)
        return 1;
    if (is_cut_from(w, s))
        *part = s->signature | PART_KNOWN | (w->taken ? PART_TAKEN : 0);
    else if (*part >> 33 == 0 || (__u32)*part != s->signature)
        return taken_by_content(s);
    return (*part & PART_TAKEN) != 0;
}

/* It may be cut into parts soon. */
__noinline int note_whole(__u32 nr, __u64 skb)
{
    struct room *room = room_at(nr);
    struct skb_shared_info *shinfo;
    struct whole *w;
    struct sight *s;
    __u32 zero = 0;

    w = bpf_map_lookup_elem(&wholes, &zero);
    if (!room || !w)
        return 0;
    s = &room->sight;
    shinfo = (void *)(s->view.head + BPF_CORE_READ((struct sk_buff *)skb, end));
    if (!ps_gso_read(shinfo, false).size)
        return 0;
    w->seq = s->content.seq;
    w->ack = s->content.ack;
    w->payload = s->content.payload;
    w->ends[0] = s->ends[0];
    w->ends[1] = s->ends[1];
    w->proto = s->info.proto;
    w->taken = (s->traces & ~s->refused) != 0;
    w->now = s->now;
    return 0;
}

#endif
