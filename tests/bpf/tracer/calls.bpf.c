// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* A call of the function tier, of a function that has this buffer. */
#include "bpf/tracer/functions_record.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

extern void *bpf_cast_to_kern_ctx(void *obj) __ksym __weak;

/* Always 0, which the verifier does not know. */
volatile __u64 unknown_zero;

#define IP  0x1000
#define SP  0x20000
#define FAR 0x10000 /* more than what a free calls takes of a stack */

SEC("tc")
int call(struct __sk_buff *ctx)
{
    __u64 addr = (__u64)bpf_cast_to_kern_ctx(ctx);

    /* As a number: the verifier lets nobody reckon with a typed pointer. */
    __sync_fetch_and_add(&addr, unknown_zero);
    return enter(NULL, addr, 0, IP, SP, true) != 0;
}

/* One function has another one give the buffer back, in which there is another
 * packet then, of which a free is the first that is seen. */
SEC("tc")
int give_back(struct __sk_buff *ctx)
{
    __u64 addr = (__u64)bpf_cast_to_kern_ctx(ctx);

    __sync_fetch_and_add(&addr, unknown_zero);
    enter(NULL, addr, 0, IP, SP, true);
    enter(NULL, addr, PS_FN_RELEASE, IP + 1, SP, true);
    enter(NULL, addr, PS_FN_RELEASE, IP + 2, SP - 64, true);
    enter(NULL, addr, PS_FN_END | PS_FN_RELEASE, IP + 3, SP - 128, true);
    return enter(NULL, addr, PS_FN_RELEASE, IP + 4, SP + FAR, true) != 0;
}
