/* SPDX-License-Identifier: MIT */
/* Packets of which only those are kept that turn out to be wanted. */
#include "tracer/join_internal.h"

/* So many unwanted ones are a reason to tidy up. They stay so long because
 * their last steps may still come. */
#define TIDY 2048u

int ps_join_select(struct ps_join *j, bool on)
{
    uint32_t max = j->max_packets + PS_JOIN_CANDIDATES;
    struct ps_way *ways;

    if (on && j->max_ways < max) {
        ways = realloc(j->ways, max * sizeof(*ways));
        if (!ways)
            return -ENOMEM;
        j->ways = ways;
        j->max_ways = max;
    }
    j->selects = on;
    return 0;
}

static bool is_candidate(const struct ps_way *w)
{
    return w->number == PS_JOIN_NONE && !w->unwanted;
}

uint32_t ps_join_candidates(const struct ps_join *j)
{
    return j->n_candidates;
}

uint32_t ps_join_candidate(const struct ps_join *j, uint32_t from)
{
    for (uint32_t i = from; i < j->n_ways; i++)
        if (is_candidate(&j->ways[i]))
            return i;
    return PS_JOIN_NONE;
}

const struct ps_way *ps_join_at(const struct ps_join *j, uint32_t place)
{
    return &j->ways[place];
}

uint64_t ps_join_filtered(const struct ps_join *j)
{
    return j->filtered;
}

/* What was counted as its steps are none; but where other packets have the
 * same event. */
static void take_back(struct ps_join *j, const struct ps_way *w,
                      enum ps_join_result why)
{
    const struct ps_step *s;

    for (uint32_t i = w->steps; i != PS_JOIN_NONE; i = s->next) {
        s = &j->steps[i];
        if (s->shared)
            continue;
        j->results[PS_JOIN_STEP]--;
        j->results[why]++;
    }
}

void ps_join_want(struct ps_join *j, uint32_t place, bool wanted)
{
    struct ps_way *w = &j->ways[place];

    if (!is_candidate(w))
        return;
    j->n_candidates--;
    if (wanted && j->n_packets < j->max_packets) {
        ps_join_list(j, place);
        return;
    }
    take_back(j, w, wanted ? PS_JOIN_PACKET_LIMIT : PS_JOIN_FILTERED);
    j->filtered += !wanted;
    w->unwanted = true;
    j->n_unwanted++;
}

/* ---- room --------------------------------------------------------------- */

/* Moves its steps into `steps`, one behind the other. */
static uint32_t move_steps(const struct ps_join *j, struct ps_way *w,
                           struct ps_step *steps, uint32_t n)
{
    uint32_t *at = &w->steps, i = w->steps;

    for (; i != PS_JOIN_NONE; i = j->steps[i].next) {
        steps[n] = j->steps[i];
        w->newest = *at = n;
        at = &steps[n++].next;
    }
    *at = PS_JOIN_NONE;
    return n;
}

static void rename_ways(struct ps_join *j, const uint32_t *places)
{
    for (uint64_t i = 0; i <= j->mask; i++) {
        struct ps_join_id *known = &j->by_id[i];

        if (!known->id)
            continue;
        known->way = places[known->way];
        if (known->way == PS_JOIN_NONE)
            known->id = 0;
    }
    for (size_t i = 0; i < PS_JOIN_MAX_CPUS; i++)
        j->ends[i].way = PS_JOIN_NONE;
    for (uint32_t i = 0; i < j->n_packets; i++)
        j->listed[i] = places[j->listed[i]];
    j->last = PS_JOIN_NONE;
}

bool ps_join_tidy(struct ps_join *j)
{
    _cleanup_free_ uint32_t *places = NULL;
    struct ps_step *steps;
    uint32_t kept = 0, n = 0;

    if (j->n_unwanted < TIDY)
        return false;
    places = malloc(j->n_ways * sizeof(*places));
    steps = malloc(j->cap_steps * sizeof(*steps));
    if (!places || !steps) {
        free(steps);
        return false;
    }
    for (uint32_t i = 0; i < j->n_ways; i++) {
        places[i] = PS_JOIN_NONE;
        if (j->ways[i].unwanted)
            continue;
        n = move_steps(j, &j->ways[i], steps, n);
        places[i] = kept;
        j->ways[kept++] = j->ways[i];
    }
    free(j->steps);
    j->steps = steps;
    j->n_steps = n;
    j->n_ways = kept;
    j->n_unwanted = 0;
    rename_ways(j, places);
    memset(j->buckets, 0xff,
           PS_JOIN_TABLES * (j->mask + 1) * sizeof(*j->buckets));
    j->n_to_cut = 0;
    for (uint32_t i = 0; i < j->n_ways; i++)
        ps_join_enter(j, i);
    return true;
}

void ps_join_carried(struct ps_join *j,
                     void (*fn)(void *arg, uint32_t *stack, uint32_t *bytes),
                     void *arg)
{
    for (uint32_t i = 0; i < j->n_ways; i++) {
        struct ps_way *w = &j->ways[i];
        uint32_t none = 0;

        fn(arg, &w->first.stack, &w->first.bytes);
        for (uint32_t s = w->steps; s != PS_JOIN_NONE; s = j->steps[s].next)
            fn(arg, &j->steps[s].stack, &none);
    }
}
