/* SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "analyzer/analyzer.h"

#define WARN_NS (60 * PS_NS_PER_S)

static void report_losses(struct ps_analyzer *a,
                          const struct ps_analyzer_losses *l)
{
    const struct {
        const char *id, *unit;
        uint64_t count;
    } losses[] = {
        {"flow_map_full", "packets", l->flow_full_packets},
        {"flow_map_full_skbs", "skbs", l->flow_full_skbs},
        {"flow_map_full_bytes", "bytes", l->flow_full_bytes},
        {"interface_map_full", "skbs", l->iface_full_skbs},
        {"drop_map_full", "skbs", l->drop_full_skbs},
        {"flow_drop_map_full", "skbs", l->flow_drop_full_skbs},
        {"unparsed", "skbs", l->unparsed_skbs},
        {"probe_missed", "skbs", ps_probe_missed(a->probe)},
    };

    for (size_t i = 0; i < ARRAY_SIZE(losses); i++)
        ps_loss(a->daemon, losses[i].id, losses[i].unit, losses[i].count);
}

/* One event a minute while a map cannot take what comes. */
static void warn_full(struct ps_analyzer *a, const struct ps_analyzer_losses *l)
{
    uint64_t count = l->flow_full_skbs + l->iface_full_skbs +
                     l->drop_full_skbs + l->flow_drop_full_skbs;
    uint64_t now = ps_mono_ns();
    char text[24];
    const struct ps_event_param params[] = {{"skbs", text}, {0}};

    if (count == a->warned_count ||
        (a->warned_ns && now < a->warned_ns + WARN_NS))
        return;
    snprintf(text, sizeof(text), "%" PRIu64, count - a->warned_count);
    a->warned_count = count;
    a->warned_ns = now;
    ps_event(a->daemon, PS__EVENT__SEVERITY__warning, "analyzer.map_full",
             params,
             "A map of the analyzer is full: %s skbs are not in a flow; "
             "raise flows-max, flow-drops-max or interfaces-max.",
             text);
}

static void report_counters(struct ps_analyzer *a, const char *direction,
                            const struct ps_counters *all,
                            const struct ps_counters *evicted)
{
    const struct {
        const char *name, *help;
        uint64_t value;
    } metrics[] = {
        {"analyzer_skbs_total", "Buffers that the hooks saw", all->skbs},
        {"analyzer_packets_total", "Packets on the wire", all->packets},
        {"analyzer_bytes_total", "L2 bytes", all->bytes},
        {"analyzer_evicted_skbs_total", "Buffers of flows removed when idle",
         evicted->skbs},
        {"analyzer_evicted_packets_total", "Packets of flows removed when idle",
         evicted->packets},
    };

    for (size_t i = 0; i < ARRAY_SIZE(metrics); i++)
        ps_metric(a->daemon, PS__METRIC__KIND__counter, metrics[i].name,
                  metrics[i].help, "direction", direction,
                  (double)metrics[i].value);
}

static void report_metrics(struct ps_analyzer *a)
{
    struct ps_counters rx = a->ifaces.gone_rx, tx = a->ifaces.gone_tx;
    double drops = 0;

    for (size_t i = 0; i < a->ifaces.n; i++) {
        ps_counters_add(&rx, &a->ifaces.items[i].sum.rx);
        ps_counters_add(&tx, &a->ifaces.items[i].sum.tx);
    }
    for (size_t i = 0; i < a->drops.n; i++)
        drops += (double)a->drops.items[i].packets;
    for (size_t i = 0; i < a->past_drops.n; i++)
        drops += (double)a->past_drops.items[i].packets;
    report_counters(a, "rx", &rx, &a->evicted_rx);
    report_counters(a, "tx", &tx, &a->evicted_tx);
    ps_metric(a->daemon, PS__METRIC__KIND__counter,
              "analyzer_dropped_packets_total", "Packets dropped by the kernel",
              NULL, NULL, drops);
    ps_metric(a->daemon, PS__METRIC__KIND__gauge, "analyzer_flows",
              "Flows in the kernel's map", NULL, NULL, (double)a->flows_in_map);
    ps_metric(a->daemon, PS__METRIC__KIND__gauge, "analyzer_flows_max",
              "Flows that the kernel's map can take", NULL, NULL,
              (double)a->config.flows_max);
    ps_metric(a->daemon, PS__METRIC__KIND__counter,
              "analyzer_evicted_flows_total", "Flows removed when idle", NULL,
              NULL, (double)a->evicted_flows);
}

void ps_analyzer_report(struct ps_analyzer *a)
{
    struct ps_analyzer_losses losses;

    if (!a->probe)
        return;
    if (ps_probe_losses(a->probe, &losses) == 0) {
        report_losses(a, &losses);
        warn_full(a, &losses);
    }
    ps_loss(a->daemon, "alerts_left_out", "alerts", a->alerts_left_out);
    report_metrics(a);
}
