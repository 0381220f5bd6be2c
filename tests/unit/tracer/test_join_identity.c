/* SPDX-License-Identifier: MIT */
/* One packet under several names: translations, tunnels, numbers of the kernel,
 * datagrams that were cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "tracer/join.h"
#include "tracer/station.h"

static struct ps_tracer_tuple tuple(uint8_t from, uint16_t sport, uint8_t to,
                                    uint16_t dport, uint8_t proto)
{
    struct ps_tracer_tuple t = {.saddr = {10, 0, 0, from},
                                .daddr = {10, 0, 0, to},
                                .sport = sport,
                                .dport = dport,
                                .family = 4,
                                .proto = proto};

    return t;
}

/* Before and behind a masquerading router, and the tunnel's. */
static struct ps_tracer_tuple private(uint8_t proto)
{
    return tuple(1, 1000, 9, 80, proto);
}

static struct ps_tracer_tuple public(uint8_t proto)
{
    return tuple(2, 40000, 9, 80, proto);
}

static struct ps_tracer_tuple outer(void)
{
    return tuple(101, 55555, 102, 4789, IPPROTO_UDP);
}

static struct ps_tracer_event event(uint8_t station,
                                    struct ps_tracer_tuple names, uint64_t time,
                                    uint64_t skb)
{
    struct ps_tracer_event e = {
        .time = time,
        .skb = skb,
        .head = skb + 1,
        .netns = 1,
        .ifindex = (uint32_t)time,
        .len = 128,
        .packets = 1,
        .payload = 100,
        .ip_id = 7,
        .station = station,
        .tuple = names,
    };

    return e;
}

static struct ps_tracer_event segment(uint8_t station,
                                      struct ps_tracer_tuple names,
                                      uint64_t time, uint64_t skb, uint32_t seq,
                                      uint32_t len)
{
    struct ps_tracer_event e = event(station, names, time, skb);

    e.seq = seq;
    e.payload = len;
    return e;
}

static struct ps_tracer_event natted(struct ps_tracer_event e,
                                     struct ps_tracer_tuple other)
{
    e.flags |= PS_EF_NAT;
    e.other = other;
    return e;
}

static struct ps_tracer_event in_tunnel(struct ps_tracer_event e)
{
    e.flags |= PS_EF_INNER;
    e.other = e.tuple;
    e.tuple = outer();
    return e;
}

static struct ps_join *new_join(void)
{
    struct ps_join *j = NULL;

    assert_int_equal(ps_join_new(100, &j), 0);
    return j;
}

static enum ps_join_result add(struct ps_join *j, struct ps_tracer_event e)
{
    return ps_join_add(j, &e, true);
}

static const struct ps_step *last(const struct ps_join *j, uint32_t way)
{
    const struct ps_step *s = ps_join_step(j, ps_join_way(j, way)->steps), *n;

    while ((n = ps_join_step(j, s->next)))
        s = n;
    return s;
}

/* ---- translations ------------------------------------------------------- */

static void test_nat_by_the_connection(void **state _unused_)
{
    struct ps_tracer_tuple one = private(IPPROTO_UDP);
    struct ps_tracer_tuple two = public(IPPROTO_UDP);
    const struct ps_tracer_tuple *names[PS_JOIN_MAX_NAMES];
    struct ps_join *j = new_join();
    struct ps_tracer_event e;

    add(j, event(PS_ST_NF_OUTPUT, one, 1, 5));
    add(j, event(PS_ST_NETIF_RECEIVE_SKB, one, 2, 5));
    add(j, event(PS_ST_NF_POSTROUTING, one, 3, 5));
    /* The same buffer: its connection says who it was. */
    assert_int_equal(add(j, natted(event(PS_ST_NET_DEV_QUEUE, two, 4, 5), one)),
                     PS_JOIN_STEP);
    assert_false(last(j, 0)->inferred);
    /* In the next namespace nothing says so, and the buffer is another. */
    assert_int_equal(add(j, event(PS_ST_NETIF_RECEIVE_SKB, two, 5, 77)),
                     PS_JOIN_STEP);
    assert_true(last(j, 0)->inferred);
    assert_int_equal(add(j, event(PS_ST_NF_INPUT, two, 6, 77)), PS_JOIN_STEP);
    assert_false(last(j, 0)->inferred);
    assert_int_equal(ps_join_packets(j), 1);
    assert_int_equal(ps_join_way(j, 0)->n_steps, 6);
    assert_int_equal(ps_join_names(j, &two, names), 2);
    assert_memory_equal(names[1], &one, sizeof(one));
    /* Another connection's packet with the same content is another packet. */
    e = event(PS_ST_NET_DEV_QUEUE, tuple(3, 1, 9, 80, IPPROTO_UDP), 7, 8);
    add(j, e);
    assert_int_equal(ps_join_packets(j), 2);
    ps_join_free(&j);
}

