/* SPDX-License-Identifier: MIT */
#include "guarder/report.h"

#include <inttypes.h>

#include "guarder/convert.h"

static const char without_xdp[] = "rules cannot be enforced";
static const char without_pins[] = "enforcement ends when the daemon ends";

void ps_guarder_report_capabilities(struct ps_guarder *g)
{
    struct ps_daemon *d = g->daemon;

    if (!g->kernel)
        ps_capability(d, "guarder.xdp", false, NULL, g->no_kernel, without_xdp);
    else if (ps_kernel_frags_fd(g->kernel) >= 0)
        ps_capability(d, "guarder.xdp", true, "xdp.frags", NULL, NULL);
    else
        ps_capability(d, "guarder.xdp", true, "xdp",
                      "no multi-buffer XDP (before Linux 5.18): interfaces "
                      "with a large MTU get generic XDP",
                      NULL);
    if (g->pins.dir_fd < 0)
        ps_capability(d, "guarder.persistence", false, NULL, g->pins.reason,
                      without_pins);
    else if (g->pin_error < 0)
        ps_capability(d, "guarder.persistence", false, NULL,
                      strerror(-g->pin_error), without_pins);
    else
        ps_capability(d, "guarder.persistence", true, "bpffs", NULL, NULL);
    if (g->kernel)
        ps_bpf_memory(d, ps_kernel_memory(g->kernel));
}

/* ---- events ------------------------------------------------------------- */

struct change_event {
    const char *id;
    Ps__Event__Severity severity;
    const char *text;
};

static const struct change_event change_events[] = {
    [PS_ATTACH_ON] = {"guarder.enforcement_attached", PS__EVENT__SEVERITY__info,
                      "Rules are enforced on"},
    [PS_ATTACH_OFF] = {"guarder.enforcement_detached",
                       PS__EVENT__SEVERITY__notice,
                       "Rules are no longer enforced on"},
    [PS_ATTACH_FOREIGN] = {"guarder.foreign_xdp", PS__EVENT__SEVERITY__warning,
                           "Rules cannot be enforced on"},
    [PS_ATTACH_FAILED] = {"guarder.enforcement_failed",
                          PS__EVENT__SEVERITY__warning,
                          "Rules cannot be enforced on"},
};

void ps_guarder_on_attach(void *arg, enum ps_attach_change change,
                          const struct ps_attached *iface)
{
    const struct change_event *e = &change_events[change];
    const char *detail = iface->mode ? iface->mode : iface->reason;
    struct ps_guarder *g = arg;
    const struct ps_event_param params[] = {
        {"interface", iface->name},
        {"mode", iface->mode ? iface->mode : ""},
        {"reason", iface->reason},
        {NULL, NULL},
    };

    ps_event(g->daemon, e->severity, e->id, params, "%s %s%s%s%s", e->text,
             iface->name, detail[0] ? " (" : "", detail, detail[0] ? ")" : "");
}

void ps_guarder_report_rule(struct ps_guarder *g, const char *id,
                            const char *what, const struct ps_rule *rule,
                            const char *actor)
{
    const char *action = rule->action == PS__RULE__ACTION__drop ? "drop"
                                                                : "pass";
    const struct ps_event_param params[] = {
        {"rule", rule->id},
        {"action", action},
        {"actor", actor},
        {NULL, NULL},
    };

    ps_event(g->daemon, PS__EVENT__SEVERITY__info, id, params,
             "Rule %s (%s) was %s%s%s", rule->id, action, what,
             actor[0] ? " by " : "", actor);
}

void ps_guarder_report_start(struct ps_guarder *g)
{
    const char *replaced = ps_kernel_replaced(g->kernel);
    const char *from = ps_kernel_taken_over(g->kernel) ? "kernel" : "store";
    char rules[24];
    const struct ps_event_param params[] = {
        {"rules", rules},
        {"from", from},
        {"replaced", replaced ? replaced : ""},
        {NULL, NULL},
    };

    snprintf(rules, sizeof(rules), "%zu", g->set->n);
    ps_guarder_report_capabilities(g);
    if (replaced)
        ps_event(g->daemon, PS__EVENT__SEVERITY__notice,
                 "guarder.maps_replaced", params,
                 "The kernel's maps were made anew, for %s; hits since the "
                 "last save are not in the counters",
                 replaced);
    if (g->set->n == 0)
        return;
    ps_event(g->daemon, PS__EVENT__SEVERITY__info, "guarder.ruleset_restored",
             params, "%s rules are in force again, counters from the %s", rules,
             from);
}

/* ---- metrics ------------------------------------------------------------ */

