/* SPDX-License-Identifier: MIT */
/*
 * A daemon is a table; this is what runs it.
 *
 * ps_service_main() reads the options, takes the instance lock, calls open()
 * with all privileges (load, attach, open sockets and files), drops them, then
 * makes the bus, calls start() and runs the loop until SIGTERM or SIGINT.
 * Ending: stop listening, answer what is open (at most 5 s), stop(), close().
 *
 * Exit codes: 0 ended well; 1 failed; 2 wrong usage or configuration;
 * 3 another instance holds the place.
 *
 * All functions and callbacks run on the loop's thread.
 */
#ifndef PS_COMMON_SERVICE_H
#define PS_COMMON_SERVICE_H

#include <event2/event.h>

#include "common/audit.h"
#include "common/bus.h"
#include "common/log.h"
#include "common/options.h"
#include "common/store.h"
#include "common/types.h"
#include "common/util.h"

#define PS_SERVICE_MAX_CAPABILITIES 64
#define PS_SERVICE_MAX_LOSSES       128
#define PS_SERVICE_MAX_METRICS      256
#define PS_SERVICE_MAX_INSTANCE     64 /* characters */
/* Replicas of one daemon in one run directory. */
#define PS_SERVICE_SLOTS 16

struct ps_daemon;

/* A flag that prints something in place of a start: "--openapi". */
struct ps_service_print {
    const char *flag; /* NULL ends a table */
    const char *help;
    int (*print)(FILE *out); /* -errno: the program ends with 1 */
};

struct ps_service {
    const char *name;                /* "tracer" */
    const char *summary;             /* first line of --help */
    const struct ps_option *options; /* of the daemon's own; NULL: none */
    size_t config_size;
    const struct ps_service_print *prints; /* NULL: none */
    const struct ps_method *methods;       /* arg is the state; NULL: none */
    /* CAP_* numbers to keep after the drop, ended by -1; NULL: none. */
    const int *keep_caps;
    /* System calls that it makes after the drop beyond those of every daemon
     * (common/service_seccomp.c), by name, ended by NULL; NULL: none. */
    const char *const *syscalls;
    /* One active instance for each run directory; a second leaves (3). The
     * others take the lowest free of PS_SERVICE_SLOTS places. */
    bool single;

    /* Its replicas on a host write one audit log instead of one each. */
    bool audit_shared;

    /* Privileged. May fail softly: ps_capability(…, false, …) and 0. */
    int (*open)(struct ps_daemon *d, void *config, void **ret_state);
    /* Unprivileged, the bus stands. NULL: nothing. */
    int (*start)(struct ps_daemon *d, void *state);
    /* Each second, before the heartbeat, and before metrics are read: set
     * losses, metrics, capabilities. NULL: nothing. */
    void (*sample)(struct ps_daemon *d, void *state);
    /* SIGHUP: read again what can be read again. NULL: ignored. */
    void (*reload)(struct ps_daemon *d, void *state);
    /*
     * Asked every 20 ms while draining: takes no new work, returns how much
     * is open still. The bus's own calls are counted beside. NULL: none.
     */
    size_t (*drain)(struct ps_daemon *d, void *state);
    /* Undo start(); then open(). close() gets NULL never. */
    void (*stop)(struct ps_daemon *d, void *state);
    void (*close)(struct ps_daemon *d, void *state);
};

int ps_service_main(const struct ps_service *service, int argc, char **argv);

struct event_base *ps_daemon_base(struct ps_daemon *d);
struct ps_bus *ps_daemon_bus(struct ps_daemon *d);
const char *ps_daemon_state_dir(struct ps_daemon *d);
const char *ps_daemon_run_dir(struct ps_daemon *d);
const char *ps_daemon_instance(struct ps_daemon *d);
/*
 * The name of this process's own files and sockets: "locator", for the second
 * replica of a run directory "locator-2". A replica that comes back takes the
 * lowest free place, and so finds what was kept there.
 */
const char *ps_daemon_place(struct ps_daemon *d);
/* The own audit log (common/audit.h); NULL: it cannot be written. */
struct ps_audit *ps_daemon_audit(struct ps_daemon *d);
/* Ends the loop with this exit code, as SIGTERM does with 0. */
void ps_daemon_exit(struct ps_daemon *d, int code);
/*
 * All that must be kept is on disk: what is left of the end has 5 s, for NNG
 * 1.5 may wait for ever for a connection that goes while it closes. stop()
 * calls it before it closes a client or a subscription; the rest of the end is
 * bounded by itself.
 */
void ps_daemon_bound_end(struct ps_daemon *d);

/*
 * URL of a peer's socket: option "peers" (name=REP_URL+PUB_URL) where it names
 * it, else ipc:// in the run directory. kind is "rep" or "pub". Owned by the
 * caller.
 */
int ps_daemon_peer_url(struct ps_daemon *d, const char *name, const char *kind,
                       char **ret_url);

/* ---- what a daemon says of itself; texts are copied --------------------- */

/* Sets or replaces. tier, reason, without may be NULL. */
void ps_capability(struct ps_daemon *d, const char *id, bool available,
                   const char *tier, const char *reason, const char *without);
/* Sets the count since start (monotonic). */
void ps_loss(struct ps_daemon *d, const char *id, const char *unit,
             uint64_t count);
/*
 * Sets a metric for /metrics. name without "packetscope_" prefix
 * ("guarder_dropped_packets_total"); label may be NULL.
 */
void ps_metric(struct ps_daemon *d, Ps__Metric__Kind kind, const char *name,
               const char *help, const char *label, const char *label_value,
               double value);
void ps_degraded(struct ps_daemon *d, const char *reason); /* NULL: ready */
void ps_bpf_memory(struct ps_daemon *d, uint64_t bytes);

/* The own status and metrics, as the bus gives them to others: sampled now,
 * borrowed by fn. */
void ps_daemon_status(struct ps_daemon *d,
                      void (*fn)(struct ps_daemon *d,
                                 const ProtobufCMessage *status, void *arg),
                      void *arg);
void ps_daemon_metrics(struct ps_daemon *d,
                       void (*fn)(struct ps_daemon *d,
                                  const ProtobufCMessage *metrics, void *arg),
                       void *arg);

struct ps_event_param {
    const char *name; /* NULL ends */
    const char *value;
};
/* Publishes on topic "event" and logs it. params may be NULL. */
void ps_event(struct ps_daemon *d, Ps__Event__Severity severity, const char *id,
              const struct ps_event_param *params, const char *fmt, ...)
    _printf_(5, 6);
/* Publishes any message; counts failures as loss "publish_failed". */
void ps_publish(struct ps_daemon *d, const char *topic,
                const ProtobufCMessage *msg, bool retain);

/* ---- lists -------------------------------------------------------------- */

/* limit of a request: absent 100, bounded 1..1000; -EINVAL fails the call. */
int ps_list_limit(struct ps_call *call, bool has, uint32_t limit,
                  uint32_t *ret_limit);
/* A cursor is opaque to users: here, the offset of the next entry. */
int ps_list_offset(struct ps_call *call, const char *cursor,
                   size_t *ret_offset);
char *ps_list_cursor(size_t next_offset);

#endif
