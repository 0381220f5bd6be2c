/* SPDX-License-Identifier: MIT */
/* What became of every hit, by probe; and what all of it costs. */
#include <time.h>

#include "common/json.h"
#include "tracer/tracer.h"

#define QUIET_NS (2 * PS_NS_PER_S)
/* Between two looks at the counters. */
#define LOOK_NS (250 * PS_NS_PER_MS)

/* Names of what did not become a step; NULL: it did. */
static const struct {
    const char *id;
    const char *unit;
} losses[PS_JOIN_RESULTS] = {
    [PS_JOIN_PACKET_LIMIT] = {"packet_limit", "steps"},
    [PS_JOIN_STEP_LIMIT] = {"step_limit", "steps"},
    [PS_JOIN_AMBIGUOUS] = {"join_ambiguous", "steps"},
    [PS_JOIN_NO_PACKET] = {"join_no_packet", "steps"},
    [PS_JOIN_OTHER_BYTES] = {"other_bytes", "steps"},
    [PS_JOIN_NO_CALL] = {"other_sockets", "steps"},
    [PS_JOIN_FILTERED] = {"filtered", "steps"},
};

/* ---- as it is now ------------------------------------------------------- */

static Ps__Trace *copy_trace(const Ps__Trace *trace)
{
    size_t len = protobuf_c_message_get_packed_size(&trace->base);
    _cleanup_free_ uint8_t *data = malloc(len ? len : 1);

    if (!data)
        return NULL;
    protobuf_c_message_pack(&trace->base, data);
    return ps__trace__unpack(NULL, len, data);
}

/* Of the stations and of the functions. */
static uint64_t count_results(const struct tracer *t,
                              const struct ps_trace *trace,
                              enum ps_join_result result)
{
    return ps_join_count(trace->join, result) +
           ps_traces_functions_count(t, trace, result);
}

/* What all probes counted, by station; the functions are one of these. */
static void read_counts(const struct tracer *t, const struct ps_trace *trace,
                        struct ps_probe_count *counts,
                        struct ps_fn_count *ret_calls)
{
    ps_probes_counts(t->probes, ps_trace_slot(t, trace), counts);
    ps_traces_functions_hits(t, trace, ret_calls);
    counts[PS_ST_FUNCTION].recursion_missed =
        ps_traces_functions_missed(t, trace);
    counts[PS_ST_FUNCTION].count.hits = ret_calls->hits +
                                        counts[PS_ST_FUNCTION].recursion_missed;
    counts[PS_ST_FUNCTION].count.ring_full = ret_calls->ring_full;
    counts[PS_ST_FUNCTION].count.throttled = ret_calls->throttled;
    counts[PS_ST_XDP_DROP].count.hits = trace->told;
}

static uint64_t count_delivered(const struct tracer *t,
                                const struct ps_trace *trace,
                                unsigned int station)
{
    uint64_t n = 0;

    if (station != PS_ST_FUNCTION)
        return trace->delivered[station];
    for (size_t i = 0; i < PS_JOIN_RESULTS; i++)
        n += ps_traces_functions_count(t, trace, (enum ps_join_result)i);
    return n;
}

/* How many functions have a probe changes while the trace runs. */
static void renew_functions(const struct tracer *t,
                            const struct ps_trace *trace, Ps__Trace *msg)
{
    for (size_t i = 0; trace->calls && i < msg->n_stations; i++) {
        Ps__Capability *made;

        if (!ps_streq(msg->stations[i]->id, "functions"))
            continue;
        made = (Ps__Capability *)ps_message_new(&ps__capability__descriptor);
        if (!made)
            return;
        if (ps_traces_functions_state(t, made) < 0) {
            protobuf_c_message_free_unpacked(&made->base, NULL);
            return;
        }
        protobuf_c_message_free_unpacked(&msg->stations[i]->base, NULL);
        msg->stations[i] = made;
    }
}

