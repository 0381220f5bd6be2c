/* SPDX-License-Identifier: MIT */
/* Which packet an event belongs to: the places where packets are looked up,
 * and whether one fits. */
#include <netinet/in.h>

#include "tracer/join_internal.h"

/* Packets in one place of the table of buffers. */
#define MAX_LOOKS 64u

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ (hash >> 29);
}

uint64_t ps_join_hash_tuple(const struct ps_tracer_tuple *tuple)
{
    uint64_t words[PS_TRACER_TUPLE_WORDS], hash = 0;

    memcpy(words, tuple, sizeof(words));
    for (size_t i = 0; i < PS_TRACER_TUPLE_WORDS; i++)
        hash = mix(hash, words[i]);
    return hash;
}

uint32_t *ps_join_bucket_skb(const struct ps_join *j, uint64_t skb)
{
    return &j->by_skb[mix(0, skb) & j->mask];
}

/* Of a ping, masquerading may change the identifier, its upper half. */
static uint32_t lasting_ack(const struct ps_tracer_event *e)
{
    uint8_t proto = ps_join_tuple(e)->proto;

    return proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6
               ? e->ack & UINT16_MAX
               : e->ack;
}

/* As it would be if it had this tuple. */
uint32_t *ps_join_bucket_content(const struct ps_join *j,
                                 const struct ps_tracer_tuple *tuple,
                                 const struct ps_tracer_event *e)
{
    uint64_t hash = ps_join_hash_tuple(tuple);

    hash = mix(hash, ((uint64_t)e->seq << 32) | lasting_ack(e));
    hash = mix(hash, ((uint64_t)e->ip_id << 32) | e->payload);
    return &j->by_content[hash & j->mask];
}

uint32_t *ps_join_bucket_flow(const struct ps_join *j,
                              const struct ps_tracer_tuple *tuple)
{
    return &j->by_flow[ps_join_hash_tuple(tuple) & j->mask];
}

uint32_t *ps_join_bucket_range(const struct ps_join *j,
                               const struct ps_tracer_tuple *tuple,
                               uint32_t page)
{
    return &j->by_range[mix(ps_join_hash_tuple(tuple), page) & j->mask];
}

uint64_t *ps_join_bucket_left_out(struct ps_join *j, uint64_t id)
{
    return &j->left_out[mix(0, id) % PS_JOIN_LEFT_OUT];
}

/* ---- does it fit? ------------------------------------------------------- */

/* What neither a translation nor a tunnel changes. */
static bool same_content(const struct ps_tracer_event *a,
                         const struct ps_tracer_event *b)
{
    return a->seq == b->seq && lasting_ack(a) == lasting_ack(b) &&
           a->ip_id == b->ip_id && a->payload == b->payload &&
           a->tcp_flags == b->tcp_flags &&
           (!(a->flags & b->flags & PS_EF_HASH) || a->hash == b->hash);
}

/* As the kernel's connection says, or the very same tuple. */
static bool same_names(const struct ps_join *j, const struct ps_way *w,
                       const struct ps_tracer_event *e)
{
    const struct ps_tracer_tuple *a = ps_join_tuple(&w->first);
    const struct ps_tracer_tuple *b = ps_join_tuple(e);

    if (!memcmp(a, b, sizeof(*a)))
        return w->first.ack == e->ack;
    return ps_join_same_connection(j, a, b);
}

bool ps_join_in_window(const struct ps_way *w, const struct ps_tracer_event *e)
{
    uint64_t apart = e->time > w->last ? e->time - w->last : w->last - e->time;

    return apart <= PS_JOIN_WINDOW_NS;
}

/* A packet does not pass the same place twice, unless the driver refused it
 * the first time. */
bool ps_join_repeats(const struct ps_join *j, const struct ps_way *w,
                     const struct ps_tracer_event *e)
{
    const struct ps_step *newest = NULL, *s;
    bool seen = false;

    if (ps_station_get(e->station)->flags & PS_STATION_REPEATS)
        return false;
    for (uint32_t i = w->steps; i != PS_JOIN_NONE; i = s->next) {
        s = &j->steps[i];
        newest = s;
        seen |= s->station == e->station && s->netns == e->netns &&
                s->ifindex == e->ifindex && s->seq == e->seq;
    }
    if (seen && newest && newest->station == PS_ST_NET_DEV_XMIT &&
        newest->reason != 0 && e->station == PS_ST_NET_DEV_START_XMIT)
        return false;
    return seen;
}

