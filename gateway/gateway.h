/* SPDX-License-Identifier: MIT */
/* The gateway's state, which its own files share. */
#ifndef PS_GATEWAY_GATEWAY_H
#define PS_GATEWAY_GATEWAY_H

#include "common/service.h"
#include "gateway/audit_limit.h"
#include "gateway/auth.h"
#include "gateway/files.h"
#include "gateway/http.h"
#include "gateway/limits.h"
#include "gateway/origin.h"
#include "gateway/peers.h"
#include "gateway/problem.h"
#include "gateway/routes.h"
#include "gateway/share.h"
#include "gateway/sse.h"

struct ps_gateway_config {
    char *http;
    char *http_tls_cert, *http_tls_key;
    char *console;
    struct ps_strlist allowed_hosts;
    uint64_t max_connections;
    uint64_t max_header, max_body;
    uint64_t header_timeout, body_timeout, idle_timeout, reply_timeout;
    uint64_t request_timeout, host_timeout, metrics_timeout;
    uint64_t service_timeout;
    uint64_t stream_buffer, stream_history, stream_keep, max_streams;
    uint64_t request_rate, client_connections, client_streams;
    uint64_t session_idle, session_max;
    struct ps_strlist cors_origins;
};

struct ps_gateway {
    struct ps_daemon *daemon;
    const struct ps_gateway_config *config;
    int listen_fd; /* until start() */
    char address[PS_HTTP_ADDR_TEXT];
    bool loopback;
    bool secure;        /* HTTP is spoken by TLS */
    struct ps_tls *tls; /* NULL: it is not */
    struct ps_auth *auth;
    struct event *auth_tick;
    struct ps_origins *origins;
    struct ps_limits_config client_limits;
    struct ps_limits *clients;
    struct ps_files *files;     /* NULL: no console */
    struct ps_content *openapi; /* the document */
    struct ps_http_limits limits;
    struct ps_http *http;
    struct ps_peers *peers;
    struct ps_sse *sse;
    struct ps_audit_limit audit_limit;
    struct ps_share *share;
    struct ps_share *scrapes; /* answers of /metrics */
};

extern const struct ps_http_ops ps_api_ops; /* arg: the gateway */

/*
 * Asks a daemon and answers the request with what it says, as the route
 * says. msg is borrowed.
 */
void ps_api_ask(struct ps_gateway *gateway, struct ps_http_request *req,
                const struct ps_route *route, const ProtobufCMessage *msg);

/* Why a daemon cannot be asked, or did not answer: a sentence in text. */
void ps_api_reason(const char *service, int result, const Ps__Error *error,
                   char *text, size_t size);

/* Ends the event streams of those who may no longer have one. */
void ps_gateway_recheck(struct ps_gateway *gateway);

/* Sets gateway->scrapes. */
int ps_gateway_scrapes(struct ps_gateway *gateway);
/* Sets the gateway's own losses and metrics. */
void ps_gateway_sample(struct ps_daemon *d, void *state);

#endif
