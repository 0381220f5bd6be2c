/* SPDX-License-Identifier: MIT */
#include "tracer/join.h"

#include "tracer/join_internal.h"
#include "tracer/station.h"

#define FIRST_STEPS 1024u

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ (hash >> 29);
}

static uint64_t hash_tuple(const struct ps_tracer_tuple *tuple)
{
    uint64_t words[PS_TRACER_TUPLE_WORDS], hash = 0;

    memcpy(words, tuple, sizeof(words));
    for (size_t i = 0; i < PS_TRACER_TUPLE_WORDS; i++)
        hash = mix(hash, words[i]);
    return hash;
}

static uint32_t *bucket_skb(const struct ps_join *j, uint64_t skb)
{
    return &j->by_skb[mix(0, skb) & j->mask];
}

static uint32_t *bucket_content(const struct ps_join *j,
                                const struct ps_tracer_event *e)
{
    uint64_t hash = hash_tuple(&e->tuple);

    hash = mix(hash, ((uint64_t)e->seq << 32) | e->ack);
    hash = mix(hash, ((uint64_t)e->ip_id << 32) | e->payload);
    return &j->by_content[hash & j->mask];
}

uint32_t *ps_join_bucket_flow(const struct ps_join *j,
                              const struct ps_tracer_tuple *tuple)
{
    return &j->by_flow[hash_tuple(tuple) & j->mask];
}

int ps_join_new(uint32_t max_packets, uint32_t netns, struct ps_join **ret_join)
{
    _cleanup_(ps_join_free) struct ps_join *j = NULL;
    size_t buckets = 64;

    if (max_packets == 0 || max_packets > PS_JOIN_MAX_PACKETS)
        return -EINVAL;
    j = calloc(1, sizeof(*j));
    if (!j)
        return -ENOMEM;
    j->max_packets = max_packets;
    j->netns = netns;
    j->max_ways = netns ? 2 * max_packets : max_packets;
    while (buckets < 2 * (size_t)j->max_ways)
        buckets *= 2;
    j->mask = (uint32_t)(buckets - 1);
    j->ways = calloc(j->max_ways, sizeof(*j->ways));
    j->buckets = malloc(3 * buckets * sizeof(*j->buckets));
    if (!j->ways || !j->buckets)
        return -ENOMEM;
    memset(j->buckets, 0xff, 3 * buckets * sizeof(*j->buckets));
    j->by_skb = j->buckets;
    j->by_content = j->buckets + buckets;
    j->by_flow = j->buckets + 2 * buckets;
    *ret_join = TAKE_PTR(j);
    return 0;
}

void ps_join_free(struct ps_join **join)
{
    struct ps_join *j = *join;

    if (!j)
        return;
    free(j->ways);
    free(j->buckets);
    free(j->steps);
    free(j);
    *join = NULL;
}

/* ---- does it fit? ------------------------------------------------------- */

