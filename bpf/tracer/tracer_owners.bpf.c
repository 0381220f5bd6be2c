// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Which task used a socket last: bound where a task itself makes, connects or
 * uses the socket, so that a soft interrupt's victim is never taken for it.
 * Attached only while a trace runs. What is older is found by its open file
 * (tracer_sockets.bpf.c).
 */
#include "bpf/tracer/process.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* By the socket's cookie or address. Who used none for longest leaves first. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, PS_TRACER_MAX_OWNERS);
    __type(key, __u64);
    __type(value, struct ps_tracer_owner);
} owners SEC(".maps");

/* Owners that the map did not take. */
__u64 lost;

/* Always 0, which the verifier does not know. */
volatile __u64 unknown_zero;

/*
 * What was noted a moment ago, by address, so that a socket in use costs a look
 * at one line. Each entry is two words, of which one alone says nothing: what
 * two CPUs wrote at once belongs to no socket. It holds for a second or two,
 * for the map has to hear of a socket that it shall not forget.
 */
#define SEEN       1024
#define SEEN_SHIFT 9 /* of jiffies: 0.5 to 5 s, by the kernel's HZ */
struct {
    __u64 use;   /* process, when */
    __u64 check; /* use ^ the socket's key */
} seen[SEEN];

/* False: it was known, as for most: a socket is used by one process again and
 * again. */
static __always_inline bool note_owner(__u64 key, __u16 lport, __u16 rport)
{
    __u32 pid = (__u32)(bpf_get_current_pid_tgid() >> 32);
    struct ps_tracer_owner owner = {}, *known;

    if (!key || !pid)
        return false;
    known = bpf_map_lookup_elem(&owners, &key);
    if (known && known->pid == pid && known->lport == lport &&
        known->rport == rport)
        return false;
    owner.pid = pid;
    owner.cgroup = bpf_get_current_cgroup_id();
    owner.lport = lport;
    owner.rport = rport;
    bpf_get_current_comm(owner.comm, sizeof(owner.comm));
    if (bpf_map_update_elem(&owners, &key, &owner, BPF_ANY))
        __sync_fetch_and_add(&lost, 1);
    return true;
}

/* The same, and for the traces that ask for this task. */
static __always_inline void bind_cookie(__u64 cookie)
{
    __u32 slots = slots_of_task();

    note_owner(cookie, 0, 0);
    if (slots)
        learn_sock(cookie, slots);
}

/* Notes it as seen; true: it was. */
static __always_inline bool was_seen(__u64 addr, __u32 ports)
{
    __u64 pid = (__u32)bpf_get_current_task_btf()->tgid;
    __u64 use = pid << 32 | (__u32)(bpf_jiffies64() >> SEEN_SHIFT);
    __u64 key = addr << 16 ^ ports;
    __u32 at = (__u32)(key * 0x9E3779B97F4A7C15ull >> 40) & (SEEN - 1);

    if (seen[at].use == use && seen[at].check == (use ^ key))
        return true;
    seen[at].use = use;
    seen[at].check = use ^ key;
    return false;
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
