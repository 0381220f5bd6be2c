/* SPDX-License-Identifier: MIT */
/* A flow of which suddenly much is dropped. */
#include <inttypes.h>

#include "analyzer/analyzer.h"
#include "analyzer/flow_id.h"

/* The same flow is told again after so long. */
#define AGAIN_NS (60 * PS_NS_PER_S)
/* In one second; the others are counted. */
#define AT_ONCE 8u

struct spike {
    char alert[32], flow[PS_FLOW_ID_TEXT];
    char saddr[PS_ADDR_TEXT], daddr[PS_ADDR_TEXT];
    char sport[8], dport[8], proto[16], netns[16], rate[24], bound[24];
};

static void fill_spike(struct ps_analyzer *a, const struct ps_flow *flow,
                       struct spike *s)
{
    const struct ps_flow_key *key = &flow->key;
    struct ps_addr local = {.family = key->family}, remote = local;
    const char *name = ps_ipproto_name(key->proto);

    memcpy(local.bytes, key->laddr, sizeof(local.bytes));
    memcpy(remote.bytes, key->raddr, sizeof(remote.bytes));
    ps_addr_format(&local, s->saddr);
    ps_addr_format(&remote, s->daddr);
    ps_flow_id_format(key, s->flow);
    snprintf(s->alert, sizeof(s->alert), "%" PRIx64 "-%" PRIu64,
             ps_now_ns() / PS_NS_PER_MS, a->alerts);
    snprintf(s->sport, sizeof(s->sport), "%u", key->lport);
    snprintf(s->dport, sizeof(s->dport), "%u", key->rport);
    if (name)
        snprintf(s->proto, sizeof(s->proto), "%s", name);
    else
        snprintf(s->proto, sizeof(s->proto), "%u", key->proto);
    snprintf(s->netns, sizeof(s->netns), "%u", key->netns);
    snprintf(s->rate, sizeof(s->rate), "%.0f", flow->rates.drops);
    snprintf(s->bound, sizeof(s->bound), "%" PRIu64, a->config.drop_alert);
}

static void tell(struct ps_analyzer *a, const struct ps_flow *flow)
{
    struct spike s;

    a->alerts++;
    fill_spike(a, flow, &s);
    ps_event(a->daemon, PS__EVENT__SEVERITY__warning, "analyzer.drop_spike",
             (const struct ps_event_param[]){{"alert", s.alert},
                                             {"flow", s.flow},
                                             {"saddr", s.saddr},
                                             {"sport", s.sport},
                                             {"daddr", s.daddr},
                                             {"dport", s.dport},
                                             {"proto", s.proto},
                                             {"netns", s.netns},
                                             {"rate", s.rate},
                                             {"bound", s.bound},
                                             {NULL, NULL}},
             "%s packets a second of the %s flow %s port %s - %s port %s are "
             "dropped (%s are allowed).",
             s.rate, s.proto, s.saddr, s.sport, s.daddr, s.dport, s.bound);
}

void ps_analyzer_alert(struct ps_analyzer *a)
{
    double bound = (double)a->config.drop_alert;
    uint64_t rated = ps_table_rate_ns(a->table);
    unsigned int told = 0;

    if (a->config.drop_alert == 0 || rated == a->judged_ns)
        return;
    a->judged_ns = rated;
    for (size_t i = 0; i < ps_table_size(a->table); i++) {
        const struct ps_flow *flow = ps_table_at(a->table, i);

        if (!flow->key.family || !flow->has_rates ||
            flow->rates.drops < bound ||
            (flow->alerted_ns && rated < flow->alerted_ns + AGAIN_NS))
            continue;
        if (told++ < AT_ONCE)
            tell(a, flow);
        else
            a->alerts_left_out++;
        ps_table_alerted(a->table, i, rated);
    }
}
