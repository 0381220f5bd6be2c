/* SPDX-License-Identifier: MIT */
/* Shared by the files of the join only. */
#ifndef PS_TRACER_JOIN_INTERNAL_H
#define PS_TRACER_JOIN_INTERNAL_H

#include "tracer/join.h"

struct ps_link;

/* The packet that has the kernel's number for it: the newest one in its place
 * of the table. */
struct ps_join_id {
    uint64_t id; /* 0: none */
    uint32_t way;
};

/* The newest event of a CPU, where it was the end of a packet's buffer. */
struct ps_join_end {
    uint64_t time;
    uint32_t way; /* PS_JOIN_NONE: it was another event */
    uint8_t lost;
};

/* by_skb, by_content, by_flow, by_range: one behind the other. */
#define PS_JOIN_TABLES 4u

/* Packets beyond the limit, by the kernel's number for them. */
#define PS_JOIN_LEFT_OUT 1024u

struct ps_join {
    uint32_t max_packets;
    struct ps_way *ways;
    uint32_t n_ways, max_ways, n_packets;
    uint32_t *listed; /* ways by number */
    bool selects;     /* join_select.c's, as the next three */
    uint32_t n_candidates, n_unwanted;
    uint64_t filtered;
    struct ps_step *steps;
    uint32_t n_steps, cap_steps;
    /* PS_JOIN_NONE: empty. */
    uint32_t *buckets, *by_skb, *by_content, *by_flow, *by_range;
    uint32_t longest; /* payload of a packet in by_range */
    uint64_t mask;
    struct ps_join_id *by_id;
    struct ps_link *links; /* join_link.c's, as the next four */
    uint32_t *link_buckets;
    uint32_t n_links, cap_links;
    uint64_t links_full;
    uint32_t n_to_cut; /* packets that began as several datagrams */
    uint64_t results[PS_JOIN_RESULTS];
    uint32_t last;  /* way of the newest step; see ps_join_sight() */
    uint64_t moved; /* time of the newest step */
    uint64_t complete_since;
    uint32_t n_partial;
    struct ps_join_end ends[PS_JOIN_MAX_CPUS];
    uint64_t left_out[PS_JOIN_LEFT_OUT]; /* 0: none */
};

/* The tuple that its content belongs to: the innermost one. */
static inline const struct ps_tracer_tuple *
ps_join_tuple(const struct ps_tracer_event *e)
{
    return e->flags & PS_EF_INNER ? &e->other : &e->tuple;
}

/* Into the tables, by where it is and by its content. */
void ps_join_enter(struct ps_join *j, uint32_t way);
/* It gets the next number. */
void ps_join_list(struct ps_join *j, uint32_t way);

uint64_t ps_join_hash_tuple(const struct ps_tracer_tuple *tuple);
bool ps_join_same_connection(const struct ps_join *j,
                             const struct ps_tracer_tuple *a,
                             const struct ps_tracer_tuple *b);

/* Places of the tables; of content, as it would be with this tuple. */
uint32_t *ps_join_bucket_skb(const struct ps_join *j, uint64_t skb);
uint32_t *ps_join_bucket_content(const struct ps_join *j,
                                 const struct ps_tracer_tuple *tuple,
                                 const struct ps_tracer_event *e);
uint32_t *ps_join_bucket_flow(const struct ps_join *j,
                              const struct ps_tracer_tuple *tuple);
/* Of packets of this flow whose bytes begin in this page of its stream. */
uint32_t *ps_join_bucket_range(const struct ps_join *j,
                               const struct ps_tracer_tuple *tuple,
                               uint32_t page);
/* Into by_range, where it carries bytes of a stream. */
void ps_join_enter_range(struct ps_join *j, uint32_t way);
bool ps_join_in_window(const struct ps_way *w, const struct ps_tracer_event *e);
/* By its content, whatever became of it. */
bool ps_join_same_packet(const struct ps_join *j, const struct ps_way *w,
                         const struct ps_tracer_event *e);
bool ps_join_repeats(const struct ps_join *j, const struct ps_way *w,
                     const struct ps_tracer_event *e);
uint64_t *ps_join_bucket_left_out(struct ps_join *j, uint64_t id);
/* By the kernel's number; by the buffer. PS_JOIN_NONE: no packet. */
uint32_t ps_join_find_id(const struct ps_join *j,
                         const struct ps_tracer_event *e);
uint32_t ps_join_find_identity(const struct ps_join *j,
                               const struct ps_tracer_event *e);
/* Number of packets that fit by content, 2: more than one, or more than could
 * be looked through; ret_way is one of them. */
unsigned int ps_join_find_content(const struct ps_join *j,
                                  const struct ps_tracer_event *e,
                                  uint32_t *ret_way);
void ps_join_keep_id(struct ps_join *j, uint32_t way,
                     const struct ps_tracer_event *e);
enum ps_join_result ps_join_append(struct ps_join *j, uint32_t way,
                                   const struct ps_tracer_event *e,
                                   bool inferred);

/* Of the packets that fit by content, the one whose buffer ended on this CPU
 * just before this new one came: it is its copy. PS_JOIN_NONE: none did. */
uint32_t ps_join_find_copied(const struct ps_join *j,
                             const struct ps_tracer_event *e);

/* Bytes of a stream given to its reader. */
enum ps_join_result ps_join_reader(struct ps_join *j,
                                   const struct ps_tracer_event *e);
/* A segment of a packet that was seen whole, or a buffer that holds several.
 * False: it is neither. */
bool ps_join_range(struct ps_join *j, const struct ps_tracer_event *e,
                   enum ps_join_result *ret_result);

/* A datagram of one that was handed over in a single buffer to be cut. False:
 * it is none. */
bool ps_join_part(struct ps_join *j, const struct ps_tracer_event *e,
                  enum ps_join_result *ret_result);

#endif
