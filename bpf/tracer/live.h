/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The packets that are followed now, by their sk_buff.
 *
 * A set of eight for each bucket of addresses. All sets together are megabytes,
 * which no cache keeps for packets that nobody wants: they are refused by a
 * byte for each place, of which there are 64 KiB. Buffers are freed and used
 * again unseen, so an entry holds only for a packet with the same signature
 * (content.h) and one end at least of the addresses that it had when it was
 * seen last: NAT at one hook changes one.
 *
 * A new one takes a place by itself alone. All else is written without locks:
 * at worst an entry fits no packet, which is then a new one.
 */
#ifndef PS_BPF_TRACER_LIVE_H
#define PS_BPF_TRACER_LIVE_H

#include "bpf/tracer/content.h"
#include "bpf/tracer/match.h"
#include "bpf/tracer/when.h"

#define LIVE_WAYS 8
#define LIVE_SETS (PS_TRACER_LIVE / LIVE_WAYS)
/* How often a place is looked for that no other CPU takes at this moment. */
#define LIVE_TRIES 3
/* For so long a packet that is not seen is believed to live. */
#define LIVE_NS (10ull * 1000 * 1000 * 1000)

struct live {
    __u64 id; /* see live_id() */
    __u64 time;
    __u32 signature;
    __u16 ends[2]; /* hashes of source and destination */
    __u8 traces;   /* for which it is followed */
    __u8 refused;  /* for which it was sampled out */
    __u16 pad;
    __u32 pad2;
};

#define LIVE_CPU_BITS (64 - PS_WHEN_BITS)

struct live_set {
    __u64 skb[LIVE_WAYS];
    struct live entry[LIVE_WAYS];
    __u32 busy[LIVE_WAYS]; /* by how many it is being taken */
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, LIVE_SETS);
    __type(key, __u32);
    __type(value, struct live_set);
} lives SEC(".maps");

/* Of each set, a byte for each place: a part of the hash of what is in it; 0:
 * nothing is. One that was left behind says only that something may be. */
__u64 live_tags[LIVE_SETS];

/* Filters begin to hold at this time; see ps_probes_set_filter(). */
volatile __u64 since[PS_TRACER_MAX_TRACES];
/* What there was since traces run: packets that are followed, and of these
 * buffers of several packets, of which the stack may make new ones. */
#define LIVE_ANY     1u
#define LIVE_SEVERAL 2u
volatile __u32 live_used;
/* Packets that gave their place to another one while they may have lived. */
volatile __u64 live_evicted;

static __always_inline __u64 live_hash(__u64 skb)
{
    return skb * 0x9E3779B97F4A7C15ull;
}

static __always_inline __u32 live_key(__u64 hash)
{
    return (__u32)(hash >> 40) & (LIVE_SETS - 1);
}

/* Never 0; of bits that the key does not have. */
static __always_inline __u8 live_tag(__u64 hash)
{
    return (__u8)(hash >> 56) | 0x80;
}

static __always_inline struct live_set *live_set(__u64 skb)
{
    __u32 key = live_key(live_hash(skb));

    return bpf_map_lookup_elem(&lives, &key);
}

/* False: it is not in. */
static __always_inline bool may_live(__u64 skb)
{
    const __u64 ones = 0x0101010101010101ull;
    __u64 hash = live_hash(skb);
    __u64 tags = *(volatile __u64 *)&live_tags[live_key(hash)];

    /* Whether a byte of it is 0 now. */
    tags ^= ones * live_tag(hash);
    return (tags - ones) & ~tags & (ones << 7);
}

/* 1 to LIVE_WAYS; 0: it is not in. Multiplied, not masked: newer verifiers
 * make two ways of a mask that is 0 or all ones. */
static __always_inline __u32 live_way(const struct live_set *set, __u64 skb)
{
    __u64 way = 0;

    for (__u32 i = 0; i < LIVE_WAYS; i++)
        way += (1 - nonzero(set->skb[i] ^ skb)) * (i + 1);
    return (__u32)way & (2 * LIVE_WAYS - 1);
}

/* 1 where a < b, without a branch; both are below 2^63. */
static __always_inline __u64 is_less(__u64 a, __u64 b)
{
    __u64 less = a - b;

    barrier_var(less);
    less >>= 63;
    barrier_var(less);
    return less;
}

