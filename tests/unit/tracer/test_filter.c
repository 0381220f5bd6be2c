/* SPDX-License-Identifier: MIT */
/* Filters: what is refused and why, and what the programs are given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tracer/filter.h"

static struct ps_filter filter;
static struct ps_filter_error error;

static int read_filter(const Ps__TraceFilter *msg)
{
    error = (struct ps_filter_error){0};
    return ps_filter_read(msg, true, &filter, &error);
}

#define assert_refused(msg, name)                      \
    do {                                               \
        assert_int_equal(read_filter(msg), -EINVAL);   \
        assert_string_equal(error.field, name);        \
        assert_int_not_equal(strlen(error.detail), 0); \
    } while (0)

static void test_tuple_errors(void **state _unused_)
{
    Ps__TraceFilter f = PS__TRACE_FILTER__INIT;
    Ps__Ip v4 = PS__IP__INIT, v6 = PS__IP__INIT;
    Ps__IpProto proto = PS__IP_PROTO__INIT;
    uint8_t bytes[16] = {1};

    assert_refused(NULL, "filter");
    assert_refused(&f, "filter");
    f.has_sport = 1;
    f.sport = 65536;
    assert_refused(&f, "filter.sport");
    f.sport = 65535;
    assert_int_equal(read_filter(&f), 0);
    v4.addr = (ProtobufCBinaryData){4, bytes};
    v6.addr = (ProtobufCBinaryData){16, bytes};
    f.saddr = &v4;
    f.daddr = &v6;
    assert_refused(&f, "filter.daddr");
    f.daddr = NULL;
    v4.addr.len = 5;
    assert_refused(&f, "filter.saddr");
    f.saddr = NULL;
    proto.number = 256;
    f.proto = &proto;
    assert_refused(&f, "filter.proto");
    proto.number = 0;
    f.has_netns = 1;
    assert_refused(&f, "filter.netns");
}

static void test_other_errors(void **state _unused_)
{
    Ps__TraceFilter f = PS__TRACE_FILTER__INIT;
    char name[] = "an-interface-16c", expr[] = "tcp port";

    /* These alone would follow the whole host. */
    f.has_sample = f.has_drops_only = f.has_min_latency_ns = f.has_inner = 1;
    f.sample = 10;
    assert_refused(&f, "filter");
    f.ifname = name;
    assert_refused(&f, "filter.ifname");
    name[15] = '\0';
    assert_int_equal(read_filter(&f), 0);
    assert_string_equal(filter.kernel.ifname, "an-interface-16");
    f.has_mark_mask = 1;
    f.mark_mask = 0xff;
    assert_refused(&f, "filter.mark_mask");
    f.has_mark = 1;
    f.mark = 0x100;
    assert_refused(&f, "filter.mark");
    f.mark = 0x10;
    assert_int_equal(read_filter(&f), 0);
    f.sample = 0;
    assert_refused(&f, "filter.sample");
    f.has_sample = 0;
    f.min_latency_ns = PS_FILTER_MAX_LATENCY_NS + 1;
    assert_refused(&f, "filter.min_latency_ns");
    f.min_latency_ns = 0;
    f.expr = expr;
    assert_refused(&f, "filter.expr");
    assert_non_null(strstr(error.detail, "syntax error"));
}

static void test_processes(void **state _unused_)
{
    static const char id[] = "0123456789abcdef0123456789abcdef"
                             "0123456789abcdef0123456789abcdef";
    char root[] = "//", relative[] = "a", up[] = "/a/../b", path[] = "/a/b//";
    Ps__TraceFilter f = PS__TRACE_FILTER__INIT;
    char hex[80], long_path[PS_CGROUP_PATH + 1];

    f.has_pid = 1;
    assert_refused(&f, "filter.pid");
    f.pid = UINT32_MAX;
    assert_refused(&f, "filter.pid");
    f.pid = 1;
    assert_int_equal(read_filter(&f), 0);
    assert_true(ps_filter_asks_process(&filter));
    assert_true(ps_filter_asks_more(&filter));
    assert_false(ps_filter_is_tuple(&filter));
    f.cgroup = root;
    assert_refused(&f, "filter.cgroup");
    f.cgroup = relative;
    assert_refused(&f, "filter.cgroup");
    f.cgroup = up;
    assert_refused(&f, "filter.cgroup");
    memset(long_path, 'x', sizeof(long_path));
    long_path[0] = '/';
    long_path[PS_CGROUP_PATH] = '\0';
    f.cgroup = long_path;
    assert_refused(&f, "filter.cgroup");
    long_path[PS_CGROUP_PATH - 1] = '\0';
    assert_int_equal(read_filter(&f), 0);
    f.cgroup = path;
    assert_int_equal(read_filter(&f), 0);
    assert_string_equal(filter.process.cgroup, "/a/b");
    f.container = hex;
    for (size_t n = 0; n <= 65; n++) {
        snprintf(hex, sizeof(hex), "%.*s%s", (int)n, id, n == 65 ? "0" : "");
        if (n >= 12 && n <= 64)
            assert_int_equal(read_filter(&f), 0);
        else
            assert_refused(&f, "filter.container");
    }
    snprintf(hex, sizeof(hex), "0123456789aB");
    assert_refused(&f, "filter.container");
}

