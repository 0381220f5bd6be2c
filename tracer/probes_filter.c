/* SPDX-License-Identifier: MIT */
/* A slot's filter, and what the programs counted for it. */
#include "common/types.h"
#include "tracer/probes_internal.h"

/* ---- filters ------------------------------------------------------------ */

static int clear_counts(struct ps_probes *p, unsigned int slot)
{
    int cpus = libbpf_num_possible_cpus();
    _cleanup_free_ struct ps_tracer_count *zero = NULL;

    if (cpus < 0)
        return cpus;
    zero = calloc((size_t)cpus, sizeof(*zero));
    if (!zero)
        return -ENOMEM;
    for (uint32_t i = 0; i < PS_ST_MAX; i++) {
        uint32_t key = slot * PS_ST_MAX + i;

        if (bpf_map_update_elem(p->vars.counts_fd, &key, zero, BPF_ANY) < 0)
            return -errno;
    }
    return 0;
}

static uint32_t traces_on(const struct ps_probes *p)
{
    return p->vars.tracing->word >> PS_FW_ON & 0xff;
}

/* What all slots that are on want together. */
static void apply_wishes(struct ps_probes *p, uint32_t on)
{
    uint32_t stacks = 0, bytes = 0;

    for (unsigned int i = 0; i < PS_TRACER_MAX_TRACES; i++) {
        if (!(on & (1u << i)))
            continue;
        if (p->wishes[i].stacks)
            stacks |= 1u << i;
        if (p->wishes[i].snap_bytes > bytes)
            bytes = p->wishes[i].snap_bytes;
    }
    __atomic_store_n(p->vars.stack_traces, stacks, __ATOMIC_SEQ_CST);
    __atomic_store_n(p->vars.snap_bytes, bytes, __ATOMIC_SEQ_CST);
}

int ps_probes_set_filter(struct ps_probes *p, unsigned int slot,
                         const struct ps_filter *filter,
                         const struct ps_probe_wish *wish)
{
    int r;

    if (slot >= PS_TRACER_MAX_TRACES || wish->snap_bytes > PS_TRACER_SNAP_BYTES)
        return -EINVAL;
    r = clear_counts(p, slot);
    if (r < 0)
        return r;
    for (size_t i = 0; i < ps_probe_points_n; i++)
        p->missed_before[slot][i] =
            p->points[i] ? ps_bpf_program_misses(p->points[i]) : 0;
    p->wishes[slot] = *wish;
    /* What is followed for the slot's last trace is not for this one. */
    __atomic_store_n(&p->vars.since[slot], ps_mono_ns(), __ATOMIC_SEQ_CST);
    apply_wishes(p, traces_on(p) | 1u << slot);
    ps_filter_install(p->vars.tracing, slot, filter);
    return 0;
}

void ps_probes_change_filter(struct ps_probes *p, unsigned int slot,
                             const struct ps_filter *filter)
{
    ps_filter_install(p->vars.tracing, slot, filter);
}

bool ps_probes_exprs(const struct ps_probes *p)
{
    return p->exprs;
}

void ps_probes_clear_filter(struct ps_probes *p, unsigned int slot)
{
    ps_filter_remove(p->vars.tracing, slot);
    apply_wishes(p, traces_on(p));
    /* With nobody to follow them the living are not looked up. */
    if (!traces_on(p))
        __atomic_store_n(p->vars.live_used, 0, __ATOMIC_SEQ_CST);
}

void ps_probes_throttle(struct ps_probes *p, uint32_t n)
{
    __atomic_store_n(p->vars.throttle, n, __ATOMIC_SEQ_CST);
}

/* ---- counts ------------------------------------------------------------- */

int ps_probes_counts(const struct ps_probes *p, unsigned int slot,
                     struct ps_probe_count *ret_counts)
{
    struct ps_probe_count counts[PS_ST_MAX] = {0};
    int r;

    for (uint32_t i = 0; i < PS_ST_MAX; i++) {
        uint32_t key = slot * PS_ST_MAX + i;
        uint64_t values[sizeof(struct ps_tracer_count) / sizeof(uint64_t)];

        r = ps_bpf_percpu_sum(p->vars.counts_fd, &key, values,
                              ARRAY_SIZE(values));
        if (r < 0)
            return r;
        memcpy(&counts[i].count, values, sizeof(values));
    }
    for (size_t i = 0; i < ps_probe_points_n; i++) {
        struct ps_probe_count *c = &counts[ps_probe_points[i].station];
        uint64_t missed;

        if (!p->points[i])
            continue;
        missed = ps_bpf_program_misses(p->points[i]) -
                 p->missed_before[slot][i];
        c->recursion_missed += missed;
        c->count.hits += missed;
    }
    memcpy(ret_counts, counts, sizeof(counts));
    return 0;
}

uint64_t ps_probes_evicted(const struct ps_probes *p)
{
    return __atomic_load_n(p->vars.live_evicted, __ATOMIC_RELAXED);
}

uint64_t ps_probes_run_ns(const struct ps_probes *p)
{
    return ps_bpf_object_run_ns(p->obj);
}
