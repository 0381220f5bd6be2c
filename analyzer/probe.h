/* SPDX-License-Identifier: MIT */
/*
 * The analyzer's BPF programs: loaded and attached by the ladder, and their
 * maps.
 */
#ifndef PS_ANALYZER_PROBE_H
#define PS_ANALYZER_PROBE_H

#include "analyzer/abi.h"
#include "analyzer/mapread.h"

struct btf;
struct ps_ksyms;

struct ps_probe;

struct ps_probe_sizes {
    uint32_t flows, flow_drops, ifaces;
};

/* Which hooks there are. */
enum ps_probe_hook {
    PS_PROBE_TX,
    PS_PROBE_RX,
    PS_PROBE_DROPS,
    PS_PROBE_HOOKS,
};

struct ps_probe_status {
    bool attached;
    const char *tier; /* "tp_btf", "raw_tp" */
    char reason[128]; /* why not */
};

/*
 * kernel: see ps_bpf_kernel_types(); syms: see ps_ksyms_places(). Attaches what
 * this kernel allows, which may be nothing: see the status. -ENOMEM, or what
 * loading the last tier gave.
 */
int ps_probe_open(const struct btf *kernel, struct ps_ksyms *syms,
                  const struct ps_probe_sizes *sizes,
                  struct ps_probe **ret_probe);
void ps_probe_free(struct ps_probe **probe);
const struct ps_probe_status *ps_probe_status(const struct ps_probe *probe,
                                              enum ps_probe_hook hook);
/* Whether this kernel says why it drops. NULL: it does not. */
bool ps_probe_has_reasons(const struct ps_probe *probe);

/* Keys and values are those of abi.h; ifaces' values are one for each CPU. */
const struct ps_map *ps_probe_flows(const struct ps_probe *probe);
const struct ps_map *ps_probe_ifaces(const struct ps_probe *probe);
const struct ps_map *ps_probe_drops(const struct ps_probe *probe);
const struct ps_map *ps_probe_flow_drops(const struct ps_probe *probe);
size_t ps_probe_cpus(const struct ps_probe *probe);

int ps_probe_losses(const struct ps_probe *probe,
                    struct ps_analyzer_losses *ret_losses);
/* Calls that the kernel left out, for the program was running already. */
uint64_t ps_probe_missed(const struct ps_probe *probe);
/* Bytes of kernel memory of the maps. */
uint64_t ps_probe_memory(const struct ps_probe *probe);

#endif
