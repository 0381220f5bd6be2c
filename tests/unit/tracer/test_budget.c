/* SPDX-License-Identifier: MIT */
/* The CPU budget, and what events carry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tracer/budget.h"
#include "tracer/carry.h"
#include "tracer/probes.h"

/* One window and the time to the next, in which the programs used `programs`
 * of a core and the daemon `own`. */
static void run(struct ps_budget *b, uint64_t *now, uint64_t *own_ns,
                double programs, double own)
{
    uint64_t run_ns = 1000;

    do {
        *now += 10 * PS_NS_PER_MS;
        *own_ns += (uint64_t)(own * 10 * PS_NS_PER_MS);
        if (b->measuring)
            run_ns += (uint64_t)(programs * 10 * PS_NS_PER_MS);
    } while (!ps_budget_tick(b, *now, run_ns, *own_ns) || b->measuring);
}

static void test_budget(void **state _unused_)
{
    uint64_t now = PS_NS_PER_S, own = 5 * PS_NS_PER_S;
    struct ps_budget b = {0};

    ps_budget_start(&b, 0.05, now, own);
    run(&b, &now, &own, 0.02, 0.01);
    assert_int_equal(b.throttle, 1);
    /* Too much once may be chance. */
    run(&b, &now, &own, 0.4, 0.1);
    assert_int_equal(b.throttle, 1);
    run(&b, &now, &own, 0.4, 0.1);
    assert_in_range(b.throttle, 9, 10);
    /* Within it: as it is. */
    run(&b, &now, &own, 0.03, 0.01);
    assert_in_range(b.throttle, 9, 10);
    /* With room: less, step by step. */
    run(&b, &now, &own, 0.001, 0.001);
    assert_in_range(b.throttle, 4, 5);
    for (int i = 0; i < 4; i++)
        run(&b, &now, &own, 0, 0);
    assert_int_equal(b.throttle, 1);
    assert_true(b.programs_ns > 0);
    for (int i = 0; i < 100; i++)
        run(&b, &now, &own, 1e6 / b.throttle, 0);
    assert_int_equal(b.throttle, PS_BUDGET_MAX_THROTTLE);
}

/* What is asked of every packet costs however few are followed. */
static void test_budget_floor(void **state _unused_)
{
    uint64_t now = PS_NS_PER_S, own = 0;
    struct ps_budget b = {0};

    ps_budget_start(&b, 0.05, now, own);
    for (int i = 0; i < 20; i++)
        run(&b, &now, &own, 0.2, 0);
    assert_int_equal(b.throttle, 1);
    assert_true(b.floor > 0.19 && b.floor < 0.21);
    /* What is followed on top of it is throttled, until that helps no more. */
    for (int i = 0; i < 40; i++)
        run(&b, &now, &own, 0.2 + 1.0 / b.throttle, 0);
    assert_in_range(b.throttle, 10, 200);
    /* Less traffic: all of it again. */
    for (int i = 0; i < 40; i++)
        run(&b, &now, &own, 0.002 + 0.01 / b.throttle, 0);
    assert_int_equal(b.throttle, 1);
    assert_true(b.floor == 0);
}

static void test_carry(void **state _unused_)
{
    const uint64_t one[] = {1, 2, 3}, two[] = {1, 2, 4};
    const uint8_t bytes[] = "hello";
    struct ps_carry *c = NULL;
    uint32_t n;

    assert_int_equal(ps_carry_new(&c), 0);
    assert_int_equal(ps_carry_put_stack(c, one, 0), 0);
    assert_int_equal(ps_carry_put_stack(c, one, 3), 1);
    assert_int_equal(ps_carry_put_stack(c, two, 3), 2);
    assert_int_equal(ps_carry_put_stack(c, one, 3), 1);
    assert_int_equal(ps_carry_put_stack(c, one, 2), 3);
    assert_memory_equal(ps_carry_stack(c, 2, &n), two, sizeof(two));
    assert_int_equal(n, 3);
    assert_null(ps_carry_stack(c, 4, &n));
    assert_null(ps_carry_stack(NULL, 1, &n));
    assert_int_equal(ps_carry_put_bytes(c, bytes, 0), 0);
    assert_int_equal(ps_carry_put_bytes(c, bytes, 5), 1);
    assert_memory_equal(ps_carry_bytes(c, 1, &n), "hello", 5);
    assert_int_equal(n, 5);
    assert_null(ps_carry_bytes(c, 0, &n));
    assert_int_equal(ps_carry_lost(c), 0);
    for (uint64_t i = 10; i < 10 + PS_CARRY_MAX_STACKS; i++)
        ps_carry_put_stack(c, &i, 1);
    assert_int_equal(ps_carry_lost(c), 3);
    ps_carry_free(&c);
}

/* What the ring gives is told by its length, and not believed else. */
static void test_record(void **state _unused_)
{
    struct {
        struct ps_tracer_event event;
        uint64_t stack[PS_TRACER_STACK_FRAMES];
        uint8_t bytes[PS_TRACER_SNAP_BYTES];
    } r = {.event = {.stack = 2, .bytes = 3}, .stack = {7}, .bytes = {9}};
    const size_t event = sizeof(r.event), stack = sizeof(r.stack);
    struct ps_event_more more;
    struct ps_tracer_event e;

    assert_false(ps_probes_record(&r, event - 1, &e, &more));
    assert_false(ps_probes_record(&r, event + 8, &e, &more));
    assert_true(ps_probes_record(&r, event, &e, &more));
    assert_true(e.stack == 0 && e.bytes == 0);
    assert_true(ps_probes_record(&r, event + stack, &e, &more));
    assert_true(e.stack == 2 && e.bytes == 0 && more.stack[0] == 7);
    assert_true(ps_probes_record(&r, event + PS_TRACER_SNAP_BYTES, &e, &more));
    assert_true(e.stack == 0 && e.bytes == 3 && more.bytes);
    assert_true(
        ps_probes_record(&r, event + stack + PS_TRACER_SNAP_BYTES, &e, &more));
    assert_true(e.stack == 2 && e.bytes == 3 && more.bytes[0] == 9);
    r.event.bytes = PS_TRACER_SNAP_SHORT;
    assert_true(
        ps_probes_record(&r, event + stack + PS_TRACER_SNAP_SHORT, &e, &more));
    assert_true(e.stack == 2 && e.bytes == PS_TRACER_SNAP_SHORT);
    r.event.bytes++; /* more than there is */
    assert_true(ps_probes_record(&r, event + PS_TRACER_SNAP_SHORT, &e, &more));
    assert_int_equal(e.bytes, 0);
    r.event.stack = PS_TRACER_STACK_FRAMES + 1;
    assert_true(ps_probes_record(&r, event + stack, &e, &more));
    assert_int_equal(e.stack, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_budget_floor),
        cmocka_unit_test(test_carry),
        cmocka_unit_test(test_record),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
