/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tracer/callers.h"

#define THREAD 5u
/* Functions of a stack, and its length. */
#define STACK(...)                   \
    (const uint64_t[]){__VA_ARGS__}, \
        sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t)

/* A call of `function`, that stands so deep among those with a packet. */
static struct ps_callers_shown add(struct ps_callers *c, uint32_t pid,
                                   uint16_t depth, uint64_t function,
                                   const uint64_t *stack, size_t n)
{
    struct ps_call call = {.pid = pid, .depth = depth};
    struct ps_callers_shown shown;

    ps_callers_add(c, &call, function, stack, n, false, &shown);
    return shown;
}

static void expect(struct ps_callers_shown shown, size_t first, uint16_t depth,
                   uint16_t call_depth)
{
    assert_int_equal(shown.first, first);
    assert_int_equal(shown.depth, depth);
    assert_int_equal(shown.call_depth, call_depth);
}

static struct ps_callers *make(void)
{
    struct ps_callers *c = NULL;

    assert_int_equal(ps_callers_new(&c), 0);
    return c;
}

/* 1 calls 2, which calls 10(packet), which calls 11(packet). */
static void test_outer(void **state _unused_)
{
    struct ps_callers *c = make();

    expect(add(c, THREAD, 0, 10, STACK(1, 2)), 0, 0, 2);
    assert_int_equal(add(c, THREAD, 1, 11, NULL, 0).call_depth, 3);
    assert_int_equal(add(c, THREAD, 2, 12, NULL, 0).call_depth, 4);
    assert_int_equal(add(c, THREAD, 1, 13, NULL, 0).call_depth, 3);
    ps_callers_free(&c);
}

/* Those that stood there before are not shown again: 2 now calls 3. */
static void test_same(void **state _unused_)
{
    struct ps_callers *c = make();

    expect(add(c, THREAD, 0, 10, STACK(1, 2)), 0, 0, 2);
    expect(add(c, THREAD, 0, 11, STACK(1, 2)), 2, 2, 2);
    expect(add(c, THREAD, 0, 12, STACK(1, 2, 3)), 2, 2, 3);
    expect(add(c, THREAD, 0, 13, STACK(1, 2)), 2, 2, 2);
    expect(add(c, THREAD, 0, 14, STACK(1, 4)), 1, 1, 2);
    /* Without a stack it stands where the one before did. */
    assert_int_equal(add(c, THREAD, 0, 15, NULL, 0).call_depth, 2);
    ps_callers_free(&c);
}

/* Another thread has callers of its own, and the first one keeps its. */
static void test_threads(void **state _unused_)
{
    struct ps_callers *c = make();

    expect(add(c, THREAD, 0, 10, STACK(1, 2)), 0, 0, 2);
    expect(add(c, THREAD + 1, 0, 10, STACK(1, 2, 3)), 0, 0, 3);
    expect(add(c, THREAD, 0, 11, STACK(1, 2)), 2, 2, 2);
    /* More of them than there is room for: none is mixed up. */
    for (uint32_t i = 0; i < 100; i++)
        expect(add(c, 1000 + i, 0, 10, STACK(1)), 0, 0, 1);
    expect(add(c, THREAD, 0, 12, STACK(1, 2)), 0, 0, 2);
    ps_callers_free(&c);
}

/* A soft interrupt on top of a call that sends: 10 and 12 have a packet, 11 has
 * none; 20 and 21 stand within 12. */
static void test_within(void **state _unused_)
{
    struct ps_callers *c = make();

    expect(add(c, THREAD, 0, 10, STACK(1, 2)), 0, 0, 2);
    assert_int_equal(add(c, THREAD, 1, 12, NULL, 0).call_depth, 3);
    expect(add(c, THREAD, 2, 30, STACK(1, 2, 10, 11, 12, 20, 21)), 5, 4, 6);
    /* The next one of the same loop. */
    expect(add(c, THREAD, 2, 31, STACK(1, 2, 10, 11, 12, 20, 21)), 7, 6, 6);
    expect(add(c, THREAD, 2, 32, STACK(1, 2, 10, 11, 12, 20)), 6, 5, 5);
    /* Back on the outermost: its callers were shown. */
    expect(add(c, THREAD, 0, 40, STACK(1, 2)), 2, 2, 2);
    ps_callers_free(&c);
}

/* What the stack does not show has returned, whatever was thought. */
static void test_returned(void **state _unused_)
{
    struct ps_callers *c = make();

    expect(add(c, THREAD, 0, 10, STACK(1, 2)), 0, 0, 2);
    expect(add(c, THREAD, 1, 11, STACK(1, 2, 3)), 2, 2, 3);
    ps_callers_free(&c);
}

/* Where returns are not told: 12 stands where 11 stood, called by the same. */
static void test_same_place(void **state _unused_)
{
    struct ps_callers *c = make();

    expect(add(c, THREAD, 0, 10, STACK(1, 2)), 0, 0, 2);
    expect(add(c, THREAD, 1, 11, STACK(1, 2, 3, 4)), 2, 2, 4);
    assert_int_equal(add(c, THREAD, 1, 12, NULL, 0).call_depth, 4);
    assert_int_equal(add(c, THREAD, 2, 13, NULL, 0).call_depth, 5);
    ps_callers_free(&c);
}

/* A stack that was cut off and shows none of the calls says nothing. */
static void test_cut(void **state _unused_)
{
    static const uint64_t stack[] = {7, 8};
    struct ps_callers *c = make();
    struct ps_call call = {.pid = THREAD, .depth = 1};
    struct ps_callers_shown shown;

    expect(add(c, THREAD, 0, 10, STACK(1, 2)), 0, 0, 2);
    ps_callers_add(c, &call, 11, stack, 2, true, &shown);
    expect(shown, 2, 3, 3);
    ps_callers_free(&c);
}

/* Deeper than anything is kept: bounded. */
static void test_deep(void **state _unused_)
{
    struct ps_callers *c = make();

    for (uint32_t i = 0; i < 100000; i++)
        add(c, THREAD, (uint16_t)i, i, NULL, 0);
    expect(add(c, THREAD, 0, 10, STACK(1, 2)), 0, 0, 2);
    ps_callers_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outer),    cmocka_unit_test(test_same),
        cmocka_unit_test(test_threads),  cmocka_unit_test(test_within),
        cmocka_unit_test(test_returned), cmocka_unit_test(test_cut),
        cmocka_unit_test(test_deep),     cmocka_unit_test(test_same_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