bool ps_join_same_packet(const struct ps_join *j, const struct ps_way *w,
                         const struct ps_tracer_event *e)
{
    return ps_join_in_window(w, e) && same_content(&w->first, e) &&
           same_names(j, w, e);
}

static bool fits(const struct ps_join *j, const struct ps_way *w,
                 const struct ps_tracer_event *e)
{
    /* One copy may be dropped and another read. */
    if (w->dropped && !(ps_station_get(e->station)->flags & PS_STATION_REPEATS))
        return false;
    return ps_join_same_packet(j, w, e) && !ps_join_repeats(j, w, e);
}

/* The kernel followed the buffer all the way, and says so by a number. */
uint32_t ps_join_find_id(const struct ps_join *j,
                         const struct ps_tracer_event *e)
{
    const struct ps_join_id *known = &j->by_id[mix(0, e->id) & j->mask];
    const struct ps_way *w;

    if (!e->id || known->id != e->id)
        return PS_JOIN_NONE;
    w = &j->ways[known->way];
    /* A buffer that others were merged into keeps its number. */
    if (e->payload != w->first.payload || ps_join_repeats(j, w, e) ||
        !ps_join_in_window(w, e))
        return PS_JOIN_NONE;
    return known->way;
}

void ps_join_keep_id(struct ps_join *j, uint32_t way,
                     const struct ps_tracer_event *e)
{
    if (e->id)
        j->by_id[mix(0, e->id) & j->mask] =
            (struct ps_join_id){.id = e->id, .way = way};
}

uint32_t ps_join_find_identity(const struct ps_join *j,
                               const struct ps_tracer_event *e)
{
    const struct ps_way *w;
    unsigned int looks = 0;

    /* The newest first: what had this buffer long ago is gone. */
    for (uint32_t i = *ps_join_bucket_skb(j, e->skb);
         i != PS_JOIN_NONE && looks < MAX_LOOKS; i = w->next_skb, looks++) {
        w = &j->ways[i];
        if (w->skb == e->skb && w->head == e->head && fits(j, w, e))
            return i;
    }
    return PS_JOIN_NONE;
}

unsigned int ps_join_find_content(const struct ps_join *j,
                                  const struct ps_tracer_event *e,
                                  uint32_t *ret_way)
{
    const struct ps_tracer_tuple *names[PS_JOIN_MAX_NAMES];
    unsigned int n = 0, n_names = ps_join_names(j, ps_join_tuple(e), names);
    uint32_t scanned = 0;
    const struct ps_way *w;

    for (unsigned int k = 0; k < n_names; k++) {
        for (uint32_t i = *ps_join_bucket_content(j, names[k], e);
             i != PS_JOIN_NONE; i = w->next_content) {
            w = &j->ways[i];
            if (scanned++ == PS_JOIN_MAX_SCAN)
                return 2;
            if (memcmp(ps_join_tuple(&w->first), names[k], sizeof(*names[k])) !=
                    0 ||
                !fits(j, w, e))
                continue;
            *ret_way = i;
            if (++n > 1)
                return n;
        }
    }
    return n;
}

/* A copy is made of a packet that ends with it, and nothing was lost between
 * the two: the one is told of right before the other. */
uint32_t ps_join_find_copied(const struct ps_join *j,
                             const struct ps_tracer_event *e)
{
    const struct ps_join_end *end;

    if (e->cpu >= PS_JOIN_MAX_CPUS || !(e->flags & PS_EF_FIRST))
        return PS_JOIN_NONE;
    end = &j->ends[e->cpu];
    if (end->way == PS_JOIN_NONE || !e->lost || end->lost != e->lost ||
        e->time - end->time > PS_JOIN_COPY_NS ||
        !fits(j, &j->ways[end->way], e))
        return PS_JOIN_NONE;
    return end->way;
}
