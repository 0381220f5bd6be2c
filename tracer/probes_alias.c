/* SPDX-License-Identifier: MIT */
/* The other tuples of what is followed: bpf/tracer/identity.h. */
#include "tracer/probes_internal.h"

#define BATCH 256u

int ps_probes_add_alias(struct ps_probes *p, unsigned int slot,
                        const struct ps_tracer_tuple *tuple)
{
    struct ps_tracer_alias alias = {0};

    if (slot >= PS_TRACER_MAX_TRACES)
        return -EINVAL;
    /* 0 before: it is not in. A program that adds a trace at this moment does
     * so again at the next packet. */
    bpf_map_lookup_elem(p->vars.aliases_fd, tuple, &alias);
    if (alias.traces & 1u << slot)
        return 0;
    alias.traces |= 1u << slot;
    if (bpf_map_update_elem(p->vars.aliases_fd, tuple, &alias, BPF_ANY) < 0)
        return -errno;
    *p->vars.have_aliases = 1;
    return 0;
}

static void forget(struct ps_probes *p, const struct ps_tracer_tuple *tuple,
                   struct ps_tracer_alias alias, uint32_t traces)
{
    alias.traces &= ~traces;
    if (alias.traces)
        bpf_map_update_elem(p->vars.aliases_fd, tuple, &alias, BPF_EXIST);
    else
        bpf_map_delete_elem(p->vars.aliases_fd, tuple);
}

void ps_probes_drop_alias(struct ps_probes *p,
                          const struct ps_tracer_tuple *tuple, uint32_t traces)
{
    struct ps_tracer_alias alias;

    if (bpf_map_lookup_elem(p->vars.aliases_fd, tuple, &alias) == 0)
        forget(p, tuple, alias, traces);
}

int ps_probes_forget_aliases(struct ps_probes *p, uint32_t traces)
{
    _cleanup_free_ struct ps_tracer_tuple *tuples = NULL;
    _cleanup_free_ struct ps_tracer_alias *values = NULL;
    LIBBPF_OPTS(bpf_map_batch_opts, opts);
    uint32_t on = p->vars.tracing->word >> PS_FW_ON & 0xff;
    uint32_t place = 0, n, seen = 0;
    bool first = true;
    int r = 0;

    /* What others left that have ended is nobody's, and would be of the next
     * one that has their slot. With none on nothing stays; a program that runs
     * at this moment and adds one sets this again. */
    traces |= ~on;
    if (!on)
        *p->vars.have_aliases = 0;
    tuples = calloc(BATCH, sizeof(*tuples));
    values = calloc(BATCH, sizeof(*values));
    if (!tuples || !values)
        return -ENOMEM;
    while (r == 0 && seen < 2 * PS_TRACER_MAX_ALIASES) {
        n = BATCH;
        r = bpf_map_lookup_batch(p->vars.aliases_fd, first ? NULL : &place,
                                 &place, tuples, values, &n, &opts);
        r = r < 0 ? -errno : 0;
        if (r < 0 && r != -ENOENT)
            return r;
        for (uint32_t i = 0; i < n; i++)
            if (values[i].traces & traces)
                forget(p, &tuples[i], values[i], traces);
        first = false;
        seen += n;
    }
    return 0;
}

uint64_t ps_probes_aliases_full(const struct ps_probes *p)
{
    return *p->vars.aliases_full;
}
