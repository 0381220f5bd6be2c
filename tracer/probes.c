/* SPDX-License-Identifier: MIT */
#include <sys/resource.h>

#include "tracer/probes_internal.h"
#include "tracer/station.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#include "tracer.skel.h"
#include "tracer_plain.skel.h"
#pragma GCC diagnostic pop

/* One descriptor for each link, and the daemon's own. */
#define WANTED_FILES 4096

const struct ps_probe_point ps_probe_points[] = {
    {PS_ST_NET_DEV_QUEUE, "net_dev_queue", "net_dev_queue", 0, 0},
    {PS_ST_QDISC_ENQUEUE, "qdisc_enqueue", "qdisc_enqueue", 0, 0},
    {PS_ST_QDISC_DEQUEUE, "qdisc_dequeue", "qdisc_dequeue", 0, 0},
    {PS_ST_NET_DEV_XMIT, "net_dev_xmit", "net_dev_xmit", 0, 0},
    {PS_ST_NET_DEV_START_XMIT, "net_dev_start_xmit", "net_dev_start_xmit", 0,
     0},
    {PS_ST_NETIF_RX, "netif_rx", "netif_rx", 0, 0},
    {PS_ST_NAPI_GRO_RECEIVE, "napi_gro_receive_entry", "napi_gro_receive_entry",
     0, 0},
    {PS_ST_NETIF_RECEIVE_SKB, "netif_receive_skb", "netif_receive_skb", 0, 0},
    {PS_ST_TCP_PROBE, "tcp_probe", "tcp_probe", 0, 0},
    {PS_ST_COPY_DATAGRAM, "skb_copy_datagram_iovec", "skb_copy_datagram_iovec",
     0, 0},
    {PS_ST_SOCK_SEND, "sock_send_length", "sock_send_length", 0, 0},
    {PS_ST_SOCK_RECV, "sock_recv_length", "sock_recv_length", 0, 0},
    {PS_ST_KFREE_SKB, "kfree_skb", "kfree_skb2", 2, 2},
    {PS_ST_KFREE_SKB, "kfree_skb", "kfree_skb3", 3, 9},
    {PS_ST_CONSUME_SKB, "consume_skb", "consume_skb1", 1, 1},
    {PS_ST_CONSUME_SKB, "consume_skb", "consume_skb2", 2, 9},
};
const size_t ps_probe_points_n = ARRAY_SIZE(ps_probe_points);

struct rung {
    const char *tier;
    const char *prefix;
    bool netfilter, cgroup;
};

/* The best first; a kernel without BTF for a group skips its rungs. */
static const struct rung ladder[] = {
    {"tp_btf", "btf_", true, true},  {"tp_btf", "btf_", true, false},
    {"tp_btf", "btf_", false, true}, {"tp_btf", "btf_", false, false},
    {"raw_tp", "raw_", true, true},  {"raw_tp", "raw_", false, false},
};

static const char no_hook[] = "this kernel has no such hook";

/* ---- load --------------------------------------------------------------- */

static bool args_fit(const struct ps_probe_point *point, int args)
{
    return args >= 0 && (!point->max_args ||
                         (args >= point->min_args && args <= point->max_args));
}

static void choose_points(struct ps_probes *p, const struct rung *rung,
                          const int *args)
{
    char name[64];

    for (size_t i = 0; i < ps_probe_points_n; i++) {
        p->points[i] = NULL;
        snprintf(p->not_loaded[i], sizeof(p->not_loaded[i]), "%s", no_hook);
        if (!args_fit(&ps_probe_points[i], args[i]))
            continue;
        snprintf(name, sizeof(name), "%s%s", rung->prefix,
                 ps_probe_points[i].suffix);
        p->points[i] = bpf_object__find_program_by_name(p->obj, name);
        if (p->points[i])
            bpf_program__set_autoload(p->points[i], true);
    }
}

/* Both skeletons have the same variables. */
#define SET_CONSTANTS(rodata, p, rung)                                        \
    do {                                                                      \
        memcpy((void *)&(rodata)->places, &(p)->places, sizeof((p)->places)); \
        (rodata)->without_hooks = !(rung)->netfilter;                         \
    } while (0)

static uint32_t *wake_bytes(struct ps_probes *p)
{
    return (uint32_t *)(p->skel ? &p->skel->rodata->wake_bytes
                                : &p->plain->rodata->wake_bytes);
}

static int open_object(struct ps_probes *p, const struct rung *rung)
{
    if (p->exprs)
        p->skel = tracer_bpf__open();
    else
        p->plain = tracer_plain_bpf__open();
    if (!p->skel && !p->plain)
        return -errno;
    p->obj = p->skel ? p->skel->obj : p->plain->obj;
    if (p->skel)
        SET_CONSTANTS(p->skel->rodata, p, rung);
    else
        SET_CONSTANTS(p->plain->rodata, p, rung);
    return 0;
}

