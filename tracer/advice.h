/* SPDX-License-Identifier: MIT */
/* What usually causes a drop reason, and what to look at: data. */
#ifndef PS_TRACER_ADVICE_H
#define PS_TRACER_ADVICE_H

#include "common/util.h"

struct ps_advice {
    const char *subsystem; /* NULL: the kernel's core */
    const char *reason;    /* as in the kernel's types; NULL: each of them */
    const char *function;  /* that dropped; NULL: each */
    const char *id;        /* stable: texts are translated by it */
    const char *text;      /* one English sentence */
    const char *source;    /* where that can be read */
};

/* The tables: what is more special stands first. */
extern const struct ps_advice ps_advice_sock[], ps_advice_net[];
extern const size_t ps_advice_sock_n, ps_advice_net_n;

/*
 * The best for a drop; NULL: none. subsystem "core" and NULL are the same;
 * function may be NULL, and may carry a compiler's suffix (".isra.0").
 */
const struct ps_advice *
ps_advice_find(const char *subsystem, const char *reason, const char *function);

#endif
