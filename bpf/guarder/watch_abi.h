/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Drops that are told of, as the programs and the daemon share them. None of
 * these maps is pinned: this is no part of PS_GD_ABI.
 */
#ifndef PS_BPF_GUARDER_WATCH_ABI_H
#define PS_BPF_GUARDER_WATCH_ABI_H

#include "bpf/guarder/guarder_abi.h"

/* Of each family. */
#define PS_GD_WATCHES    32
#define PS_GD_RING_BYTES (256u << 10)
/* Of a packet, from the frame's first byte on. */
#define PS_GD_HEAD_BYTES 128

/* Dropped packets that fit one of these are told of. */
struct ps_gd_watch {
    __u32 n4, n6;
    struct ps_gd_rule4 r4[PS_GD_WATCHES];
    struct ps_gd_rule6 r6[PS_GD_WATCHES];
};

struct ps_gd_drop {
    __u64 time; /* CLOCK_MONOTONIC */
    __u32 ifindex;
    __u32 len; /* L2 bytes */
    __u16 cpu;
    __u16 slot; /* the rule's */
    __u16 head; /* how many of bytes are there */
    __u16 zero;
    __u8 bytes[PS_GD_HEAD_BYTES];
};

#endif
