/* SPDX-License-Identifier: MIT */
#include "tracer/carry.h"

#include "common/array.h"

#define BUCKETS ((size_t)2 * PS_CARRY_MAX_STACKS)

struct stack {
    uint32_t n;
    uint32_t next; /* number of another one in the bucket; 0: none */
    uint64_t frames[PS_CARRY_FRAMES];
};

struct snap {
    uint32_t at, n;
};

struct ps_carry {
    struct stack *stacks;
    struct snap *snaps;
    uint8_t *bytes;
    uint32_t n_stacks, cap_stacks;
    uint32_t n_snaps, cap_snaps;
    uint32_t n_bytes, cap_bytes;
    uint64_t lost;
    uint32_t buckets[BUCKETS];
};

int ps_carry_new(struct ps_carry **ret_carry)
{
    struct ps_carry *c = calloc(1, sizeof(*c));

    if (!c)
        return -ENOMEM;
    *ret_carry = c;
    return 0;
}

void ps_carry_free(struct ps_carry **carry)
{
    struct ps_carry *c = *carry;

    if (!c)
        return;
    free(c->stacks);
    free(c->snaps);
    free(c->bytes);
    free(c);
    *carry = NULL;
}

static uint32_t bucket_of(const uint64_t *frames, uint32_t n)
{
    uint64_t hash = n;

    for (uint32_t i = 0; i < n; i++) {
        hash = (hash ^ frames[i]) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 29;
    }
    return (uint32_t)(hash % BUCKETS);
}

uint32_t ps_carry_put_stack(struct ps_carry *c, const uint64_t *frames,
                            uint32_t n)
{
    uint32_t bucket, number;
    struct stack *s;

    if (!n || n > PS_CARRY_FRAMES)
        return 0;
    bucket = bucket_of(frames, n);
    for (number = c->buckets[bucket]; number; number = s->next) {
        s = &c->stacks[number - 1];
        if (s->n == n && !memcmp(s->frames, frames, n * sizeof(*frames)))
            return number;
    }
    if (ps_array_reserve(&c->stacks, &c->cap_stacks, c->n_stacks + 1,
                         PS_CARRY_MAX_STACKS, sizeof(*c->stacks)) < 0) {
        c->lost++;
        return 0;
    }
    s = &c->stacks[c->n_stacks++];
    *s = (struct stack){.n = n, .next = c->buckets[bucket]};
    memcpy(s->frames, frames, n * sizeof(*frames));
    c->buckets[bucket] = c->n_stacks;
    return c->n_stacks;
}

uint32_t ps_carry_put_bytes(struct ps_carry *c, const uint8_t *bytes,
                            uint32_t n)
{
    if (!n || n > PS_TRACER_SNAP_BYTES)
        return 0;
    if (ps_array_reserve(&c->snaps, &c->cap_snaps, c->n_snaps + 1,
                         PS_CARRY_MAX_SNAPS, sizeof(*c->snaps)) < 0 ||
        ps_array_reserve(&c->bytes, &c->cap_bytes, (uint64_t)c->n_bytes + n,
                         PS_CARRY_MAX_BYTES, 1) < 0) {
        c->lost++;
        return 0;
    }
    memcpy(c->bytes + c->n_bytes, bytes, n);
    c->snaps[c->n_snaps++] = (struct snap){c->n_bytes, n};
    c->n_bytes += n;
    return c->n_snaps;
}

const uint64_t *ps_carry_stack(const struct ps_carry *c, uint32_t number,
                               uint32_t *ret_n)
{
    *ret_n = 0;
    if (!c || !number || number > c->n_stacks)
        return NULL;
    *ret_n = c->stacks[number - 1].n;
    return c->stacks[number - 1].frames;
}

const uint8_t *ps_carry_bytes(const struct ps_carry *c, uint32_t number,
                              uint32_t *ret_n)
{
    *ret_n = 0;
    if (!c || !number || number > c->n_snaps)
        return NULL;
    *ret_n = c->snaps[number - 1].n;
    return c->bytes + c->snaps[number - 1].at;
}

uint64_t ps_carry_lost(const struct ps_carry *c)
{
    return c->lost;
}

void ps_carry_add_lost(struct ps_carry *c, uint64_t lost)
{
    c->lost += lost;
}
