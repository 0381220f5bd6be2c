// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Which task used a socket last: bound where a task itself makes, connects or
 * uses the socket, so that a soft interrupt's victim is never taken for it.
 * Attached only while a trace runs; what sees each call that sends or receives
 * only while one asks for processes: else the stations at these calls note who
 * uses a socket that a trace follows. What is older is found by its open file
 * (tracer_sockets.bpf.c).
 */
#include "bpf/tracer/owners.h"
#include "bpf/tracer/process.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* Always 0, which the verifier does not know. */
volatile __u64 unknown_zero;

/* Notes the task that runs, also for the traces that ask for it. */
static __always_inline void bind_cookie(__u64 cookie)
{
    __u32 slots = slots_of_task();

    note_owner(cookie, 0, 0);
    if (slots)
        learn_sock(cookie, slots);
}

static __always_inline void note_use(struct sock *sk, __u64 addr)
{
    const struct sock_common *skc = &sk->__sk_common;
    __u16 lport = skc->skc_num, rport = bpf_ntohs(skc->skc_dport);

    /* By the address too: packets may have been seen before it had a cookie. */
    if (note_owner(PS_TRACER_OWNER_KEY(addr, lport, rport), lport, rport))
        note_owner(bpf_get_socket_cookie(sk), 0, 0);
}

static __always_inline int use(struct sock *sk)
{
    const struct sock_common *skc = &sk->__sk_common;
    __u64 addr = (__u64)sk;
    __u32 slots;

    /* As a number: the verifier lets nobody reckon with a typed pointer. */
    __sync_fetch_and_add(&addr, unknown_zero);
    if (was_seen(addr, skc->skc_portpair) && !asks_for_tasks())
        return 0;
    /* Without a port it is closed. */
    if ((skc->skc_family != AF_INET && skc->skc_family != AF_INET6) ||
        !skc->skc_num)
        return 0;
    note_use(sk, addr);
    slots = slots_of_task();
    if (slots)
        learn_sock(bpf_get_socket_cookie(sk), slots);
    return 0;
}

/* Each of the kinds below is loaded by itself: kernels differ in which of the
 * helpers they give it. */
SEC("cgroup/sock_create")
int made(struct bpf_sock *ctx)
{
    bind_cookie(bpf_get_socket_cookie(ctx));
    return 1;
}

#define USE(kind)                                \
    SEC("cgroup/" #kind)                         \
    int kind(struct bpf_sock_addr *ctx)          \
    {                                            \
        bind_cookie(bpf_get_socket_cookie(ctx)); \
        return 1;                                \
    }

USE(connect4)
USE(connect6)
USE(sendmsg4)
USE(sendmsg6)

/* From 6.3 on: each call that sends or receives, by way of any socket. */
SEC("tp_btf/sock_send_length")
int BPF_PROG(sends, struct sock *sk, int ret PS_UNUSED, int flags PS_UNUSED)
{
    return use(sk);
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(receives, struct sock *sk, int ret PS_UNUSED, int flags PS_UNUSED)
{
    return use(sk);
}
