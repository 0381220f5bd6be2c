/* SPDX-License-Identifier: MIT */
#include "tracer/graph.h"

#include "common/json.h"
#include "tracer/convert.h"

/* Slots of the two tables: a power of two, at most half full. */
#define NODE_SLOTS  (2 * PS_GRAPH_MAX_NODES)
#define EDGE_SLOTS  (2 * PS_GRAPH_MAX_EDGES)
#define NONE        UINT32_MAX
#define FIRST_TIMES 8u

struct times {
    uint64_t *values;
    uint32_t n, room;
};

struct node {
    char *id, *layer, *direction; /* direction may be NULL */
    uint32_t netns;
    bool has_netns;
    uint64_t count, drops;
    struct times durations;
};

struct edge {
    uint32_t from, to;
    uint64_t count;
    struct times times;
};

struct ps_graph {
    struct node nodes[PS_GRAPH_MAX_NODES];
    struct edge edges[PS_GRAPH_MAX_EDGES];
    uint32_t n_nodes, n_edges;
    uint32_t node_slots[NODE_SLOTS], edge_slots[EDGE_SLOTS]; /* index + 1 */
    uint64_t packets, lost_nodes, lost_edges, lost_times;
    uint64_t n_times;
};

int ps_graph_new(struct ps_graph **ret_graph)
{
    *ret_graph = calloc(1, sizeof(**ret_graph));
    return *ret_graph ? 0 : -ENOMEM;
}

void ps_graph_free(struct ps_graph **graph)
{
    struct ps_graph *g = *graph;

    if (!g)
        return;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        free(g->nodes[i].id);
        free(g->nodes[i].layer);
        free(g->nodes[i].direction);
        free(g->nodes[i].durations.values);
    }
    for (uint32_t i = 0; i < g->n_edges; i++)
        free(g->edges[i].times.values);
    free(g);
    *graph = NULL;
}

/* ---- tables ------------------------------------------------------------- */

static int add_time(struct ps_graph *g, struct times *t, uint64_t value)
{
    if (g->n_times == PS_GRAPH_MAX_TIMES) {
        g->lost_times++;
        return 0;
    }
    if (t->n == t->room) {
        uint32_t room = t->room ? 2 * t->room : FIRST_TIMES;
        uint64_t *values = realloc(t->values, room * sizeof(*values));

        if (!values)
            return -ENOMEM;
        t->values = values;
        t->room = room;
    }
    t->values[t->n++] = value;
    g->n_times++;
    return 0;
}

