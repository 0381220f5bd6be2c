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

/* However many rules there were before: a trace names those of its own. */
static void test_rules_leave_with_their_trace(void **state _unused_)
{
    struct tracer *t = calloc(1, sizeof(*t));
    struct ps_trace *a, *b;
    struct ps_names names;
    uint16_t n = 0;
    char id[16];

    assert_non_null(t);
    a = &t->traces[0];
    b = &t->traces[1];
    assert_int_equal(ps_rules_new(&a->rules), 0);
    assert_int_equal(ps_rules_new(&b->rules), 0);
    for (uint32_t i = 0; i < PS_RULES_MAX + 2; i++) {
        snprintf(id, sizeof(id), "%u", i);
        n = ps_rules_put(a->rules, "guarder", id, "", false);
    }
    assert_int_equal(n, 0);
    assert_int_equal(ps_rules_lost(a->rules), 2);
    n = ps_rules_put(b->rules, "guarder", "b", "", false);
    ps_tracer_names(t, b, &names);
    assert_string_equal(ps_rules_get(names.rules, n)->id, "b");
    ps_tracer_names(t, a, &names);
    assert_string_equal(ps_rules_get(names.rules, 1)->id, "0");
    ps_traces_free(a);
    ps_tracer_names(t, a, &names);
    assert_null(names.rules);
    ps_traces_free(b);
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probes_on_functions),
        cmocka_unit_test(test_rules_leave_with_their_trace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
