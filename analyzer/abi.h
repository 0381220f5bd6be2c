/* SPDX-License-Identifier: MIT */
/* The maps' keys and values, and what user space does with them alone. */
#ifndef PS_ANALYZER_ABI
#define PS_ANALYZER_ABI

#include "bpf/analyzer/analyzer_abi.h"
#include "common/util.h"

_Static_assert(sizeof(struct ps_flow_key) == 56, "no padding");
_Static_assert(sizeof(struct ps_flow_drop_key) == 72, "no padding");
_Static_assert(sizeof(struct ps_drop_key) == 16, "no padding");
_Static_assert(sizeof(struct ps_iface_key) == 16, "no padding");

static inline void ps_counters_add(struct ps_counters *sum,
                                   const struct ps_counters *more)
{
    sum->skbs += more->skbs;
    sum->packets += more->packets;
    sum->bytes += more->bytes;
    sum->wire_bytes += more->wire_bytes;
}

#endif