static Ps__ProbeCount *make_probe(const struct tracer *t, unsigned int station,
                                  const struct ps_probe_count *c,
                                  uint64_t delivered)
{
    Ps__ProbeCount *p =
        (Ps__ProbeCount *)ps_message_new(&ps__probe_count__descriptor);

    if (!p)
        return NULL;
    p->probe = strdup(ps_station_get(station)->name);
    p->hits = c->count.hits;
    p->delivered = delivered;
    p->ring_full = c->count.ring_full;
    p->throttled = c->count.throttled;
    p->map_full = c->count.map_full;
    /* Of functions not every kernel says it. */
    p->has_recursion_missed =
        station != PS_ST_FUNCTION ||
        (t->functions && ps_functions_counts_misses(t->functions));
    p->recursion_missed = c->recursion_missed;
    if (p->probe)
        return p;
    protobuf_c_message_free_unpacked(&p->base, NULL);
    return NULL;
}

/* Those that were hit; all that find memory. */
static void add_probes(const struct tracer *t, Ps__Trace *msg,
                       const struct ps_trace *trace,
                       const struct ps_probe_count *counts)
{
    msg->probes = calloc(PS_ST_MAX, sizeof(*msg->probes));
    for (unsigned int i = 0; msg->probes && i < PS_ST_MAX; i++) {
        Ps__ProbeCount *probe;

        if (!counts[i].count.hits || !ps_station_get(i))
            continue;
        probe = make_probe(t, i, &counts[i], count_delivered(t, trace, i));
        if (probe)
            msg->probes[msg->n_probes++] = probe;
    }
}

static void sum_up(const struct ps_probe_count *counts,
                   struct ps_probe_count *ret_sum)
{
    *ret_sum = (struct ps_probe_count){0};
    for (unsigned int i = 0; i < PS_ST_MAX; i++) {
        ret_sum->count.hits += counts[i].count.hits;
        ret_sum->count.ring_full += counts[i].count.ring_full;
        ret_sum->count.throttled += counts[i].count.throttled;
        ret_sum->count.map_full += counts[i].count.map_full;
        ret_sum->recursion_missed += counts[i].recursion_missed;
    }
}

/* Returns what became of hits that are known of. */
static uint64_t add_losses(const struct tracer *t, Ps__Trace *msg,
                           const struct ps_trace *trace,
                           const struct ps_probe_count *sum)
{
    const struct {
        const char *id;
        uint64_t n;
    } kernel[] = {
        {"ring_full", sum->count.ring_full},
        {"throttled", sum->count.throttled},
        {"map_full", sum->count.map_full},
        {"recursion_missed", sum->recursion_missed},
    };
    uint64_t known = 0;

    for (size_t i = 0; i < PS_JOIN_RESULTS; i++) {
        uint64_t n = count_results(t, trace, (enum ps_join_result)i);

        known += n;
        if (losses[i].id)
            ps_losses_add(&msg->losses, &msg->n_losses, losses[i].id,
                          losses[i].unit, n);
    }
    for (size_t i = 0; i < ARRAY_SIZE(kernel); i++) {
        known += kernel[i].n;
        ps_losses_add(&msg->losses, &msg->n_losses, kernel[i].id, "steps",
                      kernel[i].n);
    }
    return known;
}

