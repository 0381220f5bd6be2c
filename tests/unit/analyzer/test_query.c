/* SPDX-License-Identifier: MIT */
/* Filters, order, ids, interfaces, drops by place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

#include "analyzer/convert.h"
#include "analyzer/flow_id.h"

static struct ps_flow_key tcp_key(void)
{
    return (struct ps_flow_key){.netns = 100,
                                .netns_gen = 3,
                                .ifindex = 2,
                                .ethertype = 0x800,
                                .proto = 6,
                                .family = 4,
                                .laddr = {192, 0, 2, 1},
                                .raddr = {192, 0, 2, 2},
                                .lport = 80,
                                .rport = 4000};
}

static struct ps_flow_key v6_key(void)
{
    struct ps_flow_key key = {.netns = 100,
                              .netns_gen = 3,
                              .ifindex = 3,
                              .ethertype = 0x86dd,
                              .proto = 17,
                              .family = 6,
                              .lport = 53,
                              .rport = 80};

    memcpy(key.laddr, (uint8_t[16]){0x20, 1, 0xd, 0xb8, [15] = 1}, 16);
    memcpy(key.raddr, (uint8_t[16]){0x20, 1, 0xd, 0xb8, [15] = 2}, 16);
    return key;
}

/* ---- ids ---------------------------------------------------------------- */

static void test_ids_go_both_ways(void **state _unused_)
{
    const struct ps_flow_key keys[] = {
        tcp_key(),
        v6_key(),
        {.netns = UINT32_MAX, .ifindex = 7, .ethertype = 0x806},
        {0}};
    char id[PS_FLOW_ID_TEXT];

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        struct ps_flow_key back;

        ps_flow_id_format(&keys[i], id);
        assert_int_equal(ps_flow_id_parse(id, &back), 0);
        assert_memory_equal(&back, &keys[i], sizeof(back));
    }
    assert_int_equal(strlen(ps_flow_id_format(&keys[1], id)),
                     PS_FLOW_ID_TEXT - 1);
}

static void test_bad_ids(void **state _unused_)
{
    const struct ps_flow_key key = tcp_key();
    char id[PS_FLOW_ID_TEXT + 8];
    struct ps_flow_key back;
    size_t len;

    ps_flow_id_format(&key, id);
    len = strlen(id);
    for (size_t cut = 0; cut < len; cut++) {
        char part[PS_FLOW_ID_TEXT];

        snprintf(part, sizeof(part), "%.*s", (int)cut, id);
        assert_int_equal(ps_flow_id_parse(part, &back), -EINVAL);
    }
    id[5] = 'g';
    assert_int_equal(ps_flow_id_parse(id, &back), -EINVAL);
    id[5] = 'A'; /* one id only */
    assert_int_equal(ps_flow_id_parse(id, &back), -EINVAL);
    ps_flow_id_format(&key, id);
    id[1] = '5'; /* a family that is none */
    assert_int_equal(ps_flow_id_parse(id, &back), -EINVAL);
    memset(id, '0', sizeof(id) - 1);
    id[sizeof(id) - 1] = 0;
    assert_int_equal(ps_flow_id_parse(id, &back), -EINVAL);
}

/* ---- filters ------------------------------------------------------------ */

static bool matches(Ps__ListFlowsRequest *req, const struct ps_flow_key *key)
{
    const struct ps_flow flow = {.key = *key};
    const char *field = NULL, *detail = NULL;
    struct ps_ifaces ifaces;
    struct ps_query query;
    bool yes;

    ps_ifaces_init(&ifaces, 4);
    assert_int_equal(
        ps_ifaces_add(
            &ifaces,
            &(struct ps_iface_key){.netns = 100, .netns_gen = 3, .ifindex = 2},
            &(struct ps_iface_value){.name = "eth0"}),
        0);
    ps_ifaces_finish(&ifaces);
    assert_int_equal(ps_query_from_pb(req, &query, &field, &detail), 0);
    yes = ps_query_match(&query, &flow, &ifaces);
    ps_ifaces_done(&ifaces);
    return yes;
}

static void set_ip(Ps__Ip *ip, uint8_t *bytes, size_t n)
{
    ps__ip__init(ip);
    ip->addr.data = bytes;
    ip->addr.len = n;
}

