/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What is done for a packet that may be wanted; see room.h for the form.
 *
 *   look()           all of it: from an sk_buff to its event in a room;
 *   look_again()     the same where only what is followed is wanted
 *     look_headers() what it is
 *     look_match()   which filters take it: look_names(), look_more()
 *     look_on()      and then:
 *     look_follow()  who follows it since it was taken, who does from now on
 *     look_fill()    its event
 *     look_learn()   its connection's other names
 */
#ifndef PS_BPF_TRACER_FOLLOW_H
#define PS_BPF_TRACER_FOLLOW_H

#include "bpf/tracer/event.h"
#include "bpf/tracer/identity.h"
#include "bpf/tracer/learned.h"
#include "bpf/tracer/live.h"
#include "bpf/tracer/throttle.h"

/* Where a packet is, in one number: its station, enum ps_skb_where, whether
 * the program may ask for the stack. */
#define LOOK_AT(station, where, may_stack) \
    ((station) | (where) << 8 | (__u32)(may_stack) << 16)
#define LOOK_AGAIN         (1 << 17) /* only who follows it already */
#define LOOK_STATION(at)   ((at) & 0xff)
#define LOOK_WHERE(at)     ((at) >> 8 & 0xff)
#define LOOK_MAY_STACK(at) (((at) >> 16 & 1) != 0)

/* ---- what it is --------------------------------------------------------- */

/* Where the kernel has bpf_rdonly_cast (6.2), fields are plain loads: see
 * bpf/lib/load.h. Only one of the two ways is there when it is loaded. */
#define CAST(number, type) bpf_core_cast((const void *)(number), type)

__noinline int look_headers(__u32 nr, __u64 skb, __u64 dev, __u32 where)
{
    struct room *room = room_at(nr);
    struct sight *s;

    if (!room)
        return 0;
    s = &room->sight;
    s->word = filters_now();
    s->flags = 0;
    s->id = 0;
    s->by_tuple = s->by_other = s->matched = s->traces = s->refused = 0;
    s->now = bpf_ktime_get_ns();
    if (ps_can_cast(true))
        s->l3_outer = ps_skb_headers(CAST(skb, struct sk_buff),
                                     dev ? CAST(dev, struct net_device) : NULL,
                                     where, true, &s->view, &s->info);
    else
        s->l3_outer = ps_skb_headers((struct sk_buff *)skb,
                                     (struct net_device *)dev, where, false,
                                     &s->view, &s->info);
    s->l3_off = s->info.l3_off;
    __builtin_memset(&s->tuple, 0, sizeof(s->tuple));
    fill_tuple(&s->info, &s->tuple);
    return 0;
}

/* ---- which filters take it ---------------------------------------------- */

/* Of the traces whose tuple fits, those that take it by the rest too. */
__noinline int look_more(__u32 nr, __u64 skb, __u64 dev, __u32 traces, __u64 at)
{
    struct room *room = room_at(nr);

    /* Used or not, the verifier wants it to be given. */
    barrier_var(at);
    if (!room)
        return 0;
    return (int)match_more(room, (struct sk_buff *)skb,
                           (struct net_device *)dev, traces, at);
}

/* The packet inside of a tunnel, which info is of from then on. False: it is
 * in none. */
__noinline int look_inside(__u32 nr)
{
    struct room *room = room_at(nr);
    struct sight *s;

    if (!room)
        return 0;
    s = &room->sight;
    if (!enter_tunnel(s->view.head, s->view.linear_end, &s->info))
        return 0;
    s->flags = PS_EF_INNER;
    return 1;
}

/* By its tuples, and by the names that were learned. Gives the latter. skb may
 * be 0: then nothing is learned of its socket. */
__noinline int look_names(__u32 nr, __u64 skb, __u64 dev)
{
    struct ps_tracer_tuple inner = {};
    struct room *room = room_at(nr);
    __u32 by_alias = 0;
    struct sight *s;

    if (!room)
        return 0;
    s = &room->sight;
    s->by_tuple = (__u8)match_tuple(s->word, &s->tuple);
    if (have_aliases)
        by_alias = alias_of(&s->tuple);
    if (skb && slots_of(s->word, PS_FW_LEARNED) & ~by_alias)
        by_alias |=
            match_learned(s->word, &s->tuple,
                          (__u64)BPF_CORE_READ((struct sk_buff *)skb, sk), dev);
    if (may_tunnel(&s->info) && look_inside(nr)) {
        fill_tuple(&s->info, &inner);
        s->by_other = (__u8)match_tuple(s->word, &inner);
        if (have_aliases)
            by_alias |= alias_of(&inner);
    }
    return (int)(by_alias & traces_on(s->word));
}

