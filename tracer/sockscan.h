/* SPDX-License-Identifier: MIT */
/* One look at all sockets of the host. Includes the sockets' BPF skeleton. */
#ifndef PS_TRACER_SOCKSCAN_H
#define PS_TRACER_SOCKSCAN_H

#include "tracer/netns_enter.h"
#include "tracer/socktable.h"

struct ps_sockscan;

/*
 * Loads and attaches the iterators. reason (of reason_size) says what failed,
 * where it does. Privileged; later looks need CAP_BPF, CAP_PERFMON,
 * CAP_SYS_ADMIN (setns) and CAP_SYS_PTRACE (namespaces of processes).
 */
int ps_sockscan_open(struct ps_sockscan **ret_scan, char *reason,
                     size_t reason_size);
void ps_sockscan_free(struct ps_sockscan **scan);
uint64_t ps_sockscan_memory(const struct ps_sockscan *scan);

struct ps_sockscan_result {
    struct ps_socktable *table;
    struct ps_netns *netns; /* n_netns, for their names */
    size_t n_netns;
    uint64_t missed_netns; /* that could not be read */
};

/*
 * Looks. The calling thread visits each namespace and returns. Everything in
 * ret_result is the caller's (ps_sockscan_result_free()).
 */
int ps_sockscan_run(struct ps_sockscan *scan,
                    struct ps_sockscan_result *ret_result);
void ps_sockscan_result_free(struct ps_sockscan_result *result);

/* Whose sockets: what is set must fit; a pid of 0, NULL and "" ask nothing. */
struct ps_sock_holder {
    uint32_t pid;
    const char *cgroup;    /* its path, or that of one above it */
    const char *container; /* its id, or 12 digits of it and more */
};

/*
 * The sockets, of all network namespaces, that such a process has open now:
 * records with kernel address (what skb->sk is), cookie, inode, namespace,
 * addresses, ports and pid. One that several hold comes once for each of them.
 * Looks at open files only, not at the hash tables of namespaces. *ret_socks
 * (ret_n of them, NULL for none) is the caller's, freed with free().
 */
int ps_sockscan_held(struct ps_sockscan *scan,
                     const struct ps_sock_holder *holder,
                     struct ps_tracer_sock **ret_socks, size_t *ret_n);

#endif