static void test_nat_without_a_word(void **state _unused_)
{
    struct ps_join *j = new_join();

    add(j, event(PS_ST_NF_POSTROUTING, private(IPPROTO_UDP), 3, 5));
    /* Same buffer, same content, other addresses: nobody says that it is. */
    add(j, event(PS_ST_NET_DEV_QUEUE, public(IPPROTO_UDP), 4, 5));
    assert_int_equal(ps_join_packets(j), 2);
    ps_join_free(&j);
}

static void test_nat_known_beforehand(void **state _unused_)
{
    struct ps_tracer_tuple one = private(IPPROTO_TCP);
    struct ps_tracer_tuple two = public(IPPROTO_TCP);
    struct ps_join *j = new_join();

    ps_join_learn(j, &one, &two);
    add(j, segment(PS_ST_NF_OUTPUT, one, 1, 5, 1000, 100));
    add(j, segment(PS_ST_NETIF_RECEIVE_SKB, two, 2, 6, 1000, 100));
    assert_int_equal(ps_join_packets(j), 1);
    ps_join_free(&j);
}

static void test_two_routers(void **state _unused_)
{
    struct ps_tracer_tuple a = private(IPPROTO_UDP), b = public(IPPROTO_UDP);
    struct ps_tracer_tuple c = tuple(3, 50000, 9, 80, IPPROTO_UDP);
    const struct ps_tracer_tuple *names[PS_JOIN_MAX_NAMES];
    struct ps_join *j = new_join();

    add(j, event(PS_ST_NF_OUTPUT, a, 1, 5));
    add(j, natted(event(PS_ST_NET_DEV_QUEUE, b, 2, 6), a));
    add(j, natted(event(PS_ST_NET_DEV_QUEUE, c, 3, 7), b));
    add(j, event(PS_ST_NETIF_RECEIVE_SKB, c, 4, 8));
    assert_int_equal(ps_join_packets(j), 1);
    assert_int_equal(ps_join_way(j, 0)->n_steps, 4);
    assert_int_equal(ps_join_names(j, &a, names), 3);
    ps_join_free(&j);
}

static void test_ping_with_another_id(void **state _unused_)
{
    struct ps_tracer_tuple one = tuple(1, 0, 9, 0, IPPROTO_ICMP);
    struct ps_tracer_tuple two = tuple(2, 0, 9, 0, IPPROTO_ICMP);
    struct ps_tracer_event e = event(PS_ST_NF_OUTPUT, one, 1, 5);
    struct ps_join *j = new_join();

    e.ack = (17u << 16) | (8u << 8);
    add(j, e);
    e = natted(event(PS_ST_NET_DEV_QUEUE, two, 2, 5), one);
    e.ack = (18u << 16) | (8u << 8);
    add(j, e);
    assert_int_equal(ps_join_packets(j), 1);
    /* Without a translation another id is another ping. */
    e = event(PS_ST_NETIF_RECEIVE_SKB, one, 3, 6);
    e.ack = (19u << 16) | (8u << 8);
    add(j, e);
    assert_int_equal(ps_join_packets(j), 2);
    ps_join_free(&j);
}

/* Under its two names two packets fit: it is told of neither. */
static void test_two_names_that_fit(void **state _unused_)
{
    struct ps_tracer_tuple one = private(IPPROTO_UDP);
    struct ps_tracer_tuple two = public(IPPROTO_UDP);
    struct ps_join *j = new_join();

    add(j, event(PS_ST_NF_OUTPUT, one, 1, 5));
    add(j, event(PS_ST_NF_OUTPUT, two, 2, 6));
    ps_join_learn(j, &one, &two);
    assert_int_equal(add(j, event(PS_ST_NETIF_RECEIVE_SKB, two, 3, 7)),
                     PS_JOIN_AMBIGUOUS);
    assert_int_equal(ps_join_packets(j), 2);
    ps_join_free(&j);
}

