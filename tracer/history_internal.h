/* SPDX-License-Identifier: MIT */
/* Shared by history.c and history_read.c only. */
#ifndef PS_TRACER_HISTORY_INTERNAL_H
#define PS_TRACER_HISTORY_INTERNAL_H

#include "tracer/history.h"

struct ps_history {
    struct ps_store *store;
    uint64_t max_bytes;
    uint64_t evicted;  /* since it was opened */
    uint64_t evicting; /* in the transaction that is open */
};

#endif
