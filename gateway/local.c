/* SPDX-License-Identifier: MIT */
/* What the gateway answers from what it knows. */
#include "gateway/local.h"

#include "common/json.h"
#include "gateway/gateway.h"

static void reply_message(struct ps_http_request *req, unsigned int status,
                          const ProtobufCMessage *msg)
{
    ps_json_reply(req, status, "application/json", ps_json_from_message(msg));
}

void ps_local_health(struct ps_gateway *gateway _unused_,
                     struct ps_http_request *req,
                     const ProtobufCMessage *msg _unused_)
{
    Ps__Health health = PS__HEALTH__INIT;

    health.status = (char *)(uintptr_t)"ok";
    reply_message(req, 200, &health.base);
}

void ps_local_ready(struct ps_gateway *gateway, struct ps_http_request *req,
                    const ProtobufCMessage *msg _unused_)
{
    Ps__Readiness readiness = PS__READINESS__INIT;
    struct ps_peer_view views[PS_DAEMONS];
    Ps__ServiceState states[PS_DAEMONS], *pointers[PS_DAEMONS];

    readiness.ready = true;
    readiness.services = pointers;
    for (size_t i = 0; i < PS_DAEMONS; i++) {
        const char *name = ps_peers_name(i);
        const struct ps_peer *peer = ps_peers_best(gateway->peers, name);

        if (!peer)
            continue;
        ps_peer_view(peer, &views[i]);
        ps__service_state__init(&states[i]);
        states[i].name = views[i].status.name;
        states[i].state = views[i].status.state;
        states[i].reason = views[i].status.reason;
        pointers[readiness.n_services++] = &states[i];
        if (!ps_peer_serves(states[i].state))
            readiness.ready = false;
    }
    reply_message(req, readiness.ready ? 200 : 503, &readiness.base);
}

void ps_local_openapi(struct ps_gateway *gateway, struct ps_http_request *req,
                      const ProtobufCMessage *msg _unused_)
{
    ps_http_reply_content(req, gateway->openapi, NULL);
}

void ps_local_events(struct ps_gateway *gateway, struct ps_http_request *req,
                     const ProtobufCMessage *msg)
{
    uint64_t max = gateway->config->client_streams;

    /* A proxy of this host stands for all who come by it. */
    if (!ps_limits_loopback(&req->addr) &&
        ps_sse_streams_of(gateway->sse, &req->addr) >= max) {
        ps_problem_fail(req, 429, "stream.too_many_of_client", NULL,
                        "This address has %llu event streams already; end "
                        "one, or take all topics by one stream.",
                        (unsigned long long)max);
        return;
    }
    ps_sse_open(gateway->sse, req, (const Ps__EventsRequest *)msg);
}

struct services_answer {
    struct ps_http_request *req;
    Ps__ServiceList list;
    Ps__ServiceStatus *pointers[PS_PEERS_MAX + 1];
    struct ps_peer_view views[PS_PEERS_MAX];
};

/* Its own status is the runtime's, as the others' are. */
static void answer_services(struct ps_daemon *d _unused_,
                            const ProtobufCMessage *status, void *arg)
{
    struct services_answer *answer = arg;
    Ps__ServiceStatus own = *(const Ps__ServiceStatus *)status;
    Ps__Time now = PS__TIME__INIT;

    now.unix_ns = ps_now_ns();
    own.last_seen = &now;
    answer->pointers[answer->list.n_services++] = &own;
    reply_message(answer->req, 200, &answer->list.base);
}

void ps_local_services(struct ps_gateway *gateway, struct ps_http_request *req,
                       const ProtobufCMessage *msg _unused_)
{
    struct services_answer answer = {.req = req};
    struct ps_peer *list[PS_PEERS_MAX];
    size_t n = ps_peers_shown(gateway->peers, list);

    ps__service_list__init(&answer.list);
    answer.list.services = answer.pointers;
    for (size_t i = 0; i < n; i++) {
        ps_peer_view(list[i], &answer.views[i]);
        answer.pointers[answer.list.n_services++] = &answer.views[i].status;
    }
    ps_daemon_status(gateway->daemon, answer_services, &answer);
}
