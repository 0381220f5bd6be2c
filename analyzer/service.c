/* SPDX-License-Identifier: MIT */
#include <linux/capability.h>
#include <malloc.h>
#include <sys/random.h>

#include "analyzer/analyzer.h"

#define OPTION(_name, _field, ...)                          \
    {.name = (_name),                                       \
     .offset = offsetof(struct ps_analyzer_config, _field), \
     __VA_ARGS__}

static const struct ps_option options[] = {
    OPTION("flows-max", flows_max, .type = PS_OPT_UINT, .def = "65536",
           .min = 16, .max = 4u << 20, .arg = "N",
           .help = "flows that are counted at a time; about 200 bytes each"),
    OPTION("flow-drops-max", flow_drops_max, .type = PS_OPT_UINT,
           .def = "16384", .min = 16, .max = 1u << 20, .arg = "N",
           .help = "drops by flow, reason and place at a time"),
    OPTION("interfaces-max", interfaces_max, .type = PS_OPT_UINT, .def = "1024",
           .min = 16, .max = 65536, .arg = "N",
           .help = "interfaces, in all network namespaces"),
    OPTION("flow-timeout", flow_timeout, .type = PS_OPT_DURATION, .def = "5m",
           .min = PS_NS_PER_S, .max = 86400 * PS_NS_PER_S, .arg = "TIME",
           .help = "a flow without packets for so long is removed"),
    OPTION("drop-alert", drop_alert, .type = PS_OPT_UINT, .def = "0",
           .max = UINT32_MAX, .arg = "N",
           .help = "alert when so many packets of a flow are dropped in a "
                   "second; 0: never"),
    {0},
};

/* bpf() on maps that are open needs CAP_BPF before 5.19, and CAP_SYS_ADMIN is
 * not kept for the kernels before CAP_BPF (5.8): none of them runs this. */
static const int keep_caps[] = {CAP_BPF, -1};
static const char *const syscalls[] = {"bpf", NULL};

static const struct {
    const char *id, *without;
} hooks[PS_PROBE_HOOKS] = {
    [PS_PROBE_TX] = {"analyzer.flows_tx", "what this host sends"},
    [PS_PROBE_RX] = {"analyzer.flows_rx", "what this host receives"},
    [PS_PROBE_DROPS] = {"analyzer.drops", "what the kernel drops"},
};

static void say_capabilities(struct ps_analyzer *a)
{
    bool drops = a->probe != NULL;

    for (int i = 0; i < PS_PROBE_HOOKS; i++) {
        const struct ps_probe_status *s =
            a->probe ? ps_probe_status(a->probe, (enum ps_probe_hook)i) : NULL;

        if (s && s->attached)
            ps_capability(a->daemon, hooks[i].id, true, s->tier, NULL, NULL);
        else
            ps_capability(a->daemon, hooks[i].id, false, NULL,
                          s ? s->reason : a->unavailable, hooks[i].without);
    }
    drops = drops && ps_probe_status(a->probe, PS_PROBE_DROPS)->attached;
    if (drops && ps_probe_has_reasons(a->probe))
        ps_capability(a->daemon, "analyzer.drop_reasons", true, NULL, NULL,
                      NULL);
    else
        ps_capability(a->daemon, "analyzer.drop_reasons", false, NULL,
                      drops ? "kernels before 5.17 give no reason"
                            : "there are no drops",
                      "why a packet was dropped");
}

static void analyzer_free(struct ps_analyzer **ap)
{
    struct ps_analyzer *a = *ap;

    *ap = NULL;
    if (!a)
        return;
    ps_probe_free(&a->probe);
    ps_table_free(&a->table);
    ps_ifaces_done(&a->ifaces);
    ps_drop_rows_done(&a->drops);
    ps_drop_rows_done(&a->past_drops);
    ps_ksyms_free(&a->syms);
    ps_drop_reasons_free(&a->reasons);
    free(a->cpu_values);
    free(a->netns);
    free(a);
}

static int make_tables(struct ps_analyzer *a)
{
    uint64_t seed;

    if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
        return -errno;
    ps_ifaces_init(&a->ifaces, a->config.interfaces_max);
    a->netns = calloc(PS_ANALYZER_NETNS_MAX, sizeof(*a->netns));
    if (!a->netns)
        return -ENOMEM;
    return ps_table_new(a->config.flows_max, a->config.flow_drops_max, seed,
                        &a->table);
}

static int open_probe(struct ps_analyzer *a, const struct btf *kernel)
{
    const struct ps_probe_sizes sizes = {
        .flows = (uint32_t)a->config.flows_max,
        .flow_drops = (uint32_t)a->config.flow_drops_max,
        .ifaces = (uint32_t)a->config.interfaces_max,
    };
    int r = ps_probe_open(kernel, a->syms, &sizes, &a->probe);

    if (r < 0) {
        snprintf(a->unavailable, sizeof(a->unavailable), "%s",
                 ps_bpf_reason(r));
        return 0;
    }
    a->cpu_values = calloc(ps_probe_cpus(a->probe), sizeof(*a->cpu_values));
    return a->cpu_values ? 0 : -ENOMEM;
}

static int analyzer_open(struct ps_daemon *d, void *config, void **ret_state)
{
    _cleanup_(analyzer_free) struct ps_analyzer *a = calloc(1, sizeof(*a));
    _cleanup_(ps_bpf_types_free) struct btf *kernel = NULL;
    int r;

    if (!a)
        return -ENOMEM;
    a->daemon = d;
    a->config = *(struct ps_analyzer_config *)config;
    ps_bpf_init();
    kernel = ps_bpf_kernel_types();
    /* Names, and what is told as a drop: without them the numbers are there. */
    if (ps_ksyms_open(&a->syms) < 0)
        a->syms = NULL;
    r = make_tables(a);
    if (r == 0)
        r = open_probe(a, kernel);
    if (r < 0)
        return r;
    if (ps_drop_reasons_load(kernel, &a->reasons) < 0)
        a->reasons = NULL;
    say_capabilities(a);
    if (a->probe)
        ps_bpf_memory(d, ps_probe_memory(a->probe));
    else
        ps_degraded(d, a->unavailable);
    /* The kernel's types took megabytes for a moment. */
    ps_bpf_types_free(&kernel);
    malloc_trim(0);
    *ret_state = TAKE_PTR(a);
    return 0;
}

static void analyzer_sample(struct ps_daemon *d _unused_, void *state)
{
    ps_analyzer_tick(state);
    ps_analyzer_alert(state);
    ps_analyzer_report(state);
}

static void analyzer_close(struct ps_daemon *d _unused_, void *state)
{
    struct ps_analyzer *a = state;

    analyzer_free(&a);
}

const struct ps_service ps_analyzer_service = {
    .name = "analyzer",
    .summary = "Counts every flow of this host, and every dropped packet.",
    .options = options,
    .config_size = sizeof(struct ps_analyzer_config),
    .methods = ps_analyzer_methods,
    .keep_caps = keep_caps,
    .syscalls = syscalls,
    .single = true,
    .open = analyzer_open,
    .sample = analyzer_sample,
    .close = analyzer_close,
};
