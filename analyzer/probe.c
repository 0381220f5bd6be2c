/* SPDX-License-Identifier: MIT */
#include "analyzer/probe.h"

#include "analyzer.skel.h"
#include "common/bpf.h"

enum tier {
    TIER_BTF,
    TIER_RAW,
    TIERS,
};

struct ps_probe {
    struct analyzer_bpf *skel;
    struct bpf_link *links[PS_PROBE_HOOKS];
    struct bpf_program *programs[PS_PROBE_HOOKS];
    struct ps_probe_status status[PS_PROBE_HOOKS];
    struct ps_map flows, ifaces, drops, flow_drops;
    size_t cpus;
    bool has_reasons;
    struct ps_places places;
};

static const char *const tier_names[TIERS] = {"tp_btf", "raw_tp"};

static struct bpf_program *program_of(const struct analyzer_bpf *skel,
                                      enum ps_probe_hook hook, enum tier tier)
{
    struct bpf_program *all[PS_PROBE_HOOKS][TIERS] = {
        [PS_PROBE_TX] = {skel->progs.tx_btf, skel->progs.tx_raw},
        [PS_PROBE_RX] = {skel->progs.rx_btf, skel->progs.rx_raw},
        [PS_PROBE_DROPS] = {skel->progs.drop_btf, skel->progs.drop_raw},
    };

    return all[hook][tier];
}

void ps_probe_free(struct ps_probe **probep)
{
    struct ps_probe *probe = *probep;

    *probep = NULL;
    if (!probe)
        return;
    for (size_t i = 0; i < PS_PROBE_HOOKS; i++)
        bpf_link__destroy(probe->links[i]);
    analyzer_bpf__destroy(probe->skel);
    free(probe);
}

static int set_sizes(struct analyzer_bpf *skel,
                     const struct ps_probe_sizes *sizes)
{
    int r = bpf_map__set_max_entries(skel->maps.flows, sizes->flows);

    if (r == 0)
        r = bpf_map__set_max_entries(skel->maps.flow_drops, sizes->flow_drops);
    if (r == 0)
        r = bpf_map__set_max_entries(skel->maps.ifaces, sizes->ifaces);
    return r;
}

static int load(struct ps_probe *probe, const struct ps_probe_sizes *sizes,
                enum tier tier, int kfree_args)
{
    struct analyzer_bpf *skel = analyzer_bpf__open();
    int r;

    if (!skel)
        return -errno;
    probe->skel = skel;
    skel->rodata->kfree_skb_args = (uint32_t)kfree_args;
    memcpy((void *)&skel->rodata->places, &probe->places,
           sizeof(probe->places));
    r = set_sizes(skel, sizes);
    for (int hook = 0; hook < PS_PROBE_HOOKS && r == 0; hook++) {
        for (int t = 0; t < TIERS && r == 0; t++) {
            struct bpf_program *prog =
                program_of(skel, (enum ps_probe_hook)hook, (enum tier)t);

            r = bpf_program__set_autoload(prog, t == (int)tier);
        }
    }
    return r < 0 ? r : analyzer_bpf__load(skel);
}

/* How many hooks were attached. */
static size_t attach(struct ps_probe *probe, enum tier tier)
{
    size_t n = 0;

    for (int i = 0; i < PS_PROBE_HOOKS; i++) {
        struct ps_probe_status *status = &probe->status[i];

        probe->programs[i] =
            program_of(probe->skel, (enum ps_probe_hook)i, tier);
        status->tier = tier_names[tier];
        status->attached = ps_bpf_try_attach(probe->programs[i],
                                             &probe->links[i], status->reason,
                                             sizeof(status->reason)) == 0;
        n += status->attached;
    }
    return n;
}

static struct ps_map map_of(const struct bpf_map *map, size_t cpus)
{
    return (struct ps_map){
        .fd = bpf_map__fd(map),
        .key_size = bpf_map__key_size(map),
        .value_size = bpf_map__value_size(map) * cpus,
        .max_entries = bpf_map__max_entries(map),
    };
}

