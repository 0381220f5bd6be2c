/* SPDX-License-Identifier: MIT */
/*
 * Flows stand in one dense array, in no order; `slots` is an open-addressed
 * index into it, at most half full.
 */
#include "analyzer/table.h"

#define FIRST_FLOWS 256

struct ps_table {
    struct ps_flow *flows;
    size_t n, allocated, max_flows;
    uint32_t *slots; /* index + 1; 0: free */
    size_t n_slots;  /* a power of two */
    struct ps_flow_drop *drops;
    size_t n_drops, allocated_drops, max_drops;
    uint64_t seed;
    uint64_t rate_ns; /* of the last rate point; 0: none yet */
    uint32_t reading;
};

int ps_table_new(size_t max_flows, size_t max_drops, uint64_t seed,
                 struct ps_table **ret_table)
{
    struct ps_table *t = calloc(1, sizeof(*t));

    if (!t)
        return -ENOMEM;
    /* A flow of which only drops are known takes a place of its own. */
    t->max_flows = max_flows + max_drops;
    t->max_drops = max_drops;
    t->seed = seed;
    *ret_table = t;
    return 0;
}

void ps_table_free(struct ps_table **tablep)
{
    struct ps_table *t = *tablep;

    *tablep = NULL;
    if (!t)
        return;
    free(t->flows);
    free(t->slots);
    free(t->drops);
    free(t);
}

/* Multiply-and-fold over the key's words, from a secret start. */
static uint64_t hash_key(uint64_t seed, const struct ps_flow_key *key)
{
    uint64_t h = seed;

    for (size_t i = 0; i < sizeof(*key) / 8; i++) {
        uint64_t word;
        unsigned __int128 product;

        memcpy(&word, (const char *)key + i * 8, 8);
        product = (unsigned __int128)(h ^ word) *
                  ((seed | 1) ^ UINT64_C(0x9e3779b97f4a7c14));
        h = (uint64_t)product ^ (uint64_t)(product >> 64) ^ (h << 1);
    }
    return h ^ h >> 32;
}

/* The slot of this key, or the free one where it would go. */
static size_t find_slot(const struct ps_table *t, const struct ps_flow_key *key)
{
    size_t i = hash_key(t->seed, key) & (t->n_slots - 1);

    while (t->slots[i] &&
           memcmp(&t->flows[t->slots[i] - 1].key, key, sizeof(*key)) != 0)
        i = (i + 1) & (t->n_slots - 1);
    return i;
}

static void index_again(struct ps_table *t)
{
    memset(t->slots, 0, t->n_slots * sizeof(*t->slots));
    for (size_t i = 0; i < t->n; i++)
        t->slots[find_slot(t, &t->flows[i].key)] = (uint32_t)i + 1;
}

