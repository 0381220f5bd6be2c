/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
#ifndef PS_BPF_LIB_PARSE_ABI_H
#define PS_BPF_LIB_PARSE_ABI_H

#ifndef __bpf__
#include <linux/types.h>
#endif

/* What is known of a packet, and what a rule needs to know of it. */
#define PS_HAVE_PROTO 0x01
#define PS_HAVE_PORTS 0x02
#define PS_HAVE_FLAGS 0x04
#define PS_HAVE_ICMP  0x08

/* What can be compared at once, as one 64-bit word. */
struct ps_pkt_bits {
    __u8 proto;
    __u8 tcp_flags;
    __u8 icmp_type, icmp_code;
    __u8 have; /* PS_HAVE_* */
    __u8 zero[3];
};

/* Most VLAN tags and IPv6 extension headers that are followed. */
#define PS_MAX_VLAN 2
#define PS_MAX_EXT  8

#endif
