/* SPDX-License-Identifier: MIT */
/* Drops by nftables: the hook that the packet was in, and the rule. */
#include "tracer/tracer.h"

#include <linux/netfilter.h>

#define LOOK_NS (10 * PS_NS_PER_MS)

static bool by_nftables(const struct tracer *t, const struct ps_tracer_event *e)
{
    const char *function = t->ksyms && e->location
                               ? ps_ksyms_find(t->ksyms, e->location, NULL)
                               : NULL;

    return function && strcspn(function, ".") == strlen("nft_do_chain") &&
           !strncmp(function, "nft_do_chain", strlen("nft_do_chain"));
}

/* Whether a step may be missing, where the programs do not say it with each
 * event; looked at once in a while. */
static bool lost_steps(const struct tracer *t, struct ps_trace *trace)
{
    struct ps_probe_count counts[PS_ST_MAX] = {0};
    uint64_t now = ps_mono_ns();

    if (trace->lossy || now - trace->loss_looked < LOOK_NS)
        return trace->lossy;
    trace->loss_looked = now;
    ps_probes_counts(t->probes, ps_trace_slot(t, trace), counts);
    for (size_t i = 0; i < PS_ST_MAX; i++)
        trace->lossy |= counts[i].count.ring_full > 0 ||
                        counts[i].count.map_full > 0;
    return trace->lossy;
}

/* The hook in which it was: the step just before, on the same CPU, where none
 * in between was lost. NULL: not known. */
static const struct ps_step *hook_of(const struct tracer *t,
                                     struct ps_trace *trace,
                                     const struct ps_tracer_event *e)
{
    const struct ps_step *s = ps_join_previous(trace->join);

    if (!s || s->station < PS_ST_NF_PREROUTING ||
        s->station > PS_ST_NF_POSTROUTING || s->cpu != e->cpu ||
        s->lost != e->lost || (e->netns && e->netns != s->netns))
        return NULL;
    return !e->lost && lost_steps(t, trace) ? NULL : s;
}

static uint16_t find_rule(struct tracer *t, struct ps_trace *trace,
                          const struct ps_tracer_event *e)
{
    const struct ps_step *hook = hook_of(t, trace, e);
    struct ps_nft_packet packet = {.event = e};

    if (!hook)
        return 0;
    packet.hook = hook->station - PS_ST_NF_PREROUTING + NF_INET_PRE_ROUTING;
    packet.ifindex = hook->ifindex;
    packet.ifname = hook->ifname;
    return ps_nft_find(t->nft, hook->netns, &packet, trace->rules);
}

void ps_drops_join(struct tracer *t, struct ps_trace *trace,
                   const struct ps_tracer_event *event)
{
    bool nft = event->station == PS_ST_KFREE_SKB && by_nftables(t, event);
    uint32_t before = ps_join_n_steps(trace->join);

    if (ps_join_add(trace->join, event, true) == PS_JOIN_STEP && nft)
        ps_join_set_rule(trace->join, before, find_rule(t, trace, event));
}
