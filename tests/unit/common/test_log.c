/* SPDX-License-Identifier: MIT */
/* Lines of the log, as they come out of standard error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/log.h"
#include "common/utf8.h"

/* Standard error goes to a file of memory, and back. */
struct capture {
    int saved, fd;
    char text[256 * 1024];
};

static int setup(void **state)
{
    struct capture *c = calloc(1, sizeof(*c));

    if (!c)
        return -1;
    c->saved = dup(STDERR_FILENO);
    c->fd = memfd_create("log", MFD_CLOEXEC);
    if (c->saved < 0 || c->fd < 0)
        return -1;
    unsetenv("JOURNAL_STREAM");
    ps_log_init("tester");
    ps_log_set_level(PS_LOG_INFO);
    *state = c;
    return 0;
}

static int teardown(void **state)
{
    struct capture *c = *state;

    dup2(c->saved, STDERR_FILENO);
    close(c->saved);
    close(c->fd);
    unsetenv("JOURNAL_STREAM");
    free(c);
    return 0;
}

static void start(struct capture *c)
{
    fcntl(c->fd, F_SETFL, O_APPEND);
    assert_int_equal(ftruncate(c->fd, 0), 0);
    dup2(c->fd, STDERR_FILENO);
}

static const char *end(struct capture *c)
{
    ssize_t n;

    dup2(c->saved, STDERR_FILENO);
    n = pread(c->fd, c->text, sizeof(c->text) - 1, 0);
    assert_true(n >= 0);
    c->text[n] = '\0';
    return c->text;
}

/* What follows "2026-11-23T10:00:00.123456Z ". */
static const char *after_time(const char *line)
{
    static const char shape[] = "dddd-dd-ddTdd:dd:dd.ddddddZ ";

    for (size_t i = 0; shape[i]; i++) {
        if (shape[i] == 'd')
            assert_in_range(line[i], '0', '9');
        else
            assert_int_equal(line[i], shape[i]);
    }
    return line + strlen(shape);
}

static void test_line(void **state)
{
    struct capture *c = *state;

    start(c);
    errno = EXDEV;
    ps_info("trace_started", "id=%s max=%d note=" PS_Q, "t1", 100, "a b");
    assert_int_equal(errno, EXDEV);
    assert_string_equal(
        after_time(end(c)),
        "INFO tester trace_started id=t1 max=100 note=\"a b\"\n");
    start(c);
    ps_log(PS_LOG_ERROR, "ended", NULL);
    assert_string_equal(after_time(end(c)), "ERROR tester ended\n");
}

static void test_time(void **state)
{
    struct capture *c = *state;
    struct tm tm = {0};
    time_t before = time(NULL), logged;

    start(c);
    ps_info("now", NULL);
    end(c);
    assert_non_null(strptime(c->text, "%Y-%m-%dT%H:%M:%S", &tm));
    logged = timegm(&tm);
    assert_true(logged >= before && logged <= time(NULL));
}

static void test_levels(void **state)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    struct capture *c = *state;
    enum ps_log_level level = PS_LOG_DEBUG;

    assert_int_equal(ps_log_parse_level("verbose", &level), -EINVAL);
    assert_int_equal(ps_log_parse_level("", &level), -EINVAL);
    assert_int_equal(ps_log_parse_level(NULL, &level), -EINVAL);
    assert_int_equal(ps_log_parse_level("INFO", &level), -EINVAL);
    assert_int_equal(level, PS_LOG_DEBUG);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        size_t lines = 0;

        assert_int_equal(ps_log_parse_level(names[i], &level), 0);
        assert_int_equal(level, i);
        ps_log_set_level(level);
        start(c);
        ps_error("e", NULL);
        ps_warning("w", NULL);
        ps_info("i", NULL);
        ps_debug("d", NULL);
        for (const char *p = end(c); *p; p++)
            lines += *p == '\n';
        assert_int_equal(lines, i + 1);
    }
}

static void test_hostile_values(void **state)
{
    struct capture *c = *state;

    start(c);
    ps_info("x", "v=%s", "a\nb\r\x1b[31m\x7f\tz");
    assert_string_equal(after_time(end(c)), "INFO tester x v=a?b??[31m??z\n");
    start(c);
    ps_info("x", "v=%s",
            "\xc2\x9b"
            "1m \xff\xc0\xaf \xc3\xa9 \xed\xa0\x80.");
    assert_string_equal(after_time(end(c)),
                        "INFO tester x v=?1m ??? \xc3\xa9 ???.\n");
}

