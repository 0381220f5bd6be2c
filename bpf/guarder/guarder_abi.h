/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What the guarder's programs and its daemon share: the layout of the pinned
 * maps. A change of any struct, of a limit or of a meaning here is a new
 * PS_GD_ABI: the daemon then replaces the pinned maps (links are updated in
 * place, no packet passes unfiltered).
 */
#ifndef PS_BPF_GUARDER_ABI_H
#define PS_BPF_GUARDER_ABI_H

#ifndef __bpf__
#include <linux/types.h>
#endif

#include "bpf/lib/parse_abi.h"

#define PS_GD_ABI 1
/* Rules of a set: what the verifier of 5.10 follows with room to spare. */
#define PS_GD_MAX_RULES 512
/*
 * Counter slots. A rule keeps its slot for life; a swap needs the slots of
 * both sets at once, hence twice the rules.
 */
#define PS_GD_SLOTS      1024
#define PS_GD_MAX_IFACES 1024

enum ps_gd_action {
    PS_GD_DROP = 1,
    PS_GD_PASS = 2,
};

/* A packet's bits, as they are compared. */
union ps_gd_bits {
    struct ps_pkt_bits f;
    __u64 word;
};

/* Everything of a rule but its addresses. (value ^ packet) & mask must be 0.
 * Ports in host order: port - first <= span. */
struct ps_gd_match {
    union ps_gd_bits bits, mask;
    __u16 sport_first, sport_span;
    __u16 dport_first, dport_span;
    __u32 ifindex, ifindex_mask;
    __u16 slot;
    __u8 action; /* enum ps_gd_action */
    __u8 zero[5];
};

/* Addresses in network order, already masked. */
struct ps_gd_rule4 {
    __u32 saddr, smask;
    __u32 daddr, dmask;
    struct ps_gd_match m;
};

struct ps_gd_rule6 {
    __u64 saddr[2], smask[2];
    __u64 daddr[2], dmask[2];
    struct ps_gd_match m;
};

/* One whole set of rules, in the order in which they are asked. */
struct ps_gd_set {
    __u32 n4, n6;
    struct ps_gd_rule4 r4[PS_GD_MAX_RULES];
    struct ps_gd_rule6 r6[PS_GD_MAX_RULES];
};

struct ps_gd_count {
    __u64 packets;
    __u64 bytes; /* L2 */
};

/* Per CPU: hits by slot. */
struct ps_gd_hits {
    struct ps_gd_count slot[PS_GD_SLOTS];
};

/* Per CPU and interface. Every packet is in passed or in dropped. */
struct ps_gd_iface {
    struct ps_gd_count passed;
    struct ps_gd_count dropped;
    struct ps_gd_count unparsed; /* part of passed */
};

struct ps_gd_meta {
    __u32 abi; /* PS_GD_ABI */
    __u32 zero;
    __u64 epoch; /* made up with the maps: names this life of the counters */
};

#endif
