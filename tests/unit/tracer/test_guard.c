/* SPDX-License-Identifier: MIT */
/* What the guarder tells of its drops: frames, rules, and the steps that they
 * belong to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "common/net.h"
#include "tracer/frame.h"
#include "tracer/guard.h"
#include "tracer/join.h"

/* ---- frames ------------------------------------------------------------- */

static const uint8_t udp4[] = {
    2,   0,   0,  0,    0,    1,    2,    0,    0,  0,  0, 2,  0x08, 0,   0x45,
    0,   0,   33, 0x12, 0x34, 0,    0,    64,   17, 0,  0, 10, 0,    0,   1,
    10,  0,   0,  2,    0x04, 0xd2, 0x16, 0x2e, 0,  13, 0, 0,  'h',  'e', 'l',
    'l', 'o', 0,  0,    0,    0,    0,    0,    0,  0,  0, 0,  0,    0,   0,
};

static const uint8_t tcp6_tagged[] = {
    2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0, 0, 7, 0x86, 0xdd,
    /* IPv6, 22 bytes, hop-by-hop options before TCP. */
    0x60, 0, 0, 0, 0, 31, 0, 64, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    1, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
    /* Options. */
    6, 0, 1, 4, 0, 0, 0, 0,
    /* TCP: 1 to 80, seq 5, ack 6, 20 bytes, SYN and ACK, and 3 of payload. */
    0, 1, 0, 80, 0, 0, 0, 5, 0, 0, 0, 6, 0x50, 0x12, 0, 0, 0, 0, 0, 0, 'a', 'b',
    'c'};

static void test_udp_in_a_padded_frame(void **state _unused_)
{
    struct ps_tracer_event e = {.station = PS_ST_XDP_DROP};
    size_t l3 = 0;

    assert_int_equal(ps_frame_read(udp4, sizeof(udp4), sizeof(udp4), &e, &l3),
                     0);
    assert_int_equal(l3, 14);
    assert_int_equal(e.tuple.family, 4);
    assert_int_equal(e.tuple.proto, IPPROTO_UDP);
    assert_memory_equal(e.tuple.saddr, "\x0a\0\0\1", 4);
    assert_memory_equal(e.tuple.daddr, "\x0a\0\0\2", 4);
    assert_int_equal(e.tuple.sport, 1234);
    assert_int_equal(e.tuple.dport, 5678);
    assert_int_equal(e.ip_id, 0x1234);
    /* Not the padding. */
    assert_int_equal(e.payload, 5);
    assert_true(e.flags == PS_EF_HASH);
    assert_int_equal(e.station, PS_ST_XDP_DROP);
}

static void test_tcp_behind_a_tag_and_options(void **state _unused_)
{
    struct ps_tracer_event e = {0};
    size_t l3 = 0;

    assert_int_equal(ps_frame_read(tcp6_tagged, sizeof(tcp6_tagged),
                                   sizeof(tcp6_tagged), &e, &l3),
                     0);
    assert_int_equal(l3, 18);
    assert_int_equal(e.tuple.family, 6);
    assert_int_equal(e.tuple.proto, IPPROTO_TCP);
    assert_int_equal(e.tuple.dport, 80);
    assert_int_equal(e.seq, 5);
    assert_int_equal(e.ack, 6);
    assert_int_equal(e.tcp_flags, 0x12);
    assert_int_equal(e.payload, 3);
    assert_int_equal(e.hash, 0);
}

/* Only the head of a longer frame is there. */
static void test_payload_beyond_the_head(void **state _unused_)
{
    struct ps_tracer_event e = {0};
    uint8_t head[sizeof(udp4)];
    size_t l3;

    memcpy(head, udp4, sizeof(head));
    head[16] = 4; /* 1024 + 33 bytes */
    assert_int_equal(ps_frame_read(head, 44, 2000, &e, &l3), 0);
    assert_int_equal(e.payload, 1029);
    assert_false(e.flags & PS_EF_HASH);
}

static void test_later_fragment_has_no_ports(void **state _unused_)
{
    struct ps_tracer_event e = {0};
    uint8_t head[sizeof(udp4)];
    size_t l3;

    memcpy(head, udp4, sizeof(head));
    head[21] = 9;
    assert_int_equal(ps_frame_read(head, sizeof(head), sizeof(head), &e, &l3),
                     0);
    assert_true(e.flags == PS_EF_FRAGMENT);
    assert_int_equal(e.tuple.dport, 0);
    assert_int_equal(e.payload, 0);
}

