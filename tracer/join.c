/* SPDX-License-Identifier: MIT */
#include "tracer/join.h"

#include <netinet/in.h>

#include "common/array.h"
#include "tracer/join_internal.h"
#include "tracer/station.h"

int ps_join_new(uint32_t max_packets, struct ps_join **ret_join)
{
    _cleanup_(ps_join_free) struct ps_join *j = NULL;
    size_t buckets = 64;

    if (max_packets == 0 || max_packets > PS_JOIN_MAX_PACKETS)
        return -EINVAL;
    j = calloc(1, sizeof(*j));
    if (!j)
        return -ENOMEM;
    j->max_packets = max_packets;
    j->max_ways = max_packets;
    while (buckets < 2 * (size_t)j->max_ways)
        buckets *= 2;
    j->mask = (uint32_t)(buckets - 1);
    j->ways = calloc(j->max_ways, sizeof(*j->ways));
    j->buckets = malloc(PS_JOIN_TABLES * buckets * sizeof(*j->buckets));
    j->by_id = calloc(buckets, sizeof(*j->by_id));
    j->listed = calloc(max_packets, sizeof(*j->listed));
    if (!j->ways || !j->buckets || !j->by_id || !j->listed)
        return -ENOMEM;
    memset(j->buckets, 0xff, PS_JOIN_TABLES * buckets * sizeof(*j->buckets));
    for (size_t i = 0; i < PS_JOIN_MAX_CPUS; i++)
        j->ends[i].way = PS_JOIN_NONE;
    j->by_skb = j->buckets;
    j->by_content = j->buckets + buckets;
    j->by_flow = j->buckets + 2 * buckets;
    j->by_range = j->buckets + 3 * buckets;
    *ret_join = TAKE_PTR(j);
    return 0;
}

void ps_join_free(struct ps_join **join)
{
    struct ps_join *j = *join;

    if (!j)
        return;
    free(j->ways);
    free(j->listed);
    free(j->buckets);
    free(j->by_id);
    free(j->links);
    free(j->link_buckets);
    free(j->steps);
    free(j);
    *join = NULL;
}

/* ---- steps and ways ----------------------------------------------------- */

static int grow_steps(struct ps_join *j)
{
    return ps_array_reserve(&j->steps, &j->cap_steps, j->n_steps + 1,
                            PS_JOIN_MAX_STEPS, sizeof(*j->steps));
}

static void link_by_time(struct ps_join *j, struct ps_way *w, uint32_t step)
{
    uint64_t time = j->steps[step].time;
    uint32_t *at = &w->steps;

    /* Nearly always it is the newest. */
    if (w->newest != PS_JOIN_NONE && j->steps[w->newest].time <= time)
        at = &j->steps[w->newest].next;
    while (*at != PS_JOIN_NONE && j->steps[*at].time <= time)
        at = &j->steps[*at].next;
    j->steps[step].next = *at;
    if (*at == PS_JOIN_NONE)
        w->newest = step;
    *at = step;
}

static void move_identity(struct ps_join *j, uint32_t way, uint64_t skb,
                          uint64_t head)
{
    struct ps_way *w = &j->ways[way];
    uint32_t *at = ps_join_bucket_skb(j, w->skb);

    w->head = head;
    if (w->skb == skb)
        return;
    while (*at != way)
        at = &j->ways[*at].next_skb;
    *at = w->next_skb;
    w->skb = skb;
    at = ps_join_bucket_skb(j, skb);
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
    if (e->time > j->moved)
        j->moved = e->time;
    if (w->unwanted)
        return PS_JOIN_FILTERED;
    j->last = way;
    if (!w->sender.sk && ps_station_sender(e, &key))
        w->sender = key;
    else if (ps_station_receiver(e, &key))
        w->receiver = key;
    if (w->n_steps >= PS_JOIN_WAY_STEPS || grow_steps(j) < 0)
        return PS_JOIN_STEP_LIMIT;
    s = &j->steps[j->n_steps];
    *s = (struct ps_step){
        .time = e->time,
        .location = e->location,
        .tuple = e->tuple,
        .other = e->other,
        .netns = e->netns,
        .ifindex = e->ifindex,
        .len = e->len,
        .packets = e->packets,
        .mark = e->mark,
        .reason = e->reason,
        .seq = e->seq,
        .rule = e->station == PS_ST_XDP_DROP ? (uint16_t)e->rule : 0,
        .stack = e->stack,
        .cpu = e->cpu,
        .station = e->station,
        .lost = e->lost,
        .flags = e->flags,
        .inferred = inferred,
    };
    memcpy(s->ifname, e->ifname, sizeof(s->ifname));
    s->ifname[sizeof(s->ifname) - 1] = '\0';
    link_by_time(j, w, j->n_steps++);
    w->n_steps++;
    if (e->station == PS_ST_KFREE_SKB || e->station == PS_ST_XDP_DROP)
        w->dropped = true;
    return PS_JOIN_STEP;
}