static void test_bytes_behind_a_translation(void **state _unused_)
{
    struct ps_tracer_tuple one = private(IPPROTO_TCP);
    struct ps_tracer_tuple two = public(IPPROTO_TCP);
    struct ps_tracer_event e;
    struct ps_join *j = new_join();

    ps_join_learn(j, &two, &one);
    for (uint32_t i = 0; i < 3; i++)
        add(j,
            segment(PS_ST_NF_OUTPUT, one, 1 + i, 5 + i, 1000 + 100 * i, 100));
    /* Merged, behind the router; then read there. */
    assert_int_equal(
        add(j, segment(PS_ST_NETIF_RECEIVE_SKB, two, 9, 20, 1000, 300)),
        PS_JOIN_STEP);
    e = segment(PS_ST_COPY_DATAGRAM, two, 10, 20, 1100, 100);
    e.flags = PS_EF_RANGE;
    assert_int_equal(add(j, e), PS_JOIN_STEP);
    assert_int_equal(ps_join_way(j, 0)->n_steps, 2);
    assert_int_equal(ps_join_way(j, 1)->n_steps, 3);
    assert_int_equal(ps_join_way(j, 2)->n_steps, 2);
    ps_join_free(&j);
}

static void test_links_are_bounded(void **state _unused_)
{
    const struct ps_tracer_tuple *names[PS_JOIN_MAX_NAMES];
    struct ps_tracer_tuple a = private(IPPROTO_UDP), b = a;
    struct ps_join *j = new_join();

    for (uint16_t i = 1; i < 20; i++) {
        b.sport = (uint16_t)(a.sport + i);
        ps_join_learn(j, &a, &b);
        ps_join_learn(j, &b, &a);
    }
    assert_int_equal(ps_join_names(j, &a, names), PS_JOIN_MAX_NAMES);
    /* Both orders of each pair that did not fit. */
    assert_int_equal(ps_join_links_full(j), 2 * (20 - PS_JOIN_MAX_NAMES));
    for (uint32_t i = 0; i < PS_JOIN_MAX_LINKS; i++) {
        a.dport = (uint16_t)i;
        a.daddr[0] = (uint8_t)(i >> 16);
        b = a;
        b.saddr[0] = 172;
        ps_join_learn(j, &a, &b);
    }
    assert_true(ps_join_links_full(j) > PS_JOIN_MAX_LINKS / 2);
    ps_join_free(&j);
}

/* ---- tunnels ------------------------------------------------------------ */

static void test_into_a_tunnel_and_out(void **state _unused_)
{
    struct ps_tracer_tuple in = private(IPPROTO_TCP);
    struct ps_join *j = new_join();

    add(j, segment(PS_ST_NF_OUTPUT, in, 1, 5, 1000, 100));
    add(j, segment(PS_ST_NET_DEV_START_XMIT, in, 2, 5, 1000, 100));
    /* What the tunnel's device hands to the stack begins nothing. */
    assert_int_equal(
        add(j, in_tunnel(segment(PS_ST_NF_OUTPUT, in, 3, 5, 1000, 100))),
        PS_JOIN_STEP);
    assert_int_equal(add(j, in_tunnel(segment(PS_ST_NETIF_RECEIVE_SKB, in, 4, 6,
                                              1000, 100))),
                     PS_JOIN_STEP);
    assert_true(last(j, 0)->inferred);
    assert_true(last(j, 0)->flags & PS_EF_INNER);
    assert_int_equal(
        add(j, segment(PS_ST_NETIF_RECEIVE_SKB, in, 5, 6, 1000, 100)),
        PS_JOIN_STEP);
    assert_int_equal(ps_join_packets(j), 1);
    assert_int_equal(ps_join_way(j, 0)->n_steps, 5);
    ps_join_free(&j);
}

