/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Expressions of the running traces, asked of an sk_buff: the frame is put
 * together as the wire has it, then bpf/tracer/pcap.h runs on it.
 */
#ifndef PS_BPF_TRACER_EXPR_H
#define PS_BPF_TRACER_EXPR_H

#include "bpf/tracer/filter.h"

#define PS_PCAP_READ(dst, size, src) bpf_probe_read_kernel(dst, size, src)
#include "bpf/tracer/pcap.h"
#include "bpf/tracer/room.h"

#define MAC_UNSET 0xffffu

/* ---- frames ------------------------------------------------------------- */

/* Before 6.1 a flag says that there is an accelerated tag. */
static __always_inline bool has_tag(struct sk_buff *skb)
{
    if (bpf_core_field_exists(
            ((struct sk_buff___vlan_present *)0)->vlan_present)) {
        struct sk_buff___vlan_present *old = (void *)skb;

        return BPF_CORE_READ_BITFIELD_PROBED(old, vlan_present);
    }
    return BPF_CORE_READ(skb, vlan_all) != 0;
}

static __always_inline void find_parts(struct sk_buff *skb, __u16 type,
                                       __u32 l3, enum ps_skb_where where,
                                       struct frame_parts *p)
{
    const unsigned char *head = BPF_CORE_READ(skb, head);
    __u32 data = (__u32)(BPF_CORE_READ(skb, data) - head), room;

    p->head = head;
    p->end = data + BPF_CORE_READ(skb, len);
    p->linear = p->end - BPF_CORE_READ(skb, data_len);
    p->mac = where == PS_SKB_TX ? data : BPF_CORE_READ(skb, mac_header);
    p->l3 = where == PS_SKB_RX ? data : BPF_CORE_READ(skb, network_header);
    p->type = type;
    /* A MAC header is believed where there is room for it and at most two tags
     * between it and the IP header: others were left by a tunnel. */
    room = p->l3 - p->mac;
    if (p->mac == MAC_UNSET || (room != 14 && room != 18 && room != 22)) {
        p->mac = MAC_UNSET;
        p->l3 = l3; /* behind all tags */
    }
    p->tagged = has_tag(skb);
    p->tag_proto = BPF_CORE_READ(skb, vlan_proto);
    p->tci = BPF_CORE_READ(skb, vlan_tci);
}

/*
 * The frame from its Ethernet header on. Where there is none, one is made that
 * has only the type. An accelerated tag stands where the wire will have it.
 * hdr: room to do it.
 */
static __always_inline void make_frame(const struct frame_parts *p, __be64 *hdr,
                                       struct ps_pcap_frame *f)
{
    bool has_mac = p->mac != MAC_UNSET;
    __u32 from = has_mac ? p->mac + ETH_HLEN : p->l3;
    __u32 tag = p->tagged ? 4 : 0;
    __be16 *words = (__be16 *)hdr;

    __builtin_memset(f, 0, sizeof(*f));
    if (!from || from > p->linear)
        return;
    f->first = has_mac ? 0 : 12;
    f->cap = p->linear - from + ETH_HLEN + tag;
    f->len = p->end - from + ETH_HLEN + tag;
    f->base = (__u64)p->head + from - ETH_HLEN - tag;
    if (has_mac && !tag)
        return; /* as it lies there */
    f->hdr_len = ETH_HLEN + tag;
    if (has_mac)
        bpf_probe_read_kernel(hdr, ETH_HLEN, p->head + p->mac);
    else
        words[6] = bpf_htons(p->type);
    if (tag) {
        words[8] = words[6];
        words[6] = p->tag_proto;
        words[7] = bpf_htons(p->tci);
        bpf_probe_read_kernel(&words[9], 4, p->head + from);
    } else {
        bpf_probe_read_kernel(&words[7], 4, p->head + from);
    }
    for (int i = 0; i < 3; i++)
        f->hdr[i] = bpf_be64_to_cpu(hdr[i]);
}

/* ---- expressions -------------------------------------------------------- */

struct expr_ctx {
    struct ps_pcap_vm *vm;
};

static long expr_step(__u64 i PS_UNUSED, void *ctx)
{
    return ps_pcap_step(((struct expr_ctx *)ctx)->vm, tracing.insns);
}

/* Slots of `asked` whose expression takes the frame of the room's parts. */
static __noinline __u32 run_exprs(struct room *room, __u64 word, __u32 asked)
{
    struct ps_pcap_vm *vm = &room->vm;
    struct expr_ctx ctx = {vm};

    make_frame(&room->parts, room->hdr, &vm->frame);
    vm->todo = asked;
    ps_pcap_begin(vm, slots_of(word, PS_FW_BANK));
    bpf_loop(PS_TRACER_MAX_TRACES * PS_TRACER_EXPR_INSNS, expr_step, &ctx, 0);
    return vm->matched;
}

/*
 * What the caller's parser found, in one number, for the stack is short: how
 * the skb lies, the type and offset of its L3 header, and, from expr_inner(),
 * of that inside of its tunnel.
 */
static __always_inline __u64 expr_at(enum ps_skb_where where, __u16 type,
                                     __u16 l3)
{
    return (__u64)where << 56 | (__u64)type << 16 | l3;
}

static __always_inline __u64 expr_inner(__u64 at, __u16 l3, __u8 family)
{
    return at | (__u64)(family == 6) << 48 | (__u64)l3 << 32;
}

static __noinline PS_UNUSED __u32 match_exprs(struct room *room,
                                              struct sk_buff *skb, __u64 word,
                                              __u32 asked, __u64 at)
{
    struct frame_parts *parts = &room->parts;
    __u16 inner_l3 = (__u16)(at >> 32);
    __u32 out, inside;

    find_parts(skb, (__u16)(at >> 16), (__u16)at, at >> 56, parts);
    out = run_exprs(room, word, asked);
    inside = asked & slots_of(word, PS_FW_INNER) & ~out;
    if (inside && inner_l3) {
        parts->mac = MAC_UNSET;
        parts->l3 = inner_l3;
        parts->type = at >> 48 & 1 ? ETH_P_IPV6 : ETH_P_IP;
        parts->tagged = false;
        out |= run_exprs(room, word, inside);
    }
    return out;
}

#endif
