/* SPDX-License-Identifier: MIT */
/* Addresses as text and as messages; namespaces, some of our own making. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/net.h"

static struct ps_addr addr_of(const char *text)
{
    struct ps_addr addr;

    assert_int_equal(ps_addr_parse(text, &addr), 0);
    return addr;
}

static void test_addr_text(void **state _unused_)
{
    static const struct {
        const char *text, *shown;
        int family;
    } cases[] = {
        {"0.0.0.0", "0.0.0.0", 4},
        {"192.0.2.1", "192.0.2.1", 4},
        {"255.255.255.255", "255.255.255.255", 4},
        {"::", "::", 6},
        {"2001:DB8:0:0:0:0:0:1", "2001:db8::1", 6},
        {"::ffff:192.0.2.1", "::ffff:192.0.2.1", 6},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 6},
    };
    static const char *const wrong[] = {
        "",          "1",        "1.2.3",      "1.2.3.4.5", "256.0.0.1",
        "01.2.3.4",  "1.2.3.4 ", " 1.2.3.4",   "0x1.2.3.4", "1.2.3.4/24",
        ":::",       "1::2::3",  "fe80::1%lo", "[::1]",     "12345::",
        "localhost", "1.2.3.-4",
    };
    struct ps_addr addr, none = {0};
    char text[PS_ADDR_TEXT];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        memset(&addr, 0xff, sizeof(addr));
        assert_int_equal(ps_addr_parse(cases[i].text, &addr), 0);
        assert_int_equal(addr.family, cases[i].family);
        assert_ptr_equal(ps_addr_format(&addr, text), text);
        assert_string_equal(text, cases[i].shown);
        if (addr.family == 4)
            assert_memory_equal(addr.bytes + 4, none.bytes, 12);
    }
    memset(&addr, 7, sizeof(addr));
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(ps_addr_parse(wrong[i], &addr), -EINVAL);
    assert_int_equal(ps_addr_parse(NULL, &addr), -EINVAL);
    assert_int_equal(addr.family, 7);
    assert_string_equal(ps_addr_format(&none, text), "");
    assert_string_equal(ps_addr_format(&addr, text), "");
}

static void test_prefix(void **state _unused_)
{
    static const struct {
        const char *addr, *net;
        unsigned int len;
        bool in;
    } cases[] = {
        {"192.0.2.1", "192.0.2.0", 24, true},
        {"192.0.3.1", "192.0.2.0", 24, false},
        {"192.0.3.1", "192.0.2.0", 23, true},
        {"192.0.2.128", "192.0.2.0", 25, false},
        {"192.0.2.127", "192.0.2.0", 25, true},
        {"1.2.3.4", "0.0.0.0", 0, true},
        {"1.2.3.4", "1.2.3.4", 32, true},
        {"1.2.3.5", "1.2.3.4", 32, false},
        {"1.2.3.5", "1.2.3.4", 31, true},
        {"1.2.3.4", "1.2.3.4", 33, false},
        {"1.2.3.4", "1.2.3.4", 128, false},
        {"2001:db8::1", "2001:db8::", 32, true},
        {"2001:db9::1", "2001:db8::", 32, false},
        {"2001:db9::1", "2001:db8::", 31, true},
        {"::1", "::", 127, true},
        {"::1", "::", 128, false},
        {"::1", "::1", 128, true},
        {"::1", "::1", 129, false},
        {"1.2.3.4", "::", 0, false},
        {"::", "0.0.0.0", 0, false},
    };
    struct ps_addr none = {0};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct ps_addr addr = addr_of(cases[i].addr);
        struct ps_addr net = addr_of(cases[i].net);

        assert_int_equal(ps_addr_in_prefix(&addr, &net, cases[i].len),
                         cases[i].in);
    }
    assert_false(ps_addr_in_prefix(&none, &none, 0));
}

static void test_equal(void **state _unused_)
{
    struct ps_addr a = addr_of("0.0.0.0"), b = addr_of("::"), none = {0};

    assert_true(ps_addr_equal(&a, &a));
    assert_false(ps_addr_equal(&a, &b));
    assert_false(ps_addr_equal(&a, &none));
    b = addr_of("0.0.0.1");
    assert_false(ps_addr_equal(&a, &b));
}

static void test_messages(void **state _unused_)
{
    uint8_t bytes[17] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    struct ps_addr addr = {.family = 9}, again, none = {0};
    Ps__Ip ip = PS__IP__INIT;
    Ps__IpProto *proto;
    Ps__Time *time;

    ip.addr.data = bytes;
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        Ps__Ip *copy;

        ip.addr.len = len;
        if (len != 4 && len != 16) {
            assert_int_equal(ps_addr_from_pb(&ip, &addr), -EINVAL);
            continue;
        }
        assert_int_equal(ps_addr_from_pb(&ip, &addr), 0);
        assert_int_equal(addr.family, len == 4 ? 4 : 6);
        assert_memory_equal(addr.bytes, bytes, len);
        copy = ps_addr_to_pb(&addr);
        assert_int_equal(copy->addr.len, len);
        assert_int_equal(ps_addr_from_pb(copy, &again), 0);
        assert_true(ps_addr_equal(&addr, &again));
        ps__ip__free_unpacked(copy, NULL);
    }
    ip.addr.data = NULL;
    ip.addr.len = 4;
    assert_int_equal(ps_addr_from_pb(&ip, &addr), -EINVAL);
    assert_int_equal(ps_addr_from_pb(NULL, &addr), -EINVAL);
    assert_null(ps_addr_to_pb(&none));
    time = ps_time_to_pb(UINT64_MAX);
    assert_int_equal(time->unix_ns, UINT64_MAX);
    ps__time__free_unpacked(time, NULL);
    proto = ps_ipproto_to_pb(17);
    assert_int_equal(proto->number, 17);
    ps__ip_proto__free_unpacked(proto, NULL);
}

static void test_protocols(void **state _unused_)
{
    static const char *const wrong[] = {"",    "TCP", "256", "-1",   "6 ",
                                        "0x6", "263", "t",   "1000", "6.0"};
    uint32_t number = 77;

    assert_string_equal(ps_ipproto_name(6), "tcp");
    assert_string_equal(ps_ipproto_name(17), "udp");
    assert_string_equal(ps_ipproto_name(1), "icmp");
    assert_string_equal(ps_ipproto_name(58), "icmpv6");
    assert_null(ps_ipproto_name(200));
    assert_null(ps_ipproto_name(UINT32_MAX));
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(ps_ipproto_parse(wrong[i], &number), -EINVAL);
    assert_int_equal(ps_ipproto_parse(NULL, &number), -EINVAL);
    assert_int_equal(number, 77);
    for (uint32_t i = 0; i <= 255; i++) {
        const char *name = ps_ipproto_name(i);
        char text[16];

        snprintf(text, sizeof(text), "%u", i);
        assert_int_equal(ps_ipproto_parse(text, &number), 0);
        assert_int_equal(number, i);
        number = 77;
        assert_int_equal(ps_ipproto_parse(name ? name : text, &number), 0);
        assert_int_equal(number, i);
    }
}

/* ---- namespaces --------------------------------------------------------- */

