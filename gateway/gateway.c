/* SPDX-License-Identifier: MIT */
/* Start and end of the gateway. */
#include "gateway/gateway.h"

#include <sys/resource.h>

#include "gateway/access.h"
#include "gateway/audit.h"
#include "gateway/certificate.h"
#include "gateway/content.h"
#include "gateway/openapi.h"
#include "gateway/start.h"
#include "gateway/tls.h"

/* Descriptors that are not connections: sockets of the bus, files, the loop. */
#define OTHER_FDS 256

static int open_listener(struct ps_gateway *gateway)
{
    const char *http = gateway->config->http;
    int r = ps_http_bind(http, &gateway->listen_fd, gateway->address,
                         &gateway->loopback);

    if (r == -EINVAL)
        ps_error("http_address_wrong", "http=" PS_Q " hint=" PS_Q, http,
                 "write an address and a port: 127.0.0.1:8080 or "
                 "[::1]:8080");
    else if (r == -EADDRINUSE)
        ps_error("http_port_taken", "http=" PS_Q " hint=" PS_Q, http,
                 "another program listens there (see ss -ltnp); end it, or "
                 "choose another address with --http ADDR:PORT");
    else if (r == -EADDRNOTAVAIL)
        ps_error("http_address_unknown", "http=" PS_Q " hint=" PS_Q, http,
                 "this host has no such address; choose another with --http "
                 "ADDR:PORT");
    else if (r == -EACCES)
        ps_error("http_port_refused", "http=" PS_Q " hint=" PS_Q, http,
                 "ports below 1024 need root; choose another with --http "
                 "ADDR:PORT");
    else if (r < 0)
        ps_error("http_failed", "http=" PS_Q " error=" PS_Q, http,
                 strerror(-r));
    return r;
}

/* Streams stay for hours: a quarter of the connections is for requests. */
static size_t stream_bound(const struct ps_gateway *gateway)
{
    uint64_t bound = gateway->config->max_connections;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > OTHER_FDS &&
        limit.rlim_cur - OTHER_FDS < bound)
        bound = limit.rlim_cur - OTHER_FDS;
    bound = bound * 3 / 4;
    if (gateway->config->max_streams < bound)
        bound = gateway->config->max_streams;
    return bound > 0 ? (size_t)bound : 1;
}

/* Each connection is a descriptor; the soft limit is often 1024. */
static void raise_limit(struct ps_gateway *gateway)
{
    rlim_t want = gateway->config->max_connections + OTHER_FDS;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= want)
        return;
    limit.rlim_cur = limit.rlim_max < want ? limit.rlim_max : want;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < want)
        ps_warning("few_descriptors", "limit=%llu wanted=%llu",
                   (unsigned long long)limit.rlim_cur,
                   (unsigned long long)want);
}

static void open_console(struct ps_gateway *gateway)
{
    const char *dir = gateway->config->console;
    char reason[160] = "";
    int r;

    if (!dir || !*dir)
        return;
    r = ps_files_open(dir, &gateway->files);
    if (r < 0)
        snprintf(reason, sizeof(reason), "%.100s/index.html: %s", dir,
                 strerror(-r));
    ps_capability(gateway->daemon, "gateway.console", r == 0, NULL,
                  r < 0 ? reason : NULL, "the web console");
}

static int make_document(struct ps_gateway *gateway)
{
    json_t *document = ps_openapi_document();
    char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;

    json_decref(document);
    if (!text)
        return -ENOMEM;
    return ps_content_new(text, strlen(text), "application/json", "no-cache",
                          true, &gateway->openapi);
}

static int open_all(struct ps_gateway *gateway)
{
    int r = ps_access_open(gateway);

    if (r == 0)
        r = make_document(gateway);
    if (r < 0)
        return r;
    open_console(gateway);
    raise_limit(gateway);
    r = ps_certificate_open(gateway);
    if (r == 0)
        r = open_listener(gateway);
    if (r == 0)
        ps_capability(gateway->daemon, "gateway.http", true, NULL, NULL, NULL);
    return r;
}

int ps_gateway_open(struct ps_daemon *d, void *config, void **ret_state)
{
    struct ps_gateway *gateway = calloc(1, sizeof(*gateway));
    int r;

    if (!gateway)
        return -ENOMEM;
    gateway->daemon = d;
    gateway->config = config;
    gateway->listen_fd = -1;
    r = open_all(gateway);
    if (r < 0) {
        ps_gateway_close(d, gateway);
        return r;
    }
    gateway->limits = (struct ps_http_limits){
        .max_head = gateway->config->max_header,
        .max_body = gateway->config->max_body,
        .max_stream = gateway->config->stream_buffer,
        .max_conns = gateway->config->max_connections,
        .head_ns = gateway->config->header_timeout,
        .body_ns = gateway->config->body_timeout,
        .idle_ns = gateway->config->idle_timeout,
        .reply_ns = gateway->config->reply_timeout,
    };
    *ret_state = gateway;
    return 0;
}

