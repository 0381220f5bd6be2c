/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tracer/sockcalls.h"

#define STACK 0xffffc90000010000ull
#define IRQ   0xffffc90000020000ull
/* Packets 1 to 3 have ways of the same number; 4 has none. */
#define WAYS 4u

struct world {
    struct ps_calls *calls;
    struct ps_sockcalls *socks;
    uint32_t pid;
};

static struct world make(void)
{
    struct world w = {.pid = 5};

    assert_int_equal(ps_calls_new(WAYS, &w.calls), 0);
    assert_int_equal(ps_sockcalls_new(w.calls, &w.socks), 0);
    for (uint32_t i = 1; i < WAYS; i++)
        ps_calls_name(w.calls, i, i, PS_JOIN_STEP);
    ps_calls_name(w.calls, 4, PS_CALLS_NONE, PS_JOIN_PACKET_LIMIT);
    return w;
}

static void destroy(struct world *w)
{
    ps_sockcalls_free(&w->socks);
    ps_calls_free(&w->calls);
}

/* Functions have the numbers of their stack pointers. */
static void packet(const struct world *w, uint64_t packet, uint64_t time,
                   uint64_t sp)
{
    struct ps_fn_call call = {.kind = PS_FN_CALL,
                              .pid = w->pid,
                              .time = time,
                              .packet = packet,
                              .ip = sp,
                              .sp = sp,
                              .returns = 1};

    ps_sockcalls_packet(w->socks, &call);
    ps_calls_add(w->calls, &call, 0);
}

static struct ps_fn_return record(const struct world *w, enum ps_fn_kind kind,
                                  uint64_t number, uint64_t time, uint64_t sp)
{
    return (struct ps_fn_return){.kind = (unsigned char)kind,
                                 .pid = w->pid,
                                 .time = time,
                                 .packet = number,
                                 .ip = sp,
                                 .sp = sp};
}

static void packet_ends(const struct world *w, uint64_t packet, uint64_t time,
                        uint64_t sp)
{
    struct ps_fn_return ret = record(w, PS_FN_RETURN, packet, time, sp);

    ps_calls_return(w->calls, &ret);
    ps_sockcalls_return(w->socks, &ret);
}

/* A call's number is 1000 and its stack pointer. */
static void begins(const struct world *w, uint64_t time, uint64_t sp)
{
    struct ps_fn_return call = record(w, PS_FN_SOCKET, 1000 + sp, time, sp);

    ps_sockcalls_add(w->socks, &call);
}

static void ends(const struct world *w, uint64_t time, uint64_t sp)
{
    struct ps_fn_return ret =
        record(w, PS_FN_SOCKET_RETURN, 1000 + sp, time, sp);

    ret.sp += 8;
    ps_sockcalls_return(w->socks, &ret);
}

static uint64_t count(const struct world *w, enum ps_join_result result)
{
    return ps_sockcalls_count(w->socks, result);
}

/* What a way's tree is: depth and function of each call, a socket's with `s`,
 * and how long these took. */
static void expect(const struct world *w, uint32_t way, const char *tree)
{
    char text[512] = "";
    size_t n = 0;

    for (const struct ps_call *c = ps_calls_first(w->calls, way); c;
         c = ps_calls_next(w->calls, c)) {
        n += (size_t)snprintf(
            text + n, sizeof(text) - n, "%s%u:%u%s", n ? " " : "", c->depth,
            (unsigned int)(c->ip & 0xffff), c->by_socket ? "s" : "");
        if (c->by_socket && c->duration != PS_CALLS_NO_TIME)
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%u",
                                  (unsigned int)c->duration);
    }
    assert_string_equal(text, tree);
}

/* Two calls of the socket, and within them one with the packet. */
static void test_caller(void **state _unused_)
{
    struct world w = make();

    begins(&w, 10, STACK + 900);
    begins(&w, 20, STACK + 800);
    expect(&w, 1, "");
    packet(&w, 1, 30, STACK + 700);
    packet_ends(&w, 1, 40, STACK + 700);
    ends(&w, 50, STACK + 800);
    ends(&w, 60, STACK + 900);
    expect(&w, 1, "0:900s50 1:800s30 2:700");
    assert_int_equal(count(&w, PS_JOIN_STEP), 2);
    assert_int_equal(ps_calls_of(w.calls, 1), 3);
    assert_int_equal(ps_calls_ended(w.calls, 1), 2);
    assert_null(ps_calls_place(w.calls, ps_calls_first(w.calls, 1)));
    destroy(&w);
}

/* On the way up: in the call with the packet, also on another stack. */
static void test_callee(void **state _unused_)
{
    struct world w = make();

    packet(&w, 1, 10, STACK + 900);
    begins(&w, 20, STACK + 800);
    begins(&w, 22, IRQ + 900);
    ends(&w, 25, IRQ + 900);
    ends(&w, 30, STACK + 800);
    begins(&w, 40, STACK + 800);
    packet_ends(&w, 1, 50, STACK + 900);
    ends(&w, 60, STACK + 800);
    /* Its return came behind that of the one that it stands in: not known. */
    expect(&w, 1, "0:900 1:800s10 2:900s3 1:800s");
    assert_int_equal(count(&w, PS_JOIN_STEP), 3);
    destroy(&w);
}

