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
 * Everything exists twice: `cast` for kernels with bpf_rdonly_cast (6.2), where
 * fields are plain loads, and `read` for the others.
 */
#include "bpf/tracer/filter.h"
#include "bpf/tracer/functions_content.h"
#include "bpf/tracer/functions_follow.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, PS_TRACER_RING_BYTES);
} calls SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, PS_TRACER_MAX_TRACES);
    __type(key, __u32);
    __type(value, struct ps_fn_count);
} fn_counts SEC(".maps");

/* Written by user space: a filter is whole before its bit is set. */
struct ps_tracer_filter filters[PS_TRACER_MAX_TRACES];

extern bool bpf_session_is_return(void) __ksym __weak;
extern __u64 *bpf_session_cookie(void) __ksym __weak;

enum counted { HIT, RING_FULL, RETURN_LOST };

static __always_inline void count(__u32 traces, enum counted what)
{
    for (__u32 i = 0; i < PS_TRACER_MAX_TRACES; i++) {
        struct ps_fn_count *c;
        __u32 key = i;

        if (!(traces & (1u << i)))
            continue;
        c = bpf_map_lookup_elem(&fn_counts, &key);
        if (!c)
            continue;
        if (what == HIT)
            __sync_fetch_and_add(&c->hits, 1);
        else if (what == RING_FULL)
            __sync_fetch_and_add(&c->ring_full, 1);
        else
            __sync_fetch_and_add(&c->returns_lost, 1);
    }
}

/* ---- does a filter want it? --------------------------------------------- */

static __always_inline struct sk_buff *skb_at(__u64 addr, bool direct)
{
    return direct ? bpf_core_cast((void *)addr, struct sk_buff)
                  : (struct sk_buff *)addr;
}

/* Before the network layer has said where its header is, it is what the data
 * begin with, on the way up; 0: there is none yet. */
static __always_inline __u32 l3_of(struct sk_buff *skb, __u64 head, bool direct)
{
    __u16 l3 = ps_load(direct, skb, network_header);

    if (l3 || ps_load(direct, skb, mac_header) == 0xffff)
        return l3;
    return (__u32)((__u64)ps_load(direct, skb, data) - head);
}

/* Reads what filters compare. No extension headers, no tags in the frame: such
 * a packet is taken where the stack has come behind them. */
static __always_inline bool quick_tuple(const unsigned char *at, bool direct,
                                        struct ps_tracer_tuple *t)
{
    struct ps_l3_head h = {};
    const __be16 *l4;

    if (!ps_l3_read(at, direct, &h))
        return false;
    if (h.version_ihl == 0x45) {
        t->family = 4;
        t->proto = h.v4.protocol;
        __builtin_memcpy(t->saddr, &h.v4.saddr, 4);
        __builtin_memcpy(t->daddr, &h.v4.daddr, 4);
        if (h.v4.frag_off & bpf_htons(0x1fff))
            return true;
        l4 = h.l4_v4;
    } else if (h.version_ihl >> 4 == 6) {
        t->family = 6;
        t->proto = h.v6.nexthdr;
        __builtin_memcpy(t->saddr, &h.v6.saddr, 16);
        __builtin_memcpy(t->daddr, &h.v6.daddr, 16);
        l4 = h.l4_v6;
    } else {
        return false;
    }
    if (ps_has_ports(t->proto)) {
        t->sport = bpf_ntohs(l4[0]);
        t->dport = bpf_ntohs(l4[1]);
    }
    return true;
}

static __always_inline __u32 matching(struct sk_buff *skb, __u64 head,
                                      __u32 want, bool direct)
{
    struct ps_tracer_tuple tuple = {};
    __u32 l3 = l3_of(skb, head, direct);
    __u16 proto = ps_load(direct, skb, protocol);

    if (!l3 || (proto && proto != bpf_htons(ETH_P_IP) &&
                proto != bpf_htons(ETH_P_IPV6)))
        return 0;
    if (!quick_tuple((const unsigned char *)head + l3, direct, &tuple))
        return 0;
    return match_filters(filters, want, &tuple);
}

