/* SPDX-License-Identifier: MIT */
/* The daemon's state and who does what; see docs/architecture.md. */
#ifndef PS_TRACER_TRACER_H
#define PS_TRACER_TRACER_H

#include "common/service.h"
#include "tracer/budget.h"
#include "tracer/calls.h"
#include "tracer/carry.h"
#include "tracer/convert.h"
#include "tracer/expedite.h"
#include "tracer/functions.h"
#include "tracer/guard.h"
#include "tracer/history.h"
#include "tracer/join.h"
#include "tracer/keep.h"
#include "tracer/learn.h"
#include "tracer/nft.h"
#include "tracer/oncall.h"
#include "tracer/ownerprobe.h"
#include "tracer/probes.h"
#include "tracer/sockcalls.h"
#include "tracer/sockscan.h"
#include "tracer/waiting.h"

#define PS_TRACE_ID              20
#define PS_TRACE_DEFAULT_PACKETS 1000u
#define PS_TRACE_DEFAULT_NS      (60 * PS_NS_PER_S)
#define PS_TRACE_MAX_NS          (3600 * PS_NS_PER_S)
#define PS_TRACE_DEFAULT_SNAPLEN 128u
#define PS_TRACE_COMMENT         256
/* Graphs that are made at a time. */
#define PS_TRACER_GRAPHS 4
/* Daemons whose alerts are listened for. */
#define PS_TRACER_LISTENS 2

struct tracer_config {
    uint64_t history_max;
    uint64_t ring_size;
    struct ps_strlist on_alert;
    uint64_t cpu_budget; /* percent of one core */
};

enum ps_trace_phase {
    PS_TRACE_FREE,
    PS_TRACE_RUNNING,
    /* Switched off; programs that were running end within moments. */
    PS_TRACE_ENDING,
    /* Its last ways go to the history. */
    PS_TRACE_SAVING,
    /* The disk refused; tried again as long as its place is not needed. */
    PS_TRACE_UNSAVED,
};

struct ps_trace {
    enum ps_trace_phase phase;
    uint64_t since; /* of the phase; CLOCK_MONOTONIC, as the next */
    uint64_t deadline;
    const char *end_reason;
    bool discard;   /* deleted while it ran */
    Ps__Trace *msg; /* what was asked for and how it began */
    struct ps_join *join;
    struct ps_keep keep;
    struct ps_calls *calls;         /* NULL: not of the function tier */
    struct ps_sockcalls *sockcalls; /* NULL: not asked for */
    uint64_t untold;                /* ps_functions_untold(), last seen */
    uint64_t missed_before;         /* ps_functions_missed() at its start */
    struct ps_carry *carry;
    struct ps_rules *rules; /* that dropped packets of it */
    struct ps_probe_wish wish;
    uint64_t delivered[PS_ST_MAX]; /* events, by station */
    uint32_t throttle;             /* the most that it was */
    uint64_t cpu_before;           /* budget's, at its start */
    struct ps_filter *filter;      /* in force */
    uint32_t select_next;          /* see ps_select_tick() */
    uint64_t changed; /* when it came into force; CLOCK_MONOTONIC */
    /* All hits when they were last looked at, and then; and since when there
     * were so many. See ps_account_is_quiet(). */
    uint64_t hits, looked, quiet;
    uint64_t started; /* CLOCK_MONOTONIC */
    /* Steps of it were lost; when that was looked at. See drops.c. */
    bool lossy;
    uint64_t loss_looked;
    uint64_t told;   /* drops that the guarder told of */
    uint64_t unread; /* tables of connections; see ps_aliases_left */
};

