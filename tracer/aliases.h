/* SPDX-License-Identifier: MIT */
/* Connections that are translated already when a trace begins. */
#ifndef PS_TRACER_ALIASES_H
#define PS_TRACER_ALIASES_H

#include "bpf/tracer/tracer_abi.h"
#include "common/util.h"

struct ps_filter;
struct ps_join;
struct ps_probes;

/* Does the tuple match, as it is or with its ends exchanged? */
bool ps_aliases_match(const struct ps_tracer_filter *filter,
                      const struct ps_tracer_tuple *tuple);

/*
 * Reads the connections of all namespaces. Of those that match in one of their
 * forms the join learns both, and the kernel's programs the one that does not
 * match, where the tuple is all that the filter asks for. 0; -EPROTONOSUPPORT
 * where the kernel shows none; -errno: some could not be read. What is missing
 * is learned at a connection's next packet.
 */
int ps_aliases_seed(struct ps_probes *probes, unsigned int slot,
                    const struct ps_filter *filter, struct ps_join *join);

#endif
