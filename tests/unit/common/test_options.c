/* SPDX-License-Identifier: MIT */
/* Options: every source, every type, every bound, and what is said when it
 * does not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>

#include "common/options.h"

struct config {
    char *level;
    char *file;
    bool selftest;
    uint64_t limit, any, least;
    uint64_t wait;
    uint64_t room;
    struct ps_strlist peers, few;
};

static const struct ps_option table[] = {
    {.name = "log-level",
     .type = PS_OPT_STRING,
     .offset = offsetof(struct config, level),
     .def = "info",
     .arg = "LEVEL",
     .help = "what is logged: error, warning, info or debug, each with what "
             "stands before it in this list"},
    {.name = "file",
     .type = PS_OPT_STRING,
     .offset = offsetof(struct config, file),
     .arg = "FILE"},
    {.name = "selftest",
     .type = PS_OPT_BOOL,
     .offset = offsetof(struct config, selftest),
     .help = "try, and leave"},
    {.name = "limit",
     .type = PS_OPT_UINT,
     .offset = offsetof(struct config, limit),
     .def = "3",
     .min = 1,
     .max = 10,
     .arg = "N"},
    {.name = "any",
     .type = PS_OPT_UINT,
     .offset = offsetof(struct config, any)},
    {.name = "least",
     .type = PS_OPT_UINT,
     .offset = offsetof(struct config, least),
     .def = "7",
     .min = 5},
    {.name = "wait-time",
     .type = PS_OPT_DURATION,
     .offset = offsetof(struct config, wait),
     .def = "2s",
     .min = PS_NS_PER_S,
     .max = 3600 * PS_NS_PER_S},
    {.name = "room",
     .type = PS_OPT_SIZE,
     .offset = offsetof(struct config, room),
     .def = "64K"},
    {.name = "peers",
     .type = PS_OPT_LIST,
     .offset = offsetof(struct config, peers),
     .def = "x,y"},
    {.name = "few",
     .type = PS_OPT_LIST,
     .offset = offsetof(struct config, few),
     .min = 1,
     .max = 2},
    {0},
};

struct fixture {
    struct config config;
    char *error;
    char dir[32];
    char path[64];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    if (!f)
        return -1;
    snprintf(f->dir, sizeof(f->dir), "/tmp/ps-options-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    snprintf(f->path, sizeof(f->path), "%s/o.yaml", f->dir);
    *state = f;
    return ps_options_defaults(table, &f->config);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    ps_options_free(table, &f->config);
    unlink(f->path);
    rmdir(f->dir);
    free(f->error);
    free(f);
    return 0;
}

static int set(struct fixture *f, const char *name, const char *value)
{
    free(f->error);
    return ps_options_set(table, &f->config, name, value, &f->error);
}

static int load_bytes(struct fixture *f, const char *text, size_t len)
{
    FILE *file = fopen(f->path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    fclose(file);
    free(f->error);
    return ps_options_load_yaml(table, &f->config, f->path, &f->error);
}

static int load(struct fixture *f, const char *text)
{
    return load_bytes(f, text, strlen(text));
}

/* Refused, with a message that holds all of these (NULL-ended). */
static void assert_refused(struct fixture *f, int r, const char *a,
                           const char *b)
{
    assert_int_equal(r, -EINVAL);
    assert_non_null(f->error);
    if (!strstr(f->error, a) || !strstr(f->error, b))
        fail_msg("\"%s\" lacks \"%s\" or \"%s\"", f->error, a, b);
}

static int load_args(struct fixture *f, const char *const *words)
{
    char *argv[16];
    int argc = 0;

    argv[argc++] = (char *)(uintptr_t)"program";
    for (; words[argc - 1]; argc++)
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
    free(f->error);
    return ps_options_load_args(table, &f->config, argc, argv, &f->error);
}

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* ---- tests -------------------------------------------------------------- */

