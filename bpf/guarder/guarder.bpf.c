// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The guarder's XDP programs: parse once, ask the rules in their order, count,
 * decide. The first that matches decides; without one a packet passes.
 *
 * A set of rules is one value of an inner map. The daemon writes the set that
 * nobody reads and then puts its map in `active`: a packet sees the old set or
 * the new one, and the kernel lets the daemon go on only when no program can
 * hold the old one any more (an update of a map of maps waits for RCU).
 */
#include "bpf/lib/compat.h"

#include "bpf/guarder/guarder_abi.h"
#include "bpf/guarder/match.h"
#include "bpf/guarder/watch.h"
#include "bpf/lib/parse.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct set_map {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct ps_gd_set);
};

struct set_map set_a SEC(".maps");
struct set_map set_b SEC(".maps");

/* Empty until the daemon has written a first set: everything passes. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
    __uint(max_entries, 1);
    __type(key, __u32);
    __array(values, struct set_map);
} active SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct ps_gd_hits);
} hits SEC(".maps");

/* By ifindex; the daemon makes the entry before it attaches. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
    __uint(max_entries, PS_GD_MAX_IFACES);
    __type(key, __u32);
    __type(value, struct ps_gd_iface);
} ifaces SEC(".maps");

/* Packets of an interface without an entry in `ifaces`. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct ps_gd_count);
} uncounted SEC(".maps");

/* For the daemon alone; pinned with the rest. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct ps_gd_meta);
} meta SEC(".maps");

/*
 * The packet at hand. Not on the stack: what is read back from a map is
 * unknown to the verifier, so that it walks the loops below once, and not once
 * for each way through the parser.
 */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct ps_pkt);
} scratch SEC(".maps");

static __always_inline void count(struct ps_gd_count *c, __u64 bytes)
{
    c->packets++;
    c->bytes += bytes;
}

static __always_inline const struct ps_gd_match *
find4(const struct ps_gd_set *set, const struct rule_key *k)
{
    const struct ps_gd_rule4 *r;
    __u32 saddr = (__u32)k->pkt->saddr[0], daddr = (__u32)k->pkt->daddr[0];
    __u32 i, n = set->n4;

    for (i = 0; i < PS_GD_MAX_RULES; i++) {
        if (i >= n)
            break;
        r = &set->r4[i];
        if (differs4(r, saddr, daddr))
            continue;
        if (!differs(&r->m, k))
            return &r->m;
    }
    return NULL;
}

static __always_inline const struct ps_gd_match *
find6(const struct ps_gd_set *set, const struct rule_key *k)
{
    const struct ps_gd_rule6 *r;
    __u32 i, n = set->n6;

    for (i = 0; i < PS_GD_MAX_RULES; i++) {
        if (i >= n)
            break;
        r = &set->r6[i];
        if (differs6(r, k->pkt))
            continue;
        if (!differs(&r->m, k))
            return &r->m;
    }
    return NULL;
}

static __always_inline void make_key(const struct ps_pkt *pkt, __u32 ifindex,
                                     struct rule_key *k)
{
    union ps_gd_bits bits = {.f = pkt->bits};

    k->pkt = pkt;
    k->bits = bits.word;
    k->ifindex = ifindex;
    k->sport = pkt->sport;
    k->dport = pkt->dport;
}

/* The rule that decides, or NULL. */
static __always_inline const struct ps_gd_match *
classify(const struct rule_key *key)
{
    const struct ps_gd_set *set;
    __u32 zero = 0;
    void *inner;

    if (key->pkt->family == 0)
        return NULL;
    inner = bpf_map_lookup_elem(&active, &zero);
    if (!inner)
        return NULL;
    set = bpf_map_lookup_elem(inner, &zero);
    if (!set)
        return NULL;
    if (key->pkt->family == 4)
        return find4(set, key);
    return find6(set, key);
}

static __always_inline void count_hit(__u16 slot, __u64 bytes)
{
    struct ps_gd_hits *h;
    __u32 zero = 0;

    h = bpf_map_lookup_elem(&hits, &zero);
    if (h)
        count(&h->slot[slot & (PS_GD_SLOTS - 1)], bytes);
}

static __always_inline int guard(struct xdp_md *ctx, __u64 bytes)
{
    void *data = (void *)(long)ctx->data;
    void *end = (void *)(long)ctx->data_end;
    __u32 zero = 0, ifindex = ctx->ingress_ifindex;
    const struct ps_gd_match *rule;
    struct ps_gd_iface *iface;
    struct ps_gd_count *lost;
    struct rule_key key;
    struct ps_pkt *pkt;
    bool drop = false;

    pkt = bpf_map_lookup_elem(&scratch, &zero);
    if (!pkt)
        return XDP_PASS;
    __builtin_memset(pkt, 0, sizeof(*pkt));
    ps_parse_eth(pkt, data, end);
    make_key(pkt, ifindex, &key);
    rule = classify(&key);
    if (rule) {
        drop = rule->action == PS_GD_DROP;
        count_hit(rule->slot, bytes);
        if (drop && watch_until)
            tell_drop(ctx, &key, rule->slot, bytes);
    }
    iface = bpf_map_lookup_elem(&ifaces, &ifindex);
    if (iface) {
        count(drop ? &iface->dropped : &iface->passed, bytes);
        if (!rule && !pkt->complete)
            count(&iface->unparsed, bytes);
    } else {
        lost = bpf_map_lookup_elem(&uncounted, &zero);
        if (lost)
            count(lost, bytes);
    }
    return drop ? XDP_DROP : XDP_PASS;
}

/* From 5.18: a packet may be larger than its linear part. */
SEC("xdp.frags")
int guard_frags(struct xdp_md *ctx)
{
    return guard(ctx, bpf_xdp_get_buff_len(ctx));
}

SEC("xdp")
int guard_linear(struct xdp_md *ctx)
{
    return guard(ctx, (__u64)(ctx->data_end - ctx->data));
}
