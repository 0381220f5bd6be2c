/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Is a packet one of the sockets that a trace asks for? See process_abi.h.
 *
 * Asked where no alias of its tuple is known yet, and where it has no ports.
 */
#ifndef PS_BPF_TRACER_LEARNED_H
#define PS_BPF_TRACER_LEARNED_H

#include "bpf/tracer/event.h"
#include "bpf/tracer/identity.h"
#include "bpf/tracer/process_abi.h"

/* By the socket's cookie; shared with process.h. Who was learned long ago and
 * is not used leaves first. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, PS_TRACER_MAX_LEARNED);
    __type(key, __u64);
    __type(value, struct ps_tracer_alias);
} learned_socks SEC(".maps");

/* Not 0: some of the aliases are local ends. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} local_ends SEC(".maps");

/* Fragments, and what has no ports, would take what others send. */
static __always_inline void learn_tuple(const struct ps_tracer_tuple *tuple,
                                        __u32 slots)
{
    if (slots && tuple->sport && tuple->dport)
        alias_both(tuple, slots);
}

/* Of the slots asked, those that know the socket, which may be an offset. */
static __always_inline __u32 learned_sock(__u64 sk, __u32 asked)
{
    const struct ps_tracer_alias *known;
    __u64 cookie;

    if (sk < KERNEL_POINTER)
        return 0;
    cookie = (__u64)BPF_CORE_READ((const struct sock *)sk,
                                  __sk_common.skc_cookie.counter);
    if (!cookie)
        return 0;
    known = bpf_map_lookup_elem(&learned_socks, &cookie);
    return known ? known->traces & asked : 0;
}

/* The same by the local end that it comes to, in the namespace of dev. */
static __always_inline __u32 learned_end(const struct ps_tracer_tuple *tuple,
                                         __u64 dev, __u32 asked)
{
    struct ps_tracer_tuple end = {};
    __u32 key = 0, *any;

    any = bpf_map_lookup_elem(&local_ends, &key);
    if (!any || !*any || !dev || !tuple->dport)
        return 0;
    __builtin_memcpy(end.saddr, tuple->daddr, sizeof(end.saddr));
    end.sport = tuple->dport;
    end.family = tuple->family | PS_TRACER_LOCAL_END;
    end.proto = tuple->proto;
    *(__u32 *)end.daddr =
        BPF_CORE_READ((const struct net_device *)dev, nd_net.net, ns.inum);
    return alias_of(&end) & asked;
}

/* Whether match_learned() has to look; arguments as there. */
static __always_inline bool may_be_learned(__u64 word,
                                           const struct ps_tracer_tuple *tuple,
                                           __u64 sk, __u64 dev)
{
    __u32 asked = traces_on(word) & slots_of(word, PS_FW_LEARNED);

    return asked && (learned_sock(sk, asked) || learned_end(tuple, dev, asked));
}

/*
 * Of the traces of processes whose filter's tuple fits, those that know the
 * packet's socket. From then on they know its tuple too. sk: the packet's
 * socket, dev: where it is, as numbers, or 0.
 */
static __noinline PS_UNUSED __u32 match_learned(
    __u64 word, const struct ps_tracer_tuple *tuple, __u64 sk, __u64 dev)
{
    __u32 asked = traces_on(word) & slots_of(word, PS_FW_LEARNED);

    if (!asked || !tuple || !tuple->family)
        return 0;
    asked = match_slots(word, asked, tuple);
    if (asked)
        asked &= learned_sock(sk, asked) | learned_end(tuple, dev, asked);
    learn_tuple(tuple, asked);
    return asked;
}

#endif
