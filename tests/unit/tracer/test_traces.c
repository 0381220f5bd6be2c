/* SPDX-License-Identifier: MIT */
/* What traces need while they run, and no longer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tracer/tracer.h"

/* A trace that waits for room on the disk keeps its calls, and no probe. */
static void test_probes_on_functions(void **state _unused_)
{
    static const struct {
        enum ps_trace_phase phase;
        bool wanted;
    } phases[] = {
        /* It begins: its probes are put before it runs. */
        {PS_TRACE_FREE, true},     {PS_TRACE_RUNNING, true},
        {PS_TRACE_ENDING, true},   {PS_TRACE_SAVING, false},
        {PS_TRACE_UNSAVED, false},
    };
    struct tracer *t = calloc(1, sizeof(*t));

    assert_non_null(t);
    assert_false(ps_traces_functions_wanted(t));
    t->traces[1].phase = PS_TRACE_RUNNING; /* of the core tier */
    assert_false(ps_traces_functions_wanted(t));
    assert_int_equal(ps_calls_new(10, &t->traces[3].calls), 0);
    for (size_t i = 0; i < ARRAY_SIZE(phases); i++) {
        t->traces[3].phase = phases[i].phase;
        assert_true(ps_traces_functions_wanted(t) == phases[i].wanted);
    }
    ps_calls_free(&t->traces[3].calls);
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probes_on_functions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
