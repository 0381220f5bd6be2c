/* SPDX-License-Identifier: MIT */
/* Connections that are translated already when a trace begins. */
#ifndef PS_TRACER_ALIASES_H
#define PS_TRACER_ALIASES_H

#include "bpf/tracer/tracer_abi.h"
#include "common/util.h"

/* What could not be learned. */
struct ps_aliases_left {
    uint64_t tables; /* of namespaces, not read or not to their end */
    uint64_t tuples; /* that the programs have no room for */
};

struct ps_filter;
struct ps_join;
struct ps_probes;

/* Does the tuple match, as it is or with its ends exchanged? */
bool ps_aliases_match(const struct ps_tracer_filter *filter,
                      const struct ps_tracer_tuple *tuple);

/*
 * Reads the connections of all namespaces. Of those that match in one of their
 * forms the join learns both, and the kernel's programs the one that does not
 * match, where the tuple is all that the filter asks for. What is missing
 * is added to `left`, and learned at a connection's next packet; nothing where
 * the kernel shows no table at all.
 */
void ps_aliases_seed(struct ps_probes *probes, unsigned int slot,
                     const struct ps_filter *filter, struct ps_join *join,
                     struct ps_aliases_left *left);

#endif
