/* SPDX-License-Identifier: MIT */
/* The daemon as common/service.h wants it. */
#include <cap-ng.h>

#include "common/bpf.h"
#include "tracer/conntrack.h"
#include "tracer/station.h"
#include "tracer/tracer.h"

static const struct ps_option options[] = {
    {"ring-size", PS_OPT_SIZE, offsetof(struct tracer_config, ring_size), "16M",
     4096, 256u << 20, "SIZE",
     "kernel memory between packets and this daemon, to a power of two"},
    {"history-max", PS_OPT_SIZE, offsetof(struct tracer_config, history_max),
     "64M", 1u << 20, UINT64_C(1) << 40, "SIZE",
     "bytes of traces kept on disk; the oldest leave first"},
    {"on-alert", PS_OPT_LIST, offsetof(struct tracer_config, on_alert), NULL, 0,
     PS_ONCALL_MAX_RULES, "ALERT,...",
     "start a trace of what such an alert names: "
     "analyzer.drop_spike[:packets=N][:duration=TIME][:stacks]"},
    {"cpu-budget", PS_OPT_UINT, offsetof(struct tracer_config, cpu_budget), "5",
     1, 100, "PERCENT",
     "of one core for all traces; above it one of many packets is followed"},
    {0},
};

/*
 * BPF and PERFMON attach tracing programs and read the kernel; NET_ADMIN
 * attaches netfilter links and cgroup programs; SYS_ADMIN enters network
 * namespaces (setns); SYS_PTRACE opens those of other users' processes.
 */
static const int keep_caps[] = {CAP_BPF,       CAP_PERFMON,    CAP_NET_ADMIN,
                                CAP_SYS_ADMIN, CAP_SYS_PTRACE, -1};

/* Links when a trace starts, in each network namespace. */
static const char *const syscalls[] = {"bpf", "setns", "perf_event_open", NULL};

/* ---- capabilities ------------------------------------------------------- */

static const char no_stations[] = "steps of packets at this place";

static void tell_station(struct tracer *t, const struct ps_probe_state *state)
{
    char id[64];

    snprintf(id, sizeof(id), "tracer.station.%s", state->id);
    ps_capability(t->daemon, id, state->available, state->tier,
                  state->reason[0] ? state->reason : NULL,
                  state->available ? NULL : no_stations);
}

static const struct ps_probe_state *
find_state(const struct ps_probe_state *states, size_t n, const char *id)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(states[i].id, id))
            return &states[i];
    return NULL;
}

static void tell_group(struct tracer *t, const char *id,
                       const struct ps_probe_state *state, const char *without)
{
    bool available = state && state->available;

    ps_capability(t->daemon, id, available, state ? state->tier : NULL,
                  state && state->reason[0] ? state->reason
                  : available               ? NULL
                                            : "not loaded",
                  available ? NULL : without);
}

/* Each program is attached for real and taken off again. */
static void try_probes(struct tracer *t)
{
    const struct ps_probe_state *states;
    size_t n, points = 0;
    int r;

    if (!t->probes) {
        ps_capability(t->daemon, "tracer.tracepoints", false, NULL,
                      t->no_probes, "traces");
        return;
    }
    ps_expedite_begin(t->expedite);
    r = ps_probes_attach(t->probes, false);
    states = ps_probes_states(t->probes, &n);
    for (size_t i = 0; i < n; i++) {
        tell_station(t, &states[i]);
        points += states[i].available &&
                  strcmp(states[i].id, "netfilter") != 0 &&
                  strcmp(states[i].id, "tcx") != 0 &&
                  strcmp(states[i].id, "cgroup_skb") != 0;
    }
    ps_capability(t->daemon, "tracer.tracepoints", points > 0,
                  ps_probes_tier(t->probes), r < 0 ? ps_bpf_reason(r) : NULL,
                  points ? NULL : "traces");
    tell_group(t, "tracer.drops", find_state(states, n, "kfree_skb"),
               "where packets are dropped");
    tell_group(t, "tracer.netfilter", find_state(states, n, "netfilter"),
               "the steps at netfilter's hooks");
    tell_group(t, "tracer.tcx", find_state(states, n, "tcx"),
               "the steps between interfaces and the network layer");
    tell_group(t, "tracer.cgroup", find_state(states, n, "cgroup_skb"),
               "the steps at the socket's filter and behind ip_finish_output");
    ps_probes_detach(t->probes);
    ps_expedite_end(t->expedite);
}

