/* SPDX-License-Identifier: MIT */
/* A drop that somebody told of, at the packet that it was. */
#include "tracer/join_internal.h"

/* From the verdict to the buffer's end, in one go on one CPU. */
#define APART_NS PS_NS_PER_MS

/* Whether the buffer that ended in this step is the one of the event. */
static bool ends(const struct ps_step *s, const struct ps_tracer_event *e)
{
    return s->station == PS_ST_KFREE_SKB && !s->rule && s->cpu == e->cpu &&
           s->time >= e->time && s->time - e->time < APART_NS &&
           (!s->ifindex || s->ifindex == e->ifindex) &&
           (!s->netns || s->netns == e->netns);
}

struct search {
    const struct ps_tracer_event *event;
    ps_step_fn is_it;
    const void *arg;
    uint32_t step, way;
};

/* The first such end: what comes later is another packet's. */
static void search_way(const struct ps_join *j, uint32_t way, struct search *f)
{
    const struct ps_step *s;

    for (uint32_t i = j->ways[way].steps; i != PS_JOIN_NONE; i = s->next) {
        s = &j->steps[i];
        if (!ends(s, f->event) || !f->is_it(f->arg, s))
            continue;
        if (f->step == PS_JOIN_NONE || s->time < j->steps[f->step].time) {
            f->step = i;
            f->way = way;
        }
    }
}

bool ps_join_rule(struct ps_join *j, const struct ps_tracer_event *e,
                  uint16_t rule, ps_step_fn is_it, const void *arg)
{
    const struct ps_tracer_tuple *names[PS_JOIN_MAX_NAMES];
    unsigned int n = ps_join_names(j, ps_join_tuple(e), names);
    struct search f = {e, is_it, arg, PS_JOIN_NONE, PS_JOIN_NONE};

    for (unsigned int k = 0; k < n; k++)
        for (uint32_t i = *ps_join_bucket_content(j, names[k], e);
             i != PS_JOIN_NONE; i = j->ways[i].next_content)
            if (ps_join_same_packet(j, &j->ways[i], e))
                search_way(j, i, &f);
    if (f.step == PS_JOIN_NONE)
        return false;
    j->steps[f.step].rule = rule;
    j->ways[f.way].rules++;
    return true;
}

bool ps_join_knows(const struct ps_join *j, const struct ps_tracer_event *e)
{
    uint32_t way;

    return ps_join_find_content(j, e, &way) > 0;
}

/* ---- of the event that was just added ----------------------------------- */

uint32_t ps_join_n_steps(const struct ps_join *j)
{
    return j->n_steps;
}

void ps_join_set_rule(struct ps_join *j, uint32_t from, uint16_t rule)
{
    for (uint32_t i = from; i < j->n_steps; i++)
        j->steps[i].rule = rule;
}

const struct ps_step *ps_join_previous(const struct ps_join *j)
{
    const struct ps_step *s, *before = NULL;

    if (j->n_steps == 0)
        return NULL;
    for (uint32_t i = j->ways[j->last].steps; i != PS_JOIN_NONE; i = s->next) {
        s = &j->steps[i];
        if (i == j->n_steps - 1)
            return before;
        before = s;
    }
    return NULL;
}
