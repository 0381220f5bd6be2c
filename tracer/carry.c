/* SPDX-License-Identifier: MIT */
#include "tracer/carry.h"

#define BUCKETS (2 * PS_CARRY_MAX_STACKS)

struct stack {
    uint32_t n;
    uint32_t next; /* number of another one in the bucket; 0: none */
    uint64_t frames[PS_TRACER_STACK_FRAMES];
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
    struct ps_carry *k = calloc(1, sizeof(*k));

    if (!k)
        return -ENOMEM;
    *ret_carry = k;
    return 0;
}

void ps_carry_free(struct ps_carry **carry)
{
    struct ps_carry *k = *carry;

    if (!k)
        return;
    free(k->stacks);
    free(k->snaps);
    free(k->bytes);
    free(k);
    *carry = NULL;
}

/* Room for need more; *data may move. False: not within max. */
static bool grow(void **data, uint32_t *cap, uint32_t used, uint32_t need,
                 uint32_t max, size_t size)
{
    uint32_t want = *cap ? *cap : 64;
    void *grown;

    if (need > max || used > max - need)
        return false;
    if (used + need <= *cap)
        return true;
    while (want < used + need)
        want *= 2;
    if (want > max)
        want = max;
    grown = realloc(*data, want * size);
    if (!grown)
        return false;
    *data = grown;
    *cap = want;
    return true;
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

uint32_t ps_carry_put_stack(struct ps_carry *k, const uint64_t *frames,
                            uint32_t n)
{
    uint32_t bucket, number;
    struct stack *s;

    if (!n || n > PS_TRACER_STACK_FRAMES)
        return 0;
    bucket = bucket_of(frames, n);
    for (number = k->buckets[bucket]; number; number = s->next) {
        s = &k->stacks[number - 1];
        if (s->n == n && !memcmp(s->frames, frames, n * sizeof(*frames)))
            return number;
    }
    if (!grow((void **)&k->stacks, &k->cap_stacks, k->n_stacks, 1,
              PS_CARRY_MAX_STACKS, sizeof(*k->stacks))) {
        k->lost++;
        return 0;
    }
    s = &k->stacks[k->n_stacks++];
    *s = (struct stack){.n = n, .next = k->buckets[bucket]};
    memcpy(s->frames, frames, n * sizeof(*frames));
    k->buckets[bucket] = k->n_stacks;
    return k->n_stacks;
}

uint32_t ps_carry_put_bytes(struct ps_carry *k, const uint8_t *bytes,
                            uint32_t n)
{
    if (!n || n > PS_TRACER_SNAP_BYTES)
        return 0;
    if (!grow((void **)&k->snaps, &k->cap_snaps, k->n_snaps, 1,
              PS_CARRY_MAX_SNAPS, sizeof(*k->snaps)) ||
        !grow((void **)&k->bytes, &k->cap_bytes, k->n_bytes, n,
              PS_CARRY_MAX_BYTES, 1)) {
        k->lost++;
        return 0;
    }
    memcpy(k->bytes + k->n_bytes, bytes, n);
    k->snaps[k->n_snaps++] = (struct snap){k->n_bytes, n};
    k->n_bytes += n;
    return k->n_snaps;
}

const uint64_t *ps_carry_stack(const struct ps_carry *k, uint32_t number,
                               uint32_t *ret_n)
{
    *ret_n = 0;
    if (!k || !number || number > k->n_stacks)
        return NULL;
    *ret_n = k->stacks[number - 1].n;
    return k->stacks[number - 1].frames;
}

const uint8_t *ps_carry_bytes(const struct ps_carry *k, uint32_t number,
                              uint32_t *ret_n)
{
    *ret_n = 0;
    if (!k || !number || number > k->n_snaps)
        return NULL;
    *ret_n = k->snaps[number - 1].n;
    return k->bytes + k->snaps[number - 1].at;
}

uint64_t ps_carry_lost(const struct ps_carry *k)
{
    return k->lost;
}

void ps_carry_add_lost(struct ps_carry *k, uint64_t lost)
{
    k->lost += lost;
}
