/* SPDX-License-Identifier: MIT */
/*
 * GET /metrics: all daemons' metrics, losses and capabilities at once.
 *
 * It needs no token, and each question is a call of each daemon, of which only
 * PS_BUS_MAX_CALLS may be open: so one question is put at a time, and its
 * answer holds for a second. Who has a token may ask anew.
 */
#include "gateway/access.h"
#include "gateway/ask.h"
#include "gateway/certificate.h"
#include "gateway/content.h"
#include "gateway/doors.h"
#include "gateway/local.h"
#include "gateway/negotiate.h"
#include "gateway/openmetrics.h"

#define MAX_EXTRA (PS_SERVICE_MAX_CAPABILITIES + PS_SERVICE_MAX_LOSSES + 4)
#define HOLD_NS   PS_NS_PER_S

static const char type[] =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";
static const char key[] = "metrics";

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
    struct ps_shared *shared;   /* who waits for it */
    struct ps_content *content; /* the answer; NULL: no memory */
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
    add_extra(s, "gateway_scrape_missing",
              "Whether this answer lacks its metrics: it gave none in time.",
              PS__METRIC__KIND__gauge, s->list ? 0 : 1, NULL);
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

/* NULL: no memory. */
static struct ps_content *make_content(const struct ps_om_source *sources,
                                       size_t n)
{
    struct ps_content *content = NULL;
    struct evbuffer *body = evbuffer_new();
    char *text = NULL;
    size_t len = 0;

    if (body && ps_om_write(sources, n, body) == 0) {
        len = evbuffer_get_length(body);
        text = malloc(len + 1);
    }
    if (text) {
        evbuffer_remove(body, text, len);
        (void)ps_content_new(text, len, type, "no-cache", true, &content);
    }
    if (body)
        evbuffer_free(body);
    return content;
}

/* Whether there is somebody to tell of: not if it was forgotten meanwhile, or
 * is being so. */
static bool is_there(const struct source *s)
{
    return !s->peer || (s->peer->used && s->peer->client &&
                        s->peer->made_mono_ns == s->made);
}

/* The gateway's own come last: its status is lent only for the call. */
static void scrape_write(struct ps_daemon *d _unused_,
                         const ProtobufCMessage *own, void *arg)
{
    struct scrape *scrape = arg;
    struct ps_om_source sources[PS_PEERS_MAX + 1] = {0};
    size_t n = 0;
    struct ps_peer_view view;

    for (size_t i = 0; i < scrape->n; i++) {
        struct source *s = &scrape->sources[i];
        const Ps__ServiceStatus *status = &view.status;

        if (!is_there(s))
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
    scrape->content = make_content(sources, n);
}

static void fail(struct ps_http_request *req)
{
    ps_problem_fail(req, 503, "gateway.no_memory", NULL,
                    "There is no memory for the metrics; try again in a "
                    "second.");
}

static void scrape_end(struct scrape *scrape)
{
    uint64_t age = ps_shared_age_ns(scrape->shared, ps_mono_ns());
    struct ps_http_request *req;

    ps_daemon_status(scrape->gateway->daemon, scrape_write, scrape);
    while ((req = ps_shared_take(scrape->shared))) {
        if (scrape->content)
            ps_ask_give(req, scrape->content, age);
        else
            fail(req);
    }
    ps_share_end(scrape->gateway->scrapes, scrape->shared, scrape->content);
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

/* Asks all of list. The scrape may be gone after. */
static void scrape_ask(struct scrape *scrape, struct ps_peer **list, size_t n)
{
    struct ps_gateway *gateway = scrape->gateway;
    Ps__Empty empty = PS__EMPTY__INIT;
    const struct ps_ask ask = {
        .method = "service.metrics",
        .request = &empty.base,
        .reply = &ps__metric_list__descriptor,
        .timeout_ns = gateway->config->metrics_timeout,
    };

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

/* listed: others may wait for it. */
static void scrape_begin(struct ps_gateway *gateway,
                         struct ps_http_request *req, bool listed)
{
    struct ps_peer *list[PS_PEERS_MAX];
    size_t n = ps_peers_shown(gateway->peers, list);
    struct scrape *scrape =
        calloc(1, sizeof(*scrape) + (n + 1) * sizeof(scrape->sources[0]));

    if (!scrape || ps_share_begin(gateway->scrapes, "gateway", key, sizeof(key),
                                  listed, ps_mono_ns(), &scrape->shared) < 0) {
        free(scrape);
        fail(req);
        return;
    }
    scrape->gateway = gateway;
    if (ps_shared_wait(scrape->shared, req) < 0) {
        ps_share_end(gateway->scrapes, scrape->shared, NULL);
        free(scrape);
        fail(req);
        return;
    }
    scrape_ask(scrape, list, n);
}

void ps_local_metrics(struct ps_gateway *gateway, struct ps_http_request *req,
                      const ProtobufCMessage *msg _unused_)
{
    uint64_t now = ps_mono_ns(), age = 0;
    bool anew = ps_takes_age_ms(&req->head) == 0 &&
                ps_doors_would_admit(gateway, req, PS_ROLE_VIEWER);
    struct ps_shared *shared =
        ps_share_find(gateway->scrapes, key, sizeof(key), now);
    struct ps_content *content = shared ? ps_shared_content(shared) : NULL;

    if (content)
        age = ps_shared_age_ns(shared, now);
    if (!shared || anew || age >= HOLD_NS)
        scrape_begin(gateway, req, !shared || age >= HOLD_NS);
    else if (content)
        ps_ask_give(req, content, age);
    else if (ps_shared_wait(shared, req) < 0)
        fail(req);
}

int ps_gateway_scrapes(struct ps_gateway *gateway)
{
    /* What is open is found until it ends, so that there is only one. */
    const struct ps_share_limits limits = {
        .ttl_ns = HOLD_NS + 2 * gateway->config->metrics_timeout,
        .ahead_ns = UINT64_MAX,
        .max_entries = 1,
        .max_bytes = 16 << 20,
        .max_waiters = 4096,
    };

    return ps_share_new(&limits, &gateway->scrapes);
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