static int grow(struct ps_table *t)
{
    size_t allocated = t->allocated ? t->allocated * 2 : FIRST_FLOWS;
    struct ps_flow *flows;
    uint32_t *slots;

    flows = realloc(t->flows, allocated * sizeof(*flows));
    if (!flows)
        return -ENOMEM;
    t->flows = flows;
    slots = calloc(allocated * 2, sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    free(t->slots);
    t->slots = slots;
    t->n_slots = allocated * 2;
    t->allocated = allocated;
    index_again(t);
    return 0;
}

static int get_flow(struct ps_table *t, const struct ps_flow_key *key,
                    struct ps_flow **ret_flow)
{
    struct ps_flow *flow;
    size_t slot;
    int r;

    if (t->n_slots) {
        slot = find_slot(t, key);
        if (t->slots[slot]) {
            *ret_flow = &t->flows[t->slots[slot] - 1];
            return 0;
        }
    }
    if (t->n == t->max_flows)
        return -ENOSPC;
    if (t->n == t->allocated) {
        r = grow(t);
        if (r < 0)
            return r;
    }
    flow = &t->flows[t->n];
    memset(flow, 0, sizeof(*flow));
    flow->key = *key;
    t->slots[find_slot(t, key)] = (uint32_t)++t->n;
    *ret_flow = flow;
    return 0;
}

void ps_table_begin(struct ps_table *t)
{
    t->reading++;
    t->n_drops = 0;
}

/* Empties what is left of an earlier reading. */
static void touch(struct ps_table *t, struct ps_flow *flow)
{
    if (flow->reading == t->reading)
        return;
    flow->reading = t->reading;
    flow->in_map = false;
    flow->first_drop = PS_TABLE_NONE;
    flow->dropped_packets = 0;
    memset(&flow->value, 0, sizeof(flow->value));
}

int ps_table_put_flow(struct ps_table *t, const struct ps_flow_key *key,
                      const struct ps_flow_value *value)
{
    struct ps_flow *flow;
    int r = get_flow(t, key, &flow);

    if (r < 0)
        return r;
    touch(t, flow);
    flow->in_map = true;
    flow->value = *value;
    return 0;
}

static int grow_drops(struct ps_table *t)
{
    size_t n = t->allocated_drops ? t->allocated_drops * 2 : FIRST_FLOWS;
    struct ps_flow_drop *drops = realloc(t->drops, n * sizeof(*drops));

    if (!drops)
        return -ENOMEM;
    t->drops = drops;
    t->allocated_drops = n;
    return 0;
}

int ps_table_put_drop(struct ps_table *t, const struct ps_flow_drop_key *key,
                      const struct ps_drop_value *value)
{
    struct ps_flow_value *times;
    struct ps_flow *flow;
    int r;

    if (t->n_drops == t->max_drops)
        return -ENOSPC;
    if (t->n_drops == t->allocated_drops) {
        r = grow_drops(t);
        if (r < 0)
            return r;
    }
    r = get_flow(t, &key->flow, &flow);
    if (r < 0)
        return r;
    touch(t, flow);
    times = &flow->value;
    if (!times->first_ns || value->first_ns < times->first_ns)
        times->first_ns = value->first_ns;
    if (value->last_ns > times->last_ns)
        times->last_ns = value->last_ns;
    t->drops[t->n_drops] = (struct ps_flow_drop){
        .key = *key, .value = *value, .next = flow->first_drop};
    flow->first_drop = (uint32_t)t->n_drops++;
    flow->dropped_packets += value->packets;
    return 0;
}

static void remove_unseen(struct ps_table *t)
{
    size_t kept = 0;

    for (size_t i = 0; i < t->n; i++) {
        if (t->flows[i].reading != t->reading)
            continue;
        if (kept != i)
            t->flows[kept] = t->flows[i];
        kept++;
    }
    if (kept == t->n)
        return;
    t->n = kept;
    index_again(t);
}

/* A counter that went back belongs to a flow that was removed and came again:
 * its rate starts from nothing. */
static double per_second(uint64_t now, uint64_t *base, double seconds)
{
    uint64_t delta = now >= *base ? now - *base : now;

    *base = now;
    return (double)delta / seconds;
}

static void make_rates(struct ps_flow *f, double seconds)
{
    const struct ps_flow_value *v = &f->value;

    f->rates.rx_bytes = per_second(v->rx.bytes, &f->base_rx_bytes, seconds);
    f->rates.tx_bytes = per_second(v->tx.bytes, &f->base_tx_bytes, seconds);
    f->rates.rx_packets =
        per_second(v->rx.packets, &f->base_rx_packets, seconds);
    f->rates.tx_packets =
        per_second(v->tx.packets, &f->base_tx_packets, seconds);
    f->rates.drops = per_second(f->dropped_packets, &f->base_drops, seconds);
}

void ps_table_end(struct ps_table *t, uint64_t now_ns)
{
    bool first = t->rate_ns == 0;
    double seconds;

    remove_unseen(t);
    if (!first && now_ns < t->rate_ns + PS_TABLE_RATE_NS)
        return;
    /* At the first reading the bases are set, and no rate is known. */
    seconds = first ? 1 : (double)(now_ns - t->rate_ns) / 1e9;
    for (size_t i = 0; i < t->n; i++) {
        make_rates(&t->flows[i], seconds);
        t->flows[i].has_rates = !first;
    }
    t->rate_ns = now_ns;
}

uint64_t ps_table_rate_ns(const struct ps_table *t)
{
    return t->rate_ns;
}

void ps_table_alerted(struct ps_table *t, size_t i, uint64_t now_ns)
{
    t->flows[i].alerted_ns = now_ns;
}

size_t ps_table_size(const struct ps_table *t)
{
    return t->n;
}

const struct ps_flow *ps_table_at(const struct ps_table *t, size_t i)
{
    return &t->flows[i];
}

const struct ps_flow *ps_table_find(const struct ps_table *t,
                                    const struct ps_flow_key *key)
{
    size_t slot;

    if (!t->n_slots)
        return NULL;
    slot = find_slot(t, key);
    return t->slots[slot] ? &t->flows[t->slots[slot] - 1] : NULL;
}

size_t ps_table_drops(const struct ps_table *t)
{
    return t->n_drops;
}

const struct ps_flow_drop *ps_table_drop(const struct ps_table *t, uint32_t i)
{
    return &t->drops[i];
}