struct tracer {
    struct ps_daemon *daemon;
    struct tracer_config *config;
    struct ps_sockscan *scan;         /* NULL: this kernel refuses it */
    struct ps_probes *probes;         /* NULL: the same */
    struct ps_ownerprobe *ownerprobe; /* NULL: the same */
    struct ps_owners *owners;
    uint64_t next_look;              /* at open files, for owners */
    uint64_t next_renewal;           /* of what is attached */
    struct ps_learn learn;           /* sockets that traces ask for */
    struct ps_functions *functions;  /* NULL: the kernel has no such tier */
    struct ps_expedite *expedite;    /* while something is attached */
    struct ps_ksyms *ksyms;          /* NULL: not readable */
    struct ps_drop_reasons *reasons; /* NULL: the kernel has none */
    struct ps_guard *guard;          /* NULL: before the start */
    struct ps_nft *nft;
    struct ps_history *history;
    struct ps_trace traces[PS_TRACER_MAX_TRACES];
    struct event *tick, *ring;
    bool emptied; /* the ring, by the last tick */
    uint64_t mono_to_unix;
    char no_probes[160], no_sockets[160], no_functions[160];
    /* Since start; of finished traces, and of running ones at their end. */
    uint64_t traces_started, steps, hits;
    /* By station; of the counts recursion_missed is in hits too. */
    struct ps_probe_count probed[PS_ST_MAX];
    uint64_t delivered[PS_ST_MAX];
    uint64_t carry_lost, returns_lost;
    struct ps_budget budget; /* while a trace runs */
    struct ps_waiting waiting;
    bool came;       /* an event, since the last look */
    uint64_t newest; /* time of the event that came last */
    int stats_fd;    /* the kernel counts while it is open; or -1 */
    uint64_t lost[PS_JOIN_RESULTS];
    uint64_t sockets_seen, netns_missed, owners_cut, history_errors;
    uint64_t unsaved; /* traces given up */
    struct ps_oncall *oncall;
    struct ps_sub *listens[PS_TRACER_LISTENS];
    uint64_t alerts_untraced;
    struct ps_graph_job *graphs[PS_TRACER_GRAPHS];
    /* Ways told live: how many more may be, since when, and how many were not.
     */
    uint64_t live_left, live_ns, live_left_out;
};

extern const struct ps_service ps_tracer_service;
extern const struct ps_method ps_tracer_methods[];

/* ---- traces.c ----------------------------------------------------------- */

/*
 * Starts a trace; takes msg (id, filter, limits, comment are set here or by
 * the caller). -EBUSY: as many run as can; -EOPNOTSUPP: no probes;
 * otherwise -errno of attaching or of the history.
 */
int ps_traces_start(struct tracer *t, Ps__Trace *msg,
                    const struct ps_filter *filter);
/*
 * Gives a running trace another filter, of which asked is the text: from now
 * on packets that match it are followed, and those that are followed already.
 * 0 or -ENOMEM.
 */
int ps_traces_change(struct tracer *t, struct ps_trace *trace,
                     const Ps__TraceFilter *asked,
                     const struct ps_filter *filter);
/* NULL: no such trace runs. */
struct ps_trace *ps_traces_find(struct tracer *t, const char *id);
/* Ends without keeping anything. */
void ps_traces_discard(struct tracer *t, struct ps_trace *trace);
/* A new message: the trace as it is now. NULL without memory. In account.c. */
Ps__Trace *ps_traces_describe(struct tracer *t, const struct ps_trace *trace);
/* All that run end now with this reason, and are kept. */
void ps_traces_end_all(struct tracer *t, const char *reason);
/* Every few milliseconds while one runs: empties the ring, ends what is to
 * end. arg is the tracer. */
void ps_traces_tick(evutil_socket_t fd, short what, void *arg);
/* The same where so much lies in the ring that it cannot wait: only that. */
void ps_traces_ring(evutil_socket_t fd, short what, void *arg);
/* Takes in what the programs have told so far; false: not all of it. */
bool ps_traces_consume(struct tracer *t);
size_t ps_traces_running(const struct tracer *t);
/* trace: NULL where no calls are asked for. */
void ps_tracer_names(const struct tracer *t, const struct ps_trace *trace,
                     struct ps_names *ret_names);

