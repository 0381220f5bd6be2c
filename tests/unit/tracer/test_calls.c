/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tracer/calls.h"

#define PACKET 77u
#define STACK  0xffffc90000010000ull
#define FAR    0xffffc90000020000ull

/* Whether the calls that are added say that their return is told. */
static bool told;

static struct ps_fn_call call_at(uint64_t time, uint64_t ip, uint64_t sp)
{
    struct ps_fn_call call = {.kind = PS_FN_CALL,
                              .traces = 1,
                              .pid = 5,
                              .time = time,
                              .packet = PACKET,
                              .ip = ip,
                              .sp = sp,
                              .len = 100,
                              .returns = told};

    return call;
}

static void add(struct ps_calls *c, uint64_t time, uint64_t ip, uint64_t sp)
{
    struct ps_fn_call call = call_at(time, ip, sp);

    assert_int_equal(ps_calls_add(c, &call, 0), PS_JOIN_STEP);
}

static void leave(struct ps_calls *c, uint64_t time, uint64_t ip, uint64_t sp)
{
    struct ps_fn_return ret = {.kind = PS_FN_RETURN,
                               .pid = 5,
                               .time = time,
                               .packet = PACKET,
                               .ip = ip,
                               .sp = sp};

    ps_calls_return(c, &ret);
}

static struct ps_calls *make(bool returns)
{
    struct ps_calls *c = NULL;

    told = returns;
    assert_int_equal(ps_calls_new(4, &c), 0);
    ps_calls_name(c, PACKET, 2, PS_JOIN_STEP);
    return c;
}

static const struct ps_call *nth(const struct ps_calls *c, unsigned int n)
{
    const struct ps_call *call = ps_calls_first(c, 2);

    while (call && n--)
        call = ps_calls_next(c, call);
    return call;
}

/* f calls g, which calls h twice. */
static void test_tree(void **state _unused_)
{
    struct ps_calls *c = make(true);

    add(c, 10, 1, STACK + 900);
    add(c, 20, 2, STACK + 800);
    add(c, 30, 3, STACK + 700);
    leave(c, 35, 3, STACK + 700 + 8);
    add(c, 40, 3, STACK + 700);
    leave(c, 45, 3, STACK + 700 + 8);
    leave(c, 50, 2, STACK + 800 + 8);
    leave(c, 60, 1, STACK + 900 + 8);
    assert_int_equal(nth(c, 0)->depth, 0);
    assert_int_equal(nth(c, 0)->duration, 50);
    assert_int_equal(nth(c, 1)->depth, 1);
    assert_int_equal(nth(c, 1)->duration, 30);
    assert_int_equal(nth(c, 2)->depth, 2);
    assert_int_equal(nth(c, 3)->depth, 2);
    assert_int_equal(nth(c, 3)->duration, 5);
    assert_null(nth(c, 4));
    ps_calls_free(&c);
}

/* A jump in the place of a call and its return: both return at once. */
static void test_tail_call(void **state _unused_)
{
    struct ps_calls *c = make(true);

    add(c, 10, 1, STACK + 900);
    add(c, 20, 2, STACK + 900);
    leave(c, 30, 2, STACK + 908);
    leave(c, 31, 1, STACK + 908);
    assert_int_equal(nth(c, 0)->duration, 21);
    assert_int_equal(nth(c, 1)->duration, 10);
    assert_int_equal(nth(c, 1)->depth, 1);
    ps_calls_free(&c);
}

/* The return that was lost is seen by what begins further out. */
static void test_lost_return(void **state _unused_)
{
    struct ps_calls *c = make(true);

    add(c, 10, 1, STACK + 900);
    add(c, 20, 2, STACK + 800);
    add(c, 30, 3, STACK + 850);
    assert_int_equal(nth(c, 2)->depth, 1);
    assert_true(nth(c, 1)->duration == PS_CALLS_NO_TIME);
    leave(c, 40, 3, STACK + 858);
    leave(c, 50, 1, STACK + 908);
    assert_int_equal(nth(c, 0)->duration, 40);
    ps_calls_free(&c);
}

/* An interrupt runs on another stack, in the midst of the call. */
static void test_other_stack_and_thread(void **state _unused_)
{
    struct ps_calls *c = make(true);
    struct ps_fn_call other = call_at(30, 3, STACK + 950);

    add(c, 10, 1, STACK + 900);
    add(c, 20, 2, FAR + 500);
    other.pid = 6;
    assert_int_equal(ps_calls_add(c, &other, 0), PS_JOIN_STEP);
    assert_int_equal(nth(c, 1)->depth, 1);
    assert_int_equal(nth(c, 2)->depth, 0);
    /* Each processor has an idle thread 0. */
    other = call_at(40, 4, FAR + 100);
    other.pid = 0;
    other.cpu = 1;
    ps_calls_add(c, &other, 0);
    other.time = 41;
    other.cpu = 2;
    ps_calls_add(c, &other, 0);
    assert_int_equal(nth(c, 4)->depth, 0);
    ps_calls_free(&c);
}

