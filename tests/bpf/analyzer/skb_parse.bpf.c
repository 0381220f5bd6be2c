// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * bpf/lib/skb.h on packets that a test makes: both ways of loading fields, at
 * each place. tc programs see the frame at L2, lwt_in at L3.
 */
#include "bpf/lib/skb.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

extern void *bpf_cast_to_kern_ctx(void *) __ksym;

/* 0: plain loads, 1: checked ones. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 2);
    __type(key, __u32);
    __type(value, struct ps_skb_info);
} parsed SEC(".maps");

static __always_inline int parse(struct __sk_buff *ctx, enum ps_skb_where where)
{
    struct sk_buff *skb = bpf_cast_to_kern_ctx(ctx);
    __u32 plain = 0, checked = 1;
    struct ps_skb_info *info;

    info = bpf_map_lookup_elem(&parsed, &plain);
    if (info)
        ps_skb_parse(skb, where, true, info);
    info = bpf_map_lookup_elem(&parsed, &checked);
    if (info)
        ps_skb_parse_dev(skb, ps_dev_checked(BPF_CORE_READ(skb, dev)), where,
                         false, info);
    return 0;
}

SEC("tc")
int parse_tx(struct __sk_buff *ctx)
{
    return parse(ctx, PS_SKB_TX);
}

SEC("tc")
int parse_any(struct __sk_buff *ctx)
{
    return parse(ctx, PS_SKB_ANY);
}

SEC("lwt_in")
int parse_rx(struct __sk_buff *ctx)
{
    return parse(ctx, PS_SKB_RX);
}
