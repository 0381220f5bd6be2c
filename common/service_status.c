/* SPDX-License-Identifier: MIT */
/* What a daemon says of itself: capabilities, status, events. */
#include <pwd.h>
#include <stdarg.h>

#include "common/net.h"
#include "common/service_internal.h"

/* Texts that do not fit in memory are left out rather than fatal. */
static char *copy(const char *text)
{
    return text && *text ? strdup(text) : NULL;
}

static void set_text(char **field, const char *text)
{
    free(*field);
    *field = copy(text);
}

/* ---- capabilities ------------------------------------------------------- */

static Ps__Capability *capability_get(struct ps_daemon *d, const char *id)
{
    Ps__Capability *c;

    for (size_t i = 0; i < d->n_capabilities; i++) {
        if (strcmp(d->capabilities[i]->id, id) == 0)
            return d->capabilities[i];
    }
    if (d->n_capabilities == PS_SERVICE_MAX_CAPABILITIES) {
        d->capabilities_refused++;
        return NULL;
    }
    c = malloc(sizeof(*c));
    if (!c)
        return NULL;
    ps__capability__init(c);
    c->id = strdup(id);
    if (!c->id) {
        free(c);
        return NULL;
    }
    d->capabilities[d->n_capabilities++] = c;
    return c;
}

void ps_capability(struct ps_daemon *d, const char *id, bool available,
                   const char *tier, const char *reason, const char *without)
{
    Ps__Capability *c = capability_get(d, id);

    if (!c)
        return;
    c->available = available;
    set_text(&c->tier, tier);
    set_text(&c->reason, reason);
    set_text(&c->without, without);
}

void ps_service_print_capabilities(struct ps_daemon *d)
{
    for (size_t i = 0; i < d->n_capabilities; i++) {
        const Ps__Capability *c = d->capabilities[i];

        printf("capability %s %s %s %s\n", c->id,
               c->available ? "ok" : "missing", c->tier ? c->tier : "-",
               c->reason ? c->reason : "-");
    }
}

int ps_service_selftest_result(const struct ps_daemon *d)
{
    for (size_t i = 0; i < d->n_capabilities; i++) {
        if (!d->capabilities[i]->available)
            return 1;
    }
    return 0;
}

void ps_degraded(struct ps_daemon *d, const char *reason)
{
    snprintf(d->degraded, sizeof(d->degraded), "%s", reason ? reason : "");
}

void ps_bpf_memory(struct ps_daemon *d, uint64_t bytes)
{
    d->bpf_memory = bytes;
}

/* ---- publishing --------------------------------------------------------- */

void ps_publish(struct ps_daemon *d, const char *topic,
                const ProtobufCMessage *msg, bool retain)
{
    if (!d->bus)
        return; /* during open() there is nobody to tell yet */
    if (ps_bus_publish(d->bus, topic, msg, retain) < 0)
        d->publish_failed++;
}

static enum ps_log_level severity_level(Ps__Event__Severity severity)
{
    return severity >= PS__EVENT__SEVERITY__warning ? PS_LOG_WARNING
                                                    : PS_LOG_INFO;
}

void ps_event(struct ps_daemon *d, Ps__Event__Severity severity, const char *id,
              const struct ps_event_param *params, const char *fmt, ...)
{
    Ps__Event event = PS__EVENT__INIT;
    Ps__Time when = PS__TIME__INIT;
    Ps__Param items[16];
    Ps__Param *pointers[16];
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    when.unix_ns = ps_now_ns();
    event.id = (char *)(uintptr_t)id;
    event.severity = severity;
    event.time = &when;
    event.source = (char *)(uintptr_t)d->service->name;
    event.text = text;
    event.params = pointers;
    for (; params && params->name && event.n_params < ARRAY_SIZE(items);
         params++) {
        Ps__Param *item = &items[event.n_params];

        ps__param__init(item);
        item->name = (char *)(uintptr_t)params->name;
        item->value = (char *)(uintptr_t)(params->value ? params->value : "");
        pointers[event.n_params++] = item;
    }
    ps_log(severity_level(severity), id, "text=" PS_Q, text);
    ps_publish(d, "event", &event.base, false);
}

/* ---- status ------------------------------------------------------------- */

