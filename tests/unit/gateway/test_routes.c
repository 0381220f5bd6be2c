/* SPDX-License-Identifier: MIT */
#include "t.h"

#include "common/types.h"
#include "gateway/routes.h"

static struct ps_route_match find(enum ps_http_method method, const char *raw,
                                  struct ps_path *path)
{
    struct ps_route_match match;

    assert_int_equal(ps_path_parse(raw, path), 0);
    ps_route_find(method, path, &match);
    return match;
}

static void test_match(void **state _unused_)
{
    struct ps_path path;
    struct ps_route_match m =
        find(PS_HTTP_PUT, "/api/v1/rules/web%2Fssh", &path);

    assert_non_null(m.route);
    assert_string_equal(m.route->id, "updateRule");
    assert_string_equal(m.params[0], "web/ssh");
    assert_int_equal(m.allowed,
                     PS_HTTP_GET | PS_HTTP_HEAD | PS_HTTP_PUT | PS_HTTP_DELETE);
    ps_path_clear(&path);
    m = find(PS_HTTP_HEAD, "/api/v1/traces/t1/packets", &path);
    assert_string_equal(m.route->id, "listTracePackets");
    ps_path_clear(&path);
}

static void test_no_match(void **state _unused_)
{
    static const char *const paths[] = {
        "/api/v1/rule",     "/api/v1/rules/a/b",
        "/api/v1",          "/api/v1/traces/t/x",
        "/rules",           "/",
        "/api/v1/rulesets", "/API/v1/rules",
    };
    struct ps_path path;
    struct ps_route_match m;

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        m = find(PS_HTTP_GET, paths[i], &path);
        assert_null(m.route);
        assert_int_equal(m.allowed, 0);
        ps_path_clear(&path);
    }
    m = find(PS_HTTP_DELETE, "/api/v1/flows", &path);
    assert_null(m.route);
    assert_int_equal(m.allowed, PS_HTTP_GET | PS_HTTP_HEAD);
    ps_path_clear(&path);
}

static void test_allow(void **state _unused_)
{
    char text[80];

    ps_route_allow(PS_HTTP_GET | PS_HTTP_HEAD | PS_HTTP_POST, text,
                   sizeof(text));
    assert_string_equal(text, "GET, HEAD, POST");
}

/* What no row may get wrong, since nothing else checks it. */
static void test_rows(void **state _unused_)
{
    size_t n;
    const struct ps_route *routes = ps_routes(&n);

    for (size_t i = 0; i < n; i++) {
        const struct ps_route *r = &routes[i];
        bool reads = r->method == PS_HTTP_GET;
        char name[64];

        /* Both: a handler of its own asks the daemon, part by part. */
        assert_true(r->service || r->local);
        assert_true(!r->service == !r->bus_method);
        /* The gateway's own changes take no Idempotency-Key. */
        assert_true(r->change == (!reads && r->service));
        assert_true(!r->change || r->role >= PS_ROLE_OPERATOR);
        assert_true(r->role != PS_ROLE_NONE || r->local);
        assert_true(r->reply || r->type || r->status == 204);
        assert_non_null(r->summary);
        for (size_t k = 0; ps_route_param(r, k, name, sizeof(name)); k++) {
            assert_true(k < PS_ROUTE_MAX_PARAMS);
            assert_non_null(protobuf_c_message_descriptor_get_field_by_name(
                r->request, name));
        }
        if (r->body && *r->body)
            assert_non_null(protobuf_c_message_descriptor_get_field_by_name(
                r->request, r->body));
        if (r->bus_method)
            assert_int_equal(
                strncmp(r->bus_method, r->service, strlen(r->service)), 0);
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(r->id, routes[k].id);
            assert_false(ps_streq(r->path, routes[k].path) &&
                         r->method == routes[k].method);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_match),
        cmocka_unit_test(test_no_match),
        cmocka_unit_test(test_allow),
        cmocka_unit_test(test_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