/* By tuples; and where these fit a trace that asks more, by that. */
__noinline int look_match(__u32 nr, __u64 skb, __u64 dev, __u32 where)
{
    struct room *room = room_at(nr);
    __u32 by_alias, more;
    struct sight *s;
    __u64 at;

    if (!room)
        return 0;
    s = &room->sight;
    at = expr_at(where, s->info.ethertype, s->l3_off);
    by_alias = (__u32)look_names(nr, skb, dev);
    if (s->flags & PS_EF_INNER)
        at = expr_inner(at, s->info.l3_off, s->info.family);
    more = s->by_tuple | s->by_other;
    more |= by_alias & slots_of(s->word, PS_FW_LEARNED);
    more &= slots_of(s->word, PS_FW_MORE);
    if (more) {
        more &= ~(__u32)look_more(nr, skb, dev, more, at);
        s->by_tuple &= (__u8)~more;
        s->by_other &= (__u8)~more;
        by_alias &= ~more;
    }
    s->matched = s->by_tuple | s->by_other | (__u8)by_alias;
    return 0;
}

/* The same where it was taken before, and only its names are asked for: of a
 * trace that asks more, what it said then holds. */
__noinline int look_match_again(__u32 nr)
{
    struct room *room = room_at(nr);
    struct sight *s;
    __u8 by_alias;

    if (!room)
        return 0;
    s = &room->sight;
    by_alias = (__u8)look_names(nr, 0, 0);
    s->matched = s->by_tuple | s->by_other | by_alias;
    return 0;
}

/* ---- who follows it ----------------------------------------------------- */

static __always_inline bool shares_end(const struct live *entry,
                                       const struct sight *s)
{
    return entry->ends[0] == s->ends[0] || entry->ends[1] == s->ends[1];
}

/* Who follows the entry's packet and takes this one by its names alone. In a
 * buffer that is used again there is another packet: of that one a trace that
 * asks more was never asked. */
static __always_inline __u8 asked_of(const struct live *entry,
                                     const struct sight *s)
{
    __u8 traces = live_traces(entry);

    if (!live_is(entry, s->signature, s->now))
        traces &= (__u8)~slots_of(s->word, PS_FW_MORE);
    return traces;
}

/* Seen again. */
static __always_inline void see_again(struct live *entry, __u32 nr,
                                      struct sight *s)
{
    __u8 known = live_traces(entry), fresh = s->matched & (__u8)~known;

    if (fresh && is_taken(nr))
        entry->traces |= fresh;
    else if (fresh)
        entry->refused |= fresh;
    entry->time = s->now;
    entry->ends[0] = s->ends[0];
    entry->ends[1] = s->ends[1];
    s->id = entry->id;
    s->traces = known | fresh;
    s->refused = entry->refused;
}

static __always_inline void see_first(struct live_set *set, __u32 way,
                                      __u64 skb, __u32 nr, struct sight *s)
{
    __u32 i = way ? (way - 1) & (LIVE_WAYS - 1) : live_take(set, s->now);
    bool taken = is_taken(nr);
    struct live *entry;

    entry = &set->entry[i & (LIVE_WAYS - 1)];
    s->id = live_id(s->now);
    s->traces = s->matched;
    s->refused = taken ? 0 : s->matched;
    s->flags |= PS_EF_FIRST;
    set->skb[i & (LIVE_WAYS - 1)] = 0;
    entry->id = s->id;
    entry->time = s->now;
    entry->signature = s->signature;
    entry->ends[0] = s->ends[0];
    entry->ends[1] = s->ends[1];
    entry->traces = taken ? s->matched : 0;
    entry->refused = s->refused;
    live_put(set, i, skb);
    if (!way)
        live_leave(set, i);
    live_note(LIVE_ANY);
}

/* Gives the traces that it is for. */
__noinline int look_follow(__u32 nr, __u64 skb, __u32 at)
{
    __u32 station = LOOK_STATION(at);
    bool end = station == PS_ST_CONSUME_SKB || station == PS_ST_KFREE_SKB;
    struct room *room = room_at(nr);
    struct live_set *set = live_set(skb);
    struct live *entry;
    struct sight *s;
    bool origin;
    __u32 way;

    if (!room || !set)
        return 0;
    s = &room->sight;
    way = live_way(set, skb);
    if (!s->matched && !way)
        return 0;
    read_content(&s->view, &s->info, &s->content);
    s->signature = signature(&s->info, &s->content);
    s->matched &= (__u8)~sampled_out(s->word, s->matched, s->signature);
    fill_ends(&s->info, s->ends);
    /* The stack has just made it, and it has no tunnel's headers yet. */
    origin = station == PS_ST_NF_OUTPUT && s->matched &&
             !(s->flags & PS_EF_INNER);
    entry = &set->entry[(way - 1) & (LIVE_WAYS - 1)];
    if (at & LOOK_AGAIN)
        s->matched &= way ? asked_of(entry, s) : 0;
    if (way && !origin && live_is(entry, s->signature, s->now) &&
        (s->matched || shares_end(entry, s)))
        see_again(entry, nr, s);
    else if (s->matched && !end)
        see_first(set, way, skb, nr, s);
    else
        s->traces = s->matched;
    /* It ends, or its buffer was freed unseen, and is now another packet's. */
    if (way && (end || !s->traces))
        live_forget(set, way, skb);
    if (throttle > 1 &&
        (s->flags & PS_EF_FIRST || station == PS_ST_NET_DEV_QUEUE))
        note_whole(nr, skb);
    return s->traces & ~s->refused;
}

