/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Is this packet wanted? By a filter, or since it was wanted before. */
#ifndef PS_BPF_TRACER_FOLLOW_H
#define PS_BPF_TRACER_FOLLOW_H

#include "bpf/tracer/event.h"
#include "bpf/tracer/identity.h"
#include "bpf/tracer/live.h"

/* Always 0, which the verifier does not know: what is xor-ed with it is to the
 * verifier a number like any other, not one that depends on the way through
 * the parser. Otherwise each of these is verified together with each way
 * through the rest. */
volatile __u64 unknown_zero;

/* All that is learned of a packet on the way to the answer. In a tunnel, info
 * and content are of the packet inside. */
struct sight {
    struct ps_skb_view view;
    struct ps_skb_info info;
    __u32 l3_outer;
    __u32 signature;
    struct ps_tracer_tuple tuple;
    struct ps_content content;
    __u16 flags;  /* of the event */
    __u16 l3_off; /* of the outer packet */
    __u64 now;
    __u64 id;      /* 0: not in the table of the living */
    __u8 by_tuple; /* matched by filters */
    __u8 by_other;
    __u8 matched; /* by these, or by an alias */
    __u8 traces;  /* these, and those that follow it */
    __u8 refused; /* of these, sampled out */
    __u8 pad[3];
    __u8 end[];
};

typedef __u64 __attribute__((may_alias)) any_word;

/* Of a sight all but the pointer at its beginning, to before `end`. */
#define FORGET(s, end) \
    forget_words((any_word *)(s) + 1, __builtin_offsetof(struct sight, end) / 8)

static __always_inline void forget_words(any_word *words, __u32 end)
{
    __u64 zero = unknown_zero;

    for (__u32 i = 0; i + 1 < end; i++)
        words[i] ^= zero;
}

static __always_inline bool shares_end(const struct live *entry,
                                       const __u16 *ends)
{
    return entry->ends[0] == ends[0] || entry->ends[1] == ends[1];
}

/* Seen again. */
static __always_inline void see_again(struct live *entry, const __u16 *ends,
                                      struct sight *s)
{
    __u8 known = live_traces(entry), fresh = s->matched & (__u8)~known;

    if (fresh && live_taken())
        entry->traces |= fresh;
    else if (fresh)
        entry->refused |= fresh;
    entry->time = s->now;
    entry->ends[0] = ends[0];
    entry->ends[1] = ends[1];
    s->id = entry->id;
    s->traces = known | fresh;
    s->refused = entry->refused;
}

static __always_inline void see_first(struct live_set *set, __u32 way,
                                      __u64 skb, const __u16 *ends,
                                      struct sight *s)
{
    __u32 i = way ? (way - 1) & (LIVE_WAYS - 1) : live_victim(set, s->now);
    bool taken = live_taken();
    struct live *entry;

    entry = &set->entry[i & (LIVE_WAYS - 1)];
    s->id = s->now << LIVE_CPU_BITS |
            (bpf_get_smp_processor_id() & ((1 << LIVE_CPU_BITS) - 1));
    s->traces = s->matched;
    s->refused = taken ? 0 : s->matched;
    s->flags |= PS_EF_FIRST;
    set->skb[i & (LIVE_WAYS - 1)] = 0;
    entry->id = s->id;
    entry->time = s->now;
    entry->signature = s->signature;
    entry->ends[0] = ends[0];
    entry->ends[1] = ends[1];
    entry->traces = taken ? s->matched : 0;
    entry->refused = s->refused;
    set->skb[i & (LIVE_WAYS - 1)] = skb;
    live_used = 1;
}

/* Who follows it? The packet is matched, or its sk_buff is in the set. Gives
 * the traces that it is for. */
static __noinline __u32 follow(__u64 skb, __u32 station, struct live_set *set,
                               __u32 way, struct sight *s)
{
    struct live *entry = &set->entry[(way - 1) & (LIVE_WAYS - 1)];
    bool end = station == PS_ST_CONSUME_SKB || station == PS_ST_KFREE_SKB;
    /* The stack has just made it, and it has no tunnel's headers yet. */
    bool origin = station == PS_ST_NF_OUTPUT && s->matched &&
                  !(s->flags & PS_EF_INNER);
    __u16 ends[2];

    s->signature = signature(&s->info, &s->content);
    s->matched &= (__u8)~sampled_out(filters_now(), s->matched, s->signature);
    live_ends(&s->info, ends);
    if (way && !origin && live_is(entry, s->signature, s->now) &&
        (s->matched || shares_end(entry, ends)))
        see_again(entry, ends, s);
    else if (s->matched && !end)
        see_first(set, way, skb, ends, s);
    else
        s->traces = s->matched;
    if (way && end)
        live_forget(set, way);
    return s->traces & ~(__u32)s->refused;
}

static __always_inline void fill_sight(const struct hook *h, struct sight *s,
                                       struct ps_tracer_event *e)
{
    struct sk_buff *skb = h->skb;

