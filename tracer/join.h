/* SPDX-License-Identifier: MIT */
/*
 * Events become the ways of packets. Plain logic: no I/O, no clock.
 *
 * A step belongs to the packet that the kernel's own identity names: the same
 * sk_buff with the same head and the same content. Where that does not hold,
 * it is joined by content (addresses, IP id, sequence range, payload's length
 * and hash) within PS_JOIN_WINDOW_NS, and marked inferred; where two packets
 * fit, to neither. Segments join the packet that they were cut from, merged
 * buffers all the packets that they hold, bytes given to a reader the packets
 * that brought them.
 *
 * A packet has as many names as it has tuples: those of a connection that is
 * translated are linked by the kernel's own table, and one in a tunnel goes by
 * what is inside.
 */
#ifndef PS_TRACER_JOIN_H
#define PS_TRACER_JOIN_H

#include "bpf/tracer/tracer_abi.h"
#include "common/util.h"
#include "tracer/owners.h"
#include "tracer/station.h"

#define PS_JOIN_WINDOW_NS   (10 * PS_NS_PER_S)
#define PS_JOIN_MAX_PACKETS 10000u
#define PS_JOIN_WAY_STEPS   1024u
#define PS_JOIN_MAX_STEPS   (1u << 19)
/* Packets that are looked through for a sequence range, or for a content. */
#define PS_JOIN_MAX_SCAN 4096u
/* Once there are as many packets as asked for, and none of them moved for so
 * long, nothing more is joined: all else is beyond the limit. */
#define PS_JOIN_CLOSED_NS PS_NS_PER_S

/* So soon after a function had a new packet it is at its first station. */
#define PS_JOIN_TOLD_NS (100 * PS_NS_PER_MS)

/* A buffer's copy is seen on the same CPU so shortly after its end; and of so
 * many CPUs the last end is known. */
#define PS_JOIN_COPY_NS  PS_NS_PER_MS
#define PS_JOIN_MAX_CPUS 1024u

/* Tuples on the sides of translations: of one connection, and of all. */
#define PS_JOIN_MAX_NAMES 8u
#define PS_JOIN_MAX_LINKS 65536u

#define PS_JOIN_NONE UINT32_MAX

struct ps_step {
    uint64_t time; /* CLOCK_MONOTONIC */
    uint64_t location;
    struct ps_tracer_tuple tuple;
    struct ps_tracer_tuple other; /* with PS_EF_INNER or PS_EF_NAT */
    uint32_t netns;
    uint32_t ifindex;
    uint32_t len;
    uint32_t packets;
    uint32_t mark;
    uint32_t reason;
    uint32_t seq;
    uint32_t next;  /* step of the same packet, in order of time */
    uint32_t stack; /* see ps_tracer_event */
    uint16_t cpu;
    uint16_t flags; /* of the event */
    uint16_t rule;  /* that dropped; see rules.h */
    uint8_t station;
    uint8_t lost; /* of the event */
    bool inferred;
    bool shared; /* its event is a step of other packets too */
    char ifname[16];
};

/* Bytes of a stream that calls of one kind have told of. */
enum ps_join_told {
    PS_JOIN_TOLD_SENT,
    PS_JOIN_TOLD_COPIED,
    PS_JOIN_TOLD_READ,
    PS_JOIN_TOLD,
};

struct ps_way {
    struct ps_tracer_event first; /* content and identity as first seen */
    uint64_t skb, head;           /* where it is now */
    uint64_t last;
    uint32_t netns;         /* of the newest step that knows it */
    uint32_t steps, newest; /* the first of its steps, and the last */
    uint16_t n_steps;
    uint16_t rules; /* steps that were given a rule later */
    bool dropped;
    /* It was a candidate, and is not wanted: only there so that its later steps
     * do not look like a new packet's. */
    bool unwanted;
    bool partial;    /* see ps_join_complete_since() */
    uint32_t number; /* in the list; PS_JOIN_NONE: it is not listed */
    /* Sockets that sent and received it. */
    struct ps_sock_key sender, receiver;
    uint32_t told[PS_JOIN_TOLD]; /* of its bytes */
    /* Older ones in the same bucket. */
    uint32_t next_skb, next_content, next_flow, next_range;
};

/* What became of an event. */
enum ps_join_result {
    PS_JOIN_STEP,         /* it is a step of one packet at least */
    PS_JOIN_PACKET_LIMIT, /* a new packet, more than asked for */
    PS_JOIN_STEP_LIMIT,   /* more steps than are kept */
    PS_JOIN_AMBIGUOUS,    /* more than one packet fits */
    PS_JOIN_NO_PACKET,    /* its packet's beginning was not seen */
    PS_JOIN_OTHER_BYTES,  /* of a stream, of which it has no packet */
    PS_JOIN_NO_CALL,      /* a socket's, which no packet's call stands by */
    PS_JOIN_FILTERED,     /* of a packet that was not wanted in the end */
    PS_JOIN_RESULTS,
};

struct ps_join;

/* max_packets: 1 to PS_JOIN_MAX_PACKETS. */
int ps_join_new(uint32_t max_packets, struct ps_join **ret_join);
void ps_join_free(struct ps_join **join);

