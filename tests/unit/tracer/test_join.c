/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "tests/unit/tracer/join.h"
#include "tracer/station.h"

#define MS PS_NS_PER_MS

/* A way through two namespaces, as a plain veth shows it. */
static const uint8_t veth_way[] = {
    PS_ST_NF_OUTPUT,          PS_ST_NF_POSTROUTING, PS_ST_NET_DEV_QUEUE,
    PS_ST_NET_DEV_START_XMIT, PS_ST_NETIF_RX,       PS_ST_NET_DEV_XMIT,
    PS_ST_NETIF_RECEIVE_SKB,  PS_ST_NF_PREROUTING,  PS_ST_NF_INPUT,
};

static enum ps_free plain(const void *arg _unused_, const struct ps_step *s)
{
    return ps_station_free(s->station, NULL, NULL);
}

static enum ps_free freed_later(const void *arg, const struct ps_step *s)
{
    return s->station == PS_ST_CONSUME_SKB ? PS_FREE_LATER : plain(arg, s);
}

static enum ps_free reader_is_7(const void *arg, const struct ps_step *s)
{
    return s->location == 7 ? PS_FREE_READ : plain(arg, s);
}

static void test_bounds(void **state _unused_)
{
    struct ps_join *j = NULL;

    assert_int_equal(ps_join_new(0, &j), -EINVAL);
    assert_int_equal(ps_join_new(PS_JOIN_MAX_PACKETS + 1, &j), -EINVAL);
    assert_null(j);
    ps_join_free(&j);
}

static void test_same_buffer_is_one_packet(void **state _unused_)
{
    struct ps_join *j = new_join(10);

    for (size_t i = 0; i < sizeof(veth_way); i++)
        assert_int_equal(add(j, udp(veth_way[i], 100 + i, 5, 1)), PS_JOIN_STEP);
    assert_int_equal(ps_join_packets(j), 1);
    assert_int_equal(ps_join_way(j, 0)->n_steps, sizeof(veth_way));
    for (unsigned int i = 0; i < sizeof(veth_way); i++) {
        assert_int_equal(nth(j, 0, i)->station, veth_way[i]);
        assert_false(nth(j, 0, i)->inferred);
    }
    ps_join_free(&j);
}

/* The kernel takes the same memory for the next packet at once. */
static void test_reused_buffer_is_another_packet(void **state _unused_)
{
    struct ps_join *j = new_join(10);

    for (uint16_t id = 0; id < 5; id++)
        for (size_t i = 0; i < sizeof(veth_way); i++)
            add(j, udp(veth_way[i], id * 100u + i, 5, id));
    assert_int_equal(ps_join_packets(j), 5);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(ps_join_way(j, i)->n_steps, sizeof(veth_way));
    ps_join_free(&j);
}

