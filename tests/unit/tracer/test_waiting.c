/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tracer/waiting.h"

#define BUSY  (2 * PS_WAITING_ABOVE)
#define QUIET (PS_WAITING_BELOW / 2)
#define TICK  (10 * PS_NS_PER_MS)

/* Ticks for so long, measured all the time; the number of changes. */
static unsigned int pass(struct ps_waiting *w, double share, uint64_t ns,
                         uint64_t *now)
{
    unsigned int n = 0;

    for (uint64_t end = *now + ns; *now < end; *now += TICK)
        n += ps_waiting_tick(w, false, true, share, *now, *now);
    return n;
}

static void test_busy(void **state _unused_)
{
    uint64_t now = 100 * PS_NS_PER_S;
    struct ps_waiting w = {0};

    ps_waiting_start(&w, false, now);
    /* A burst is not enough. */
    assert_int_equal(pass(&w, BUSY, 2 * TICK, &now), 0);
    assert_int_equal(pass(&w, QUIET, TICK, &now), 0);
    assert_int_equal(pass(&w, BUSY, PS_NS_PER_S, &now), 1);
    assert_true(w.on);
    /* Something comes: not again before it is quiet for long. */
    assert_true(ps_waiting_tick(&w, true, true, BUSY, now, now));
    assert_false(w.on);
    assert_int_equal(pass(&w, BUSY, PS_WAITING_QUIET_NS, &now), 0);
    assert_int_equal(pass(&w, BUSY, PS_NS_PER_S, &now), 1);
    assert_true(w.on);
    /* Nor for another trace. */
    ps_waiting_start(&w, true, now);
    assert_int_equal(pass(&w, BUSY, PS_NS_PER_S, &now), 0);
    assert_int_equal(pass(&w, BUSY, PS_WAITING_QUIET_NS, &now), 1);
    /* The host is not busy any more. */
    assert_int_equal(pass(&w, QUIET, PS_NS_PER_S, &now), 1);
    assert_false(w.on);
}

static void test_not_busy(void **state _unused_)
{
    uint64_t now = 100 * PS_NS_PER_S;
    struct ps_waiting w = {0};

    ps_waiting_start(&w, false, now);
    assert_int_equal(pass(&w, PS_WAITING_ABOVE / 2, PS_NS_PER_S, &now), 0);
    /* A measurement of the time before says nothing, nor one alone. */
    ps_waiting_start(&w, false, now);
    for (uint64_t k = 0; k < PS_WAITING_WINDOWS; k++)
        for (int i = 0; i < 10; i++)
            assert_false(ps_waiting_tick(&w, false, true, BUSY, now + k,
                                         now + PS_NS_PER_S));
    assert_true(ps_waiting_tick(&w, false, true, BUSY, now + PS_WAITING_WINDOWS,
                                now + PS_NS_PER_S));
}

static void test_must_not(void **state _unused_)
{
    uint64_t now = 100 * PS_NS_PER_S;
    struct ps_waiting w = {0};

    ps_waiting_start(&w, false, now);
    assert_false(
        ps_waiting_tick(&w, false, false, BUSY, now + 1, now + PS_NS_PER_S));
    assert_int_equal(pass(&w, BUSY, PS_NS_PER_S, &now), 1);
    assert_true(ps_waiting_tick(&w, false, false, BUSY, now, now));
    assert_false(w.on);
}

static void test_returned(void **state _unused_)
{
    uint64_t now = 100 * PS_NS_PER_S;
    struct ps_waiting w = {0};

    ps_waiting_start(&w, false, now);
    /* All were there all the time: nothing is to be told. */
    assert_false(ps_waiting_returned(&w, true));
    assert_int_equal(pass(&w, BUSY, PS_NS_PER_S, &now), 1);
    assert_false(ps_waiting_returned(&w, true));
    assert_true(ps_waiting_tick(&w, true, true, BUSY, now, now));
    /* Also where another trace begins meanwhile. */
    assert_false(ps_waiting_returned(&w, false));
    ps_waiting_start(&w, true, now);
    assert_false(ps_waiting_returned(&w, false));
    assert_true(ps_waiting_returned(&w, true));
    assert_false(ps_waiting_returned(&w, true));
    /* What waits again before is not told of. */
    assert_int_equal(pass(&w, BUSY, 2 * PS_WAITING_QUIET_NS, &now), 1);
    assert_true(ps_waiting_tick(&w, true, true, BUSY, now, now));
    assert_int_equal(pass(&w, BUSY, 2 * PS_WAITING_QUIET_NS, &now), 1);
    assert_false(ps_waiting_returned(&w, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_busy),
        cmocka_unit_test(test_not_busy),
        cmocka_unit_test(test_must_not),
        cmocka_unit_test(test_returned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