static const struct ps_netns *find(const struct ps_netns *list, size_t n,
                                   uint32_t inum)
{
    const struct ps_netns *found = NULL;

    for (size_t i = 0; i < n; i++) {
        if (list[i].inum != inum)
            continue;
        /* Never twice. */
        assert_null(found);
        found = &list[i];
    }
    return found;
}

static void test_netns_self(void **state _unused_)
{
    static struct ps_netns list[4096];
    const struct ps_netns *own;
    uint32_t self;
    struct stat st;
    size_t n;

    assert_int_equal(ps_netns_self(&self), 0);
    assert_int_equal(stat("/proc/self/ns/net", &st), 0);
    assert_int_equal(self, st.st_ino);
    assert_int_equal(ps_netns_list(list, ARRAY_SIZE(list), &n), 0);
    assert_in_range(n, 1, ARRAY_SIZE(list));
    own = find(list, n, self);
    assert_non_null(own);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(find(list, n, list[i].inum), &list[i]);
        assert_int_equal(list[i].path[0], '/');
    }
    assert_int_equal(stat(own->path, &st), 0);
    assert_int_equal(st.st_ino, self);
}

static void test_netns_bounded(void **state _unused_)
{
    struct ps_netns list[2] = {0};
    size_t all, n;

    assert_int_equal(ps_netns_list(NULL, 0, &all), 0);
    assert_true(all >= 1);
    list[1].inum = 12345;
    assert_int_equal(ps_netns_list(list, 1, &n), 0);
    assert_true(n >= 1);
    assert_int_not_equal(list[0].inum, 0);
    assert_int_equal(list[1].inum, 12345);
}

