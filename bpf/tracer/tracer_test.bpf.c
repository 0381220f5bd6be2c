// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* What the tests run with BPF_PROG_TEST_RUN: parser, content and filters on
 * frames of their own making. Never attached. */
#include "bpf/tracer/content.h"
#include "bpf/tracer/match.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct ps_tracer_filter filters[PS_TRACER_MAX_TRACES];
volatile __u32 active;
struct ps_tracer_event seen;

extern void *bpf_cast_to_kern_ctx(void *obj) __ksym __weak;

SEC("tc")
int match(struct __sk_buff *ctx)
{
    struct sk_buff *skb = bpf_cast_to_kern_ctx(ctx);
    struct ps_skb_info parsed, info;
    struct ps_tracer_event e = {};
    struct ps_content content;
    struct ps_skb_view view;

    ps_skb_headers(skb, NULL, PS_SKB_ANY, true, &view, &parsed);
    if (bpf_probe_read_kernel(&info, sizeof(info), &parsed) || !info.family)
        return -1;
    fill_tuple(&info, &e.tuple);
    e.traces = match_filters(filters, active, &e.tuple);
    read_content(&view, &info, &content);
    fill_content(&info, &content, &e);
    e.head = (__u64)skb->head;
    seen = e;
    return e.traces;
}