/* f, whose return is told, jumps to g, which calls h and i. */
static void test_some_returns(void **state _unused_)
{
    struct ps_calls *c = make(true);

    add(c, 10, 1, STACK + 900);
    told = false;
    add(c, 20, 2, STACK + 900);
    add(c, 30, 3, STACK + 700);
    add(c, 40, 4, STACK + 700);
    leave(c, 50, 0, STACK + 900);
    told = true;
    add(c, 60, 5, STACK + 600);
    assert_int_equal(nth(c, 0)->duration, 40);
    for (unsigned int i = 1; i < 4; i++)
        assert_true(nth(c, i)->duration == PS_CALLS_NO_TIME);
    assert_int_equal(nth(c, 1)->depth, 1);
    assert_int_equal(nth(c, 2)->depth, 2);
    assert_int_equal(nth(c, 3)->depth, 2);
    assert_int_equal(nth(c, 4)->depth, 0);
    ps_calls_free(&c);
}

static void test_without_returns(void **state _unused_)
{
    struct ps_calls *c = make(false);

    add(c, 10, 1, STACK + 900);
    add(c, 20, 2, STACK + 800);
    add(c, 30, 3, STACK + 800); /* in a loop, or after it */
    add(c, 40, 4, FAR + 100);
    add(c, 50, 5, STACK + 900);
    assert_int_equal(nth(c, 1)->depth, 1);
    assert_int_equal(nth(c, 2)->depth, 1);
    assert_int_equal(nth(c, 3)->depth, 0);
    assert_int_equal(nth(c, 4)->depth, 0);
    /* Nobody's: whose it is was not said. */
    leave(c, 60, 0, STACK + 900);
    assert_true(nth(c, 4)->duration == PS_CALLS_NO_TIME);
    ps_calls_free(&c);
}

static void test_order_of_time(void **state _unused_)
{
    struct ps_calls *c = make(true);

    add(c, 30, 3, STACK + 100);
    add(c, 10, 1, FAR + 100);
    add(c, 20, 2, STACK + 200);
    for (unsigned int i = 0; i < 3; i++)
        assert_int_equal(nth(c, i)->ip, i + 1);
    ps_calls_free(&c);
}

static void test_names(void **state _unused_)
{
    struct ps_calls *c = make(true);
    struct ps_fn_call call = call_at(1, 1, STACK);

    call.packet = 99;
    assert_int_equal(ps_calls_add(c, &call, 0), PS_JOIN_NO_PACKET);
    ps_calls_name(c, 99, PS_CALLS_NONE, PS_JOIN_PACKET_LIMIT);
    assert_int_equal(ps_calls_add(c, &call, 0), PS_JOIN_PACKET_LIMIT);
    /* A way that is none is not taken. */
    ps_calls_name(c, 100, 4, PS_JOIN_STEP);
    call.packet = 100;
    assert_int_equal(ps_calls_add(c, &call, 0), PS_JOIN_NO_PACKET);
    /* The mark of a first record is no part of the number. */
    call.packet = PACKET | PS_FN_NEW;
    assert_int_equal(ps_calls_add(c, &call, 0), PS_JOIN_STEP);
    assert_int_equal(ps_calls_count(c, PS_JOIN_NO_PACKET), 2);
    assert_int_equal(ps_calls_count(c, PS_JOIN_STEP), 1);
    assert_null(ps_calls_first(c, 0));
    assert_null(ps_calls_first(c, 4));
    ps_calls_free(&c);
}

static void test_places(void **state _unused_)
{
    struct ps_calls *c = make(true);
    struct ps_fn_call call = call_at(1, 1, STACK + 100);

    ps_calls_add(c, &call, 0);
    call.time = 2;
    ps_calls_add(c, &call, 0);
    call.time = 3;
    call.len = 50;
    memset(call.ifname, 'x', sizeof(call.ifname));
    ps_calls_add(c, &call, 0);
    assert_int_equal(nth(c, 0)->place, nth(c, 1)->place);
    assert_int_not_equal(nth(c, 1)->place, nth(c, 2)->place);
    assert_int_equal(ps_calls_place(c, nth(c, 2))->len, 50);
    assert_int_equal(strlen(ps_calls_place(c, nth(c, 2))->ifname), 15);
    ps_calls_free(&c);
}

static void test_limit(void **state _unused_)
{
    struct ps_calls *c = make(true);
    struct ps_fn_call call = call_at(1, 1, STACK + 100);

    for (uint32_t i = 0; i < PS_CALLS_PER_WAY; i++)
        assert_int_equal(ps_calls_add(c, &call, 0), PS_JOIN_STEP);
    assert_int_equal(ps_calls_add(c, &call, 0), PS_JOIN_STEP_LIMIT);
    ps_calls_free(&c);
}

static void test_event(void **state _unused_)
{
    struct ps_fn_call call = call_at(9, 0xffff, STACK);
    struct ps_tracer_event event;

    call.skb = 1;
    call.head = 2;
    call.seq = 3;
    call.tuple.family = 4;
    ps_calls_event(&call, &event);
    assert_int_equal(event.time, 9);
    assert_int_equal(event.skb, 1);
    assert_int_equal(event.head, 2);
    assert_int_equal(event.seq, 3);
    assert_int_equal(event.tuple.family, 4);
    assert_int_equal(event.location, 0xffff);
    assert_int_equal(event.station, PS_ST_FUNCTION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree),
        cmocka_unit_test(test_tail_call),
        cmocka_unit_test(test_lost_return),
        cmocka_unit_test(test_other_stack_and_thread),
        cmocka_unit_test(test_without_returns),
        cmocka_unit_test(test_some_returns),
        cmocka_unit_test(test_order_of_time),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_event),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
