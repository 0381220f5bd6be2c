/* SPDX-License-Identifier: MIT */
/*
 * What events of one trace carry along: stacks, each kept once, and the first
 * bytes of packets. Both go by a number from 1 on; 0 is none. Plain data, with
 * a bound; what finds it full is counted. One thread.
 */
#ifndef PS_TRACER_KEPT_H
#define PS_TRACER_KEPT_H

#include "bpf/tracer/tracer_abi.h"
#include "common/util.h"

#define PS_KEPT_MAX_STACKS 16384u
#define PS_KEPT_MAX_BYTES  (32u << 20)
#define PS_KEPT_MAX_SNAPS  (1u << 20)

struct ps_kept;

int ps_kept_new(struct ps_kept **ret_kept);
void ps_kept_free(struct ps_kept **kept);

/* n: to PS_TRACER_STACK_FRAMES; 0 where n is. */
uint32_t ps_kept_put_stack(struct ps_kept *kept, const uint64_t *frames,
                           uint32_t n);
/* n: to PS_TRACER_SNAP_BYTES; 0 where n is. */
uint32_t ps_kept_put_bytes(struct ps_kept *kept, const uint8_t *bytes,
                           uint32_t n);
/* Borrowed until the next put; NULL and 0 for a number that is none. kept may
 * be NULL. */
const uint64_t *ps_kept_stack(const struct ps_kept *kept, uint32_t number,
                              uint32_t *ret_n);
const uint8_t *ps_kept_bytes(const struct ps_kept *kept, uint32_t number,
                             uint32_t *ret_n);
/* Stacks, and packets' bytes, that found no room. */
uint64_t ps_kept_lost(const struct ps_kept *kept);

#endif
