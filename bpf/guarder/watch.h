/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Tells the daemon of dropped packets that somebody watches for. A packet that
 * passes pays nothing for it, one that is dropped a load while nobody watches.
 */
#ifndef PS_BPF_GUARDER_WATCH_H
#define PS_BPF_GUARDER_WATCH_H

#include "bpf/guarder/match.h"
#include "bpf/guarder/watch_abi.h"

/* CLOCK_MONOTONIC until which somebody does; 0: nobody. The daemon moves it on
 * as long as it is asked, so that what it leaves behind ends by itself. */
volatile __u64 watch_until;
/* Drops that the ring had no room for. */
__u64 watch_untold;

/* Written while it is read: for a moment a packet may be told of too much or
 * too little, which never changes what becomes of it. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct ps_gd_watch);
} watch SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, PS_GD_RING_BYTES);
} dropped SEC(".maps");

static __always_inline bool watched4(const struct ps_gd_watch *w,
                                     const struct rule_key *k)
{
    __u32 saddr = (__u32)k->pkt->saddr[0], daddr = (__u32)k->pkt->daddr[0];
    __u32 i, n = w->n4;

    for (i = 0; i < PS_GD_WATCHES; i++) {
        if (i >= n)
            break;
        if (!(differs4(&w->r4[i], saddr, daddr) | differs(&w->r4[i].m, k)))
            return true;
    }
    return false;
}

static __always_inline bool watched6(const struct ps_gd_watch *w,
                                     const struct rule_key *k)
{
    __u32 i, n = w->n6;

    for (i = 0; i < PS_GD_WATCHES; i++) {
        if (i >= n)
            break;
        if (!(differs6(&w->r6[i], k->pkt) | differs(&w->r6[i].m, k)))
            return true;
    }
    return false;
}

/* As much of the packet as there is; how much that was. */
static __always_inline __u16 copy_head(__u8 *to, const void *data,
                                       const void *end)
{
    __u32 i;

    for (i = 0; i < PS_GD_HEAD_BYTES; i++) {
        if (data + i + 1 > end)
            break;
        to[i] = *(const __u8 *)(data + i);
    }
    return (__u16)i;
}

static __always_inline void
tell_drop(struct xdp_md *ctx, const struct rule_key *k, __u16 slot, __u64 bytes)
{
    const struct ps_gd_watch *w;
    struct ps_gd_drop *d;
    __u64 now = bpf_ktime_get_ns();
    __u32 zero = 0;

    if (now > watch_until)
        return;
    w = bpf_map_lookup_elem(&watch, &zero);
    if (!w || !(k->pkt->family == 4 ? watched4(w, k) : watched6(w, k)))
        return;
    d = bpf_ringbuf_reserve(&dropped, sizeof(*d), 0);
    if (!d) {
        __sync_fetch_and_add(&watch_untold, 1);
        return;
    }
    d->time = now;
    d->ifindex = k->ifindex;
    d->len = (__u32)bytes;
    d->cpu = (__u16)bpf_get_smp_processor_id();
    d->slot = slot;
    d->zero = 0;
    d->head = copy_head(d->bytes, (void *)(long)ctx->data,
                        (void *)(long)ctx->data_end);
    bpf_ringbuf_submit(d, BPF_RB_NO_WAKEUP);
}

#endif