/* The packet's number, or 0: nobody follows it. */
static __always_inline __u64 follow(__u64 addr, __u32 how, bool direct)
{
    struct sk_buff *skb = skb_at(addr, direct);
    __u64 head = (__u64)ps_load(direct, skb, head), id;
    struct ps_fn_slot *slot = slot_find(head);
    __u32 traces = 0, want;

    id = slot ? slot->id : 0;
    if (id && (!(id & PS_FN_GONE) || how & PS_FN_END))
        traces = traces_of(id);
    want = active & ~traces;
    if (!want || how & PS_FN_END)
        return traces ? id : 0;
    want = matching(skb, head, want, direct);
    if (!want)
        return traces ? id : 0;
    if (traces)
        id |= (__u64)want << PS_FN_TRACES_SHIFT;
    else
        id = new_id(want);
    slot_put(head, id);
    return id;
}

/* ---- records ------------------------------------------------------------ */

/* A socket's queue keeps other things in skb->dev. */
static __always_inline void fill_device(struct net_device *dev,
                                        struct ps_fn_call *c)
{
    if (!dev)
        return;
    c->ifindex = (__u32)BPF_CORE_READ(dev, ifindex);
    c->netns = BPF_CORE_READ(dev, nd_net.net, ns.inum);
    bpf_probe_read_kernel_str(c->ifname, sizeof(c->ifname), dev->name);
}

static __always_inline void fill_call(const struct ps_skb_info *info,
                                      const struct fn_content *content,
                                      struct ps_fn_call *c)
{
    fill_tuple(info, &c->tuple);
    c->seq = content->seq;
    c->ack = content->ack;
    c->payload = content->payload;
    c->hash = content->hash;
    c->ip_id = content->ip_id;
    c->tcp_flags = content->tcp_flags;
    c->flags = content->flags;
    if (info->flags & PS_SKB_FRAGMENT)
        c->flags |= PS_EF_FRAGMENT;
}

/*
 * The buffer was freed and used again, and that was not seen: the header is
 * where it was, and is another one's. A tunnel's header is elsewhere.
 */
static __always_inline bool is_other(struct ps_fn_slot *slot,
                                     const struct ps_skb_info *info,
                                     const struct fn_content *content)
{
    __u32 now = fn_signature(info, content) | 1, before = slot->signature;
    __u32 l3_off = info->l3_off;

    if (!info->l4_off)
        return false;

    if (before && before != now && slot->l3_off == l3_off)
        return true;
    slot->signature = now;
    slot->l3_off = l3_off;
    return false;
}

/* The last one to hold the buffer gives it back. */
static __always_inline bool is_last(struct sk_buff *skb, __u64 head,
                                    bool direct)
{
    struct skb_shared_info *shinfo =
        (struct skb_shared_info *)(head + ps_load(direct, skb, end));
    int bias = BPF_CORE_READ_BITFIELD_PROBED(skb, nohdr) ? (1 << 16) + 1 : 1;

    if (ps_load(direct, skb, users.refs.counter) > 1)
        return false;
    return !BPF_CORE_READ_BITFIELD_PROBED(skb, cloned) ||
           BPF_CORE_READ(shinfo, dataref.counter) == bias;
}

