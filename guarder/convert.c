/* SPDX-License-Identifier: MIT */
#include "guarder/convert.h"

static Ps__Prefix *prefix_to_pb(const struct ps_addr *addr, uint8_t len)
{
    size_t size = addr->family == 4 ? 4 : 16;
    Ps__Prefix *msg = calloc(1, sizeof(*msg));

    if (!msg)
        return NULL;
    ps__prefix__init(msg);
    msg->addr.data = malloc(size);
    if (!msg->addr.data) {
        free(msg);
        return NULL;
    }
    memcpy(msg->addr.data, addr->bytes, size);
    msg->addr.len = size;
    msg->len = len;
    return msg;
}

static Ps__PortRange *ports_to_pb(const struct ps_rule_ports *ports)
{
    Ps__PortRange *msg = calloc(1, sizeof(*msg));

    if (!msg)
        return NULL;
    ps__port_range__init(msg);
    msg->first = ports->first;
    msg->last = ports->last;
    return msg;
}

static int flags_to_pb(uint8_t bits, Ps__TcpFlag **ret_flags, size_t *ret_n)
{
    Ps__TcpFlag *flags;
    size_t n = 0;

    if (bits == 0)
        return 0;
    flags = calloc(8, sizeof(*flags));
    if (!flags)
        return -ENOMEM;
    for (unsigned int i = 0; i < 8; i++) {
        if (bits & 1u << i)
            flags[n++] = (Ps__TcpFlag)i;
    }
    *ret_flags = flags;
    *ret_n = n;
    return 0;
}

static int fill_match(Ps__Rule *msg, const struct ps_rule *rule)
{
    bool ok = true;

    if (rule->src.family)
        ok &= (msg->src = prefix_to_pb(&rule->src, rule->src_len)) != NULL;
    if (rule->dst.family)
        ok &= (msg->dst = prefix_to_pb(&rule->dst, rule->dst_len)) != NULL;
    if (rule->has_proto)
        ok &= (msg->proto = ps_ipproto_to_pb(rule->proto)) != NULL;
    if (rule->sport.set)
        ok &= (msg->sport = ports_to_pb(&rule->sport)) != NULL;
    if (rule->dport.set)
        ok &= (msg->dport = ports_to_pb(&rule->dport)) != NULL;
    ok &= flags_to_pb(rule->flags_set, &msg->tcp_flags_set,
                      &msg->n_tcp_flags_set) == 0;
    ok &= flags_to_pb(rule->flags_unset, &msg->tcp_flags_unset,
                      &msg->n_tcp_flags_unset) == 0;
    msg->has_family = rule->family != 0;
    msg->family = rule->family;
    msg->has_icmp_type = rule->icmp_type >= 0;
    msg->icmp_type = (uint32_t)rule->icmp_type;
    msg->has_icmp_code = rule->icmp_code >= 0;
    msg->icmp_code = (uint32_t)rule->icmp_code;
    if (rule->ifname[0])
        ok &= (msg->interface = strdup(rule->ifname)) != NULL;
    return ok ? 0 : -ENOMEM;
}

static int fill_answer(Ps__Rule *msg, const struct ps_rule *rule,
                       const struct ps_rule_hits *hits)
{
    msg->has_hit_packets = msg->has_hit_bytes = true;
    msg->hit_packets = hits->packets;
    msg->hit_bytes = hits->bytes;
    msg->created = ps_time_to_pb(rule->created_ns);
    msg->updated = ps_time_to_pb(rule->updated_ns);
    return msg->created && msg->updated ? 0 : -ENOMEM;
}

Ps__Rule *ps_rule_to_pb(const struct ps_rule *rule,
                        const struct ps_rule_hits *hits)
{
    Ps__Rule *msg = calloc(1, sizeof(*msg));
    int r;

    if (!msg)
        return NULL;
    ps__rule__init(msg);
    msg->id = strdup(rule->id);
    if (rule->has_comment)
        msg->comment = strdup(rule->comment);
    msg->has_action = msg->has_priority = msg->has_enabled = true;
    msg->action = rule->action;
    msg->priority = rule->priority;
    msg->enabled = rule->enabled;
    r = fill_match(msg, rule);
    if (r == 0 && hits)
        r = fill_answer(msg, rule, hits);
    if (r < 0 || !msg->id || (rule->has_comment && !msg->comment)) {
        ps__rule__free_unpacked(msg, NULL);
        return NULL;
    }
    return msg;
}

Ps__GuardedInterface *ps_iface_to_pb(const struct ps_attached *iface,
                                     const struct ps_gd_iface *counts)
{
    Ps__GuardedInterface *msg = calloc(1, sizeof(*msg));

    if (!msg)
        return NULL;
    ps__guarded_interface__init(msg);
    msg->ifindex = iface->ifindex;
    msg->ifname = strdup(iface->name);
    if (iface->mode)
        msg->mode = strdup(iface->mode);
    if (iface->reason[0])
        msg->reason = strdup(iface->reason);
    msg->passed_packets = counts->passed.packets;
    msg->passed_bytes = counts->passed.bytes;
    msg->dropped_packets = counts->dropped.packets;
    msg->dropped_bytes = counts->dropped.bytes;
    msg->seen_packets = msg->passed_packets + msg->dropped_packets;
    msg->seen_bytes = msg->passed_bytes + msg->dropped_bytes;
    msg->unparsed_packets = counts->unparsed.packets;
    if (!msg->ifname || (iface->mode && !msg->mode) ||
        (iface->reason[0] && !msg->reason)) {
        ps__guarded_interface__free_unpacked(msg, NULL);
        return NULL;
    }
    return msg;
}
