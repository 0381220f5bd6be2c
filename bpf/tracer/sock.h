/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What a socket says of the packets that it receives. */
#ifndef PS_BPF_TRACER_SOCK_H
#define PS_BPF_TRACER_SOCK_H

#include "bpf/lib/compat.h"
#include "bpf/tracer/tracer_abi.h"

#define TCP_TIME_WAIT    6
#define TCP_NEW_SYN_RECV 12

static __always_inline __u32 sock_netns(const struct sock *sk)
{
    return sk ? BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum) : 0;
}

static __always_inline bool is_mapped(const __u8 *addr)
{
    const __u32 *word = (const __u32 *)addr;

    return !word[0] && !word[1] && word[2] == bpf_htonl(0xffff);
}

/* The tuple of what a TCP socket receives. */
static __always_inline void receive_tuple(const struct sock *sk,
                                          struct ps_tracer_tuple *t)
{
    const struct sock_common *skc = &sk->__sk_common;

    t->proto = IPPROTO_TCP;
    t->sport = bpf_ntohs(BPF_CORE_READ(skc, skc_dport));
    t->dport = BPF_CORE_READ(skc, skc_num);
    if (BPF_CORE_READ(skc, skc_family) == AF_INET6) {
        __u8 addr[16];

        BPF_CORE_READ_INTO(&addr, skc, skc_v6_daddr);
        if (!is_mapped(addr)) {
            t->family = 6;
            __builtin_memcpy(t->saddr, addr, 16);
            BPF_CORE_READ_INTO(&t->daddr, skc, skc_v6_rcv_saddr);
            return;
        }
    }
    t->family = 4;
    BPF_CORE_READ_INTO((__be32 *)t->saddr, skc, skc_daddr);
    BPF_CORE_READ_INTO((__be32 *)t->daddr, skc, skc_rcv_saddr);
}

static __always_inline bool is_full_tcp(const struct sock *sk)
{
    __u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);

    return state != TCP_TIME_WAIT && state != TCP_NEW_SYN_RECV &&
           BPF_CORE_READ(sk, sk_type) == SOCK_STREAM &&
           BPF_CORE_READ(sk, sk_protocol) == IPPROTO_TCP;
}

#endif