/* 0: the record is made, or the ring is full; 1: it is another packet. */
static __always_inline int record(__u64 addr, __u64 id, __u64 ip, __u64 sp,
                                  __u32 how, bool direct)
{
    struct sk_buff *skb = skb_at(addr, direct);
    __u64 head = (__u64)ps_load(direct, skb, head);
    struct ps_fn_slot *slot = slot_find(head);
    struct ps_skb_info parsed, info;
    struct fn_content content = {};
    struct net_device *dev;
    struct ps_skb_view view;
    struct ps_fn_call *c;
    enum ps_skb_where where;
    __u32 traces = traces_of(id), l3 = l3_of(skb, head, direct);

    dev = ps_dev_checked(ps_load(direct, skb, dev));
    where = l3 && !ps_load(direct, skb, network_header) ? PS_SKB_RX
                                                        : PS_SKB_ANY;
    ps_skb_parse_dev(skb, NULL, where, direct, &parsed);
    /* A copy that the verifier knows nothing of: see begin(). */
    if (bpf_probe_read_kernel(&info, sizeof(info), &parsed))
        return 0;
    ps_skb_view(skb, NULL, where, direct, &view);
    if (info.family)
        fn_read_content(skb, direct, &view, &info, &content);
    /* Nothing in it, and no header: it was made just now. */
    if (slot && !(how & PS_FN_END) &&
        (info.family ? is_other(slot, &info, &content)
                     : !l3 && !ps_load(direct, skb, len))) {
        slot_set(slot, head, slot->id | PS_FN_GONE);
        return 1;
    }
    count(traces, HIT);
    c = bpf_ringbuf_reserve(&calls, sizeof(*c), 0);
    if (!c) {
        count(traces, RING_FULL);
        return 0;
    }
    __builtin_memset(c, 0, sizeof(*c));
    fill_call(&info, &content, c);
    fill_device(dev, c);
    c->packets = info.packets;
    c->kind = PS_FN_CALL;
    c->traces = (__u8)traces;
    c->cpu = (__u16)bpf_get_smp_processor_id();
    c->pid = (__u32)bpf_get_current_pid_tgid();
    c->packet = id & (PS_FN_ID_MASK | PS_FN_NEW);
    c->ip = ip;
    c->sp = sp;
    c->skb = addr;
    c->head = head;
    c->len = ps_load(direct, skb, len);
    c->mark = ps_load(direct, skb, mark);
    c->time = bpf_ktime_get_ns();
    bpf_ringbuf_submit(c, BPF_RB_NO_WAKEUP);
    if (!slot)
        return 0;
    id = slot->id & ~PS_FN_NEW;
    if (how & PS_FN_RELEASE && is_last(skb, head, direct))
        id |= PS_FN_GONE;
    if (id != slot->id)
        slot_set(slot, head, id);
    return 0;
}

/* Functions of their own: each is verified once, whoever calls it. */
__noinline __u64 follow_cast(__u64 addr, __u32 how)
{
    return follow(addr, how, true);
}
__noinline __u64 follow_read(__u64 addr, __u32 how)
{
    return follow(addr, how, false);
}
__noinline int record_cast(__u64 addr, __u64 id, __u64 ip, __u64 sp, __u32 how)
{
    return record(addr, id, ip, sp, how, true);
}
__noinline int record_read(__u64 addr, __u64 id, __u64 ip, __u64 sp, __u32 how)
{
    return record(addr, id, ip, sp, how, false);
}

/* ---- entry and return --------------------------------------------------- */

/* The packet's number where its call is recorded. */
static __always_inline __u64 enter(__u64 addr, __u32 how, __u64 ip, __u64 sp,
                                   bool direct)
{
    __u64 id;

    /* Twice: what was followed may turn out to be another one. */
    for (int i = 0; i < 2; i++) {
        id = direct ? follow_cast(addr, how) : follow_read(addr, how);
        if (!id)
            return 0;
        if (!(direct ? record_cast(addr, id, ip, sp, how)
                     : record_read(addr, id, ip, sp, how)))
            return id;
    }
    return 0;
}

static __always_inline void leave(__u64 id, __u64 ip, __u64 sp)
{
    __u32 traces = traces_of(id);
    struct ps_fn_return *r;

    if (!traces)
        return;
    r = bpf_ringbuf_reserve(&calls, sizeof(*r), 0);
    if (!r) {
        count(traces, RETURN_LOST);
        return;
    }
    r->kind = PS_FN_RETURN;
    r->traces = (__u8)traces;
    r->cpu = (__u16)bpf_get_smp_processor_id();
    r->pid = (__u32)bpf_get_current_pid_tgid();
    r->packet = id & PS_FN_ID_MASK;
    r->ip = ip;
    r->sp = sp;
    r->time = bpf_ktime_get_ns();
    bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
}

