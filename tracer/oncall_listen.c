/* SPDX-License-Identifier: MIT */
/* Listens for the alerts of the other daemons, and starts their traces. */
#include "common/unpack.h"
#include "tracer/oncall.h"
#include "tracer/tracer.h"

static const char *const publishers[PS_TRACER_LISTENS] = {"analyzer",
                                                          "guarder"};

int ps_tracer_oncall_open(struct tracer *t)
{
    char error[256] = "no memory";
    int r =
        ps_oncall_new(&t->config->on_alert, &t->oncall, error, sizeof(error));

    if (r < 0)
        ps_error("on_alert_invalid", "error=" PS_Q, error);
    return r;
}

static unsigned int running(const struct tracer *t)
{
    unsigned int n = 0;

    for (size_t i = 0; i < PS_TRACER_MAX_TRACES; i++)
        n += t->traces[i].phase != PS_TRACE_FREE &&
             t->traces[i].phase < PS_TRACE_ENDING && t->traces[i].msg->alert;
    return n;
}

static void start(struct tracer *t, const Ps__CreateTraceRequest *req,
                  const char *alert)
{
    char id[PS_TRACE_ID] = "";
    int r = running(t) < PS_ONCALL_MAX_TRACES
                ? ps_tracer_start_alerted(t, req, alert, id)
                : -EBUSY;

    if (r < 0) {
        t->alerts_untraced++;
        ps_warning("alert_not_traced", "alert=%s error=" PS_Q, alert,
                   strerror(-r));
        return;
    }
    ps_event(t->daemon, PS__EVENT__SEVERITY__notice, "tracer.trace_on_alert",
             (const struct ps_event_param[]){
                 {"alert", alert}, {"trace", id}, {NULL, NULL}},
             "The alert %s started trace %s.", alert, id);
}

static void on_message(void *arg, const Ps__Envelope *env,
                       bool snapshot _unused_)
{
    char alert[PS_ONCALL_ALERT + 1];
    Ps__CreateTraceRequest *req = NULL;
    struct tracer *t = arg;
    Ps__Event *event;

    if (!ps_streq(env->type, ps__event__descriptor.name))
        return;
    event = (Ps__Event *)ps_message_unpack(&ps__event__descriptor,
                                           env->body.data, env->body.len,
                                           PS_UNPACK_MAX_REQUEST);
    if (!event)
        return;
    switch (ps_oncall_take(t->oncall, event, ps_mono_ns(), &req, alert)) {
    case PS_ONCALL_NOTHING:
        break;
    case PS_ONCALL_TRACE:
        start(t, req, alert);
        ps__create_trace_request__free_unpacked(req, NULL);
        break;
    case PS_ONCALL_QUIET:
    case PS_ONCALL_NO_TUPLE:
        t->alerts_untraced++;
        break;
    }
    ps__event__free_unpacked(event, NULL);
}

int ps_tracer_oncall_start(struct tracer *t)
{
    static const char *const topics[] = {"event", NULL};
    int r = 0;

    for (size_t i = 0;
         ps_oncall_wants(t->oncall) && r == 0 && i < PS_TRACER_LISTENS; i++) {
        _cleanup_free_ char *url = NULL;

        r = ps_daemon_peer_url(t->daemon, publishers[i], "pub", &url);
        if (r == 0)
            r = ps_sub_new(ps_daemon_bus(t->daemon), url, topics, NULL,
                           on_message, t, &t->listens[i]);
    }
    return r;
}

void ps_tracer_oncall_stop(struct tracer *t)
{
    for (size_t i = 0; i < PS_TRACER_LISTENS; i++)
        ps_sub_free(&t->listens[i]);
}

uint64_t ps_tracer_oncall_missed(const struct tracer *t)
{
    uint64_t missed = 0;

    for (size_t i = 0; i < PS_TRACER_LISTENS; i++)
        if (t->listens[i])
            missed += ps_sub_gaps(t->listens[i]);
    return missed;
}
