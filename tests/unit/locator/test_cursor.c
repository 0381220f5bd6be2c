/* SPDX-License-Identifier: MIT */
/* Cursors of lists of paths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "locator/cursor.h"

static void comes_back(void **state _unused_)
{
    struct ps_history_place place;
    char *text = ps_path_cursor(1700000000123456789, "p00ff");

    assert_string_equal(text, "t1700000000123456789.p00ff");
    assert_int_equal(ps_path_cursor_read(text, &place), 0);
    assert_int_equal(place.started, 1700000000123456789);
    assert_string_equal(place.id, "p00ff");
    free(text);
}

static void others_are_refused(void **state _unused_)
{
    static const char *const bad[] = {
        "", "t", "t.", "t1.", "t.a", "o5", "t1", "t-1.a", "t1.a b", "t1.a'",
        "t9223372036854775808.a", "t99999999999999999999999999.a", "x1.a",
        "t1.a.b", "t 1.a",
        /* An id of 65 characters. */
        "t1.01234567890123456789012345678901234567890123456789012345678901234"};
    struct ps_history_place place = {7, "same"};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(ps_path_cursor_read(bad[i], &place), -EINVAL);
    assert_int_equal(place.started, 7);
    assert_string_equal(place.id, "same");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back),
        cmocka_unit_test(others_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