/* Even with the same content: it does not pass the same place twice. */
static void test_twins_one_after_the_other(void **state _unused_)
{
    struct ps_join *j = new_join(10);

    for (uint64_t n = 0; n < 3; n++)
        for (size_t i = 0; i < sizeof(veth_way); i++)
            add(j, udp(veth_way[i], n * 100u + i, 5, 0));
    assert_int_equal(ps_join_packets(j), 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(ps_join_way(j, i)->n_steps, sizeof(veth_way));
    ps_join_free(&j);
}

static void test_new_buffer_is_inferred(void **state _unused_)
{
    struct ps_join *j = new_join(10);

    add(j, udp(PS_ST_NET_DEV_START_XMIT, 100, 5, 9));
    /* Native XDP copies it. */
    assert_int_equal(add(j, udp(PS_ST_NETIF_RECEIVE_SKB, 101, 6, 9)),
                     PS_JOIN_STEP);
    assert_int_equal(add(j, udp(PS_ST_NF_INPUT, 102, 6, 9)), PS_JOIN_STEP);
    assert_int_equal(ps_join_packets(j), 1);
    assert_true(nth(j, 0, 1)->inferred);
    /* From then on the new buffer is its identity. */
    assert_false(nth(j, 0, 2)->inferred);
    ps_join_free(&j);
}

static void test_two_that_fit_get_nothing(void **state _unused_)
{
    struct ps_join *j = new_join(10);

    add(j, udp(PS_ST_NF_OUTPUT, 100, 5, 0));
    add(j, udp(PS_ST_NF_OUTPUT, 101, 6, 0));
    assert_int_equal(add(j, udp(PS_ST_NETIF_RECEIVE_SKB, 102, 7, 0)),
                     PS_JOIN_AMBIGUOUS);
    assert_int_equal(ps_join_packets(j), 2);
    assert_int_equal(ps_join_way(j, 0)->n_steps, 1);
    assert_int_equal(ps_join_way(j, 1)->n_steps, 1);
    assert_int_equal(ps_join_count(j, PS_JOIN_AMBIGUOUS), 1);
    ps_join_free(&j);
}

/* A copy: its original ended on the same CPU just before. */
static void test_twins_that_are_copied(void **state _unused_)
{
    struct ps_join *j = new_join(10);
    struct ps_tracer_event e;

    for (uint64_t i = 0; i < 4; i++)
        add(j, udp(PS_ST_NF_OUTPUT, 100 + i, 5 + i, 0));
    for (uint64_t i = 0; i < 4; i++) {
        e = udp(PS_ST_CONSUME_SKB, 200 + 10 * i, 5 + i, 0);
        e.lost = 1;
        add(j, e);
        e = udp(PS_ST_NETIF_RECEIVE_SKB, 201 + 10 * i, 50 + i, 0);
        e.flags |= PS_EF_FIRST;
        e.lost = i == 1 ? 2 : 1; /* what was between, nobody knows */
        e.cpu = i == 2;          /* elsewhere */
        assert_int_equal(add(j, e), i % 3 ? PS_JOIN_AMBIGUOUS : PS_JOIN_STEP);
    }
    assert_int_equal(ps_join_packets(j), 4);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(ps_join_way(j, i)->n_steps, i % 3 ? 2 : 3);
    assert_true(nth(j, 3, 2)->inferred);
    ps_join_free(&j);
}

static void test_other_hash_is_another_packet(void **state _unused_)
{
    struct ps_join *j = new_join(10);
    struct ps_tracer_event e = udp(PS_ST_NETIF_RECEIVE_SKB, 102, 7, 0);

    add(j, udp(PS_ST_NF_OUTPUT, 100, 5, 0));
    e.hash = 78;
    assert_int_equal(add(j, e), PS_JOIN_STEP);
    assert_int_equal(ps_join_packets(j), 2);
    ps_join_free(&j);
}

static void test_window(void **state _unused_)
{
    struct ps_join *j = new_join(10);

    add(j, udp(PS_ST_NET_DEV_START_XMIT, 100, 5, 9));
    add(j, udp(PS_ST_NETIF_RECEIVE_SKB, 101 + PS_JOIN_WINDOW_NS, 6, 9));
    assert_int_equal(ps_join_packets(j), 2);
    ps_join_free(&j);
}

static void test_steps_are_in_order_of_time(void **state _unused_)
{
    struct ps_join *j = new_join(10);

    add(j, udp(PS_ST_NF_OUTPUT, 100, 5, 1));
    add(j, udp(PS_ST_NET_DEV_XMIT, 103, 5, 1));
    add(j, udp(PS_ST_NETIF_RX, 102, 5, 1)); /* from another CPU's ring */
    assert_int_equal(nth(j, 0, 1)->station, PS_ST_NETIF_RX);
    assert_int_equal(nth(j, 0, 2)->station, PS_ST_NET_DEV_XMIT);
    add(j, udp(PS_ST_NET_DEV_QUEUE, 99, 5, 1));
    add(j, udp(PS_ST_NETIF_RECEIVE_SKB, 103, 5, 1));
    add(j, udp(PS_ST_NF_INPUT, 105, 5, 1));
    add(j, udp(PS_ST_NF_PREROUTING, 104, 5, 1));
    assert_int_equal(nth(j, 0, 0)->station, PS_ST_NET_DEV_QUEUE);
    assert_int_equal(nth(j, 0, 4)->station, PS_ST_NETIF_RECEIVE_SKB);
    assert_int_equal(nth(j, 0, 5)->station, PS_ST_NF_PREROUTING);
    assert_int_equal(nth(j, 0, 6)->station, PS_ST_NF_INPUT);
    assert_null(nth(j, 0, 7));
    ps_join_free(&j);
}

static void test_busy_driver_is_asked_again(void **state _unused_)
{
    struct ps_join *j = new_join(10);
    struct ps_tracer_event e;

    add(j, udp(PS_ST_NET_DEV_START_XMIT, 100, 5, 1));
    e = udp(PS_ST_NET_DEV_XMIT, 101, 5, 1);
    e.reason = 16;
    add(j, e);
    assert_int_equal(add(j, udp(PS_ST_NET_DEV_START_XMIT, 102, 5, 1)),
                     PS_JOIN_STEP);
    assert_int_equal(ps_join_packets(j), 1);
    assert_int_equal(ps_join_way(j, 0)->n_steps, 3);
    ps_join_free(&j);
}

static void test_limit(void **state _unused_)
{
    struct ps_join *j = new_join(2);
    struct ps_tracer_event e = udp(PS_ST_NF_OUTPUT, 103, 8, 4);

    add(j, udp(PS_ST_NF_OUTPUT, 100, 5, 1));
    add(j, udp(PS_ST_NF_OUTPUT, 101, 6, 2));
    assert_int_equal(add(j, udp(PS_ST_NF_OUTPUT, 102, 7, 3)),
                     PS_JOIN_PACKET_LIMIT);
    /* What runs goes on. */
    assert_int_equal(add(j, udp(PS_ST_NET_DEV_QUEUE, 103, 5, 1)), PS_JOIN_STEP);
    assert_int_equal(ps_join_add(j, &e, false), PS_JOIN_PACKET_LIMIT);
    assert_int_equal(ps_join_packets(j), 2);
    ps_join_free(&j);
}

/* Packets beyond the limit cost little: they are known by their number, and
 * once none of the kept ones moved for long, nothing is looked for. */
static void test_beyond_the_limit(void **state _unused_)
{
    struct ps_join *j = new_join(1);
    struct ps_tracer_event e = udp(PS_ST_NF_OUTPUT, 101, 6, 1);

    add(j, udp(PS_ST_NF_OUTPUT, 100, 5, 1));
    e.id = 17;
    assert_int_equal(add(j, e), PS_JOIN_PACKET_LIMIT);
    /* It fits the first by content; its number says that it is another. */
    e.station = PS_ST_NET_DEV_QUEUE;
    assert_int_equal(add(j, e), PS_JOIN_PACKET_LIMIT);
    assert_int_equal(add(j, udp(PS_ST_NET_DEV_QUEUE, 102, 5, 1)), PS_JOIN_STEP);
    assert_int_equal(ps_join_way(j, 0)->n_steps, 2);
    assert_int_equal(
        add(j, udp(PS_ST_NET_DEV_XMIT, 103 + PS_JOIN_CLOSED_NS, 5, 1)),
        PS_JOIN_PACKET_LIMIT);
    e = reader(104 + PS_JOIN_CLOSED_NS, 0, 10);
    assert_int_equal(add(j, e), PS_JOIN_OTHER_BYTES);
    assert_int_equal(ps_join_count(j, PS_JOIN_PACKET_LIMIT), 3);
    ps_join_free(&j);
}

static void test_too_many_steps(void **state _unused_)
{
    struct ps_join *j = new_join(1);

    add(j, udp(PS_ST_NF_OUTPUT, 1, 5, 1));
    for (unsigned int i = 1; i < PS_JOIN_WAY_STEPS; i++)
        assert_int_equal(add(j, udp(PS_ST_CONSUME_SKB, 1 + i, 5, 1)),
                         PS_JOIN_STEP);
    assert_int_equal(add(j, udp(PS_ST_CONSUME_SKB, 999, 5, 1)),
                     PS_JOIN_STEP_LIMIT);
    assert_int_equal(ps_join_count(j, PS_JOIN_STEP), PS_JOIN_WAY_STEPS);
    ps_join_free(&j);
}

static void test_no_beginning(void **state _unused_)
{
    struct ps_join *j = new_join(2);

    assert_int_equal(add(j, udp(PS_ST_CONSUME_SKB, 1, 5, 1)),
                     PS_JOIN_NO_PACKET);
    assert_int_equal(add(j, udp(PS_ST_NET_DEV_XMIT, 1, 5, 1)),
                     PS_JOIN_NO_PACKET);
    assert_int_equal(ps_join_packets(j), 0);
    /* A drop is worth a packet of its own. */
    assert_int_equal(add(j, udp(PS_ST_KFREE_SKB, 1, 5, 1)), PS_JOIN_STEP);
    assert_int_equal(ps_join_drops(j, plain, NULL), 1);
    ps_join_free(&j);
}

/* Freed by another CPU: of what was at a socket, its reader was done with it;
 * of all else nothing is known. */
static void test_fate_of_what_is_freed_later(void **state _unused_)
{
    struct ps_join *j = new_join(10);

    add(j, udp(PS_ST_NET_DEV_START_XMIT, 1, 5, 1));
    add(j, udp(PS_ST_NETIF_RECEIVE_SKB, 2, 5, 1));
    add(j, udp(PS_ST_NF_INPUT, 3, 5, 1));
    /* The driver's return is late. */
    add(j, udp(PS_ST_NET_DEV_XMIT, 20, 5, 1));
    assert_string_equal(ps_join_fate(j, ps_join_way(j, 0), freed_later, NULL),
                        "sent");
    add(j, udp(PS_ST_CONSUME_SKB, 30, 5, 1));
    assert_string_equal(ps_join_fate(j, ps_join_way(j, 0), freed_later, NULL),
                        "delivered");
    add(j, udp(PS_ST_NF_OUTPUT, 1, 6, 2));
    add(j, udp(PS_ST_NET_DEV_XMIT, 2, 6, 2));
    add(j, udp(PS_ST_CONSUME_SKB, 3, 6, 2));
    assert_string_equal(ps_join_fate(j, ps_join_way(j, 1), freed_later, NULL),
                        "sent");
    /* Out of a tunnel, and sent on. */
    add(j, udp(PS_ST_NF_INPUT, 1, 7, 3));
    add(j, udp(PS_ST_NET_DEV_QUEUE, 2, 7, 3));
    add(j, udp(PS_ST_CONSUME_SKB, 3, 7, 3));
    assert_null(ps_join_fate(j, ps_join_way(j, 2), freed_later, NULL));
    ps_join_free(&j);
}

static void test_fate(void **state _unused_)
{
    struct ps_join *j = new_join(10);
    struct ps_tracer_event e = udp(PS_ST_CONSUME_SKB, 6, 8, 4);

    add(j, udp(PS_ST_NF_OUTPUT, 1, 5, 1));
    assert_null(ps_join_fate(j, ps_join_way(j, 0), plain, NULL));
    add(j, udp(PS_ST_NET_DEV_XMIT, 2, 5, 1));
    assert_string_equal(ps_join_fate(j, ps_join_way(j, 0), plain, NULL),
                        "sent");
    add(j, udp(PS_ST_NETIF_RECEIVE_SKB, 3, 5, 1));
    assert_null(ps_join_fate(j, ps_join_way(j, 0), plain, NULL));
    add(j, udp(PS_ST_KFREE_SKB, 4, 5, 1));
    assert_string_equal(ps_join_fate(j, ps_join_way(j, 0), plain, NULL),
                        "dropped");

    add(j, udp(PS_ST_NF_FORWARD, 5, 6, 2));
    add(j, udp(PS_ST_NET_DEV_XMIT, 6, 6, 2));
    assert_string_equal(ps_join_fate(j, ps_join_way(j, 1), plain, NULL),
                        "forwarded");

    add(j, udp(PS_ST_NF_INPUT, 5, 8, 4));
    e.location = 7;
    add(j, e);
    assert_null(ps_join_fate(j, ps_join_way(j, 2), plain, NULL));
    assert_string_equal(ps_join_fate(j, ps_join_way(j, 2), reader_is_7, NULL),
                        "delivered");
    /* A copy of what was delivered is freed by the kernel: no loss. */
    add(j, udp(PS_ST_KFREE_SKB, 6, 8, 4));
    assert_int_equal(ps_join_drops(j, plain, NULL), 2);
    assert_int_equal(ps_join_drops(j, reader_is_7, NULL), 1);
    ps_join_free(&j);
}

static void test_unknown_station(void **state _unused_)
{
    struct ps_join *j = new_join(1);
    struct ps_tracer_event e = udp(PS_ST_NF_OUTPUT, 1, 5, 1);

    e.station = PS_ST_MAX;
    assert_int_equal(add(j, e), PS_JOIN_NO_PACKET);
    e.station = 0;
    assert_int_equal(add(j, e), PS_JOIN_NO_PACKET);
    ps_join_free(&j);
}

/* Ten thousand packets, their stations interleaved over 64 buffers: each way
 * is whole and holds nothing of another's. */
static void test_interleaved(void **state _unused_)
{
    struct ps_join *j = new_join(PS_JOIN_MAX_PACKETS);
    const uint32_t wide = 64;

    for (uint32_t base = 0; base + wide <= PS_JOIN_MAX_PACKETS; base += wide)
        for (size_t i = 0; i < sizeof(veth_way); i++)
            for (uint32_t k = 0; k < wide; k++)
                add(j, udp(veth_way[i], base * MS + i * 1000 + k, 1000 + k,
                           (uint16_t)(base + k)));
    assert_int_equal(ps_join_packets(j), PS_JOIN_MAX_PACKETS / wide * wide);
    for (uint32_t i = 0; i < ps_join_packets(j); i++) {
        assert_int_equal(ps_join_way(j, i)->n_steps, sizeof(veth_way));
        assert_int_equal(ps_join_way(j, i)->first.ip_id, i);
    }
    ps_join_free(&j);
}

static const struct {
    unsigned int station;
    const char *function, *reason;
    enum ps_free want;
} frees[] = {
    {PS_ST_CONSUME_SKB, "skb_consume_udp", NULL, PS_FREE_READ},
    {PS_ST_CONSUME_SKB, "icmp_rcv.isra.0", NULL, PS_FREE_READ},
    {PS_ST_CONSUME_SKB, "skb_defer_free_flush", NULL, PS_FREE_LATER},
    {PS_ST_CONSUME_SKB, "icmp_rcv_other", NULL, PS_FREE_UNKNOWN},
    {PS_ST_CONSUME_SKB, "skb_consume", NULL, PS_FREE_UNKNOWN},
    {PS_ST_CONSUME_SKB, NULL, NULL, PS_FREE_UNKNOWN},
    {PS_ST_NET_DEV_QUEUE, "icmp_rcv", NULL, PS_FREE_UNKNOWN},
    {PS_ST_KFREE_SKB, NULL, NULL, PS_FREE_LOSS},
    {PS_ST_KFREE_SKB, "nf_hook_slow", "NETFILTER_DROP", PS_FREE_LOSS},
    /* A listener's copy, not the packet. */
    {PS_ST_KFREE_SKB, "raw_rcv", "SOCKET_FILTER", PS_FREE_UNKNOWN},
    {PS_ST_KFREE_SKB, "rawv6_rcv", "SOCKET_FILTER", PS_FREE_UNKNOWN},
    /* Old kernels free so what they have handled. */
    {PS_ST_KFREE_SKB, "icmpv6_rcv", NULL, PS_FREE_UNKNOWN},
    {PS_ST_KFREE_SKB, "icmpv6_rcv", "NOT_SPECIFIED", PS_FREE_UNKNOWN},
    {PS_ST_KFREE_SKB, "icmpv6_rcv", "ICMP_CSUM", PS_FREE_LOSS},
};

static void test_station_table(void **state _unused_)
{
    assert_null(ps_station_get(0));
    assert_null(ps_station_get(PS_ST_MAX));
    for (unsigned int i = 1; i < PS_ST_MAX; i++) {
        assert_non_null(ps_station_get(i));
        assert_non_null(ps_station_get(i)->layer);
    }
    assert_string_equal(ps_station_get(PS_ST_NF_INPUT)->name,
                        "netfilter:input");
    assert_string_equal(ps_station_get(PS_ST_NET_DEV_QUEUE)->layer, "qdisc");
    assert_string_equal(ps_station_get(PS_ST_COPY_DATAGRAM)->layer,
                        "application");
    for (size_t i = 0; i < ARRAY_SIZE(frees); i++)
        assert_int_equal(ps_station_free(frees[i].station, frees[i].function,
                                         frees[i].reason),
                         frees[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_same_buffer_is_one_packet),
        cmocka_unit_test(test_reused_buffer_is_another_packet),
        cmocka_unit_test(test_twins_one_after_the_other),
        cmocka_unit_test(test_new_buffer_is_inferred),
        cmocka_unit_test(test_two_that_fit_get_nothing),
        cmocka_unit_test(test_twins_that_are_copied),
        cmocka_unit_test(test_other_hash_is_another_packet),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_steps_are_in_order_of_time),
        cmocka_unit_test(test_busy_driver_is_asked_again),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_beyond_the_limit),
        cmocka_unit_test(test_too_many_steps),
        cmocka_unit_test(test_no_beginning),
        cmocka_unit_test(test_fate),
        cmocka_unit_test(test_fate_of_what_is_freed_later),
        cmocka_unit_test(test_unknown_station),
        cmocka_unit_test(test_interleaved),
        cmocka_unit_test(test_station_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
