/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Function tier: calls of functions that have a packet's socket and no packet,
 * for traces that ask for them. User space says which of them stand around a
 * packet's call, or in one.
 */
#ifndef PS_BPF_FUNCTIONS_SOCKET_H
#define PS_BPF_FUNCTIONS_SOCKET_H

#include "bpf/tracer/functions_record.h"
#include "bpf/tracer/sock.h"

#ifndef AF_INET
#define AF_INET  2
#define AF_INET6 10
#endif

/* Traces that ask for it. */
volatile __u32 socket_traces;

/* A socket's tuple, and all ones where it says something. */
struct socket_says {
    struct ps_tracer_tuple tuple, known;
};

/* Addresses as the socket has them; false: it speaks IPv4 all the same. */
static __always_inline bool says_v6(const struct sock_common *skc,
                                    struct ps_tracer_tuple *t)
{
    const __be32 *to = (const __be32 *)t->daddr;
    const __be32 *from = (const __be32 *)t->saddr;

    BPF_CORE_READ_INTO(&t->saddr, skc, skc_v6_rcv_saddr);
    BPF_CORE_READ_INTO(&t->daddr, skc, skc_v6_daddr);
    if ((to[0] | to[1] | (to[2] ^ bpf_htonl(0xffff))) &&
        (from[0] | from[1] | (from[2] ^ bpf_htonl(0xffff))))
        return true;
    __builtin_memset(t->saddr, 0, sizeof(t->saddr));
    __builtin_memset(t->daddr, 0, sizeof(t->daddr));
    return false;
}

static __always_inline void know_addr(const __u8 *addr, __u8 *known)
{
    const __u64 *words = (const __u64 *)addr;
    __u64 *out = (__u64 *)known;

    out[0] = out[1] = -nonzero(words[0] | words[1]);
}

/* What has no peer, and any address, says nothing of them: it may send to
 * whomever a trace asks for. */
static __always_inline void say_known(struct socket_says *s)
{
    struct ps_tracer_tuple *t = &s->tuple, *k = &s->known;

    know_addr(t->saddr, k->saddr);
    know_addr(t->daddr, k->daddr);
    k->sport = (__u16)-nonzero(t->sport);
    k->dport = (__u16)-nonzero(t->dport);
    k->proto = 0xff;
    /* One of IPv6 that is open to all takes IPv4, too. */
    k->family = (__u8) -
                (nonzero(t->family ^ 6) | nonzero(k->saddr[0] | k->daddr[0]));
}

static __always_inline bool read_socket(__u64 addr, bool direct,
                                        struct socket_says *s)
{
    struct sock *sk = direct ? bpf_core_cast((void *)addr, struct sock)
                             : (struct sock *)addr;
    const struct sock_common *skc = &sk->__sk_common;
    __u16 family = ps_load(direct, skc, skc_family);
    __u8 state = ps_load(direct, skc, skc_state);
    struct ps_tracer_tuple *t = &s->tuple;

    if (family != AF_INET && family != AF_INET6)
        return false;
    /* These are no whole sockets. */
    t->proto = state == TCP_TIME_WAIT || state == TCP_NEW_SYN_RECV
                   ? IPPROTO_TCP
                   : (__u8)ps_load(direct, sk, sk_protocol);
    t->sport = ps_load(direct, skc, skc_num);
    t->dport = bpf_ntohs(ps_load(direct, skc, skc_dport));
    t->family = 6;
    if (family == AF_INET || !says_v6(skc, t)) {
        t->family = 4;
        *(__be32 *)t->saddr = ps_load(direct, skc, skc_rcv_saddr);
        *(__be32 *)t->daddr = ps_load(direct, skc, skc_daddr);
    }
    say_known(s);
    return true;
}

/* 0 where what the socket says equals the filter's value under its mask. */
static __always_inline __u64 socket_differs(const struct ps_tracer_filter *f,
                                            const struct socket_says *s)
{
    const __u64 *value = (const __u64 *)&f->value;
    const __u64 *mask = (const __u64 *)&f->mask;
    const __u64 *t = (const __u64 *)&s->tuple;
    const __u64 *known = (const __u64 *)&s->known;
    __u64 diff = 0;

    for (__u32 i = 0; i < PS_TRACER_TUPLE_WORDS; i++)
        diff |= (t[i] ^ value[i]) & mask[i] & known[i];
    return nonzero(diff);
}

/* Of the traces, those that the socket fits. */
static __always_inline __u32 socket_fits(__u64 addr, __u32 traces, bool direct)
{
    struct socket_says says = {}, back;
    __u64 word = filters_now(), mask = 0;

    if (!read_socket(addr, direct, &says))
        return 0;
    reverse_tuple(&says.tuple, &back.tuple);
    reverse_tuple(&says.known, &back.known);
    for (__u32 i = 0; i < PS_TRACER_MAX_TRACES; i++) {
        const struct ps_tracer_filter *f = filter_of(word, i);

        mask |= (1 ^ (socket_differs(f, &says) & socket_differs(f, &back)))
                << i;
    }
    return (__u32)mask & traces;
}

__noinline __u32 socket_fits_cast(__u64 addr, __u32 traces)
{
    return socket_fits(addr, traces, true);
}

__noinline __u32 socket_fits_read(__u64 addr, __u32 traces)
{
    return socket_fits(addr, traces, false);
}

/* A call's number where it is told, else 0. */
static __always_inline __u64 enter_socket(__u64 addr, __u64 ip, __u64 sp,
                                          bool direct)
{
    __u32 traces = active & socket_traces;
    __u64 id;

    if (!traces || !addr)
        return 0;
    traces = direct ? socket_fits_cast(addr, traces)
                    : socket_fits_read(addr, traces);
    if (!traces)
        return 0;
    count(traces, HIT);
    /* Most packets are left out then, and nothing says whose calls these are.
     */
    if (throttle > 1) {
        count(traces, THROTTLED);
        return 0;
    }
    id = new_id(traces) & ~PS_FN_NEW;
    if (tell_small(PS_FN_SOCKET, traces, id, ip, sp))
        return id;
    count(traces, RING_FULL);
    return 0;
}

#endif