static void test_ways(void **state _unused_)
{
    Ps__TraceFilter f = PS__TRACE_FILTER__INIT;

    f.has_dport = f.has_drops_only = f.has_min_latency_ns = 1;
    f.dport = 1;
    assert_int_equal(read_filter(&f), 0);
    assert_false(ps_filter_selects(&filter));
    assert_false(ps_filter_asks_more(&filter));
    f.drops_only = 1;
    assert_int_equal(read_filter(&f), 0);
    assert_true(ps_filter_selects(&filter));
    assert_true(ps_filter_is_tuple(&filter));
    f.drops_only = 0;
    f.min_latency_ns = 1;
    assert_int_equal(read_filter(&f), 0);
    assert_true(ps_filter_selects(&filter));
    assert_true(ps_filter_asks_more(&filter));
}

/* The stations' programs compare it; the functions' do not. */
static void test_netns(void **state _unused_)
{
    Ps__TraceFilter f = PS__TRACE_FILTER__INIT;
    struct ps_tracer_filters *tracing = calloc(1, sizeof(*tracing));

    f.has_netns = 1;
    assert_refused(&f, "filter.netns");
    f.netns = 4026531840;
    assert_int_equal(read_filter(&f), 0);
    assert_int_equal(filter.kernel.netns, f.netns);
    assert_true(ps_filter_asks_more(&filter));
    assert_false(ps_filter_is_tuple(&filter));
    ps_filter_install(tracing, 2, &filter);
    assert_true(tracing->word >> PS_FW_MORE & 4);
    assert_true(tracing->word >> PS_FW_HERE & 4);
    /* Of a flow the other end's calls are wanted, too. */
    f.has_dport = 1;
    f.dport = 80;
    assert_int_equal(read_filter(&f), 0);
    ps_filter_install(tracing, 2, &filter);
    assert_true(tracing->word >> PS_FW_MORE & 4);
    assert_false(tracing->word >> PS_FW_HERE & 4);
    f.has_netns = 0;
    assert_int_equal(read_filter(&f), 0);
    ps_filter_install(tracing, 2, &filter);
    assert_false(tracing->word >> PS_FW_MORE & 4);
    free(tracing);
}

/* What libpcap would ask the resolver for, and what it would not. */
static void test_names(void **state _unused_)
{
    static const char *const names[] = {
        "host example.com", "example.com",          "net foo",
        "src foo",          "port 80 and src foo",  "port 80 and (foo)",
        "tcp and http",     "ether host foo",       "gateway foo",
        "host \\tcp",       "host 1.2.3.4.5",       "host cafe.de",
        "foo:bar",          "host abc:def",         "not foo",
        "1and1.com",        "port 80 or tcp and x", "ip[0] = 1 and foo",
        "host 00-11-22",
    };
    static const char *const numbers[] = {
        "host 10.0.0.1",
        "src 10.0.0.1",
        "net 10.1",
        "net 10.0.0.0/8",
        "host ::1",
        "ether host 2:0:0:0:0:1",
        "port http",
        "tcp port http or https",
        "port (80 or domain)",
        "ip proto \\udp",
        "portrange 80-90",
        "tcp[tcpflags] & (tcp-syn|tcp-ack) != 0",
        "ip[2:2] > 0x10",
        "less 100 or ether proto \\arp",
    };
    struct ps_expr expr;
    char word[64], why[384];

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        assert_false(ps_expr_numeric(names[i], word, sizeof(word)));
        assert_int_equal(ps_expr_compile(names[i], &expr, why, sizeof(why)),
                         -EINVAL);
        assert_non_null(strstr(why, word));
    }
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        assert_true(ps_expr_numeric(numbers[i], word, sizeof(word)));
        if (ps_expr_compile(numbers[i], &expr, why, sizeof(why)) < 0)
            fail_msg("%s: %s", numbers[i], why);
        assert_in_range(expr.n, 1, PS_TRACER_EXPR_INSNS);
        assert_in_range(expr.steps, 1, expr.n);
    }
}

