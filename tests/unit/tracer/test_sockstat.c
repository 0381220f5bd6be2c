/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tracer/sockstat.h"

static void test_parse(void **state _unused_)
{
    struct ps_sockstat stat = {0};

    assert_int_equal(
        ps_sockstat_parse("sockets: used 185\n"
                          "TCP: inuse 11 orphan 1 tw 7 alloc 15 mem 1\n"
                          "UDP: inuse 5 mem 2\n"
                          "UDPLITE: inuse 3\n"
                          "RAW: inuse 9\n"
                          "FRAG: inuse 8 memory 0\n",
                          &stat),
        0);
    assert_int_equal(stat.tcp, 11);
    assert_int_equal(stat.time_wait, 7);
    assert_int_equal(stat.udp, 8);
    assert_int_equal(ps_sockstat_parse("TCP6: inuse 2\nUDP6: inuse 4\n"
                                       "UDPLITE6: inuse 0\nRAW6: inuse 1\n",
                                       &stat),
                     0);
    assert_int_equal(stat.tcp, 13);
    assert_int_equal(stat.time_wait, 7);
    assert_int_equal(stat.udp, 12);
}

/* What is not understood is no count of 0. */
static void test_malformed(void **state _unused_)
{
    static const char *const texts[] = {
        "",
        "\n",
        "TCP: inuse 11",
        "UDP: inuse 1\n",
        "sockets: used 1\n",
        "TCPX TCP: inuse 1\nudp: inuse 1",
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct ps_sockstat stat = {0};

        assert_int_equal(ps_sockstat_parse(texts[i], &stat), -EINVAL);
    }
}

static void test_here(void **state _unused_)
{
    struct ps_sockstat stat = {0};

    assert_int_equal(ps_sockstat_read(&stat), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_here),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