static void test_defaults(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(f->config.level, "info");
    assert_false(f->config.selftest);
    assert_int_equal(f->config.limit, 3);
    assert_int_equal(f->config.any, 0);
    assert_int_equal(f->config.wait, 2 * PS_NS_PER_S);
    assert_int_equal(f->config.room, 65536);
    assert_int_equal(f->config.peers.n, 2);
    assert_string_equal(f->config.peers.items[1], "y");
    assert_int_equal(f->config.few.n, 0);
    assert_null(f->config.few.items);
    /* Again: what was set is freed and gone. */
    assert_int_equal(set(f, "log-level", "debug"), 0);
    assert_int_equal(set(f, "any", "9"), 0);
    assert_int_equal(ps_options_defaults(table, &f->config), 0);
    assert_string_equal(f->config.level, "info");
    assert_int_equal(f->config.any, 0);
}

static void test_bad_default(void **state _unused_)
{
    static const struct ps_option bad[] = {
        {.name = "n", .type = PS_OPT_UINT, .def = "12", .max = 11},
        {0},
    };
    uint64_t config = 0;

    assert_int_equal(ps_options_defaults(bad, &config), -EINVAL);
}

static void test_uint(void **state)
{
    static const struct {
        const char *text;
        int r;
        uint64_t value;
    } cases[] = {
        {"0", 0, 0},
        {"007", 0, 7},
        {"18446744073709551615", 0, UINT64_MAX},
        {"18446744073709551616", -EINVAL, 0},
        {"99999999999999999999999", -EINVAL, 0},
        {"", -EINVAL, 0},
        {" 1", -EINVAL, 0},
        {"1 ", -EINVAL, 0},
        {"+1", -EINVAL, 0},
        {"-1", -EINVAL, 0},
        {"0x10", -EINVAL, 0},
        {"1e3", -EINVAL, 0},
        {"1.0", -EINVAL, 0},
        {"1K", -EINVAL, 0},
        {"\xd9\xa1", -EINVAL, 0},
    };
    struct fixture *f = *state;
    uint64_t value;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        value = 42;
        assert_int_equal(ps_parse_uint(cases[i].text, 0, 0, &value),
                         cases[i].r);
        assert_int_equal(value, cases[i].r ? 42 : cases[i].value);
    }
    assert_int_equal(ps_parse_uint(NULL, 0, 0, &value), -EINVAL);
    assert_int_equal(ps_parse_uint("4", 5, 0, &value), -EINVAL);
    assert_int_equal(set(f, "limit", "1"), 0);
    assert_int_equal(set(f, "limit", "10"), 0);
    assert_refused(f, set(f, "limit", "11"), "limit: ", "from 1 to 10");
    assert_refused(f, set(f, "limit", "0"), "limit: ", "found \"0\"");
    assert_int_equal(f->config.limit, 10);
    assert_refused(f, set(f, "least", "4"), "at least 5", "\"4\"");
    assert_int_equal(set(f, "least", "18446744073709551615"), 0);
}

static void test_duration(void **state)
{
    static const struct {
        const char *text;
        int r;
        uint64_t ns;
    } cases[] = {
        {"0", 0, 0},
        {"0s", 0, 0},
        {"1ns", 0, 1},
        {"7us", 0, 7000},
        {"500ms", 0, 500 * PS_NS_PER_MS},
        {"2s", 0, 2 * PS_NS_PER_S},
        {"5m", 0, 300 * PS_NS_PER_S},
        {"1h", 0, 3600 * PS_NS_PER_S},
        {"2d", 0, 172800 * PS_NS_PER_S},
        {"213503d", 0, UINT64_C(213503) * 86400 * PS_NS_PER_S},
        {"213504d", -EINVAL, 0},
        {"18446744073709551615ns", 0, UINT64_MAX},
        {"18446744073709551616ns", -EINVAL, 0},
        {"5", -EINVAL, 0},
        {"1.5s", -EINVAL, 0},
        {"1 s", -EINVAL, 0},
        {"1m30s", -EINVAL, 0},
        {"-1s", -EINVAL, 0},
        {"s", -EINVAL, 0},
        {"1S", -EINVAL, 0},
        {"", -EINVAL, 0},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t ns = 42;

        assert_int_equal(ps_parse_duration(cases[i].text, &ns), cases[i].r);
        assert_int_equal(ns, cases[i].r ? 42 : cases[i].ns);
    }
    assert_refused(f, set(f, "wait-time", "999ms"), "from 1s to 1h", "999ms");
    assert_refused(f, set(f, "wait-time", "61m"), "wait-time", "61m");
    assert_int_equal(set(f, "wait-time", "60m"), 0);
}