/* Other namespaces, and those that only a process holds (containers). */
static void tell_namespaces(struct tracer *t)
{
    bool enter, find;

    capng_get_caps_process();
    enter = capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN);
    find = capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_PTRACE);
    ps_capability(t->daemon, "tracer.namespaces", enter, find ? "all" : "named",
                  !enter  ? "without CAP_SYS_ADMIN"
                  : !find ? "without CAP_SYS_PTRACE: only namespaces with a "
                            "name in /run/netns"
                          : NULL,
                  enter ? NULL
                        : "sockets and netfilter steps in other network "
                          "namespaces");
}

static void no_pair(void *arg _unused_,
                    const struct ps_tracer_tuple *before _unused_,
                    const struct ps_tracer_tuple *behind _unused_)
{
}

/* Addresses that are translated: in what packets carry, and in the table. */
static void tell_nat(struct tracer *t, const struct btf *kernel)
{
    bool known = ps_bpf_has_type(kernel, "nf_conn");
    int r = ps_conntrack_read(no_pair, NULL);

    if (r == -ETIME)
        r = 0;
    ps_capability(t->daemon, "tracer.nat", known, NULL,
                  known ? NULL
                        : "the kernel's types lack nf_conn: is nf_conntrack "
                          "loaded before the tracer?",
                  known ? NULL
                        : "the whole way when asked by the addresses on one "
                          "side of a translation");
    ps_capability(t->daemon, "tracer.conntrack", r == 0, NULL,
                  r == 0 ? NULL : ps_bpf_reason(r),
                  r == 0 ? NULL
                         : "steps before the translation, of the first packet "
                           "of connections older than the trace");
}

static void tell_rest(struct tracer *t, const struct btf *kernel)
{
    tell_namespaces(t);
    ps_capability(t->daemon, "tracer.functions", t->functions != NULL,
                  t->functions ? ps_functions_tier(t->functions) : NULL,
                  t->functions ? NULL : t->no_functions,
                  t->functions ? NULL : "the calls of functions in traces");
    tell_nat(t, kernel);
    ps_capability(t->daemon, "tracer.sockets", t->scan != NULL, "iter",
                  t->scan ? NULL : t->no_sockets,
                  t->scan ? NULL : "the list of sockets");
    ps_capability(t->daemon, "tracer.drop_reasons", t->reasons != NULL, "btf",
                  t->reasons ? NULL : "this kernel gives no reasons",
                  t->reasons ? NULL : "why packets are dropped");
    ps_capability(t->daemon, "tracer.symbols", t->ksyms != NULL, "kallsyms",
                  t->ksyms ? NULL : "not readable",
                  t->ksyms ? NULL : "the functions that drop packets");
}

/* ---- life --------------------------------------------------------------- */

static void tracer_close(struct ps_daemon *d _unused_, void *state)
{
    struct tracer *t = state;

    ps_functions_free(&t->functions);
    ps_probes_free(&t->probes);
    ps_learn_close(t);
    ps_ownership_close(t);
    ps_expedite_free(&t->expedite);
    ps_sockscan_free(&t->scan);
    ps_history_free(&t->history);
    ps_oncall_free(&t->oncall);
    ps_drop_reasons_free(&t->reasons);
    ps_ksyms_free(&t->ksyms);
    ps_nft_free(&t->nft);
    free(t);
}

static int open_history(struct tracer *t)
{
    _cleanup_free_ char *error = NULL;
    int r;

    r = ps_history_open(ps_daemon_state_dir(t->daemon), t->config->history_max,
                        &t->history, &error);
    if (r < 0)
        ps_error("history_open_failed", "error=" PS_Q,
                 error ? error : strerror(-r));
    return r;
}