/* 0: it is free; else when it was seen. */
static __always_inline __u64 live_time(const struct live_set *set, __u32 way)
{
    return *(volatile __u64 *)&set->entry[way].time *
           nonzero(*(volatile __u64 *)&set->skb[way]);
}

/* Where a new one may go: a free place, or the one not seen for longest. Each
 * CPU begins far from the others. */
static __always_inline __u32 live_victim(const struct live_set *set,
                                         __u64 *ret_time)
{
    __u64 oldest = 1ull << 62, way = 0, at, less;
    __u32 cpu = bpf_get_smp_processor_id();
    __u32 first = (cpu & 1) << 2 | (cpu & 2) | (cpu & 4) >> 2;

#pragma clang loop unroll(full)
    for (__u32 i = 0; i < LIVE_WAYS; i++) {
        __u32 k = (first + i) & (LIVE_WAYS - 1);

        at = live_time(set, k);
        less = is_less(at, oldest);
        way += (k - way) * less;
        oldest += (at - oldest) * less;
    }
    *ret_time = oldest;
    return (__u32)way & (LIVE_WAYS - 1);
}

/* A place that is nobody's but the caller's until live_leave(). */
static __always_inline __u32 live_take(struct live_set *set, __u64 now)
{
    __u32 way = 0;
    __u64 time;

    /* Verifiers before 6.8 may take a loop with so much in it for endless. */
#pragma clang loop unroll(full)
    for (__u32 i = 0; i < LIVE_TRIES; i++) {
        way = live_victim(set, &time);
        __sync_fetch_and_add(&set->busy[way], 1);
        if (*(volatile __u32 *)&set->busy[way] == 1 &&
            live_time(set, way) == time) {
            if (time && now - time < LIVE_NS)
                __sync_fetch_and_add(&live_evicted, 1);
            break;
        }
        /* The last one is taken from whoever has it. */
        if (i < LIVE_TRIES - 1)
            __sync_fetch_and_add(&set->busy[way], -1);
    }
    return way;
}

static __always_inline void live_leave(struct live_set *set, __u32 way)
{
    __sync_fetch_and_add(&set->busy[way & (LIVE_WAYS - 1)], -1);
}

/* Of what is seen for the first time: when, and the CPU. */
static __always_inline __u64 live_id(__u64 now)
{
    return now << LIVE_CPU_BITS |
           (bpf_get_smp_processor_id() & ((1 << LIVE_CPU_BITS) - 1));
}

/* Of an entry's traces those that are the same as when it was made. */
static __always_inline __u8 live_traces(const struct live *entry)
{
    __u64 first = entry->id >> LIVE_CPU_BITS, later = 0;

    for (__u32 i = 0; i < PS_TRACER_MAX_TRACES; i++)
        later |= ps_is_before(first, since[i]) << i;
    return (__u8)((entry->traces | entry->refused) & traces_on(filters_now()) &
                  ~later);
}

static __always_inline bool live_is(const struct live *entry, __u32 signature,
                                    __u64 now)
{
    return entry->signature == signature && now - entry->time < LIVE_NS;
}

/* way: 0 to LIVE_WAYS - 1; in: 1, or 0. A function of its own, for the stack is
 * short. */
static __noinline PS_UNUSED void live_mark(__u64 skb, __u32 way, __u8 in)
{
    __u64 hash = live_hash(skb);
    __u8 *tags = (__u8 *)&live_tags[live_key(hash)];

    tags[way & (LIVE_WAYS - 1)] = (__u8)(live_tag(hash) * in);
}

/* way: as of live_mark(). */
static __always_inline void live_put(struct live_set *set, __u32 way, __u64 skb)
{
    set->skb[way & (LIVE_WAYS - 1)] = skb;
    live_mark(skb, way, 1);
}

/* way: as of live_way(). */
static __always_inline void live_forget(struct live_set *set, __u32 way,
                                        __u64 skb)
{
    set->skb[(way - 1) & (LIVE_WAYS - 1)] = 0;
    live_mark(skb, way - 1, 0);
}

static __always_inline void live_note(__u32 what)
{
    if (!(live_used & what))
        live_used |= what;
}

#endif