Ps__Trace *ps_traces_describe(struct tracer *t, const struct ps_trace *trace)
{
    struct ps_probe_count counts[PS_ST_MAX] = {0}, sum;
    Ps__Trace *msg = copy_trace(trace->msg);
    struct ps_fn_count calls;
    struct ps_names names;
    uint64_t known;

    if (!msg || trace->phase == PS_TRACE_UNSAVED)
        return msg;
    ps_tracer_names(t, trace, &names);
    read_counts(t, trace, counts, &calls);
    renew_functions(t, trace, msg);
    sum_up(counts, &sum);
    msg->packets = ps_join_packets(trace->join);
    msg->drops = ps_join_drops(trace->join, ps_names_free, &names);
    msg->steps = count_results(t, trace, PS_JOIN_STEP);
    msg->hits = sum.count.hits;
    known = add_losses(t, msg, trace, &sum);
    ps_losses_add(&msg->losses, &msg->n_losses, "returns_lost", "returns",
                  calls.returns_lost);
    ps_losses_add(&msg->losses, &msg->n_losses, "connections_unread",
                  "namespaces", trace->unread);
    ps_losses_add(&msg->losses, &msg->n_losses, "rules_full", "packets",
                  ps_rules_lost(trace->rules));
    ps_losses_add(&msg->losses, &msg->n_losses, "links_full", "tuples",
                  ps_join_links_full(trace->join));
    ps_losses_add(&msg->losses, &msg->n_losses, "way_cut", "packets",
                  ps_keep_cuts(trace));
    /* What lies in the ring at this moment, while it runs. */
    if (sum.count.hits > known)
        ps_losses_add(&msg->losses, &msg->n_losses, "in_flight", "steps",
                      sum.count.hits - known);
    add_probes(t, msg, trace, counts);
    msg->has_filtered = ps_filter_selects(trace->filter) ||
                        ps_join_filtered(trace->join) > 0;
    msg->filtered = ps_join_filtered(trace->join);
    msg->has_waiting = msg->waiting = t->waiting.on;
    msg->partial = ps_join_partial(trace->join);
    msg->has_partial = msg->partial > 0;
    msg->has_throttle = trace->throttle > 1;
    msg->throttle = trace->throttle;
    msg->has_cpu_ns = 1;
    msg->cpu_ns = t->budget.programs_ns - trace->cpu_before;
    return msg;
}

void ps_account_add_up(struct tracer *t, const struct ps_trace *trace)
{
    struct ps_probe_count counts[PS_ST_MAX] = {0};
    struct ps_fn_count calls;

    read_counts(t, trace, counts, &calls);
    for (unsigned int i = 0; i < PS_ST_MAX; i++) {
        struct ps_probe_count *all = &t->probed[i];

        all->count.hits += counts[i].count.hits;
        all->count.ring_full += counts[i].count.ring_full;
        all->count.throttled += counts[i].count.throttled;
        all->count.map_full += counts[i].count.map_full;
        all->recursion_missed += counts[i].recursion_missed;
        t->delivered[i] += count_delivered(t, trace, i);
        t->hits += counts[i].count.hits;
    }
    t->carry_lost += ps_carry_lost(trace->carry);
    t->returns_lost += calls.returns_lost;
    t->steps += count_results(t, trace, PS_JOIN_STEP);
    for (size_t i = 0; i < PS_JOIN_RESULTS; i++)
        t->lost[i] += count_results(t, trace, (enum ps_join_result)i);
}

bool ps_account_is_quiet(struct tracer *t, struct ps_trace *trace, uint64_t now)
{
    struct ps_probe_count counts[PS_ST_MAX] = {0}, sum;
    struct ps_fn_count calls;

    if (now - trace->looked < LOOK_NS)
        return false;
    trace->looked = now;
    read_counts(t, trace, counts, &calls);
    sum_up(counts, &sum);
    if (sum.count.hits != trace->hits || !trace->quiet) {
        trace->hits = sum.count.hits;
        trace->quiet = now;
    }
    return now - trace->quiet >= QUIET_NS;
}

/* ---- cost --------------------------------------------------------------- */

static uint64_t own_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * PS_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Of everything that runs for packets and for tasks that use sockets. */
static uint64_t run_ns(const struct tracer *t)
{
    return ps_probes_run_ns(t->probes) +
           (t->functions ? ps_functions_run_ns(t->functions) : 0) +
           (t->ownerprobe ? ps_ownerprobe_run_ns(t->ownerprobe) : 0);
}

static void set_throttle(const struct tracer *t, uint32_t n)
{
    ps_probes_throttle(t->probes, n);
    if (t->functions)
        ps_functions_throttle(t->functions, n);
}

void ps_account_start(struct tracer *t, struct ps_trace *trace)
{
    if (!t->budget.since) {
        ps_budget_start(&t->budget, (double)t->config->cpu_budget / 100,
                        ps_mono_ns(), own_ns());
        set_throttle(t, 1);
    }
    trace->cpu_before = t->budget.programs_ns;
    trace->throttle = t->budget.throttle;
}