static int tracer_open(struct ps_daemon *d, void *config, void **ret_state)
{
    _cleanup_(ps_bpf_types_free) struct btf *kernel = NULL;
    struct tracer *t = calloc(1, sizeof(*t));
    int r;

    if (!t)
        return -ENOMEM;
    t->daemon = d;
    t->stats_fd = -1;
    t->config = config;
    r = ps_tracer_oncall_open(t);
    if (r == 0)
        r = ps_nft_new(&t->nft);
    if (r == 0)
        r = ps_expedite_open("", ps_daemon_state_dir(d), &t->expedite);
    if (r == 0)
        r = open_history(t);
    if (r == 0)
        r = ps_tracer_load(t, &kernel);
    if (r < 0) {
        tracer_close(d, t);
        return r;
    }
    ps_functions_open(kernel, ps_daemon_state_dir(d),
                      (uint32_t)t->config->ring_size, &t->functions,
                      t->no_functions, sizeof(t->no_functions));
    try_probes(t);
    tell_rest(t, kernel);
    *ret_state = t;
    return 0;
}

/* Told by the kernel once for each part of the ring that is full. */
static int watch_ring(struct tracer *t)
{
    if (!t->probes)
        return 0;
    t->ring = event_new(ps_daemon_base(t->daemon), ps_probes_ring_fd(t->probes),
                        EV_READ | EV_ET | EV_PERSIST, ps_traces_ring, t);
    return t->ring && event_add(t->ring, NULL) == 0 ? 0 : -ENOMEM;
}

static int tracer_start(struct ps_daemon *d, void *state)
{
    struct tracer *t = state;
    int r;

    r = ps_history_recover(t->history, ps_now_ns());
    if (r == 0)
        r = ps_tracer_oncall_start(t);
    if (r == 0)
        r = ps_guard_new(t, &t->guard);
    if (r < 0)
        return r;
    t->tick = event_new(ps_daemon_base(d), -1, EV_PERSIST, ps_traces_tick, t);
    if (!t->tick)
        return -ENOMEM;
    r = watch_ring(t);
    if (r < 0)
        return r;
    ps_bpf_memory(
        d, (t->probes ? ps_probes_memory(t->probes) : 0) +
               (t->scan ? ps_sockscan_memory(t->scan) : 0) +
               (t->ownerprobe ? ps_ownerprobe_memory(t->ownerprobe) : 0) +
               (t->functions ? ps_functions_memory(t->functions) : 0));
    return 0;
}

static void tracer_stop(struct ps_daemon *d, void *state)
{
    struct tracer *t = state;

    if (t->probes)
        ps_traces_end_all(t, "shutdown");
    ps_tracer_graphs_cancel(t);
    ps_daemon_bound_end(d);
    ps_tracer_oncall_stop(t);
    ps_guard_free(&t->guard);
    if (t->tick)
        event_free(t->tick);
    if (t->ring)
        event_free(t->ring);
    t->tick = t->ring = NULL;
}

/* ---- figures ------------------------------------------------------------ */

static void set_counter(struct tracer *t, const char *name, const char *help,
                        uint64_t value)
{
    ps_metric(t->daemon, PS__METRIC__KIND__counter, name, help, NULL, NULL,
              (double)value);
}