static void test_filters(void **state _unused_)
{
    const struct ps_flow_key tcp = tcp_key(), v6 = v6_key();
    const struct ps_flow_key arp = {.ethertype = 0x806};
    Ps__ListFlowsRequest req = PS__LIST_FLOWS_REQUEST__INIT;
    Ps__IpProto proto = PS__IP_PROTO__INIT;

    assert_true(matches(&req, &tcp) && matches(&req, &v6) &&
                matches(&req, &arp));
    req.has_port = true;
    req.port = 80;
    assert_true(matches(&req, &tcp) && matches(&req, &v6));
    assert_false(matches(&req, &arp));
    req.port = 4000;
    assert_true(matches(&req, &tcp));
    assert_false(matches(&req, &v6));
    req.has_port = false;
    proto.number = 0;
    req.proto = &proto;
    assert_false(matches(&req, &arp)); /* it has no protocol at all */
    proto.number = 17;
    assert_true(matches(&req, &v6));
    assert_false(matches(&req, &tcp));
    req.proto = NULL;
    req.has_netns = true;
    req.netns = 100;
    assert_true(matches(&req, &tcp));
    assert_false(matches(&req, &arp));
    req.has_ifindex = true;
    req.ifindex = 3;
    assert_false(matches(&req, &tcp));
    req.has_ifindex = false;
    req.ifname = (char *)(uintptr_t)"eth0";
    assert_true(matches(&req, &tcp));
    assert_false(matches(&req, &v6));
}

static void test_ends_in_either_order(void **state _unused_)
{
    const struct ps_flow_key tcp = tcp_key();
    Ps__ListFlowsRequest req = PS__LIST_FLOWS_REQUEST__INIT;
    Ps__Ip local, remote, other;

    set_ip(&local, (uint8_t[]){192, 0, 2, 1}, 4);
    set_ip(&remote, (uint8_t[]){192, 0, 2, 2}, 4);
    set_ip(&other, (uint8_t[]){192, 0, 2, 3}, 4);
    req.addr = &remote;
    assert_true(matches(&req, &tcp));
    req.addr = &other;
    assert_false(matches(&req, &tcp));
    req.addr = NULL;
    req.laddr = &local;
    req.raddr = &remote;
    req.has_lport = true;
    req.lport = 80;
    assert_true(matches(&req, &tcp));
    req.laddr = &remote;
    req.raddr = &local;
    assert_false(matches(&req, &tcp)); /* the port is the other end's */
    req.lport = 4000;
    assert_true(matches(&req, &tcp));
    req.raddr = &other;
    assert_false(matches(&req, &tcp));
}

static void test_bad_requests(void **state _unused_)
{
    const struct {
        const char *field;
        Ps__ListFlowsRequest req;
    } bad[] = {
#define BAD(_field, ...)                                                      \
    {                                                                         \
        _field,                                                               \
        {                                                                     \
            .base =                                                           \
                PROTOBUF_C_MESSAGE_INIT(&ps__list_flows_request__descriptor), \
            __VA_ARGS__                                                       \
        }                                                                     \
    }
        BAD("sort", .sort = (char *)(uintptr_t)"name"),
        BAD("sort", .sort = (char *)(uintptr_t)"--rate"),
        BAD("port", .has_port = true, .port = 65536),
        BAD("lport", .has_lport = true, .lport = 1u << 31),
        BAD("rport", .has_rport = true, .rport = 70000),
        BAD("ifname", .ifname = (char *)(uintptr_t)""),
        BAD("ifname", .ifname = (char *)(uintptr_t)"a123456789012345"),
        BAD("proto", .proto = &(Ps__IpProto){.number = 256}),
        BAD("addr",
            .addr = &(Ps__Ip){.addr = {.len = 3, .data = (uint8_t[3]){1}}}),
        BAD("raddr", .raddr = &(Ps__Ip){.addr = {.len = 0, .data = NULL}}),
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        const char *field = NULL, *detail = NULL;
        struct ps_query query;

        assert_int_equal(ps_query_from_pb(&bad[i].req, &query, &field, &detail),
                         -EINVAL);
        assert_string_equal(field, bad[i].field);
        assert_true(detail[strlen(detail) - 1] == '.');
    }
}

/* ---- order -------------------------------------------------------------- */