/* First seen in its tunnel; and two in one tunnel stay two. */
static void test_seen_in_a_tunnel_first(void **state _unused_)
{
    struct ps_tracer_tuple a = private(IPPROTO_UDP), b = public(IPPROTO_UDP);
    struct ps_join *j = new_join();

    add(j, in_tunnel(event(PS_ST_NETIF_RECEIVE_SKB, a, 1, 5)));
    add(j, in_tunnel(event(PS_ST_NETIF_RECEIVE_SKB, b, 2, 6)));
    assert_int_equal(ps_join_packets(j), 2);
    add(j, event(PS_ST_NETIF_RECEIVE_SKB, b, 3, 7));
    assert_int_equal(ps_join_packets(j), 2);
    assert_int_equal(ps_join_way(j, 0)->n_steps, 1);
    assert_int_equal(ps_join_way(j, 1)->n_steps, 2);
    ps_join_free(&j);
}

static void test_cut_in_a_tunnel(void **state _unused_)
{
    struct ps_tracer_tuple in = private(IPPROTO_TCP);
    struct ps_join *j = new_join();

    add(j, segment(PS_ST_NET_DEV_QUEUE, in, 1, 5, 1000, 300));
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(
            add(j, in_tunnel(segment(PS_ST_NET_DEV_START_XMIT, in, 2 + i, 6 + i,
                                     1000 + 100 * i, 100))),
            PS_JOIN_STEP);
    assert_int_equal(ps_join_packets(j), 1);
    assert_int_equal(ps_join_way(j, 0)->n_steps, 4);
    ps_join_free(&j);
}

/* ---- numbers of the kernel ---------------------------------------------- */

static void test_the_kernels_number(void **state _unused_)
{
    struct ps_join *j = new_join();
    struct ps_tracer_event e =
        event(PS_ST_NF_OUTPUT, private(IPPROTO_UDP), 1, 5);

    e.id = 4711;
    add(j, e);
    /* Another head, and addresses that nothing explains: still it. */
    e = event(PS_ST_NET_DEV_QUEUE, public(IPPROTO_UDP), 2, 5);
    e.head = 99;
    e.id = 4711;
    e.flags = PS_EF_FOLLOWED;
    assert_int_equal(add(j, e), PS_JOIN_STEP);
    assert_false(last(j, 0)->inferred);
    assert_int_equal(ps_join_packets(j), 1);
    /* Merged with others it has its number, but holds more. */
    e = event(PS_ST_NETIF_RECEIVE_SKB, private(IPPROTO_UDP), 3, 5);
    e.id = 4711;
    e.payload = 300;
    add(j, e);
    assert_int_equal(ps_join_packets(j), 2);
    ps_join_free(&j);
}

/* What matched nothing begins nothing. */
static void test_followed_begins_nothing(void **state _unused_)
{
    struct ps_join *j = new_join();
    struct ps_tracer_event e =
        event(PS_ST_NETIF_RECEIVE_SKB, private(IPPROTO_UDP), 1, 5);

    e.flags = PS_EF_FOLLOWED;
    assert_int_equal(add(j, e), PS_JOIN_NO_PACKET);
    assert_int_equal(ps_join_packets(j), 0);
    ps_join_free(&j);
}

/* A function told of the packet before its stations did: it is the same one, by
 * its buffer, and nothing of it fits two. */
static void test_a_function_tells_first(void **state _unused_)
{
    struct ps_join *j = new_join();
    struct ps_tracer_event e =
        event(PS_ST_FUNCTION, private(IPPROTO_ICMP), 1, 5);
    uint32_t way = PS_JOIN_NONE;

    assert_int_equal(ps_join_sight(j, &e, true, &way), PS_JOIN_STEP);
    assert_int_equal(way, 0);
    e = event(PS_ST_NF_OUTPUT, private(IPPROTO_ICMP), 2, 5);
    e.id = 4711;
    assert_int_equal(add(j, e), PS_JOIN_STEP);
    assert_false(last(j, 0)->inferred);
    /* A copy is seen. */
    e = event(PS_ST_FUNCTION, private(IPPROTO_ICMP), 3, 6);
    assert_int_equal(ps_join_sight(j, &e, true, &way), PS_JOIN_STEP);
    assert_int_equal(way, 0);
    assert_int_equal(ps_join_packets(j), 1);
    /* What begins there now is not it: it has begun. */
    add(j, event(PS_ST_NF_OUTPUT, private(IPPROTO_ICMP), 4, 6));
    assert_int_equal(ps_join_packets(j), 2);
    ps_join_free(&j);
}

