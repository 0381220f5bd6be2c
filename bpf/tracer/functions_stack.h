/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Function tier: who called, where that has no packet among its arguments.
 *
 * The kernel's stack is taken at a packet's outermost call on a CPU, for traces
 * that ask for it. Calls within that one have the same callers further out.
 */
#ifndef PS_BPF_FUNCTIONS_STACK_H
#define PS_BPF_FUNCTIONS_STACK_H

#include "bpf/tracer/functions_room.h"

/* The other end of the stack that a call stands on is not further away. */
#define STACK_BYTES 16384u
/* A return finds the stack pointer of its call, or that without the address. */
#define STACK_SLACK 16u

static __always_inline __u64 word_at(__u64 sp)
{
    __u64 word = 0;

    bpf_probe_read_kernel(&word, sizeof(word), (const void *)sp);
    return word;
}

/*
 * Does a call at sp stand in the one whose stack was taken last? Who called
 * that one is where it was until it has returned; where its return is told, the
 * kernel may have put another address there.
 */
static __always_inline bool is_within(const struct fn_outer *outer, __u64 id,
                                      __u32 pid, __u64 sp)
{
    return outer->id == (id & PS_FN_ID_MASK) && outer->pid == pid &&
           outer->sp - sp < STACK_BYTES &&
           (outer->told || word_at(outer->sp) == outer->caller);
}

static __always_inline void take_stack(struct pt_regs *ctx, __u64 id, __u64 ip,
                                       __u64 sp, bool told)
{
    __u32 pid = (__u32)bpf_get_current_pid_tgid();
    struct fn_room *room = room_of_cpu();
    long n;

    if (!room)
        return;
    room->call.frames = 0;
    if (!((__u32)(id >> PS_FN_TRACES_SHIFT) & stack_traces) ||
        is_within(&room->outer, id, pid, sp))
        return;
    room->outer = (struct fn_outer){
        .id = id & PS_FN_ID_MASK,
        .ip = ip,
        .sp = sp,
        .caller = word_at(sp),
        .pid = pid,
        .told = told,
    };
    n = bpf_get_stack(ctx, room->frames, sizeof(room->frames), 0);
    room->call.frames = n > 0 ? (__u32)n / 8 : 0;
}

/* ip 0: the kernel does not say which call has returned. */
static __always_inline void stack_left(__u64 ip, __u64 sp)
{
    struct fn_room *room = stack_traces ? room_of_cpu() : NULL;
    struct fn_outer *outer = room ? &room->outer : NULL;

    if (outer && (!ip || ip == outer->ip) &&
        sp - outer->sp + STACK_SLACK <= 2ull * STACK_SLACK)
        outer->id = 0;
}

#endif
