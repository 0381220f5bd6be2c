/* SPDX-License-Identifier: MIT */
/* Losses and metrics: the daemon's own, and those that all daemons have. */
#include "common/service_internal.h"

void ps_loss(struct ps_daemon *d, const char *id, const char *unit,
             uint64_t count)
{
    Ps__Loss *loss;

    for (size_t i = 0; i < d->n_losses; i++) {
        if (strcmp(d->losses[i]->id, id) == 0) {
            d->losses[i]->count = count;
            return;
        }
    }
    if (d->n_losses == PS_SERVICE_MAX_LOSSES) {
        d->figures_refused++;
        return;
    }
    loss = malloc(sizeof(*loss));
    if (!loss)
        return;
    ps__loss__init(loss);
    loss->id = strdup(id);
    loss->unit = strdup(unit);
    loss->count = count;
    if (!loss->id || !loss->unit)
        ps__loss__free_unpacked(loss, NULL);
    else
        d->losses[d->n_losses++] = loss;
}

static bool metric_is(const Ps__Metric *m, const char *name, const char *value)
{
    if (strcmp(m->name, name) != 0)
        return false;
    if (m->n_labels == 0)
        return !value;
    return value && strcmp(m->labels[0]->value, value) == 0;
}

static bool add_label(Ps__Metric *m, const char *label, const char *value)
{
    Ps__Param *param = malloc(sizeof(*param));

    m->labels = calloc(1, sizeof(*m->labels));
    if (!param || !m->labels) {
        free(param);
        return false;
    }
    ps__param__init(param);
    param->name = strdup(label);
    param->value = strdup(value);
    m->labels[m->n_labels++] = param;
    return param->name && param->value;
}

static Ps__Metric *metric_new(const char *name, const char *help,
                              const char *label, const char *label_value)
{
    Ps__Metric *m = malloc(sizeof(*m));
    bool complete;

    if (!m)
        return NULL;
    ps__metric__init(m);
    m->name = strdup(name);
    m->help = strdup(help);
    complete = m->name && m->help &&
               (!label || add_label(m, label, label_value));
    if (!complete) {
        ps__metric__free_unpacked(m, NULL);
        return NULL;
    }
    return m;
}

void ps_metric(struct ps_daemon *d, Ps__Metric__Kind kind, const char *name,
               const char *help, const char *label, const char *label_value,
               double value)
{
    Ps__Metric *m;

    for (size_t i = 0; i < d->n_metrics; i++) {
        if (metric_is(d->metrics[i], name, label ? label_value : NULL)) {
            d->metrics[i]->value = value;
            return;
        }
    }
    if (d->n_metrics == PS_SERVICE_MAX_METRICS) {
        d->figures_refused++;
        return;
    }
    m = metric_new(name, help, label, label_value);
    if (!m)
        return;
    m->kind = kind;
    m->value = value;
    d->metrics[d->n_metrics++] = m;
}

/* ---- of every daemon ---------------------------------------------------- */

static void say_published(const char *topic, uint64_t seq, void *arg)
{
    ps_metric(arg, PS__METRIC__KIND__counter, "bus_published_total",
              "Messages published, by topic.", "topic", topic, (double)seq);
}

static void say_bus(struct ps_daemon *d)
{
    const struct ps_bus_stats *bus = ps_bus_stats(d->bus);

    ps_bus_each_topic(d->bus, say_published, d);
    ps_metric(d, PS__METRIC__KIND__counter, "bus_answers_total",
              "Answers sent to requests of other parts.", NULL, NULL,
              (double)bus->answers);
    ps_metric(d, PS__METRIC__KIND__counter, "bus_calls_total",
              "Requests put to other parts.", NULL, NULL, (double)bus->calls);
    ps_loss(d, "bus_answer_lost", "answers", bus->answers_lost);
    ps_loss(d, "bus_answer_too_large", "answers", bus->answers_too_large);
    ps_loss(d, "bus_change_refused", "changes", bus->changes_refused);
    ps_loss(d, "bus_call_refused", "requests", bus->calls_refused);
    ps_loss(d, "bus_call_timeout", "requests", bus->calls_timed_out);
}

/*
 * Runs before the daemon's own sample, so that these find a place whatever
 * else is said; what the last one had no place for is known by then.
 */
void ps_service_figures_sample(struct ps_daemon *d)
{
    if (d->figures_refused > d->figures_most)
        d->figures_most = d->figures_refused;
    d->figures_refused = 0;
    ps_loss(d, "status_full", "figures",
            d->figures_most + d->capabilities_refused);
    ps_loss(d, "publish_failed", "messages", d->publish_failed);
    ps_loss(d, "log_lost", "lines", ps_log_lost());
    if (d->bus)
        say_bus(d);
}
