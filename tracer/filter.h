/* SPDX-License-Identifier: MIT */
/* What a trace follows, as it was asked for and as the kernel is told. */
#ifndef PS_TRACER_FILTER_H
#define PS_TRACER_FILTER_H

#include "common/types.h"
#include "tracer/expr.h"
#include "tracer/process.h"

/* As long as a packet that is not seen is believed to live. */
#define PS_FILTER_MAX_LATENCY_NS (10 * PS_NS_PER_S)

struct ps_filter {
    struct ps_tracer_filter kernel;
    struct ps_expr expr; /* n 0: none */
    bool inner;
    /* What user space decides. */
    struct ps_process process;
    /* Of whole ways: see ps_filter_selects(). */
    uint64_t min_latency_ns; /* from its first step to its last; 0: any */
    bool drops_only;
};

/* What was wrong with it. */
struct ps_filter_error {
    const char *field; /* "filter.sport" */
    char detail[384];  /* a sentence */
};

/*
 * msg may be NULL: nothing given. exprs: whether this kernel's programs can run
 * expressions. -EINVAL with ret_error set, -ENOMEM.
 */
int ps_filter_read(const Ps__TraceFilter *msg, bool exprs,
                   struct ps_filter *ret_filter,
                   struct ps_filter_error *ret_error);

/* A new message, freed with ps__trace_filter__free_unpacked(); NULL without
 * memory. */
Ps__TraceFilter *ps_filter_copy(const Ps__TraceFilter *msg);

/* Whether it asks more of the kernel than addresses, ports and protocol; or of
 * ways, which only the core tier decides. */
bool ps_filter_asks_more(const struct ps_filter *filter);
/* Whether it takes each packet that has its tuple, or one of so many. */
bool ps_filter_is_tuple(const struct ps_filter *filter);
/* Whether it takes packets by their sockets' processes. */
bool ps_filter_asks_process(const struct ps_filter *filter);
/* Whether only some of the ways are kept, once it is known what they are. */
bool ps_filter_selects(const struct ps_filter *filter);

/* ---- what the programs read --------------------------------------------- */

/*
 * Writes it into the bank of a slot that does not count now, then makes it
 * count and switches the slot on. Programs that run at this moment may still
 * look at the bank that counted until now, so a slot is changed again only
 * PS_FILTER_CHANGE_NS later.
 */
void ps_filter_install(struct ps_tracer_filters *tracing, unsigned int slot,
                       const struct ps_filter *filter);
/* Programs that run at this moment may still take a packet. */
void ps_filter_remove(struct ps_tracer_filters *tracing, unsigned int slot);

#define PS_FILTER_CHANGE_NS (20 * PS_NS_PER_MS)

#endif