static void test_size(void **state _unused_)
{
    static const struct {
        const char *text;
        int r;
        uint64_t bytes;
    } cases[] = {
        {"0", 0, 0},
        {"4096", 0, 4096},
        {"64K", 0, 65536},
        {"10M", 0, 10485760},
        {"1G", 0, UINT64_C(1) << 30},
        {"16777215T", 0, UINT64_C(16777215) << 40},
        {"16777216T", -EINVAL, 0},
        {"1k", -EINVAL, 0},
        {"1KB", -EINVAL, 0},
        {"1KiB", -EINVAL, 0},
        {"K", -EINVAL, 0},
        {"-1K", -EINVAL, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t bytes = 42;

        assert_int_equal(ps_parse_size(cases[i].text, &bytes), cases[i].r);
        assert_int_equal(bytes, cases[i].r ? 42 : cases[i].bytes);
    }
}

static void test_bool_and_string(void **state)
{
    static const char *const yes[] = {"true", "yes", "1"};
    static const char *const no[] = {"false", "no", "0"};
    static const char *const wrong[] = {"", "TRUE", "on", "2", "true "};
    struct fixture *f = *state;
    char *text = calloc(1, 5000);

    for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
        assert_int_equal(set(f, "selftest", yes[i]), 0);
        assert_true(f->config.selftest);
        assert_int_equal(set(f, "selftest", no[i]), 0);
        assert_false(f->config.selftest);
    }
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_refused(f, set(f, "selftest", wrong[i]), "selftest",
                       "true or false");
    /* What has a default has a value; the rest may be emptied. */
    assert_refused(f, set(f, "log-level", ""), "log-level", "empty");
    assert_string_equal(f->config.level, "info");
    assert_null(f->config.file);
    assert_int_equal(set(f, "file", "x"), 0);
    assert_string_equal(f->config.file, "x");
    assert_int_equal(set(f, "file", ""), 0);
    assert_null(f->config.file);
    memset(text, 'x', 4096);
    assert_int_equal(set(f, "log-level", text), 0);
    assert_string_equal(f->config.level, text);
    text[4096] = 'x';
    assert_refused(f, set(f, "log-level", text), "log-level", "longer");
    assert_int_equal(strlen(f->config.level), 4096);
    free(text);
    assert_refused(f, set(f, "nothing", "1"), "unknown option", "nothing");
    assert_refused(f, set(f, "log", "1"), "unknown option", "log");
}

static void test_list(void **state)
{
    struct fixture *f = *state;
    char text[2 * PS_MAX_LIST + 8];

    assert_int_equal(set(f, "peers", " a , b\t,c d"), 0);
    assert_int_equal(f->config.peers.n, 3);
    assert_string_equal(f->config.peers.items[0], "a");
    assert_string_equal(f->config.peers.items[1], "b");
    assert_string_equal(f->config.peers.items[2], "c d");
    assert_refused(f, set(f, "peers", "a,,b"), "peers", "item 2");
    assert_refused(f, set(f, "peers", "a,"), "peers", "item 2");
    assert_refused(f, set(f, "peers", ","), "peers", "item 1");
    assert_int_equal(f->config.peers.n, 3);
    assert_int_equal(set(f, "peers", " "), 0);
    assert_int_equal(f->config.peers.n, 0);
    assert_refused(f, set(f, "few", ""), "1 to 2", "found 0");
    assert_refused(f, set(f, "few", "a,b,c"), "1 to 2", "found 3");
    assert_int_equal(set(f, "few", "a,b"), 0);

    memset(text, 0, sizeof(text));
    for (size_t i = 0; i < PS_MAX_LIST; i++)
        memcpy(text + 2 * i, "a,", 2);
    text[2 * PS_MAX_LIST - 1] = '\0';
    assert_int_equal(set(f, "peers", text), 0);
    assert_int_equal(f->config.peers.n, PS_MAX_LIST);
    memcpy(text + 2 * PS_MAX_LIST - 1, ",a", 3);
    assert_refused(f, set(f, "peers", text), "peers", "to 256");
}