static void test_cut_frames_are_refused(void **state _unused_)
{
    struct ps_tracer_event e = {.seq = 99};
    size_t l3;

    for (size_t n = 0; n < 42; n++)
        assert_int_equal(ps_frame_read(udp4, n, sizeof(udp4), &e, &l3),
                         -EBADMSG);
    for (size_t n = 0; n < 82; n++)
        assert_int_equal(
            ps_frame_read(tcp6_tagged, n, sizeof(tcp6_tagged), &e, &l3),
            -EBADMSG);
    assert_int_equal(e.seq, 99);
}

/* ---- rules -------------------------------------------------------------- */

static void test_a_rule_is_kept_once(void **state _unused_)
{
    struct ps_rules *rules = NULL;
    char id[16];
    uint16_t a, b;

    assert_int_equal(ps_rules_new(&rules), 0);
    assert_null(ps_rules_get(rules, 0));
    assert_null(ps_rules_get(rules, 1));
    a = ps_rules_put(rules, "guarder", "r1", "drop udp", false);
    b = ps_rules_put(rules, "guarder", "r1", "drop tcp", false);
    assert_int_not_equal(a, b);
    assert_int_equal(ps_rules_put(rules, "guarder", "r1", "drop udp", false),
                     a);
    assert_string_equal(ps_rules_get(rules, b)->text, "drop tcp");
    for (unsigned int i = 0; i < PS_RULES_MAX - 2; i++) {
        snprintf(id, sizeof(id), "r%u", i + 10);
        assert_int_not_equal(ps_rules_put(rules, "nftables", id, NULL, true),
                             0);
    }
    assert_int_equal(ps_rules_put(rules, "nftables", "more", NULL, true), 0);
    assert_int_equal(ps_rules_lost(rules), 1);
    assert_string_equal(ps_rules_get(rules, a)->text, "drop udp");
    ps_rules_free(&rules);
    assert_null(rules);
}

/* ---- the step that it belongs to ---------------------------------------- */

static struct ps_tracer_event packet(uint8_t station, uint64_t time,
                                     uint16_t id)
{
    struct ps_tracer_event e = {
        .time = time,
        .skb = id,
        .head = id,
        .netns = 2,
        .ifindex = 20,
        .cpu = 1,
        .packets = 1,
        .payload = 5,
        .ip_id = id,
        .station = station,
        .tuple = {.saddr = {10, 0, 0, 1},
                  .daddr = {10, 0, 0, 2},
                  .sport = 1,
                  .dport = 2,
                  .family = 4,
                  .proto = IPPROTO_UDP},
    };

    return e;
}

static bool any(const void *arg _unused_, const struct ps_step *s _unused_)
{
    return true;
}

static bool none(const void *arg _unused_, const struct ps_step *s _unused_)
{
    return false;
}

static uint16_t rule_of(const struct ps_join *j, uint32_t way)
{
    const struct ps_step *s = ps_join_step(j, ps_join_way(j, way)->steps);

    while (s && s->station != PS_ST_KFREE_SKB)
        s = ps_join_step(j, s->next);
    return s ? s->rule : 0;
}

/* Two packets that look the same: by time and CPU it is known which. */
static void test_rule_goes_to_the_buffer_it_ended(void **state _unused_)
{
    struct ps_tracer_event told = packet(PS_ST_XDP_DROP, 2900, 7);
    struct ps_join *j = NULL;

    assert_int_equal(ps_join_new(10, &j), 0);
    for (uint64_t i = 0; i < 2; i++) {
        struct ps_tracer_event in =
            packet(PS_ST_NETIF_RECEIVE_SKB, 900 + i * 2000, 7);
        struct ps_tracer_event end =
            packet(PS_ST_KFREE_SKB, 1000 + i * 2000, 7);

        in.skb = end.skb = i + 1;
        ps_join_add(j, &in, true);
        ps_join_add(j, &end, true);
    }
    assert_int_equal(ps_join_packets(j), 2);
    assert_false(ps_join_rule(j, &told, 3, none, NULL));
    assert_true(ps_join_rule(j, &told, 3, any, NULL));
    assert_int_equal(rule_of(j, 0), 0);
    assert_int_equal(rule_of(j, 1), 3);
    assert_int_equal(ps_join_way(j, 1)->rules, 1);
    /* It has one, and the other ended before. */
    assert_false(ps_join_rule(j, &told, 4, any, NULL));
    assert_int_equal(rule_of(j, 1), 3);
    ps_join_free(&j);
}

