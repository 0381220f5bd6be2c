/* SPDX-License-Identifier: MIT */
#include "tracer/aliases.h"

#include "tracer/conntrack.h"
#include "tracer/join.h"
#include "tracer/netns_enter.h"
#include "tracer/probes.h"

struct seed {
    struct ps_probes *probes;
    unsigned int slot;
    const struct ps_filter *filter;
    struct ps_join *join;
    uint64_t full; /* tuples without room */
};

static bool matches(const struct ps_tracer_filter *filter,
                    const struct ps_tracer_tuple *tuple)
{
    uint64_t want[PS_TRACER_TUPLE_WORDS], mask[PS_TRACER_TUPLE_WORDS];
    uint64_t is[PS_TRACER_TUPLE_WORDS];

    memcpy(want, &filter->value, sizeof(want));
    memcpy(mask, &filter->mask, sizeof(mask));
    memcpy(is, tuple, sizeof(is));
    for (size_t i = 0; i < PS_TRACER_TUPLE_WORDS; i++)
        if ((is[i] ^ want[i]) & mask[i])
            return false;
    return true;
}

bool ps_aliases_match(const struct ps_tracer_filter *filter,
                      const struct ps_tracer_tuple *tuple)
{
    struct ps_tracer_tuple back = *tuple;

    memcpy(back.saddr, tuple->daddr, sizeof(back.saddr));
    memcpy(back.daddr, tuple->saddr, sizeof(back.daddr));
    back.sport = tuple->dport;
    back.dport = tuple->sport;
    return matches(filter, tuple) || matches(filter, &back);
}

/* Each direction comes by itself; so each tuple is told once as it is. */
static void on_pair(void *arg, const struct ps_tracer_tuple *before,
                    const struct ps_tracer_tuple *behind)
{
    struct seed *seed = arg;
    bool first = ps_aliases_match(&seed->filter->kernel, before);
    bool second = ps_aliases_match(&seed->filter->kernel, behind);

    if (!first && !second)
        return;
    ps_join_learn(seed->join, before, behind);
    /* That a packet's tuple fits does not say that its filter takes it. */
    if (!ps_filter_is_tuple(seed->filter))
        return;
    if (!first)
        seed->full += ps_probes_add_alias(seed->probes, seed->slot, before) < 0;
    if (!second)
        seed->full += ps_probes_add_alias(seed->probes, seed->slot, behind) < 0;
}

void ps_aliases_seed(struct ps_probes *probes, unsigned int slot,
                     const struct ps_filter *filter, struct ps_join *join,
                     struct ps_aliases_left *left)
{
    _cleanup_(ps_netns_visit_close) struct ps_netns_visit visit = {
        .home_fd = -1};
    struct seed seed = {
        .probes = probes, .slot = slot, .filter = filter, .join = join};
    _cleanup_free_ struct ps_netns *list = NULL;
    size_t n = 0, missed = 0;
    int r;

    r = ps_netns_visit_open(&visit);
    if (r == 0)
        r = ps_netns_all(&list, &n, &missed);
    left->tables += r < 0 ? 1 : missed;
    for (size_t i = 0; i < n; i++) {
        r = ps_netns_enter(&visit, &list[i]);
        if (r < 0)
            continue; /* gone meanwhile, or refused: told at the start */
        r = ps_conntrack_read(on_pair, &seed);
        ps_netns_leave(&visit);
        if (r == -EPROTONOSUPPORT)
            break;
        left->tables += r < 0;
    }
    left->tuples += seed.full;
}
