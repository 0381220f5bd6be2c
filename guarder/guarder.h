/* SPDX-License-Identifier: MIT */
/* The daemon's state, shared by its life (guarder.c) and its methods (api.c).
 */
#ifndef PS_GUARDER_GUARDER_H
#define PS_GUARDER_GUARDER_H

#include "common/service.h"
#include "guarder/attach.h"
#include "guarder/kernel.h"
#include "guarder/ruleset.h"
#include "guarder/watch.h"

struct ps_guarder_config {
    struct ps_strlist interfaces;
    uint64_t checkpoint_ns;
    bool flush; /* handled before the service starts; here for --help */
};

struct ps_guarder {
    struct ps_daemon *daemon;               /* borrowed */
    const struct ps_guarder_config *config; /* borrowed */
    struct ps_pins pins;
    struct ps_store *store;
    struct ps_kernel *kernel; /* NULL: XDP programs cannot be loaded */
    char no_kernel[256];      /* why */
    struct ps_ruleset *set;
    struct ps_links *links;
    struct ps_attachments *attachments; /* NULL without kernel */
    struct ps_watch *watch;             /* the same */
    struct ps_gd_set *compiled;         /* buffer */
    struct ps_gd_count *hits;           /* buffer, PS_GD_SLOTS */
    struct event *links_changed, *settle, *retry;
    int watch_fd;
    uint64_t last_checkpoint_ns;
    uint64_t checkpoint_failures, apply_failures;
    int pin_error; /* 0, or why what is in force ends with us */
};

extern const struct ps_option ps_guarder_options[];
extern const struct ps_method ps_guarder_methods[];

/* ps-guarder --flush: 0; 1 failed; 2 wrong usage; 3 a guarder runs. */
int ps_guarder_flush(int argc, char **argv);

int ps_guarder_open(struct ps_daemon *d, void *config, void **ret_state);
int ps_guarder_start(struct ps_daemon *d, void *state);
void ps_guarder_sample(struct ps_daemon *d, void *state);
void ps_guarder_stop(struct ps_daemon *d, void *state);
void ps_guarder_close(struct ps_daemon *d, void *state);

/*
 * Makes candidate the rules: stored first, then in force; takes it over on
 * success. generation grows by one. A failure before the store has it changes
 * nothing; one after it (-EREMOTEIO) is retried until it is in force.
 */
int ps_guarder_change(struct ps_guarder *g, struct ps_ruleset **candidate);
/* Compiles, swaps, and attaches or takes off. */
int ps_guarder_apply(struct ps_guarder *g);
/* Reads the kernel's counters into g->hits. */
int ps_guarder_read_hits(struct ps_guarder *g);
/* Statistics now; NULL without memory. Freed by free_unpacked. */
Ps__GuarderStats *ps_guarder_stats(struct ps_guarder *g);
void ps_guarder_publish(struct ps_guarder *g);

/* In watch_drops.c. */
void ps_guarder_watch_drops(void *arg, const ProtobufCMessage *msg,
                            struct ps_call *call);

#endif
