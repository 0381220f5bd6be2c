/* SPDX-License-Identifier: MIT */
/* The daemon's state: what open() made, and what each part is asked by. */
#ifndef PS_LOCATOR_LOCATOR_H
#define PS_LOCATOR_LOCATOR_H

#include "common/service.h"
#include "locator/engine.h"
#include "locator/history.h"
#include "locator/places.h"

struct ps_locator_config {
    struct ps_strlist geo_db;
    struct ps_strlist asn_db;
    uint64_t rate;
    uint64_t max_running;
    uint64_t max_queued;
    uint64_t history_size;
};

struct ps_locator {
    struct ps_daemon *daemon;
    const struct ps_locator_config *config;
    struct ps_probe_socket sockets[2]; /* IPv4, IPv6 */
    char socket_problem[2][128];       /* "": it is there */
    struct ps_places *places;
    struct ps_history *history;
    struct ps_engine *engine;
    uint64_t history_errors;
};

extern const struct ps_option ps_locator_options[];
extern const struct ps_method ps_locator_methods[];

/* The service's callbacks; see common/service.h. */
int ps_locator_open(struct ps_daemon *d, void *config, void **ret_state);
int ps_locator_start(struct ps_daemon *d, void *state);
void ps_locator_sample(struct ps_daemon *d, void *state);
void ps_locator_reload(struct ps_daemon *d, void *state);
void ps_locator_stop(struct ps_daemon *d, void *state);
void ps_locator_close(struct ps_daemon *d, void *state);

/*
 * Checks a request and sets what it left out. field and problem say what is
 * wrong and what to do; -EINVAL.
 */
struct ps_request_problem {
    const char *id;
    const char *field;
    char text[192];
};
int ps_locator_check_request(const Ps__MeasureRequest *request,
                             struct ps_engine_request *ret_request,
                             struct ps_request_problem *ret_problem);

#endif