static void test_args(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(
        load_args(f, ARGS("--limit", "4", "--selftest", "--peers=a,b",
                          "--log-level=a=b", "--wait-time", "9s")),
        0);
    assert_int_equal(f->config.limit, 4);
    assert_true(f->config.selftest);
    assert_int_equal(f->config.peers.n, 2);
    assert_string_equal(f->config.level, "a=b");
    assert_int_equal(load_args(f, ARGS("--selftest=no", "--limit=5",
                                       "--limit=6", "--log-level=--x")),
                     0);
    assert_false(f->config.selftest);
    assert_int_equal(f->config.limit, 6);
    assert_string_equal(f->config.level, "--x");
    assert_int_equal(load_args(f, ARGS("--log-level", "-x")), 0);
    assert_int_equal(
        ps_options_load_args(table, &f->config, 0, NULL, &(char *){NULL}), 0);
}

static void test_args_refused(void **state)
{
    struct fixture *f = *state;

    assert_refused(f, load_args(f, ARGS("word")), "word", "--help");
    assert_refused(f, load_args(f, ARGS("")), "unexpected", "");
    assert_refused(f, load_args(f, ARGS("-l")), "\"-l\"", "--help");
    assert_refused(f, load_args(f, ARGS("--")), "\"--\"", "");
    assert_refused(f, load_args(f, ARGS("--=1")), "unknown option", "\"--\"");
    assert_refused(f, load_args(f, ARGS("--limits", "1")), "--limits",
                   "--help");
    assert_refused(f, load_args(f, ARGS("--limi", "1")), "--limi", "--help");
    assert_refused(f, load_args(f, ARGS("--limit")), "--limit", "value");
    assert_refused(f, load_args(f, ARGS("--limit", "--selftest")), "--limit",
                   "value");
    assert_refused(f, load_args(f, ARGS("--limit=")), "--limit: ", "\"\"");
    assert_refused(f, load_args(f, ARGS("--limit=x")), "--limit: ", "\"x\"");
    assert_refused(f, load_args(f, ARGS("--selftest", "true")), "\"true\"",
                   "unexpected");
    assert_refused(f, load_args(f, ARGS("--log_level=x")), "--log_level", "");
}

static void test_env(void **state)
{
    struct fixture *f = *state;

    setenv("PACKETSCOPE_LOG_LEVEL", "debug", 1);
    setenv("PACKETSCOPE_PEERS", "p", 1);
    setenv("PACKETSCOPE_NOT_OURS", "p", 1);
    assert_int_equal(ps_options_load_env(table, &f->config, &f->error), 0);
    assert_string_equal(f->config.level, "debug");
    assert_int_equal(f->config.peers.n, 1);
    setenv("PACKETSCOPE_WAIT_TIME", "soon", 1);
    assert_refused(f, ps_options_load_env(table, &f->config, &f->error),
                   "PACKETSCOPE_WAIT_TIME: ", "soon");
    unsetenv("PACKETSCOPE_LOG_LEVEL");
    unsetenv("PACKETSCOPE_PEERS");
    unsetenv("PACKETSCOPE_NOT_OURS");
    unsetenv("PACKETSCOPE_WAIT_TIME");
}