/* A state has changed: what was answered before is of the past. */
static void drop_shared(struct ps_gateway *gateway, const char *topic)
{
    static const struct {
        const char *topic, *service;
    } owners[] = {
        {"trace", "tracer"},
        {"path", "locator"},
        {"ruleset", "guarder"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(owners); i++)
        if (ps_streq(owners[i].topic, topic))
            ps_share_drop(gateway->share, owners[i].service);
}

static void on_message(void *arg, const char *topic,
                       const ProtobufCMessage *msg)
{
    struct ps_gateway *gateway = arg;

    drop_shared(gateway, topic);
    ps_sse_publish(gateway->sse, topic, msg);
}

static void on_state(void *arg, const Ps__ServiceStatus *status)
{
    ps_info("service_state", "service=%s state=%s reason=" PS_Q, status->name,
            protobuf_c_enum_descriptor_get_value(
                &ps__service_status__state__descriptor, (int)status->state)
                ->name,
            status->reason ? status->reason : "");
    ps_share_drop(((struct ps_gateway *)arg)->share, status->name);
    ps_sse_publish(((struct ps_gateway *)arg)->sse, "service", &status->base);
}

static const struct ps_peers_ops peers_ops = {
    .on_message = on_message,
    .on_state = on_state,
};

static const struct ps_share_limits share_limits = {
    .ttl_ns = PS_NS_PER_S,
    .ahead_ns = 700 * PS_NS_PER_MS,
    .max_entries = 256,
    .max_bytes = 16 << 20,
    .max_waiters = 4096,
};

static int open_streams(struct ps_gateway *gateway)
{
    const struct ps_sse_config config = {
        .history_bytes = gateway->config->stream_history,
        .keep_ns = gateway->config->stream_keep,
        .max_streams = stream_bound(gateway),
    };

    return ps_sse_new(ps_daemon_base(gateway->daemon), &config, &gateway->sse);
}

int ps_gateway_start(struct ps_daemon *d, void *state)
{
    struct ps_gateway *gateway = state;
    struct event_base *base = ps_daemon_base(d);
    int r;

    r = ps_access_start(gateway);
    if (r == 0)
        r = ps_share_new(&share_limits, &gateway->share);
    if (r == 0)
        r = ps_gateway_scrapes(gateway);
    if (r == 0)
        r = open_streams(gateway);
    ps_gateway_audit_start(gateway);
    if (r == 0)
        r = ps_peers_new(d, gateway->config->service_timeout, &peers_ops,
                         gateway, &gateway->peers);
    if (r == 0)
        r = ps_http_new(base, TAKE_FD(gateway->listen_fd), &gateway->limits,
                        &ps_api_ops, gateway, &gateway->http);
    if (r < 0) {
        ps_gateway_stop(d, state);
        return r;
    }
    ps_certificate_start(gateway);
    ps_info("http_listening", "address=%s console=%s tls=%s", gateway->address,
            gateway->files ? "yes" : "no", gateway->secure ? "yes" : "no");
    return 0;
}

void ps_gateway_reload(struct ps_daemon *d _unused_, void *state)
{
    ps_certificate_reload(state);
}

size_t ps_gateway_drain(struct ps_daemon *d _unused_, void *state)
{
    struct ps_gateway *gateway = state;

    ps_sse_drain(gateway->sse);
    ps_http_drain(gateway->http);
    return (size_t)ps_http_stats(gateway->http)->conns;
}

void ps_gateway_stop(struct ps_daemon *d, void *state)
{
    struct ps_gateway *gateway = state;

    ps_access_stop(gateway);
    ps_daemon_bound_end(d);
    /* Calls that are open are answered as canceled, then all is closed. */
    ps_peers_free(&gateway->peers);
    if (gateway->sse)
        ps_sse_drain(gateway->sse);
    ps_http_free(&gateway->http);
    ps_sse_free(&gateway->sse);
    ps_share_free(&gateway->share);
    ps_share_free(&gateway->scrapes);
}

void ps_gateway_close(struct ps_daemon *d _unused_, void *state)
{
    struct ps_gateway *gateway = state;

    if (gateway->listen_fd >= 0)
        close(gateway->listen_fd);
    ps_access_close(gateway);
    ps_files_free(&gateway->files);
    ps_tls_free(&gateway->tls);
    ps_content_unref(gateway->openapi);
    free(gateway);
}
