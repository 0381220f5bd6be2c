/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What the tracer's BPF programs and its user space share. Numbers are in
 * host order, addresses in network order (IPv4 in the first four bytes).
 */
#ifndef PS_BPF_TRACER_ABI_H
#define PS_BPF_TRACER_ABI_H

#include "bpf/lib/place_abi.h"
#include "bpf/tracer/tracer_filter_abi.h"

#define PS_TRACER_RING_BYTES (16u << 20)
/* How often user space is woken while nobody empties the ring. */
#define PS_TRACER_RING_WAKES 8u
/* Transmissions that may be nested on one CPU (stacked devices). */
#define PS_TRACER_XMIT_DEPTH 4
/* Bytes of payload that the content hash covers. */
#define PS_TRACER_HASH_BYTES 16
/* Packets that are followed at the same time. */
#define PS_TRACER_LIVE 65536

/* Where a packet was seen; user space has a table of the same order. */
enum ps_tracer_station {
    PS_ST_NONE,
    PS_ST_NF_PREROUTING,
    PS_ST_NF_INPUT,
    PS_ST_NF_FORWARD,
    PS_ST_NF_OUTPUT,
    PS_ST_NF_POSTROUTING,
    PS_ST_CGROUP_EGRESS,
    PS_ST_NET_DEV_QUEUE,
    PS_ST_NET_DEV_START_XMIT,
    PS_ST_NET_DEV_XMIT,
    PS_ST_NETIF_RX,
    PS_ST_NAPI_GRO_RECEIVE,
    PS_ST_NETIF_RECEIVE_SKB,
    PS_ST_CGROUP_INGRESS,
    PS_ST_TCP_PROBE,
    PS_ST_COPY_DATAGRAM,
    PS_ST_CONSUME_SKB,
    PS_ST_KFREE_SKB,
    PS_ST_FUNCTION, /* a call, of the function tier */
    PS_ST_TCX_INGRESS,
    PS_ST_TCX_EGRESS,
    PS_ST_QDISC_ENQUEUE,
    PS_ST_QDISC_DEQUEUE,
    PS_ST_SOCK_SEND,
    PS_ST_SOCK_RECV,
    PS_ST_XDP_DROP, /* the guarder's, before there was a buffer */
    PS_ST_MAX,
};

enum ps_tracer_event_flags {
    PS_EF_HASH = 1 << 0,   /* hash covers the whole of its bytes */
    PS_EF_REASON = 1 << 1, /* reason is set */
    PS_EF_RANGE = 1 << 2,  /* seq and payload are bytes given to a reader */
    PS_EF_FRAGMENT = 1 << 3,
    PS_EF_NAT = 1 << 4,   /* `other`: its tuple on the other side of a NAT */
    PS_EF_INNER = 1 << 5, /* `other`: of the packet inside of the tunnel */
    PS_EF_FIRST = 1 << 6, /* nothing of it was seen before under this id */
    /* Its filter did not take it here: it is followed since it matched
     * elsewhere. Of each trace by itself, see PS_EF_FOLLOWED_SHIFT. */
    PS_EF_FOLLOWED = 1 << 7,
};

/* In the ring the flags' upper half is a bit mask of the traces for which it is
 * PS_EF_FOLLOWED. */
#define PS_EF_FOLLOWED_SHIFT 8

/*
 * A record of the ring is this, and behind it, by its length, room for
 * PS_TRACER_STACK_FRAMES addresses (innermost first), for PS_TRACER_SNAP_SHORT
 * or PS_TRACER_SNAP_BYTES of the packet from its L3 header on, or for both;
 * then `stack` and `bytes` say how much is there.
 */
