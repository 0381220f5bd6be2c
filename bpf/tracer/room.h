/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Where a program keeps what it learns of a packet that may be wanted.
 *
 * What is done for such a packet are global functions, which take nothing but
 * numbers: the verifier looks at each of them once and alone, not once more
 * for each way through its callers, so that the programs are loaded at once
 * and on old kernels too. What they tell each other stands in the caller's
 * room, and they find it by its number.
 *
 * A program may be interrupted by another one on its CPU, so there are several
 * rooms for each.
 */
#ifndef PS_BPF_TRACER_ROOM_H
#define PS_BPF_TRACER_ROOM_H

#include "bpf/tracer/content.h"
#include "bpf/tracer/pcap.h"

#define ROOMS 4

/* What is learned of a packet. In a tunnel, info and content are of the packet
 * inside. */
struct sight {
    struct ps_skb_view view;
    struct ps_skb_info info;
    struct ps_tracer_tuple tuple;
    struct ps_content content;
    __u64 word; /* filters_now() when it was looked at */
    __u64 now;
    __u64 id; /* 0: not in the table of the living */
    __u32 l3_outer;
    __u32 signature;
    __u16 ends[2]; /* hashes of source and destination */
    __u16 flags;   /* of the event */
    __u16 l3_off;  /* of the outer packet */
    __u8 by_tuple; /* matched by filters */
    __u8 by_other; /* the same by the packet inside of a tunnel */
    __u8 matched;  /* by these, or by an alias */
    __u8 traces;   /* these, and those that follow it */
    __u8 refused;  /* of these, sampled out */
};

/* Where a frame's parts are, as offsets from head; see expr.h. */
struct frame_parts {
    const unsigned char *head;
    __u32 end;    /* of the whole packet */
    __u32 linear; /* of what is there */
    __u32 mac;    /* MAC_UNSET: there is none */
    __u32 l3;
    __u16 type; /* Ethernet's, where there is no MAC header */
    __u16 tag_proto, tci;
    bool tagged; /* with an accelerated tag */
};

struct room {
    __u32 busy;
    __u32 lost; /* of room 0: records that this CPU found no place for */
    bool with_stack, with_bytes; /* what follows the event in its record */
    struct sight sight;
    struct frame_parts parts;
    __be64 hdr[3];
    struct ps_pcap_vm vm;
    /* As the record in the ring is: `tail` is the stack, then the bytes. */
    struct ps_tracer_event event;
    __u64 tail[PS_TRACER_STACK_FRAMES + PS_TRACER_SNAP_BYTES / 8];
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, ROOMS);
    __type(key, __u32);
    __type(value, struct room);
} rooms SEC(".maps");

/* Always 0, which the verifier does not know. */
volatile __u32 unknown_zero;

/* NULL only for the verifier, which does not know that nr is right. */
static __always_inline struct room *room_at(__u32 nr)
{
    return bpf_map_lookup_elem(&rooms, &nr);
}

/* The number of a room, which leave_room() gives back; ROOMS: there is none. */
static __always_inline __u32 take_room(void)
{
    for (__u32 nr = 0; nr < ROOMS; nr++) {
        struct room *room = room_at(nr);

        if (!room)
            break;
        /* Who finds itself alone has it: add first, then look. */
        __sync_fetch_and_add(&room->busy, 1);
        if (*(volatile __u32 *)&room->busy == 1)
            return nr ^ unknown_zero;
        __sync_fetch_and_add(&room->busy, -1);
    }
    return ROOMS;
}

static __always_inline void leave_room(struct room *room)
{
    __sync_fetch_and_add(&room->busy, -1);
}

#endif
