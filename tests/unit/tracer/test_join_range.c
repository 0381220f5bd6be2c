/* SPDX-License-Identifier: MIT */
/* TCP by its sequence: read, cut and merged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/tracer/join.h"

static void receive(struct ps_join *j, uint64_t time, uint64_t skb,
                    uint32_t seq, uint32_t len)
{
    assert_int_equal(add(j, tcp(PS_ST_NETIF_RECEIVE_SKB, time, skb, seq, len)),
                     PS_JOIN_STEP);
}

static void test_reader_by_bytes(void **state _unused_)
{
    struct ps_join *j = new_join(10);

    /* The sequence wraps between the second and the third. */
    receive(j, 1, 5, UINT32_MAX - 199, 100);
    receive(j, 2, 6, UINT32_MAX - 99, 100);
    receive(j, 3, 7, 0, 100);
    assert_int_equal(add(j, reader(4, UINT32_MAX - 199, 150)), PS_JOIN_STEP);
    assert_int_equal(ps_join_way(j, 0)->n_steps, 2);
    assert_int_equal(ps_join_way(j, 1)->n_steps, 2);
    assert_int_equal(ps_join_way(j, 2)->n_steps, 1);
    assert_true(nth(j, 0, 1)->inferred);
    assert_int_equal(add(j, reader(5, UINT32_MAX - 49, 150)), PS_JOIN_STEP);
    assert_int_equal(ps_join_way(j, 2)->n_steps, 2);
    /* One hit is one step, however many packets it stands in. */
    assert_int_equal(ps_join_count(j, PS_JOIN_STEP), 5);
    assert_int_equal(add(j, reader(6, 100, 1)), PS_JOIN_OTHER_BYTES);
    ps_join_free(&j);
}

static void test_reader_and_retransmission(void **state _unused_)
{
    struct ps_join *j = new_join(10);

    receive(j, 1, 5, 1000, 100);
    receive(j, 2, 6, 1100, 100);
    receive(j, 3, 7, 1100, 100); /* again: which of the two was read? */
    assert_int_equal(add(j, reader(4, 1000, 200)), PS_JOIN_STEP);
    assert_int_equal(ps_join_way(j, 0)->n_steps, 2);
    assert_int_equal(ps_join_way(j, 1)->n_steps, 1);
    assert_int_equal(ps_join_way(j, 2)->n_steps, 1);
    assert_int_equal(add(j, reader(5, 1150, 50)), PS_JOIN_AMBIGUOUS);
    ps_join_free(&j);
}

static void test_reader_elsewhere(void **state _unused_)
{
    struct ps_join *j = new_join(10);

    /* Only sent, in namespace 1: the reader is in 2. */
    add(j, tcp(PS_ST_NF_OUTPUT, 1, 5, 1000, 100));
    assert_int_equal(add(j, reader(2, 1000, 100)), PS_JOIN_OTHER_BYTES);
    ps_join_free(&j);
}

/* Of a stream some packets are in the trace: bytes of the others are not
 * theirs, nor are those that have the same numbers 4 GiB later. */
static void test_reader_of_some(void **state _unused_)
{
    struct ps_join *j = new_join(10);

    receive(j, 1, 5, 1000, 100);
    receive(j, 2, 6, 1300, 100);
    assert_int_equal(add(j, reader(3, 1100, 200)), PS_JOIN_OTHER_BYTES);
    assert_int_equal(add(j, reader(4, 900, 150)), PS_JOIN_STEP);
    assert_int_equal(add(j, reader(5, 1050, 400)), PS_JOIN_STEP);
    assert_int_equal(ps_join_way(j, 0)->n_steps, 3);
    assert_int_equal(ps_join_way(j, 1)->n_steps, 2);
    assert_int_equal(add(j, reader(6, 1000, 400)), PS_JOIN_OTHER_BYTES);
    assert_int_equal(ps_join_way(j, 0)->n_steps, 3);
    assert_int_equal(ps_join_way(j, 1)->n_steps, 2);
    assert_int_equal(ps_join_count(j, PS_JOIN_OTHER_BYTES), 2);
    ps_join_free(&j);
}

/* One call for what many packets brought; the sequence wraps among them, and
 * some were sent again. */
static void test_reader_of_many(void **state _unused_)
{
    const uint32_t n = 400, len = 1448, first = UINT32_MAX - 150 * len;
    struct ps_join *j = new_join(2 * n);

    for (uint32_t i = 0; i < n; i++)
        receive(j, 1 + i, 5 + i, first + i * len, len);
    receive(j, 500, 1000, first + 7 * len, len);
    receive(j, 501, 1001, first + 200 * len - 1, 2);
    assert_int_equal(add(j, reader(600, first, n * len)), PS_JOIN_STEP);
    for (uint32_t i = 0; i < n + 2; i++)
        assert_int_equal(ps_join_way(j, i)->n_steps,
                         i == 7 || i == 199 || i == 200 || i >= n ? 1 : 2);
    ps_join_free(&j);
}

/* More than a page of the stream, and over the end of its numbers. */
static void test_segments_of_a_long_packet(void **state _unused_)
{
    const uint32_t first = UINT32_MAX - 70000, len = 1000, n = 180;
    struct ps_join *j = new_join(10);

    add(j, tcp(PS_ST_NET_DEV_QUEUE, 1, 5, first, n * len));
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(add(j, tcp(PS_ST_NET_DEV_START_XMIT, 2 + i, 6 + i,
                                    first + i * len, len)),
                         PS_JOIN_STEP);
    assert_int_equal(ps_join_packets(j), 1);
    assert_int_equal(ps_join_way(j, 0)->n_steps, 1 + n);
    ps_join_free(&j);
}

static void test_segments_join_their_packet(void **state _unused_)
{
    struct ps_join *j = new_join(10);

    add(j, tcp(PS_ST_NET_DEV_QUEUE, 1, 5, 1000, 300));
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(add(j, tcp(PS_ST_NET_DEV_START_XMIT, 2 + i, 6 + i,
                                    1000 + 100 * i, 100)),
                         PS_JOIN_STEP);
    assert_int_equal(ps_join_packets(j), 1);
    assert_int_equal(ps_join_way(j, 0)->n_steps, 4);
    assert_true(nth(j, 0, 3)->inferred);
    ps_join_free(&j);
}

static void test_merged_buffer_joins_all(void **state _unused_)
{
    struct ps_join *j = new_join(10);

    for (uint32_t i = 0; i < 3; i++)
        add(j, tcp(PS_ST_NAPI_GRO_RECEIVE, 1 + i, 5 + i, 1000 + 100 * i, 100));
    assert_int_equal(add(j, tcp(PS_ST_NETIF_RECEIVE_SKB, 9, 5, 1000, 300)),
                     PS_JOIN_STEP);
    assert_int_equal(ps_join_packets(j), 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(ps_join_way(j, i)->n_steps, 2);
    /* The first is the buffer that the others were put into. */
    assert_false(nth(j, 0, 1)->inferred);
    assert_true(nth(j, 1, 1)->inferred);
    ps_join_free(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reader_by_bytes),
        cmocka_unit_test(test_reader_and_retransmission),
        cmocka_unit_test(test_reader_elsewhere),
        cmocka_unit_test(test_reader_of_some),
        cmocka_unit_test(test_reader_of_many),
        cmocka_unit_test(test_segments_of_a_long_packet),
        cmocka_unit_test(test_segments_join_their_packet),
        cmocka_unit_test(test_merged_buffer_joins_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
