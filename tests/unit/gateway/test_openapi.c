/* SPDX-License-Identifier: MIT */
#include "t.h"

#include "gateway/openapi.h"
#include "gateway/routes.h"

static json_t *document;

static int setup(void **state _unused_)
{
    document = ps_openapi_document();
    return document ? 0 : -1;
}

static int teardown(void **state _unused_)
{
    json_decref(document);
    return 0;
}

/* Follows "#/a/b" in the document. */
static const json_t *resolve(const char *ref)
{
    _cleanup_free_ char *copy = strdup(ref);
    const json_t *at = document;
    char *rest = copy + 2, *part;

    assert_int_equal(strncmp(ref, "#/", 2), 0);
    while ((part = strsep(&rest, "/")))
        at = json_object_get(at, part);
    return at;
}

static size_t check_refs(const json_t *node)
{
    size_t n = 0, i;
    const char *key;
    json_t *value;

    if (json_is_array(node))
        json_array_foreach(node, i, value) n += check_refs(value);
    if (!json_is_object(node))
        return n;
    json_object_foreach((json_t *)(uintptr_t)node, key, value)
    {
        if (ps_streq(key, "$ref")) {
            if (!resolve(json_string_value(value)))
                fail_msg("%s leads nowhere", json_string_value(value));
            n++;
        }
        n += check_refs(value);
    }
    return n;
}

static void test_refs(void **state _unused_)
{
    assert_true(check_refs(document) > 50);
}

static const json_t *operation(const struct ps_route *route)
{
    char method[16] = "";
    const json_t *paths = json_object_get(document, "paths");

    for (const char *p = ps_http_method_name(route->method); *p; p++)
        method[strlen(method)] = (char)(*p | 0x20);
    return json_object_get(json_object_get(paths, route->path), method);
}

static const json_t *find_parameter(const json_t *op, const char *name)
{
    size_t i;
    json_t *param;

    json_array_foreach(json_object_get(op, "parameters"), i, param)
    {
        if (ps_streq(json_string_value(json_object_get(param, "name")), name))
            return param;
    }
    return NULL;
}

static void test_every_route(void **state _unused_)
{
    size_t n;
    const struct ps_route *routes = ps_routes(&n);

    for (size_t i = 0; i < n; i++) {
        const json_t *op = operation(&routes[i]);
        char name[64], status[16];

        assert_non_null(op);
        assert_string_equal(
            json_string_value(json_object_get(op, "operationId")),
            routes[i].id);
        assert_string_equal(json_string_value(json_object_get(op, "x-role")),
                            ps_role_name(routes[i].role));
        snprintf(status, sizeof(status), "%u", routes[i].status);
        assert_non_null(
            json_object_get(json_object_get(op, "responses"), status));
        assert_non_null(
            json_object_get(json_object_get(op, "responses"), "default"));
        for (size_t k = 0; ps_route_param(&routes[i], k, name, sizeof(name));
             k++) {
            const json_t *param = find_parameter(op, name);

            assert_string_equal(json_string_value(json_object_get(param, "in")),
                                "path");
            assert_true(json_is_true(json_object_get(param, "required")));
        }
        assert_int_equal(json_object_get(op, "requestBody") != NULL,
                         routes[i].body != NULL);
        assert_int_equal(find_parameter(op, "Idempotency-Key") != NULL,
                         routes[i].change);
        assert_int_equal(json_object_get(op, "security") != NULL,
                         routes[i].role == PS_ROLE_NONE);
    }
}

static void test_parameters(void **state _unused_)
{
    const struct ps_route list = {.method = PS_HTTP_GET,
                                  .path = "/api/v1/flows"};
    const json_t *limit = find_parameter(operation(&list), "limit");

    assert_string_equal(json_string_value(json_object_get(limit, "in")),
                        "query");
    assert_int_equal(json_integer_value(json_object_get(
                         json_object_get(limit, "schema"), "maximum")),
                     1000);
    assert_non_null(find_parameter(operation(&list), "addr"));
    assert_null(find_parameter(operation(&list), "rx"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refs),
        cmocka_unit_test(test_every_route),
        cmocka_unit_test(test_parameters),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