static uint64_t rss_bytes(void)
{
    _cleanup_fclose_ FILE *f = fopen("/proc/self/statm", "re");
    unsigned long size;
    unsigned long resident;

    if (!f || fscanf(f, "%lu %lu", &size, &resident) != 2)
        return 0;
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

Ps__ServiceStatus__State ps_service_state(const struct ps_daemon *d)
{
    if (d->draining)
        return PS__SERVICE_STATUS__STATE__draining;
    if (d->standby)
        return PS__SERVICE_STATUS__STATE__standby;
    if (!d->started)
        return PS__SERVICE_STATUS__STATE__starting;
    if (d->degraded[0])
        return PS__SERVICE_STATUS__STATE__degraded;
    return PS__SERVICE_STATUS__STATE__ready;
}

struct topic_list {
    Ps__TopicSeq items[PS_BUS_MAX_TOPICS];
    Ps__TopicSeq *pointers[PS_BUS_MAX_TOPICS];
    size_t n;
};

static void add_topic(const char *topic, uint64_t seq, void *arg)
{
    struct topic_list *list = arg;
    Ps__TopicSeq *item = &list->items[list->n];

    ps__topic_seq__init(item);
    item->topic = (char *)(uintptr_t)topic;
    item->seq = seq;
    list->pointers[list->n++] = item;
}

/* Builds the status on the stack and gives it to fn; lists are borrowed. */
static void with_status(struct ps_daemon *d,
                        void (*fn)(struct ps_daemon *d,
                                   const ProtobufCMessage *status, void *arg),
                        void *arg)
{
    Ps__ServiceStatus s = PS__SERVICE_STATUS__INIT;
    Ps__Time since = PS__TIME__INIT;
    struct topic_list topics = {.n = 0};
    char **privileges = NULL;
    size_t n = 0;

    s.name = (char *)(uintptr_t)d->service->name;
    s.instance = (char *)(uintptr_t)ps_daemon_instance(d);
    s.state = ps_service_state(d);
    s.version = (char *)(uintptr_t)PS_VERSION;
    s.has_pid = 1;
    s.pid = (uint32_t)(d->standby ? getppid() : getpid());
    since.unix_ns = d->epoch;
    s.started = &since;
    s.has_uptime_ns = 1;
    s.uptime_ns = ps_mono_ns() - d->started_mono_ns;
    s.user = d->user_name;
    s.capabilities = d->capabilities;
    s.n_capabilities = d->n_capabilities;
    s.losses = d->losses;
    s.n_losses = d->n_losses;
    s.has_rss_bytes = 1;
    s.rss_bytes = rss_bytes();
    s.has_bpf_memory_bytes = d->bpf_memory > 0;
    s.bpf_memory_bytes = d->bpf_memory;
    s.reason = d->degraded[0] ? d->degraded : NULL;
    if (ps_service_privileges(&privileges, &n) == 0) {
        s.privileges = privileges;
        s.n_privileges = n;
    }
    if (d->bus)
        ps_bus_each_topic(d->bus, add_topic, &topics);
    s.topics = topics.pointers;
    s.n_topics = topics.n;
    fn(d, &s.base, arg);
    for (size_t i = 0; i < n; i++)
        free(privileges[i]);
    free(privileges);
}

static void sample(struct ps_daemon *d)
{
    ps_service_figures_sample(d);
    if (d->service->sample && d->started)
        d->service->sample(d, d->state);
    ps_service_audit_sample(d);
}

static void publish_status(struct ps_daemon *d, const ProtobufCMessage *status,
                           void *arg _unused_)
{
    ps_publish(d, "heartbeat", status, true);
}

void ps_service_heartbeat(struct ps_daemon *d)
{
    sample(d);
    with_status(d, publish_status, NULL);
}

static void reply_to(struct ps_daemon *d _unused_,
                     const ProtobufCMessage *reply, void *arg)
{
    ps_call_reply(arg, reply);
}

void ps_daemon_status(struct ps_daemon *d,
                      void (*fn)(struct ps_daemon *d,
                                 const ProtobufCMessage *status, void *arg),
                      void *arg)
{
    sample(d);
    with_status(d, fn, arg);
}

void ps_daemon_metrics(struct ps_daemon *d,
                       void (*fn)(struct ps_daemon *d,
                                  const ProtobufCMessage *metrics, void *arg),
                       void *arg)
{
    Ps__MetricList list = PS__METRIC_LIST__INIT;

    sample(d);
    list.metrics = d->metrics;
    list.n_metrics = d->n_metrics;
    fn(d, &list.base, arg);
}

static void on_status(void *arg, const ProtobufCMessage *req _unused_,
                      struct ps_call *call)
{
    ps_daemon_status(arg, reply_to, call);
}

static void on_metrics(void *arg, const ProtobufCMessage *req _unused_,
                       struct ps_call *call)
{
    ps_daemon_metrics(arg, reply_to, call);
}

const struct ps_method ps_service_methods[] = {
    {.name = "service.status",
     .request = &ps__empty__descriptor,
     .reply = &ps__service_status__descriptor,
     .handle = on_status},
    {.name = "service.metrics",
     .request = &ps__empty__descriptor,
     .reply = &ps__metric_list__descriptor,
     .handle = on_metrics},
    {0},
};

void ps_service_status_free(struct ps_daemon *d)
{
    for (size_t i = 0; i < d->n_capabilities; i++)
        ps__capability__free_unpacked(d->capabilities[i], NULL);
    for (size_t i = 0; i < d->n_losses; i++)
        ps__loss__free_unpacked(d->losses[i], NULL);
    for (size_t i = 0; i < d->n_metrics; i++)
        ps__metric__free_unpacked(d->metrics[i], NULL);
    d->n_capabilities = d->n_losses = d->n_metrics = 0;
}
