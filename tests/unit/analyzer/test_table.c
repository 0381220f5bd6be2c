/* SPDX-License-Identifier: MIT */
/* The table of flows: readings, removal, rates, drops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

#include "analyzer/table.h"

#define S PS_NS_PER_S

static struct ps_flow_key key_of(uint32_t n)
{
    return (struct ps_flow_key){.netns = 1,
                                .ifindex = 2,
                                .family = 4,
                                .lport = (uint16_t)n,
                                .laddr = {(uint8_t)(n >> 16)}};
}

static void put(struct ps_table *t, uint32_t n, uint64_t packets)
{
    const struct ps_flow_key key = key_of(n);
    const struct ps_flow_value value = {
        .rx = {packets, packets, packets * 100, packets * 100},
        .first_ns = 5,
        .last_ns = 7};

    assert_int_equal(ps_table_put_flow(t, &key, &value), 0);
}

static const struct ps_flow *find(struct ps_table *t, uint32_t n)
{
    const struct ps_flow_key key = key_of(n);

    return ps_table_find(t, &key);
}

static int setup(void **state)
{
    return ps_table_new(100000, 4, 42, (struct ps_table **)state);
}

static int teardown(void **state)
{
    ps_table_free((struct ps_table **)state);
    return *state ? -1 : 0;
}

static void test_empty(void **state)
{
    assert_null(find(*state, 1));
    assert_int_equal(ps_table_size(*state), 0);
    ps_table_begin(*state);
    ps_table_end(*state, S);
    assert_int_equal(ps_table_size(*state), 0);
}

static void test_many_come_and_go(void **state)
{
    const uint32_t n = 70000;

    ps_table_begin(*state);
    for (uint32_t i = 0; i < n; i++)
        put(*state, i, i);
    ps_table_end(*state, S);
    assert_int_equal(ps_table_size(*state), n);
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(find(*state, i)->value.rx.packets, i);

    /* Every third stays. */
    ps_table_begin(*state);
    for (uint32_t i = 0; i < n; i += 3)
        put(*state, i, i + 1);
    ps_table_end(*state, 2 * S);
    assert_int_equal(ps_table_size(*state), (n + 2) / 3);
    for (uint32_t i = 0; i < n; i++) {
        const struct ps_flow *flow = find(*state, i);

        assert_int_equal(flow != NULL, i % 3 == 0);
        if (flow)
            assert_int_equal(flow->value.rx.packets, i + 1);
    }
}

static void test_a_key_twice_is_one_flow(void **state)
{
    ps_table_begin(*state);
    put(*state, 1, 10);
    put(*state, 1, 11);
    ps_table_end(*state, S);
    assert_int_equal(ps_table_size(*state), 1);
    assert_int_equal(find(*state, 1)->value.rx.packets, 11);
}

static void test_bounds(void **state _unused_)
{
    const struct ps_flow_drop_key drop = {.flow = key_of(9)};
    const struct ps_drop_value value = {.packets = 1};
    const struct ps_flow_value zero = {0};
    struct ps_table *t;

    assert_int_equal(ps_table_new(3, 1, 1, &t), 0);
    ps_table_begin(t);
    for (uint32_t i = 0; i < 4; i++)
        put(t, i, 1);
    assert_int_equal(ps_table_put_flow(t, &drop.flow, &zero), -ENOSPC);
    assert_int_equal(ps_table_put_drop(t, &drop, &value), -ENOSPC);
    ps_table_end(t, S);
    assert_int_equal(ps_table_size(t), 4);
    ps_table_free(&t);
}

/* No rate from one reading; then the difference by the time. */
static void test_rates(void **state)
{
    ps_table_begin(*state);
    put(*state, 1, 100);
    ps_table_end(*state, 10 * S);
    assert_false(find(*state, 1)->has_rates);

    /* Too early for a rate: neither made nor lost. */
    ps_table_begin(*state);
    put(*state, 1, 150);
    put(*state, 2, 50);
    ps_table_end(*state, 10 * S + S / 2);
    assert_false(find(*state, 1)->has_rates);
    assert_int_equal(find(*state, 1)->value.rx.packets, 150);

    ps_table_begin(*state);
    put(*state, 1, 300);
    put(*state, 2, 60);
    ps_table_end(*state, 12 * S);
    assert_true(find(*state, 1)->has_rates);
    assert_true(find(*state, 1)->rates.rx_packets == 100);
    assert_true(find(*state, 1)->rates.rx_bytes == 10000);
    assert_true(find(*state, 1)->rates.tx_bytes == 0);
    /* It began between the two: all of it is new. */
    assert_true(find(*state, 2)->rates.rx_packets == 30);

    /* Removed and come again: counted from nothing, never negative. */
    ps_table_begin(*state);
    put(*state, 1, 300);
    put(*state, 2, 5);
    ps_table_end(*state, 13 * S);
    assert_true(find(*state, 1)->rates.rx_packets == 0);
    assert_true(find(*state, 2)->rates.rx_packets == 5);
}

static void test_drops(void **state)
{
    struct ps_flow_drop_key drop = {.flow = key_of(1), .location = 10};
    const struct ps_drop_value value = {
        .skbs = 3, .packets = 4, .first_ns = 2, .last_ns = 9};
    const struct ps_flow *flow;

    ps_table_begin(*state);
    put(*state, 1, 100);
    assert_int_equal(ps_table_put_drop(*state, &drop, &value), 0);
    drop.location = 11;
    assert_int_equal(ps_table_put_drop(*state, &drop, &value), 0);
    drop.flow = key_of(2);
    assert_int_equal(ps_table_put_drop(*state, &drop, &value), 0);
    ps_table_end(*state, S);

    flow = find(*state, 1);
    assert_true(flow->in_map);
    assert_int_equal(flow->dropped_packets, 8);
    assert_int_equal(flow->value.first_ns, 2);
    assert_int_equal(flow->value.last_ns, 9);
    assert_int_equal(ps_table_drop(*state, flow->first_drop)->key.location, 11);
    /* A flow of which nothing but drops was seen. */
    flow = find(*state, 2);
    assert_false(flow->in_map);
    assert_int_equal(flow->value.rx.packets, 0);
    assert_int_equal(flow->dropped_packets, 4);
    assert_int_equal(flow->value.last_ns, 9);

    /* The next reading starts from nothing. */
    ps_table_begin(*state);
    put(*state, 1, 100);
    ps_table_end(*state, 2 * S);
    assert_int_equal(find(*state, 1)->dropped_packets, 0);
    assert_int_equal(find(*state, 1)->first_drop, PS_TABLE_NONE);
    assert_null(find(*state, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_come_and_go, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_key_twice_is_one_flow, setup,
                                        teardown),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test_setup_teardown(test_rates, setup, teardown),
        cmocka_unit_test_setup_teardown(test_drops, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