static void test_long_line(void **state)
{
    struct capture *c = *state;
    char value[4001];
    size_t n;

    memset(value, 'x', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    start(c);
    ps_info("x", "v=%s", value);
    n = strlen(end(c));
    assert_in_range(n, 1000, 1024);
    assert_int_equal(c->text[n - 1], '\n');
    assert_int_equal(strcspn(c->text, "\n"), n - 1);

    /* The cut never leaves half a character, wherever it falls. */
    for (size_t shift = 0; shift < 4; shift++) {
        for (size_t i = 0; i + 4 <= sizeof(value) - 1; i += 4)
            memcpy(value + i, "\xf0\x9f\x9b\xa1", 4);
        start(c);
        ps_info("x", "%s v=%s", &"aaaa"[shift], value);
        n = strlen(end(c));
        assert_in_range(n, 1000, 1024);
        assert_true(ps_utf8_valid(c->text, n));
        assert_null(strchr(c->text, '?'));
    }
}

static void test_journal(void **state)
{
    struct capture *c = *state;
    char stream[64];
    struct stat st;

    assert_int_equal(fstat(c->fd, &st), 0);
    snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    start(c);
    ps_log_init("tester");
    ps_warning("odd", "n=%d", 1);
    ps_error("bad", NULL);
    assert_string_equal(end(c), "<4>tester odd n=1\n<3>tester bad\n");

    /* Inherited from a parent whose stream was another. */
    setenv("JOURNAL_STREAM", "1:2", 1);
    start(c);
    ps_log_init("tester");
    ps_warning("odd", "n=%d", 1);
    assert_string_equal(after_time(end(c)), "WARNING tester odd n=1\n");
    setenv("JOURNAL_STREAM", "garbage", 1);
    start(c);
    ps_log_init("tester");
    ps_warning("odd", "n=%d", 1);
    assert_string_equal(after_time(end(c)), "WARNING tester odd n=1\n");
}

static void *log_many(void *arg)
{
    for (int i = 0; i < 200; i++)
        ps_info("many", "who=%s i=%03d", (const char *)arg, i);
    return NULL;
}

static void test_threads(void **state)
{
    static const char *const names[] = {"aaaa", "bbbb", "cccc", "dddd"};
    struct capture *c = *state;
    pthread_t threads[ARRAY_SIZE(names)];
    size_t lines = 0;

    start(c);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_many,
                                        (void *)(uintptr_t)names[i]),
                         0);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        pthread_join(threads[i], NULL);
    for (const char *line = end(c); *line; lines++) {
        const char *rest = after_time(line);

        assert_int_equal(strcspn(rest, "\n"),
                         strlen("INFO tester many who=aaaa i=000"));
        line = rest + strcspn(rest, "\n") + 1;
    }
    assert_int_equal(lines, 200 * ARRAY_SIZE(names));
}

static void test_utf8(void **state _unused_)
{
    static const struct {
        const char *text, *repaired;
    } cases[] = {
        {"", ""},
        {"plain", "plain"},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x9b\xa1", NULL},
        {"\xf4\x8f\xbf\xbf", NULL},
        {"\xef\xbf\xbf", NULL},
        {"a\xff", "a\xef\xbf\xbd"},
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xc3", "\xef\xbf\xbd"},
        {"\xe0\x80\xaf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xf4\x90\x80\x80",
         "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xe2\x82z", "\xef\xbf\xbd\xef\xbf\xbdz"},
        {"\x80", "\xef\xbf\xbd"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *text = cases[i].text;
        const char *want = cases[i].repaired ? cases[i].repaired : text;
        size_t len;
        char *got = ps_utf8_repair(text, strlen(text), &len);

        assert_string_equal(got, want);
        assert_int_equal(len, strlen(want));
        assert_true(ps_utf8_valid(got, len));
        assert_int_equal(ps_utf8_valid(text, strlen(text)),
                         strcmp(text, want) == 0);
        free(got);
    }
    assert_true(ps_utf8_valid("a\0b", 3));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_line),      TEST(test_time),
        TEST(test_levels),    TEST(test_hostile_values),
        TEST(test_long_line), TEST(test_journal),
        TEST(test_threads),   cmocka_unit_test(test_utf8),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