static bool same_content(const struct ps_tracer_event *a,
                         const struct ps_tracer_event *b)
{
    return !memcmp(&a->tuple, &b->tuple, sizeof(a->tuple)) &&
           a->seq == b->seq && a->ack == b->ack && a->ip_id == b->ip_id &&
           a->payload == b->payload && a->tcp_flags == b->tcp_flags &&
           (!(a->flags & b->flags & PS_EF_HASH) || a->hash == b->hash);
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

static bool fits(const struct ps_join *j, const struct ps_way *w,
                 const struct ps_tracer_event *e)
{
    /* One copy may be dropped and another read. */
    if (w->dropped && !(ps_station_get(e->station)->flags & PS_STATION_REPEATS))
        return false;
    return ps_join_in_window(w, e) && same_content(&w->first, e) &&
           !ps_join_repeats(j, w, e);
}

static uint32_t find_identity(const struct ps_join *j,
                              const struct ps_tracer_event *e)
{
    const struct ps_way *w;

    for (uint32_t i = *bucket_skb(j, e->skb); i != PS_JOIN_NONE;
         i = w->next_skb) {
        w = &j->ways[i];
        if (w->skb == e->skb && w->head == e->head && fits(j, w, e))
            return i;
    }
    return PS_JOIN_NONE;
}

/* Number of packets that fit by content; ret_way is the last one found. */
static unsigned int find_content(const struct ps_join *j,
                                 const struct ps_tracer_event *e,
                                 uint32_t *ret_way)
{
    const struct ps_way *w;
    unsigned int n = 0;

    for (uint32_t i = *bucket_content(j, e); i != PS_JOIN_NONE;
         i = w->next_content) {
        w = &j->ways[i];
        if (!fits(j, w, e))
            continue;
        *ret_way = i;
        n++;
    }
    return n;
}

/* ---- steps and ways ----------------------------------------------------- */

static int grow_steps(struct ps_join *j)
{
    uint32_t cap = j->cap_steps ? 2 * j->cap_steps : FIRST_STEPS;
    struct ps_step *steps;

    if (cap > PS_JOIN_MAX_STEPS)
        return -ENOSPC;
    steps = realloc(j->steps, cap * sizeof(*steps));
    if (!steps)
        return -ENOMEM;
    j->steps = steps;
    j->cap_steps = cap;
    return 0;
}

static void link_by_time(struct ps_join *j, struct ps_way *w, uint32_t step)
{
    uint32_t *at = &w->steps;

    while (*at != PS_JOIN_NONE && j->steps[*at].time <= j->steps[step].time)
        at = &j->steps[*at].next;
    j->steps[step].next = *at;
    *at = step;
}

static void move_identity(struct ps_join *j, uint32_t way, uint64_t skb,
                          uint64_t head)
{
    struct ps_way *w = &j->ways[way];
    uint32_t *at = bucket_skb(j, w->skb);

    w->head = head;
    if (w->skb == skb)
        return;
    while (*at != way)
        at = &j->ways[*at].next_skb;
    *at = w->next_skb;
    w->skb = skb;
    at = bucket_skb(j, skb);
    w->next_skb = *at;
    *at = way;
}

enum ps_join_result ps_join_append(struct ps_join *j, uint32_t way,
                                   const struct ps_tracer_event *e,
                                   bool inferred)
{
    struct ps_way *w = &j->ways[way];
    struct ps_sock_key key;
    struct ps_step *s;

    if (e->time > w->last)
        w->last = e->time;
    /* A call returns when its packet has long gone on. */
    if (e->netns && e->station != PS_ST_SOCK_SEND)
        w->netns = e->netns;
    if (w->foreign)
        return PS_JOIN_OTHER_NETNS;
    j->last = way;
    if (!w->sender.sk && ps_station_sender(e, &key))
        w->sender = key;
    else if (ps_station_receiver(e, &key))
        w->receiver = key;
    if (w->n_steps >= PS_JOIN_WAY_STEPS ||
        (j->n_steps == j->cap_steps && grow_steps(j) < 0))
        return PS_JOIN_STEP_LIMIT;
    s = &j->steps[j->n_steps];
    *s = (struct ps_step){
        .time = e->time,
        .location = e->location,
        .tuple = e->tuple,
        .netns = e->netns,
        .ifindex = e->ifindex,
        .len = e->len,
        .packets = e->packets,
        .mark = e->mark,
        .reason = e->reason,
        .seq = e->seq,
        .stack = e->stack,
        .cpu = e->cpu,
        .station = e->station,
        .flags = e->flags,
        .inferred = inferred,
    };
    memcpy(s->ifname, e->ifname, sizeof(s->ifname));
    s->ifname[sizeof(s->ifname) - 1] = '\0';
    link_by_time(j, w, j->n_steps++);
    w->n_steps++;
    if (e->station == PS_ST_KFREE_SKB)
        w->dropped = true;
    return PS_JOIN_STEP;
}

static enum ps_join_result start_way(struct ps_join *j,
                                     const struct ps_tracer_event *e, bool open)
{
    bool foreign = j->netns && e->netns != j->netns;
    struct ps_way *w;
    uint32_t way = j->n_ways, *at;

    if (ps_station_get(e->station)->flags & PS_STATION_NO_START)
        return j->n_packets == j->max_packets ? PS_JOIN_PACKET_LIMIT
                                              : PS_JOIN_NO_PACKET;
    if (!open || way == j->max_ways ||
        (!foreign && j->n_packets == j->max_packets))
        return PS_JOIN_PACKET_LIMIT;
    w = &j->ways[j->n_ways++];
    *w = (struct ps_way){.first = *e,
                         .skb = e->skb,
                         .head = e->head,
                         .steps = PS_JOIN_NONE,
                         .foreign = foreign};
    at = bucket_skb(j, e->skb);
    w->next_skb = *at;
    *at = way;
    at = bucket_content(j, e);
    w->next_content = *at;
    *at = way;
    at = ps_join_bucket_flow(j, &e->tuple);
    w->next_flow = *at;
    *at = way;
    if (!foreign)
        j->n_packets++;
    return ps_join_append(j, way, e, false);
}

static enum ps_join_result place(struct ps_join *j,
                                 const struct ps_tracer_event *e, bool open)
{
    enum ps_join_result result;
    uint32_t way = PS_JOIN_NONE;
    unsigned int n;

    if (e->flags & PS_EF_RANGE)
        return ps_join_reader(j, e);
    if (ps_station_get(e->station)->flags & PS_STATION_ORIGIN)
        return start_way(j, e, open);
    way = find_identity(j, e);
    if (way != PS_JOIN_NONE)
        return ps_join_append(j, way, e, false);
    n = find_content(j, e, &way);
    if (n > 1)
        return PS_JOIN_AMBIGUOUS;
    if (n == 1) {
        /* What is freed may be a copy: the packet itself lives on. */
        if (e->station != PS_ST_CONSUME_SKB && e->station != PS_ST_KFREE_SKB)
            move_identity(j, way, e->skb, e->head);
        return ps_join_append(j, way, e, true);
    }
    if (ps_join_range(j, e, &result))
        return result;
    return start_way(j, e, open);
}

enum ps_join_result ps_join_add(struct ps_join *j,
                                const struct ps_tracer_event *event, bool open)
{
    enum ps_join_result result = PS_JOIN_NO_PACKET;

    /* What is no IP packet has no addresses to show. */
    if (ps_station_get(event->station) &&
        (event->tuple.family == 4 || event->tuple.family == 6))
        result = place(j, event, open);
    j->results[result]++;
    return result;
}

/* ---- what came of it ---------------------------------------------------- */

uint64_t ps_join_count(const struct ps_join *j, enum ps_join_result result)
{
    return j->results[result];
}

uint32_t ps_join_packets(const struct ps_join *j)
{
    return j->n_packets;
}

const struct ps_way *ps_join_way(const struct ps_join *j, uint32_t n)
{
    if (n >= j->n_packets)
        return NULL;
    if (!j->netns)
        return &j->ways[n];
    for (uint32_t i = 0; i < j->n_ways; i++)
        if (!j->ways[i].foreign && n-- == 0)
            return &j->ways[i];
    return NULL;
}

const struct ps_step *ps_join_step(const struct ps_join *j, uint32_t step)
{
    return step < j->n_steps ? &j->steps[step] : NULL;
}

const char *ps_join_fate(const struct ps_join *j, const struct ps_way *way,
                         ps_free_fn freed, const void *arg)
{
    bool delivered = false, dropped = false, forwarded = false, sent = false;
    const struct ps_step *s;

    for (uint32_t i = way->steps; i != PS_JOIN_NONE; i = s->next) {
        s = &j->steps[i];
        if (s->station == PS_ST_COPY_DATAGRAM || freed(arg, s) == PS_FREE_READ)
            delivered = true;
        dropped |= freed(arg, s) == PS_FREE_LOSS;
        forwarded |= s->station == PS_ST_NF_FORWARD;
        /* Received again after it was sent: it is not known to have left. */
        if (s->station == PS_ST_NET_DEV_XMIT)
            sent = s->reason == 0;
        else if (s->station == PS_ST_NETIF_RECEIVE_SKB)
            sent = false;
    }
    if (delivered)
        return "delivered";
    if (dropped)
        return "dropped";
    if (sent)
        return forwarded ? "forwarded" : "sent";
    return NULL;
}

uint32_t ps_join_drops(const struct ps_join *j, ps_free_fn freed,
                       const void *arg)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < j->n_ways; i++) {
        const struct ps_way *way = &j->ways[i];

        if (!way->foreign && way->dropped)
            n += ps_streq(ps_join_fate(j, way, freed, arg), "dropped");
    }
    return n;
}
