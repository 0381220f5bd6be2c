/* SPDX-License-Identifier: MIT */
/* The names of a connection: its tuples on the two sides of translations. */
#include "tracer/join_internal.h"

#define BUCKETS     4096u
#define FIRST_LINKS 64u

/* Tuples of one connection form a ring. */
struct ps_link {
    struct ps_tracer_tuple tuple;
    uint32_t ring;
    uint32_t next; /* same bucket */
};

static uint32_t *bucket(const struct ps_join *j,
                        const struct ps_tracer_tuple *tuple)
{
    return &j->link_buckets[ps_join_hash_tuple(tuple) % BUCKETS];
}

static uint32_t find(const struct ps_join *j,
                     const struct ps_tracer_tuple *tuple)
{
    uint32_t i;

    if (!j->n_links)
        return PS_JOIN_NONE;
    i = *bucket(j, tuple);
    while (i != PS_JOIN_NONE &&
           memcmp(&j->links[i].tuple, tuple, sizeof(*tuple)) != 0)
        i = j->links[i].next;
    return i;
}

static int grow(struct ps_join *j)
{
    uint32_t cap = j->cap_links ? 2 * j->cap_links : FIRST_LINKS;
    struct ps_link *links;

    if (cap > PS_JOIN_MAX_LINKS)
        return -ENOSPC;
    if (!j->link_buckets) {
        j->link_buckets = malloc(BUCKETS * sizeof(*j->link_buckets));
        if (!j->link_buckets)
            return -ENOMEM;
        memset(j->link_buckets, 0xff, BUCKETS * sizeof(*j->link_buckets));
    }
    links = realloc(j->links, cap * sizeof(*links));
    if (!links)
        return -ENOMEM;
    j->links = links;
    j->cap_links = cap;
    return 0;
}

static uint32_t find_or_add(struct ps_join *j,
                            const struct ps_tracer_tuple *tuple)
{
    uint32_t i = find(j, tuple), *at;

    if (i != PS_JOIN_NONE)
        return i;
    if (j->n_links == j->cap_links && grow(j) < 0)
        return PS_JOIN_NONE;
    i = j->n_links++;
    at = bucket(j, tuple);
    j->links[i] = (struct ps_link){.tuple = *tuple, .ring = i, .next = *at};
    *at = i;
    return i;
}

static unsigned int length(const struct ps_join *j, uint32_t link)
{
    unsigned int n = 1;

    for (uint32_t i = j->links[link].ring; i != link; i = j->links[i].ring)
        n++;
    return n;
}

static bool in_ring(const struct ps_join *j, uint32_t ring, uint32_t link)
{
    uint32_t i = ring;

    do {
        if (i == link)
            return true;
        i = j->links[i].ring;
    } while (i != ring);
    return false;
}

void ps_join_learn(struct ps_join *j, const struct ps_tracer_tuple *a,
                   const struct ps_tracer_tuple *b)
{
    uint32_t x = find_or_add(j, a), y = find_or_add(j, b), ring;

    if (x != PS_JOIN_NONE && y != PS_JOIN_NONE) {
        if (in_ring(j, x, y))
            return;
        if (length(j, x) + length(j, y) <= PS_JOIN_MAX_NAMES) {
            /* Two rings that exchange one step become one. */
            ring = j->links[x].ring;
            j->links[x].ring = j->links[y].ring;
            j->links[y].ring = ring;
            return;
        }
    }
    j->links_full++;
}

unsigned int ps_join_names(const struct ps_join *j,
                           const struct ps_tracer_tuple *tuple,
                           const struct ps_tracer_tuple **ret_names)
{
    uint32_t own = find(j, tuple);
    unsigned int n = 1;

    ret_names[0] = tuple;
    if (own == PS_JOIN_NONE)
        return n;
    for (uint32_t i = j->links[own].ring; i != own && n < PS_JOIN_MAX_NAMES;
         i = j->links[i].ring)
        ret_names[n++] = &j->links[i].tuple;
    return n;
}

bool ps_join_same_connection(const struct ps_join *j,
                             const struct ps_tracer_tuple *a,
                             const struct ps_tracer_tuple *b)
{
    uint32_t x, y;

    if (!memcmp(a, b, sizeof(*a)))
        return true;
    x = find(j, a);
    y = x == PS_JOIN_NONE ? x : find(j, b);
    return y != PS_JOIN_NONE && in_ring(j, x, y);
}

uint64_t ps_join_links_full(const struct ps_join *j)
{
    return j->links_full;
}
