/* SPDX-License-Identifier: MIT */
/*
 * tracer.db of somebody else: any bytes (first byte odd), or rows of any
 * contents. What is read from it is whole, or an error; nothing takes forever.
 */
#include "common/json.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/grow.h"
#include "tracer/history_internal.h"

static void show(ProtobufCMessage *msg)
{
    json_t *json = ps_json_from_message(msg);

    REQUIRE(json);
    json_decref(json);
    protobuf_c_message_free_unpacked(msg, NULL);
}

static void use_ways(struct ps_history *h, const char *id)
{
    static const struct ps_history_want wants[] = {
        {.limit = 16},
        {.limit = 16, .newest = true, .from = 3, .station = "a"},
    };
    struct ps_history_iface ifaces[PS_HISTORY_MAX_IFACES];
    struct ps_history_page page = {0};
    uint64_t total;
    size_t n = 0;

    for (size_t k = 0; k < ARRAY_SIZE(wants); k++) {
        if (ps_history_ways(h, id, &wants[k], &page) < 0)
            continue;
        REQUIRE(page.n <= 16);
        for (size_t i = 0; i < page.n; i++)
            show(&page.ways[i]->base);
        free(page.ways);
    }
    if (ps_history_ifaces(h, id, ifaces, &n) == 0)
        REQUIRE(n <= PS_HISTORY_MAX_IFACES);
    ps_history_count(h, id, true, &total);
}

static void use_find(struct ps_history *h)
{
    Ps__FindPacketsRequest all = PS__FIND_PACKETS_REQUEST__INIT;
    Ps__FindPacketsRequest port = PS__FIND_PACKETS_REQUEST__INIT;
    struct ps_history_place from = {0};
    struct ps_history_found found = {0};

    port.has_sport = port.has_dport = 1;
    if (ps_history_find(h, &all, &from, 4, UINT64_MAX, &found) == 0) {
        REQUIRE(found.n <= 4 && (!found.more || found.partial || found.n == 4));
        from = found.next;
        ps_history_found_clear(&found);
    }
    if (ps_history_find(h, &port, &from, 4, UINT64_MAX, &found) == 0)
        ps_history_found_clear(&found);
}

static void use(struct ps_history *h)
{
    static const char *const ids[] = {"r1", "a", ""};
    Ps__Trace **traces = NULL, *trace = NULL;
    uint64_t total;
    size_t n = 0;

    if (ps_history_list(h, NULL, 0, 16, &traces, &n, &total) == 0) {
        for (size_t i = 0; i < n; i++)
            show(&traces[i]->base);
        free(traces);
    }
    for (size_t k = 0; k < ARRAY_SIZE(ids); k++) {
        if (ps_history_get(h, ids[k], &trace) == 0)
            show(&trace->base);
        use_ways(h, ids[k]);
    }
    use_find(h);
    ps_history_recover(h, 1);
    ps_history_delete(h, "a");
}

static struct ps_history *open_history(void)
{
    struct ps_history *h = NULL;
    char *error = NULL;
    int r = ps_history_open(grow_dir(), 1 << 20, &h, &error);

    REQUIRE((r == 0) == (h != NULL));
    REQUIRE(r == 0 || r == -ENOMEM || error);
    free(error);
    return h;
}

static void use_file(const uint8_t *data, size_t size)
{
    struct ps_history *h;

    grow_file("tracer", data, size);
    h = open_history();
    if (h)
        use(h);
    ps_history_free(&h);
}

static void use_rows(struct grow *g)
{
    static const struct grow_table tables[] = {
        {"DELETE FROM trace",
         "INSERT OR REPLACE INTO trace VALUES (?,?,?,?,?,?)",
         &ps__trace__descriptor},
        {"DELETE FROM sample", "INSERT OR REPLACE INTO sample VALUES (?,?)",
         NULL},
        {"DELETE FROM iface", "INSERT OR REPLACE INTO iface VALUES (?,?,?,?,?)",
         NULL},
        {"DELETE FROM way", "INSERT OR REPLACE INTO way VALUES (?,?,?,?,?)",
         &ps__packet_way__descriptor},
        {"DELETE FROM seen", "INSERT OR REPLACE INTO seen VALUES (?,?,?)",
         NULL},
        {"DELETE FROM place", "INSERT OR REPLACE INTO place VALUES (?,?)",
         NULL},
    };
    struct ps_history *h;

    grow_file("tracer", NULL, 0);
    h = open_history();
    REQUIRE(h);
    grow_rows(g, ps_store_db(h->store), tables, ARRAY_SIZE(tables));
    use(h);
    ps_history_free(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct grow g = {data, size};

    if (grow_u8(&g) & 1)
        use_file(g.data, g.left);
    else
        use_rows(&g);
    return 0;
}
