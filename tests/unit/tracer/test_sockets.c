/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "tracer/socktable.h"

static const char id64[] =
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static struct ps_tracer_sock rec(uint64_t addr, uint16_t lport, uint32_t pid)
{
    struct ps_tracer_sock r = {
        .addr = addr,
        .inode = addr + 1000,
        .netns = 1,
        .pid = pid,
        .fd = pid ? 3 : 0,
        .proto = IPPROTO_TCP,
        .type = SOCK_STREAM,
        .state = TCP_LISTEN,
        .family = 4,
        .lport = lport,
        .comm = "some",
        .laddr = {127, 0, 0, 1},
    };

    return r;
}

static struct ps_socktable *new_table(void)
{
    struct ps_socktable *t = NULL;

    assert_int_equal(ps_socktable_new(&t), 0);
    return t;
}

static void add(struct ps_socktable *t, struct ps_tracer_sock r)
{
    assert_int_equal(ps_socktable_add(t, &r), 0);
}

static void test_merge(void **state _unused_)
{
    struct ps_socktable *t = new_table();
    struct ps_tracer_sock raw = rec(0, 0, 0);
    const struct ps_sock *s;

    add(t, rec(1, 80, 10));
    add(t, rec(1, 80, 11)); /* the same, held by a child too */
    add(t, rec(1, 80, 0));  /* seen by the namespace's iterator */
    add(t, rec(2, 81, 0));  /* nobody holds it */
    add(t, rec(1, 82, 0));  /* memory taken again for another */
    assert_int_equal(ps_socktable_len(t), 3);
    s = ps_socktable_get(t, 0);
    assert_int_equal(s->n_owners, 2);
    assert_int_equal(ps_socktable_owner(t, s->owners)->pid, 11);
    assert_int_equal(ps_socktable_get(t, 1)->n_owners, 0);
    /* /proc/net knows inodes, not addresses. */
    raw.type = SOCK_RAW;
    raw.inode = 1001;
    add(t, raw);
    assert_int_equal(ps_socktable_len(t), 3);
    raw.inode = 5;
    add(t, raw);
    assert_int_equal(ps_socktable_len(t), 4);
    ps_socktable_free(&t);
}

static void test_unbound_is_not_shown(void **state _unused_)
{
    struct ps_socktable *t = new_table();
    struct ps_tracer_sock r = rec(1, 0, 10);

    r.state = TCP_CLOSE;
    add(t, r);
    r.type = SOCK_DGRAM;
    r.proto = IPPROTO_UDP;
    add(t, r);
    assert_int_equal(ps_socktable_len(t), 0);
    r.lport = 53;
    add(t, r);
    assert_int_equal(ps_socktable_len(t), 1);
    ps_socktable_free(&t);
}

static void test_owners_are_bounded(void **state _unused_)
{
    struct ps_socktable *t = new_table();

    for (uint32_t pid = 1; pid <= PS_SOCK_MAX_OWNERS + 5; pid++)
        add(t, rec(1, 80, pid));
    assert_int_equal(ps_socktable_get(t, 0)->n_owners, PS_SOCK_MAX_OWNERS);
    assert_int_equal(ps_socktable_cut_owners(t), 5);
    ps_socktable_free(&t);
}

static void test_many(void **state _unused_)
{
    struct ps_socktable *t = new_table();

    for (uint64_t i = 1; i <= 50000; i++)
        add(t, rec(i * 64, (uint16_t)i, (uint32_t)i));
    for (uint64_t i = 1; i <= 50000; i++)
        add(t, rec(i * 64, (uint16_t)i, 0));
    assert_int_equal(ps_socktable_len(t), 50000);
    ps_socktable_free(&t);
}

static void test_states(void **state _unused_)
{
    uint8_t number = 0;

    assert_string_equal(ps_sock_state_name(TCP_ESTABLISHED), "ESTAB");
    assert_string_equal(ps_sock_state_name(TCP_LISTEN), "LISTEN");
    assert_string_equal(ps_sock_state_name(TCP_TIME_WAIT), "TIME-WAIT");
    assert_string_equal(ps_sock_state_name(TCP_CLOSE), "UNCONN");
    assert_string_equal(ps_sock_state_name(12), "SYN-RECV");
    assert_null(ps_sock_state_name(0));
    assert_null(ps_sock_state_name(13));
    assert_int_equal(ps_sock_parse_state("time-wait", &number), 0);
    assert_int_equal(number, TCP_TIME_WAIT);
    assert_int_equal(ps_sock_parse_state("TIMEWAIT", &number), -EINVAL);
    assert_int_equal(ps_sock_parse_state("", &number), -EINVAL);
}

