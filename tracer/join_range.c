/* SPDX-License-Identifier: MIT */
/* Joins by the sequence range of a TCP stream. */
#include <netinet/in.h>

#include "tracer/join_internal.h"

/* A packet is found by where its bytes begin, in pages of so many bits. */
#define PAGE_BITS 16
#define PAGES     (1u << (32 - PAGE_BITS))

struct found {
    uint32_t ways[PS_JOIN_MAX_SCAN];
    uint32_t n;
};

/* Sequence numbers wrap: everything is compared relative to one of them. */
static bool overlaps(uint32_t a, uint32_t a_len, uint32_t b, uint32_t b_len)
{
    return (int32_t)(a - b) < (int32_t)b_len &&
           (int32_t)(b - a) < (int32_t)a_len;
}

/* How many of b are in a, too; they overlap. */
static uint32_t common(uint32_t a, uint32_t a_len, uint32_t b, uint32_t b_len)
{
    int64_t from = (int32_t)(a - b), to = from + a_len;

    from = from < 0 ? 0 : from;
    return (uint32_t)((to < b_len ? to : b_len) - from);
}

static bool contains(uint32_t a, uint32_t a_len, uint32_t b, uint32_t b_len)
{
    int32_t off = (int32_t)(b - a);

    return off >= 0 && (uint64_t)(uint32_t)off + b_len <= a_len;
}

enum relation {
    OVERLAPS, /* the event gives some of the packet's bytes */
    HOLDS,    /* the event holds the whole packet, and more */
    HELD,     /* the event is a part of the packet */
};

static bool related(enum relation relation, const struct ps_way *w,
                    const struct ps_tracer_event *e)
{
    uint32_t seq = w->first.seq, len = w->first.payload;

    if (relation == OVERLAPS)
        return overlaps(e->seq, e->payload, seq, len);
    if (len == e->payload)
        return false;
    if (relation == HOLDS)
        return contains(e->seq, e->payload, seq, len);
    return contains(seq, len, e->seq, e->payload);
}

static enum ps_join_told told_by(const struct ps_tracer_event *e)
{
    if (e->station == PS_ST_SOCK_SEND)
        return PS_JOIN_TOLD_SENT;
    return e->station == PS_ST_SOCK_RECV ? PS_JOIN_TOLD_READ
                                         : PS_JOIN_TOLD_COPIED;
}

/* A reader may come late, but only where the packet has come; a writer is told
 * when its packets may be far already. Each byte is written and read once: the
 * next that has its number is of a packet 4 GiB later. */
static bool may_be(const struct ps_join *j, const struct ps_way *w,
                   const struct ps_tracer_event *e, enum relation relation)
{
    if (w->dropped || !w->first.payload || !related(relation, w, e))
        return false;
    if (relation == OVERLAPS)
        return w->told[told_by(e)] < w->first.payload &&
               e->netns ==
                   (e->station == PS_ST_SOCK_SEND ? w->first.netns : w->netns);
    return ps_join_in_window(w, e) && !ps_join_repeats(j, w, e);
}

void ps_join_enter_range(struct ps_join *j, uint32_t way)
{
    struct ps_way *w = &j->ways[way];
    const struct ps_tracer_tuple *tuple = ps_join_tuple(&w->first);
    uint32_t *at;

    if (tuple->proto != IPPROTO_TCP || !w->first.payload)
        return;
    at = ps_join_bucket_range(j, tuple, w->first.seq >> PAGE_BITS);
    w->next_range = *at;
    *at = way;
    if (w->first.payload > j->longest)
        j->longest = w->first.payload;
}

/* Living packets with this name whose bytes begin in this page, in this
 * relation to the event, newest first. */
static void find_in(const struct ps_join *j, const struct ps_tracer_tuple *name,
                    uint32_t page, const struct ps_tracer_event *e,
                    enum relation relation, struct found *found,
                    uint32_t *scanned)
{
    const struct ps_way *w;

    for (uint32_t i = *ps_join_bucket_range(j, name, page);
         i != PS_JOIN_NONE && *scanned < PS_JOIN_MAX_SCAN;
         i = w->next_range, ++*scanned) {
        w = &j->ways[i];
        if (w->first.seq >> PAGE_BITS == page &&
            !memcmp(ps_join_tuple(&w->first), name, sizeof(*name)) &&
            may_be(j, w, e, relation))
            found->ways[found->n++] = i;
    }
}

/* The same of the event's flow, under any of its names; those that begin last
 * come first. */
static void find(const struct ps_join *j, const struct ps_tracer_event *e,
                 enum relation relation, struct found *found)
{
    const struct ps_tracer_tuple *names[PS_JOIN_MAX_NAMES];
    unsigned int n = ps_join_names(j, ps_join_tuple(e), names);
    uint32_t reach = relation == HOLDS ? 0 : j->longest, scanned = 0;
    uint32_t first = (e->seq - reach) >> PAGE_BITS, pages;

    pages = (uint32_t)(((uint64_t)reach + e->payload) >> PAGE_BITS) + 2;
    if (pages > PAGES)
        pages = PAGES;
    found->n = 0;
    for (unsigned int k = 0; k < n; k++)
        for (uint32_t i = pages; i-- > 0 && scanned < PS_JOIN_MAX_SCAN;)
            find_in(j, names[k], (first + i) & (PAGES - 1), e, relation, found,
                    &scanned);
}

struct base {
    const struct ps_join *join;
    uint32_t seq;
};

