/* SPDX-License-Identifier: MIT */
#include "gateway/access.h"

/* What another gateway changed holds here after this long. */
#define TICK_MS 300

static int open_origins(struct ps_gateway *gateway)
{
    _cleanup_free_ char *error = NULL;
    int r = ps_origins_new(&gateway->config->cors_origins, &gateway->origins,
                           &error);

    if (r < 0)
        ps_error("cors_origins_wrong", "error=" PS_Q " hint=" PS_Q,
                 strerror(-r), error ? error : "");
    return r;
}

int ps_access_open(struct ps_gateway *gateway)
{
    _cleanup_free_ char *error = NULL;
    int r = ps_auth_open(ps_daemon_state_dir(gateway->daemon), &gateway->auth,
                         &error);

    if (r < 0) {
        ps_error("token_failed", "error=" PS_Q " hint=" PS_Q, strerror(-r),
                 error ? error : "");
        return r;
    }
    gateway->client_limits = (struct ps_limits_config){
        .conns = gateway->config->client_connections,
        .rate = gateway->config->request_rate,
    };
    r = ps_limits_new(&gateway->client_limits, &gateway->clients);
    return r < 0 ? r : open_origins(gateway);
}

static bool holds(void *arg, const struct ps_identity *who)
{
    struct ps_auth *auth = arg;
    uint64_t now_ns = ps_now_ns();

    if (!ps_auth_holds(auth, who, now_ns))
        return false;
    /* A console that only listens is not idle. */
    ps_auth_used(auth, who, now_ns);
    return true;
}

void ps_gateway_recheck(struct ps_gateway *gateway)
{
    ps_sse_recheck(gateway->sse, holds, gateway->auth);
}

static void on_tick(evutil_socket_t fd _unused_, short what _unused_, void *arg)
{
    struct ps_gateway *gateway = arg;
    _cleanup_free_ char *error = NULL;

    ps_auth_tick(gateway->auth, &error);
    if (error)
        ps_warning("token_file_ignored", "hint=" PS_Q, error);
    ps_gateway_recheck(gateway);
}

int ps_access_start(struct ps_gateway *gateway)
{
    const struct timeval tick = {.tv_usec = TICK_MS * 1000L};
    _cleanup_free_ char *error = NULL;
    int r = ps_auth_start(gateway->auth, gateway->config->session_idle,
                          gateway->config->session_max, &error);

    if (r < 0) {
        ps_error("store_failed", "error=" PS_Q " hint=" PS_Q, strerror(-r),
                 error ? error : "");
        return r;
    }
    gateway->auth_tick = event_new(ps_daemon_base(gateway->daemon), -1,
                                   EV_PERSIST, on_tick, gateway);
    if (!gateway->auth_tick || event_add(gateway->auth_tick, &tick) < 0)
        return -ENOMEM;
    return 0;
}

void ps_access_stop(struct ps_gateway *gateway)
{
    if (gateway->auth_tick)
        event_free(gateway->auth_tick);
    gateway->auth_tick = NULL;
}

void ps_access_close(struct ps_gateway *gateway)
{
    ps_auth_free(&gateway->auth);
    ps_limits_free(&gateway->clients);
    ps_origins_free(&gateway->origins);
}

void ps_access_sample(struct ps_daemon *d, const struct ps_gateway *gateway)
{
    const struct ps_limits_stats *stats = ps_limits_stats(gateway->clients);

    ps_loss(d, "client_refused", "connections", stats->conns_refused);
    ps_loss(d, "rate_refused", "requests", stats->requests_refused);
    ps_metric(d, PS__METRIC__KIND__counter, "gateway_wrong_tokens_total",
              "Wrong tokens, of requests and logins.", NULL, NULL,
              (double)stats->wrong);
    ps_metric(d, PS__METRIC__KIND__counter, "gateway_blocked_tokens_total",
              "Tokens not looked at, after too many wrong ones.", NULL, NULL,
              (double)stats->blocked);
}
