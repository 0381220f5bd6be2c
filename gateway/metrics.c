/* SPDX-License-Identifier: MIT */
/* GET /metrics: all daemons' metrics, losses and capabilities at once. */
#include "gateway/access.h"
#include "gateway/certificate.h"
#include "gateway/gateway.h"
#include "gateway/local.h"
#include "gateway/openmetrics.h"

#define MAX_EXTRA (PS_SERVICE_MAX_CAPABILITIES + PS_SERVICE_MAX_LOSSES + 4)

/* One part's metrics: its own, and those made of its status. */
struct source {
    struct scrape *scrape;
    const struct ps_peer *peer; /* NULL: the gateway */
    uint64_t made;              /* of the peer: its entry may get another */
    char instance[80];
    Ps__MetricList *list; /* a copy; NULL: no answer */
    Ps__Metric *all[PS_SERVICE_MAX_METRICS + MAX_EXTRA];
    size_t n;
    Ps__Metric extra[MAX_EXTRA];
    Ps__Param params[MAX_EXTRA][3], *pointers[MAX_EXTRA][3];
    size_t n_extra;
};

struct scrape {
    struct ps_gateway *gateway;
    struct ps_http_request *req;
    size_t open;
    size_t n;
    struct source sources[];
};

static Ps__MetricList *copy_list(const ProtobufCMessage *msg)
{
    size_t len = protobuf_c_message_get_packed_size(msg);
    _cleanup_free_ uint8_t *data = malloc(len + 1);

    if (!data)
        return NULL;
    protobuf_c_message_pack(msg, data);
    return ps__metric_list__unpack(NULL, len, data);
}

static void add_extra(struct source *s, const char *name, const char *help,
                      Ps__Metric__Kind kind, double value,
                      const struct ps_event_param *labels)
{
    size_t i = s->n_extra;
    Ps__Metric *m = &s->extra[i];

    if (i == MAX_EXTRA || s->n == ARRAY_SIZE(s->all))
        return;
    ps__metric__init(m);
    m->name = (char *)(uintptr_t)name;
    m->help = (char *)(uintptr_t)help;
    m->kind = kind;
    m->value = value;
    m->labels = s->pointers[i];
    for (; labels && labels->name && m->n_labels < 3; labels++) {
        Ps__Param *param = &s->params[i][m->n_labels];

        ps__param__init(param);
        param->name = (char *)(uintptr_t)labels->name;
        param->value = (char *)(uintptr_t)labels->value;
        s->pointers[i][m->n_labels++] = param;
    }
    s->n_extra++;
    s->all[s->n++] = m;
}

static void add_status(struct source *s, const Ps__ServiceStatus *status)
{
    bool up = status->state != PS__SERVICE_STATUS__STATE__down;

    add_extra(s, "up", "Whether heartbeats come.", PS__METRIC__KIND__gauge,
              up ? 1 : 0, NULL);
    if (status->has_rss_bytes)
        add_extra(s, "resident_memory_bytes", "Resident set of the process.",
                  PS__METRIC__KIND__gauge, (double)status->rss_bytes, NULL);
    if (status->has_bpf_memory_bytes)
        add_extra(s, "bpf_memory_bytes", "Kernel memory of its BPF maps.",
                  PS__METRIC__KIND__gauge, (double)status->bpf_memory_bytes,
                  NULL);
    for (size_t i = 0; i < status->n_capabilities; i++) {
        const struct ps_event_param labels[] = {
            {"id", status->capabilities[i]->id}, {NULL, NULL}};

        add_extra(s, "capability", "Whether this kernel and host give it.",
                  PS__METRIC__KIND__gauge, status->capabilities[i]->available,
                  labels);
    }
    for (size_t i = 0; i < status->n_losses; i++) {
        const struct ps_event_param labels[] = {
            {"id", status->losses[i]->id},
            {"unit", status->losses[i]->unit},
            {NULL, NULL}};

        add_extra(s, "loss_total", "What could not be seen or delivered.",
                  PS__METRIC__KIND__counter, (double)status->losses[i]->count,
                  labels);
    }
}

