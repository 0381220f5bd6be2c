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

/* A flow as its entry in the map tells it. */
struct ps_flow_value {
    struct ps_counters rx;
    struct ps_counters tx;
    uint64_t first_ns;
    uint64_t last_ns;
};

static inline struct ps_counters ps_counters_whole(struct ps_counters c)
{
    c.packets += c.skbs;
    c.wire_bytes += c.bytes;
    return c;
}

static inline struct ps_flow_value ps_flow_read(const struct ps_flow_entry *e)
{
    return (struct ps_flow_value){
        .rx = ps_counters_whole(e->rx),
        .tx = ps_counters_whole(e->tx),
        .first_ns = e->first_ns,
        .last_ns = e->last_ns,
    };
}

static inline void ps_counters_add(struct ps_counters *sum,
                                   const struct ps_counters *more)
{
    sum->skbs += more->skbs;
    sum->packets += more->packets;
    sum->bytes += more->bytes;
    sum->wire_bytes += more->wire_bytes;
}

#endif