static void test_yaml(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(load(f, "# comment\n"
                             "log_level: \"de: bug\"\n"
                             "limit: 5 # five\n"
                             "selftest: yes\n"
                             "room: 1M\n"
                             "wait_time: '3s'\n"
                             "peers:\n"
                             "  - a,b\n"
                             "  - c\n"
                             "few: [x]\n"),
                     0);
    assert_string_equal(f->config.level, "de: bug");
    assert_int_equal(f->config.limit, 5);
    assert_true(f->config.selftest);
    assert_int_equal(f->config.room, 1 << 20);
    assert_int_equal(f->config.wait, 3 * PS_NS_PER_S);
    assert_int_equal(f->config.peers.n, 2);
    assert_string_equal(f->config.peers.items[0], "a,b");
    assert_int_equal(f->config.few.n, 1);

    /* What a file does not name stays. */
    assert_int_equal(load(f, ""), 0);
    assert_int_equal(load(f, "# nothing\n"), 0);
    assert_int_equal(load(f, "---\n{limit: 6, peers: []}\n...\n"), 0);
    assert_int_equal(f->config.limit, 6);
    assert_int_equal(f->config.peers.n, 0);
    assert_int_equal(f->config.few.n, 1);
    assert_int_equal(load(f, "file: x\n"), 0);
    assert_int_equal(load(f, "file:\n"), 0);
    assert_null(f->config.file);
    assert_int_equal(load(f, "file: null\n"), 0);
    assert_string_equal(f->config.file, "null");
}

