/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What the programs of the function tier and user space share. */
#ifndef PS_BPF_FUNCTIONS_ABI_H
#define PS_BPF_FUNCTIONS_ABI_H

#include "bpf/tracer/tracer_abi.h"

/* Places for packets that are followed: 64k at half load. */
#define PS_FN_SLOTS (1u << 17)
/* Functions that may be probed. */
#define PS_FN_MAX 8192u
/* The first arguments in which a packet is looked for. */
#define PS_FN_ARGS 5
/* Addresses of a call's stack. */
#define PS_FN_FRAMES 64

/*
 * A packet's number: traces << 56 | flags | time of its first sight, with the
 * CPU in the lowest bits. Without traces and flags it names the packet.
 */
#define PS_FN_TRACES_SHIFT 56
#define PS_FN_GONE         (1ull << 55) /* its buffer was given back */
#define PS_FN_NEW          (1ull << 54) /* no record of it was made yet */
/* Both, which no packet has: it is not decided yet whether it is followed. */
#define PS_FN_OPEN     (PS_FN_GONE | PS_FN_NEW)
#define PS_FN_ID_MASK  ((1ull << 54) - 1)
#define PS_FN_CPU_MASK 63ull

/* What is special about a function; in a probe's cookie above the position of
 * its packet. */
enum ps_fn_how {
    PS_FN_END = 1 << 0,     /* frees: no packet begins here */
    PS_FN_RELEASE = 1 << 1, /* gives the buffer back */
    PS_FN_EXPAND = 1 << 2,  /* replaces the buffer */
    PS_FN_RETURNS = 1 << 3, /* its return is told */
    PS_FN_AFTER = 1 << 4,   /* called when the buffer was given back */
    PS_FN_UNMADE = 1 << 5,  /* its packet's headers are not written yet: what
                               stands there is an older one's */
};
#define PS_FN_HOW_SHIFT 8

/* What a probe's cookie is, by the function's address: the kernel's own look-up
 * takes longer than all else that a packet costs. */
struct ps_fn_known {
    unsigned int ip; /* the lower half: all of the kernel's text is within 2G */
    unsigned int cookie; /* 0: an empty place */
};
#define PS_FN_KNOWN (2 * PS_FN_MAX)
/* Places from its own on in which a function is. */
#define PS_FN_KNOWN_NEAR 4u

static inline unsigned int ps_fn_known_at(unsigned int ip)
{
    return ip * 0x9E3779B1u >> 18 & (PS_FN_KNOWN - 1);
}

enum ps_fn_kind {
    PS_FN_CALL,
    PS_FN_RETURN,
    PS_FN_SOCKET, /* a call that has the socket alone; and its return */
    PS_FN_SOCKET_RETURN,
};

/* A call that has a followed packet as argument, then the addresses of its
 * stack, innermost first. */
struct ps_fn_call {
    unsigned char kind; /* enum ps_fn_kind */
    unsigned char traces;
    unsigned short cpu;
    unsigned int pid; /* thread, of which this is the stack */
    unsigned long long time;
    unsigned long long packet; /* PS_FN_ID_MASK; NEW: first record of it */
    unsigned long long ip;     /* in the function, at its begin */
    unsigned long long sp;     /* of the return address */
    unsigned long long skb;
    unsigned long long head;
    struct ps_tracer_tuple tuple; /* family 0: no header yet, or no more */
    unsigned int netns;
    unsigned int ifindex;
    unsigned int len;
    unsigned int packets; /* 0: not known, the buffer was given back */
    unsigned int mark;
    unsigned int seq; /* content, as in struct ps_tracer_event */
    unsigned int ack;
    unsigned int payload;
    unsigned int hash;
    unsigned int ip_id;
    unsigned short flags;
    unsigned char tcp_flags;
    unsigned char returns; /* 1: its return will be told */
    char ifname[16];
    unsigned int frames; /* how many addresses follow; mostly 0 */
};

/* Of all kinds but PS_FN_CALL. */
struct ps_fn_return {
    unsigned char kind;
    unsigned char traces;
    unsigned short cpu;
    unsigned int pid;
    unsigned long long time;
    unsigned long long packet; /* of a socket's: the call's own number */
    unsigned long long ip;     /* 0: the kernel does not say */
    unsigned long long sp;
};

/* A place of the packets that are followed; see functions_follow.h. */
struct ps_fn_slot {
    unsigned long long id;
    unsigned long long check; /* id ^ key */
    /* Of the packet's content (content.h), and where its L3 header was; once
     * PS_FN_GONE the stack pointer and the time of that. */
    unsigned int signature;
    unsigned int l3_off;
};

struct ps_fn_count {
    unsigned long long hits;
    unsigned long long ring_full;
    unsigned long long returns_lost;
    unsigned long long throttled;
};

#endif