static void close_object(struct ps_probes *p)
{
    tracer_bpf__destroy(p->skel);
    tracer_plain_bpf__destroy(p->plain);
    p->skel = NULL;
    p->plain = NULL;
    p->obj = NULL;
}

static struct bpf_program *choose(struct ps_probes *p, const char *name,
                                  bool wanted)
{
    struct bpf_program *prog = bpf_object__find_program_by_name(p->obj, name);

    if (!prog || !wanted)
        return NULL;
    bpf_program__set_autoload(prog, true);
    return prog;
}

/* fd: another object's map of this name, or negative. */
static int share(struct ps_probes *p, const char *name, int fd)
{
    struct bpf_map *map = bpf_object__find_map_by_name(p->obj, name);

    return fd < 0 || !map ? 0 : bpf_map__reuse_fd(map, fd);
}

static int set_maps(struct ps_probes *p, const struct ps_probe_needs *needs)
{
    struct bpf_map *ring = bpf_object__find_map_by_name(p->obj, "events");
    int r = ring ? bpf_map__set_max_entries(ring, needs->ring_bytes) : -ENOENT;

    if (r == 0)
        r = share(p, "learned_socks", needs->learned_fd);
    if (r == 0)
        r = share(p, "owners", needs->owners_fd);
    if (r == 0)
        *wake_bytes(p) = bpf_map__max_entries(ring) / PS_TRACER_RING_WAKES;
    return r;
}

static int try_rung(struct ps_probes *p, const struct rung *rung,
                    const struct ps_probe_needs *needs, const int *args)
{
    struct bpf_program *prog;
    int r = open_object(p, rung);

    if (r < 0)
        return r;
    bpf_object__for_each_program(prog, p->obj)
        bpf_program__set_autoload(prog, false);
    r = set_maps(p, needs);
    choose_points(p, rung, args);
    p->netfilter = choose(p, "nf", rung->netfilter);
    p->ingress = choose(p, "cgroup_ingress", rung->cgroup);
    p->egress = choose(p, "cgroup_egress", rung->cgroup);
    p->tcx_ingress = choose(p, "tcx_ingress", rung->cgroup);
    p->tcx_egress = choose(p, "tcx_egress", rung->cgroup);
    if (r == 0)
        r = p->skel ? tracer_bpf__load(p->skel)
                    : tracer_plain_bpf__load(p->plain);
    if (r < 0) {
        close_object(p);
        return r;
    }
    p->tier = rung->tier;
    return 0;
}

static int climb(struct ps_probes *p, const struct ps_probe_needs *needs)
{
    const struct btf *kernel = needs->kernel;
    bool has_netfilter = ps_bpf_has_type(kernel, "bpf_nf_ctx");
    bool has_cast = ps_bpf_has_type(kernel, "bpf_cast_to_kern_ctx");
    int args[PS_PROBES_MAX], r = -ENOENT, first = 0;

    for (size_t i = 0; i < ps_probe_points_n; i++)
        args[i] =
            i && !strcmp(ps_probe_points[i].tracepoint,
                         ps_probe_points[i - 1].tracepoint)
                ? args[i - 1]
                : ps_bpf_tracepoint_args(kernel, ps_probe_points[i].tracepoint);
    for (size_t i = 0; i < ARRAY_SIZE(ladder); i++) {
        const struct rung *rung = &ladder[i];

        if ((rung->netfilter && !has_netfilter) || (rung->cgroup && !has_cast))
            continue;
        r = try_rung(p, rung, needs, args);
        if (r == 0)
            break;
        first = first ? first : r;
    }
    if (r < 0)
        return first ? first : r;
    snprintf(p->no_netfilter, sizeof(p->no_netfilter), "%s",
             has_netfilter ? ps_bpf_reason(first) : no_hook);
    snprintf(p->no_cgroup, sizeof(p->no_cgroup), "%s",
             has_cast ? ps_bpf_reason(first)
                      : "this kernel gives such programs no sk_buff");
    return 0;
}

static void raise_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= WANTED_FILES)
        return;
    limit.rlim_cur = limit.rlim_max < WANTED_FILES ? limit.rlim_max
                                                   : WANTED_FILES;
    setrlimit(RLIMIT_NOFILE, &limit);
}

bool ps_probes_record(const void *data, size_t size,
                      struct ps_tracer_event *ret_event,
                      struct ps_event_more *ret_more)
{
    const size_t stack = PS_TRACER_STACK_FRAMES * sizeof(uint64_t);
    const uint8_t *at = data;
    size_t left;