/* ---- packets that are wanted only once it is known what became of them ----
 */

/* Of so many it may be unknown at a time. */
#define PS_JOIN_CANDIDATES 8192u

/* From now on packets begin as candidates, which are not listed, or no more.
 * -ENOMEM. */
int ps_join_select(struct ps_join *join, bool on);
uint32_t ps_join_candidates(const struct ps_join *join);
/* The first candidate from this place on, PS_JOIN_NONE: there is none. Places
 * hold until ps_join_tidy(). */
uint32_t ps_join_candidate(const struct ps_join *join, uint32_t from);
const struct ps_way *ps_join_at(const struct ps_join *join, uint32_t place);
/* The candidate is wanted, or is not. As many as are asked for are listed. */
void ps_join_want(struct ps_join *join, uint32_t place, bool wanted);
/* Packets that were not wanted. */
uint64_t ps_join_filtered(const struct ps_join *join);
/*
 * Gives the room of unwanted packets back, once there are many. True: what is
 * carried should be put anew; fn is given where the numbers of each step's
 * stack, and of each packet's bytes, are.
 */
bool ps_join_tidy(struct ps_join *join);
void ps_join_carried(struct ps_join *join,
                     void (*fn)(void *arg, uint32_t *stack, uint32_t *bytes),
                     void *arg);

/* ---- events -------------------------------------------------------------- */

/* open: whether a new packet may begin. Counts the result too. */
enum ps_join_result ps_join_add(struct ps_join *join,
                                const struct ps_tracer_event *event, bool open);

/*
 * The same for a packet that the function tier sees first; counts nothing.
 * ret_way: where it went, PS_JOIN_NONE: nowhere.
 */
enum ps_join_result ps_join_sight(struct ps_join *join,
                                  const struct ps_tracer_event *event,
                                  bool open, uint32_t *ret_way);
/*
 * For a drop that another daemon tells of, once all events up to it are in: the
 * rule goes to the step in which the packet's buffer ended, on the same CPU
 * within moments, if is_it says that this may be it. False: there is no such
 * step.
 */
typedef bool (*ps_step_fn)(const void *arg, const struct ps_step *s);
bool ps_join_rule(struct ps_join *join, const struct ps_tracer_event *event,
                  uint16_t rule, ps_step_fn is_it, const void *arg);
/* Steps in all; and one rule for those from this number on, before anybody has
 * looked at them. */
uint32_t ps_join_n_steps(const struct ps_join *join);
void ps_join_set_rule(struct ps_join *join, uint32_t from, uint16_t rule);
/* The step before the newest one, on its way; NULL: it is the first. */
const struct ps_step *ps_join_previous(const struct ps_join *join);
/* Whether such a packet is there already. */
bool ps_join_knows(const struct ps_join *join,
                   const struct ps_tracer_event *event);
/* The number of a way, as above; below ps_join_max_ways(). */
uint32_t ps_join_index(const struct ps_join *join, const struct ps_way *way);
uint32_t ps_join_max_ways(const struct ps_join *join);

/*
 * a and b are tuples of one packet before and behind a translation. Events that
 * say so (PS_EF_NAT) are heeded by themselves; this is for what is known
 * beforehand.
 */
void ps_join_learn(struct ps_join *join, const struct ps_tracer_tuple *a,
                   const struct ps_tracer_tuple *b);
/* The tuple itself, then those that its connection has elsewhere; at most
 * PS_JOIN_MAX_NAMES, borrowed until the next event. Returns their number. */
unsigned int ps_join_names(const struct ps_join *join,
                           const struct ps_tracer_tuple *tuple,
                           const struct ps_tracer_tuple **ret_names);
/* Pairs that were not learned: no room, or too many of one connection. */
uint64_t ps_join_links_full(const struct ps_join *join);

uint64_t ps_join_count(const struct ps_join *join, enum ps_join_result result);
/* Packets that are listed. */
uint32_t ps_join_packets(const struct ps_join *join);
/* What is first seen before this time may lack stations: they were not
 * attached. */
void ps_join_complete_since(struct ps_join *join, uint64_t time);
/* Packets of which that is so. */
uint32_t ps_join_partial(const struct ps_join *join);
/* The n-th listed packet, in the order of first sight; NULL: none. */
const struct ps_way *ps_join_way(const struct ps_join *join, uint32_t n);
/* Borrowed until the next ps_join_add(); NULL for PS_JOIN_NONE. */
const struct ps_step *ps_join_step(const struct ps_join *join, uint32_t step);

/* What the free in this step (of any station) means; see ps_station_free(). */
typedef enum ps_free (*ps_free_fn)(const void *arg, const struct ps_step *s);

/* "dropped", "delivered", "forwarded", "sent"; NULL: not known. */
const char *ps_join_fate(const struct ps_join *join, const struct ps_way *way,
                         ps_free_fn freed, const void *arg);
/* Listed packets whose fate is "dropped": not a copy's, of one that arrived. */
uint32_t ps_join_drops(const struct ps_join *join, ps_free_fn freed,
                       const void *arg);

#endif
