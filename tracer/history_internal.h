/* SPDX-License-Identifier: MIT */
/* Shared by the files of the history only. */
#ifndef PS_TRACER_HISTORY_INTERNAL_H
#define PS_TRACER_HISTORY_INTERNAL_H

#include "tracer/history.h"
#include "tracer/way_body.h"

/* Traces whose samples are at hand: those that run, and those that are read. */
#define PS_HISTORY_SAMPLES 16

struct ps_history_sample {
    int64_t trace; /* 0: none */
    uint8_t *data;
    size_t len;
    uint32_t ifaces; /* known of this trace; writing only */
    struct ps_history_iface iface[PS_HISTORY_MAX_IFACES];
};

struct ps_history {
    struct ps_store *store;
    uint64_t max_bytes; /* of pages in use */
    uint64_t evicted;   /* since it was opened */
    uint64_t evicting;  /* in the transaction that is open */
    struct ps_way_codec *codec;
    struct ps_history_sample samples[PS_HISTORY_SAMPLES];
    size_t next_sample;
};

/* A row's number of a trace's way: ways of a trace stand together. */
static inline int64_t ps_history_way_id(int64_t trace, uint32_t n)
{
    return (int64_t)(((uint64_t)trace << 24) | n);
}

/* Runs a statement without rows, with numbers as its parameters (b where it
 * has a second). */
int ps_history_run(struct ps_history *history, const char *sql, int64_t a,
                   int64_t b);
/*
 * Removes old traces, but not this one, until so many bytes more fit. *used:
 * bytes in use, as far as known; 0: not known. -EDQUOT: they cannot fit.
 */
int ps_history_make_room(struct ps_history *history, int64_t but,
                         uint64_t bytes, uint64_t *used);
/* Number of a trace by its id; -ENOENT. */
int ps_history_trace_seq(struct ps_history *history, const char *id,
                         int64_t *ret_seq);
/* What the ways of this trace were packed with; len 0 where there is none. */
int ps_history_sample_of(struct ps_history *history, int64_t trace,
                         struct ps_history_sample **ret_sample);
/* Nothing of this trace is remembered; 0: of no trace. */
void ps_history_forget(struct ps_history *history, int64_t trace);
/* The way in this row's columns body; -EBADMSG. */
int ps_history_read_way(struct ps_history *history, int64_t trace, uint32_t n,
                        sqlite3_stmt *stmt, int column,
                        Ps__PacketWay **ret_way);

/* ---- history_seek.c: the highest number not above n; -ENOENT: none ------- */

/* Under this key. Its way may not be there. */
int ps_history_seek_key(struct ps_history *history, int64_t trace, uint64_t key,
                        uint32_t n, uint32_t *ret_n);
/* Of a way that is there, and when it was first seen. */
int ps_history_seek_way(struct ps_history *history, int64_t trace, uint32_t n,
                        uint32_t *ret_n, uint64_t *ret_first);
/* By how much a way may have been seen first after one of a higher number. */
int ps_history_disorder(struct ps_history *history, int64_t trace,
                        uint64_t *ret_ns);
/* A number with none above it that was first seen until this time, less the
 * disorder. */
int ps_history_seek_time(struct ps_history *history, int64_t trace,
                         uint64_t time, uint32_t *ret_n);

#endif