    if (size < sizeof(*ret_event))
        return false;
    memcpy(ret_event, data, sizeof(*ret_event));
    *ret_more = (struct ps_event_more){0};
    left = size - sizeof(*ret_event);
    at += sizeof(*ret_event);
    if (left == stack || left == stack + PS_TRACER_SNAP_SHORT ||
        left == stack + PS_TRACER_SNAP_BYTES) {
        ret_more->stack = (const uint64_t *)data + sizeof(*ret_event) / 8;
        at += stack;
        left -= stack;
    }
    if (left == PS_TRACER_SNAP_SHORT || left == PS_TRACER_SNAP_BYTES)
        ret_more->bytes = at;
    else if (left)
        return false;
    if (!ret_more->stack || ret_event->stack > PS_TRACER_STACK_FRAMES)
        ret_event->stack = 0;
    if (!ret_more->bytes || ret_event->bytes > left)
        ret_event->bytes = 0;
    return true;
}

static int on_sample(void *ctx, void *data, size_t size)
{
    struct ps_probes *p = ctx;
    struct ps_tracer_event event;
    struct ps_event_more more;

    if (ps_probes_record(data, size, &event, &more))
        p->fn(p->arg, &event, &more);
    return ++p->consumed < PS_PROBES_AT_ONCE ? 0 : -EAGAIN;
}

#define VARS(bss)                                         \
    {                                                     \
        .tracing = &(bss)->tracing,                       \
        .stack_traces = (uint32_t *)&(bss)->stack_traces, \
        .snap_bytes = (uint32_t *)&(bss)->snap_bytes,     \
        .throttle = (uint32_t *)&(bss)->throttle,         \
        .live_used = (uint32_t *)&(bss)->live_used,       \
        .since = (uint64_t *)(bss)->since,                \
        .live_evicted = (uint64_t *)&(bss)->live_evicted, \
        .have_aliases = (uint32_t *)&(bss)->have_aliases, \
        .aliases_full = (uint64_t *)&(bss)->aliases_full, \
    }

static void find_vars(struct ps_probes *p)
{
    p->vars = p->skel ? (struct ps_probe_vars)VARS(p->skel->bss)
                      : (struct ps_probe_vars)VARS(p->plain->bss);
    p->vars.aliases_fd = bpf_object__find_map_fd_by_name(p->obj, "aliases");
    p->vars.counts_fd = bpf_object__find_map_fd_by_name(p->obj, "counts");
}

int ps_probes_open(const struct ps_probe_needs *needs,
                   struct ps_probes **ret_probes, char *reason,
                   size_t reason_size)
{
    _cleanup_(ps_probes_free) struct ps_probes *p = NULL;
    int r;

    p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->max_links = ps_probe_points_n + 2;
    p->links = calloc(p->max_links, sizeof(*p->links));
    if (!p->links)
        return -ENOMEM;
    p->exprs = ps_bpf_has_helper(needs->kernel, "BPF_FUNC_loop");
    raise_files();
    ps_ksyms_places(needs->syms, &p->places);
    r = climb(p, needs);
    if (r < 0) {
        snprintf(reason, reason_size, "%s", ps_bpf_reason(r));
        return r;
    }
    find_vars(p);
    p->ring = ring_buffer__new(
        bpf_object__find_map_fd_by_name(p->obj, "events"), on_sample, p, NULL);
    if (!p->ring) {
        r = -errno;
        snprintf(reason, reason_size, "no ring buffer: %s", strerror(-r));
        return r;
    }
    *ret_probes = TAKE_PTR(p);
    return 0;
}

void ps_probes_free(struct ps_probes **probes)
{
    struct ps_probes *p = *probes;

    if (!p)
        return;
    ps_probes_detach(p);
    ring_buffer__free(p->ring);
    close_object(p);
    free(p->links);
    free(p);
    *probes = NULL;
}

uint64_t ps_probes_memory(const struct ps_probes *p)
{
    return ps_bpf_object_memory(p->obj);
}

const char *ps_probes_tier(const struct ps_probes *p)
{
    return p->tier;
}

int ps_probes_consume(struct ps_probes *p, ps_probes_fn fn, void *arg)
{
    int r;

    p->fn = fn;
    p->arg = arg;
    p->consumed = 0;
    r = ring_buffer__consume(p->ring);
    return r == -EAGAIN ? (int)p->consumed : r;
}

int ps_probes_ring_fd(const struct ps_probes *p)
{
    return bpf_object__find_map_fd_by_name(p->obj, "events");
}
