/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Keys and values of the analyzer's maps, shared by kernel and user space.
 * No padding anywhere: keys are compared as bytes.
 */
#ifndef PS_ANALYZER_ABI_H
#define PS_ANALYZER_ABI_H

#ifndef __bpf__
#include <linux/types.h>

#include "bpf/lib/place_abi.h"
#endif

#define PS_FLOWS_MAX_DEFAULT      65536
#define PS_FLOW_DROPS_MAX_DEFAULT 16384
#define PS_DROPS_MAX              4096
#define PS_IFACES_MAX_DEFAULT     1024
#define PS_IFNAME_LEN             16

/*
 * Local is the source of what an interface sends and the destination of what
 * it receives. Ports and ethertype in host order, addresses in network order;
 * IPv4 stands in the first four bytes; unused is 0.
 */
struct ps_flow_key {
    __u32 netns;
    __u32 netns_gen; /* tells namespaces of the same inode number apart */
    __u32 ifindex;   /* 0: the packet was dropped before it had a device */
    __u16 ethertype;
    __u8 proto;
    __u8 family; /* 4, 6 or 0: not IP, or its header cannot be read */
    __u8 laddr[16];
    __u8 raddr[16];
    __u16 lport;
    __u16 rport;
    __u32 zero;
};

struct ps_counters {
    __u64 skbs;
    __u64 packets;
    __u64 bytes;
    __u64 wire_bytes;
};

/*
 * All CPUs count here, and an atomic add is what costs most. So packets and
 * wire_bytes hold only what is above skbs and bytes: of most skbs nothing.
 * ps_flow_read() (analyzer/abi.h) makes them whole.
 *
 * Times are bpf_ktime_get_ns(); last_ns is set once in a tick of the kernel
 * (1 to 10 ms), which tick, bpf_jiffies64(), tells.
 */
struct ps_flow_entry {
    struct ps_counters rx;
    struct ps_counters tx;
    __u64 first_ns;
    __u64 last_ns;
    __u64 tick;
};

struct ps_iface_key {
    __u32 netns;
    __u32 netns_gen;
    __u32 ifindex;
    __u32 zero;
};

/* One for each CPU. */
struct ps_iface_value {
    struct ps_counters rx;
    struct ps_counters tx;
    __u64 last_ns; /* as in ps_flow_entry */
    __u64 tick;
    char name[PS_IFNAME_LEN]; /* "" on CPUs that did not insert it */
};

struct ps_drop_key {
    __u64 location; /* address in the function that freed it */
    __u32 netns;    /* 0: not known */
    __u32 reason;   /* of the running kernel; 0 where it gives none */
};

struct ps_flow_drop_key {
    struct ps_flow_key flow;
    __u64 location;
    __u32 reason;
    __u32 zero;
};

struct ps_drop_value {
    __u64 skbs;
    __u64 packets;
    __u64 first_ns;
    __u64 last_ns;
};

/* Per CPU, all u64: what the maps could not take. */
struct ps_analyzer_losses {
    __u64 flow_full_skbs;
    __u64 flow_full_packets;
    __u64 flow_full_bytes;
    __u64 iface_full_skbs;
    __u64 drop_full_skbs;
    __u64 flow_drop_full_skbs;
    /* In a flow, but without what could not be read of its headers. */
    __u64 unparsed_skbs;
};

#endif
