/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Sockets of the processes that traces ask for, learned where a task makes or
 * uses one; see process_abi.h. */
#ifndef PS_BPF_TRACER_PROCESS_H
#define PS_BPF_TRACER_PROCESS_H

#include "bpf/lib/compat.h"
#include "bpf/tracer/process_abi.h"

/* The one of learned.h: user space makes them the same. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, PS_TRACER_MAX_LEARNED);
    __type(key, __u64);
    __type(value, struct ps_tracer_alias);
} learned_socks SEC(".maps");

/* Bit mask of slots, by process. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, PS_TRACER_MAX_MEMBERS);
    __type(key, __u32);
    __type(value, __u32);
} members SEC(".maps");

/* Written by user space; a slot's cgroup is whole before it is asked for. */
struct ps_tracer_processes processes;

/* Sockets that the map did not take. */
__u64 unlearned;

static __always_inline __u32 asks_for_tasks(void)
{
    return *(volatile __u32 *)&processes.asked;
}

static __always_inline __u32 slots_by_cgroup(void)
{
    __u32 asked = *(volatile __u32 *)&processes.by_cgroup, out = 0;

    for (__u32 i = 0; i < PS_TRACER_MAX_TRACES; i++) {
        const struct ps_tracer_process *slot = &processes.slots[i];
        __u32 wants = asked >> i & 1;

        /* To the verifier one bit says nothing of the others. */
        barrier_var(wants);
        if (wants && bpf_get_current_ancestor_cgroup_id((int)slot->level) ==
                         slot->cgroup)
            out |= 1u << i;
    }
    return out;
}

/* Slots that ask for the task that runs. */
static __always_inline __u32 slots_of_task(void)
{
    __u32 asked = asks_for_tasks(), out, pid;
    const __u32 *known;

    if (!asked)
        return 0;
    pid = (__u32)(bpf_get_current_pid_tgid() >> 32);
    known = bpf_map_lookup_elem(&members, &pid);
    out = known ? *known : 0;
    return (out | slots_by_cgroup()) & asked;
}

static __always_inline void learn_sock(__u64 cookie, __u32 slots)
{
    struct ps_tracer_alias fresh = {.traces = slots}, *known;

    if (!cookie)
        return;
    known = bpf_map_lookup_elem(&learned_socks, &cookie);
    if (known && (known->traces & slots) == slots)
        return;
    if (known)
        fresh.traces |= known->traces;
    if (bpf_map_update_elem(&learned_socks, &cookie, &fresh, BPF_ANY))
        __sync_fetch_and_add(&unlearned, 1);
}

#endif
