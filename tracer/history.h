/* SPDX-License-Identifier: MIT */
/*
 * Traces and the ways of their packets on disk: bounded, the oldest traces
 * leave first, found by the tuple of a packet.
 *
 * A way is kept under its number in its trace, PacketWay.id: its place in the
 * order of first sight.
 */
#ifndef PS_TRACER_HISTORY_H
#define PS_TRACER_HISTORY_H

#include "common/store.h"
#include "common/types.h"

/* Numbers of ways in a trace are below. */
#define PS_HISTORY_MAX_WAYS (1u << 24)
/* Names of interfaces in a trace that an export tells apart. */
#define PS_HISTORY_MAX_IFACES 256u

struct ps_history;

/* max_bytes: of the file and its log. ret_error as ps_store_open(). */
int ps_history_open(const char *dir, uint64_t max_bytes,
                    struct ps_history **ret_history, char **ret_error);
void ps_history_free(struct ps_history **history);
/* Traces that left since then, to make room. */
uint64_t ps_history_evicted(const struct ps_history *history);

/* Traces that ran when the last process ended: done, "restart". */
int ps_history_recover(struct ps_history *history, uint64_t now_unix_ns);

/* Adds a trace, or replaces it by its id; committed when it returns. Packets,
 * steps and drops of a trace that runs are those of its stored ways after
 * ps_history_recover(). */
int ps_history_put(struct ps_history *history, const Ps__Trace *trace);

/*
 * Adds ways to a trace, or replaces those that are there, in one transaction:
 * what it returns 0 for is on disk. The oldest traces that do not run leave
 * where there is no room. -EDQUOT: there is none in the whole bound, the first
 * *ret_n are in; -ENOENT: no such trace; otherwise -errno (-ENOSPC: the disk
 * is full), and none is in. The ways are not changed.
 */
int ps_history_add(struct ps_history *history, const char *id,
                   Ps__PacketWay *const *ways, size_t n, size_t *ret_n);

/* -ENOENT: there is no such trace. */
int ps_history_get(struct ps_history *history, const char *id,
                   Ps__Trace **ret_trace);
int ps_history_delete(struct ps_history *history, const char *id);

/* Newest first; alert: NULL, or only its traces. *ret_traces (ret_n of them,
 * at most limit) is the caller's. */
int ps_history_list(struct ps_history *history, const char *alert,
                    size_t offset, uint32_t limit, Ps__Trace ***ret_traces,
                    size_t *ret_n, uint64_t *ret_total);

/* ---- ways --------------------------------------------------------------- */

/* What is wanted of the ways of a trace. */
struct ps_history_want {
    /* The page's place: numbers from this one on; with newest those below it
     * (0: all), the highest first. */
    uint32_t from;
    uint32_t limit;
    bool newest;
    bool drops_only;
    const char *station; /* NULL, or only ways that were there */
    uint64_t deadline;   /* CLOCK_MONOTONIC, for station; 0: none */
};

struct ps_history_page {
    Ps__PacketWay **ways; /* the caller's, with ps_history_page_clear() */
    size_t n;
    uint32_t next; /* `from` of the next page; 0: the end */
    bool partial;  /* the deadline came before limit ways were found */
};

/* By their numbers, which are in the order of first sight. */
int ps_history_ways(struct ps_history *history, const char *id,
                    const struct ps_history_want *want,
                    struct ps_history_page *ret_page);
int ps_history_count(struct ps_history *history, const char *id,
                     bool drops_only, uint64_t *ret_total);
void ps_history_page_clear(struct ps_history_page *page);

/* An interface on which steps of a trace were: a number of its own. */
struct ps_history_iface {
    uint32_t netns, ifindex;
    char name[16];
};

/* At most PS_HISTORY_MAX_IFACES are written to ifaces, in the order of their
 * numbers. */
int ps_history_ifaces(struct ps_history *history, const char *id,
                      struct ps_history_iface *ifaces, size_t *ret_n);

/* ---- find --------------------------------------------------------------- */

/* Where a search goes on: at ways that are older than this one. */
struct ps_history_place {
    uint64_t first; /* Unix ns; 0: from the newest on */
    int64_t trace;
    uint32_t n;
};

struct ps_history_found {
    Ps__PacketWay **ways; /* the caller's, with ps_history_found_clear() */
    struct ps_history_place *places; /* of each */
    size_t n;
    bool more;
    /* The deadline came first: the next page may have more, also where this
     * one has none. */
    bool partial;
    struct ps_history_place next; /* with more */
};

/*
 * Ways under a tuple, of all traces, the newest first. Of req only the tuple
 * is read. deadline: of CLOCK_MONOTONIC, when the search ends as partial, but
 * not before it went on from where it began: pages in turn come to an end.
 */
int ps_history_find(struct ps_history *history,
                    const Ps__FindPacketsRequest *req,
                    const struct ps_history_place *from, uint32_t limit,
                    uint64_t deadline, struct ps_history_found *ret_found);
/* Only the newest n (1 or more) of what was found; there is more then. */
void ps_history_found_cut(struct ps_history_found *found, size_t n);
void ps_history_found_clear(struct ps_history_found *found);

/* "FIRST.TRACE.N"; text has PS_HISTORY_PLACE_TEXT bytes. */
#define PS_HISTORY_PLACE_TEXT 64
void ps_history_place_format(const struct ps_history_place *place, char *text);
/* NULL is the start. -EINVAL: not such a text. */
int ps_history_place_parse(const char *text,
                           struct ps_history_place *ret_place);

#endif
