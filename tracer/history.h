/* SPDX-License-Identifier: MIT */
/* Traces and their packets on disk: bounded, the oldest leave first. */
#ifndef PS_TRACER_HISTORY_H
#define PS_TRACER_HISTORY_H

#include "common/store.h"
#include "common/types.h"

struct ps_history;

/* max_bytes: of packets and traces together. ret_error as ps_store_open(). */
int ps_history_open(const char *dir, uint64_t max_bytes,
                    struct ps_history **ret_history, char **ret_error);
void ps_history_free(struct ps_history **history);
/* Traces that left since then, to make room. */
uint64_t ps_history_evicted(const struct ps_history *history);

/* Traces that ran when the last process ended: done, "restart". */
int ps_history_recover(struct ps_history *history, uint64_t now_unix_ns);

/* Adds a trace, or replaces it by its id; committed when it returns. */
int ps_history_put(struct ps_history *history, const Ps__Trace *trace);

/* The n-th packet, owned by the caller; NULL without memory. */
typedef Ps__PacketWay *(*ps_history_packet_fn)(void *arg, uint32_t n);

/*
 * Writes a finished trace with its n packets in one transaction, after the
 * oldest finished ones have left if there is no room. Packets that do not fit
 * in the whole bound are added to the trace's losses ("history_full"), so
 * trace may change.
 */
int ps_history_finish(struct ps_history *history, Ps__Trace *trace, uint32_t n,
                      ps_history_packet_fn packet, void *arg);

/* -ENOENT: there is no such trace. */
int ps_history_get(struct ps_history *history, const char *id,
                   Ps__Trace **ret_trace);
int ps_history_delete(struct ps_history *history, const char *id);

/* Newest first; *ret_traces (ret_n of them, at most limit) is the caller's. */
int ps_history_list(struct ps_history *history, size_t offset, uint32_t limit,
                    Ps__Trace ***ret_traces, size_t *ret_n,
                    uint64_t *ret_total);
/* In the order of first sight. */
int ps_history_packets(struct ps_history *history, const char *id,
                       size_t offset, uint32_t limit,
                       Ps__PacketWay ***ret_packets, size_t *ret_n,
                       uint64_t *ret_total);

#endif
