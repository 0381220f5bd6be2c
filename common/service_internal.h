/* SPDX-License-Identifier: MIT */
/* What the files of the runtime share; nobody else includes it. */
#ifndef PS_COMMON_SERVICE_INTERNAL_H
#define PS_COMMON_SERVICE_INTERNAL_H

#include "common/service.h"

struct ps_common_config {
    char *config;
    char *run_dir;
    char *state_dir;
    char *log_level;
    char *instance;
    char *user;
    char *rep;
    char *pub;
    char *rep_as, *pub_as;
    struct ps_strlist announce;
    struct ps_strlist peers;
    char *tls_ca;
    char *tls_cert;
    char *tls_key;
    char *seccomp;
    uint64_t pub_queue;
    uint64_t audit_size;
    bool standby;
    bool selftest;
    bool healthcheck;
};

struct ps_daemon {
    const struct ps_service *service;
    struct ps_option *options; /* common and own, offsets into config */
    void *config;              /* struct ps_common_config, then the own */
    size_t own_offset;
    struct event_base *base;
    struct ps_bus *bus;
    void *state;
    uint64_t epoch;
    uint64_t started_mono_ns;
    int exit_code;
    bool end_bounded;
    bool draining;
    bool started;
    bool standby; /* stands on the bus for its parent; see service_standby.c */
    uint64_t drain_deadline_ns;
    int lock_fd;
    unsigned int slot; /* of the run directory, from 1 */
    char place[32];    /* "locator", "locator-2": the name of its files */
    char instance[PS_SERVICE_MAX_INSTANCE + 1];
    char *rep_url, *pub_url; /* where we listen */
    struct ps_announcer *announcer;
    struct ps_audit *audit; /* NULL: changes are refused */
    struct event *signals[4];
    struct event *tick;
    struct event *drain_tick;

    char user_name[64];
    char degraded[256];
    Ps__Capability *capabilities[PS_SERVICE_MAX_CAPABILITIES];
    size_t n_capabilities;
    Ps__Loss *losses[PS_SERVICE_MAX_LOSSES];
    size_t n_losses;
    Ps__Metric *metrics[PS_SERVICE_MAX_METRICS];
    size_t n_metrics;
    uint64_t bpf_memory;
    uint64_t publish_failed;
    /* Losses and metrics that the last sample had no place for, and the most
     * of any; capabilities without a place. */
    uint64_t figures_refused, figures_most, capabilities_refused;
};

static inline struct ps_common_config *
ps_daemon_common(const struct ps_daemon *d)
{
    return d->config;
}

/* ---- service_options.c -------------------------------------------------- */

/* One table of the common options and the daemon's own, behind each other,
 * and a config filled with the defaults. */
int ps_service_options_make(struct ps_daemon *d);
void ps_service_options_help(const struct ps_daemon *d);
/* File, environment, flags; says on stderr what is wrong. */
int ps_service_options_load(struct ps_daemon *d, int argc, char **argv);

/* ---- service_figures.c -------------------------------------------------- */

/* The losses and metrics that every daemon has. */
void ps_service_figures_sample(struct ps_daemon *d);

/* ---- service_status.c --------------------------------------------------- */

extern const struct ps_method ps_service_methods[];
Ps__ServiceStatus__State ps_service_state(const struct ps_daemon *d);
/* Calls sample() and publishes the heartbeat. */
void ps_service_heartbeat(struct ps_daemon *d);
void ps_service_print_capabilities(struct ps_daemon *d);
/* 0 when every capability is there, else 1. */
int ps_service_selftest_result(const struct ps_daemon *d);
void ps_service_status_free(struct ps_daemon *d);

/* ---- service_audit.c ---------------------------------------------------- */

extern const struct ps_method ps_service_audit_methods[];
/* Needs the bus. A log that cannot be opened is said, and no error. */
int ps_service_audit_open(struct ps_daemon *d);
/* Sets its losses. */
void ps_service_audit_sample(struct ps_daemon *d);

/* ---- service_announce.c ------------------------------------------------- */

struct ps_announcer;

/* Needs the bus, rep_url and pub_url. */
int ps_announcer_new(struct ps_daemon *d, struct ps_announcer **ret_announcer);
void ps_announcer_free(struct ps_announcer **announcer);

/* ---- service_place.c ---------------------------------------------------- */

/* "locator" for slot 1, "locator-2". */
void ps_service_slot_name(const char *service, unsigned int slot, char *text,
                          size_t size);

/*
 * -EEXIST: another process holds it; ret_pid is 0 where it cannot be read. Of
 * one that is dying it is waited for, up to 3 s.
 */
int ps_service_lock(struct ps_daemon *d, unsigned int slot, int *ret_pid);
/* The lowest slot from `first` on that nobody holds. */
int ps_service_lock_free(struct ps_daemon *d, unsigned int first, int *ret_pid);
/* The name of this instance: that given, with -k in slot k > 1. */
void ps_service_name_instance(struct ps_daemon *d);

/* ---- service_standby.c -------------------------------------------------- */

/*
 * Waits until slot 1, which process `holder` has, is ours. Before open(), on
 * the loop. -ECANCELED: asked to end.
 */
int ps_service_stand_by(struct ps_daemon *d, int holder);
/* The bus, start() and the first heartbeat; service.c. */
int ps_service_join_bus(struct ps_daemon *d);

/* ---- service_health.c --------------------------------------------------- */

/* Prints how the one that runs here is; 0: well. */
int ps_service_healthcheck(struct ps_daemon *d);

/* ---- service_priv.c ----------------------------------------------------- */

/*
 * A container's root that may not touch another's files (no DAC_OVERRIDE)
 * becomes the user before it makes any, and keeps its capabilities for open().
 * Anybody else stays who it is.
 */
int ps_service_become_first(struct ps_daemon *d);

/* mkdir -p with mode 0750 for what it makes; gives it to the user. */
int ps_service_make_dirs(struct ps_daemon *d);
/*
 * Gives this daemon's files to the user, becomes it, keeps keep_caps, sets
 * no-new-privs and the seccomp filter. Without root it stays who it is.
 */
int ps_service_drop(struct ps_daemon *d);
/* Names of the effective capabilities; the array and texts are the caller's. */
int ps_service_privileges(char ***ret_names, size_t *ret_n);

/* ---- service_seccomp.c -------------------------------------------------- */

/* What is done about a call that is not allowed: "enforce", "abort", "log".
 * -EINVAL: no such mode. */
int ps_service_seccomp_mode(const char *name, uint32_t *ret_action);
/*
 * From here on this thread and those it makes may only do what every daemon
 * does, and what is in own (names ended by NULL; may be NULL). For good.
 */
int ps_service_seccomp(const char *const *own, uint32_t action);

#endif