static void test_order(void **state _unused_)
{
    static const struct {
        const char *sort;
        uint16_t ports[3];
    } orders[] = {
        {NULL, {3, 2, 1}},       {"-bytes", {3, 2, 1}}, {"bytes", {1, 2, 3}},
        {"-packets", {1, 2, 3}}, {"first", {2, 1, 3}},  {"-last", {3, 1, 2}},
        {"-drops", {3, 2, 1}}, /* none: by bytes */
    };
    const struct ps_flow_value values[] = {
        {.rx = {.bytes = 10, .packets = 9}, .first_ns = 5, .last_ns = 6},
        {.tx = {.bytes = 20, .packets = 5}, .first_ns = 1, .last_ns = 2},
        {.rx = {.bytes = 30, .packets = 1}, .first_ns = 7, .last_ns = 8},
    };
    struct ps_ifaces ifaces;
    struct ps_table *t;

    ps_ifaces_init(&ifaces, 1);
    assert_int_equal(ps_table_new(10, 1, 7, &t), 0);
    ps_table_begin(t);
    for (uint16_t i = 0; i < 3; i++) {
        struct ps_flow_key key = tcp_key();

        key.lport = (uint16_t)(i + 1);
        assert_int_equal(ps_table_put_flow(t, &key, &values[i]), 0);
    }
    ps_table_end(t, 1);
    for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
        _cleanup_free_ const struct ps_flow **flows = NULL;
        struct ps_query query;
        size_t n;

        ps_query_init(&query);
        assert_int_equal(ps_query_parse_sort(&query, orders[i].sort), 0);
        assert_int_equal(ps_query_run(&query, t, &ifaces, &flows, &n), 0);
        assert_int_equal(n, 3);
        for (size_t j = 0; j < 3; j++)
            assert_int_equal(flows[j]->key.lport, orders[i].ports[j]);
    }
    ps_table_free(&t);
}

/* ---- interfaces and drops ----------------------------------------------- */

static void test_ifaces(void **state _unused_)
{
    const struct ps_iface_value cpus[2] = {
        {.rx = {1, 2, 3, 4}, .last_ns = 9},
        {.rx = {10, 20, 30, 40},
         .tx = {1, 1, 1, 1},
         .last_ns = 5,
         .name = "eth0"},
    };
    struct ps_iface_key old = {.netns = 7, .netns_gen = 1, .ifindex = 2};
    struct ps_iface_key new = {.netns = 7, .netns_gen = 2, .ifindex = 2};
    struct ps_iface_value sum;
    struct ps_ifaces ifaces;

    ps_iface_sum(cpus, 2, &sum);
    assert_int_equal(sum.rx.packets, 22);
    assert_int_equal(sum.tx.bytes, 1);
    assert_int_equal(sum.last_ns, 9);
    assert_string_equal(sum.name, "eth0");

    ps_ifaces_init(&ifaces, 2);
    assert_int_equal(ps_ifaces_add(&ifaces, &old, &sum), 0);
    sum.last_ns = 100;
    assert_int_equal(ps_ifaces_add(&ifaces, &new, &sum), 0);
    assert_int_equal(ps_ifaces_add(&ifaces, &new, &sum), -ENOSPC);
    ps_ifaces_finish(&ifaces);
    assert_true(ps_ifaces_find(&ifaces, 7, 1, 2)->stale);
    assert_false(ps_ifaces_find(&ifaces, 7, 2, 2)->stale);
    assert_true(ps_ifaces_netns_stale(&ifaces, 7, 1));
    assert_false(ps_ifaces_netns_stale(&ifaces, 7, 2));
    assert_null(ps_ifaces_find(&ifaces, 7, 2, 3));
    assert_string_equal(ps_ifaces_name(&ifaces, 7, 2, 2), "eth0");
    ps_ifaces_gone(&ifaces, &sum);
    assert_int_equal(ifaces.gone_rx.bytes, 33);
    ps_ifaces_done(&ifaces);
}

static void test_drop_rows(void **state _unused_)
{
    static const struct ps_drop_row rows[] = {
        {.location = 1, .reason = 3, .netns = 7, .skbs = 1, .packets = 2},
        {.location = 2, .reason = 3, .netns = 7, .skbs = 9, .packets = 9},
        {.location = 1, .reason = 3, .netns = 8, .skbs = 3, .packets = 4},
        {.location = 1, .reason = 4, .netns = 7, .skbs = 1, .packets = 1},
    };
    _cleanup_(ps_drop_rows_done) struct ps_drop_rows sum = {0};

    ps_drop_rows_finish(&sum);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(ps_drop_rows_add(&sum, 4, &rows[i]), 0);
    assert_int_equal(ps_drop_rows_add(&sum, 4, &rows[0]), -ENOSPC);
    ps_drop_rows_finish(&sum);
    assert_int_equal(sum.n, 3);
    assert_int_equal(sum.items[0].location, 2);
    assert_int_equal(sum.items[1].packets, 6);
    assert_int_equal(sum.items[1].skbs, 4);
    assert_int_equal(sum.items[1].netns, 0);
    assert_int_equal(sum.items[2].reason, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_go_both_ways),
        cmocka_unit_test(test_bad_ids),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_ends_in_either_order),
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_ifaces),
        cmocka_unit_test(test_drop_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