static void test_rule_of_another_packet(void **state _unused_)
{
    static const struct {
        uint64_t time;
        uint32_t netns, ifindex;
        uint16_t cpu, id;
    } others[] = {
        {1001, 2, 20, 1, 7},             /* it ended before */
        {0, 2, 20, 1, 7},                /* long before */
        {1000 + 999000000, 3, 20, 1, 7}, /* namespace */
        {1000 + 999000000, 2, 21, 1, 7}, /* interface */
        {1000 + 999000000, 2, 20, 0, 7}, /* CPU */
        {1000 + 999000000, 2, 20, 1, 8}, /* content */
    };
    struct ps_tracer_event e = packet(PS_ST_KFREE_SKB, 1000 + 999000000, 7);
    struct ps_join *j = NULL;

    assert_int_equal(ps_join_new(10, &j), 0);
    ps_join_add(j, &e, true);
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        struct ps_tracer_event told =
            packet(PS_ST_XDP_DROP, others[i].time, others[i].id);

        if (i == 0)
            told.time = e.time + 1;
        told.netns = others[i].netns;
        told.ifindex = others[i].ifindex;
        told.cpu = others[i].cpu;
        assert_false(ps_join_rule(j, &told, 3, any, NULL));
    }
    /* It ended; what is told now is another one, that looks the same. */
    e.station = PS_ST_XDP_DROP;
    assert_false(ps_join_knows(j, &e));
    ps_join_free(&j);
}

/* ---- watches ------------------------------------------------------------ */

static void test_watches_of_a_filter(void **state _unused_)
{
    Ps__TraceFilter f = PS__TRACE_FILTER__INIT;
    Ps__IpProto proto = PS__IP_PROTO__INIT;
    struct ps_addr addr = {4, {10, 0, 0, 2}};
    Ps__Ip *ip = ps_addr_to_pb(&addr);
    Ps__Rule *rules[2];

    assert_int_equal(ps_guard_watches(&f, rules), 1);
    assert_null(rules[0]->src);
    assert_null(rules[0]->dst);
    ps__rule__free_unpacked(rules[0], NULL);

    f.daddr = ip;
    f.has_dport = 1;
    f.dport = 80;
    assert_int_equal(ps_guard_watches(&f, rules), 2);
    assert_int_equal(rules[0]->dst->len, 32);
    assert_null(rules[0]->src);
    assert_null(rules[0]->dport); /* a port alone is no rule */
    assert_int_equal(rules[1]->src->len, 32);
    ps__rule__free_unpacked(rules[0], NULL);
    ps__rule__free_unpacked(rules[1], NULL);

    proto.number = IPPROTO_TCP;
    f.proto = &proto;
    assert_int_equal(ps_guard_watches(&f, rules), 2);
    assert_int_equal(rules[0]->dport->first, 80);
    assert_null(rules[0]->sport);
    assert_int_equal(rules[1]->sport->last, 80);
    ps__rule__free_unpacked(rules[0], NULL);
    ps__rule__free_unpacked(rules[1], NULL);

    f.has_inner = f.inner = 1;
    assert_int_equal(ps_guard_watches(&f, rules), 1);
    assert_null(rules[0]->dst);
    ps__rule__free_unpacked(rules[0], NULL);
    ps__ip__free_unpacked(ip, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_udp_in_a_padded_frame),
        cmocka_unit_test(test_tcp_behind_a_tag_and_options),
        cmocka_unit_test(test_payload_beyond_the_head),
        cmocka_unit_test(test_later_fragment_has_no_ports),
        cmocka_unit_test(test_cut_frames_are_refused),
        cmocka_unit_test(test_a_rule_is_kept_once),
        cmocka_unit_test(test_rule_goes_to_the_buffer_it_ended),
        cmocka_unit_test(test_rule_of_another_packet),
        cmocka_unit_test(test_watches_of_a_filter),
    };

    return cmocka_run_group_tests_name("guard", tests, NULL, NULL);
}