static void add_list(struct source *s)
{
    for (size_t i = 0;
         s->list && i < s->list->n_metrics && s->n < PS_SERVICE_MAX_METRICS;
         i++)
        s->all[s->n++] = s->list->metrics[i];
}

/* The gateway's own come last: its status is lent only for the call. */
static void scrape_write(struct ps_daemon *d _unused_,
                         const ProtobufCMessage *own, void *arg)
{
    static const struct ps_http_field fields[] = {
        {"Content-Type",
         "application/openmetrics-text; version=1.0.0; charset=utf-8"},
        {NULL, NULL}};
    struct scrape *scrape = arg;
    struct ps_om_source sources[PS_PEERS_MAX + 1] = {0};
    size_t n = 0;
    struct ps_peer_view view;
    struct evbuffer *body = evbuffer_new();

    for (size_t i = 0; i < scrape->n; i++) {
        struct source *s = &scrape->sources[i];
        const Ps__ServiceStatus *status = &view.status;

        if (s->peer && (!s->peer->used || s->peer->made_mono_ns != s->made))
            continue;
        if (s->peer)
            ps_peer_view(s->peer, &view);
        else
            status = (const Ps__ServiceStatus *)own;
        add_list(s);
        add_status(s, status);
        snprintf(s->instance, sizeof(s->instance), "%s", status->instance);
        sources[n++] = (struct ps_om_source){
            status->name, s->instance[0] ? s->instance : NULL, s->all, s->n};
    }
    if (!body || ps_om_write(sources, n, body) < 0) {
        if (body)
            evbuffer_free(body);
        ps_problem_fail(scrape->req, 503, "gateway.no_memory", NULL,
                        "There is no memory for the metrics.");
        return;
    }
    ps_http_reply(scrape->req, 200, fields, body);
}

static void scrape_end(struct scrape *scrape)
{
    ps_daemon_status(scrape->gateway->daemon, scrape_write, scrape);
    for (size_t i = 0; i < scrape->n; i++)
        if (scrape->sources[i].list)
            ps__metric_list__free_unpacked(scrape->sources[i].list, NULL);
    free(scrape);
}

static void on_list(void *arg, int result, const ProtobufCMessage *reply,
                    const Ps__Error *error _unused_)
{
    struct source *source = arg;
    struct scrape *scrape = source->scrape;

    if (result == 0)
        source->list = copy_list(reply);
    if (--scrape->open == 0)
        scrape_end(scrape);
}

static void take_own(struct ps_daemon *d _unused_,
                     const ProtobufCMessage *metrics, void *arg)
{
    on_list(arg, 0, metrics, NULL);
}

void ps_local_metrics(struct ps_gateway *gateway, struct ps_http_request *req,
                      const ProtobufCMessage *msg _unused_)
{
    struct ps_peer *list[PS_PEERS_MAX];
    size_t n = ps_peers_shown(gateway->peers, list);
    struct scrape *scrape =
        calloc(1, sizeof(*scrape) + (n + 1) * sizeof(scrape->sources[0]));
    Ps__Empty empty = PS__EMPTY__INIT;
    const struct ps_ask ask = {
        .method = "service.metrics",
        .request = &empty.base,
        .reply = &ps__metric_list__descriptor,
        .timeout_ns = gateway->config->metrics_timeout,
    };

    if (!scrape) {
        ps_problem_fail(req, 503, "gateway.no_memory", NULL,
                        "There is no memory for the metrics.");
        return;
    }
    scrape->gateway = gateway;
    scrape->req = req;
    scrape->n = scrape->open = n + 1;
    for (size_t i = 0; i < n; i++) {
        struct source *s = &scrape->sources[i];

        s->scrape = scrape;
        s->peer = list[i];
        s->made = list[i]->made_mono_ns;
        if (!ps_client_connected(list[i]->client) ||
            ps_client_call(list[i]->client, &ask, on_list, s) < 0)
            on_list(s, -ENOTCONN, NULL, NULL);
    }
    scrape->sources[n].scrape = scrape;
    ps_daemon_metrics(gateway->daemon, take_own, &scrape->sources[n]);
}

