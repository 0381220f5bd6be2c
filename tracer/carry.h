/* SPDX-License-Identifier: MIT */
/*
 * What events of one trace carry along: stacks, each kept once, and the first
 * bytes of packets. Both go by a number from 1 on; 0 is none. Plain data, with
 * a bound; what finds it full is counted. One thread.
 */
#ifndef PS_TRACER_CARRY_H
#define PS_TRACER_CARRY_H

#include "bpf/tracer/tracer_abi.h"
#include "common/util.h"

#define PS_CARRY_MAX_STACKS 16384u
#define PS_CARRY_FRAMES     64u /* of a stack */
#define PS_CARRY_MAX_BYTES  (32u << 20)
#define PS_CARRY_MAX_SNAPS  (1u << 20)

struct ps_carry;

int ps_carry_new(struct ps_carry **ret_carry);
void ps_carry_free(struct ps_carry **carry);

/* n: to PS_CARRY_FRAMES; 0 where n is. */
uint32_t ps_carry_put_stack(struct ps_carry *carry, const uint64_t *frames,
                            uint32_t n);
/* n: to PS_TRACER_SNAP_BYTES; 0 where n is. */
uint32_t ps_carry_put_bytes(struct ps_carry *carry, const uint8_t *bytes,
                            uint32_t n);
/* Borrowed until the next put; NULL and 0 for a number that is none. carry may
 * be NULL. */
const uint64_t *ps_carry_stack(const struct ps_carry *carry, uint32_t number,
                               uint32_t *ret_n);
const uint8_t *ps_carry_bytes(const struct ps_carry *carry, uint32_t number,
                              uint32_t *ret_n);
/* Stacks, and packets' bytes, that found no room; and more that did not. */
uint64_t ps_carry_lost(const struct ps_carry *carry);
void ps_carry_add_lost(struct ps_carry *carry, uint64_t lost);

#endif
