/* SPDX-License-Identifier: MIT */
#include "t.h"

#include "common/types.h"
#include "gateway/bind.h"

/* Routes and binds "METHOD /target" with a body (NULL: none). */
static int bind_it(enum ps_http_method method, const char *target,
                   const char *type, const char *body,
                   ProtobufCMessage **ret_msg, struct ps_bind_error *error)
{
    _cleanup_free_ char *copy = strdup(target);
    char *query = strchr(copy, '?');
    struct ps_route_match match;
    struct ps_path path;
    struct ps_bind_input input;
    int r;

    if (query)
        *query++ = '\0';
    assert_int_equal(ps_path_parse(copy, &path), 0);
    ps_route_find(method, &path, &match);
    assert_non_null(match.route);
    input = (struct ps_bind_input){
        .route = match.route,
        .params = match.params,
        .query = query,
        .content_type = type,
        .body = body,
        .body_len = body ? strlen(body) : 0,
    };
    r = ps_bind(&input, ret_msg, error);
    ps_path_clear(&path);
    return r;
}

static void test_query(void **state _unused_)
{
    struct ps_bind_error error;
    ProtobufCMessage *msg = NULL;
    const Ps__ListFlowsRequest *req;

    assert_int_equal(bind_it(PS_HTTP_GET,
                             "/api/v1/flows?limit=5&addr=2001%3Adb8::1&"
                             "proto=tcp&sort=-bytes",
                             NULL, NULL, &msg, &error),
                     0);
    req = (const Ps__ListFlowsRequest *)msg;
    assert_true(req->has_limit);
    assert_int_equal(req->limit, 5);
    assert_int_equal(req->addr->addr.len, 16);
    assert_int_equal(req->proto->number, 6);
    assert_string_equal(req->sort, "-bytes");
    assert_false(req->has_port);
    protobuf_c_message_free_unpacked(msg, NULL);
}

static void test_list(void **state _unused_)
{
    struct ps_bind_error error;
    ProtobufCMessage *msg = NULL;
    const Ps__EventsRequest *req;

    assert_int_equal(bind_it(PS_HTTP_GET, "/api/v1/events?topics=event,path",
                             NULL, NULL, &msg, &error),
                     0);
    req = (const Ps__EventsRequest *)msg;
    assert_int_equal(req->n_topics, 2);
    assert_string_equal(req->topics[1], "path");
    protobuf_c_message_free_unpacked(msg, NULL);
}

static void test_path_and_part(void **state _unused_)
{
    struct ps_bind_error error;
    ProtobufCMessage *msg = NULL;
    const Ps__UpdateRuleRequest *req;

    assert_int_equal(bind_it(PS_HTTP_PUT, "/api/v1/rules/r%201",
                             "application/json; charset=utf-8",
                             "{\"action\":\"drop\",\"src\":\"192.0.2.0/24\"}",
                             &msg, &error),
                     0);
    req = (const Ps__UpdateRuleRequest *)msg;
    assert_string_equal(req->id, "r 1");
    assert_int_equal(req->rule->action, PS__RULE__ACTION__drop);
    assert_int_equal(req->rule->src->len, 24);
    protobuf_c_message_free_unpacked(msg, NULL);
}

static void test_whole_body(void **state _unused_)
{
    struct ps_bind_error error;
    ProtobufCMessage *msg = NULL;

    assert_int_equal(bind_it(PS_HTTP_POST, "/api/v1/traces", "Application/JSON",
                             "{\"filter\":{\"dport\":443}}", &msg, &error),
                     0);
    assert_int_equal(((const Ps__CreateTraceRequest *)msg)->filter->dport, 443);
    protobuf_c_message_free_unpacked(msg, NULL);
}

