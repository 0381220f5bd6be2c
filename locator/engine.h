/* SPDX-License-Identifier: MIT */
/*
 * The measurements that run now and those that wait for a place: they share
 * two sockets, one pace and one timer. All on the loop's thread.
 */
#ifndef PS_LOCATOR_ENGINE_H
#define PS_LOCATOR_ENGINE_H

#include <event2/event.h>

#include "common/types.h"
#include "locator/measure.h"
#include "locator/probe_io.h"

/* Bounds of the options. */
#define PS_ENGINE_MAX_RUNNING 64
#define PS_ENGINE_MAX_QUEUED  1024
#define PS_ENGINE_MAX_RATE    20000

struct ps_engine;

struct ps_engine_config {
    uint64_t rate; /* probes each second, of all measurements */
    uint64_t max_running;
    uint64_t max_queued;
    /* IPv4, IPv6; fd -1 where there is none. Borrowed for the engine's
     * life. */
    struct ps_probe_socket *sockets[2];
    /* A measurement was taken on (running) or is over. path is borrowed, and
     * complete but for places. */
    void (*changed)(void *arg, const Ps__Path *path);
    void *arg;
};

/* Since the engine was made. */
struct ps_engine_stats {
    uint64_t sent;
    uint64_t received; /* counted in a hop */
    uint64_t late;     /* after their time */
    uint64_t duplicate;
    uint64_t unmatched; /* right id, wrong content: not believed */
    uint64_t malformed;
    uint64_t send_errors;
    uint64_t held_back;      /* sent late by the pace */
    uint64_t hop_overflow;   /* from more addresses than a hop keeps */
    uint64_t queue_overflow; /* the sockets' queues were full */
    uint64_t paths;          /* taken on */
    uint64_t refused;        /* not: as many run and wait as may */
    uint64_t running, queued;
};

int ps_engine_new(struct event_base *base,
                  const struct ps_engine_config *config,
                  struct ps_engine **ret_engine);
/* Ends nothing by itself; see ps_engine_abort. */
void ps_engine_free(struct ps_engine **engine);

struct ps_engine_request {
    struct ps_addr target;
    uint32_t max_hops;
    uint32_t probes;
    uint64_t interval_ns;
    uint64_t timeout_ns;
};

/*
 * Takes a measurement on; ret_path is a message of its own, owned by the
 * caller. -EAGAIN: all places are taken.
 */
int ps_engine_start(struct ps_engine *engine,
                    const struct ps_engine_request *request,
                    Ps__Path **ret_path);
/* What is known now of one that is not over, owned by the caller. -ENOENT. */
int ps_engine_get(struct ps_engine *engine, const char *id,
                  Ps__Path **ret_path);
/* Ends all as failed for this reason. */
void ps_engine_abort(struct ps_engine *engine, const char *failure);

void ps_engine_stats(const struct ps_engine *engine,
                     struct ps_engine_stats *ret_stats);

#endif
