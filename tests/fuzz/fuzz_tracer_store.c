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

static void use(struct ps_history *h)
{
    static const char *const ids[] = {"r1", "a", ""};
    Ps__PacketWay **packets = NULL;
    Ps__Trace **traces = NULL, *trace = NULL;
    uint64_t total;
    size_t n = 0;

    if (ps_history_list(h, 0, 16, &traces, &n, &total) == 0) {
        for (size_t i = 0; i < n; i++)
            show(&traces[i]->base);
        free(traces);
    }
    for (size_t k = 0; k < ARRAY_SIZE(ids); k++) {
        if (ps_history_get(h, ids[k], &trace) == 0)
            show(&trace->base);
        if (ps_history_packets(h, ids[k], 0, 16, &packets, &n, &total) < 0)
            continue;
        for (size_t i = 0; i < n; i++)
            show(&packets[i]->base);
        free(packets);
    }
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
        {"DELETE FROM trace", "INSERT OR REPLACE INTO trace VALUES (?,?,?,?)",
         &ps__trace__descriptor},
        {"DELETE FROM packet", "INSERT OR REPLACE INTO packet VALUES (?,?,?)",
         &ps__packet_way__descriptor},
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
