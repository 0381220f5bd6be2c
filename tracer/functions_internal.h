/* SPDX-License-Identifier: MIT */
/* Shared by functions.c and functions_attach.c only. */
#ifndef PS_TRACER_FUNCTIONS_INTERNAL_H
#define PS_TRACER_FUNCTIONS_INTERNAL_H

#include "common/bpf.h"
#include "tracer/functions.h"
#include "tracer/functions_find.h"

struct functions_bpf;

enum ps_fn_rung {
    PS_FN_SESSION,
    PS_FN_MULTI,
    PS_FN_SINGLE,
    PS_FN_RUNGS,
};

struct ps_fn_progs {
    int call, ret; /* descriptors; ret -1: the calls' program does both */
    int text;      /* read_text() */
    int probed;    /* the map */
};

#define PS_FN_LINKS 2

/* A setting of the kernel, changed for a moment. */
struct ps_fn_knob {
    int fd;   /* -1: this kernel does not have it, or it cannot be written */
    char was; /* what it is to be again; 0: it is as it was */
};

struct ps_functions {
    struct functions_bpf *skel;
    struct ring_buffer *ring;
    enum ps_fn_rung rung;
    struct ps_fn_list list;
    struct ps_fn_progs progs;
    int links[PS_FN_LINKS]; /* fprobe */
    int *probes;            /* single: one for each function, -1: none */
    size_t next;            /* of the list, to be attached */
    size_t attached, refused;
    int pmu; /* type of the kprobe PMU */
    struct ps_fn_knob rcu, optimize;
    const uint8_t *text; /* what read_text() read */
    ps_functions_fn fn;
    void *arg;
};

/* ---- functions_attach.c ------------------------------------------------- */

/* Everything that is needed beside the programs; before privileges go. */
int ps_fn_attach_init(struct ps_functions *f);
void ps_fn_attach_exit(struct ps_functions *f);
/* Attaches one function and takes it off again. */
int ps_fn_try(struct ps_functions *f);

#endif
