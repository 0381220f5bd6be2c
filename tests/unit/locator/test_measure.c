/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "locator/measure.h"
#include "locator/pacer.h"

#define T0   (100 * PS_NS_PER_S)
#define REAL (1700000000 * PS_NS_PER_S)

static const struct ps_addr target = {4, {198, 51, 100, 9}};

static struct ps_measure *make(uint32_t max_hops, uint32_t probes)
{
    struct ps_measure_config config = {
        .flow = {.source = {4, {192, 0, 2, 1}},
                 .target = target,
                 .id = 7,
                 .nonce = 42},
        .seq_base = 65530, /* wraps early */
        .max_hops = max_hops,
        .probes = probes,
        .interval_ns = 100 * PS_NS_PER_MS,
        .timeout_ns = PS_NS_PER_S,
    };
    struct ps_measure *m = NULL;

    assert_int_equal(ps_measure_new(&config, T0, &m), 0);
    return m;
}

static struct ps_icmp_answer answer(enum ps_icmp_kind kind, uint16_t seq)
{
    struct ps_icmp_flow flow = {.target = target, .id = 7, .nonce = 42};

    return (struct ps_icmp_answer){
        .kind = kind,
        .id = 7,
        .seq = seq,
        .nonce = 42,
        .checksum = ps_icmp_checksum(&flow),
        .quoted_target = target,
        .unreachable = kind == PS_ICMP_UNREACHABLE ? "admin_prohibited" : NULL,
    };
}

/* Sends all that is due at a time; returns how many. */
static uint32_t send_due(struct ps_measure *m, uint64_t at)
{
    struct ps_measure_probe probe;
    uint32_t n = 0;

    while (ps_measure_next(m, T0 + at, &probe)) {
        ps_measure_sent(m, T0 + at, REAL + at);
        n++;
    }
    return n;
}

static enum ps_measure_match take(struct ps_measure *m, enum ps_icmp_kind kind,
                                  uint16_t index, uint8_t router, uint64_t at)
{
    struct ps_icmp_answer a = answer(kind, (uint16_t)(65530 + index));
    struct ps_addr from = {4, {10, 0, 0, router}};

    return ps_measure_answer(m, &a, &from, REAL + at, T0 + at);
}

static void stops_at_the_target(void **state _unused_)
{
    struct ps_measure *m = make(30, 3);

    assert_int_equal(send_due(m, 0), 30);
    for (uint16_t i = 0; i < 30; i++)
        assert_int_equal(
            take(m, i < 3 ? PS_ICMP_TIME_EXCEEDED : PS_ICMP_ECHO_REPLY, i,
                 i < 3 ? (uint8_t)(i + 1) : 9, 1000),
            PS_MEASURE_MATCHED);
    assert_true(ps_measure_reached(m));
    assert_int_equal(ps_measure_hops(m), 4);
    assert_int_equal(send_due(m, 99 * PS_NS_PER_MS), 0);
    assert_int_equal(send_due(m, 100 * PS_NS_PER_MS), 4);
    assert_int_equal(send_due(m, 200 * PS_NS_PER_MS), 4);
    assert_int_equal(send_due(m, 300 * PS_NS_PER_MS), 0);
    assert_int_equal(ps_measure_total_sent(m), 38);
    assert_false(ps_measure_done(m));
    for (uint16_t round = 1; round < 3; round++) {
        for (uint16_t i = 0; i < 4; i++)
            take(m, i < 3 ? PS_ICMP_TIME_EXCEEDED : PS_ICMP_ECHO_REPLY,
                 (uint16_t)(round * 30 + i), 1, 200 * PS_NS_PER_MS + 1000);
    }
    assert_true(ps_measure_done(m));
    ps_measure_free(&m);
}

/* The end is found in the middle of a round: the rest of it is not sent. */
static void stops_within_a_round(void **state _unused_)
{
    struct ps_measure *m = make(10, 2);
    struct ps_measure_probe probe;

    for (uint32_t i = 0; i < 5; i++) {
        assert_true(ps_measure_next(m, T0, &probe));
        assert_int_equal(probe.ttl, i + 1);
        assert_int_equal(probe.seq, (uint16_t)(65530 + i));
        ps_measure_sent(m, T0, REAL);
    }
    take(m, PS_ICMP_ECHO_REPLY, 1, 9, 10);
    assert_false(ps_measure_next(m, T0, &probe));
    assert_int_equal(ps_measure_hops(m), 2);
    assert_int_equal(send_due(m, 100 * PS_NS_PER_MS), 2);
    ps_measure_free(&m);
}

static void stops_where_there_is_no_way(void **state _unused_)
{
    struct ps_measure *m = make(8, 2);
    struct ps_measure_hop hop;

    send_due(m, 0);
    take(m, PS_ICMP_TIME_EXCEEDED, 0, 1, 10);
    for (uint16_t i = 1; i < 8; i++)
        take(m, PS_ICMP_UNREACHABLE, i, 2, 10);
    assert_false(ps_measure_reached(m));
    assert_int_equal(ps_measure_hops(m), 2);
    ps_measure_hop(m, 2, &hop);
    assert_string_equal(hop.unreachable, "admin_prohibited");
    ps_measure_hop(m, 1, &hop);
    assert_null(hop.unreachable);
    ps_measure_free(&m);
}

