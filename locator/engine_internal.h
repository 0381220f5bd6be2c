/* SPDX-License-Identifier: MIT */
#ifndef PS_LOCATOR_ENGINE_INTERNAL_H
#define PS_LOCATOR_ENGINE_INTERNAL_H

#include "locator/engine.h"
#include "locator/pacer.h"

/* Measurements that are over, for answers that come later still. */
#define PS_ENGINE_ENDED 64

struct ps_run {
    struct ps_engine_request request;
    Ps__Path *path;
    struct ps_measure *measure; /* NULL: it waits for a place */
    char failure[160];          /* "": none */
};

struct ps_engine {
    struct ps_engine_config config;
    struct ps_engine_stats stats;
    struct ps_pacer pacer;
    struct event *timer;
    struct event *readable[2];
    struct ps_run **runs; /* in order of arrival */
    size_t n_runs;
    size_t next_run; /* whose turn it is to send */
    struct ps_icmp_flow ended[PS_ENGINE_ENDED];
    size_t n_ended; /* so far: the ring's next is n_ended % its size */
    uint64_t last_ended;
};

/* Reads what came, bounded; call before anything is given up. False: there
 * may be more. */
bool ps_engine_receive(struct ps_engine *engine);
/* Sends what is due, as the pace allows; run->failure may be set. */
void ps_engine_send(struct ps_engine *engine, uint64_t now);
/* A sentence for an errno of choosing a source or sending. */
void ps_engine_describe(int error, char *ret_text, size_t size);

#endif