    e->time = s->now;
    e->id = s->id;
    e->tuple = s->tuple;
    if (s->flags & PS_EF_INNER)
        fill_tuple(&s->info, &e->other);
    e->flags = s->flags;
    if (s->info.flags & PS_SKB_FRAGMENT)
        e->flags |= PS_EF_FRAGMENT;
    if (e->traces & ~s->matched)
        e->flags |= PS_EF_FOLLOWED;
    ps_skb_lengths(skb, &s->view, s->l3_outer, h->direct, &s->info);
    e->packets = s->info.packets;
    fill_place(h, h->dev, e);
    fill_content(&s->info, &s->content, e);
    /* Not as the verifier's typed pointer: it may be an offset. */
    fill_sock(BPF_CORE_READ(skb, sk), e);
    if (bpf_core_field_exists(skb->_nfct)) {
        __u64 nfct = ps_load(h->direct, skb, _nfct);

        e->ct = nfct & CT_POINTER;
        if (!(s->flags & PS_EF_INNER) && find_translated(nfct, e))
            e->flags |= PS_EF_NAT;
    }
    learn(e, s->by_tuple, s->by_other);
}

static __noinline __u32 by_filters(const struct ps_tracer_tuple *tuple)
{
    return match_tuple(filters_now(), tuple) ^ (__u32)unknown_zero;
}

/* The same by the packet inside of a tunnel, which info is of. */
static __noinline __u32 by_inner(const struct ps_skb_info *info,
                                 __u32 *by_alias)
{
    struct ps_tracer_tuple inner;

    fill_tuple(info, &inner);
    if (have_aliases)
        *by_alias |= alias_of(&inner);
    *by_alias ^= (__u32)unknown_zero;
    return match_tuple(filters_now(), &inner) ^ (__u32)unknown_zero;
}

/* By tuples; and where these fit a trace that asks more, by that. */
static __always_inline void match(const struct hook *h, struct sight *s)
{
    __u64 at = expr_at(h->where, s->info.ethertype, s->l3_off);
    __u64 word = filters_now();
    __u32 by_alias = 0, more;

    s->by_tuple = (__u8)by_filters(&s->tuple);
    if (have_aliases)
        by_alias = alias_of(&s->tuple);
    if (may_tunnel(&s->info) &&
        enter_tunnel(s->view.head, s->view.linear_end, &s->info)) {
        s->flags = PS_EF_INNER;
        s->by_other = (__u8)by_inner(&s->info, &by_alias);
        at = expr_inner(at, s->info.l3_off, s->info.family);
    }
    more = (s->by_tuple | s->by_other) & slots_of(word, PS_FW_MORE);
    if (more) {
        more &= ~match_more(h->skb, h->dev, word, more, at);
        s->by_tuple &= (__u8)~more;
        s->by_other &= (__u8)~more;
    }
    s->matched = s->by_tuple | s->by_other | (__u8)(by_alias & traces_on(word));
}

/* The parser for each kind of hook, as a function of its own: the verifier
 * comes back from all the ways through it to one place. */
#define HEADERS(name, where, direct)                                     \
    static __noinline void headers_##name(                               \
        struct sk_buff *skb, struct net_device *dev, struct sight *s)    \
    {                                                                    \
        s->l3_outer =                                                    \
            ps_skb_headers(skb, dev, where, direct, &s->view, &s->info); \
        FORGET(s, tuple);                                                \
    }

HEADERS(tx_direct, PS_SKB_TX, true)
HEADERS(rx_direct, PS_SKB_RX, true)
HEADERS(any_direct, PS_SKB_ANY, true)
HEADERS(tx, PS_SKB_TX, false)
HEADERS(rx, PS_SKB_RX, false)
HEADERS(any, PS_SKB_ANY, false)

static __always_inline void headers(const struct hook *h, struct sight *s)
{
    if (h->where == PS_SKB_TX)
        h->direct ? headers_tx_direct(h->skb, h->dev, s)
                  : headers_tx(h->skb, h->dev, s);
    else if (h->where == PS_SKB_RX)
        h->direct ? headers_rx_direct(h->skb, h->dev, s)
                  : headers_rx(h->skb, h->dev, s);
    else
        h->direct ? headers_any_direct(h->skb, h->dev, s)
                  : headers_any(h->skb, h->dev, s);
}

/*
 * The one question of every station, asked for every packet: as few loads as
 * can be before the answer is no. NULL: nobody wants it, or the ring is full.
 */
static __always_inline struct ps_tracer_event *begin(const struct hook *h)
{
    struct sight s = {};
    struct ps_tracer_event *e;
    struct live_set *set;
    __u32 way, linear;
    __u64 skb;
    __u8 wanted;

    if (!traces_on(filters_now()))
        return NULL;
    headers(h, &s);
    if (!s.info.family)
        return NULL;
    s.l3_off = s.info.l3_off;
    fill_tuple(&s.info, &s.tuple);
    match(h, &s);
    if (!s.matched && !live_used)
        return NULL;
    skb = as_number(h->skb);
    set = live_set(skb);
    if (!set)
        return NULL;
    way = live_way(set, skb);
    if (!s.matched && !way)
        return NULL;
    s.now = bpf_ktime_get_ns();
    read_content(&s.view, &s.info, &s.content);
    FORGET(&s, end);
    way ^= (__u32)unknown_zero;
    wanted = (__u8)follow(skb, h->station, set, way, &s);
    if (s.refused & s.traces) {
        count_for(s.refused & s.traces, h->station, HIT);
        count_for(s.refused & s.traces, h->station, THROTTLED);
    }
    if (!wanted)
        return NULL;
    linear = s.view.linear_end > s.l3_off ? s.view.linear_end - s.l3_off : 0;
    e = open_event(h->ctx, wanted, h->station,
                   s.flags & PS_EF_FIRST ? s.view.head + s.l3_off : NULL,
                   linear);
    if (e)
        fill_sight(h, &s, e);
    return e;
}

#endif
