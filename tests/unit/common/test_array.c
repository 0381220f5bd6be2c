/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/array.h"

static void test_grows_to_its_bound(void **state _unused_)
{
    _cleanup_free_ uint16_t *list = NULL;
    uint32_t cap = 0;

    for (uint32_t n = 0; n < 1000; n++) {
        assert_int_equal(
            ps_array_reserve(&list, &cap, n + 1, 1000, sizeof(*list)), 0);
        assert_true(cap > n && cap <= 1000);
        list[n] = (uint16_t)n;
    }
    for (uint32_t n = 0; n < 1000; n++)
        assert_int_equal(list[n], n);
    assert_int_equal(cap, 1000);
    assert_int_equal(ps_array_reserve(&list, &cap, 1001, 1000, sizeof(*list)),
                     -ENOSPC);
    assert_int_equal(cap, 1000);
}

static void test_room_for_many_at_once(void **state _unused_)
{
    _cleanup_free_ char *list = NULL;
    uint32_t cap = 0;

    assert_int_equal(ps_array_reserve(&list, &cap, 5000, UINT32_MAX, 1), 0);
    assert_true(cap >= 5000);
    memset(list, 1, 5000);
    assert_int_equal(
        ps_array_reserve(&list, &cap, UINT64_C(1) << 32, UINT32_MAX, 1),
        -ENOSPC);
    assert_int_equal(list[4999], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows_to_its_bound),
        cmocka_unit_test(test_room_for_many_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
