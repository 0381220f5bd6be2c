/* SPDX-License-Identifier: MIT */
/*
 * Entries of the analyzer's maps, byte for byte as user space reads them, and
 * a query of any contents over them: what is listed can be printed.
 */
#include "analyzer/convert.h"
#include "common/json.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/grow.h"

#define MAX_FLOWS 32

static void show(ProtobufCMessage *msg)
{
    json_t *json = ps_json_from_message(msg);

    REQUIRE(msg && json && protobuf_c_message_check(msg));
    json_decref(json);
    protobuf_c_message_free_unpacked(msg, NULL);
}

static void read_maps(struct grow *g, struct ps_analyzer *a)
{
    ps_table_begin(a->table);
    for (unsigned int n = grow_u8(g) % 8; n > 0; n--) {
        struct ps_flow_key key;
        struct ps_flow_value value;

        grow_fill(g, &key, sizeof(key));
        grow_fill(g, &value, sizeof(value));
        ps_table_put_flow(a->table, &key, &value);
    }
    for (unsigned int n = grow_u8(g) % 4; n > 0; n--) {
        struct ps_flow_drop_key key;
        struct ps_drop_value value;

        grow_fill(g, &key, sizeof(key));
        grow_fill(g, &value, sizeof(value));
        ps_table_put_drop(a->table, &key, &value);
    }
    for (unsigned int n = grow_u8(g) % 4; n > 0; n--) {
        struct ps_iface_key key;
        struct ps_iface_value value;

        grow_fill(g, &key, sizeof(key));
        grow_fill(g, &value, sizeof(value));
        ps_ifaces_add(&a->ifaces, &key, &value);
    }
    for (unsigned int n = grow_u8(g) % 4; n > 0; n--) {
        struct ps_drop_row row;

        grow_fill(g, &row, sizeof(row));
        ps_drop_rows_add(&a->drops, 8, &row);
    }
    ps_ifaces_finish(&a->ifaces);
    ps_drop_rows_finish(&a->drops);
    ps_table_end(a->table, grow_u64(g));
}

static void ask(struct grow *g, const struct ps_analyzer *a)
{
    Ps__ListFlowsRequest *req = (Ps__ListFlowsRequest *)grow_message(
        g, &ps__list_flows_request__descriptor);
    const char *field = NULL, *detail = NULL;
    const struct ps_flow **flows = NULL;
    struct ps_query query;
    size_t n = 0;

    if (ps_query_from_pb(req, &query, &field, &detail) < 0) {
        REQUIRE(field && detail);
    } else if (ps_query_run(&query, a->table, &a->ifaces, &flows, &n) == 0) {
        REQUIRE(n <= ps_table_size(a->table));
        for (size_t i = 0; i < n; i++)
            show(&ps_flow_to_pb(a, flows[i])->base);
    }
    free(flows);
    ps__list_flows_request__free_unpacked(req, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct grow g = {data, size};
    struct ps_analyzer a = {.wall_offset = 1};

    REQUIRE(ps_table_new(MAX_FLOWS, MAX_FLOWS, 1, &a.table) == 0);
    ps_ifaces_init(&a.ifaces, MAX_FLOWS);
    read_maps(&g, &a);
    for (size_t i = 0; i < a.ifaces.n; i++)
        show(&ps_iface_to_pb(&a.ifaces.items[i])->base);
    for (size_t i = 0; i < a.drops.n; i++)
        show(&ps_drop_to_pb(&a, &a.drops.items[i])->base);
    ask(&g, &a);
    ps_table_free(&a.table);
    ps_ifaces_done(&a.ifaces);
    ps_drop_rows_done(&a.drops);
    return 0;
}
