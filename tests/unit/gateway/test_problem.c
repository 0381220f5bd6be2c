/* SPDX-License-Identifier: MIT */
#include "t.h"

#include "gateway/problem.h"

static const char *text(const json_t *json, const char *key)
{
    return json_string_value(json_object_get(json, key));
}

static void test_full(void **state _unused_)
{
    Ps__Param param = PS__PARAM__INIT, *params[] = {&param};
    const struct ps_problem problem = {
        .id = "rule.not_found",
        .status = 404,
        .detail = "There is no rule \"a\".",
        .field = "id",
        .n_params = 1,
        .params = params,
    };
    const json_t *first;
    json_t *json;

    param.name = (char *)(uintptr_t)"rule";
    param.value = (char *)(uintptr_t)"a";
    json = ps_problem_json(&problem);
    assert_string_equal(text(json, "type"), "/problems/rule.not_found");
    assert_string_equal(text(json, "title"), "Not Found");
    assert_int_equal(json_integer_value(json_object_get(json, "status")), 404);
    assert_string_equal(text(json, "detail"), problem.detail);
    assert_string_equal(text(json, "id"), "rule.not_found");
    assert_string_equal(text(json, "field"), "id");
    first = json_array_get(json_object_get(json, "params"), 0);
    assert_string_equal(text(first, "name"), "rule");
    assert_string_equal(text(first, "value"), "a");
    json_decref(json);
}

/* Bytes of a daemon's text that are not UTF-8 must not lose the answer. */
static void test_bytes(void **state _unused_)
{
    const struct ps_problem problem = {
        .id = "x", .status = 400, .detail = "name \xff\xfe"};
    json_t *json = ps_problem_json(&problem);

    assert_string_equal(text(json, "detail"), "name \xef\xbf\xbd\xef\xbf\xbd");
    assert_null(json_object_get(json, "field"));
    assert_null(json_object_get(json, "params"));
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