/* ---- its event ---------------------------------------------------------- */

/* What the buffer and the device say of it. direct is a constant. */
static __always_inline void fill_buffer(struct sk_buff *skb,
                                        struct net_device *dev, __u64 number,
                                        bool direct, struct room *room)
{
    struct ps_tracer_event *e = &room->event;
    struct sight *s = &room->sight;
    __u64 nfct;

    ps_skb_lengths(skb, &s->view, s->l3_outer, direct, &s->info);
    e->packets = s->info.packets;
    if (e->packets > 1)
        live_note(LIVE_SEVERAL);
    fill_place(skb, dev, number, direct, e);
    fill_sock((__u64)ps_load(direct, skb, sk), e);
    if (bpf_core_field_exists(skb->_nfct)) {
        nfct = ps_load(direct, skb, _nfct);
        e->ct = nfct & CT_POINTER;
        if (!(s->flags & PS_EF_INNER) && find_translated(nfct, e))
            e->flags |= PS_EF_NAT;
    }
}

__noinline int look_fill(__u32 nr, __u64 skb, __u64 dev, __u32 at)
{
    struct room *room = room_at(nr);
    struct ps_tracer_event *e;
    struct sight *s;

    if (!room)
        return 0;
    s = &room->sight;
    e = &room->event;
    begin_event(room, s->traces & ~(__u32)s->refused, LOOK_STATION(at),
                LOOK_MAY_STACK(at));
    if (s->flags & PS_EF_FIRST && s->view.linear_end > s->l3_off)
        take_bytes(room, s->view.head + s->l3_off,
                   s->view.linear_end - s->l3_off);
    e->time = s->now;
    e->id = s->id;
    e->tuple = s->tuple;
    if (s->flags & PS_EF_INNER)
        fill_tuple(&s->info, &e->other);
    e->flags = s->flags;
    if (s->info.flags & PS_SKB_FRAGMENT)
        e->flags |= PS_EF_FRAGMENT;
    e->flags |= (__u16)((e->traces & ~(__u32)s->matched & 0xff)
                        << PS_EF_FOLLOWED_SHIFT);
    fill_content(&s->info, &s->content, e);
    if (ps_can_cast(true))
        fill_buffer(CAST(skb, struct sk_buff),
                    dev ? CAST(dev, struct net_device) : NULL, skb, true, room);
    else
        fill_buffer((struct sk_buff *)skb, (struct net_device *)dev, skb, false,
                    room);
    return 0;
}

__noinline int look_learn(__u32 nr)
{
    struct room *room = room_at(nr);

    if (room)
        learn(&room->event, room->sight.by_tuple, room->sight.by_other);
    return 0;
}

/* ---- all ---------------------------------------------------------------- */

/* Wanted or not: there is no room to look. */
static __always_inline int no_room(__u32 station)
{
    __u32 traces = traces_on(filters_now());

    count_for(traces, station, HIT);
    count_for(traces, station, MAP_FULL);
    return 0;
}

/* After the filters: follows it, and makes its event. */
__noinline int look_on(__u32 nr, __u64 skb, __u64 dev, __u32 at)
{
    struct room *room = room_at(nr);
    __u32 refused;
    int wanted;

    if (!room)
        return 0;
    wanted = look_follow(nr, skb, at);
    refused = room->sight.refused & room->sight.traces;
    if (refused) {
        count_for(refused, LOOK_STATION(at), HIT);
        count_for(refused, LOOK_STATION(at), THROTTLED);
    }
    if (!wanted) {
        leave_room(room);
        return 0;
    }
    look_fill(nr, skb, dev, at);
    look_learn(nr);
    return (int)nr + 1;
}

/* The number of the room that its event is in, + 1; 0: nobody wants it. at:
 * LOOK_AT(); dev: where it is, or 0. */
__noinline int look(__u64 skb, __u64 dev, __u32 at)
{
    __u32 nr = take_room();

    if (nr >= ROOMS)
        return no_room(LOOK_STATION(at));
    look_headers(nr, skb, dev, LOOK_WHERE(at));
    look_match(nr, skb, dev, LOOK_WHERE(at));
    return look_on(nr, skb, dev, at);
}

/* The same for what is followed, where no filter is asked for more than names:
 * nobody follows it from here on who did not before. */
__noinline int look_again(__u64 skb, __u64 dev, __u32 at)
{
    __u32 nr = take_room();

    if (nr >= ROOMS)
        return no_room(LOOK_STATION(at));
    look_headers(nr, skb, dev, LOOK_WHERE(at));
    look_match_again(nr);
    return look_on(nr, skb, dev, at | LOOK_AGAIN);
}

#endif