static uint32_t mix(uint32_t hash, const char *text)
{
    for (; text && *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x01000193u;
    return (hash ^ 0xffu) * 0x01000193u;
}

static uint32_t hash_step(const Ps__Step *s)
{
    uint32_t hash = mix(0x811c9dc5u, s->station);

    hash = mix(hash, s->layer);
    hash = mix(hash, s->direction);
    hash = (hash ^ (s->has_netns ? s->netns : 0)) * 0x9e3779b1u;
    return hash ^ hash >> 15;
}

static bool is_node(const struct node *n, const Ps__Step *s)
{
    return !strcmp(n->id, s->station) && !strcmp(n->layer, s->layer) &&
           n->has_netns == (bool)s->has_netns && n->netns == s->netns &&
           !n->direction == !s->direction &&
           (!n->direction || !strcmp(n->direction, s->direction));
}

/* The node of a step; NONE: there is no room. */
static int find_node(struct ps_graph *g, const Ps__Step *s, uint32_t *ret_node)
{
    uint32_t slot = hash_step(s) % NODE_SLOTS;
    struct node *n;

    for (; g->node_slots[slot]; slot = (slot + 1) % NODE_SLOTS) {
        if (!is_node(&g->nodes[g->node_slots[slot] - 1], s))
            continue;
        *ret_node = g->node_slots[slot] - 1;
        return 0;
    }
    if (g->n_nodes == PS_GRAPH_MAX_NODES) {
        g->lost_nodes++;
        *ret_node = NONE;
        return 0;
    }
    n = &g->nodes[g->n_nodes++];
    n->id = strdup(s->station);
    n->layer = strdup(s->layer);
    n->direction = s->direction ? strdup(s->direction) : NULL;
    n->has_netns = s->has_netns;
    n->netns = s->netns;
    if (!n->id || !n->layer || !n->direction != !s->direction) {
        free(n->id);
        free(n->layer);
        free(n->direction);
        g->nodes[--g->n_nodes] = (struct node){0};
        return -ENOMEM;
    }
    g->node_slots[slot] = g->n_nodes;
    *ret_node = g->n_nodes - 1;
    return 0;
}

static int add_edge(struct ps_graph *g, uint32_t from, uint32_t to,
                    uint64_t time)
{
    uint32_t slot = (from * 0x9e3779b1u ^ to * 0x85ebca6bu) >> 7;
    struct edge *e;

    for (slot %= EDGE_SLOTS; g->edge_slots[slot];
         slot = (slot + 1) % EDGE_SLOTS) {
        e = &g->edges[g->edge_slots[slot] - 1];
        if (e->from == from && e->to == to) {
            e->count++;
            return add_time(g, &e->times, time);
        }
    }
    if (g->n_edges == PS_GRAPH_MAX_EDGES) {
        g->lost_edges++;
        return 0;
    }
    e = &g->edges[g->n_edges++];
    *e = (struct edge){.from = from, .to = to, .count = 1};
    g->edge_slots[slot] = g->n_edges;
    return add_time(g, &e->times, time);
}

int ps_graph_add(struct ps_graph *g, const Ps__PacketWay *way)
{
    uint32_t before = NONE, node = NONE, drop = NONE;
    int r = 0;

    for (size_t i = 0; i < way->n_steps && r == 0; i++) {
        const Ps__Step *s = way->steps[i];

        /* It has no time of its own; or one around those of others. */
        if (s->from_stack || s->by_socket)
            continue;
        r = find_node(g, s, &node);
        if (r < 0)
            return r;
        if (node != NONE) {
            g->nodes[node].count++;
            if (s->drop)
                drop = node;
            if (s->has_duration_ns)
                r = add_time(g, &g->nodes[node].durations, s->duration_ns);
            if (r == 0 && before != NONE && s->has_delta_ns)
                r = add_edge(g, before, node, s->delta_ns);
        }
        before = node;
    }
    if (drop != NONE && ps_streq(way->fate, "dropped"))
        g->nodes[drop].drops++;
    g->packets++;
    return r;
}

/* ---- messages ----------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* The smallest value that so many of a hundred are not above. */
static uint64_t percentile(const struct times *t, uint64_t percent)
{
    uint64_t rank = (t->n * percent + 99) / 100;

    return t->values[rank ? rank - 1 : 0];
}

/* All zero where there was no room for its times. */
static int make_latency(struct times *t, Ps__Latency **ret_latency)
{
    Ps__Latency *l = (Ps__Latency *)ps_message_new(&ps__latency__descriptor);

    if (!l)
        return -ENOMEM;
    if (t->n) {
        qsort(t->values, t->n, sizeof(*t->values), by_value);
        l->count = t->n;
        l->min_ns = t->values[0];
        l->p50_ns = percentile(t, 50);
        l->p95_ns = percentile(t, 95);
        l->p99_ns = percentile(t, 99);
        l->max_ns = t->values[t->n - 1];
    }
    *ret_latency = l;
    return 0;
}

static int make_node(struct node *n, Ps__TraceGraph *msg)
{
    Ps__GraphNode *node =
        (Ps__GraphNode *)ps_message_new(&ps__graph_node__descriptor);

    if (!node)
        return -ENOMEM;
    msg->nodes[msg->n_nodes++] = node;
    node->id = TAKE_PTR(n->id);
    node->layer = TAKE_PTR(n->layer);
    node->direction = TAKE_PTR(n->direction);
    node->has_netns = n->has_netns;
    node->netns = n->netns;
    node->count = n->count;
    node->drops = n->drops;
    return n->durations.n ? make_latency(&n->durations, &node->duration) : 0;
}

static int make_edge(struct edge *e, Ps__TraceGraph *msg)
{
    Ps__GraphEdge *edge =
        (Ps__GraphEdge *)ps_message_new(&ps__graph_edge__descriptor);

    if (!edge)
        return -ENOMEM;
    msg->edges[msg->n_edges++] = edge;
    edge->from = e->from;
    edge->to = e->to;
    edge->count = e->count;
    return make_latency(&e->times, &edge->latency);
}

static int by_count(const void *a, const void *b)
{
    const struct edge *x = a, *y = b;

    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    if (x->from != y->from)
        return x->from < y->from ? -1 : 1;
    return (x->to > y->to) - (x->to < y->to);
}

static int fill(struct ps_graph *g, Ps__TraceGraph *msg)
{
    int r = 0;

    msg->packets = g->packets;
    msg->nodes = calloc(g->n_nodes + 1, sizeof(*msg->nodes));
    msg->edges = calloc(g->n_edges + 1, sizeof(*msg->edges));
    if (!msg->nodes || !msg->edges)
        return -ENOMEM;
    qsort(g->edges, g->n_edges, sizeof(*g->edges), by_count);
    for (uint32_t i = 0; i < g->n_nodes && r == 0; i++)
        r = make_node(&g->nodes[i], msg);
    for (uint32_t i = 0; i < g->n_edges && r == 0; i++)
        r = make_edge(&g->edges[i], msg);
    ps_losses_add(&msg->losses, &msg->n_losses, "graph_nodes_full", "steps",
                  g->lost_nodes);
    ps_losses_add(&msg->losses, &msg->n_losses, "graph_edges_full", "steps",
                  g->lost_edges);
    ps_losses_add(&msg->losses, &msg->n_losses, "graph_times_full", "steps",
                  g->lost_times);
    return r;
}

int ps_graph_make(struct ps_graph *g, Ps__TraceGraph **ret_graph)
{
    Ps__TraceGraph *msg =
        (Ps__TraceGraph *)ps_message_new(&ps__trace_graph__descriptor);
    int r;

    if (!msg)
        return -ENOMEM;
    r = fill(g, msg);
    if (r < 0)
        ps__trace_graph__free_unpacked(msg, NULL);
    else
        *ret_graph = msg;
    return r;
}
