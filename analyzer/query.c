/* SPDX-License-Identifier: MIT */
#include "analyzer/query.h"

struct ps_sort {
    const char *name;
    double (*value)(const struct ps_flow *flow);
};

static double rate_of(const struct ps_flow *f)
{
    return f->has_rates ? f->rates.rx_bytes + f->rates.tx_bytes : 0;
}

static double bytes_of(const struct ps_flow *f)
{
    return (double)f->value.rx.bytes + (double)f->value.tx.bytes;
}

static double packets_of(const struct ps_flow *f)
{
    return (double)f->value.rx.packets + (double)f->value.tx.packets;
}

static double first_of(const struct ps_flow *f)
{
    return (double)f->value.first_ns;
}

static double last_of(const struct ps_flow *f)
{
    return (double)f->value.last_ns;
}

static double drops_of(const struct ps_flow *f)
{
    return (double)f->dropped_packets;
}

static const struct ps_sort sorts[] = {
    {"rate", rate_of},   {"bytes", bytes_of}, {"packets", packets_of},
    {"first", first_of}, {"last", last_of},   {"drops", drops_of},
};

void ps_query_init(struct ps_query *q)
{
    *q = (struct ps_query){
        .either.port = PS_QUERY_ANY,
        .ends = {{.port = PS_QUERY_ANY}, {.port = PS_QUERY_ANY}},
        .proto = PS_QUERY_ANY,
        .ifindex = PS_QUERY_ANY,
        .netns = PS_QUERY_ANY,
        .sort = &sorts[0],
        .descending = true,
    };
}

int ps_query_parse_sort(struct ps_query *q, const char *text)
{
    bool descending = text && text[0] == '-';

    if (!text || !*text)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(sorts); i++) {
        if (!ps_streq(text + descending, sorts[i].name))
            continue;
        q->sort = &sorts[i];
        q->descending = descending;
        return 0;
    }
    return -EINVAL;
}

/* ---- matching ----------------------------------------------------------- */

static bool addr_is(const struct ps_query_end *want, uint8_t family,
                    const uint8_t *addr)
{
    return !want->addr.family ||
           (want->addr.family == family &&
            memcmp(want->addr.bytes, addr, sizeof(want->addr.bytes)) == 0);
}

static bool port_is(const struct ps_query_end *want, uint16_t port)
{
    return want->port == PS_QUERY_ANY || want->port == port;
}

static bool ends_are(const struct ps_query_end *local,
                     const struct ps_query_end *remote,
                     const struct ps_flow_key *k)
{
    return addr_is(local, k->family, k->laddr) && port_is(local, k->lport) &&
           addr_is(remote, k->family, k->raddr) && port_is(remote, k->rport);
}

static bool either_is(const struct ps_query_end *want,
                      const struct ps_flow_key *k)
{
    return (addr_is(want, k->family, k->laddr) ||
            addr_is(want, k->family, k->raddr)) &&
           (port_is(want, k->lport) || port_is(want, k->rport));
}

bool ps_query_match(const struct ps_query *q, const struct ps_flow *flow,
                    const struct ps_ifaces *ifaces)
{
    const struct ps_flow_key *k = &flow->key;

    if ((q->proto != PS_QUERY_ANY && (!k->family || q->proto != k->proto)) ||
        (q->ifindex != PS_QUERY_ANY && q->ifindex != k->ifindex) ||
        (q->netns != PS_QUERY_ANY && q->netns != k->netns))
        return false;
    if (!either_is(&q->either, k))
        return false;
    if (!ends_are(&q->ends[0], &q->ends[1], k) &&
        !ends_are(&q->ends[1], &q->ends[0], k))
        return false;
    return !q->ifname ||
           ps_streq(q->ifname,
                    ps_ifaces_name(ifaces, k->netns, k->netns_gen, k->ifindex));
}

/* ---- order -------------------------------------------------------------- */

static int by_value(double a, double b, bool descending)
{
    if (a == b)
        return 0;
    return (a < b) != descending ? -1 : 1;
}

/* Ties are broken by bytes, then by the key, so that the order is one. */
static int compare(const void *a, const void *b, void *arg)
{
    const struct ps_flow *x = *(const struct ps_flow *const *)a;
    const struct ps_flow *y = *(const struct ps_flow *const *)b;
    const struct ps_query *q = arg;
    int r = by_value(q->sort->value(x), q->sort->value(y), q->descending);

    if (r == 0)
        r = by_value(bytes_of(x), bytes_of(y), true);
    return r ? r : memcmp(&x->key, &y->key, sizeof(x->key));
}

int ps_query_run(const struct ps_query *q, const struct ps_table *table,
                 const struct ps_ifaces *ifaces,
                 const struct ps_flow ***ret_flows, size_t *ret_n)
{
    size_t size = ps_table_size(table), n = 0;
    const struct ps_flow **flows = NULL;

    if (size) {
        flows = malloc(size * sizeof(*flows));
        if (!flows)
            return -ENOMEM;
    }
    for (size_t i = 0; i < size; i++) {
        const struct ps_flow *flow = ps_table_at(table, i);

        if (ps_query_match(q, flow, ifaces))
            flows[n++] = flow;
    }
    if (n)
        qsort_r(flows, n, sizeof(*flows), compare, (void *)(uintptr_t)q);
    *ret_flows = flows;
    *ret_n = n;
    return 0;
}
