/* SPDX-License-Identifier: MIT */
/* The programs and their maps: load or take over, swap sets, read counters. */
#ifndef PS_GUARDER_KERNEL_H
#define PS_GUARDER_KERNEL_H

#include "bpf/guarder/guarder_abi.h"
#include "common/util.h"
#include "guarder/pins.h"

struct ps_kernel;

/*
 * Loads the programs upon the pinned maps, or upon new ones where there are
 * none, or they are of another layout, or not those that the store's counters
 * go on from: epoch (ps_kernel_replaced() says so then). Changes nothing that
 * is in force. reason: a sentence when it fails.
 */
int ps_kernel_open(const struct ps_pins *pins, uint64_t epoch,
                   struct ps_kernel **ret_kernel, char *reason,
                   size_t reason_size);
/* Pinned maps stay. */
void ps_kernel_free(struct ps_kernel **kernel);

/* The maps are those of an earlier daemon. */
bool ps_kernel_taken_over(const struct ps_kernel *kernel);
/* Why earlier pinned maps are not used, or NULL. */
const char *ps_kernel_replaced(const struct ps_kernel *kernel);
/* Names this life of the counters. */
uint64_t ps_kernel_epoch(const struct ps_kernel *kernel);
/* -1: this kernel has no multi-buffer XDP. */
int ps_kernel_frags_fd(const struct ps_kernel *kernel);
int ps_kernel_linear_fd(const struct ps_kernel *kernel);
uint64_t ps_kernel_memory(const struct ps_kernel *kernel);

/* Pins the maps, unless they were taken over. */
int ps_kernel_pin(struct ps_kernel *kernel, const struct ps_pins *pins);

/*
 * Puts a set in force for all interfaces at once. When it returns, no packet
 * is being held against the old one any more. Does nothing where the same set
 * is in force.
 */
int ps_kernel_swap(struct ps_kernel *kernel, const struct ps_gd_set *set);

/* What all CPUs counted, by slot; PS_GD_SLOTS entries. */
int ps_kernel_hits(struct ps_kernel *kernel, struct ps_gd_count *ret_hits);

/* Makes the counters of an interface, unless they are there. */
int ps_kernel_iface_add(struct ps_kernel *kernel, uint32_t ifindex);
void ps_kernel_iface_remove(struct ps_kernel *kernel, uint32_t ifindex);
/* -ENOENT: it has none. */
int ps_kernel_iface_read(struct ps_kernel *kernel, uint32_t ifindex,
                         struct ps_gd_iface *ret_counts);
/* Packets of interfaces that had no counters. */
uint64_t ps_kernel_uncounted(struct ps_kernel *kernel);

/* What bpf/guarder/watch.h shares; valid as long as the kernel is. */
struct ps_kernel_watch {
    int watch_fd, ring_fd;
    volatile uint64_t *until;
    uint64_t *untold;
};
void ps_kernel_watch(const struct ps_kernel *kernel,
                     struct ps_kernel_watch *ret_watch);

#endif
