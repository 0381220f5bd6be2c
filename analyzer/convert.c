/* SPDX-License-Identifier: MIT */
#include "analyzer/convert.h"

#include "analyzer/flow_id.h"
#include "common/json.h"

/* Places where one flow's packets are dropped, in one answer. */
#define MAX_DROPS 64

Ps__Counters *ps_counters_to_pb(const struct ps_counters *c)
{
    Ps__Counters *pb = (void *)ps_message_new(&ps__counters__descriptor);

    if (!pb)
        return NULL;
    pb->skbs = c->skbs;
    pb->packets = c->packets;
    pb->bytes = c->bytes;
    pb->wire_bytes = c->wire_bytes;
    return pb;
}

Ps__Time *ps_reading_time_to_pb(const struct ps_analyzer *a)
{
    return ps_time_to_pb(a->read_ns + a->wall_offset);
}

/* A copy of a text that may be NULL; false without memory. */
static bool copy_text(char **ret_text, const char *text)
{
    if (!text)
        return true;
    *ret_text = strdup(text);
    return *ret_text != NULL;
}

Ps__DropCount *ps_drop_to_pb(const struct ps_analyzer *a,
                             const struct ps_drop_row *row)
{
    Ps__DropCount *pb = (void *)ps_message_new(&ps__drop_count__descriptor);
    const char *function = NULL, *reason = NULL;
    uint32_t offset = 0;

    if (!pb)
        return NULL;
    pb->skbs = row->skbs;
    pb->packets = row->packets;
    if (ps_probe_has_reasons(a->probe)) {
        pb->has_reason_code = true;
        pb->reason_code = row->reason;
        reason = ps_drop_reason_name(a->reasons, row->reason);
    }
    if (a->syms)
        function = ps_ksyms_find(a->syms, row->location, &offset);
    if (function) {
        pb->has_offset = true;
        pb->offset = offset;
    }
    if (!copy_text(&pb->reason, reason) ||
        !copy_text(&pb->function, function)) {
        protobuf_c_message_free_unpacked(&pb->base, NULL);
        return NULL;
    }
    return pb;
}

static bool add_drops(const struct ps_analyzer *a, const struct ps_flow *flow,
                      Ps__Flow *pb)
{
    pb->dropped_packets = flow->dropped_packets;
    if (flow->first_drop == PS_TABLE_NONE)
        return true;
    pb->drops = calloc(MAX_DROPS, sizeof(Ps__DropCount *));
    if (!pb->drops)
        return false;
    for (uint32_t i = flow->first_drop;
         i != PS_TABLE_NONE && pb->n_drops < MAX_DROPS;) {
        const struct ps_flow_drop *drop = ps_table_drop(a->table, i);
        const struct ps_drop_row row = {
            .location = drop->key.location,
            .reason = drop->key.reason,
            .skbs = drop->value.skbs,
            .packets = drop->value.packets,
        };

        pb->drops[pb->n_drops] = ps_drop_to_pb(a, &row);
        if (!pb->drops[pb->n_drops])
            return false;
        pb->n_drops++;
        i = drop->next;
    }
    return true;
}

static bool add_ip(const struct ps_flow_key *key, Ps__Flow *pb)
{
    struct ps_addr laddr = {.family = key->family};
    struct ps_addr raddr = laddr;

    if (key->family != 4 && key->family != 6)
        return true;
    memcpy(laddr.bytes, key->laddr, sizeof(laddr.bytes));
    memcpy(raddr.bytes, key->raddr, sizeof(raddr.bytes));
    pb->laddr = ps_addr_to_pb(&laddr);
    pb->raddr = ps_addr_to_pb(&raddr);
    pb->proto = ps_ipproto_to_pb(key->proto);
    pb->has_lport = pb->has_rport = true;
    pb->lport = key->lport;
    pb->rport = key->rport;
    return pb->laddr && pb->raddr && pb->proto;
}

static void add_rates(const struct ps_flow *flow, Ps__Flow *pb)
{
    if (!flow->has_rates)
        return;
    pb->has_rx_bytes_per_s = pb->has_tx_bytes_per_s = true;
    pb->has_rx_packets_per_s = pb->has_tx_packets_per_s = true;
    pb->rx_bytes_per_s = flow->rates.rx_bytes;
    pb->tx_bytes_per_s = flow->rates.tx_bytes;
    pb->rx_packets_per_s = flow->rates.rx_packets;
    pb->tx_packets_per_s = flow->rates.tx_packets;
}