struct ps_tracer_event {
    unsigned long long time; /* CLOCK_MONOTONIC */
    unsigned long long skb;
    unsigned long long head;
    unsigned long long location; /* of kfree_skb, consume_skb; else 0 */
    /* The same in two events: the same packet, by its buffer and by what no
     * NAT and no tunnel changes of its content. 0: not known. Another one does
     * not say that it is another packet. */
    unsigned long long id;
    unsigned long long ct; /* its connection's entry; 0: none */
    struct ps_tracer_tuple tuple;
    struct ps_tracer_tuple other; /* with PS_EF_NAT or PS_EF_INNER; else 0 */
    unsigned int netns;           /* 0: not known here */
    unsigned int ifindex;         /* 0: not known here */
    unsigned int len;
    unsigned int packets;
    unsigned int mark;
    unsigned int reason; /* with PS_EF_REASON; of net_dev_xmit: its result */
    /* The packet's content, with PS_EF_INNER that of the inner one: TCP
     * sequence and acknowledgement; ICMP sequence, and id << 16 | type << 8 |
     * code; else 0. */
    unsigned int seq;
    unsigned int ack;
    unsigned int payload; /* bytes behind the L4 header */
    unsigned int hash;
    unsigned int ip_id;
    unsigned short cpu;
    unsigned short flags;
    unsigned char station;
    unsigned char traces; /* bit mask of those that it is for */
    unsigned char tcp_flags;
    /* 1 + records that this CPU found no room for before, modulo 255: between
     * two of its events with the same number, none was lost. 0: not said. */
    unsigned char lost;
    char ifname[16];
    /* How many of them follow; user space, once it has put these away, keeps
     * here where they are (0: nowhere). */
    unsigned int stack;
    unsigned int bytes;
    unsigned int rule; /* of a drop; user space's alone, see tracer/rules.h */
    /* The socket that the buffer belonged to here: the sender's on its way
     * out, the receiver's at it; 0: none. Addresses are reused, cookies are
     * not; a cookie of 0 was not given yet. */
    unsigned long long sk;
    unsigned long long cookie;
};

/* Addresses of a stack, and bytes of a packet, in one record. */
#define PS_TRACER_STACK_FRAMES 32
#define PS_TRACER_SNAP_BYTES   1024
/* The room for them, where no more are wanted. */
#define PS_TRACER_SNAP_SHORT 128

/*
 * Per trace and station: hits are what matched or was followed; of these the
 * others did not become events. map_full: no room to keep what was needed.
 */
struct ps_tracer_count {
    unsigned long long hits;
    unsigned long long ring_full;
    unsigned long long throttled;
    unsigned long long map_full;
};

/* ---- sockets ------------------------------------------------------------ */

/* One pass of an iterator writes these, one after the other. */
struct ps_tracer_sock {
    unsigned long long addr;   /* of struct sock: what tells sockets apart */
    unsigned long long cookie; /* 0: none was given yet */
    unsigned long long inode;  /* 0: none */
    unsigned int netns;
    unsigned int uid;
    unsigned int ifindex;
    unsigned int pid; /* 0: not by way of a process */
    unsigned int fd;
    unsigned int recv_queue;
    unsigned int send_queue;
    unsigned int srtt_us; /* eighths of a microsecond, as the kernel has it */
    unsigned int retransmits;
    unsigned short proto;
    unsigned short lport;
    unsigned short rport;
    unsigned char family; /* 4, 6 */
    unsigned char state;  /* the kernel's TCP_* number */
    unsigned char type;   /* SOCK_* */
    unsigned char has;    /* enum ps_tracer_sock_has */
    unsigned char pad[2];
    unsigned char laddr[16];
    unsigned char raddr[16];
    char comm[16];
    unsigned int requests; /* of LISTEN: handshakes that have begun */
};

enum ps_tracer_sock_has {
    PS_SOCK_TCP_INFO = 1 << 0, /* srtt_us, retransmits */
    PS_SOCK_QUEUES = 1 << 1,
    PS_SOCK_UID = 1 << 2,
};

/* ---- other names of packets --------------------------------------------- */

/* Tuples that are followed because a packet that matched has them too: on the
 * other side of a translation, or inside of a tunnel. See identity.h. */
#define PS_TRACER_MAX_ALIASES 65536u

struct ps_tracer_alias {
    unsigned int traces; /* bit mask */
    unsigned int pad;
};

/*
 * The task that used a socket last, by the socket's cookie; and, for packets
 * that were seen before it had one, by its address and ports: addresses are
 * used again at once. Such a key is far above all cookies.
 */
#define PS_TRACER_OWNER_KEY(sk, lport, rport)       \
    ((((unsigned long long)(sk)) << 16 | (lport)) ^ \
     ((unsigned long long)(rport) << 40))

struct ps_tracer_owner {
    unsigned long long cgroup; /* id in cgroup v2 */
    unsigned int pid;
    char comm[16];
    unsigned short lport;
    unsigned short rport; /* 0: it is not connected */
};

#define PS_TRACER_MAX_OWNERS 65536

#endif