static void figures_are_exact(void **state _unused_)
{
    static const uint64_t rtts[] = {400, 100, 300, 200};
    struct ps_measure *m = make(1, 5);
    struct ps_measure_hop hop;

    for (uint16_t i = 0; i < 5; i++) {
        uint64_t at = i * 100 * PS_NS_PER_MS;

        assert_int_equal(send_due(m, at), 1);
        if (i < 4)
            take(m, PS_ICMP_ECHO_REPLY, i, 9, at + rtts[i]);
    }
    ps_measure_hop(m, 1, &hop);
    assert_int_equal(hop.expired, 0);
    ps_measure_expire(m, T0 + 400 * PS_NS_PER_MS + PS_NS_PER_S);
    ps_measure_hop(m, 1, &hop);
    assert_int_equal(hop.expired, 0); /* exactly the timeout is in time */
    ps_measure_expire(m, T0 + 400 * PS_NS_PER_MS + PS_NS_PER_S + 1);
    ps_measure_hop(m, 1, &hop);
    assert_int_equal(hop.sent, 5);
    assert_int_equal(hop.received, 4);
    assert_int_equal(hop.expired, 1);
    assert_int_equal(hop.min_ns, 100);
    assert_int_equal(hop.max_ns, 400);
    assert_int_equal(hop.avg_ns, 250);
    assert_int_equal(hop.p50_ns, 200);
    assert_int_equal(hop.stddev_ns, 111); /* sqrt(12500) */
    assert_true(ps_measure_done(m));
    ps_measure_free(&m);
}

static void late_and_twice_are_not_received(void **state _unused_)
{
    struct ps_measure *m = make(2, 1);
    struct ps_measure_hop hop;

    send_due(m, 0);
    assert_int_equal(take(m, PS_ICMP_TIME_EXCEEDED, 0, 1, 50),
                     PS_MEASURE_MATCHED);
    assert_int_equal(take(m, PS_ICMP_TIME_EXCEEDED, 0, 1, 60),
                     PS_MEASURE_DUPLICATE);
    /* Late by its own time of arrival, though not given up yet. */
    assert_int_equal(take(m, PS_ICMP_ECHO_REPLY, 1, 9, PS_NS_PER_S + 1),
                     PS_MEASURE_LATE);
    assert_int_equal(take(m, PS_ICMP_ECHO_REPLY, 1, 9, PS_NS_PER_S + 2),
                     PS_MEASURE_LATE);
    assert_false(ps_measure_reached(m));
    ps_measure_hop(m, 1, &hop);
    assert_int_equal(hop.received, 1);
    ps_measure_hop(m, 2, &hop);
    assert_int_equal(hop.received, 0);
    assert_int_equal(hop.expired, 1);
    assert_int_equal(hop.n_addresses, 0);
    ps_measure_free(&m);
}

static void does_not_believe_others(void **state _unused_)
{
    struct ps_measure *m = make(4, 1);
    struct ps_icmp_answer a = answer(PS_ICMP_ECHO_REPLY, 65530);
    struct ps_measure_probe probe;

    assert_int_equal(ps_measure_answer(m, &a, &target, 0, T0),
                     PS_MEASURE_UNMATCHED); /* nothing was sent */
    assert_true(ps_measure_next(m, T0, &probe));
    ps_measure_sent(m, T0, REAL);
    a.nonce++;
    assert_int_equal(ps_measure_answer(m, &a, &target, 0, T0),
                     PS_MEASURE_UNMATCHED);
    a = answer(PS_ICMP_TIME_EXCEEDED, 65530);
    a.checksum++;
    assert_int_equal(ps_measure_answer(m, &a, &target, 0, T0),
                     PS_MEASURE_UNMATCHED);
    a = answer(PS_ICMP_TIME_EXCEEDED, 65530);
    a.quoted_target.bytes[3]++;
    assert_int_equal(ps_measure_answer(m, &a, &target, 0, T0),
                     PS_MEASURE_UNMATCHED);
    for (uint32_t seq = 0; seq < 65536; seq++) {
        a = answer(PS_ICMP_ECHO_REPLY, (uint16_t)seq);
        if (seq != 65530)
            assert_int_equal(ps_measure_answer(m, &a, &target, 0, T0),
                             PS_MEASURE_UNMATCHED);
    }
    assert_false(ps_measure_reached(m));
    ps_measure_free(&m);
}

static void keeps_many_addresses_bounded(void **state _unused_)
{
    struct ps_measure *m = make(1, 20);
    struct ps_measure_hop hop;

    for (uint16_t i = 0; i < 20; i++) {
        uint64_t at = i * 100 * PS_NS_PER_MS;

        send_due(m, at);
        take(m, PS_ICMP_TIME_EXCEEDED, i, (uint8_t)(i % 18), at + 5);
    }
    ps_measure_hop(m, 1, &hop);
    assert_int_equal(hop.received, 20);
    assert_int_equal(hop.n_addresses, PS_MEASURE_MAX_ADDRESSES);
    assert_int_equal(hop.addresses[0].received, 2);
    assert_int_equal(ps_measure_overflow(m), 2);
    ps_measure_free(&m);
}