static const struct metric {
    const char *name, *help;
    size_t offset;
} iface_metrics[] = {
    {"guarder_passed_packets_total", "Packets that passed, by interface",
     offsetof(struct ps_gd_iface, passed.packets)},
    {"guarder_passed_bytes_total", "L2 bytes that passed, by interface",
     offsetof(struct ps_gd_iface, passed.bytes)},
    {"guarder_dropped_packets_total", "Packets dropped, by interface",
     offsetof(struct ps_gd_iface, dropped.packets)},
    {"guarder_dropped_bytes_total", "L2 bytes dropped, by interface",
     offsetof(struct ps_gd_iface, dropped.bytes)},
    {"guarder_unparsed_packets_total",
     "Packets that passed unexamined, by interface",
     offsetof(struct ps_gd_iface, unparsed.packets)},
};

static void sample_ifaces(struct ps_guarder *g)
{
    /* A metric for each of very many interfaces would crowd out the rest. */
    static const size_t most = 32;
    struct ps_gd_iface counts;

    for (size_t i = 0; i < g->attachments->n && i < most; i++) {
        const struct ps_attached *iface = &g->attachments->list[i];

        if (ps_kernel_iface_read(g->kernel, iface->ifindex, &counts) < 0)
            continue;
        for (size_t m = 0; m < ARRAY_SIZE(iface_metrics); m++) {
            uint64_t value;

            memcpy(&value, (char *)&counts + iface_metrics[m].offset,
                   sizeof(value));
            ps_metric(g->daemon, PS__METRIC__KIND__counter,
                      iface_metrics[m].name, iface_metrics[m].help, "interface",
                      iface->name, (double)value);
        }
    }
}

static void sample_degraded(struct ps_guarder *g)
{
    char reason[256];
    size_t missing = 0;

    for (size_t i = 0; i < g->attachments->n; i++)
        missing += !g->attachments->list[i].mode &&
                   g->attachments->list[i].reason[0];
    if (missing) {
        snprintf(reason, sizeof(reason),
                 "rules are not enforced on %zu interface(s): see the "
                 "guarder's statistics",
                 missing);
        ps_degraded(g->daemon, reason);
    } else {
        ps_degraded(g->daemon, NULL);
    }
}

void ps_guarder_report_sample(struct ps_guarder *g)
{
    struct ps_daemon *d = g->daemon;

    ps_metric(d, PS__METRIC__KIND__gauge, "guarder_rules",
              "Rules, disabled ones too", NULL, NULL, (double)g->set->n);
    ps_metric(d, PS__METRIC__KIND__gauge, "guarder_generation",
              "Changes of the ruleset so far", NULL, NULL,
              (double)g->set->generation);
    ps_loss(d, "checkpoint_failed", "saves", g->checkpoint_failures);
    ps_loss(d, "apply_failed", "changes", g->apply_failures);
    if (!g->kernel) {
        ps_degraded(d, "XDP programs cannot be loaded: rules are kept, but "
                       "not enforced");
        return;
    }
    ps_loss(d, "interface_uncounted", "packets",
            ps_kernel_uncounted(g->kernel));
    ps_loss(d, "interface_left_out", "interfaces",
            g->links->left_out + g->attachments->left_out);
    sample_ifaces(g);
    sample_degraded(g);
}

/* ---- statistics --------------------------------------------------------- */

Ps__GuarderStats *ps_guarder_stats(struct ps_guarder *g)
{
    const size_t n = g->attachments ? g->attachments->n : 0;
    Ps__GuarderStats *msg = calloc(1, sizeof(*msg));

    if (!msg)
        return NULL;
    ps__guarder_stats__init(msg);
    msg->generation = g->set->generation;
    msg->rules = g->set->n;
    msg->time = ps_time_to_pb(ps_now_ns());
    msg->interfaces = calloc(n + 1, sizeof(*msg->interfaces));
    if (!msg->time || !msg->interfaces)
        goto fail;
    for (size_t i = 0; i < n; i++) {
        const struct ps_attached *iface = &g->attachments->list[i];
        struct ps_gd_iface counts = {0};

        ps_kernel_iface_read(g->kernel, iface->ifindex, &counts);
        msg->interfaces[i] = ps_iface_to_pb(iface, &counts);
        if (!msg->interfaces[i])
            goto fail;
        msg->n_interfaces++;
    }
    return msg;
fail:
    ps__guarder_stats__free_unpacked(msg, NULL);
    return NULL;
}

void ps_guarder_publish(struct ps_guarder *g)
{
    Ps__GuarderStats *msg = ps_guarder_stats(g);

    if (!msg)
        return;
    ps_publish(g->daemon, "ruleset", &msg->base, true);
    ps__guarder_stats__free_unpacked(msg, NULL);
}
