/* SPDX-License-Identifier: MIT */
/*
 * The last reading of the interfaces' totals, in order of their keys, and the
 * totals of those that were removed. No I/O, no clock.
 */
#ifndef PS_ANALYZER_IFACES_H
#define PS_ANALYZER_IFACES_H

#include "analyzer/abi.h"

struct ps_iface {
    struct ps_iface_key key;
    struct ps_iface_value sum; /* over all CPUs */
    /* A newer namespace has this one's inode number: it is gone. */
    bool stale;
};

struct ps_ifaces {
    struct ps_iface *items;
    size_t n, allocated, max;
    struct ps_counters gone_rx, gone_tx;
};

void ps_ifaces_init(struct ps_ifaces *ifaces, size_t max);
void ps_ifaces_done(struct ps_ifaces *ifaces);

/* A reading: clear, add each, finish (sorts, marks stale ones). */
void ps_ifaces_clear(struct ps_ifaces *ifaces);
int ps_ifaces_add(struct ps_ifaces *ifaces, const struct ps_iface_key *key,
                  const struct ps_iface_value *sum);
void ps_ifaces_finish(struct ps_ifaces *ifaces);

/* Sum of one entry's per-CPU values. */
void ps_iface_sum(const struct ps_iface_value *values, size_t cpus,
                  struct ps_iface_value *ret_sum);
/* A removed interface's totals go to gone_rx and gone_tx. */
void ps_ifaces_gone(struct ps_ifaces *ifaces, const struct ps_iface_value *sum);

/* NULL: none. Borrowed until the next reading. */
const struct ps_iface *ps_ifaces_find(const struct ps_ifaces *ifaces,
                                      uint32_t netns, uint32_t netns_gen,
                                      uint32_t ifindex);
const char *ps_ifaces_name(const struct ps_ifaces *ifaces, uint32_t netns,
                           uint32_t netns_gen, uint32_t ifindex);
/* Whether this namespace's inode number has been given to a newer one. */
bool ps_ifaces_netns_stale(const struct ps_ifaces *ifaces, uint32_t netns,
                           uint32_t netns_gen);

#endif
