/* SPDX-License-Identifier: MIT */
#include "gateway/openmetrics.h"

#include <math.h>

#include "common/utf8.h"

#define PREFIX "packetscope_"
#define TOTAL  "_total"

struct sample {
    const struct ps_om_source *source;
    const Ps__Metric *metric;
    size_t family_len; /* of the name without "_total" of a counter */
    size_t order;
};

static bool is_name(const char *name)
{
    if (!*name || strlen(name) > 128 || (*name >= '0' && *name <= '9'))
        return false;
    return name[strspn(name, "abcdefghijklmnopqrstuvwxyz"
                             "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")] == '\0';
}

static int compare(const void *va, const void *vb)
{
    const struct sample *a = va, *b = vb;
    size_t len = a->family_len < b->family_len ? a->family_len : b->family_len;
    int r = strncmp(a->metric->name, b->metric->name, len);

    if (r != 0)
        return r;
    if (a->family_len != b->family_len)
        return a->family_len < b->family_len ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

static bool same_family(const struct sample *a, const struct sample *b)
{
    return a->family_len == b->family_len &&
           strncmp(a->metric->name, b->metric->name, a->family_len) == 0;
}

static size_t family_length(const Ps__Metric *metric)
{
    size_t len = strlen(metric->name), suffix = sizeof(TOTAL) - 1;

    if (metric->kind == PS__METRIC__KIND__counter && len > suffix &&
        ps_streq(metric->name + len - suffix, TOTAL))
        return len - suffix;
    return len;
}

/* Escaped as HELP and label values are: \\, \n, \". */
static void add_escaped(struct evbuffer *out, const char *text)
{
    _cleanup_free_ char *valid = ps_utf8_repair(text, strlen(text), NULL);

    for (const char *p = valid ? valid : ""; *p;) {
        size_t n = strcspn(p, "\\\n\"");

        evbuffer_add(out, p, n);
        p += n;
        if (*p)
            evbuffer_add_printf(out, "\\%c", *p == '\n' ? 'n' : *p);
        p += *p != '\0';
    }
}

static void add_label(struct evbuffer *out, const char *name, const char *value,
                      bool first)
{
    evbuffer_add_printf(out, "%s%s=\"", first ? "{" : ",", name);
    add_escaped(out, value);
    evbuffer_add(out, "\"", 1);
}

static void add_value(struct evbuffer *out, double value)
{
    if (isnan(value))
        evbuffer_add_printf(out, " NaN\n");
    else if (isinf(value))
        evbuffer_add_printf(out, " %cInf\n", value > 0 ? '+' : '-');
    else if (fabs(value) < 9e15 && floor(value) == value)
        evbuffer_add_printf(out, " %.0f\n", value);
    else
        evbuffer_add_printf(out, " %.17g\n", value);
}

static void add_family(struct evbuffer *out, const struct sample *s)
{
    int len = (int)s->family_len;

    evbuffer_add_printf(out, "# TYPE " PREFIX "%.*s %s\n# HELP " PREFIX "%.*s ",
                        len, s->metric->name,
                        s->metric->kind == PS__METRIC__KIND__counter ? "counter"
                                                                     : "gauge",
                        len, s->metric->name);
    add_escaped(out, s->metric->help);
    evbuffer_add(out, "\n", 1);
}

static void add_sample(struct evbuffer *out, const struct sample *s)
{
    const Ps__Metric *m = s->metric;

    evbuffer_add_printf(out, PREFIX "%.*s%s", (int)s->family_len, m->name,
                        m->kind == PS__METRIC__KIND__counter ? TOTAL : "");
    add_label(out, "service", s->source->service, true);
    if (s->source->instance)
        add_label(out, "instance", s->source->instance, false);
    for (size_t i = 0; i < m->n_labels; i++)
        if (is_name(m->labels[i]->name))
            add_label(out, m->labels[i]->name, m->labels[i]->value, false);
    evbuffer_add(out, "}", 1);
    add_value(out, m->value);
}

int ps_om_write(const struct ps_om_source *sources, size_t n,
                struct evbuffer *out)
{
    _cleanup_free_ struct sample *samples = NULL;
    size_t max = 0, n_samples = 0;
    const struct sample *head = NULL;

    for (size_t i = 0; i < n; i++)
        max += sources[i].n;
    samples = calloc(max + 1, sizeof(*samples));
    if (!samples)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < sources[i].n; k++) {
            const Ps__Metric *m = sources[i].metrics[k];

            if (is_name(m->name))
                samples[n_samples] = (struct sample){
                    &sources[i], m, family_length(m), n_samples};
            n_samples += is_name(m->name);
        }
    }
    qsort(samples, n_samples, sizeof(*samples), compare);
    for (size_t i = 0; i < n_samples; i++) {
        if (!head || !same_family(head, &samples[i])) {
            head = &samples[i];
            add_family(out, head);
        }
        /* A family has one kind: the first's. */
        if (samples[i].metric->kind == head->metric->kind)
            add_sample(out, &samples[i]);
    }
    evbuffer_add_printf(out, "# EOF\n");
    return 0;
}
