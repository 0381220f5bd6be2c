/* SPDX-License-Identifier: MIT */
#include "tracer/station.h"

static const struct ps_station stations[PS_ST_MAX] = {
    [PS_ST_NF_PREROUTING] = {"netfilter:prerouting", "netfilter", "in",
                             "netfilter", 0},
    [PS_ST_NF_INPUT] = {"netfilter:input", "netfilter", "in", "netfilter", 0},
    [PS_ST_NF_FORWARD] = {"netfilter:forward", "netfilter", NULL, "netfilter",
                          0},
    [PS_ST_NF_OUTPUT] = {"netfilter:output", "netfilter", "out", "netfilter",
                         PS_STATION_ORIGIN},
    [PS_ST_NF_POSTROUTING] = {"netfilter:postrouting", "netfilter", "out",
                              "netfilter", 0},
    /* Run by ip_finish_output() and by the socket's filter. */
    [PS_ST_CGROUP_EGRESS] = {"cgroup_skb:egress", "network", "out",
                             "cgroup_skb", 0},
    [PS_ST_NET_DEV_QUEUE] = {"net_dev_queue", "qdisc", "out", NULL, 0},
    [PS_ST_NET_DEV_START_XMIT] = {"net_dev_start_xmit", "driver", "out", NULL,
                                  0},
    [PS_ST_NET_DEV_XMIT] = {"net_dev_xmit", "driver", "out", NULL,
                            PS_STATION_NO_START},
    [PS_ST_NETIF_RX] = {"netif_rx", "driver", "in", NULL, 0},
    [PS_ST_NAPI_GRO_RECEIVE] = {"napi_gro_receive_entry", "driver", "in", NULL,
                                0},
    [PS_ST_NETIF_RECEIVE_SKB] = {"netif_receive_skb", "network", "in", NULL, 0},
    [PS_ST_CGROUP_INGRESS] = {"cgroup_skb:ingress", "socket", "in",
                              "cgroup_skb", 0},
    [PS_ST_TCP_PROBE] = {"tcp_probe", "transport", "in", NULL, 0},
    [PS_ST_COPY_DATAGRAM] = {"skb_copy_datagram_iovec", "application", "in",
                             NULL, PS_STATION_NO_START | PS_STATION_REPEATS},
    [PS_ST_CONSUME_SKB] = {"consume_skb", "free", NULL, NULL,
                           PS_STATION_NO_START | PS_STATION_REPEATS},
    [PS_ST_KFREE_SKB] = {"kfree_skb", "drop", NULL, NULL, PS_STATION_REPEATS},
    [PS_ST_FUNCTION] = {"function", "kernel", NULL, NULL, PS_STATION_REPEATS},
    [PS_ST_TCX_INGRESS] = {"tcx:ingress", "tc", "in", "tcx", 0},
    [PS_ST_TCX_EGRESS] = {"tcx:egress", "tc", "out", "tcx", 0},
    [PS_ST_QDISC_ENQUEUE] = {"qdisc_enqueue", "qdisc", "out", NULL, 0},
    [PS_ST_QDISC_DEQUEUE] = {"qdisc_dequeue", "qdisc", "out", NULL,
                             PS_STATION_NO_START},
    /* At the return of the call: it comes after what the call did. */
    [PS_ST_SOCK_SEND] = {"sock_send_length", "socket", "out", NULL,
                         PS_STATION_NO_START | PS_STATION_REPEATS},
    [PS_ST_SOCK_RECV] = {"sock_recv_length", "application", "in", NULL,
                         PS_STATION_NO_START | PS_STATION_REPEATS},
    [PS_ST_XDP_DROP] = {"xdp:drop", "xdp", "in", "xdp", 0},
};

/* net/ipv4 and net/ipv6: udp.c, raw.c, ping.c, icmp.c. Each frees what the
 * socket's owner has read, or what the protocol itself has answered. */
static const char *const readers[] = {
    "skb_consume_udp",
    "udp_recvmsg",
    "udpv6_recvmsg",
    "raw_recvmsg",
    "rawv6_recvmsg",
    "ping_recvmsg",
    "icmp_rcv",
    "icmpv6_rcv",
    "skb_free_datagram",
    "__skb_free_datagram_locked",
    NULL,
};

/* net/core/skbuff.c: what skb_attempt_defer_free() left. */
static const char *const later[] = {"skb_defer_free_flush", NULL};

/* Each gets a copy beside the packet itself, which goes on when a listener
 * does not want it: net/ipv4/raw.c, net/ipv6/raw.c, net/packet/af_packet.c. */
static const char *const listeners[] = {
    "raw_rcv",     "rawv6_rcv",       "packet_rcv",
    "tpacket_rcv", "packet_rcv_spkt", NULL,
};

/* Up to 6.1 net/ipv6/icmp.c frees what it has handled as if it dropped it. */
static const char *const handlers[] = {"icmpv6_rcv", NULL};

const struct ps_station *ps_station_get(unsigned int station)
{
    if (station >= ARRAY_SIZE(stations) || !stations[station].name)
        return NULL;
    return &stations[station];
}

bool ps_station_sender(const struct ps_tracer_event *e,
                       struct ps_sock_key *ret_key)
{
    const struct ps_station *station = ps_station_get(e->station);

    if (!e->sk || !station || !station->direction ||
        strcmp(station->direction, "out") != 0)
        return false;
    *ret_key = (struct ps_sock_key){.sk = e->sk,
                                    .cookie = e->cookie,
                                    .lport = e->tuple.sport,
                                    .rport = e->tuple.dport};
    return true;
}

bool ps_station_receiver(const struct ps_tracer_event *e,
                         struct ps_sock_key *ret_key)
{
    if (!e->sk ||
        (e->station != PS_ST_CGROUP_INGRESS && e->station != PS_ST_TCP_PROBE &&
         e->station != PS_ST_COPY_DATAGRAM))
        return false;
    *ret_key = (struct ps_sock_key){.sk = e->sk,
                                    .cookie = e->cookie,
                                    .lport = e->tuple.dport,
                                    .rport = e->tuple.sport};
    return true;
}

static bool is_in(const char *const *names, const char *function)
{
    size_t len = strcspn(function, ".");

    for (; *names; names++)
        if (strlen(*names) == len && !strncmp(*names, function, len))
            return true;
    return false;
}

enum ps_free ps_station_free(unsigned int station, const char *function,
                             const char *reason)
{
    bool unnamed = !reason || !strcmp(reason, "NOT_SPECIFIED");

    if (station == PS_ST_CONSUME_SKB) {
        if (!function)
            return PS_FREE_UNKNOWN;
        return is_in(readers, function) ? PS_FREE_READ
               : is_in(later, function) ? PS_FREE_LATER
                                        : PS_FREE_UNKNOWN;
    }
    if (station == PS_ST_XDP_DROP)
        return PS_FREE_LOSS;
    if (station != PS_ST_KFREE_SKB)
        return PS_FREE_UNKNOWN;
    if (function &&
        (is_in(listeners, function) || (unnamed && is_in(handlers, function))))
        return PS_FREE_UNKNOWN;
    return PS_FREE_LOSS;
}
