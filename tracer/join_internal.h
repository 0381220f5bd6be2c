/* SPDX-License-Identifier: MIT */
/* Shared by join.c and join_range.c only. */
#ifndef PS_TRACER_JOIN_INTERNAL_H
#define PS_TRACER_JOIN_INTERNAL_H

#include "tracer/join.h"

struct ps_join {
    uint32_t max_packets, netns;
    struct ps_way *ways;
    uint32_t n_ways, max_ways, n_packets;
    struct ps_step *steps;
    uint32_t n_steps, cap_steps;
    uint32_t *buckets, *by_skb, *by_content, *by_flow; /* PS_JOIN_NONE: empty */
    uint64_t mask;
    uint64_t results[PS_JOIN_RESULTS];
    uint32_t last; /* way of the newest step; see ps_join_sight() */
};

uint32_t *ps_join_bucket_flow(const struct ps_join *j,
                              const struct ps_tracer_tuple *tuple);
bool ps_join_in_window(const struct ps_way *w, const struct ps_tracer_event *e);
bool ps_join_repeats(const struct ps_join *j, const struct ps_way *w,
                     const struct ps_tracer_event *e);
enum ps_join_result ps_join_append(struct ps_join *j, uint32_t way,
                                   const struct ps_tracer_event *e,
                                   bool inferred);

/* Bytes of a stream given to its reader. */
enum ps_join_result ps_join_reader(struct ps_join *j,
                                   const struct ps_tracer_event *e);
/* A segment of a packet that was seen whole, or a buffer that holds several.
 * False: it is neither. */
bool ps_join_range(struct ps_join *j, const struct ps_tracer_event *e,
                   enum ps_join_result *ret_result);

#endif