/* What was behind the old buffer goes on in the new one. */
static __always_inline void expanded(__u64 addr, __u64 id, bool direct)
{
    struct sk_buff *skb = skb_at(addr, direct);
    __u64 head = (__u64)ps_load(direct, skb, head);

    if (!slot_find(head))
        slot_put(head, id & ~(PS_FN_NEW | PS_FN_GONE));
}

/* All are read: the context is no place to be reached into with a variable. */
static __always_inline __u64 arg_of(struct pt_regs *ctx, __u32 position)
{
    volatile __u64 args[PS_FN_ARGS] = {
        PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), PT_REGS_PARM3(ctx),
        PT_REGS_PARM4(ctx), PT_REGS_PARM5(ctx),
    };
    __u32 i = position - 1;

    return i < PS_FN_ARGS ? args[i] : 0;
}

/* ---- fprobe: all functions at once -------------------------------------- */

/* At the entry the session's word becomes the packet's number; of
 * pskb_expand_head(skb) the skb, under which the number is kept meanwhile. */
static __always_inline int on_entry(struct pt_regs *ctx, __u64 cookie)
{
    __u64 addr = arg_of(ctx, cookie & 0xff), *word, id;
    __u32 how = cookie >> PS_FN_HOW_SHIFT;

    if (!addr)
        return 1;
    id = enter(addr, how, bpf_get_func_ip(ctx), PT_REGS_SP(ctx), true);
    /* 1: the return is not wanted. */
    if (!id)
        return 1;
    word = bpf_session_cookie();
    if (how & PS_FN_EXPAND) {
        slot_put(addr, id);
        id = addr;
    }
    *word = id;
    return 0;
}

static __always_inline int on_return(struct pt_regs *ctx, __u64 cookie)
{
    __u64 word = *bpf_session_cookie(), ip = bpf_get_func_ip(ctx);
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
    if (!active)
        return 1;
    return bpf_session_is_return() ? on_return(ctx, bpf_get_attach_cookie(ctx))
                                   : on_entry(ctx, bpf_get_attach_cookie(ctx));
}

/* ---- fprobe without sessions: calls and returns by two links ------------ */

/* A return's call is known by where its return address was. */
static __always_inline void call_at(struct pt_regs *ctx, __u64 addr, __u32 how,
                                    __u64 ip, bool direct)
{
    __u64 sp = PT_REGS_SP(ctx), id;

    id = addr ? enter(addr, how, ip, sp, direct) : 0;
    if (id)
        slot_put(sp, id & ~PS_FN_NEW);
}

static __always_inline void return_at(struct pt_regs *ctx, __u64 ip)
{
    __u64 sp = PT_REGS_SP(ctx) - sizeof(__u64);
    struct ps_fn_slot *slot = slot_find(sp);

    if (!slot)
        return;
    leave(slot->id, ip, sp);
    slot_set(slot, sp, 0);
}

#define MULTI(name, direct)                                                   \
    SEC("kprobe.multi")                                                       \
    int multi_##name(struct pt_regs *ctx)                                     \
    {                                                                         \
        __u64 cookie = active ? bpf_get_attach_cookie(ctx) : 0;               \
                                                                              \
        if (cookie)                                                           \
            call_at(ctx, arg_of(ctx, cookie & 0xff),                          \
                    cookie >> PS_FN_HOW_SHIFT, bpf_get_func_ip(ctx), direct); \
        return 0;                                                             \
    }

MULTI(read, false)
MULTI(cast, true)

SEC("kprobe.multi")
int multi_return(struct pt_regs *ctx)
{
    if (active)
        return_at(ctx, bpf_get_func_ip(ctx));
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
        return_at(ctx, 0);
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
