/* SPDX-License-Identifier: MIT */
/*
 * Questions for packets and exports, and ways of any contents on their way
 * out: cursors are refused or stand for one place, a way that fits a question
 * has its keys, and whatever is in a way becomes a graph and a file.
 */
#include "common/json.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/grow.h"
#include "tracer/export.h"
#include "tracer/graph.h"
#include "tracer/way_keys.h"

static void use_cursors(struct grow *g)
{
    char text[64], again[PS_HISTORY_PLACE_TEXT];
    struct ps_export_place export_place;
    struct ps_history_place place, same;

    grow_text(g, text, sizeof(text));
    if (ps_history_place_parse(text, &place) == 0) {
        ps_history_place_format(&place, again);
        REQUIRE(ps_history_place_parse(again, &same) == 0);
        REQUIRE(place.first == same.first && place.trace == same.trace &&
                place.n == same.n);
    }
    if (ps_export_place_parse(text, &export_place) == 0)
        REQUIRE(export_place.way <= PS_HISTORY_MAX_WAYS);
}

static bool is_among(uint64_t key, const uint64_t *keys, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (keys[i] == key)
            return true;
    return false;
}

static void use_question(struct grow *g, const Ps__PacketWay *way)
{
    uint64_t keys[PS_WAY_KEYS], wanted[PS_FIND_KEYS];
    Ps__FindPacketsRequest *req = (Ps__FindPacketsRequest *)grow_message(
        g, &ps__find_packets_request__descriptor);
    size_t n = ps_way_keys(way, keys), m = ps_find_keys(req, wanted);

    REQUIRE(n <= PS_WAY_KEYS && m <= PS_FIND_KEYS);
    if (n < PS_WAY_KEYS && ps_way_fits(way, req))
        for (size_t i = 0; i < m; i++)
            REQUIRE(is_among(wanted[i], keys, n));
    ps__find_packets_request__free_unpacked(req, NULL);
}

static void use_graph(const Ps__PacketWay *way)
{
    Ps__TraceGraph *msg = NULL;
    struct ps_graph *graph = NULL;

    REQUIRE(ps_graph_new(&graph) == 0);
    REQUIRE(ps_graph_add(graph, way) == 0);
    REQUIRE(ps_graph_add(graph, way) == 0);
    REQUIRE(ps_graph_make(graph, &msg) == 0);
    for (size_t i = 0; i < msg->n_edges; i++)
        REQUIRE(msg->edges[i]->from < msg->n_nodes &&
                msg->edges[i]->to < msg->n_nodes &&
                msg->edges[i]->latency->min_ns <=
                    msg->edges[i]->latency->max_ns);
    ps__trace_graph__free_unpacked(msg, NULL);
    ps_graph_free(&graph);
}

/* Blocks follow each other to the end. */
static void check_pcapng(const uint8_t *data, size_t len)
{
    uint32_t size;

    while (len > 0) {
        REQUIRE(len >= 12);
        memcpy(&size, data + 4, 4);
        REQUIRE(size >= 12 && size <= len && size % 4 == 0);
        REQUIRE(!memcmp(data + 4, data + size - 4, 4));
        data += size;
        len -= size;
    }
}

static void use_export(struct grow *g, Ps__PacketWay *way)
{
    struct ps_history_iface ifaces[2] = {{1, 2, "eth0"}, {0, 0, ""}};
    Ps__Trace trace = PS__TRACE__INIT;
    struct ps_export x = {.format = grow_u8(g) % 2,
                          .trace = &trace,
                          .ifaces = ifaces,
                          .n_ifaces = 2,
                          .payload = grow_u8(g) % 2};
    struct ps_export_place place = {0, grow_u8(g) % 4};
    uint8_t *data = NULL;
    size_t len = 0;

    trace.id = (char *)(uintptr_t)"r1";
    REQUIRE(ps_export_write(&x, &place, &way, 1, &data, &len) == 0);
    if (x.format == PS_EXPORT_PCAPNG)
        check_pcapng(data, len);
    free(data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct grow g = {data, size};
    Ps__PacketWay *way;

    use_cursors(&g);
    way = (Ps__PacketWay *)grow_message(&g, &ps__packet_way__descriptor);
    use_question(&g, way);
    use_graph(way);
    use_export(&g, way);
    ps__packet_way__free_unpacked(way, NULL);
    return 0;
}
