// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The function tier: one body for all functions of the kernel that take an
 * sk_buff, at their entry and at their return. Attached only while a trace of
 * this tier runs.
 *
 * A packet that no filter wants costs a look at its buffer's place in a table
 * and at the few header fields that the filters compare. One that is followed
 * (functions_follow.h) is known by its buffer alone.
 *
 * What is asked of every packet exists twice: `cast` for kernels with
 * bpf_rdonly_cast (6.2), where fields are plain loads, and `read` for the
 * others.
 */
#include "bpf/tracer/functions_socket.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

extern bool bpf_session_is_return(void) __ksym __weak;
extern __u64 *bpf_session_cookie(void) __ksym __weak;

/* ---- entry and return --------------------------------------------------- */

static __always_inline void leave_as(enum ps_fn_kind kind, __u64 id, __u64 ip,
                                     __u64 sp)
{
    __u32 traces = traces_of(id);

    if (!traces || tell_small(kind, traces, id, ip, sp))
        return;
    count(traces, RETURN_LOST);
    untold_at = bpf_ktime_get_ns();
    __sync_fetch_and_add(&untold, 1);
}

static __always_inline void leave(__u64 id, __u64 ip, __u64 sp)
{
    stack_left(ip, sp);
    leave_as(PS_FN_RETURN, id, ip, sp);
}

/* What was behind the old buffer goes on in the new one. */
static __always_inline void expanded(__u64 addr, __u64 id, bool direct)
{
    struct sk_buff *skb = skb_at(addr, direct);
    __u64 head = head_of(skb, direct);

    if (!slot_find(head))
        slot_put(head, id & ~(PS_FN_NEW | PS_FN_GONE));
}

/* All are read: the context is no place to be reached into with a variable,
 * which the compiler would make of one load for each. */
static __always_inline __u64 arg_of(struct pt_regs *ctx, __u32 position)
{
    __u64 a = PT_REGS_PARM1(ctx), b = PT_REGS_PARM2(ctx);
    __u64 c = PT_REGS_PARM3(ctx), d = PT_REGS_PARM4(ctx);
    __u64 e = PT_REGS_PARM5(ctx);

    barrier_var(a);
    barrier_var(b);
    barrier_var(c);
    barrier_var(d);
    barrier_var(e);
    if (position == 1)
        return a;
    if (position == 2)
        return b;
    if (position == 3)
        return c;
    if (position == 4)
        return d;
    return position == PS_FN_ARGS ? e : 0;
}

/* ---- fprobe: all functions at once -------------------------------------- */

struct ps_fn_known known[PS_FN_KNOWN];

static __always_inline __u64 cookie_of(struct pt_regs *ctx, __u64 ip)
{
    __u32 at = ps_fn_known_at((__u32)ip);

    for (__u32 i = 0; i < PS_FN_KNOWN_NEAR; i++) {
        const struct ps_fn_known *k = &known[(at + i) & (PS_FN_KNOWN - 1)];

        if (k->ip == (__u32)ip)
            return k->cookie;
    }
    return bpf_get_attach_cookie(ctx);
}

/* At the entry the session's word becomes the packet's number; of
 * pskb_expand_head(skb) the skb, under which the number is kept meanwhile. */
static __always_inline int on_entry(struct pt_regs *ctx)
{
    __u64 ip = bpf_get_func_ip(ctx), cookie = cookie_of(ctx, ip);
    __u64 addr = arg_of(ctx, cookie & 0xff), *word, id;
    __u32 how = cookie >> PS_FN_HOW_SHIFT;

    if (!addr)
        return 1;
    id = enter(ctx, addr, how, ip, PT_REGS_SP(ctx), true);
    /* 1: the return is not wanted. */
    if (!id || !(how & PS_FN_RETURNS))
        return 1;
    word = bpf_session_cookie();
    if (how & PS_FN_EXPAND) {
        slot_put(addr, id);
        id = addr;
    }
    *word = id;
    return 0;
}

static __always_inline int on_return(struct pt_regs *ctx)
{
    __u64 word = *bpf_session_cookie(), ip = bpf_get_func_ip(ctx);
    __u64 cookie = cookie_of(ctx, ip);
    struct ps_fn_slot *slot;

    if (!(cookie >> PS_FN_HOW_SHIFT & PS_FN_EXPAND)) {
        leave(word, ip, PT_REGS_SP(ctx));
        return 0;
    }
    slot = slot_find(word);
    if (!slot)
        return 0;
    expanded(word, slot->id, true);
    leave(slot->id, ip, PT_REGS_SP(ctx));
    slot_set(slot, word, 0);
    return 0;
}

SEC("kprobe.multi")
int session(struct pt_regs *ctx)
{
    if (!active || !sessions)
        return 1;
    return bpf_session_is_return() ? on_return(ctx) : on_entry(ctx);
}

/* Until a packet was wanted: a call whose return may be asked for costs a third
 * more than one whose return may not. */
SEC("kprobe.multi")
int first(struct pt_regs *ctx)
{
    __u64 ip, cookie, addr, id;
    __u32 how;

    if (!active || sessions)
        return 0;
    ip = bpf_get_func_ip(ctx);
    cookie = cookie_of(ctx, ip);
    addr = arg_of(ctx, cookie & 0xff);
    if (!addr || (!following && !may_match(addr)))
        return 0;
    how = (cookie >> PS_FN_HOW_SHIFT) & ~(__u64)PS_FN_RETURNS;
    id = enter(ctx, addr, how, ip, PT_REGS_SP(ctx), true);
    if (id && how & PS_FN_EXPAND)
        moves(addr, id);
    return 0;
}