/* ---- traces_attach.c ---------------------------------------------------- */

/* Everything that the kernel takes, where nothing is; else what came since.
 * -errno where nothing could be. */
int ps_traces_attach(struct tracer *t);
/* Every few milliseconds while one runs: follows namespaces and interfaces that
 * come and go; takes off what a busy host need not pay for while nothing comes,
 * and attaches it again (waiting.h). */
void ps_traces_renew(struct tracer *t, uint64_t now);
/* For one that begins to run now. */
void ps_traces_await(struct tracer *t);
void ps_traces_detach(struct tracer *t);
/* What is attached, into the trace's stations. */
int ps_traces_stations(const struct tracer *t, Ps__Trace *msg);

/* ---- drops.c ------------------------------------------------------------ */

/* Joins the event; where it is a drop by nftables, with its rule. */
void ps_drops_join(struct tracer *t, struct ps_trace *trace,
                   const struct ps_tracer_event *event);

/* ---- traces_functions.c -------------------------------------------------- */

/* Nothing where the trace is not of the function tier. */
int ps_traces_functions_start(struct tracer *t, struct ps_trace *trace,
                              const struct ps_filter *filter);
void ps_traces_functions_change(struct tracer *t, const struct ps_trace *trace,
                                const struct ps_filter *filter);
void ps_traces_functions_clear(struct tracer *t, const struct ps_trace *trace);
/* Nothing more comes. */
void ps_traces_functions_finish(struct ps_trace *trace);
/* What was told up to this time (CLOCK_MONOTONIC). False: not all of it. */
bool ps_traces_functions_consume(struct tracer *t, uint64_t until);
/* Whether a trace asks for functions; not one that is only not stored yet. */
bool ps_traces_functions_wanted(const struct tracer *t);
/* Puts more probes, or takes all off where no trace is of that tier. */
void ps_traces_functions_tick(struct tracer *t);
/* Whether all have their probe, or none is asked for. */
bool ps_traces_functions_all(const struct tracer *t);
/* None has, while traces wait; and all again. came: a packet did. */
void ps_traces_functions_rest(struct tracer *t);
void ps_traces_functions_resume(struct tracer *t, bool came);
uint64_t ps_traces_functions_count(const struct tracer *t,
                                   const struct ps_trace *trace,
                                   enum ps_join_result result);
void ps_traces_functions_hits(const struct tracer *t,
                              const struct ps_trace *trace,
                              struct ps_fn_count *ret_count);
/* Calls that the kernel left out while it runs. */
uint64_t ps_traces_functions_missed(const struct tracer *t,
                                    const struct ps_trace *trace);
/* The tier among a trace's stations, as it is now. */
int ps_traces_functions_state(const struct tracer *t, Ps__Capability *s);
unsigned int ps_trace_slot(const struct tracer *t,
                           const struct ps_trace *trace);

/* ---- account.c ---------------------------------------------------------- */

/* A trace has begun; adds up when it has ended. */
void ps_account_start(struct tracer *t, struct ps_trace *trace);
void ps_account_add_up(struct tracer *t, const struct ps_trace *trace);
/*
 * Whether nothing was hit for two seconds. So long a trace that has all its
 * packets goes on, for what it was asked about is counted to its end.
 */
bool ps_account_is_quiet(struct tracer *t, struct ps_trace *trace,
                         uint64_t now);
/* Every few milliseconds while one runs; and when none runs any more. */
void ps_account_tick(struct tracer *t, uint64_t now);
void ps_account_rest(struct tracer *t);
/* Counters by probe, as metrics and losses. */
void ps_account_sample(struct tracer *t);

/* ---- select.c ------------------------------------------------------------ */

/* Lists those packets that turned out to be what the filter asks for, and
 * forgets the others; all: also those of which it is not certain yet. */
void ps_select_tick(struct tracer *t, struct ps_trace *trace, bool all,
                    uint64_t now);