/* The same content in the same buffer, of which nothing but a function was seen
 * long ago: another packet begins. */
static void test_a_function_told_of_another(void **state _unused_)
{
    struct ps_join *j = new_join();
    struct ps_tracer_event e =
        event(PS_ST_FUNCTION, private(IPPROTO_ICMP), 1, 5);
    uint32_t way = PS_JOIN_NONE;

    ps_join_sight(j, &e, true, &way);
    add(j,
        event(PS_ST_NF_OUTPUT, private(IPPROTO_ICMP), PS_JOIN_TOLD_NS + 2, 5));
    assert_int_equal(ps_join_packets(j), 2);
    ps_join_free(&j);
}

/* ---- datagrams that were cut -------------------------------------------- */

static struct ps_tracer_event datagram(uint8_t family, uint64_t time,
                                       uint16_t id, uint32_t packets)
{
    struct ps_tracer_event e =
        event(packets > 1 ? PS_ST_NET_DEV_QUEUE : PS_ST_NET_DEV_START_XMIT,
              private(IPPROTO_UDP), time, time);

    e.tuple.family = family;
    e.ifindex = 3;
    e.ip_id = id;
    e.packets = packets;
    e.payload = 100 * packets;
    return e;
}

static void test_datagrams_of_one_buffer(void **state _unused_)
{
    struct ps_join *j = new_join();

    add(j, datagram(4, 1, 65534, 4));
    add(j, datagram(4, 2, 100, 4));
    for (uint16_t i = 0; i < 4; i++) /* the number wraps */
        assert_int_equal(add(j, datagram(4, 3 + i, (uint16_t)(65534 + i), 1)),
                         PS_JOIN_STEP);
    assert_int_equal(ps_join_packets(j), 2);
    assert_int_equal(ps_join_way(j, 0)->n_steps, 5);
    assert_int_equal(ps_join_way(j, 1)->n_steps, 1);
    /* Not of these. */
    add(j, datagram(4, 9, 5000, 1));
    assert_int_equal(ps_join_packets(j), 3);
    ps_join_free(&j);
}

static void test_datagrams_without_numbers(void **state _unused_)
{
    struct ps_join *j = new_join();

    add(j, datagram(6, 1, 0, 3));
    for (uint16_t i = 0; i < 3; i++)
        assert_int_equal(add(j, datagram(6, 3 + i, 0, 1)), PS_JOIN_STEP);
    assert_int_equal(ps_join_packets(j), 1);
    /* The next buffer's: the first one has all of its own. */
    add(j, datagram(6, 7, 0, 3));
    assert_int_equal(add(j, datagram(6, 8, 0, 1)), PS_JOIN_STEP);
    assert_int_equal(ps_join_way(j, 1)->n_steps, 2);
    /* And where two wait, to neither. */
    add(j, datagram(6, 9, 0, 3));
    assert_int_equal(add(j, datagram(6, 10, 0, 1)), PS_JOIN_AMBIGUOUS);
    ps_join_free(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nat_by_the_connection),
        cmocka_unit_test(test_nat_without_a_word),
        cmocka_unit_test(test_nat_known_beforehand),
        cmocka_unit_test(test_two_routers),
        cmocka_unit_test(test_ping_with_another_id),
        cmocka_unit_test(test_two_names_that_fit),
        cmocka_unit_test(test_bytes_behind_a_translation),
        cmocka_unit_test(test_links_are_bounded),
        cmocka_unit_test(test_into_a_tunnel_and_out),
        cmocka_unit_test(test_seen_in_a_tunnel_first),
        cmocka_unit_test(test_cut_in_a_tunnel),
        cmocka_unit_test(test_the_kernels_number),
        cmocka_unit_test(test_followed_begins_nothing),
        cmocka_unit_test(test_a_function_tells_first),
        cmocka_unit_test(test_a_function_told_of_another),
        cmocka_unit_test(test_datagrams_of_one_buffer),
        cmocka_unit_test(test_datagrams_without_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