/* ---- fprobe without sessions: calls and returns by two links ------------ */

/* A return's call is known by where its return address was. One that was lost
 * leaves its mark there: it is not the next one's. */
static __always_inline void expect_return(__u64 sp, __u64 id)
{
    struct ps_fn_slot *slot;

    if (id) {
        slot_put(sp, id & ~PS_FN_NEW);
        return;
    }
    slot = slot_find(sp);
    if (slot)
        slot_set(slot, sp, 0);
}

static __always_inline void call_at(struct pt_regs *ctx, __u64 addr, __u32 how,
                                    __u64 ip, bool direct)
{
    __u64 sp = PT_REGS_SP(ctx), id;

    id = addr ? enter(ctx, addr, how, ip, sp, direct) : 0;
    if (id && how & PS_FN_EXPAND)
        moves(addr, id);
    if (how & PS_FN_RETURNS)
        expect_return(sp, id);
}

static __always_inline void return_at(struct pt_regs *ctx, enum ps_fn_kind kind,
                                      __u64 ip)
{
    __u64 sp = PT_REGS_SP(ctx) - sizeof(__u64);
    struct ps_fn_slot *slot = slot_find(sp);

    if (!slot)
        return;
    if (kind == PS_FN_RETURN)
        stack_left(ip, sp);
    leave_as(kind, slot->id, ip, sp);
    slot_set(slot, sp, 0);
}

#define MULTI(name, direct)                                 \
    SEC("kprobe.multi")                                     \
    int multi_##name(struct pt_regs *ctx)                   \
    {                                                       \
        __u64 ip = active ? bpf_get_func_ip(ctx) : 0;       \
        __u64 cookie = ip ? cookie_of(ctx, ip) : 0;         \
                                                            \
        if (cookie)                                         \
            call_at(ctx, arg_of(ctx, cookie & 0xff),        \
                    cookie >> PS_FN_HOW_SHIFT, ip, direct); \
        return 0;                                           \
    }

MULTI(read, false)
MULTI(cast, true)

SEC("kprobe.multi")
int multi_return(struct pt_regs *ctx)
{
    if (active)
        return_at(ctx, PS_FN_RETURN, bpf_get_func_ip(ctx));
    return 0;
}

/* ---- functions that have the socket alone ------------------------------- */

SEC("kprobe.multi")
int socket_session(struct pt_regs *ctx)
{
    __u64 ip, sp = PT_REGS_SP(ctx), *word, id;

    if (!active)
        return 1;
    ip = bpf_get_func_ip(ctx);
    word = bpf_session_cookie();
    if (bpf_session_is_return()) {
        leave_as(PS_FN_SOCKET_RETURN, *word, ip, sp);
        return 0;
    }
    id = enter_socket(arg_of(ctx, cookie_of(ctx, ip) & 0xff), ip, sp, true);
    *word = id;
    return !id;
}

#define SOCKET_MULTI(name, direct)                                          \
    SEC("kprobe.multi")                                                     \
    int socket_multi_##name(struct pt_regs *ctx)                            \
    {                                                                       \
        __u64 ip = active ? bpf_get_func_ip(ctx) : 0, sp = PT_REGS_SP(ctx); \
        __u32 position = ip ? cookie_of(ctx, ip) & 0xff : 0;                \
                                                                            \
        if (position)                                                       \
            expect_return(                                                  \
                sp, enter_socket(arg_of(ctx, position), ip, sp, direct));   \
        return 0;                                                           \
    }

SOCKET_MULTI(read, false)
SOCKET_MULTI(cast, true)

SEC("kprobe.multi")
int socket_multi_return(struct pt_regs *ctx)
{
    if (active)
        return_at(ctx, PS_FN_SOCKET_RETURN, bpf_get_func_ip(ctx));
    return 0;
}

/* ---- one probe for each function ---------------------------------------- */

/* What the probes' cookies would be, where the kernel has none for them (until
 * 5.15): by the address that is probed. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, PS_FN_MAX);
    __type(key, __u64);
    __type(value, __u32);
} probed SEC(".maps");

SEC("kprobe")
int single(struct pt_regs *ctx)
{
    __u64 ip = PT_REGS_IP(ctx) - 1; /* behind the breakpoint's one byte */
    const __u32 *cookie;

    if (!active)
        return 0;
    cookie = bpf_map_lookup_elem(&probed, &ip);
    if (cookie)
        call_at(ctx, arg_of(ctx, *cookie & 0xff), *cookie >> PS_FN_HOW_SHIFT,
                ip, false);
    return 0;
}

SEC("kretprobe")
int single_return(struct pt_regs *ctx)
{
    if (active)
        return_at(ctx, PS_FN_RETURN, 0);
    return 0;
}

/* ---- text --------------------------------------------------------------- */

/* What a function begins with, for who asks with BPF_PROG_TEST_RUN: where the
 * first instruction is that is the function's own. */
__u8 text[16];

SEC("raw_tp")
int read_text(struct bpf_raw_tracepoint_args *ctx)
{
    return (int)bpf_probe_read_kernel(text, sizeof(text),
                                      (const void *)ctx->args[0]);
}
