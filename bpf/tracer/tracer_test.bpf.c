// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* What the tests run with BPF_PROG_TEST_RUN: parser, content and filters on
 * frames of their own making. Never attached. */
#include "bpf/tracer/live.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct ps_tracer_event seen;

extern void *bpf_cast_to_kern_ctx(void *obj) __ksym __weak;

/* In a frame of its own: the stack is small. */
static __noinline int headers(struct sk_buff *skb, struct ps_skb_view *view,
                              struct ps_skb_info *info)
{
    struct ps_skb_info parsed;

    ps_skb_headers(skb, NULL, PS_SKB_ANY, true, view, &parsed);
    return bpf_probe_read_kernel(info, sizeof(*info), &parsed) ? -1 : 0;
}

static __noinline int fill_seen(struct ps_skb_view *view,
                                struct ps_skb_info *info,
                                struct ps_tracer_tuple *tuple)
{
    struct ps_content content;

    __builtin_memset(&seen, 0, sizeof(seen));
    seen.tuple = *tuple;
    read_content(view, info, &content);
    fill_content(info, &content, &seen);
    seen.head = (__u64)view->head;
    return (int)signature(info, &content);
}

volatile __u64 entry_time;

/* Of two traces those that follow what they saw first then. */
SEC("tc")
int followers(struct __sk_buff *ctx PS_UNUSED)
{
    const struct live entry = {.id = live_id(entry_time), .traces = 3};

    return live_traces(&entry);
}

SEC("tc")
int match(struct __sk_buff *ctx)
{
    struct sk_buff *skb = bpf_cast_to_kern_ctx(ctx);
    struct ps_tracer_tuple tuple = {};
    struct ps_skb_view view = {};
    struct ps_skb_info info = {};
    __u64 word = filters_now();
    struct room *room;
    __u32 traces;

    if (headers(skb, &view, &info))
        return -1;
    fill_tuple(&info, &tuple);
    room = room_at(take_room());
    if (!room)
        return -1;
    room->sight.word = word;
    traces = match_more(room, skb, NULL, match_tuple(word, &tuple),
                        expr_at(PS_SKB_ANY, info.ethertype, info.l3_off));
    leave_room(room);
    if (!info.family)
        return (int)traces;
    traces &=
        ~sampled_out(word, traces, (__u32)fill_seen(&view, &info, &tuple));
    seen.traces = (__u8)traces;
    return (int)traces;
}