static bool fill_flow(const struct ps_analyzer *a, const struct ps_flow *flow,
                      Ps__Flow *pb)
{
    const struct ps_flow_key *key = &flow->key;
    char id[PS_FLOW_ID_TEXT];

    pb->ethertype = key->ethertype;
    pb->ifindex = key->ifindex;
    pb->netns = key->netns;
    add_rates(flow, pb);
    pb->id = strdup(ps_flow_id_format(key, id));
    pb->rx = ps_counters_to_pb(&flow->value.rx);
    pb->tx = ps_counters_to_pb(&flow->value.tx);
    pb->first = ps_time_to_pb(flow->value.first_ns + a->wall_offset);
    pb->last = ps_time_to_pb(flow->value.last_ns + a->wall_offset);
    return pb->id && pb->rx && pb->tx && pb->first && pb->last &&
           copy_text(&pb->ifname,
                     ps_ifaces_name(&a->ifaces, key->netns, key->netns_gen,
                                    key->ifindex)) &&
           copy_text(&pb->netns_name,
                     ps_analyzer_netns_name(a, key->netns, key->netns_gen)) &&
           add_ip(key, pb) && add_drops(a, flow, pb);
}

Ps__Flow *ps_flow_to_pb(const struct ps_analyzer *a, const struct ps_flow *flow)
{
    Ps__Flow *pb = (void *)ps_message_new(&ps__flow__descriptor);

    if (pb && !fill_flow(a, flow, pb)) {
        protobuf_c_message_free_unpacked(&pb->base, NULL);
        return NULL;
    }
    return pb;
}

Ps__InterfaceCount *ps_iface_to_pb(const struct ps_iface *iface)
{
    Ps__InterfaceCount *pb =
        (void *)ps_message_new(&ps__interface_count__descriptor);

    if (!pb)
        return NULL;
    pb->ifindex = iface->key.ifindex;
    pb->netns = iface->key.netns;
    pb->rx = ps_counters_to_pb(&iface->sum.rx);
    pb->tx = ps_counters_to_pb(&iface->sum.tx);
    if (!pb->rx || !pb->tx ||
        !copy_text(&pb->ifname, iface->sum.name[0] ? iface->sum.name : NULL)) {
        protobuf_c_message_free_unpacked(&pb->base, NULL);
        return NULL;
    }
    return pb;
}

/* ---- queries ------------------------------------------------------------ */

static int read_addr(const Ps__Ip *ip, struct ps_addr *addr)
{
    return ip ? ps_addr_from_pb(ip, addr) : 0;
}

static int read_port(bool has, uint32_t value, uint32_t *port)
{
    if (has && value > UINT16_MAX)
        return -EINVAL;
    if (has)
        *port = value;
    return 0;
}

#define BAD_ADDR "Give an IPv4 or IPv6 address."
#define BAD_PORT "Give a port from 0 to 65535."

static int read_ends(const Ps__ListFlowsRequest *req, struct ps_query *q,
                     const char **ret_field, const char **ret_detail)
{
    const struct {
        const char *field, *detail;
        int r;
    } checks[] = {
        {"addr", BAD_ADDR, read_addr(req->addr, &q->either.addr)},
        {"laddr", BAD_ADDR, read_addr(req->laddr, &q->ends[0].addr)},
        {"raddr", BAD_ADDR, read_addr(req->raddr, &q->ends[1].addr)},
        {"port", BAD_PORT,
         read_port(req->has_port, req->port, &q->either.port)},
        {"lport", BAD_PORT,
         read_port(req->has_lport, req->lport, &q->ends[0].port)},
        {"rport", BAD_PORT,
         read_port(req->has_rport, req->rport, &q->ends[1].port)},
    };

    for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
        if (checks[i].r == 0)
            continue;
        *ret_field = checks[i].field;
        *ret_detail = checks[i].detail;
        return -EINVAL;
    }
    return 0;
}

int ps_query_from_pb(const Ps__ListFlowsRequest *req,
                     struct ps_query *ret_query, const char **ret_field,
                     const char **ret_detail)
{
    struct ps_query q;

    ps_query_init(&q);
    if (ps_query_parse_sort(&q, req->sort) < 0) {
        *ret_field = "sort";
        *ret_detail = "Sort by bytes, packets, rate, first, last or drops, "
                      "with - before it for descending.";
        return -EINVAL;
    }
    if (req->proto && req->proto->number > UINT8_MAX) {
        *ret_field = "proto";
        *ret_detail = "Give an IP protocol's name, or a number up to 255.";
        return -EINVAL;
    }
    if (req->ifname &&
        (!*req->ifname || strlen(req->ifname) >= PS_IFNAME_LEN)) {
        *ret_field = "ifname";
        *ret_detail = "Give an interface's name: 1 to 15 characters.";
        return -EINVAL;
    }
    if (read_ends(req, &q, ret_field, ret_detail) < 0)
        return -EINVAL;
    if (req->proto)
        q.proto = req->proto->number;
    if (req->has_ifindex)
        q.ifindex = req->ifindex;
    if (req->has_netns)
        q.netns = req->netns;
    q.ifname = req->ifname;
    *ret_query = q;
    return 0;
}
