/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Which task used a socket last; see PS_TRACER_OWNER_KEY. */
#ifndef PS_BPF_TRACER_OWNERS_H
#define PS_BPF_TRACER_OWNERS_H

#include "bpf/lib/compat.h"
#include "bpf/tracer/tracer_abi.h"

/* One for all objects: user space makes them the same. Who used none for
 * longest leaves first. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, PS_TRACER_MAX_OWNERS);
    __type(key, __u64);
    __type(value, struct ps_tracer_owner);
} owners SEC(".maps");

/* Owners that the map did not take. */
__u64 owners_lost;

/* The task that runs. False: it was known, as for most: a socket is used by one
 * process again and again. */
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
        __sync_fetch_and_add(&owners_lost, 1);
    return true;
}

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

#endif