/* ---- the gateway's own -------------------------------------------------- */

/* Of all instances of a name. */
static void sample_peers(struct ps_daemon *d, struct ps_peers *peers,
                         const char *name)
{
    struct ps_sub_stats stats;
    char id[64];

    ps_peers_lost(peers, name, &stats);
    snprintf(id, sizeof(id), "bus_gap.%s", name);
    ps_loss(d, id, "messages", stats.gaps);
    snprintf(id, sizeof(id), "bus_late.%s", name);
    ps_loss(d, id, "messages", stats.late);
    snprintf(id, sizeof(id), "bus_malformed.%s", name);
    ps_loss(d, id, "messages", stats.malformed);
    snprintf(id, sizeof(id), "bus_untracked.%s", name);
    ps_loss(d, id, "messages", stats.untracked);
    snprintf(id, sizeof(id), "bus_snapshot_failed.%s", name);
    ps_loss(d, id, "snapshots", stats.snapshots_failed);
    ps_metric(d, PS__METRIC__KIND__counter, "bus_received_total",
              "Messages received, by publisher.", "publisher", name,
              (double)stats.received);
    ps_metric(d, PS__METRIC__KIND__counter, "bus_before_total",
              "Messages published before they were first listened to.",
              "publisher", name, (double)stats.before);
}

void ps_gateway_sample(struct ps_daemon *d, void *state)
{
    struct ps_gateway *gateway = state;
    const struct ps_http_stats *http = ps_http_stats(gateway->http);
    const struct ps_sse_stats *sse = ps_sse_stats(gateway->sse);
    const struct ps_share_stats *share = ps_share_stats(gateway->share);

    for (size_t i = 0; i < PS_DAEMONS; i++)
        sample_peers(d, gateway->peers, ps_peers_name(i));
    ps_loss(d, "audit_flood", "entries", gateway->audit_limit.dropped);
    ps_loss(d, "stream_cut", "streams", sse->cut);
    ps_loss(d, "stream_replay", "events", sse->lost);
    ps_access_sample(d, gateway);
    ps_loss(d, "http_refused", "connections", http->refused);
    for (size_t i = 1; i < ARRAY_SIZE(http->requests); i++) {
        const char code[] = {(char)('0' + i), 'x', 'x', '\0'};

        ps_metric(d, PS__METRIC__KIND__counter, "gateway_requests_total",
                  "Requests answered, by status.", "code", code,
                  (double)http->requests[i]);
    }
    ps_metric(d, PS__METRIC__KIND__counter, "gateway_timeouts_total",
              "Requests that did not come in whole in time.", NULL, NULL,
              (double)http->timed_out);
    ps_certificate_sample(gateway);
    ps_metric(d, PS__METRIC__KIND__counter, "gateway_tls_failed_total",
              "Connections that ended before TLS was agreed on.", NULL, NULL,
              (double)http->no_tls);
    ps_share_trim(gateway->share, ps_mono_ns());
    ps_metric(d, PS__METRIC__KIND__counter, "gateway_shared_answers_total",
              "Answers given again within their second.", NULL, NULL,
              (double)(share->shared + share->waited));
    ps_metric(d, PS__METRIC__KIND__counter, "gateway_shared_questions_total",
              "Questions put for answers that may be shared.", NULL, NULL,
              (double)share->asked);
    ps_metric(d, PS__METRIC__KIND__gauge, "gateway_connections",
              "Open connections.", NULL, NULL, (double)http->conns);
    ps_metric(d, PS__METRIC__KIND__gauge, "gateway_streams",
              "Open event streams.", NULL, NULL, (double)sse->clients);
    ps_metric(d, PS__METRIC__KIND__counter, "gateway_events_total",
              "Events given to the streams.", NULL, NULL,
              (double)sse->published);
}