static void test_wrong(void **state _unused_)
{
    static const char json[] = "application/json";
    static const struct {
        enum ps_http_method method;
        const char *target, *type, *body;
        unsigned int status;
        const char *id, *field;
    } cases[] = {
        {PS_HTTP_GET, "/api/v1/flows?limt=1", NULL, NULL, 400,
         "request.unknown_parameter", "limt"},
        {PS_HTTP_GET, "/api/v1/flows?limit=1&limit=2", NULL, NULL, 400,
         "request.duplicate_parameter", "limit"},
        {PS_HTTP_GET, "/api/v1/flows?limit=many", NULL, NULL, 400,
         "request.invalid", "limit"},
        {PS_HTTP_GET, "/api/v1/flows?limit=", NULL, NULL, 400,
         "request.invalid", "limit"},
        {PS_HTTP_GET, "/api/v1/flows?addr=1.2.3", NULL, NULL, 400,
         "request.invalid", "addr"},
        {PS_HTTP_GET, "/api/v1/flows?%zz", NULL, NULL, 400, "request.malformed",
         ""},
        {PS_HTTP_GET, "/api/v1/hosts/nowhere", NULL, NULL, 400,
         "request.invalid", "ip"},
        {PS_HTTP_GET, "/api/v1/hosts/10.0.0.1?ip=10.0.0.2", NULL, NULL, 400,
         "request.unknown_parameter", "ip"},
        {PS_HTTP_GET, "/api/v1/session?x=1", NULL, NULL, 400,
         "request.unknown_parameter", "x"},
        {PS_HTTP_GET, "/api/v1/flows", json, "{}", 400,
         "request.body_unexpected", ""},
        {PS_HTTP_DELETE, "/api/v1/rules/a?id=b", NULL, NULL, 400,
         "request.unknown_parameter", "id"},
        {PS_HTTP_POST, "/api/v1/rules", json, NULL, 400, "request.body_missing",
         ""},
        {PS_HTTP_POST, "/api/v1/rules", NULL, "{}", 415, "request.content_type",
         ""},
        {PS_HTTP_POST, "/api/v1/rules", "application/jsonx", "{}", 415,
         "request.content_type", ""},
        {PS_HTTP_POST, "/api/v1/rules", json, "{\"spot\":1}", 400,
         "request.invalid", "spot"},
        {PS_HTTP_POST, "/api/v1/rules", json, "{\"priority\":\"1\"}", 400,
         "request.invalid", "priority"},
        {PS_HTTP_POST, "/api/v1/traces", json, "{\"filter\":{\"sport\":-1}}",
         400, "request.invalid", "filter.sport"},
        {PS_HTTP_POST, "/api/v1/rules", json, "{", 400, "request.invalid",
         NULL},
        {PS_HTTP_POST, "/api/v1/rules?priority=1", json, "{}", 400,
         "request.unknown_parameter", "priority"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct ps_bind_error error;
        ProtobufCMessage *msg = NULL;

        assert_int_equal(bind_it(cases[i].method, cases[i].target,
                                 cases[i].type, cases[i].body, &msg, &error),
                         -EINVAL);
        assert_null(msg);
        if (error.status != cases[i].status)
            fail_msg("%u for %s", error.status, cases[i].target);
        assert_string_equal(error.id, cases[i].id);
        if (cases[i].field)
            assert_string_equal(error.json.field, cases[i].field);
        assert_true(strlen(error.json.detail) > 0);
    }
}

static void test_field(void **state _unused_)
{
    const struct ps_route part = {.body = "rule"}, whole = {.body = ""};

    assert_string_equal(ps_bind_field(&part, "rule.sport"), "sport");
    assert_string_equal(ps_bind_field(&part, "rules.x"), "rules.x");
    assert_string_equal(ps_bind_field(&part, "id"), "id");
    assert_string_equal(ps_bind_field(&whole, "rules.0.src"), "rules.0.src");
    assert_null(ps_bind_field(&part, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_query),         cmocka_unit_test(test_list),
        cmocka_unit_test(test_path_and_part), cmocka_unit_test(test_whole_body),
        cmocka_unit_test(test_wrong),         cmocka_unit_test(test_field),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
