/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What is learned of an sk_buff; see skb.h. */
#ifndef PS_BPF_SKB_INFO_H
#define PS_BPF_SKB_INFO_H

#include "vmlinux.h"

/* Where the skb is: what skb->data points at, and who set the headers. */
enum ps_skb_where {
    PS_SKB_TX,  /* net_dev_queue, net_dev_start_xmit: data at L2 */
    PS_SKB_RX,  /* netif_receive_skb: data at L3, network_header not set */
    PS_SKB_ANY, /* between: network_header tells, 0 is "not set" */
};

enum ps_skb_flags {
    /* Not the first fragment: no L4 header, ports are 0. */
    PS_SKB_LATER_FRAGMENT = 1 << 0,
    PS_SKB_FRAGMENT = 1 << 1,
    /* A header is cut short or not linear, or too many extension headers:
     * what is set is right, the rest is 0. */
    PS_SKB_UNPARSED = 1 << 2,
    /* l3_off is set. */
    PS_SKB_HAS_L3 = 1 << 3,
    /* l4_off is set, and the first eight bytes of L4 were read. */
    PS_SKB_HAS_L4 = 1 << 4,
    PS_SKB_VLAN = 1 << 5,
};

/* Numbers are in host order, addresses in network order. */
struct ps_skb_info {
    __u32 netns; /* inode number, 0: no device */
    /* Low half of the namespace's cookie, which unlike its inode number is
     * never used again; before 5.12 a random number that it has. */
    __u32 netns_gen;
    __u32 ifindex;  /* 0: no device */
    __u8 saddr[16]; /* IPv4 in the first four bytes */
    __u8 daddr[16];
    __u16 ethertype; /* of what follows the VLAN tags; < 0x600: 4 */
    __u16 sport;
    __u16 dport;
    __u8 family;  /* 4, 6 or 0 */
    __u8 proto;   /* after extension headers */
    __u16 l3_off; /* from skb->head */
    __u16 l4_off;
    __u16 vlan_tci; /* outermost tag, with PS_SKB_VLAN */
    __u16 flags;
    __u32 ip_id;   /* IPv4, or an IPv6 fragment's */
    __u32 tcp_seq; /* TCP */
    __u32 bytes;   /* L2 bytes of the skb (see ps_skb_lengths) */
    __u32 packets; /* on the wire */
    __u64 wire_bytes;
};

#endif
