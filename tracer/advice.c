/* SPDX-License-Identifier: MIT */
#include "tracer/advice.h"

/*
 * Places that drop for one reason only, and do not say it: on this or that
 * kernel, or, before 5.17, on all.
 */
static const struct {
    const char *function;
    const char *reason;
} silent[] = {
    {"neigh_invalidate", "NEIGH_FAILED"}, /* by way of ndisc_error_report() */
    {"ndisc_error_report", "NEIGH_FAILED"},
    {"arp_error_report", "NEIGH_FAILED"},
    {"do_xdp_generic", "XDP"},
    {"bpf_prog_run_generic_xdp", "XDP"},
    {"netif_receive_generic_xdp", "XDP"},
    {"veth_xdp_rcv_skb", "XDP"},
    {"nf_hook_slow", "NETFILTER_DROP"},
    {"nft_do_chain", "NETFILTER_DROP"},
    {"enqueue_to_backlog", "CPU_BACKLOG"},
    {"ip_error", "IP_INNOROUTES"},
    {"ip_expire", "FRAG_REASM_TIMEOUT"},
};

static bool same_function(const char *wanted, const char *function)
{
    size_t len = strcspn(function, ".");

    return strlen(wanted) == len && !strncmp(wanted, function, len);
}

static bool applies(const struct ps_advice *a, const char *subsystem,
                    const char *reason, const char *function)
{
    if ((a->subsystem || subsystem) && !ps_streq(a->subsystem, subsystem))
        return false;
    if (a->reason && !ps_streq(a->reason, reason))
        return false;
    return !a->function || (function && same_function(a->function, function));
}

static const struct ps_advice *search(const struct ps_advice *table, size_t n,
                                      const char *subsystem, const char *reason,
                                      const char *function)
{
    for (size_t i = 0; i < n; i++)
        if (applies(&table[i], subsystem, reason, function))
            return &table[i];
    return NULL;
}

const struct ps_advice *ps_advice_find(const char *subsystem,
                                       const char *reason, const char *function)
{
    const struct ps_advice *found;

    if (ps_streq(subsystem, "core"))
        subsystem = NULL;
    if (!subsystem && (!reason || !strcmp(reason, "NOT_SPECIFIED")))
        for (size_t i = 0; function && i < ARRAY_SIZE(silent); i++)
            if (same_function(silent[i].function, function))
                reason = silent[i].reason;
    if (!reason && !subsystem)
        return NULL;
    found =
        search(ps_advice_sock, ps_advice_sock_n, subsystem, reason, function);
    return found ? found
                 : search(ps_advice_net, ps_advice_net_n, subsystem, reason,
                          function);
}