static void test_proc(void **state _unused_)
{
    const char *v4 = "    1: 0100007F:0001 00000000:0000 07 00000002:00000300"
                     " 00:00000000 00000000  1000        0 4242 2 "
                     "0000000000000000 0";
    const char *v6 =
        "   58: 00000000000000000000000001000000:003A "
        "00000000000000000000000000000000:0000 07 00000000:00000000 "
        "00:00000000 00000000     0        0 77 2 0000000000000000 0";
    static const char *const bad[] = {
        "",
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when",
        "    1: 0100007:0001 00000000:0000 07 00000002:00000300 00:0 0 1 0 4",
        "    1: 0100007F:0001 00000000:0000 07",
        "    1: zz00007F:0001 00000000:0000 07 00000002:00000300 00:0 0 1 0 4",
    };
    struct ps_tracer_sock r;

    assert_int_equal(ps_sock_parse_proc(v4, 4, &r), 0);
    assert_memory_equal(r.laddr, ((uint8_t[]){127, 0, 0, 1}), 4);
    assert_int_equal(r.lport, 1);
    assert_int_equal(r.send_queue, 2);
    assert_int_equal(r.recv_queue, 0x300);
    assert_int_equal(r.uid, 1000);
    assert_int_equal(r.inode, 4242);
    assert_int_equal(ps_sock_parse_proc(v6, 6, &r), 0);
    assert_int_equal(r.lport, 58);
    assert_int_equal(r.laddr[15], 1);
    assert_int_equal(ps_sock_parse_proc(v6, 4, &r), -EINVAL);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(ps_sock_parse_proc(bad[i], 4, &r), -EINVAL);
}

static unsigned int asked;

static void fake_cgroup(uint32_t pid, struct ps_cgroup *ret)
{
    asked++;
    *ret = (struct ps_cgroup){0};
    if (pid == 20)
        memcpy(ret->container, id64, sizeof(id64));
}

static void test_filter(void **state _unused_)
{
    struct ps_socktable *t = new_table();
    struct ps_sock_cgroup cache = {0};
    struct ps_sock_filter none = {0}, f;
    struct ps_tracer_sock r = rec(2, 443, 20);
    const struct ps_sock *a, *b;

    add(t, rec(1, 80, 10));
    r.family = 6;
    memset(r.laddr, 0, sizeof(r.laddr));
    r.laddr[10] = r.laddr[11] = 0xff; /* ::ffff:10.0.0.9 */
    memcpy(r.laddr + 12, ((uint8_t[]){10, 0, 0, 9}), 4);
    r.state = TCP_ESTABLISHED;
    add(t, r);
    a = ps_socktable_get(t, 0);
    b = ps_socktable_get(t, 1);
#define MATCH(s) ps_sock_matches(t, s, &f, fake_cgroup)
    f = none;
    assert_true(MATCH(a) && MATCH(b));
    f = (struct ps_sock_filter){.has_port = true, .port = 443};
    assert_true(!MATCH(a) && MATCH(b));
    f = (struct ps_sock_filter){.family = 6};
    assert_true(!MATCH(a) && MATCH(b));
    f = (struct ps_sock_filter){.has_state = true, .state = TCP_LISTEN};
    assert_true(MATCH(a) && !MATCH(b));
    f = (struct ps_sock_filter){.has_pid = true, .pid = 20};
    assert_true(!MATCH(a) && MATCH(b));
    f = (struct ps_sock_filter){.comm = "some"};
    assert_true(MATCH(a) && MATCH(b));
    f = (struct ps_sock_filter){.comm = "so"};
    assert_true(!MATCH(a) && !MATCH(b));
    f = (struct ps_sock_filter){.addr = {4, {10, 0, 0, 9}}};
    assert_true(!MATCH(a) && MATCH(b));
    f = (struct ps_sock_filter){.addr = {4, {127, 0, 0, 1}}};
    assert_true(MATCH(a) && !MATCH(b));
    f = (struct ps_sock_filter){.container = "0123456789ab", .cache = &cache};
    asked = 0;
    assert_true(!MATCH(a) && MATCH(b) && MATCH(b));
    assert_int_equal(asked, 2);
    f.container = "0123456789ac";
    assert_false(MATCH(b));
#undef MATCH
    ps_socktable_free(&t);
}

