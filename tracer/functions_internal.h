/* SPDX-License-Identifier: MIT */
/* Shared by functions.c and functions_attach.c only. */
#ifndef PS_TRACER_FUNCTIONS_INTERNAL_H
#define PS_TRACER_FUNCTIONS_INTERNAL_H

#include "common/bpf.h"
#include "tracer/expedite.h"
#include "tracer/functions.h"
#include "tracer/functions_find.h"

struct functions_bpf;
struct perf_event_attr;
struct ps_fn_events;

enum ps_fn_rung {
    PS_FN_SESSION,
    PS_FN_MULTI,
    PS_FN_SINGLE,
    PS_FN_RUNGS,
};

struct ps_fn_progs {
    int call, ret; /* descriptors; ret -1: the calls' program does both */
    int first;     /* of calls until a packet was wanted; -1: there is none */
    int socket;    /* of calls with a socket alone; -1: there is none */
    int socket_ret;
    int text;   /* read_text() */
    int probed; /* the map */
};

/* Places of links: 0, 1: fprobe's calls; returns, or first. */
#define PS_FN_LINK_SOCKET     2
#define PS_FN_LINK_SOCKET_RET 3
#define PS_FN_LINKS           4
/* Functions whose returns are told by single probes. */
#define PS_FN_TIMED 64

struct ps_functions {
    struct functions_bpf *skel;
    struct ring_buffer *ring;
    enum ps_fn_rung rung;
    struct ps_fn_list list;
    struct ps_fn_progs progs;
    int links[PS_FN_LINKS];
    size_t timed[PS_FN_TIMED], n_timed; /* of the list */
    struct ps_fn_events *events;        /* single; NULL: by `probes` */
    int *probes; /* of the list, then of `timed`; -1: none */
    size_t next; /* of `probes`, to be put */
    size_t attached, refused;
    int pmu; /* type of the kprobe PMU */
    struct ps_expedite *expedite;
    const uint8_t *text; /* what read_text() read */
    struct ps_fn_known *known;
    /* Whether a packet was wanted; whether sessions tell of calls. */
    volatile uint32_t *following;
    volatile uint32_t *sessions;
    bool asked_returns;    /* since the last attach */
    volatile __u64 *since; /* by trace; what is older is not followed */
    ps_functions_fn fn;
    void *arg;
    bool counts_misses; /* the kernel does, of its calls */
    uint64_t missed;    /* of links that are closed */
    uint32_t consumed;  /* since ps_functions_consume() was called */
    uint64_t until;     /* of this consume */
    size_t n_late;      /* bytes of `late`; 0: none */
    /* The record that was too late: the ring has it no more. */
    uint64_t late[(sizeof(struct ps_fn_call) / 8) + PS_FN_FRAMES];
};

/* A record of the ring, which may be anything; ctx: struct ps_functions. */
int ps_fn_sample(void *ctx, void *data, size_t size);

/* ---- functions_missed.c ------------------------------------------------- */

/* Whether the kernel counts the calls that it leaves out. */
bool ps_fn_counts_misses(const struct btf *kernel);
/* If it is there; what it missed is kept. */
void ps_fn_close_link(struct ps_functions *f, size_t place);

/* ---- functions_attach.c ------------------------------------------------- */

/* Everything that is needed beside the programs; before privileges go. */
int ps_fn_attach_init(struct ps_functions *f);
void ps_fn_attach_exit(struct ps_functions *f);
/* Whether the kernel has the rung at all, by a program that does nothing: much
 * cheaper than to load those that do something. */
bool ps_fn_offers(const struct ps_functions *f, enum ps_fn_rung rung);
/* Attaches one function and takes it off again. */
int ps_fn_try(struct ps_functions *f);

/* Functions for a link of fprobe; freed with ps_fn_multi_free(). */
struct ps_fn_multi {
    uint64_t *addrs, *cookies;
    uint32_t n;
};

/* n of the list, from `from` on; what programs are to know of them. */
int ps_fn_multi_make(struct ps_functions *f, size_t from, size_t n,
                     struct ps_fn_multi *ret_multi);
void ps_fn_multi_free(struct ps_fn_multi *multi);
/* Into a free place of the links. */
int ps_fn_multi_put(struct ps_functions *f, size_t place, int prog,
                    uint32_t flags, const struct ps_fn_multi *multi);

/* ---- functions_single.c ------------------------------------------------- */

/* How far behind the begin of a function its probe stands. */
uint32_t ps_fn_skip(const struct ps_functions *f, uint64_t addr);
/* What the programs know of a probe at this address. */
uint32_t ps_fn_cookie(const struct ps_fn *fn, bool returns);
int ps_fn_know(const struct ps_functions *f, uint64_t addr, uint32_t cookie,
               uint64_t flags);
/* Whether calls of timed function i say that their return is told. */
void ps_fn_say_returns(const struct ps_functions *f, size_t i, bool returns);
/* Runs the program of calls, or of returns, at what attr says; a descriptor
 * that ends it when it is closed. */
int ps_fn_run_on(const struct ps_functions *f, struct perf_event_attr *attr,
                 bool ret);

int ps_fn_single_init(struct ps_functions *f);
void ps_fn_single_exit(struct ps_functions *f);
int ps_fn_single_try(struct ps_functions *f);
/* The next ones, until this time; a few always. */
int ps_fn_single_put(struct ps_functions *f, uint64_t end_ns);
bool ps_fn_single_pending(const struct ps_functions *f);
void ps_fn_single_off(struct ps_functions *f);

/* ---- functions_events.c ------------------------------------------------- */

/* With privileges and the programs loaded. -errno: not on this host. */
int ps_fn_events_init(struct ps_functions *f);
void ps_fn_events_exit(struct ps_functions *f);
int ps_fn_events_try(struct ps_functions *f);
int ps_fn_events_put(struct ps_functions *f, uint64_t end_ns);
bool ps_fn_events_pending(const struct ps_functions *f);
void ps_fn_events_off(struct ps_functions *f);

#endif
