/* SPDX-License-Identifier: MIT */
/*
 * Ways of packets as one graph: places with counts, and the transitions
 * between them with their times. Percentiles are those of all the times, not
 * of samples. No I/O, no clock.
 */
#ifndef PS_TRACER_GRAPH_H
#define PS_TRACER_GRAPH_H

#include "common/types.h"
#include "common/util.h"

#define PS_GRAPH_MAX_NODES 512u
#define PS_GRAPH_MAX_EDGES 4096u
/* Times of all edges and nodes together. */
#define PS_GRAPH_MAX_TIMES (2u << 20)

struct ps_graph;

int ps_graph_new(struct ps_graph **ret_graph);
void ps_graph_free(struct ps_graph **graph);
/* What does not fit is counted. -ENOMEM. */
int ps_graph_add(struct ps_graph *graph, const Ps__PacketWay *way);
/* The graph so far, the most frequent edges first, with what did not fit as
 * losses
 * ("graph_nodes_full", "graph_edges_full", "graph_times_full"). Once. */
int ps_graph_make(struct ps_graph *graph, Ps__TraceGraph **ret_graph);

#endif
