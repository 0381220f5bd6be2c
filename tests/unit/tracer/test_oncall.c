/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/json.h"
#include "tracer/oncall.h"

static struct ps_oncall *make(char *text)
{
    struct ps_strlist texts = {.items = &text, .n = 1};
    struct ps_oncall *o = NULL;
    char error[128];

    assert_int_equal(ps_oncall_new(&texts, &o, error, sizeof(error)), 0);
    return o;
}

static Ps__Event *parse(const char *json)
{
    ProtobufCMessage *msg = NULL;
    struct ps_json_error error;

    assert_int_equal(
        ps_json_parse(&ps__event__descriptor, json, strlen(json), &msg, &error),
        0);
    return (Ps__Event *)msg;
}

#define EVENT(id, params)                                            \
    "{\"id\":\"" id "\",\"severity\":\"warning\",\"time\":"          \
    "\"2026-06-01T00:00:00Z\",\"source\":\"x\",\"text\":\"a text\"," \
    "\"params\":[" params "]}"
#define PARAM(name, value) "{\"name\":\"" name "\",\"value\":\"" value "\"}"
#define TUPLE                                                         \
    PARAM("saddr", "10.0.0.1")                                        \
    "," PARAM("sport", "7") "," PARAM("daddr", "10.0.0.2") "," PARAM( \
        "dport", "0") "," PARAM("proto", "udp")

static void test_rules(void **state _unused_)
{
    struct ps_oncall_rule rule;
    char error[128];

    assert_int_equal(ps_oncall_parse("a.b:packets=7:duration=3s:stacks", &rule,
                                     error, sizeof(error)),
                     0);
    assert_string_equal(rule.kind, "a.b");
    assert_int_equal(rule.packets, 7);
    assert_int_equal(rule.duration_ns, 3 * PS_NS_PER_S);
    assert_true(rule.stacks);
    assert_int_equal(
        ps_oncall_parse("a.b:stacks=1", &rule, error, sizeof(error)), -EINVAL);
    assert_non_null(strstr(error, "stacks"));
}

static void test_an_alert_is_a_trace(void **state _unused_)
{
    char text[] = "a.spike:packets=7";
    struct ps_oncall *o = make(text);
    Ps__Event *event = parse(EVENT("a.spike", TUPLE "," PARAM("alert", "x1")));
    Ps__Event *other = parse(EVENT("a.other", TUPLE));
    Ps__Event *empty = parse(EVENT("a.spike", PARAM("saddr", "nobody")));
    Ps__CreateTraceRequest *req = NULL;
    char alert[PS_ONCALL_ALERT + 1];

    assert_int_equal(ps_oncall_take(o, other, 5, &req, alert),
                     PS_ONCALL_NOTHING);
    assert_int_equal(ps_oncall_take(o, empty, 5, &req, alert),
                     PS_ONCALL_NO_TUPLE);
    assert_int_equal(ps_oncall_take(o, event, 5, &req, alert), PS_ONCALL_TRACE);
    assert_string_equal(alert, "x1");
    assert_int_equal(req->max_packets, 7);
    assert_string_equal(req->comment, "a text");
    assert_int_equal(req->filter->sport, 7);
    assert_false(req->filter->has_dport);
    assert_int_equal(req->filter->proto->number, 17);
    ps__create_trace_request__free_unpacked(req, NULL);
    assert_int_equal(ps_oncall_take(o, event, PS_ONCALL_QUIET_NS, &req, alert),
                     PS_ONCALL_QUIET);
    assert_int_equal(
        ps_oncall_take(o, event, PS_ONCALL_QUIET_NS + 5, &req, alert),
        PS_ONCALL_TRACE);
    ps__create_trace_request__free_unpacked(req, NULL);
    ps__event__free_unpacked(event, NULL);
    ps__event__free_unpacked(other, NULL);
    ps__event__free_unpacked(empty, NULL);
    ps_oncall_free(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_an_alert_is_a_trace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