static void tracer_sample(struct ps_daemon *d, void *state)
{
    static const struct {
        const char *id;
        enum ps_join_result result;
    } lost[] = {
        {"packet_limit", PS_JOIN_PACKET_LIMIT},
        {"step_limit", PS_JOIN_STEP_LIMIT},
        {"join_ambiguous", PS_JOIN_AMBIGUOUS},
        {"join_no_packet", PS_JOIN_NO_PACKET},
    };
    struct tracer *t = state;

    for (size_t i = 0; i < ARRAY_SIZE(lost); i++)
        ps_loss(d, lost[i].id, "steps", t->lost[lost[i].result]);
    ps_loss(d, "followed_evicted", "packets",
            t->functions ? ps_functions_evicted(t->functions) : 0);
    ps_account_sample(t);
    ps_loss(d, "alias_map_full", "tuples",
            t->learn.aliases_full +
                (t->probes ? ps_probes_aliases_full(t->probes) : 0));
    ps_loss(d, "connections_unread", "namespaces", t->learn.unread);
    ps_loss(d, "learned_full", "sockets", ps_learn_full(t));
    ps_loss(d, "netns_unreadable", "namespaces", t->netns_missed);
    ps_loss(d, "owners_cut", "owners", t->owners_cut);
    ps_loss(d, "owner_map_full", "owners",
            ps_owners_lost(t->owners) +
                (t->ownerprobe ? ps_ownerprobe_lost(t->ownerprobe) : 0));
    ps_loss(d, "history_write_failed", "traces", t->history_errors);
    ps_loss(d, "history_given_up", "traces", t->unsaved);
    ps_loss(d, "alerts_untraced", "alerts", t->alerts_untraced);
    ps_loss(d, "alerts_missed", "events", ps_tracer_oncall_missed(t));
    ps_loss(d, "guarder_drops_lost", "packets",
            t->guard ? ps_guard_lost(t->guard) : 0);
    ps_loss(d, "live_left_out", "packets", t->live_left_out);
    ps_loss(d, "history_evicted", "traces", ps_history_evicted(t->history));
    ps_metric(d, PS__METRIC__KIND__gauge, "tracer_traces_running",
              "Traces that run now.", NULL, NULL, (double)ps_traces_running(t));
    ps_metric(d, PS__METRIC__KIND__gauge, "tracer_sockets_seen",
              "Sockets at the last look.", NULL, NULL, (double)t->sockets_seen);
    set_counter(t, "tracer_traces_total", "Traces started.", t->traces_started);
    set_counter(t, "tracer_hits_total",
                "Events that matched a trace that has ended.", t->hits);
    set_counter(t, "tracer_steps_total",
                "Events that became steps of packets, of ended traces.",
                t->steps);
}

const struct ps_method ps_tracer_methods[] = {
    {"tracer.list_sockets", &ps__list_sockets_request__descriptor,
     &ps__socket_list__descriptor, ps_tracer_list_sockets, false},
    {"tracer.create_trace", &ps__create_trace_request__descriptor,
     &ps__trace__descriptor, ps_tracer_create_trace, true},
    {"tracer.list_traces", &ps__list_traces_request__descriptor,
     &ps__trace_list__descriptor, ps_tracer_list_traces, false},
    {"tracer.get_trace", &ps__trace_id__descriptor, &ps__trace__descriptor,
     ps_tracer_get_trace, false},
    {"tracer.delete_trace", &ps__trace_id__descriptor, &ps__empty__descriptor,
     ps_tracer_delete_trace, true},
    {"tracer.set_filter", &ps__set_filter_request__descriptor,
     &ps__trace__descriptor, ps_tracer_set_filter, true},
    {"tracer.list_packets", &ps__list_packets_request__descriptor,
     &ps__packet_way_list__descriptor, ps_tracer_list_packets, false},
    {"tracer.find_packets", &ps__find_packets_request__descriptor,
     &ps__found_packets__descriptor, ps_tracer_find_packets, false},
    {"tracer.export_trace", &ps__export_request__descriptor,
     &ps__export_chunk__descriptor, ps_tracer_export, false},
    {"tracer.get_graph", &ps__trace_id__descriptor,
     &ps__trace_graph__descriptor, ps_tracer_get_graph, false},
    {0},
};

const struct ps_service ps_tracer_service = {
    .name = "tracer",
    .summary = "follows packets through this host's kernel",
    .options = options,
    .config_size = sizeof(struct tracer_config),
    .methods = ps_tracer_methods,
    .keep_caps = keep_caps,
    .syscalls = syscalls,
    .single = true,
    .open = tracer_open,
    .start = tracer_start,
    .sample = tracer_sample,
    .stop = tracer_stop,
    .close = tracer_close,
};
