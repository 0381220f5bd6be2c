/* SPDX-License-Identifier: MIT */
/* Shared by probes*.c only. */
#ifndef PS_TRACER_PROBES_INTERNAL_H
#define PS_TRACER_PROBES_INTERNAL_H

#include "common/bpf.h"
#include "tracer/netns_enter.h"
#include "tracer/probes.h"

struct tracer_bpf;
struct tracer_plain_bpf;

/* A tracepoint: its programs are named "btf_" and "raw_" + suffix. */
struct ps_probe_point {
    uint8_t station;
    const char *tracepoint;
    const char *suffix;
    /* Only where the tracepoint has so many arguments; 0: does not matter. */
    int min_args, max_args;
};

/* In the order of attaching: net_dev_xmit before net_dev_start_xmit, which
 * leaves it something to take away. */
extern const struct ps_probe_point ps_probe_points[];
extern const size_t ps_probe_points_n;

/* Of the loaded object: variables of its programs. */
struct ps_probe_vars {
    struct ps_tracer_filters *tracing;
    uint32_t *stack_traces, *snap_bytes, *throttle, *live_used;
    uint64_t *since, *live_evicted;
    uint32_t *have_aliases;
    uint64_t *aliases_full;
    int counts_fd, aliases_fd;
};

struct ps_probes {
    struct tracer_bpf *skel; /* with expressions; or else: */
    struct tracer_plain_bpf *plain;
    struct bpf_object *obj; /* the skeleton's */
    struct ps_probe_vars vars;
    struct ring_buffer *ring;
    uint32_t ring_bytes;
    const char *tier;
    struct bpf_program *points[PS_PROBES_MAX]; /* NULL: not loaded */
    struct bpf_program *netfilter, *ingress, *egress;
    struct bpf_program *tcx_ingress, *tcx_egress;
    char not_loaded[PS_PROBES_MAX][96]; /* why */
    char no_netfilter[96], no_cgroup[96];
    struct bpf_link **links;
    size_t n_links, max_links;
    struct ps_probe_state states[PS_PROBES_MAX];
    size_t n_states, n_tcx;
    bool everywhere;         /* not only a trial */
    uint64_t attach_mono_ns; /* when attaching began */
    ps_probes_fn fn;
    void *arg;
    uint32_t consumed; /* since ps_probes_consume() was called */
    bool exprs;
    struct ps_places places;
    struct ps_probe_wish wishes[PS_TRACER_MAX_TRACES];
    /* Of each point when the slot's filter was set. */
    uint64_t missed_before[PS_TRACER_MAX_TRACES][PS_PROBES_MAX];
};

#endif
