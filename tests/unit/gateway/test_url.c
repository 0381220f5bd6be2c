/* SPDX-License-Identifier: MIT */
#include "t.h"

#include "gateway/url.h"

static void test_segments(void **state _unused_)
{
    struct ps_path path;

    assert_int_equal(ps_path_parse("/", &path), 0);
    assert_int_equal(path.n, 0);
    ps_path_clear(&path);
    assert_int_equal(ps_path_parse("/api/v1/rules/a%20b%2Fc", &path), 0);
    assert_int_equal(path.n, 4);
    assert_string_equal(path.segments[0], "api");
    assert_string_equal(path.segments[3], "a b/c");
    ps_path_clear(&path);
    assert_int_equal(ps_path_parse("/a/%E4%B8%AD/", &path), 0);
    assert_int_equal(path.n, 2);
    assert_string_equal(path.segments[1], "\xe4\xb8\xad");
    ps_path_clear(&path);
}

static void test_hostile_paths(void **state _unused_)
{
    static const char *const bad[] = {
        "a",       "/..",     "/a/../b", "/a/./b", "//",       "/a//b",
        "/%2e%2e", "/.%2E/x", "/a%00b",  "/a%0ab", "/%",       "/%4",
        "/%zz",    "/%ff",    "/%c0%af", "/%7f",   "/a/%2e/b", "",
    };
    struct ps_path path;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(ps_path_parse(bad[i], &path), -EINVAL);
    assert_int_equal(
        ps_path_parse("/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16", &path), 0);
    ps_path_clear(&path);
    assert_int_equal(
        ps_path_parse("/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", &path),
        -E2BIG);
}

static void test_query(void **state _unused_)
{
    char text[] = "a=1&&b=x+y%26z&flag&=empty";
    char *cursor = text, *name, *value;

    assert_int_equal(ps_query_next(&cursor, &name, &value), 1);
    assert_string_equal(name, "a");
    assert_string_equal(value, "1");
    assert_int_equal(ps_query_next(&cursor, &name, &value), 1);
    assert_string_equal(name, "b");
    assert_string_equal(value, "x y&z");
    assert_int_equal(ps_query_next(&cursor, &name, &value), 1);
    assert_string_equal(name, "flag");
    assert_string_equal(value, "");
    assert_int_equal(ps_query_next(&cursor, &name, &value), 1);
    assert_string_equal(name, "");
    assert_string_equal(value, "empty");
    assert_int_equal(ps_query_next(&cursor, &name, &value), 0);
}

static void test_bad_query(void **state _unused_)
{
    char broken[] = "a=%4", control[] = "a%01=x";
    char *cursor = broken, *name, *value;

    assert_int_equal(ps_query_next(&cursor, &name, &value), -EINVAL);
    cursor = control;
    assert_int_equal(ps_query_next(&cursor, &name, &value), -EINVAL);
    cursor = NULL;
    assert_int_equal(ps_query_next(&cursor, &name, &value), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segments),
        cmocka_unit_test(test_hostile_paths),
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_bad_query),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