/* ---- traces_save.c ------------------------------------------------------ */

/* Of a trace in SAVING or UNSAVED: some more of its ways; after the last the
 * trace itself, and its slot is free. */
void ps_traces_save(struct tracer *t, struct ps_trace *trace, uint64_t now);
/* Its slot is free. */
void ps_traces_free(struct ps_trace *trace);
/*
 * A slot for the trace that msg describes, with its id. Where all are taken,
 * the trace that waits for room on the disk longest gives its own up, but only
 * for one that the history took. -EBUSY: all run; else what the history said.
 */
int ps_traces_place(struct tracer *t, const Ps__Trace *msg,
                    struct ps_trace **ret_trace);

/* ---- load.c ------------------------------------------------------------- */

/*
 * What this kernel gives of symbols, types and reasons, and takes of programs:
 * of what it does not, the place in t is NULL. Things that share nothing are
 * done side by side. ret_kernel: as ps_bpf_kernel_types(), the caller's; may be
 * NULL. 0 or -ENOMEM. Privileged.
 */
int ps_tracer_load(struct tracer *t, struct btf **ret_kernel);

/* ---- ownership.c: owners of the packets' sockets ------------------------ */

/* What fails is a capability that is missing. Privileged. */
int ps_ownership_open(struct tracer *t);
void ps_ownership_close(struct tracer *t);
/* While traces run: binds sockets to tasks, and keeps what it found. */
void ps_ownership_start(struct tracer *t);
/* No packet is looked at any more; what is known stays until forget. */
void ps_ownership_end(struct tracer *t);
void ps_ownership_forget(struct tracer *t);
void ps_ownership_note(struct tracer *t, const struct ps_tracer_event *event);
/* Finds owners of what was noted; last: a trace is about to be written. */
void ps_ownership_tick(struct tracer *t, bool last);

/* ---- oncall_listen.c ---------------------------------------------------- */

/* -EINVAL: the option does not fit; it has been logged. */
int ps_tracer_oncall_open(struct tracer *t);
int ps_tracer_oncall_start(struct tracer *t);
void ps_tracer_oncall_stop(struct tracer *t);
/* Events that were lost on their way here. */
uint64_t ps_tracer_oncall_missed(const struct tracer *t);

/* ---- methods ------------------------------------------------------------ */

void ps_tracer_list_sockets(void *arg, const ProtobufCMessage *msg,
                            struct ps_call *call);
void ps_tracer_create_trace(void *arg, const ProtobufCMessage *msg,
                            struct ps_call *call);
void ps_tracer_set_filter(void *arg, const ProtobufCMessage *msg,
                          struct ps_call *call);
void ps_tracer_list_traces(void *arg, const ProtobufCMessage *msg,
                           struct ps_call *call);
void ps_tracer_get_trace(void *arg, const ProtobufCMessage *msg,
                         struct ps_call *call);
void ps_tracer_delete_trace(void *arg, const ProtobufCMessage *msg,
                            struct ps_call *call);
void ps_tracer_list_packets(void *arg, const ProtobufCMessage *msg,
                            struct ps_call *call);
void ps_tracer_find_packets(void *arg, const ProtobufCMessage *msg,
                            struct ps_call *call);
void ps_tracer_export(void *arg, const ProtobufCMessage *msg,
                      struct ps_call *call);
void ps_tracer_get_graph(void *arg, const ProtobufCMessage *msg,
                         struct ps_call *call);
/* Those that are being made end with an error. */
void ps_tracer_graphs_cancel(struct tracer *t);
/* Starts a trace for an alert; its id into `id`. -errno of ps_traces_start(),
 * -EINVAL: the filter does not fit. */
int ps_tracer_start_alerted(struct tracer *t, const Ps__CreateTraceRequest *req,
                            const char *alert, char id[PS_TRACE_ID]);
/* A call that could not read trace `id`. */
void ps_tracer_fail_read(struct ps_call *call, const char *id, int err);

#endif
