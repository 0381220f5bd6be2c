/* SPDX-License-Identifier: MIT */
#include "analyzer/drops.h"

int ps_drop_rows_add(struct ps_drop_rows *rows, size_t max,
                     const struct ps_drop_row *row)
{
    if (rows->n == max)
        return -ENOSPC;
    if (rows->n == rows->allocated) {
        size_t n = rows->allocated ? rows->allocated * 2 : 32;
        struct ps_drop_row *items = realloc(rows->items, n * sizeof(*items));

        if (!items)
            return -ENOMEM;
        rows->items = items;
        rows->allocated = n;
    }
    rows->items[rows->n++] = *row;
    return 0;
}

void ps_drop_rows_clear(struct ps_drop_rows *rows)
{
    rows->n = 0;
}

void ps_drop_rows_done(struct ps_drop_rows *rows)
{
    free(rows->items);
    *rows = (struct ps_drop_rows){0};
}

static int by_place(const void *a, const void *b)
{
    const struct ps_drop_row *x = a, *y = b;

    if (x->reason != y->reason)
        return x->reason < y->reason ? -1 : 1;
    return (x->location > y->location) - (x->location < y->location);
}

static int by_packets(const void *a, const void *b)
{
    const struct ps_drop_row *x = a, *y = b;

    if (x->packets != y->packets)
        return x->packets > y->packets ? -1 : 1;
    return by_place(a, b);
}

void ps_drop_rows_finish(struct ps_drop_rows *rows)
{
    size_t kept = 0;

    if (!rows->n)
        return;
    qsort(rows->items, rows->n, sizeof(*rows->items), by_place);
    for (size_t i = 1; i < rows->n; i++) {
        struct ps_drop_row *last = &rows->items[kept];

        if (by_place(last, &rows->items[i]) == 0) {
            last->skbs += rows->items[i].skbs;
            last->packets += rows->items[i].packets;
            last->netns = 0;
        } else {
            rows->items[++kept] = rows->items[i];
        }
    }
    rows->n = kept + 1;
    qsort(rows->items, rows->n, sizeof(*rows->items), by_packets);
}