/* Its next events are known by the kernel's number. A TCP packet's buffer may
 * hold others later: it is looked for each time. */
static enum ps_join_result leave_out(struct ps_join *j,
                                     const struct ps_tracer_event *e)
{
    if (e->id && ps_join_tuple(e)->proto != IPPROTO_TCP)
        *ps_join_bucket_left_out(j, e->id) = e->id;
    return PS_JOIN_PACKET_LIMIT;
}

static bool is_left_out(struct ps_join *j, const struct ps_tracer_event *e)
{
    if (j->n_packets < j->max_packets)
        return false;
    return (e->id && *ps_join_bucket_left_out(j, e->id) == e->id) ||
           e->time > j->moved + PS_JOIN_CLOSED_NS;
}

void ps_join_enter(struct ps_join *j, uint32_t way)
{
    struct ps_way *w = &j->ways[way];
    uint32_t *at = ps_join_bucket_skb(j, w->skb);

    w->next_skb = *at;
    *at = way;
    at = ps_join_bucket_content(j, ps_join_tuple(&w->first), &w->first);
    w->next_content = *at;
    *at = way;
    at = ps_join_bucket_flow(j, ps_join_tuple(&w->first));
    w->next_flow = *at;
    *at = way;
    ps_join_enter_range(j, way);
    j->n_to_cut += w->first.packets > 1 &&
                   ps_join_tuple(&w->first)->proto == IPPROTO_UDP;
}

void ps_join_list(struct ps_join *j, uint32_t way)
{
    j->ways[way].number = j->n_packets;
    j->listed[j->n_packets++] = way;
    j->n_partial += j->ways[way].partial;
}

void ps_join_complete_since(struct ps_join *j, uint64_t time)
{
    j->complete_since = time;
}

uint32_t ps_join_partial(const struct ps_join *j)
{
    return j->n_partial;
}

static enum ps_join_result start_way(struct ps_join *j,
                                     const struct ps_tracer_event *e, bool open)
{
    struct ps_way *w;
    uint32_t way = j->n_ways;

    if (ps_station_get(e->station)->flags & PS_STATION_NO_START ||
        e->flags & PS_EF_FOLLOWED)
        return j->n_packets == j->max_packets ? PS_JOIN_PACKET_LIMIT
                                              : PS_JOIN_NO_PACKET;
    if (!open || way == j->max_ways || j->n_packets == j->max_packets)
        return leave_out(j, e);
    w = &j->ways[j->n_ways++];
    *w = (struct ps_way){.first = *e,
                         .skb = e->skb,
                         .head = e->head,
                         .steps = PS_JOIN_NONE,
                         .newest = PS_JOIN_NONE,
                         .number = PS_JOIN_NONE,
                         .partial = e->time < j->complete_since};
    ps_join_enter(j, way);
    if (j->selects)
        j->n_candidates++;
    else
        ps_join_list(j, way);
    ps_join_keep_id(j, way, e);
    return ps_join_append(j, way, e, false);
}

/* The buffer is where the packet is from now on; but what is freed may be a
 * copy: the packet itself lives on. */
static enum ps_join_result join_one(struct ps_join *j, uint32_t way,
                                    const struct ps_tracer_event *e,
                                    bool inferred)
{
    if (e->station != PS_ST_CONSUME_SKB && e->station != PS_ST_KFREE_SKB)
        move_identity(j, way, e->skb, e->head);
    ps_join_keep_id(j, way, e);
    return ps_join_append(j, way, e, inferred);
}

/* A packet that the stack makes from what another one carries begins anew;
 * what a tunnel sends is the packet that went into it. */
