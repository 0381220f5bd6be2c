/* SPDX-License-Identifier: MIT */
#include "t.h"

#include "gateway/limits.h"

#define NOW (UINT64_C(1000000) * PS_NS_PER_S)

static const struct ps_limits_config config = {.conns = 2, .rate = 10};

static struct ps_limits *make(void)
{
    struct ps_limits *limits = NULL;

    assert_int_equal(ps_limits_new(&config, &limits), 0);
    return limits;
}

static struct ps_addr addr(const char *text)
{
    struct ps_addr a;

    assert_int_equal(ps_addr_parse(text, &a), 0);
    return a;
}

static void test_same(void **state _unused_)
{
    static const struct {
        const char *a, *b;
        bool same;
    } cases[] = {
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"2001:db8::1", "2001:db8::ffff:1", true},
        {"2001:db8:0:1::1", "2001:db8::1", false},
        {"::ffff:192.0.2.1", "192.0.2.1", true},
        {"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
        {"::1", "::2", false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct ps_addr a = addr(cases[i].a), b = addr(cases[i].b);

        assert_int_equal(ps_limits_same(&a, &b), cases[i].same);
    }
}

static void test_loopback(void **state _unused_)
{
    static const struct {
        const char *text;
        bool loopback;
    } cases[] = {
        {"127.0.0.1", true},
        {"127.9.9.9", true},
        {"128.0.0.1", false},
        {"::1", true},
        {"::2", false},
        {"::ffff:127.0.0.1", true},
        {"::ffff:10.0.0.1", false},
        {"::127.0.0.1", false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct ps_addr a = addr(cases[i].text);

        assert_int_equal(ps_limits_loopback(&a), cases[i].loopback);
    }
}

static void test_connections(void **state _unused_)
{
    struct ps_limits *limits = make();
    const struct ps_addr one = addr("2001:db8::1"), same = addr("2001:db8::2"),
                         other = addr("2001:db8:1::1"), own = addr("127.0.0.1");

    assert_true(ps_limits_connect(limits, &one));
    assert_true(ps_limits_connect(limits, &same));
    assert_false(ps_limits_connect(limits, &one));
    assert_true(ps_limits_connect(limits, &other));
    ps_limits_disconnect(limits, &one);
    assert_true(ps_limits_connect(limits, &same));
    assert_false(ps_limits_connect(limits, &same));
    for (int i = 0; i < 100; i++)
        assert_true(ps_limits_connect(limits, &own));
    assert_int_equal(ps_limits_stats(limits)->conns_refused, 2);
    /* One end too many takes nobody's place. */
    ps_limits_disconnect(limits, &other);
    ps_limits_disconnect(limits, &other);
    assert_true(ps_limits_connect(limits, &other));
    assert_true(ps_limits_connect(limits, &other));
    assert_false(ps_limits_connect(limits, &other));
    ps_limits_free(&limits);
}

static unsigned int ask(struct ps_limits *limits, const struct ps_addr *who,
                        uint64_t now_ns, unsigned int n)
{
    unsigned int passed = 0;
    uint64_t wait_ns;

    while (n-- > 0)
        passed += ps_limits_request(limits, who, now_ns, &wait_ns);
    return passed;
}

static void test_rate(void **state _unused_)
{
    struct ps_limits *limits = make();
    const struct ps_addr one = addr("192.0.2.1"), other = addr("192.0.2.2"),
                         own = addr("::1");
    uint64_t wait_ns = 0;

    /* Two seconds' worth at once, then as many as time passes. */
    assert_int_equal(ask(limits, &one, NOW, 100), 20);
    assert_false(ps_limits_request(limits, &one, NOW, &wait_ns));
    assert_true(wait_ns > 0 && wait_ns <= PS_NS_PER_S / 10);
    assert_int_equal(ask(limits, &other, NOW, 100), 20);
    assert_int_equal(ask(limits, &one, NOW + PS_NS_PER_S / 10, 100), 1);
    assert_int_equal(ask(limits, &one, NOW + PS_NS_PER_S, 100), 9);
    assert_int_equal(ask(limits, &one, NOW + 100 * PS_NS_PER_S, 100), 20);
    assert_int_equal(ask(limits, &own, NOW, 10000), 20 * PS_LIMITS_LOOPBACK);
    ps_limits_free(&limits);
}

static void test_guessing(void **state _unused_)
{
    struct ps_limits *limits = make();
    const struct ps_addr one = addr("2001:db8::1"), same = addr("2001:db8::2"),
                         other = addr("2001:db8:1::1");
    uint64_t wait_ns = 0;

    assert_true(ps_limits_connect(limits, &one));
    for (int i = 0; i < PS_LIMITS_WRONG; i++) {
        assert_false(ps_limits_blocked(limits, &one, NOW, &wait_ns));
        ps_limits_wrong(limits, i % 2 ? &one : &same, NOW);
    }
    assert_true(ps_limits_blocked(limits, &same, NOW + PS_NS_PER_S, &wait_ns));
    assert_true(wait_ns == 59 * PS_NS_PER_S);
    assert_false(ps_limits_blocked(limits, &other, NOW, &wait_ns));
    /* More of them do not make it longer. */
    ps_limits_wrong(limits, &one, NOW + 59 * PS_NS_PER_S);
    assert_false(
        ps_limits_blocked(limits, &one, NOW + 60 * PS_NS_PER_S, &wait_ns));
    ps_limits_free(&limits);
}

static struct ps_addr numbered(uint32_t i)
{
    struct ps_addr a = {.family = 4};

    memcpy(a.bytes, &i, sizeof(i));
    return a;
}

/* Who comes from everywhere makes us forget others who are away, not those
 * who are here, and takes no more memory than stated. */
static void test_bounded(void **state _unused_)
{
    struct ps_limits *limits = make();
    const struct ps_addr here = addr("192.0.2.1"), away = addr("192.0.2.2");
    uint64_t wait_ns;

    assert_true(ps_limits_connect(limits, &here));
    for (int i = 0; i < PS_LIMITS_WRONG; i++) {
        ps_limits_wrong(limits, &here, NOW);
        ps_limits_wrong(limits, &away, NOW);
    }
    assert_true(ps_limits_blocked(limits, &away, NOW, &wait_ns));
    for (uint32_t i = 1; i <= 3 * PS_LIMITS_REMEMBERED; i++) {
        const struct ps_addr a = numbered(i);

        assert_true(ps_limits_connect(limits, &a));
        ps_limits_wrong(limits, &a, NOW);
        ps_limits_disconnect(limits, &a);
    }
    assert_true(ps_limits_blocked(limits, &here, NOW, &wait_ns));
    assert_false(ps_limits_blocked(limits, &away, NOW, &wait_ns));
    assert_true(ps_limits_connect(limits, &here));
    assert_false(ps_limits_connect(limits, &here));
    ps_limits_free(&limits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same),        cmocka_unit_test(test_loopback),
        cmocka_unit_test(test_connections), cmocka_unit_test(test_rate),
        cmocka_unit_test(test_guessing),    cmocka_unit_test(test_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
