/* SPDX-License-Identifier: MIT */
/*
 * Records of the tracer's ring (first byte even) and of its iterators (odd),
 * byte for byte as user space finds them: each is a step or a named loss, and
 * what is made of them can be printed.
 */
#include "common/json.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/grow.h"
#include "tracer/convert.h"

#define PACKETS 16

static void show(ProtobufCMessage *msg)
{
    json_t *json = ps_json_from_message(msg);

    REQUIRE(msg && json && protobuf_c_message_check(msg));
    json_decref(json);
    protobuf_c_message_free_unpacked(msg, NULL);
}

static void read_ring(struct grow *g)
{
    const struct ps_names names = {.tier = "tp_btf"};
    struct ps_tracer_event event;
    const struct ps_way *way;
    struct ps_join *join = NULL;
    uint64_t events = 0, sum = 0;

    REQUIRE(ps_join_new(PACKETS, &join) == 0);
    while (g->left > 0) {
        grow_fill(g, &event, sizeof(event));
        ps_join_add(join, &event, true);
        events++;
    }
    for (int i = 0; i < PS_JOIN_RESULTS; i++)
        sum += ps_join_count(join, (enum ps_join_result)i);
    REQUIRE(sum == events);
    for (uint32_t n = 0; (way = ps_join_way(join, n)); n++)
        show(&ps_convert_way(join, way, n, &names)->base);
    ps_join_free(&join);
}

static void no_cgroup(uint32_t pid _unused_, struct ps_cgroup *ret)
{
    *ret = (struct ps_cgroup){0};
}

static void read_sockets(struct grow *g)
{
    struct ps_sock_cgroup cache = {0};
    const struct ps_sock_filter filter = {
        .comm = "a", .container = "0123456789ab", .cache = &cache};
    const struct ps_sock *socks[64];
    struct ps_socktable *table = NULL;
    struct ps_tracer_sock rec;
    size_t n;

    REQUIRE(ps_socktable_new(&table) == 0);
    for (n = 0; n < ARRAY_SIZE(socks) && g->left > 0; n++) {
        grow_fill(g, &rec, sizeof(rec));
        /* No process of this machine is looked up. */
        rec.pid = 0;
        ps_socktable_add(table, &rec);
    }
    n = ps_socktable_len(table);
    REQUIRE(n <= ARRAY_SIZE(socks));
    for (size_t i = 0; i < n; i++) {
        socks[i] = ps_socktable_get(table, i);
        ps_sock_matches(table, socks[i], &filter, no_cgroup);
    }
    REQUIRE(ps_sock_sort(socks, n, NULL, n) == 0);
    for (size_t i = 0; i < n; i++)
        show(&ps_convert_socket(table, socks[i], NULL, 0, &cache)->base);
    ps_socktable_free(&table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct grow g = {data, size};

    if (grow_u8(&g) & 1)
        read_sockets(&g);
    else
        read_ring(&g);
    return 0;
}
