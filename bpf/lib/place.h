/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Where in the kernel a buffer was freed, and what that says. */
#ifndef PS_BPF_PLACE_H
#define PS_BPF_PLACE_H

#include "bpf/lib/compat.h"
#include "bpf/lib/place_abi.h"

/* Functions that call each other by a jump share what they go back to. */
#define PS_PLACE_HOOKS 8

/* Fields that not every kernel has. */
struct task_struct___rethook {
    struct llist_head rethooks;
} __attribute__((preserve_access_index));

struct rethook_node___places {
    struct llist_node llist;
    unsigned long ret_addr;
} __attribute__((preserve_access_index));

/*
 * What the innermost function whose return is watched goes back to. None that
 * is watched may stand between it and who asks: of tracepoints' own functions
 * the tracer watches no return.
 */
static __always_inline __u64 ps_place_behind(__u64 rethook)
{
    struct task_struct___rethook *task = (void *)bpf_get_current_task();
    struct llist_node *node;

    if (!bpf_core_field_exists(task->rethooks))
        return 0;
    node = BPF_CORE_READ(task, rethooks.first);
    for (int i = 0; i < PS_PLACE_HOOKS && node; i++) {
        struct rethook_node___places *hook =
            (void *)node -
            bpf_core_field_offset(struct rethook_node___places, llist);
        __u64 addr = BPF_CORE_READ(hook, ret_addr);

        if (addr != rethook)
            return addr;
        node = BPF_CORE_READ(hook, llist.next);
    }
    return 0;
}

/*
 * The place that a tracepoint names by __builtin_return_address(), also where
 * the return of that function is watched; 0: not known.
 */
static __always_inline __u64 ps_place(__u64 location,
                                      const volatile struct ps_places *places)
{
    if (!location)
        return 0;
    if (location == places->rethook)
        return ps_place_behind(location);
    if (location == places->trampolines[0] ||
        location == places->trampolines[1])
        return 0;
    return location;
}

/*
 * A buffer that was put together of others (fragments, GRO) takes these along
 * when it is freed, through kfree_skb with its own reason. Without a reason of
 * its own it was not dropped, and neither were they; before 5.17, where there
 * are no reasons, the place alone tells. Some kernels name kfree_skb_list() as
 * the place, as they do for what a queue drops.
 */
static __always_inline bool
ps_place_is_part(__u64 place, __u32 reason,
                 const volatile struct ps_places *places)
{
    if (place <= places->release_from || place > places->release_to)
        return false;
    if (!bpf_core_enum_value_exists(enum skb_drop_reason,
                                    SKB_DROP_REASON_NOT_SPECIFIED))
        return true;
    return reason == bpf_core_enum_value(enum skb_drop_reason,
                                         SKB_DROP_REASON_NOT_SPECIFIED);
}

#endif