static void tell_throttle(struct tracer *t, uint32_t before)
{
    uint32_t n = t->budget.throttle;
    char text[16];

    set_throttle(t, n);
    for (size_t i = 0; i < PS_TRACER_MAX_TRACES; i++)
        if (t->traces[i].phase != PS_TRACE_FREE && t->traces[i].throttle < n)
            t->traces[i].throttle = n;
    if (before > 1 || n < 2)
        return;
    snprintf(text, sizeof(text), "%u", n);
    ps_event(t->daemon, PS__EVENT__SEVERITY__warning, "tracer.throttled",
             (const struct ps_event_param[]){{"n", text}, {NULL, NULL}},
             "Traces cost more than cpu-budget allows: one of %u packets is "
             "followed.",
             n);
}

/* Once for all that run together. */
static void tell_floor(struct tracer *t)
{
    char text[16];

    snprintf(text, sizeof(text), "%.0f", t->budget.floor * 100);
    ps_event(
        t->daemon, PS__EVENT__SEVERITY__warning, "tracer.over_budget",
        (const struct ps_event_param[]){{"percent", text}, {NULL, NULL}},
        "Traces cost %s %% of a core, more than cpu-budget allows, however "
        "few packets are followed: it is what all others are asked. End "
        "the traces if that is too much.",
        text);
}

void ps_account_tick(struct tracer *t, uint64_t now)
{
    struct ps_budget *b = &t->budget;
    bool knew_floor = b->floor > 0;
    uint32_t before = b->throttle;

    if (!b->since ||
        !ps_budget_tick(b, now, b->measuring ? run_ns(t) : 0, own_ns()))
        return;
    if (b->measuring) {
        /* Where it is refused nothing is measured, and only the daemon's own
         * time counts. */
        t->stats_fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
        b->run_ns = run_ns(t);
        return;
    }
    if (t->stats_fd >= 0)
        close(t->stats_fd);
    t->stats_fd = -1;
    if (b->throttle != before)
        tell_throttle(t, before);
    if (b->floor > 0 && !knew_floor)
        tell_floor(t);
}

void ps_account_rest(struct tracer *t)
{
    if (t->stats_fd >= 0)
        close(t->stats_fd);
    t->stats_fd = -1;
    t->budget.since = 0;
}

/* ---- figures ------------------------------------------------------------ */

void ps_account_sample(struct tracer *t)
{
    struct ps_probe_count sum;

    for (unsigned int i = 0; i < PS_ST_MAX; i++) {
        const struct ps_probe_count *c = &t->probed[i];
        const struct {
            const char *name, *help;
            uint64_t n;
        } figures[] = {
            {"tracer_probe_hits_total",
             "Hits of a probe, of ended traces; all that follow together.",
             c->count.hits},
            {"tracer_probe_delivered_total", "Hits that became events.",
             t->delivered[i]},
            {"tracer_probe_ring_full_total",
             "Hits that the ring had no room for.", c->count.ring_full},
            {"tracer_probe_throttled_total",
             "Hits of packets that were sampled out.", c->count.throttled},
            {"tracer_probe_map_full_total",
             "Hits that could not be kept until they were due.",
             c->count.map_full},
            {"tracer_probe_recursion_missed_total",
             "Calls of a probe that the kernel left out.", c->recursion_missed},
        };

        for (size_t k = 0; ps_station_get(i) && k < ARRAY_SIZE(figures); k++)
            ps_metric(t->daemon, PS__METRIC__KIND__counter, figures[k].name,
                      figures[k].help, "probe", ps_station_get(i)->name,
                      (double)figures[k].n);
    }
    sum_up(t->probed, &sum);
    ps_loss(t->daemon, "ring_full", "steps", sum.count.ring_full);
    ps_loss(t->daemon, "throttled", "steps", sum.count.throttled);
    ps_loss(t->daemon, "map_full", "steps", sum.count.map_full);
    ps_loss(t->daemon, "recursion_missed", "steps", sum.recursion_missed);
    ps_loss(t->daemon, "live_evicted", "packets",
            t->probes ? ps_probes_evicted(t->probes) : 0);
    ps_loss(t->daemon, "carry_full", "steps", t->carry_lost);
    ps_loss(t->daemon, "returns_lost", "returns", t->returns_lost);
}