/* Where a packet's bytes begin, from the event's on. */
static int64_t begin_of(const struct base *base, uint32_t way)
{
    return (int32_t)(base->join->ways[way].first.seq - base->seq);
}

static int64_t end_of(const struct base *base, uint32_t way)
{
    return begin_of(base, way) + base->join->ways[way].first.payload;
}

static int by_begin(const void *a, const void *b, void *arg)
{
    int64_t x = begin_of(arg, *(const uint32_t *)a);
    int64_t y = begin_of(arg, *(const uint32_t *)b);

    return (x > y) - (x < y);
}

/* Leaves out those of which others brought some of the same bytes:
 * retransmissions. */
static void drop_ambiguous(const struct ps_join *j,
                           const struct ps_tracer_event *e, struct found *found)
{
    struct base base = {.join = j, .seq = e->seq};
    uint32_t kept = 0, n = found->n;
    int64_t end = INT64_MIN;

    qsort_r(found->ways, n, sizeof(*found->ways), by_begin, &base);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t way = found->ways[i];
        bool alone = begin_of(&base, way) >= end;

        if (end_of(&base, way) > end)
            end = end_of(&base, way);
        if (i + 1 < n)
            alone = alone &&
                    begin_of(&base, found->ways[i + 1]) >= end_of(&base, way);
        if (alone)
            found->ways[kept++] = way;
    }
    found->n = kept;
}

/* To all of them, but those between which it cannot be told. */
static enum ps_join_result append_all(struct ps_join *j,
                                      const struct ps_tracer_event *e,
                                      struct found *found)
{
    enum ps_join_result result = PS_JOIN_AMBIGUOUS, one;
    bool shared;

    drop_ambiguous(j, e, found);
    shared = found->n > 1;
    for (uint32_t i = 0; i < found->n; i++) {
        struct ps_way *w = &j->ways[found->ways[i]];

        if (e->flags & PS_EF_RANGE)
            w->told[told_by(e)] +=
                common(e->seq, e->payload, w->first.seq, w->first.payload);
        one = ps_join_append(j, found->ways[i], e,
                             w->skb != e->skb || w->head != e->head);
        if (one == PS_JOIN_STEP)
            j->steps[j->n_steps - 1].shared = shared;
        if (result != PS_JOIN_STEP)
            result = one;
    }
    return result;
}

enum ps_join_result ps_join_reader(struct ps_join *j,
                                   const struct ps_tracer_event *e)
{
    struct found found;

    find(j, e, OVERLAPS, &found);
    return found.n ? append_all(j, e, &found) : PS_JOIN_OTHER_BYTES;
}

bool ps_join_range(struct ps_join *j, const struct ps_tracer_event *e,
                   enum ps_join_result *ret_result)
{
    struct found found;

    if (ps_join_tuple(e)->proto != IPPROTO_TCP || !e->payload)
        return false;
    find(j, e, HOLDS, &found);
    if (found.n) {
        *ret_result = append_all(j, e, &found);
        return true;
    }
    find(j, e, HELD, &found);
    if (!found.n)
        return false;
    *ret_result = found.n == 1 ? ps_join_append(j, found.ways[0], e, true)
                               : PS_JOIN_AMBIGUOUS;
    return true;
}

/* ---- datagrams that were cut ------------------------------------------- */

static unsigned int times_at(const struct ps_join *j, const struct ps_way *w,
                             const struct ps_tracer_event *e)
{
    const struct ps_step *s;
    unsigned int n = 0;

    for (uint32_t i = w->steps; i != PS_JOIN_NONE; i = s->next) {
        s = &j->steps[i];
        n += s->station == e->station && s->netns == e->netns &&
             s->ifindex == e->ifindex;
    }
    return n;
}

/* IPv4 numbers the datagrams that it makes of one, in their order. */
static bool is_part(const struct ps_join *j, const struct ps_way *w,
                    const struct ps_tracer_event *e)
{
    const struct ps_tracer_event *whole = &w->first;
    uint16_t off = (uint16_t)(e->ip_id - whole->ip_id);

    return whole->packets > 1 && e->packets < whole->packets &&
           e->payload < whole->payload && !w->dropped &&
           (ps_join_tuple(e)->family == 6 || off < whole->packets) &&
           ps_join_in_window(w, e) && times_at(j, w, e) < whole->packets;
}

bool ps_join_part(struct ps_join *j, const struct ps_tracer_event *e,
                  enum ps_join_result *ret_result)
{
    const struct ps_tracer_tuple *names[PS_JOIN_MAX_NAMES];
    unsigned int n_names = ps_join_names(j, ps_join_tuple(e), names);
    uint32_t way = PS_JOIN_NONE, scanned = 0, n = 0;
    const struct ps_way *w;

    if (!j->n_to_cut || ps_join_tuple(e)->proto != IPPROTO_UDP ||
        e->flags & PS_EF_FRAGMENT)
        return false;
    for (unsigned int k = 0; k < n_names; k++) {
        for (uint32_t i = *ps_join_bucket_flow(j, names[k]);
             i != PS_JOIN_NONE && scanned < PS_JOIN_MAX_SCAN;
             i = w->next_flow, scanned++) {
            w = &j->ways[i];
            if (memcmp(ps_join_tuple(&w->first), names[k], sizeof(*names[k])) !=
                    0 ||
                !is_part(j, w, e))
                continue;
            way = i;
            n++;
        }
    }
    if (!n)
        return false;
    *ret_result = n == 1 ? ps_join_append(j, way, e, true) : PS_JOIN_AMBIGUOUS;
    return true;
}
