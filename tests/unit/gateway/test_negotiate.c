/* SPDX-License-Identifier: MIT */
#include "t.h"

#include "gateway/negotiate.h"

/* A head of one or two fields of a name. */
static struct ps_head head_of(const char *name, const char *value,
                              const char *second)
{
    struct ps_head head = {0};

    if (value)
        head.fields[head.n++] = (struct ps_head_field){name, value};
    head.fields[head.n++] = (struct ps_head_field){"X-Other", "gzip, *"};
    if (second)
        head.fields[head.n++] = (struct ps_head_field){name, second};
    return head;
}

static void test_gzip(void **state _unused_)
{
    static const struct {
        const char *value, *second;
        bool want;
    } cases[] = {
        {NULL, NULL, false},
        {"", NULL, false},
        {"gzip", NULL, true},
        {"GZip", NULL, true},
        {"x-gzip", NULL, true},
        {"br, gzip", NULL, true},
        {"br", NULL, false},
        {"br", "gzip", true},
        {"gzipped", NULL, false},
        {"gzip;q=0", NULL, false},
        {"gzip;q=0.000", NULL, false},
        {"gzip; q=0.001", NULL, true},
        {"gzip ; Q=1.000", NULL, true},
        {"gzip;q=1.001", NULL, false},
        {"gzip;q=0.0001", NULL, false},
        {"gzip;q=", NULL, false},
        {"gzip;q=x", NULL, false},
        {"gzip;q=.5", NULL, false},
        {"gzip;x=y;q=0.5", NULL, true},
        {"*", NULL, true},
        {"*;q=0", NULL, false},
        {"gzip;q=0, *", NULL, false},
        {"*;q=0, gzip", NULL, true},
        {"identity", NULL, false},
        {"identity, gzip", NULL, true},
        {"identity;q=1, gzip;q=0.5", NULL, false},
        {"identity;q=0, gzip;q=0.1", NULL, true},
        {",,gzip,", NULL, true},
        {";", NULL, false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct ps_head head =
            head_of("Accept-Encoding", cases[i].value, cases[i].second);

        if (ps_takes_gzip(&head) != cases[i].want)
            fail_msg("Accept-Encoding: %s", cases[i].value);
    }
}

static void test_etag(void **state _unused_)
{
    static const struct {
        const char *value, *second;
        bool want;
    } cases[] = {
        {NULL, NULL, false},
        {"\"a,b\"", NULL, true},
        {"W/\"a,b\"", NULL, true},
        {"*", NULL, true},
        {" * ", NULL, true},
        {"\"*\"", NULL, false},
        {"\"x\", \"a,b\"", NULL, true},
        {"\"x\",W/\"y\" , \"a,b\"", NULL, true},
        {"\"x\"", "\"a,b\"", true},
        {"a,b", NULL, false},
        {"\"a", NULL, false},
        {"\"a,b", NULL, false},
        {"\"", NULL, false},
        {"W/", NULL, false},
        {"\"A,B\"", NULL, false},
        {"\"a,b\"x", NULL, true},
        {"x\"a,b\"", NULL, false},
        {"", NULL, false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct ps_head head =
            head_of("If-None-Match", cases[i].value, cases[i].second);

        if (ps_has_etag(&head, "\"a,b\"") != cases[i].want)
            fail_msg("If-None-Match: %s", cases[i].value);
    }
}

static void test_age(void **state _unused_)
{
    static const struct {
        const char *value, *second;
        uint64_t want;
    } cases[] = {
        {NULL, NULL, UINT64_MAX},
        {"no-cache", NULL, 0},
        {"No-Cache", NULL, 0},
        {"no-store", NULL, 0},
        {"max-age=0", NULL, 0},
        {"max-age=\"0\"", NULL, 0},
        {"max-age=2", NULL, 2000},
        {"max-age=2, no-cache", NULL, 0},
        {"max-age=9, max-age=3", NULL, 3000},
        {"max-age=9", "max-age=1", 1000},
        {"max-age", NULL, UINT64_MAX},
        {"max-age=", NULL, UINT64_MAX},
        {"max-age=-1", NULL, UINT64_MAX},
        {"max-age=1x", NULL, UINT64_MAX},
        {"max-stale=5", NULL, UINT64_MAX},
        {"no-cached", NULL, UINT64_MAX},
        {"=0", NULL, UINT64_MAX},
    };
    struct ps_head head =
        head_of("Cache-Control", "max-age=99999999999999999999999", NULL);

    /* As long as one likes is still a number. */
    assert_true(ps_takes_age_ms(&head) > UINT64_C(1000000000000));
    assert_true(ps_takes_age_ms(&head) < UINT64_MAX);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        head = head_of("Cache-Control", cases[i].value, cases[i].second);
        if (ps_takes_age_ms(&head) != cases[i].want)
            fail_msg("Cache-Control: %s", cases[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gzip),
        cmocka_unit_test(test_etag),
        cmocka_unit_test(test_age),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
