/* SPDX-License-Identifier: MIT */
/*
 * Drops summed by reason and place: rows are added in any order, then
 * finished (merged, most packets first). No I/O, no clock.
 */
#ifndef PS_ANALYZER_DROPS_H
#define PS_ANALYZER_DROPS_H

#include "analyzer/abi.h"

struct ps_drop_row {
    uint64_t location;
    uint32_t reason;
    uint32_t netns; /* 0: not known, or of several */
    uint64_t skbs;
    uint64_t packets;
};

struct ps_drop_rows {
    struct ps_drop_row *items;
    size_t n, allocated;
};

/* At most max rows stand there unmerged: -ENOSPC behind them; -ENOMEM. */
int ps_drop_rows_add(struct ps_drop_rows *rows, size_t max,
                     const struct ps_drop_row *row);
void ps_drop_rows_clear(struct ps_drop_rows *rows);
/* Merges rows of the same reason and place; netns of the sums is 0. */
void ps_drop_rows_finish(struct ps_drop_rows *rows);
void ps_drop_rows_done(struct ps_drop_rows *rows);

#endif
