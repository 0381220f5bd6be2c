// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Which task used a socket last: bound where a task itself makes, connects or
 * uses the socket, so that a soft interrupt's victim is never taken for it.
 * Attached only while a trace runs. What is older is found by its open file
 * (tracer_sockets.bpf.c).
 */
#include "bpf/lib/compat.h"
#include "bpf/tracer/tracer_abi.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* By the socket's cookie. Who used none for longest leaves first. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, PS_TRACER_MAX_OWNERS);
    __type(key, __u64);
    __type(value, struct ps_tracer_owner);
} owners SEC(".maps");

/* Owners that the map did not take. */
__u64 lost;

/* Nothing to do for most: a socket is used by one process again and again. */
static __always_inline void bind(__u64 cookie)
{
    __u32 pid = (__u32)(bpf_get_current_pid_tgid() >> 32);
    struct ps_tracer_owner owner = {}, *known;

    if (!cookie || !pid)
        return;
    known = bpf_map_lookup_elem(&owners, &cookie);
    if (known && known->pid == pid)
        return;
    owner.pid = pid;
    owner.cgroup = bpf_get_current_cgroup_id();
    bpf_get_current_comm(owner.comm, sizeof(owner.comm));
    if (bpf_map_update_elem(&owners, &cookie, &owner, BPF_ANY))
        __sync_fetch_and_add(&lost, 1);
}

/* Each of the kinds below is loaded by itself: kernels differ in which of the
 * helpers they give it. */
SEC("cgroup/sock_create")
int made(struct bpf_sock *ctx)
{
    bind(bpf_get_socket_cookie(ctx));
    return 1;
}

#define USE(kind)                         \
    SEC("cgroup/" #kind)                  \
    int kind(struct bpf_sock_addr *ctx)   \
    {                                     \
        bind(bpf_get_socket_cookie(ctx)); \
        return 1;                         \
    }

USE(connect4)
USE(connect6)
USE(sendmsg4)
USE(sendmsg6)

/* From 6.3 on: each call that sends or receives, by way of any socket. */
SEC("tp_btf/sock_send_length")
int BPF_PROG(sends, struct sock *sk, int ret, int flags)
{
    bind(bpf_get_socket_cookie(sk));
    return 0;
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(receives, struct sock *sk, int ret, int flags)
{
    bind(bpf_get_socket_cookie(sk));
    return 0;
}