static void test_expr_errors(void **state _unused_)
{
    char text[PS_EXPR_TEXT + 2] = "", why[384];
    struct ps_expr expr = {.n = 7};

    /* It changes nothing. */
    assert_int_equal(
        ps_expr_compile("ip protochain 6", &expr, why, sizeof(why)), -EINVAL);
    assert_non_null(strstr(why, "protochain"));
    assert_int_equal(ps_expr_compile("  ", &expr, why, sizeof(why)), -EINVAL);
    assert_int_equal(ps_expr_compile("ip\1", &expr, why, sizeof(why)), -EINVAL);
    memset(text, ' ', sizeof(text) - 1);
    memcpy(text, "ip", 2);
    assert_int_equal(ps_expr_compile(text, &expr, why, sizeof(why)), -EINVAL);
    /* Hosts that fill more than there is room for. */
    text[0] = '\0';
    for (int i = 1; i <= 120; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text),
                 "%ssrc 10.%d.9.9", i > 1 ? "||" : "", i);
    assert_int_equal(ps_expr_compile(text, &expr, why, sizeof(why)), 0);
    assert_in_range(expr.n, 120, PS_TRACER_EXPR_INSNS);
    expr.n = 7;
    text[0] = '\0';
    for (int i = 1; i <= 70; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text),
                 "%sip6 host 1:%d::9", i > 1 ? "||" : "", i);
    assert_int_equal(ps_expr_compile(text, &expr, why, sizeof(why)), -EINVAL);
    assert_non_null(strstr(why, "512"));
    assert_int_equal(expr.n, 7);
}

/* A kernel without bpf_loop(). */
static void test_no_exprs(void **state _unused_)
{
    Ps__TraceFilter f = PS__TRACE_FILTER__INIT;
    char expr[] = "tcp port 80";

    f.has_dport = 1;
    assert_int_equal(ps_filter_read(&f, false, &filter, &error), 0);
    f.expr = expr;
    assert_int_equal(ps_filter_read(&f, false, &filter, &error), -EINVAL);
    assert_string_equal(error.field, "filter.expr");
}

/* The bank that counts is never written. */
static void test_banks(void **state _unused_)
{
    struct ps_tracer_filters *t = calloc(1, sizeof(*t));
    Ps__TraceFilter f = PS__TRACE_FILTER__INIT;
    char expr[] = "tcp port 80";
    struct ps_tracer_filter before;
    unsigned int bank;

    f.has_sport = 1;
    f.sport = 1;
    assert_int_equal(read_filter(&f), 0);
    ps_filter_install(t, 3, &filter);
    assert_int_equal(t->word >> PS_FW_ON & 0xff, 1 << 3);
    assert_int_equal(t->word >> PS_FW_MORE & 0xff, 0);
    bank = t->word >> (PS_FW_BANK + 3) & 1;
    before = t->filters[3 * PS_TRACER_BANKS + bank];
    assert_int_equal(before.value.sport, 1);
    f.expr = expr;
    f.sport = 2;
    f.has_sample = 1;
    f.sample = 10;
    assert_int_equal(read_filter(&f), 0);
    ps_filter_install(t, 3, &filter);
    assert_int_equal(t->word >> (PS_FW_BANK + 3) & 1, !bank);
    assert_memory_equal(&before, &t->filters[3 * PS_TRACER_BANKS + bank],
                        sizeof(before));
    assert_int_equal(t->filters[3 * PS_TRACER_BANKS + !bank].value.sport, 2);
    assert_int_equal(t->word >> PS_FW_MORE & 0xff, 1 << 3);
    assert_int_equal(t->word >> PS_FW_EXPR & 0xff, 1 << 3);
    assert_int_equal(t->word >> PS_FW_SAMPLE & 0xff, 1 << 3);
    ps_filter_install(t, 0, &filter);
    ps_filter_remove(t, 3);
    assert_int_equal(t->word >> PS_FW_ON & 0xff, 1 << 0);
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tuple_errors),
        cmocka_unit_test(test_other_errors),
        cmocka_unit_test(test_processes),
        cmocka_unit_test(test_ways),
        cmocka_unit_test(test_netns),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_expr_errors),
        cmocka_unit_test(test_no_exprs),
        cmocka_unit_test(test_banks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