static bool is_origin(const struct ps_tracer_event *e)
{
    return ps_station_get(e->station)->flags & PS_STATION_ORIGIN &&
           !(e->flags & PS_EF_INNER);
}

/* The packet that begins here, where the function tier told of it first: in the
 * same buffer, and at no station yet. PS_JOIN_NONE: it did not. */
static uint32_t find_told(const struct ps_join *j,
                          const struct ps_tracer_event *e)
{
    uint32_t way = ps_join_find_identity(j, e);
    const struct ps_way *w;
    const struct ps_step *s;

    if (way == PS_JOIN_NONE)
        return way;
    w = &j->ways[way];
    if (w->first.station != PS_ST_FUNCTION || w->first.time > e->time ||
        e->time - w->first.time > PS_JOIN_TOLD_NS)
        return PS_JOIN_NONE;
    for (uint32_t i = w->steps; i != PS_JOIN_NONE; i = s->next) {
        s = &j->steps[i];
        if (s->station != PS_ST_FUNCTION)
            return PS_JOIN_NONE;
    }
    return way;
}

/* Such as ARP, which only expressions take. */
static bool is_no_ip(const struct ps_tracer_event *e)
{
    static const struct ps_tracer_tuple none;

    return !memcmp(&e->tuple, &none, sizeof(none)) &&
           !(e->flags & (PS_EF_NAT | PS_EF_INNER | PS_EF_RANGE));
}

static uint32_t find_known(const struct ps_join *j,
                           const struct ps_tracer_event *e)
{
    uint32_t way = ps_join_find_id(j, e);

    return way == PS_JOIN_NONE ? ps_join_find_identity(j, e) : way;
}

static enum ps_join_result place(struct ps_join *j,
                                 const struct ps_tracer_event *e, bool open)
{
    enum ps_join_result result;
    uint32_t way = PS_JOIN_NONE;
    unsigned int n;

    if (e->flags & PS_EF_NAT)
        ps_join_learn(j, &e->tuple, &e->other);
    if (is_left_out(j, e))
        return e->flags & PS_EF_RANGE ? PS_JOIN_OTHER_BYTES
                                      : PS_JOIN_PACKET_LIMIT;
    if (e->flags & PS_EF_RANGE)
        return ps_join_reader(j, e);
    if (is_origin(e))
        way = find_told(j, e);
    else
        way = find_known(j, e);
    if (way != PS_JOIN_NONE)
        return join_one(j, way, e, false);
    if (is_origin(e))
        return start_way(j, e, open);
    /* Nothing is known of its content. */
    if (is_no_ip(e))
        return start_way(j, e, open);
    n = ps_join_find_content(j, e, &way);
    if (n > 1)
        way = ps_join_find_copied(j, e);
    if (n > 1 && way == PS_JOIN_NONE)
        return PS_JOIN_AMBIGUOUS;
    if (n)
        return join_one(j, way, e, true);
    if (ps_join_range(j, e, &result) || ps_join_part(j, e, &result))
        return result;
    return start_way(j, e, open);
}

static void note_end(struct ps_join *j, const struct ps_tracer_event *e,
                     enum ps_join_result result)
{
    if (e->cpu >= PS_JOIN_MAX_CPUS)
        return;
    j->ends[e->cpu] = (struct ps_join_end){
        .time = e->time,
        .way = result == PS_JOIN_STEP && e->station == PS_ST_CONSUME_SKB &&
                       !j->steps[j->n_steps - 1].inferred
                   ? j->last
                   : PS_JOIN_NONE,
        .lost = e->lost,
    };
}

enum ps_join_result ps_join_add(struct ps_join *j,
                                const struct ps_tracer_event *event, bool open)
{
    enum ps_join_result result = PS_JOIN_NO_PACKET;

    if (ps_station_get(event->station) &&
        (event->tuple.family == 4 || event->tuple.family == 6 ||
         is_no_ip(event)))
        result = place(j, event, open);
    note_end(j, event, result);
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
    return n < j->n_packets ? &j->ways[j->listed[n]] : NULL;
}

const struct ps_step *ps_join_step(const struct ps_join *j, uint32_t step)
{
    return step < j->n_steps ? &j->steps[step] : NULL;
}
