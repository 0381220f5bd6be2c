/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Core tier: one of so many packets, see one_of.h. */
#ifndef PS_BPF_TRACER_THROTTLE_H
#define PS_BPF_TRACER_THROTTLE_H

#include "bpf/tracer/match.h"
#include "bpf/tracer/one_of.h"

static __always_inline struct chance chance_of(const struct sight *s)
{
    return (struct chance){&s->info, &s->content, s->ends, s->signature,
                           s->now};
}

/* Whether the packet in this room is one of those that are followed. */
__noinline int is_taken(__u32 nr)
{
    struct room *room = room_at(nr);
    struct chance chance;

    if (!room || throttle < 2)
        return 1;
    chance = chance_of(&room->sight);
    return has_luck(&chance);
}

/* It may be cut into parts soon. */
__noinline int note_whole(__u32 nr, __u64 skb)
{
    struct room *room = room_at(nr);
    struct whole *w = whole_of_cpu();
    struct chance chance;

    if (!room || !w || !is_several((struct sk_buff *)skb))
        return 0;
    chance = chance_of(&room->sight);
    fill_whole(w, &chance, (room->sight.traces & ~room->sight.refused) != 0);
    return 0;
}

#endif
