/* SPDX-License-Identifier: MIT */
/*
 * The last reading of the kernel's flows, with what needs two readings: rates.
 *
 * A reading is ps_table_begin(), any number of puts, ps_table_end(); what was
 * not put is gone then. Pointers to entries hold until the next begin. Times
 * are the kernel's monotonic nanoseconds. No I/O, no clock.
 */
#ifndef PS_ANALYZER_TABLE_H
#define PS_ANALYZER_TABLE_H

#include "analyzer/abi.h"

/* Rates are made again when their last ones are so old. */
#define PS_TABLE_RATE_NS PS_NS_PER_S

struct ps_rates {
    /* For each second. */
    double rx_bytes, tx_bytes, rx_packets, tx_packets, drops;
};

struct ps_flow {
    struct ps_flow_key key;
    /* All zero but the times where only drops of the flow are known. */
    struct ps_flow_value value;
    bool in_map;
    bool has_rates;
    struct ps_rates rates;
    uint64_t dropped_packets;
    /* Of ps_table_drop(), or PS_TABLE_NONE. */
    uint32_t first_drop;
    uint32_t reading;
    /* Counters at the last rate point. */
    uint64_t base_rx_bytes, base_tx_bytes, base_rx_packets, base_tx_packets;
    uint64_t base_drops;
    uint64_t alerted_ns; /* the caller's */
};

struct ps_flow_drop {
    struct ps_flow_drop_key key;
    struct ps_drop_value value;
    uint32_t next; /* of the same flow, or PS_TABLE_NONE */
};

#define PS_TABLE_NONE UINT32_MAX

struct ps_table;

/* Bounds of both kinds; seed is random, for users choose the keys. */
int ps_table_new(size_t max_flows, size_t max_drops, uint64_t seed,
                 struct ps_table **ret_table);
void ps_table_free(struct ps_table **table);

void ps_table_begin(struct ps_table *table);
/* 0, -ENOMEM or -ENOSPC (more than the bounds). A second put of a key
 * replaces the first. Drops come after all flows. */
int ps_table_put_flow(struct ps_table *table, const struct ps_flow_key *key,
                      const struct ps_flow_value *value);
int ps_table_put_drop(struct ps_table *table,
                      const struct ps_flow_drop_key *key,
                      const struct ps_drop_value *value);
void ps_table_end(struct ps_table *table, uint64_t now_ns);

/* When the rates were made; 0: not yet. */
uint64_t ps_table_rate_ns(const struct ps_table *table);
/* Notes that an alert was given of the i-th flow. */
void ps_table_alerted(struct ps_table *table, size_t i, uint64_t now_ns);

size_t ps_table_size(const struct ps_table *table);
const struct ps_flow *ps_table_at(const struct ps_table *table, size_t i);
/* NULL: there is none. */
const struct ps_flow *ps_table_find(const struct ps_table *table,
                                    const struct ps_flow_key *key);
size_t ps_table_drops(const struct ps_table *table);
const struct ps_flow_drop *ps_table_drop(const struct ps_table *table,
                                         uint32_t i);

#endif