/* A child that lives in a namespace of its own until its pipe closes. */
static pid_t make_namespace(int *ret_pipe, bool *ret_made)
{
    int to_child[2], from_child[2];
    char made = 0;
    pid_t pid;

    assert_int_equal(pipe2(to_child, O_CLOEXEC), 0);
    assert_int_equal(pipe2(from_child, O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(to_child[1]);
        made = unshare(CLONE_NEWNET) == 0;
        if (write(from_child[1], &made, 1) == 1)
            while (read(to_child[0], &made, 1) < 0 && errno == EINTR)
                ;
        _exit(0);
    }
    close(to_child[0]);
    close(from_child[1]);
    assert_int_equal(read(from_child[0], &made, 1), 1);
    close(from_child[0]);
    *ret_pipe = to_child[1];
    *ret_made = made;
    return pid;
}

static void test_netns_of_process(void **state _unused_)
{
    static struct ps_netns list[4096];
    const struct ps_netns *entry;
    char path[64];
    struct stat st;
    bool made;
    size_t n;
    int fd;
    pid_t pid = make_namespace(&fd, &made);

    if (!made) {
        close(fd);
        waitpid(pid, NULL, 0);
        print_message("needs CAP_SYS_ADMIN\n");
        skip();
    }
    snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(ps_netns_list(list, ARRAY_SIZE(list), &n), 0);
    entry = find(list, n, (uint32_t)st.st_ino);
    assert_non_null(entry);
    assert_string_equal(entry->path, path);
    assert_string_equal(entry->name, "");
    close(fd);
    waitpid(pid, NULL, 0);
    assert_int_equal(ps_netns_list(list, ARRAY_SIZE(list), &n), 0);
    entry = find(list, n, (uint32_t)st.st_ino);
    assert_null(entry);
}

/* Runs in a child with mounts of its own: a name, and one whose mount is
 * gone. 0: as it should be. */
static int try_named(void)
{
    static struct ps_netns list[4096];
    const struct ps_netns *entry = NULL;
    uint32_t self;
    size_t n;

    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        (mkdir("/run/netns", 0755) < 0 && errno != EEXIST) ||
        mount("ps-test", "/run/netns", "tmpfs", 0, NULL) < 0)
        return 77;
    close(open("/run/netns/stale", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    close(open("/run/netns/mine", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    if (mkfifo("/run/netns/fifo", 0600) < 0 || unshare(CLONE_NEWNET) < 0 ||
        mount("/proc/self/ns/net", "/run/netns/mine", NULL, MS_BIND, NULL) < 0)
        return 77;
    if (ps_netns_self(&self) < 0 ||
        ps_netns_list(list, ARRAY_SIZE(list), &n) < 0)
        return 2;
    for (size_t i = 0; i < n; i++) {
        if (list[i].inum == self)
            entry = &list[i];
        if (strcmp(list[i].name, "stale") == 0 ||
            strcmp(list[i].name, "fifo") == 0)
            return 3;
    }
    if (!entry || strcmp(entry->name, "mine") != 0)
        return 4;
    return strcmp(entry->path, "/run/netns/mine") == 0 ? 0 : 5;
}

static void test_netns_named(void **state _unused_)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(unshare(CLONE_NEWNS) < 0 ? 77 : try_named());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        print_message("needs CAP_SYS_ADMIN\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addr_text),
        cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_protocols),
        cmocka_unit_test(test_netns_self),
        cmocka_unit_test(test_netns_bounded),
        cmocka_unit_test(test_netns_of_process),
        cmocka_unit_test(test_netns_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
