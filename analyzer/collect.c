/* SPDX-License-Identifier: MIT */
#include "analyzer/analyzer.h"

/* Who asks gets rates of the last second; an idle daemon sleeps. */
#define ASKED_NS     (10 * PS_NS_PER_S)
#define READ_BUSY_NS (PS_NS_PER_S - 50 * PS_NS_PER_MS)
#define READ_IDLE_NS (10 * PS_NS_PER_S - 50 * PS_NS_PER_MS)
#define NETNS_NS     (5 * PS_NS_PER_S)
#define REAP_NS      (30 * PS_NS_PER_S)
/* Removals in one go, so that requests need not wait. */
#define REAP_MAX 8192
/* A map that is nearly full gives up what is idle sooner. */
#define PRESSURE_NS   (10 * PS_NS_PER_S)
#define IFACE_IDLE_NS (600 * PS_NS_PER_S)

static bool nearly_full(size_t n, const struct ps_map *map)
{
    return n >= map->max_entries / 10 * 9;
}

/* ---- reading ------------------------------------------------------------ */

static int on_flow(void *arg, const void *key, const void *value)
{
    const struct ps_flow_value flow = ps_flow_read(value);
    struct ps_analyzer *a = arg;

    a->flows_in_map++;
    return ps_table_put_flow(a->table, key, &flow);
}

static int on_flow_drop(void *arg, const void *key, const void *value)
{
    struct ps_analyzer *a = arg;

    return ps_table_put_drop(a->table, key, value);
}

static int on_drop(void *arg, const void *key, const void *value)
{
    const struct ps_drop_value *v = value;
    const struct ps_drop_key *k = key;
    struct ps_analyzer *a = arg;
    const struct ps_drop_row row = {
        .location = k->location,
        .reason = k->reason,
        .netns = k->netns,
        .skbs = v->skbs,
        .packets = v->packets,
    };

    a->drops_in_map++;
    return ps_drop_rows_add(&a->drops, (size_t)PS_DROPS_MAX * 2, &row);
}

static int on_iface(void *arg, const void *key, const void *value)
{
    struct ps_analyzer *a = arg;
    struct ps_iface_value sum;

    ps_iface_sum(value, ps_probe_cpus(a->probe), &sum);
    return ps_ifaces_add(&a->ifaces, key, &sum);
}

/* Interfaces come last: a flow that is read is then in its interface's
 * total, never the other way round. */
static int read_all(struct ps_analyzer *a)
{
    int r;

    r = ps_map_read(ps_probe_flows(a->probe), on_flow, a);
    if (r == 0)
        r = ps_map_read(ps_probe_flow_drops(a->probe), on_flow_drop, a);
    if (r == 0)
        r = ps_map_read(ps_probe_drops(a->probe), on_drop, a);
    if (r == 0)
        r = ps_map_read(ps_probe_ifaces(a->probe), on_iface, a);
    return r;
}

int ps_analyzer_read(struct ps_analyzer *a)
{
    uint64_t now = ps_mono_ns();
    int r;

    a->wall_offset = ps_now_ns() - now;
    a->flows_in_map = 0;
    a->drops_in_map = 0;
    ps_table_begin(a->table);
    ps_drop_rows_clear(&a->drops);
    ps_ifaces_clear(&a->ifaces);
    r = read_all(a);
    ps_ifaces_finish(&a->ifaces);
    ps_table_end(a->table, now);
    if (r == 0)
        a->read_ns = now;
    return r;
}

/* ---- removing ----------------------------------------------------------- */

static void reap_flows(struct ps_analyzer *a, uint64_t timeout)
{
    const struct ps_map *map = ps_probe_flows(a->probe);
    size_t left = REAP_MAX;

    for (size_t i = 0; i < ps_table_size(a->table) && left; i++) {
        const struct ps_flow *flow = ps_table_at(a->table, i);
        struct ps_flow_entry entry;
        struct ps_flow_value value;

        if (!flow->in_map ||
            (flow->value.last_ns + timeout > a->read_ns &&
             !ps_ifaces_netns_stale(&a->ifaces, flow->key.netns,
                                    flow->key.netns_gen)))
            continue;
        if (ps_map_take(map, &flow->key, &entry) < 0)
            continue;
        value = ps_flow_read(&entry);
        ps_counters_add(&a->evicted_rx, &value.rx);
        ps_counters_add(&a->evicted_tx, &value.tx);
        a->evicted_flows++;
        left--;
    }
}

