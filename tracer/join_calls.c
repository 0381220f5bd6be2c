/* SPDX-License-Identifier: MIT */
/* The first sight of a packet by the function tier. */
#include "tracer/join_internal.h"

enum ps_join_result ps_join_sight(struct ps_join *j,
                                  const struct ps_tracer_event *e, bool open,
                                  uint32_t *ret_way)
{
    enum ps_join_result result;

    j->last = PS_JOIN_NONE;
    result = ps_join_add(j, e, open);
    /* The call itself is counted where calls are kept. */
    j->results[result]--;
    *ret_way = j->last;
    return result;
}

uint32_t ps_join_index(const struct ps_join *j, const struct ps_way *way)
{
    return (uint32_t)(way - j->ways);
}

uint32_t ps_join_max_ways(const struct ps_join *j)
{
    return j->max_ways;
}