static void test_yaml_refused(void **state)
{
    static const struct {
        const char *text, *where, *what;
    } cases[] = {
        {"limit: 1\n\nnothing: 2\n", "o.yaml:3: nothing: ", "unknown key"},
        {"log-level: x\n", "o.yaml:1: log-level: ", "unknown key"},
        {"<<: x\n", "o.yaml:1: <<: ", "unknown key"},
        {"limit: [1]\n", "o.yaml:1: limit: ", "found a list"},
        {"\nlimit: {a: 1}\n", "o.yaml:2: limit: ", "found a mapping"},
        {"peers: a,b\n", "o.yaml:1: peers: ", "expected a list"},
        {"peers:\n", "o.yaml:1: peers: ", "expected a list"},
        {"peers: {a: 1}\n", "o.yaml:1: peers: ", "expected a list"},
        {"peers: [[a]]\n", "o.yaml:1: peers: ", "STRING"},
        {"peers: [a, '']\n", "o.yaml:1: peers: ", "item 2"},
        {"few: [a, b, c]\n", "o.yaml:1: few: ", "1 to 2"},
        {"# c\n# c\nlimit: 11\n", "o.yaml:3: limit: ", "from 1 to 10"},
        {"limit: 0x1\n", "o.yaml:1: limit: ", "\"0x1\""},
        {"limit: 1.0\n", "o.yaml:1: limit: ", "\"1.0\""},
        {"limit:\n", "o.yaml:1: limit: ", "\"\""},
        {"wait_time: 5\n", "o.yaml:1: wait_time: ", "a duration"},
        {"log_level:\n", "o.yaml:1: log_level: ", "empty"},
        {"selftest: on\n", "o.yaml:1: selftest: ", "true or false"},
        {"limit: 1\nroom: 1\nlimit: 2\n", "o.yaml:3: limit: ", "again"},
        {"- limit\n", "o.yaml:1: ", "key: value"},
        {"limit\n", "o.yaml:1: ", "key: value"},
        {"[limit]: 1\n", "o.yaml:1: ", "name of an option"},
        {"? {a: b}\n: 1\n", "o.yaml:1: ", "name of an option"},
        {"limit: 1\nroom: \"x\n", "o.yaml:3: ", "unexpected end"},
        {"limit: 1: 2\n", "o.yaml:1: ", "not allowed"},
        {"\tlimit: 1\n", "o.yaml:1: ", "cannot start any token"},
        {"limit: 1\n  room: 2\n", "o.yaml:2: ", "not allowed"},
        {"limit: &a 1\nany: *a\n", "o.yaml:2: ", "aliases"},
        {"limit: 1\n---\nlimit: 2\n", "o.yaml:2: ", "second document"},
        {"log_level: \"a\\0b\"\n", "o.yaml:1: ", "zero byte"},
        {"log_level: \xff\xfe\n", "o.yaml:1: ", "UTF-8"},
        {"{limit: 1, q: 2}\n", "o.yaml:1: q: ", "unknown key"},
        {"any: [[[[[[[[[[[[", "o.yaml:1: ", "nested"},
        {"%YAML 9.9\n---\nlimit: 1\n", "o.yaml:1: ", "incompatible"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_refused(f, load(f, cases[i].text), cases[i].where,
                       cases[i].what);
    assert_refused(f, load_bytes(f, "limit: \0 1\n", 11), "o.yaml:1: ", "");
}

static void test_yaml_long(void **state)
{
    struct fixture *f = *state;
    const size_t size = (256u << 10) + 1;
    char *text = malloc(size + 1);
    size_t n = 0;

    assert_non_null(text);
    memset(text, '#', size);
    assert_refused(f, load_bytes(f, text, size), "o.yaml", "larger than 256");
    assert_int_equal(load_bytes(f, text, size - 1), 0);
    n = (size_t)snprintf(text, size, "log_level: ");
    memset(text + n, 'x', 5000);
    assert_refused(f, load_bytes(f, text, n + 5000),
                   "o.yaml:1: log_level: ", "longer than 4096");
    memset(text, 'k', 200);
    memcpy(text + 200, ": 1\n", 5);
    assert_refused(f, load(f, text), "o.yaml:1: ", "unknown key");
    n = (size_t)snprintf(text, size, "peers:\n");
    for (int i = 0; i < 300; i++)
        n += (size_t)snprintf(text + n, size - n, " - a\n");
    assert_refused(f, load(f, text), "o.yaml:1: peers: ", "");
    n = 0;
    for (int i = 0; i < 300; i++)
        n += (size_t)snprintf(text + n, size - n, "k%d: 1\n", i);
    assert_refused(f, load(f, text), "o.yaml:257: ", "too many keys");
    free(text);
}

static void test_yaml_no_file(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(
        ps_options_load_yaml(table, &f->config, f->path, &f->error), -ENOENT);
    assert_non_null(strstr(f->error, f->path));
    free(f->error);
    assert_refused(f,
                   ps_options_load_yaml(table, &f->config, f->dir, &f->error),
                   f->dir, "not a regular file");
    assert_int_equal(mkfifo(f->path, 0600), 0);
    free(f->error);
    assert_refused(f,
                   ps_options_load_yaml(table, &f->config, f->path, &f->error),
                   f->path, "not a regular file");
}

static void test_order(void **state)
{
    struct fixture *f = *state;

    setenv("PACKETSCOPE_LIMIT", "6", 1);
    setenv("PACKETSCOPE_ANY", "6", 1);
    assert_int_equal(load(f, "limit: 5\nany: 5\nleast: 5\n"), 0);
    assert_int_equal(ps_options_load_env(table, &f->config, &f->error), 0);
    assert_int_equal(load_args(f, ARGS("--limit=7")), 0);
    unsetenv("PACKETSCOPE_LIMIT");
    unsetenv("PACKETSCOPE_ANY");
    assert_int_equal(f->config.limit, 7);
    assert_int_equal(f->config.any, 6);
    assert_int_equal(f->config.least, 5);
}

static void test_help(void **state _unused_)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    ps_options_print_help(table, out);
    fclose(out);
    for (const struct ps_option *opt = table; opt->name; opt++)
        assert_non_null(strstr(text, opt->name));
    assert_non_null(strstr(text, "  --log-level LEVEL "));
    assert_non_null(strstr(text, "(default 64K)"));
    assert_null(strstr(text, "--selftest VALUE"));
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
        assert_true(strcspn(line, "\n") < 80);
    free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),     TEST(test_bad_default),
        TEST(test_uint),         TEST(test_duration),
        TEST(test_size),         TEST(test_bool_and_string),
        TEST(test_list),         TEST(test_args),
        TEST(test_args_refused), TEST(test_env),
        TEST(test_yaml),         TEST(test_yaml_refused),
        TEST(test_yaml_long),    TEST(test_yaml_no_file),
        TEST(test_order),        TEST(test_help),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
