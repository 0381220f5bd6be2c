/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* In which network namespace a packet is, where no hook says it. */
#ifndef PS_BPF_TRACER_WHERE_H
#define PS_BPF_TRACER_WHERE_H

#include "bpf/tracer/sock.h"

#define KERNEL_POINTER 0xffff000000000000ull
#define NETNS_INUM_MIN 0xE0000000u

/* skb->dev may be a queue's or UDP's own data: only what looks like a device in
 * a namespace is believed. */
static __always_inline struct net_device *believed_dev(struct sk_buff *skb)
{
    struct net_device *dev = BPF_CORE_READ(skb, dev);
    struct net *net;

    if ((__u64)dev < KERNEL_POINTER)
        return NULL;
    net = BPF_CORE_READ(dev, nd_net.net);
    if ((__u64)net < KERNEL_POINTER ||
        BPF_CORE_READ(net, ns.inum) < NETNS_INUM_MIN)
        return NULL;
    return dev;
}

/* dev: where it is, or NULL: then its own, or else its socket says it. 0: it is
 * not known. */
static __always_inline __u32 skb_netns(struct sk_buff *skb,
                                       struct net_device *dev)
{
    if (!dev)
        dev = believed_dev(skb);
    return dev ? BPF_CORE_READ(dev, nd_net.net, ns.inum)
               : sock_netns(BPF_CORE_READ(skb, sk));
}

#endif
