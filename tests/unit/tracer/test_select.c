/* SPDX-License-Identifier: MIT */
/* Packets of which only some are kept, once it is known what became of them. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tracer/join.h"

static struct ps_join *join;
static uint64_t now;

static int setup(void **state _unused_)
{
    now = PS_NS_PER_S;
    assert_int_equal(ps_join_new(4, &join), 0);
    return ps_join_select(join, true);
}

static int teardown(void **state _unused_)
{
    ps_join_free(&join);
    return 0;
}

static struct ps_tracer_event event_of(uint32_t packet, uint8_t station)
{
    struct ps_tracer_event e = {
        .time = now += 1000,
        .skb = 0x1000 + packet * 256ull,
        .head = 0x2000 + packet * 256ull,
        .id = packet + 1,
        .tuple = {.saddr = {10, 0, 0, 1},
                  .daddr = {10, 0, 0, 2},
                  .sport = 1000,
                  .dport = 2000,
                  .family = 4,
                  .proto = IPPROTO_UDP},
        .netns = 1,
        .payload = 100,
        .hash = packet,
        .packets = 1,
        .ip_id = packet & 0xffff,
        .flags = PS_EF_HASH,
        .station = station,
        .stack = packet,
        .bytes = packet,
    };

    return e;
}

static enum ps_join_result see(uint32_t packet, uint8_t station)
{
    struct ps_tracer_event e = event_of(packet, station);

    return ps_join_add(join, &e, true);
}

/* Both steps of a packet. */
static void pass(uint32_t packet)
{
    assert_int_equal(see(packet, PS_ST_NF_OUTPUT), PS_JOIN_STEP);
    assert_int_equal(see(packet, PS_ST_NET_DEV_QUEUE), PS_JOIN_STEP);
}

static void test_wanted(void **state _unused_)
{
    uint32_t place;

    for (uint32_t i = 0; i < 3; i++)
        pass(i);
    assert_int_equal(ps_join_packets(join), 0);
    assert_int_equal(ps_join_candidates(join), 3);
    assert_null(ps_join_way(join, 0));
    place = ps_join_candidate(join, 0);
    ps_join_want(join, place, false);
    place = ps_join_candidate(join, 0);
    assert_int_equal(ps_join_at(join, place)->first.ip_id, 1);
    ps_join_want(join, place, true);
    /* Again is nothing. */
    ps_join_want(join, place, false);
    assert_int_equal(ps_join_packets(join), 1);
    assert_int_equal(ps_join_way(join, 0)->first.ip_id, 1);
    assert_int_equal(ps_join_candidates(join), 1);
    assert_int_equal(ps_join_filtered(join), 1);
    assert_int_equal(ps_join_count(join, PS_JOIN_STEP), 4);
    assert_int_equal(ps_join_count(join, PS_JOIN_FILTERED), 2);
    /* What comes later of it is of it still. */
    assert_int_equal(see(0, PS_ST_NET_DEV_START_XMIT), PS_JOIN_FILTERED);
    assert_int_equal(see(1, PS_ST_NET_DEV_START_XMIT), PS_JOIN_STEP);
    assert_int_equal(ps_join_way(join, 0)->n_steps, 3);
    assert_int_equal(ps_join_candidate(join, place + 2), PS_JOIN_NONE);
}

static void test_no_more_than_asked_for(void **state _unused_)
{
    for (uint32_t i = 0; i < 6; i++)
        pass(i);
    for (uint32_t i = 0; i < 6; i++)
        ps_join_want(join, ps_join_candidate(join, 0), true);
    assert_int_equal(ps_join_packets(join), 4);
    assert_int_equal(ps_join_filtered(join), 0);
    assert_int_equal(ps_join_count(join, PS_JOIN_STEP), 8);
    assert_int_equal(ps_join_count(join, PS_JOIN_PACKET_LIMIT), 4);
}

static void test_switched_off(void **state _unused_)
{
    pass(0);
    assert_int_equal(ps_join_select(join, false), 0);
    pass(1);
    assert_int_equal(ps_join_packets(join), 1);
    assert_int_equal(ps_join_way(join, 0)->first.ip_id, 1);
    ps_join_want(join, ps_join_candidate(join, 0), true);
    assert_int_equal(ps_join_way(join, 1)->first.ip_id, 0);
}

static void add_one(void *arg, uint32_t *stack, uint32_t *bytes)
{
    uint32_t *n = arg;

    *n += (*stack != 0) + (*bytes != 0);
    *stack += *stack != 0;
}

/* As many as never fit at once; every thousandth is wanted. */
static void test_room(void **state _unused_)
{
    uint32_t wanted = 0, tidied = 0, n = 0;

    for (uint32_t i = 1; i <= 60000; i++) {
        uint32_t place;

        pass(i);
        /* Decided some packets later. */
        if (i % 16)
            continue;
        for (place = ps_join_candidate(join, 0); place != PS_JOIN_NONE;
             place = ps_join_candidate(join, place)) {
            bool take = ps_join_at(join, place)->first.ip_id % 20000 == 7;

            wanted += take;
            ps_join_want(join, place, take);
        }
        tidied += ps_join_tidy(join);
    }
    assert_int_equal(wanted, 3);
    assert_in_range(tidied, 20, 40);
    assert_int_equal(ps_join_packets(join), 3);
    assert_int_equal(ps_join_filtered(join), 60000 - 3);
    assert_int_equal(ps_join_count(join, PS_JOIN_STEP), 6);
    assert_int_equal(ps_join_count(join, PS_JOIN_FILTERED), 2 * 59997);
    assert_int_equal(ps_join_count(join, PS_JOIN_PACKET_LIMIT), 0);
    for (uint32_t i = 0; i < 3; i++) {
        const struct ps_way *way = ps_join_way(join, i);
        const struct ps_step *s = ps_join_step(join, way->steps);

        assert_int_equal(way->first.ip_id, i * 20000 + 7);
        assert_int_equal(way->n_steps, 2);
        assert_int_equal(s->station, PS_ST_NF_OUTPUT);
        s = ps_join_step(join, s->next);
        assert_int_equal(s->station, PS_ST_NET_DEV_QUEUE);
        assert_int_equal(s->next, PS_JOIN_NONE);
    }
    ps_join_carried(join, add_one, &n);
    assert_true(n >= 12);
    assert_int_equal(ps_join_step(join, ps_join_way(join, 0)->steps)->stack, 8);
    /* The tables still find them. */
    assert_int_equal(see(40007, PS_ST_NET_DEV_START_XMIT), PS_JOIN_STEP);
    assert_int_equal(ps_join_way(join, 2)->n_steps, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_wanted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_more_than_asked_for, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_switched_off, setup, teardown),
        cmocka_unit_test_setup_teardown(test_room, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