static void kernel_times_are_used_where_they_can_be(void **state _unused_)
{
    static const struct {
        uint64_t stamp, rx, read, rtt;
    } cases[] = {
        {0, 500, 900, 500},                /* no time of sending */
        {100, 500, 900, 400},              /* both */
        {100, 0, 900, 900},                /* no time of arrival */
        {5000000, 500, 900, 500},          /* sent after now: ignored */
        {0, 3600 * PS_NS_PER_S, 900, 900}, /* the clock was set ahead */
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct ps_measure *m = make(1, 1);
        struct ps_icmp_answer a = answer(PS_ICMP_ECHO_REPLY, 65530);
        struct ps_measure_hop hop;

        send_due(m, 0);
        if (cases[i].stamp)
            ps_measure_stamp(m, 65530, REAL + cases[i].stamp, REAL + 2000);
        ps_measure_answer(m, &a, &target, cases[i].rx ? REAL + cases[i].rx : 0,
                          T0 + cases[i].read);
        ps_measure_hop(m, 1, &hop);
        assert_int_equal(hop.min_ns, cases[i].rtt);
        ps_measure_free(&m);
    }
}

static void failed_sends_are_not_sent(void **state _unused_)
{
    struct ps_measure *m = make(2, 2);
    struct ps_measure_probe probe;
    struct ps_measure_hop hop;

    for (uint64_t at = 0; at <= 200 * PS_NS_PER_MS; at += 10 * PS_NS_PER_MS) {
        while (ps_measure_next(m, T0 + at, &probe))
            ps_measure_failed(m, ENETUNREACH);
    }
    assert_true(ps_measure_done(m));
    assert_int_equal(ps_measure_total_sent(m), 0);
    assert_int_equal(ps_measure_send_error(m), ENETUNREACH);
    ps_measure_hop(m, 1, &hop);
    assert_int_equal(hop.sent, 0);
    ps_measure_free(&m);
}

static void wakes_for_what_is_next(void **state _unused_)
{
    struct ps_measure *m = make(1, 2);

    assert_int_equal(ps_measure_wakeup(m), T0);
    send_due(m, 0);
    assert_int_equal(ps_measure_wakeup(m), T0 + 100 * PS_NS_PER_MS);
    send_due(m, 100 * PS_NS_PER_MS);
    assert_int_equal(ps_measure_wakeup(m), T0 + PS_NS_PER_S + 1);
    ps_measure_expire(m, T0 + PS_NS_PER_S + 1);
    assert_int_equal(ps_measure_wakeup(m),
                     T0 + 100 * PS_NS_PER_MS + PS_NS_PER_S + 1);
    ps_measure_expire(m, T0 + 2 * PS_NS_PER_S);
    assert_int_equal(ps_measure_wakeup(m), UINT64_MAX);
    assert_true(ps_measure_done(m));
    ps_measure_free(&m);
}

static void bounds_are_kept(void **state _unused_)
{
    struct ps_measure_config config = {.max_hops = 65, .probes = 1};
    struct ps_measure *m = NULL;

    assert_int_equal(ps_measure_new(&config, T0, &m), -EINVAL);
    config.max_hops = 0;
    assert_int_equal(ps_measure_new(&config, T0, &m), -EINVAL);
    config.max_hops = 1;
    config.probes = 101;
    assert_int_equal(ps_measure_new(&config, T0, &m), -EINVAL);
    assert_null(m);
}

static void pacer_keeps_the_rate(void **state _unused_)
{
    struct ps_pacer pacer;
    uint32_t n = 0;

    ps_pacer_init(&pacer, 500);
    /* Asked each millisecond, for ten seconds. */
    for (uint64_t t = 0; t < 10000; t++) {
        while (ps_pacer_take(&pacer, T0 + t * PS_NS_PER_MS))
            n++;
    }
    assert_in_range(n, 5000, 5003);
    /* A pause is not made up for but by a small burst. */
    n = 0;
    while (ps_pacer_take(&pacer, T0 + 60 * PS_NS_PER_S))
        n++;
    assert_in_range(n, 1, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stops_at_the_target),
        cmocka_unit_test(stops_within_a_round),
        cmocka_unit_test(stops_where_there_is_no_way),
        cmocka_unit_test(figures_are_exact),
        cmocka_unit_test(late_and_twice_are_not_received),
        cmocka_unit_test(does_not_believe_others),
        cmocka_unit_test(keeps_many_addresses_bounded),
        cmocka_unit_test(kernel_times_are_used_where_they_can_be),
        cmocka_unit_test(failed_sends_are_not_sent),
        cmocka_unit_test(wakes_for_what_is_next),
        cmocka_unit_test(bounds_are_kept),
        cmocka_unit_test(pacer_keeps_the_rate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