static void set_maps(struct ps_probe *probe)
{
    probe->flows = map_of(probe->skel->maps.flows, 1);
    probe->ifaces = map_of(probe->skel->maps.ifaces, probe->cpus);
    probe->drops = map_of(probe->skel->maps.drops, 1);
    probe->flow_drops = map_of(probe->skel->maps.flow_drops, 1);
}

/* One tier as a whole; ret_n: hooks attached. */
static int open_tier(const struct ps_probe_sizes *sizes, struct ps_ksyms *syms,
                     enum tier tier, int args, struct ps_probe **ret_probe,
                     size_t *ret_n)
{
    _cleanup_(ps_probe_free) struct ps_probe *probe = calloc(1, sizeof(*probe));
    int cpus = libbpf_num_possible_cpus();
    int r;

    if (!probe)
        return -ENOMEM;
    if (cpus < 1)
        return cpus < 0 ? cpus : -EINVAL;
    probe->cpus = (size_t)cpus;
    probe->has_reasons = args > 2;
    /* Not known: parts of a freed buffer are told as drops. */
    if (probe->has_reasons)
        ps_ksyms_places(syms, &probe->places);
    r = load(probe, sizes, tier, args);
    if (r < 0)
        return r;
    *ret_n = attach(probe, tier);
    set_maps(probe);
    *ret_probe = TAKE_PTR(probe);
    return 0;
}

int ps_probe_open(const struct btf *kernel, struct ps_ksyms *syms,
                  const struct ps_probe_sizes *sizes,
                  struct ps_probe **ret_probe)
{
    _cleanup_(ps_probe_free) struct ps_probe *best = NULL;
    int args = ps_bpf_tracepoint_args(kernel, "kfree_skb");
    size_t most = 0;
    int r = 0;

    for (int tier = 0; tier < TIERS && most < PS_PROBE_HOOKS; tier++) {
        struct ps_probe *probe = NULL;
        size_t n = 0;

        r = open_tier(sizes, syms, (enum tier)tier, args, &probe, &n);
        if (r < 0)
            continue;
        if (!best || n > most) {
            ps_probe_free(&best);
            best = TAKE_PTR(probe);
            most = n;
        }
        ps_probe_free(&probe);
    }
    if (!best)
        return r;
    *ret_probe = TAKE_PTR(best);
    return 0;
}

const struct ps_probe_status *ps_probe_status(const struct ps_probe *probe,
                                              enum ps_probe_hook hook)
{
    return &probe->status[hook];
}

bool ps_probe_has_reasons(const struct ps_probe *probe)
{
    return probe && probe->has_reasons;
}

const struct ps_map *ps_probe_flows(const struct ps_probe *probe)
{
    return &probe->flows;
}

const struct ps_map *ps_probe_ifaces(const struct ps_probe *probe)
{
    return &probe->ifaces;
}

const struct ps_map *ps_probe_drops(const struct ps_probe *probe)
{
    return &probe->drops;
}

const struct ps_map *ps_probe_flow_drops(const struct ps_probe *probe)
{
    return &probe->flow_drops;
}

size_t ps_probe_cpus(const struct ps_probe *probe)
{
    return probe->cpus;
}

int ps_probe_losses(const struct ps_probe *probe,
                    struct ps_analyzer_losses *ret_losses)
{
    uint64_t values[sizeof(*ret_losses) / sizeof(uint64_t)];
    const uint32_t zero = 0;
    int r = ps_bpf_percpu_sum(bpf_map__fd(probe->skel->maps.losses), &zero,
                              values, ARRAY_SIZE(values));

    if (r == 0)
        memcpy(ret_losses, values, sizeof(values));
    return r;
}

uint64_t ps_probe_missed(const struct ps_probe *probe)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < PS_PROBE_HOOKS; i++) {
        struct bpf_prog_info info = {0};
        uint32_t len = sizeof(info);

        if (probe->status[i].attached &&
            bpf_prog_get_info_by_fd(bpf_program__fd(probe->programs[i]), &info,
                                    &len) == 0)
            sum += info.recursion_misses;
    }
    return sum;
}

uint64_t ps_probe_memory(const struct ps_probe *probe)
{
    return ps_bpf_object_memory(probe->skel->obj);
}
