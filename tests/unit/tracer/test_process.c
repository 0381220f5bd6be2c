/* SPDX-License-Identifier: MIT */
/* Processes that are asked for, and the keys of their sockets. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "tracer/learn.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_fits(void **state _unused_)
{
    struct ps_cgroup in = {.path = "/a/docker-" ID ".scope", .container = ID};
    struct ps_process asked = {.pid = 7};
    struct ps_cgroup none = {0};

    assert_true(ps_process_asked(&asked));
    assert_false(ps_process_asks_cgroup(&asked));
    assert_true(ps_process_fits(&asked, 7, &none));
    assert_false(ps_process_fits(&asked, 8, &none));
    asked = (struct ps_process){.cgroup = "/a"};
    assert_true(ps_process_fits(&asked, 8, &in));
    assert_false(ps_process_fits(&asked, 8, &none));
    snprintf(in.path, sizeof(in.path), "/ab");
    assert_false(ps_process_fits(&asked, 8, &in));
    snprintf(in.path, sizeof(in.path), "/a");
    assert_true(ps_process_fits(&asked, 8, &in));
    asked = (struct ps_process){.container = "0123456789ab"};
    assert_true(ps_process_fits(&asked, 8, &in));
    assert_false(ps_process_fits(&asked, 8, &none));
    asked.container[0] = '1';
    assert_false(ps_process_fits(&asked, 8, &in));
}

static void test_cgroup_of_all(void **state _unused_)
{
    struct ps_cgroup in = {.path = "/a/docker-" ID ".scope/deep",
                           .container = ID};
    struct ps_process asked = {.pid = 7, .cgroup = "/a"};
    char path[PS_CGROUP_PATH] = "";

    /* One process of it is less. */
    assert_false(ps_process_cgroup(&asked, &in, path));
    asked.pid = 0;
    assert_true(ps_process_cgroup(&asked, NULL, path));
    assert_string_equal(path, "/a");
    asked = (struct ps_process){.container = ID};
    assert_false(ps_process_cgroup(&asked, NULL, path));
    assert_true(ps_process_cgroup(&asked, &in, path));
    assert_string_equal(path, "/a/docker-" ID ".scope");
    /* The container was named in another hierarchy. */
    snprintf(in.path, sizeof(in.path), "/elsewhere");
    assert_false(ps_process_cgroup(&asked, &in, path));
}

static void test_members(void **state _unused_)
{
    struct ps_members m = {0};

    assert_int_equal(ps_members_slots(&m, 1), 0);
    for (uint32_t i = 300; i > 0; i--)
        assert_int_equal(ps_members_add(&m, i, 1), 0);
    assert_int_equal(ps_members_add(&m, 7, 4), 0);
    ps_members_sort(&m);
    assert_int_equal(m.n, 300);
    assert_int_equal(ps_members_slots(&m, 7), 5);
    assert_int_equal(ps_members_slots(&m, 300), 1);
    assert_int_equal(ps_members_slots(&m, 301), 0);
    while (m.n < PS_MEMBERS_MAX)
        assert_int_equal(ps_members_add(&m, 1, 1), 0);
    assert_int_equal(ps_members_add(&m, 1, 1), -ENOSPC);
    ps_members_clear(&m);
}

static void test_tuple(void **state _unused_)
{
    struct ps_tracer_sock s = {.proto = IPPROTO_TCP,
                               .type = SOCK_STREAM,
                               .family = 6,
                               .lport = 80,
                               .rport = 4000,
                               .laddr = {[10] = 0xff, 0xff, 10, 0, 0, 1},
                               .raddr = {[10] = 0xff, 0xff, 10, 0, 0, 2}};
    struct ps_tracer_tuple t = {0};

    assert_true(ps_learn_tuple(&s, &t));
    assert_int_equal(t.family, 4);
    assert_memory_equal(t.saddr, "\12\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    assert_int_equal(t.daddr[3], 2);
    assert_int_equal(t.sport, 80);
    assert_int_equal(t.dport, 4000);
    assert_int_equal(t.proto, IPPROTO_TCP);
    s.raddr[0] = 1;
    assert_false(ps_learn_tuple(&s, &t));
    s.laddr[0] = 1;
    assert_true(ps_learn_tuple(&s, &t));
    assert_int_equal(t.family, 6);
    s.rport = 0;
    assert_false(ps_learn_tuple(&s, &t));
    s.rport = 1;
    s.type = SOCK_RAW;
    assert_false(ps_learn_tuple(&s, &t));
}

static void test_ends(void **state _unused_)
{
    struct ps_tracer_sock s = {.proto = IPPROTO_UDP,
                               .type = SOCK_DGRAM,
                               .family = 4,
                               .lport = 53,
                               .netns = 0xf0000001,
                               .laddr = {127, 0, 0, 1}};
    struct ps_tracer_tuple end = {0};
    uint8_t addr[16];
    uint32_t netns;

    assert_true(ps_learn_has_end(&s));
    assert_int_equal(ps_learn_bound(&s, addr), 4);
    ps_learn_end(&s, 4, addr, &end);
    assert_int_equal(end.family, 4 | PS_TRACER_LOCAL_END);
    assert_int_equal(end.sport, 53);
    assert_int_equal(end.saddr[0], 127);
    memcpy(&netns, end.daddr, sizeof(netns));
    assert_int_equal(netns, 0xf0000001);
    memset(s.laddr, 0, sizeof(s.laddr));
    assert_int_equal(ps_learn_bound(&s, addr), 0);
    s.rport = 1;
    assert_false(ps_learn_has_end(&s));
    s.rport = 0;
    s.proto = IPPROTO_TCP;
    s.state = 7; /* closed */
    assert_false(ps_learn_has_end(&s));
    s.state = 10;
    assert_true(ps_learn_has_end(&s));
    s.lport = 0;
    assert_false(ps_learn_has_end(&s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fits),    cmocka_unit_test(test_cgroup_of_all),
        cmocka_unit_test(test_members), cmocka_unit_test(test_tuple),
        cmocka_unit_test(test_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
