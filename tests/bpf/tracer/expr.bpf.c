// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* Runs many expressions on one frame, as the tracer's programs run theirs. */
#include "tests/bpf/tracer/expr.h"
#include "bpf/tracer/expr.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* Where each one's instructions begin in tracing.insns. */
__u32 starts[EXPRS];
__u32 n_exprs;
/* How the frame is seen. */
__u32 cut;         /* bytes that are there */
__u32 without_mac; /* a hook of L3: the IP header is at this offset */
__u32 tag;         /* an accelerated tag, TPID << 16 | TCI; 0: none */
__u64 answers[EXPRS / 64];
__u32 seen_len;

extern void *bpf_cast_to_kern_ctx(void *obj) __ksym __weak;

static long run_one(__u64 i, void *ctx)
{
    struct ps_pcap_vm *vm = ((struct expr_ctx *)ctx)->vm;
    struct expr_ctx one = {vm};

    ps_pcap_begin(vm, 0);
    vm->pc = starts[i & (EXPRS - 1)];
    vm->todo = 1;
    bpf_loop(PS_TRACER_EXPR_INSNS, expr_step, &one, 0);
    if (vm->matched)
        answers[(i / 64) & (EXPRS / 64 - 1)] |= 1ull << (i & 63);
    return 0;
}

SEC("tc")
int many(struct __sk_buff *ctx)
{
    struct expr_ctx one = {};
    struct room *room;
    struct sk_buff *skb;

    if (tag && bpf_skb_vlan_push(ctx, bpf_htons(tag >> 16), (__u16)tag))
        return -1;
    skb = bpf_cast_to_kern_ctx(ctx);
    room = room_at(take_room());
    if (!room)
        return -1;
    find_parts(skb, bpf_ntohs(skb->protocol), 0, PS_SKB_ANY, &room->parts);
    if (without_mac) {
        room->parts.mac = MAC_UNSET;
        room->parts.l3 = (__u32)(skb->data - skb->head) + without_mac;
    }
    one.vm = &room->vm;
    make_frame(&room->parts, room->hdr, &one.vm->frame);
    if (one.vm->frame.cap > cut)
        one.vm->frame.cap = cut;
    seen_len = one.vm->frame.len;
    for (int i = 0; i < EXPRS / 64; i++)
        answers[i] = 0;
    bpf_loop(n_exprs, run_one, &one, 0);
    leave_room(room);
    return 0;
}