static void test_sort(void **state _unused_)
{
    struct ps_socktable *t = new_table();
    const struct ps_sock *socks[3];

    add(t, rec(1, 300, 0));
    add(t, rec(2, 100, 0));
    add(t, rec(3, 200, 0));
    for (size_t i = 0; i < 3; i++)
        socks[i] = ps_socktable_get(t, i);
    assert_int_equal(ps_sock_sort(socks, 3, "-lport", 3), 0);
    assert_int_equal(socks[0]->rec.lport, 300);
    assert_int_equal(socks[2]->rec.lport, 100);
    assert_int_equal(ps_sock_sort(socks, 3, NULL, SIZE_MAX), 0);
    assert_int_equal(socks[0]->rec.lport, 100);
    assert_int_equal(ps_sock_sort(socks, 3, "lports", 3), -EINVAL);
    assert_int_equal(ps_sock_sort(socks, 3, "-", 3), -EINVAL);
    ps_socktable_free(&t);
}

/* A page's order is that of the whole list, whatever comes behind it. */
static void test_sort_first(void **state _unused_)
{
    enum { N = 2000 };
    struct ps_socktable *t = new_table();
    const struct ps_sock **whole = calloc(N, sizeof(*whole));
    const struct ps_sock **part = calloc(N, sizeof(*part));
    uint32_t x = 1;

    assert_non_null(whole);
    assert_non_null(part);
    for (uint32_t i = 0; i < N; i++) {
        x = x * 1664525u + 1013904223u;
        /* Many share a port, so that ties are broken too. */
        add(t, rec(i + 1, (uint16_t)(1 + (x >> 16) % 300), 0));
    }
    for (size_t first = 1; first < N; first = first * 3 + 1) {
        for (size_t i = 0; i < N; i++)
            whole[i] = part[i] = ps_socktable_get(t, i);
        assert_int_equal(ps_sock_sort(whole, N, "-lport", N), 0);
        assert_int_equal(ps_sock_sort(part, N, "-lport", first), 0);
        assert_memory_equal(whole, part, first * sizeof(*part));
    }
    free(whole);
    free(part);
    ps_socktable_free(&t);
}

static void test_cgroup(void **state _unused_)
{
    static const struct {
        const char *prefix, *suffix; /* the id between; NULL: no id */
        const char *path;            /* NULL: not looked at */
    } cases[] = {
        {"0::/system.slice/docker-", ".scope\n", NULL},
        {"0::/docker/", "\n", NULL},
        {"12:cpu:/docker/", "\n0::/\n", NULL},
        {"0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-", ".scope\n",
         NULL},
        {"0::/kubepods/besteffort/pod0/", "\n", NULL},
        {"0::/system.slice:cri-containerd:", "\n", NULL},
        {"0::/machine.slice/libpod-", ".scope/container\n", NULL},
        {"0::/machine.slice/crio-", ".scope", NULL},
        {"0::/machine.slice/libpod-conmon-", ".scope\n", "none"},
        {"0::/user.slice/x", "\n", "none"},
        {"0::/user.slice/", "a\n", "none"},
    };
    struct ps_cgroup c;
    char text[512];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        snprintf(text, sizeof(text), "%s%s%s", cases[i].prefix, id64,
                 cases[i].suffix);
        ps_cgroup_parse(text, &c);
        assert_string_equal(c.container, cases[i].path ? "" : id64);
    }
    ps_cgroup_parse("3:cpu:/a\n2:name=systemd:/b\n0::/c/d\n", &c);
    assert_string_equal(c.path, "/c/d");
    ps_cgroup_parse("3:cpu:/\n2:name=systemd:/b\n0::/\n", &c);
    assert_string_equal(c.path, "/b");
    ps_cgroup_parse("", &c);
    assert_string_equal(c.path, "");
    ps_cgroup_parse("nonsense\n\n::\n:", &c);
    assert_string_equal(c.container, "");
    ps_cgroup_of(UINT32_MAX, &c);
    assert_string_equal(c.path, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_unbound_is_not_shown),
        cmocka_unit_test(test_owners_are_bounded),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_proc),
        cmocka_unit_test(test_filter),
        cmocka_unit_test(test_sort),
        cmocka_unit_test(test_sort_first),
        cmocka_unit_test(test_cgroup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
