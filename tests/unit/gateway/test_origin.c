/* SPDX-License-Identifier: MIT */
#include "t.h"

#include "gateway/origin.h"

static void test_hosts(void **state _unused_)
{
    static char *const allowed[] = {(char *)(uintptr_t)"ps.example"};
    static const struct {
        const char *host;
        bool loopback, any;
    } cases[] = {
        {"localhost", true, true},       {"LOCALHOST:8080", true, true},
        {"127.0.0.1:8080", true, true},  {"[::1]:9", true, true},
        {"evil.example", false, true},   {"evil.example:8080", false, true},
        {"localhost.evil", false, true}, {"127.0.0.1:80:80", false, false},
        {"[::1", false, false},          {"", false, false},
        {"localhost:x", false, false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(
            ps_origin_host_ok(cases[i].host, "127.0.0.1:8080", true, NULL, 0),
            cases[i].loopback);
        assert_int_equal(
            ps_origin_host_ok(cases[i].host, "192.0.2.1:8080", false, NULL, 0),
            cases[i].any);
    }
    assert_true(
        ps_origin_host_ok("ps.example:1", "127.0.0.1:1", true, allowed, 1));
    assert_false(
        ps_origin_host_ok("other.example", "192.0.2.1:80", false, allowed, 1));
    assert_true(
        ps_origin_host_ok("192.0.2.1", "192.0.2.1:80", false, allowed, 1));
}

static struct ps_head make_head(enum ps_http_method method, const char *host,
                                const char *const *pairs)
{
    struct ps_head head = {.method = method, .host = host};

    for (; *pairs; pairs += 2)
        head.fields[head.n++] = (struct ps_head_field){pairs[0], pairs[1]};
    return head;
}

#define HEAD(method, ...)                \
    make_head(method, "ps.example:8080", \
              (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void test_foreign(void **state _unused_)
{
    static const struct {
        const char *origin, *site;
        bool foreign;
    } cases[] = {
        {NULL, NULL, false},
        {"http://ps.example:8080", NULL, false},
        {"https://PS.example:8080", NULL, false},
        {"http://ps.example", NULL, true},
        {"http://ps.example:8081", NULL, true},
        {"http://ps.example:8080.evil", NULL, true},
        {"http://evil.example", NULL, true},
        {"null", NULL, true},
        {"", NULL, true},
        {"ftp://ps.example:8080", NULL, true},
        {NULL, "same-origin", false},
        {NULL, "none", false},
        {NULL, "same-site", true},
        {NULL, "cross-site", true},
        {NULL, "", true},
        /* A proxy changed Host: the browser knows better. */
        {"https://outside.example", "same-origin", false},
        {"http://ps.example:8080", "cross-site", true},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct ps_head head = HEAD(PS_HTTP_POST);

        if (cases[i].origin)
            head.fields[head.n++] =
                (struct ps_head_field){"Origin", cases[i].origin};
        if (cases[i].site)
            head.fields[head.n++] =
                (struct ps_head_field){"Sec-Fetch-Site", cases[i].site};
        assert_int_equal(ps_origin_foreign(&head), cases[i].foreign);
    }
}

static void test_foreign_twice(void **state _unused_)
{
    const struct ps_head origins = HEAD(PS_HTTP_POST, "origin",
                                        "http://ps.example:8080", "origin",
                                        "http://evil.example");
    const struct ps_head sites = HEAD(PS_HTTP_POST, "sec-fetch-site",
                                      "same-origin", "Sec-Fetch-Site", "none");

    assert_true(ps_origin_foreign(&origins));
    assert_true(ps_origin_foreign(&sites));
}

static void test_simple(void **state _unused_)
{
    static const struct {
        const char *type;
        bool simple;
    } cases[] = {
        {NULL, true},
        {"text/plain", true},
        {"application/x-www-form-urlencoded", true},
        {"multipart/form-data; boundary=application/json", true},
        {"text/plain; application/json", true},
        {"application/jsonx", true},
        {"application/json", false},
        {"Application/JSON; charset=utf-8", false},
    };
    const struct ps_head key = HEAD(PS_HTTP_POST, "idempotency-key", "k",
                                    "content-type", "text/plain");
    const struct ps_head put = HEAD(PS_HTTP_PUT);
    const struct ps_head delete = HEAD(PS_HTTP_DELETE);

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct ps_head head = HEAD(PS_HTTP_POST);

        if (cases[i].type)
            head.fields[head.n++] =
                (struct ps_head_field){"Content-Type", cases[i].type};
        assert_int_equal(ps_origin_simple(&head), cases[i].simple);
    }
    assert_false(ps_origin_simple(&key));
    assert_false(ps_origin_simple(&put));
    assert_false(ps_origin_simple(&delete));
}

static void test_secure(void **state _unused_)
{
    const struct ps_head tls = HEAD(PS_HTTP_POST, "origin", "https://a");
    const struct ps_head plain = HEAD(PS_HTTP_POST, "origin", "http://a");
    const struct ps_head none = HEAD(PS_HTTP_POST);

    assert_true(ps_origin_secure(&tls));
    assert_false(ps_origin_secure(&plain));
    assert_false(ps_origin_secure(&none));
}

/* ---- CORS --------------------------------------------------------------- */

static struct ps_origins *make_origins(const char *const *items, size_t n)
{
    struct ps_strlist list = {.items = (char **)(uintptr_t)items, .n = n};
    struct ps_origins *origins = NULL;
    _cleanup_free_ char *error = NULL;

    assert_int_equal(ps_origins_new(&list, &origins, &error), 0);
    return origins;
}

static void test_cors_off(void **state _unused_)
{
    struct ps_origins *origins = make_origins(NULL, 0);
    const struct ps_head head = HEAD(PS_HTTP_OPTIONS, "origin",
                                     "http://a.example",
                                     "access-control-request-method", "GET");

    assert_string_equal(ps_origins_lines(origins, &head), "");
    assert_false(ps_origins_preflight(origins, &head));
    ps_origins_free(&origins);
}

static void test_cors_list(void **state _unused_)
{
    static const char *const items[] = {"https://a.example",
                                        "http://b.example:8080"};
    struct ps_origins *origins = make_origins(items, 2);
    const struct ps_head good = HEAD(PS_HTTP_OPTIONS, "origin",
                                     "http://b.example:8080",
                                     "access-control-request-method", "DELETE");
    const struct ps_head plain = HEAD(PS_HTTP_OPTIONS, "origin", items[0]);
    const struct ps_head twice =
        HEAD(PS_HTTP_GET, "origin", items[0], "origin", items[0]);
    const struct ps_head get = HEAD(PS_HTTP_GET, "origin", items[0]);
    const struct ps_head bad = HEAD(PS_HTTP_OPTIONS, "origin",
                                    "https://a.example.evil",
                                    "access-control-request-method", "GET");
    const struct ps_head none = HEAD(PS_HTTP_GET);
    const char *lines = ps_origins_lines(origins, &good);

    assert_true(ps_origins_preflight(origins, &good));
    assert_non_null(strstr(
        lines, "Access-Control-Allow-Origin: http://b.example:8080\r\n"));
    assert_non_null(strstr(lines, "Vary: Origin\r\n"));
    assert_null(strstr(lines, "Credentials"));
    assert_false(ps_origins_preflight(origins, &plain));
    assert_false(ps_origins_preflight(origins, &get));
    assert_non_null(
        strstr(ps_origins_lines(origins, &get), "https://a.example\r\n"));
    assert_false(ps_origins_preflight(origins, &bad));
    assert_string_equal(ps_origins_lines(origins, &bad), "Vary: Origin\r\n");
    assert_string_equal(ps_origins_lines(origins, &twice), "Vary: Origin\r\n");
    assert_string_equal(ps_origins_lines(origins, &none), "Vary: Origin\r\n");
    ps_origins_free(&origins);
}

static void test_cors_any(void **state _unused_)
{
    static const char *const items[] = {"*"};
    struct ps_origins *origins = make_origins(items, 1);
    const struct ps_head head = HEAD(PS_HTTP_OPTIONS, "origin",
                                     "http://x.example",
                                     "access-control-request-method", "GET");
    const char *lines = ps_origins_lines(origins, &head);

    assert_true(ps_origins_preflight(origins, &head));
    assert_non_null(strstr(lines, "Access-Control-Allow-Origin: *\r\n"));
    assert_null(strstr(lines, "Credentials"));
    ps_origins_free(&origins);
}

static void test_cors_wrong(void **state _unused_)
{
    static const char *const items[] = {
        "a.example",          "https://",
        "https://a.example/", "https://a.example/x",
        "https://A.example",  "null",
        "https://a b",        "https://a.example:x",
        "file:///x",          "https://a.example\r\nX: y"};
    static const char *const mixed[] = {"https://a.example", "*"};
    struct ps_strlist list = {.items = (char **)(uintptr_t)mixed, .n = 2};
    struct ps_origins *origins = NULL;
    char *error = NULL;

    assert_int_equal(ps_origins_new(&list, &origins, &error), -EINVAL);
    assert_non_null(strstr(error, "cors-origins"));
    free(error);
    for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
        list =
            (struct ps_strlist){.items = (char **)(uintptr_t)&items[i], .n = 1};
        error = NULL;
        assert_int_equal(ps_origins_new(&list, &origins, &error), -EINVAL);
        assert_non_null(error);
        free(error);
    }
    assert_null(origins);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts),         cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_foreign_twice), cmocka_unit_test(test_simple),
        cmocka_unit_test(test_secure),        cmocka_unit_test(test_cors_off),
        cmocka_unit_test(test_cors_list),     cmocka_unit_test(test_cors_any),
        cmocka_unit_test(test_cors_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
