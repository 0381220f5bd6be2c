/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Function tier: one of so many packets, see one_of.h. It is decided once for
 * each buffer, where its packet is first met; the calls after that one cost
 * little more than those of a packet that nobody asks for.
 */
#ifndef PS_BPF_FUNCTIONS_THROTTLE_H
#define PS_BPF_FUNCTIONS_THROTTLE_H

#include "bpf/tracer/functions_room.h"

/* Packets that were left out last; for so long one needs no second look. It
 * would be decided in the same way: its content decides. */
#define LEFT    4096u
#define LEFT_NS CUT_NS

struct left_out {
    __u64 head; /* the buffer; 0: none */
    __u64 word; /* something of its packet */
    /* When that was; payload 0: it is not several. */
    struct whole whole;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, LEFT);
    __type(key, __u32);
    __type(value, struct left_out);
} left_out SEC(".maps");

/* Differs for most packets that have the same buffer after each other: lengths,
 * IP id, and what comes behind the ports. */
static __always_inline __u64 word_of(__u64 head, __u32 l3)
{
    __u32 w[12] = {};

    if (bpf_probe_read_kernel(w, sizeof(w), (const void *)(head + l3)))
        return 0;
    if (*(__u8 *)w >> 4 == 6)
        return (__u64)w[1] << 32 | w[11];
    return (__u64)((w[0] & 0xffff0000) | (w[1] & 0xffff)) << 32 | w[6];
}

/* The room's packet is several, which may be cut soon. */
__noinline int fn_note_whole(bool taken)
{
    const struct fn_room *room = room_of_cpu();
    struct whole *w = whole_of_cpu();
    struct chance chance = {};
    __u16 ends[2];

    if (!room || !w)
        return 0;
    fill_ends(&room->info, ends);
    chance.info = &room->info;
    chance.content = &room->content;
    chance.ends = ends;
    chance.now = bpf_ktime_get_ns();
    fill_whole(w, &chance, taken);
    return 0;
}

/* Whether the room's packet is taken. */
__noinline int fn_chance(void)
{
    const struct fn_room *room = room_of_cpu();
    struct chance chance = {};
    __u16 ends[2];

    if (!room || !room->info.family)
        return 1;
    fill_ends(&room->info, ends);
    chance.info = &room->info;
    chance.content = &room->content;
    chance.ends = ends;
    chance.signature = signature(&room->info, &room->content);
    chance.now = bpf_ktime_get_ns();
    return has_luck(&chance);
}

static __always_inline void leave_out(struct left_out *left, __u64 head,
                                      __u64 word, const struct fn_room *room)
{
    const struct whole *w = whole_of_cpu();

    *(volatile __u64 *)&left->head = 0;
    left->word = word;
    left->whole.payload = 0;
    if (room->info.packets > 1) {
        fn_note_whole(false);
        if (w)
            left->whole = *w;
    }
    left->whole.now = bpf_ktime_get_ns();
    *(volatile __u64 *)&left->head = head;
}

/* It was looked at a moment ago. */
static __always_inline bool was_left_out(const struct left_out *left,
                                         __u64 head, __u64 word)
{
    __u64 now = bpf_ktime_get_ns();
    struct whole *w;

    if (*(volatile const __u64 *)&left->head != head || left->word != word ||
        now - left->whole.now >= LEFT_NS)
        return false;
    w = left->whole.payload ? whole_of_cpu() : NULL;
    if (w) {
        *w = left->whole;
        w->now = now;
    }
    return true;
}

/* Of a packet that follow() left open: 1, and it is followed from now on; or it
 * is left out, and counted. */
__noinline int fn_taken(__u64 addr, __u64 id)
{
    struct sk_buff *skb = (struct sk_buff *)addr;
    __u64 head = (__u64)BPF_CORE_READ(skb, head), word;
    __u32 at = slot_of(head) & (LEFT - 1);
    struct left_out *left = bpf_map_lookup_elem(&left_out, &at);
    const struct fn_room *room = room_of_cpu();
    __u32 l3 = l3_of(skb, head, false);
    enum ps_skb_where where =
        l3 && !BPF_CORE_READ(skb, network_header) ? PS_SKB_RX : PS_SKB_ANY;

    if (!left || !room)
        return 0;
    word = word_of(head, l3);
    if (!was_left_out(left, head, word)) {
        fn_parse(addr, where);
        fn_content(addr);
        if (fn_chance()) {
            slot_put(head, id & ~PS_FN_GONE);
            return 1;
        }
        leave_out(left, head, word, room);
    }
    count((__u32)(id >> PS_FN_TRACES_SHIFT), HIT);
    count((__u32)(id >> PS_FN_TRACES_SHIFT), THROTTLED);
    return 0;
}

#endif