/* Their packets stay in the totals by reason and place. */
static void reap_flow_drops(struct ps_analyzer *a, uint64_t timeout)
{
    const struct ps_map *map = ps_probe_flow_drops(a->probe);
    size_t left = REAP_MAX;

    for (uint32_t i = 0; i < ps_table_drops(a->table) && left; i++) {
        const struct ps_flow_drop *drop = ps_table_drop(a->table, i);
        struct ps_drop_value value;

        if (drop->value.last_ns + timeout > a->read_ns)
            continue;
        if (ps_map_take(map, &drop->key, &value) == 0)
            left--;
    }
}

static int take_idle_drop(void *arg, const void *key, const void *value)
{
    const struct ps_drop_value *seen = value;
    const struct ps_drop_key *k = key;
    struct ps_analyzer *a = arg;
    struct ps_drop_row row = {.location = k->location, .reason = k->reason};
    struct ps_drop_value v;

    if (seen->last_ns + PRESSURE_NS > a->read_ns)
        return 0;
    if (ps_map_take(ps_probe_drops(a->probe), key, &v) < 0)
        return 0;
    row.skbs = v.skbs;
    row.packets = v.packets;
    return ps_drop_rows_add(&a->past_drops, (size_t)PS_DROPS_MAX * 2, &row);
}

static void reap_ifaces(struct ps_analyzer *a)
{
    const struct ps_map *map = ps_probe_ifaces(a->probe);
    bool full = nearly_full(a->ifaces.n, map);

    for (size_t i = 0; i < a->ifaces.n; i++) {
        const struct ps_iface *iface = &a->ifaces.items[i];
        struct ps_iface_value sum;

        if (!iface->stale &&
            !(full && iface->sum.last_ns + IFACE_IDLE_NS < a->read_ns))
            continue;
        if (ps_map_take(map, &iface->key, a->cpu_values) < 0)
            continue;
        ps_iface_sum(a->cpu_values, ps_probe_cpus(a->probe), &sum);
        ps_ifaces_gone(&a->ifaces, &sum);
    }
}

/* Soon after a reading: times are compared with it. */
static void reap(struct ps_analyzer *a)
{
    bool full = nearly_full(a->flows_in_map, ps_probe_flows(a->probe));
    bool drops_full =
        nearly_full(ps_table_drops(a->table), ps_probe_flow_drops(a->probe));
    bool totals_full = nearly_full(a->drops_in_map, ps_probe_drops(a->probe));
    uint64_t timeout = a->config.flow_timeout;
    uint64_t soon = timeout < PRESSURE_NS ? timeout : PRESSURE_NS;

    if (!full && !drops_full && !totals_full &&
        a->read_ns < a->reaped_ns + (timeout < REAP_NS ? timeout : REAP_NS))
        return;
    a->reaped_ns = a->read_ns;
    reap_flows(a, full ? soon : timeout);
    reap_flow_drops(a, drops_full ? soon : timeout);
    if (totals_full) {
        ps_map_read(ps_probe_drops(a->probe), take_idle_drop, a);
        ps_drop_rows_finish(&a->past_drops);
    }
    reap_ifaces(a);
}

void ps_analyzer_tick(struct ps_analyzer *a)
{
    uint64_t now = ps_mono_ns();
    bool asked = a->config.drop_alert > 0 ||
                 (a->asked_ns && now < a->asked_ns + ASKED_NS);
    int r;

    if (!a->probe)
        return;
    if (now >= a->read_ns + (asked ? READ_BUSY_NS : READ_IDLE_NS)) {
        r = ps_analyzer_read(a);
        if (r < 0) {
            ps_error("read_failed", "error=" PS_Q, strerror(-r));
            return;
        }
    }
    /* Requests read too: the last reading is a second old at most then. */
    if (a->read_ns + READ_BUSY_NS > now)
        reap(a);
}

/* ---- namespaces --------------------------------------------------------- */

void ps_analyzer_read_netns(struct ps_analyzer *a)
{
    uint64_t now = ps_mono_ns();
    size_t n;

    if (a->netns_ns && now < a->netns_ns + NETNS_NS)
        return;
    a->netns_ns = now;
    a->n_netns = 0;
    if (ps_netns_list(a->netns, PS_ANALYZER_NETNS_MAX, &n) < 0)
        return;
    a->n_netns = n < PS_ANALYZER_NETNS_MAX ? n : PS_ANALYZER_NETNS_MAX;
}

const char *ps_analyzer_netns_name(const struct ps_analyzer *a, uint32_t netns,
                                   uint32_t netns_gen)
{
    if (ps_ifaces_netns_stale(&a->ifaces, netns, netns_gen))
        return NULL;
    for (size_t i = 0; i < a->n_netns; i++) {
        if (a->netns[i].inum == netns && a->netns[i].name[0])
            return a->netns[i].name;
    }
    return NULL;
}
