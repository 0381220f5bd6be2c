/* SPDX-License-Identifier: MIT */
/*
 * Server-sent events: one ring for all, one cursor for each stream. A stream
 * that has caught up gets each event at once, or, of many, some with one
 * write; one that does not take them is cut off when its own buffer is full,
 * and may come back with Last-Event-ID.
 */
#ifndef PS_GATEWAY_SSE_H
#define PS_GATEWAY_SSE_H

#include "common/types.h"
#include "gateway/http.h"

struct ps_sse;

struct ps_sse_stats {
    uint64_t clients; /* now */
    uint64_t cut;     /* streams that were too slow */
    uint64_t lost;    /* events that could not be replayed */
    uint64_t published;
};

struct ps_sse_config {
    size_t history_bytes; /* of events kept for streams that come back */
    uint64_t keep_ns;     /* for at least so long, if these bytes suffice */
    size_t max_streams;
};

int ps_sse_new(struct event_base *base, const struct ps_sse_config *config,
               struct ps_sse **ret_sse);
/* Ends all streams. */
void ps_sse_free(struct ps_sse **sse);

/* Gives a message to all streams of its topic; unknown topics are ignored. */
void ps_sse_publish(struct ps_sse *sse, const char *topic,
                    const ProtobufCMessage *msg);
/* Makes a stream of the request, or answers it with a problem. */
void ps_sse_open(struct ps_sse *sse, struct ps_http_request *req,
                 const Ps__EventsRequest *ask);
/* Streams of one client (see limits.h) now. */
size_t ps_sse_streams_of(const struct ps_sse *sse, const struct ps_addr *addr);
/* Ends the streams whose caller may no longer have one. */
void ps_sse_recheck(struct ps_sse *sse,
                    bool (*holds)(void *arg, const struct ps_identity *who),
                    void *arg);
/* Ends the streams, so that their clients come back elsewhere. */
void ps_sse_drain(struct ps_sse *sse);
const struct ps_sse_stats *ps_sse_stats(const struct ps_sse *sse);

#endif