/* By no packet: before, after, in another thread. */
static void test_alone(void **state _unused_)
{
    struct world w = make();

    begins(&w, 10, STACK + 900);
    ends(&w, 20, STACK + 900);
    packet(&w, 1, 30, STACK + 700);
    w.pid = 6;
    begins(&w, 32, STACK + 600);
    ends(&w, 35, STACK + 600);
    w.pid = 5;
    packet_ends(&w, 1, 40, STACK + 700);
    begins(&w, 50, STACK + 600);
    assert_int_equal(count(&w, PS_JOIN_NO_CALL), 2);
    ps_sockcalls_forget(w.socks);
    assert_int_equal(count(&w, PS_JOIN_NO_CALL), 3);
    assert_int_equal(count(&w, PS_JOIN_STEP), 0);
    expect(&w, 1, "0:700");
    destroy(&w);
}

/* One that sends three packets is the caller of all of them, and counts once.
 */
static void test_several(void **state _unused_)
{
    struct world w = make();

    begins(&w, 10, STACK + 900);
    for (uint32_t i = 1; i < WAYS; i++) {
        packet(&w, i, 10 * i + 10, STACK + 700);
        packet_ends(&w, i, 10 * i + 15, STACK + 700);
    }
    /* The first one again: it stands in it already. */
    packet(&w, 1, 50, STACK + 600);
    packet_ends(&w, 1, 55, STACK + 600);
    ends(&w, 60, STACK + 900);
    expect(&w, 1, "0:900s50 1:700 1:600");
    expect(&w, 2, "0:900s50 1:700");
    expect(&w, 3, "0:900s50 1:700");
    assert_int_equal(count(&w, PS_JOIN_STEP), 1);
    destroy(&w);
}

/* A packet's answer is sent in its receipt: what stands between both is in both
 * trees, what stands around the first one is not the second one's caller. */
static void test_between(void **state _unused_)
{
    struct world w = make();

    begins(&w, 10, STACK + 900);
    packet(&w, 1, 20, STACK + 800);
    begins(&w, 30, STACK + 700);
    packet(&w, 2, 40, STACK + 600);
    packet_ends(&w, 2, 50, STACK + 600);
    ends(&w, 60, STACK + 700);
    packet_ends(&w, 1, 70, STACK + 800);
    ends(&w, 80, STACK + 900);
    expect(&w, 1, "0:900s70 1:800 2:700s30");
    expect(&w, 2, "0:700s30 1:600");
    destroy(&w);
}

/* Of a packet that is not kept it is told why; not of what others are in it. */
static void test_not_kept(void **state _unused_)
{
    struct world w = make();

    begins(&w, 10, STACK + 900);
    packet(&w, 4, 20, STACK + 800);
    begins(&w, 30, STACK + 700);
    ends(&w, 35, STACK + 700);
    packet_ends(&w, 4, 40, STACK + 800);
    ends(&w, 50, STACK + 900);
    packet(&w, 99, 60, STACK + 800);
    begins(&w, 70, STACK + 700);
    assert_int_equal(count(&w, PS_JOIN_PACKET_LIMIT), 2);
    assert_int_equal(count(&w, PS_JOIN_NO_PACKET), 1);
    destroy(&w);
}

/* A return that was lost is seen by what begins further out, and by the return
 * of what it stood in; and nothing is guessed once returns were lost. */
static void test_lost_return(void **state _unused_)
{
    struct world w = make();

    begins(&w, 10, STACK + 600);
    packet(&w, 1, 20, STACK + 800);
    expect(&w, 1, "0:800");
    begins(&w, 30, STACK + 700);
    packet_ends(&w, 1, 40, STACK + 800);
    packet(&w, 2, 50, STACK + 500);
    expect(&w, 2, "0:500");
    packet_ends(&w, 2, 55, STACK + 500);
    begins(&w, 60, STACK + 900);
    ps_sockcalls_forget(w.socks);
    packet(&w, 3, 70, STACK + 500);
    expect(&w, 3, "0:500");
    assert_int_equal(count(&w, PS_JOIN_NO_CALL), 2);
    assert_int_equal(count(&w, PS_JOIN_STEP), 1);
    destroy(&w);
}

/* Bounds: what is too deep, of too many threads, too many for one way. */
static void test_bounds(void **state _unused_)
{
    struct world w = make();
    uint64_t sum = 0;

    for (uint32_t i = 0; i < PS_SOCKCALLS_DEEP + 2; i++)
        begins(&w, 10 + i, STACK + 9000 - 16ull * i);
    assert_int_equal(count(&w, PS_JOIN_STEP_LIMIT), 2);
    for (w.pid = 100; w.pid < 100 + 4 * PS_SOCKCALLS_THREADS; w.pid++)
        begins(&w, 1000 + w.pid, STACK + 900);
    w.pid = 1;
    packet(&w, 1, 9000, STACK + 900);
    for (uint32_t i = 0; i < PS_CALLS_PER_WAY; i++) {
        begins(&w, 9001 + i, STACK + 800);
        ends(&w, 9001 + i, STACK + 800);
    }
    assert_int_equal(ps_calls_of(w.calls, 1), PS_CALLS_PER_WAY);
    assert_int_equal(count(&w, PS_JOIN_STEP), PS_CALLS_PER_WAY - 1);
    ps_sockcalls_forget(w.socks);
    for (size_t i = 0; i < PS_JOIN_RESULTS; i++)
        sum += count(&w, (enum ps_join_result)i);
    assert_int_equal(sum, PS_SOCKCALLS_DEEP + 2 + 4 * PS_SOCKCALLS_THREADS +
                              PS_CALLS_PER_WAY);
    destroy(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_caller),      cmocka_unit_test(test_callee),
        cmocka_unit_test(test_alone),       cmocka_unit_test(test_several),
        cmocka_unit_test(test_between),     cmocka_unit_test(test_not_kept),
        cmocka_unit_test(test_lost_return), cmocka_unit_test(test_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
