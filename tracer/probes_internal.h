/* SPDX-License-Identifier: MIT */
/* Shared by probes*.c only. */
#ifndef PS_TRACER_PROBES_INTERNAL_H
#define PS_TRACER_PROBES_INTERNAL_H

#include <netinet/in.h>

#include <linux/netfilter.h>

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

/* Programs of a family's hooks in a network namespace. */
#define PS_PROBES_HOOKS ((size_t)2 * NF_INET_NUMHOOKS)
/* Of these the one that is there also while all else waits: behind it a local
 * packet may get another tuple. */
#define PS_PROBES_ENTRY NF_INET_LOCAL_OUT
/* It was not tried yet; else 0 or -errno. */
#define PS_PROBES_PENDING 1

struct ps_probe_netns {
    uint32_t inum;
    char path[128]; /* that leads there, when it was seen last */
    bool listed;    /* by the newest look */
    uint8_t absent; /* in so many looks, one after the other */
    int entered;    /* 0, or -errno of the newest look */
    int hooks;      /* PS_PROBES_PENDING, 0 or -errno */
    int more;       /* -ENOSPC: it has more interfaces than are watched */
    struct bpf_link *links[PS_PROBES_HOOKS];
};

struct ps_probe_device {
    uint32_t netns, ifindex;
    bool listed;
    int err;                   /* PS_PROBES_PENDING, 0 or -errno */
    struct bpf_link *links[2]; /* what it receives, what it sends */
};

struct ps_probes {
    struct tracer_bpf *skel; /* with expressions; or else: */
    struct tracer_plain_bpf *plain;
    struct bpf_object *obj; /* the skeleton's */
    struct ps_probe_vars vars;
    struct ring_buffer *ring;
    const char *tier;
    struct bpf_program *points[PS_PROBES_MAX]; /* NULL: not loaded */
    struct bpf_program *netfilter, *ingress, *egress;
    struct bpf_program *tcx_ingress, *tcx_egress;
    char not_loaded[PS_PROBES_MAX][96]; /* why */
    char no_netfilter[96], no_cgroup[96];
    struct bpf_link **links;
    size_t n_links, max_links;
    size_t
        n_entries; /* of the links, the first: ps_probes_wait() leaves them */
    struct ps_probe_state states[PS_PROBES_MAX];
    size_t n_states;
    bool attached, everywhere; /* everywhere: not only a trial */
    bool waiting;              /* see ps_probes_wait() */
    /* probes_look.c's: what has programs of its own. */
    struct ps_probe_netns netns[PS_PROBES_MAX_NETNS];
    struct ps_probe_device devices[PS_PROBES_MAX_DEVICES];
    size_t n_netns, n_devices;
    size_t all_netns; /* of the host, at the newest look */
    int look_err;     /* its error */
    ps_probes_fn fn;
    void *arg;
    uint32_t consumed; /* since ps_probes_consume() was called */
    bool exprs;
    struct ps_places places;
    struct ps_probe_wish wishes[PS_TRACER_MAX_TRACES];
    /* Of each point when the slot's filter was set. */
    uint64_t missed_before[PS_TRACER_MAX_TRACES][PS_PROBES_MAX];
};

void ps_probes_set_state(struct ps_probes *p, const char *id, const char *tier,
                         int err, const char *reason);

/* ---- probes_look.c: network namespaces and interfaces -------------------- */

/* Which there are now. How many are to be attached or left; none where that
 * could not be seen. */
size_t ps_probes_look_places(struct ps_probes *p);
bool ps_probes_has_tcx(const struct ps_probes *p);
/* They are there, and nothing was tried yet. */
bool ps_probes_hooks_wait(const struct ps_probes *p,
                          const struct ps_probe_netns *ns);
bool ps_probes_device_waits(const struct ps_probes *p,
                            const struct ps_probe_device *d);
/* As ps_netns_enter(). */
int ps_probes_enter(struct ps_netns_visit *visit,
                    const struct ps_probe_netns *ns);
void ps_probes_leave_links(struct bpf_link **links, size_t n);
/* Gives back what went; or all. */
void ps_probes_leave_gone(struct ps_probes *p);
void ps_probes_leave_places(struct ps_probes *p);
/* Gives back all but the entries; the rest is as if it was not tried yet. */
void ps_probes_thin_places(struct ps_probes *p);
bool ps_probes_any_place(const struct ps_probes *p);

/* ---- probes_places.c ----------------------------------------------------- */

/* Gives back what went, attaches what came, for so long, one at least; and says
 * in the states what there is. */
void ps_probes_attach_places(struct ps_probes *p, uint64_t max_ns);

#endif
