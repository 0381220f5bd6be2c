/* SPDX-License-Identifier: MIT */
/* Functions whose returns are told where each one costs: data. */
#include "tracer/functions_find.h"

/* Between them nearly all of a packet's time passes. None of them sleeps. Each
 * one more costs an old kernel a walk over all of its functions. */
static const char *const timed[] = {
    "__netif_receive_skb",
    "ip_rcv",
    "ipv6_rcv",
    "ip_local_deliver",
    "ip6_input",
    "ip_forward",
    "ip6_forward",
    "ip_output",
    "ip6_output",
    "__dev_queue_xmit",
    "dev_hard_start_xmit",
    "tcp_v4_rcv",
    "tcp_v6_rcv",
    "udp_rcv",
    "udpv6_rcv",
};

bool ps_fn_timed(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(timed); i++)
        if (!strcmp(timed[i], name))
            return true;
    return false;
}
