/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * How a packet's bytes come from the kernel's memory.
 *
 * `direct` is a constant: true where the verifier knows the skb as a BTF
 * pointer (tp_btf, netfilter links, tcx with bpf_cast_to_kern_ctx) and its dev
 * is alive, so that fields are plain loads; false for raw_tp, and where fields
 * may hold something else (kfree_skb: queues keep their own data in skb->dev
 * and _skb_refdst), so that each load is a checked bpf_probe_read_kernel.
 *
 * Where the kernel has bpf_rdonly_cast (6.2), headers are plain loads too: a
 * helper's call costs more than all of them. A load that faults gives 0.
 */
#ifndef PS_BPF_LOAD_H
#define PS_BPF_LOAD_H

#include "bpf/lib/compat.h"

#define ps_load(direct, p, field) \
    ((direct) ? (p)->field : BPF_CORE_READ((p), field))

#define ps_can_cast(direct) ((direct) && bpf_ksym_exists(bpf_rdonly_cast))

/*
 * Ethernet type, then the longest fixed IP header and eight bytes of L4; with
 * two bytes in front, so that fields are read as words.
 */
struct ps_l3_head {
    __u16 pad;
    __be16 ethertype;
    union {
        struct iphdr v4;
        struct ipv6hdr v6;
        struct {
            __u8 version_ihl;
            __u8 pad4[19];
            __be16 l4_v4[4];
        };
        struct {
            __u8 pad6[40];
            __be16 l4_v6[4];
        };
    };
};

/* Ports and sequence, where TCP has them. */
static __always_inline void ps_l4_cast(const unsigned char *at, __be16 *l4)
{
    const struct tcphdr *th = bpf_core_cast(at, struct tcphdr);
    __be32 seq = th->seq;

    l4[0] = th->source;
    l4[1] = th->dest;
    __builtin_memcpy(&l4[2], &seq, sizeof(seq));
}

/* What of h is used. */
static __always_inline void ps_l3_cast(const unsigned char *at,
                                       struct ps_l3_head *h)
{
    const struct ethhdr *eth = bpf_core_cast(at - ETH_HLEN, struct ethhdr);
    const struct ipv6hdr *v6 = bpf_core_cast(at, struct ipv6hdr);
    const struct iphdr *v4 = bpf_core_cast(at, struct iphdr);

    h->ethertype = eth->h_proto;
    h->version_ihl = *(const __u8 *)v4;
    if (h->version_ihl >> 4 != 6) {
        h->v4.frag_off = v4->frag_off;
        h->v4.protocol = v4->protocol;
        h->v4.id = v4->id;
        h->v4.saddr = v4->saddr;
        h->v4.daddr = v4->daddr;
        ps_l4_cast(at + sizeof(*v4), h->l4_v4);
        return;
    }
    h->v6.nexthdr = v6->nexthdr;
    for (int i = 0; i < 4; i++) {
        h->v6.saddr.in6_u.u6_addr32[i] = v6->saddr.in6_u.u6_addr32[i];
        h->v6.daddr.in6_u.u6_addr32[i] = v6->daddr.in6_u.u6_addr32[i];
    }
    ps_l4_cast(at + sizeof(*v6), h->l4_v6);
}

/* at: the IP header, with a link-layer header or headroom before it. False:
 * it cannot be read. */
static __always_inline bool ps_l3_read(const unsigned char *at, bool direct,
                                       struct ps_l3_head *h)
{
    const __u32 skip = __builtin_offsetof(struct ps_l3_head, ethertype);

    if (ps_can_cast(direct)) {
        ps_l3_cast(at, h);
        return true;
    }
    return bpf_probe_read_kernel(&h->ethertype, sizeof(*h) - skip,
                                 at - sizeof(h->ethertype)) == 0;
}

struct ps_gso {
    __u16 size, segs;
};

/* One read where the kernel has the two side by side, as all known ones do. */
static __always_inline struct ps_gso
ps_gso_read(const struct skb_shared_info *shinfo, bool direct)
{
    struct ps_gso gso = {0};

    if (ps_can_cast(direct)) {
        shinfo = bpf_core_cast(shinfo, struct skb_shared_info);
        gso.size = shinfo->gso_size;
        gso.segs = shinfo->gso_segs;
        return gso;
    }
    if (bpf_core_field_offset(struct skb_shared_info, gso_segs) ==
        bpf_core_field_offset(struct skb_shared_info, gso_size) + 2) {
        bpf_core_read(&gso, sizeof(gso), &shinfo->gso_size);
        return gso;
    }
    gso.size = BPF_CORE_READ(shinfo, gso_size);
    gso.segs = BPF_CORE_READ(shinfo, gso_segs);
    return gso;
}

#endif
