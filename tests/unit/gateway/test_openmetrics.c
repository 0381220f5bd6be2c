/* SPDX-License-Identifier: MIT */
#include "t.h"

#include <math.h>

#include "gateway/openmetrics.h"

struct made {
    Ps__Metric metric;
    Ps__Param param, *params[1];
    Ps__Metric *pointer;
};

static Ps__Metric *make(struct made *m, const char *name, Ps__Metric__Kind kind,
                        double value, const char *label,
                        const char *label_value)
{
    ps__metric__init(&m->metric);
    ps__param__init(&m->param);
    m->metric.name = (char *)(uintptr_t)name;
    m->metric.kind = kind;
    m->metric.help = (char *)(uintptr_t)"Help.";
    m->metric.value = value;
    m->params[0] = &m->param;
    m->metric.labels = m->params;
    m->metric.n_labels = label ? 1 : 0;
    m->param.name = (char *)(uintptr_t)label;
    m->param.value = (char *)(uintptr_t)label_value;
    return &m->metric;
}

static char *write_all(const struct ps_om_source *sources, size_t n)
{
    struct evbuffer *out = evbuffer_new();
    size_t len;
    char *text;

    assert_int_equal(ps_om_write(sources, n, out), 0);
    len = evbuffer_get_length(out);
    text = calloc(1, len + 1);
    evbuffer_remove(out, text, len);
    evbuffer_free(out);
    return text;
}

static void test_families(void **state _unused_)
{
    struct made a, b, c, d;
    Ps__Metric *first[] = {
        make(&a, "drops_total", PS__METRIC__KIND__counter, 3, "if", "eth0"),
        make(&b, "age", PS__METRIC__KIND__gauge, 0.5, NULL, NULL)};
    Ps__Metric *second[] = {
        make(&c, "drops_total", PS__METRIC__KIND__counter, 4, NULL, NULL),
        make(&d, "drops", PS__METRIC__KIND__gauge, 9, NULL, NULL)};
    const struct ps_om_source sources[] = {{"one", "h1", first, 2},
                                           {"two", NULL, second, 2}};
    _cleanup_free_ char *text = write_all(sources, 2);

    /* Both counters in one family; the gauge that takes its name is out. */
    assert_string_equal(
        text, "# TYPE packetscope_age gauge\n"
              "# HELP packetscope_age Help.\n"
              "packetscope_age{service=\"one\",instance=\"h1\"} 0.5\n"
              "# TYPE packetscope_drops counter\n"
              "# HELP packetscope_drops Help.\n"
              "packetscope_drops_total{service=\"one\",instance=\"h1\","
              "if=\"eth0\"} 3\n"
              "packetscope_drops_total{service=\"two\"} 4\n"
              "# EOF\n");
}

static void test_escaping(void **state _unused_)
{
    struct made a, b;
    Ps__Metric *metrics[] = {
        make(&a, "m", PS__METRIC__KIND__gauge, 1, "l", "a\\b\n\"c\"\xff"),
        make(&b, "no name", PS__METRIC__KIND__gauge, 1, NULL, NULL)};
    const struct ps_om_source source = {"s", NULL, metrics, 2};
    _cleanup_free_ char *text = write_all(&source, 1);

    assert_non_null(strstr(text, "l=\"a\\\\b\\n\\\"c\\\"\xef\xbf\xbd\"} 1\n"));
    assert_null(strstr(text, "no name"));
}

static void test_values(void **state _unused_)
{
    struct made a, b, c;
    Ps__Metric *metrics[] = {
        make(&a, "a", PS__METRIC__KIND__gauge, (double)NAN, NULL, NULL),
        make(&b, "b", PS__METRIC__KIND__gauge, (double)-INFINITY, NULL, NULL),
        make(&c, "c", PS__METRIC__KIND__counter, 9007199254740991.0 / 2, NULL,
             NULL)};
    const struct ps_om_source source = {"s", NULL, metrics, 3};
    _cleanup_free_ char *text = write_all(&source, 1);

    assert_non_null(strstr(text, "packetscope_a{service=\"s\"} NaN\n"));
    assert_non_null(strstr(text, "packetscope_b{service=\"s\"} -Inf\n"));
    /* A counter is given its suffix. */
    assert_non_null(strstr(
        text, "packetscope_c_total{service=\"s\"} 4503599627370495.5\n"));
}

static void test_nothing(void **state _unused_)
{
    _cleanup_free_ char *text = write_all(NULL, 0);

    assert_string_equal(text, "# EOF\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families),
        cmocka_unit_test(test_escaping),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
