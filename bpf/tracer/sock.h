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

#endif
