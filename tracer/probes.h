/* SPDX-License-Identifier: MIT */
/*
 * The tracer's programs in the kernel: loaded once, attached only while a
 * trace runs. Includes the BPF skeleton.
 */
#ifndef PS_TRACER_PROBES_H
#define PS_TRACER_PROBES_H

#include "bpf/tracer/tracer_abi.h"
#include "common/util.h"

struct btf;

/* Namespaces in which netfilter hooks are put: each costs ten links. */
#define PS_PROBES_MAX_NETNS 64u
#define PS_PROBES_MAX       48u

struct ps_probes;

/* What became of one program, or group of them. */
struct ps_probe_state {
    const char *id; /* "tracer.netfilter", or a station's name */
    const char *tier;
    bool available;
    char reason[160];
};

/*
 * kernel: see ps_bpf_kernel_types(). Loads, by the ladder: tp_btf with
 * netfilter links and cgroup programs, then without what fails, then raw_tp.
 * ring_bytes is made a power of two of whole pages. Privileged. -errno where
 * nothing loads; reason then says why.
 */
int ps_probes_open(const struct btf *kernel, uint32_t ring_bytes,
                   struct ps_probes **ret_probes, char *reason,
                   size_t reason_size);
void ps_probes_free(struct ps_probes **probes);
uint64_t ps_probes_memory(const struct ps_probes *probes);

/*
 * Attaches everything that the kernel takes; what it refuses is in the states.
 * 0 when one station at least is attached. Detaching gives all of it back: an
 * open netfilter link would keep a deleted namespace alive.
 */
int ps_probes_attach(struct ps_probes *probes);
void ps_probes_detach(struct ps_probes *probes);
bool ps_probes_attached(const struct ps_probes *probes);

/* States of the last attach: stations. n may be 0 before. */
const struct ps_probe_state *ps_probes_states(const struct ps_probes *probes,
                                              size_t *ret_n);
/* "tp_btf" or "raw_tp". */
const char *ps_probes_tier(const struct ps_probes *probes);

/* A slot's filter: it and its counters are set before it is switched on. */
int ps_probes_set_filter(struct ps_probes *probes, unsigned int slot,
                         const struct ps_tracer_filter *filter);
/* Programs that run at this moment may still write a last event. */
void ps_probes_clear_filter(struct ps_probes *probes, unsigned int slot);

/* Sums over CPUs and stations. */
int ps_probes_counts(const struct ps_probes *probes, unsigned int slot,
                     struct ps_tracer_count *ret_count);

/* Gives each event in the ring to fn. */
typedef void (*ps_probes_fn)(void *arg, const struct ps_tracer_event *event);
int ps_probes_consume(struct ps_probes *probes, ps_probes_fn fn, void *arg);

#endif
