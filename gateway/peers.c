/* SPDX-License-Identifier: MIT */
#include "gateway/peers.h"

#include "common/unpack.h"

#define TICK_US 250000

static const char *const names[PS_PEERS] = {"tracer", "analyzer", "locator",
                                            "guarder"};

/* What travels on which topic; heartbeats are taken apart here. */
static const struct {
    const char *topic;
    const ProtobufCMessageDescriptor *desc;
} kinds[] = {
    {"heartbeat", &ps__service_status__descriptor},
    {"event", &ps__event__descriptor},
    {"trace", &ps__trace__descriptor},
    {"path", &ps__path__descriptor},
    {"ruleset", &ps__guarder_stats__descriptor},
};
static const char *const topics[] = {"heartbeat", "event",   "trace",
                                     "path",      "ruleset", NULL};

struct ps_peers {
    const struct ps_peers_ops *ops;
    void *arg;
    uint64_t timeout_ns;
    struct event *tick;
    struct ps_peer list[PS_PEERS];
};

void ps_peer_view(const struct ps_peer *peer, struct ps_peer_view *ret_view)
{
    struct ps_peer_view *view = ret_view;
    uint64_t age = ps_mono_ns() - peer->seen_mono_ns;

    memset(view, 0, sizeof(*view));
    ps__time__init(&view->last_seen);
    ps__service_status__init(&view->status);
    view->status.name = (char *)(uintptr_t)peer->name;
    view->status.instance = (char *)(uintptr_t)"";
    view->status.state = PS__SERVICE_STATUS__STATE__down;
    view->status.reason = view->reason;
    if (!peer->status) {
        snprintf(view->reason, sizeof(view->reason),
                 "No heartbeat since the gateway started. Start ps-%s, with "
                 "deploy/up or as it is deployed here.",
                 peer->name);
        return;
    }
    view->last_seen.unix_ns = peer->seen_unix_ns;
    if (age <= peer->peers->timeout_ns) {
        view->status = *peer->status;
    } else {
        view->status.instance = peer->status->instance;
        view->status.version = peer->status->version;
        view->status.started = peer->status->started;
        snprintf(view->reason, sizeof(view->reason),
                 "No heartbeat for %llu s. See in its log why ps-%s is "
                 "silent, and start it again.",
                 (unsigned long long)(age / PS_NS_PER_S), peer->name);
    }
    /* Heartbeats come by another connection than answers do. */
    if (ps_peer_serves(view->status.state) &&
        !ps_client_connected(peer->client)) {
        view->status.state = peer->served ? PS__SERVICE_STATUS__STATE__down
                                          : PS__SERVICE_STATUS__STATE__starting;
        view->status.reason = view->reason;
        snprintf(view->reason, sizeof(view->reason), "%s",
                 peer->served ? "Its connection was lost. See in its log why."
                              : "It lives, but takes no requests yet.");
    }
    view->status.last_seen = &view->last_seen;
}

static void tell_state(struct ps_peer *peer)
{
    struct ps_peer_view view;

    ps_peer_view(peer, &view);
    if (view.status.state == peer->told)
        return;
    peer->told = view.status.state;
    peer->peers->ops->on_state(peer->peers->arg, &view.status);
}

/* It went and came between two looks: that it was down is told all the same. */
static void tell_restart(struct ps_peer *peer)
{
    struct ps_peer_view view;

    if (!ps_peer_serves(peer->told))
        return;
    ps_peer_view(peer, &view);
    view.status.state = PS__SERVICE_STATUS__STATE__down;
    view.status.reason = view.reason;
    snprintf(view.reason, sizeof(view.reason), "It was started anew.");
    peer->told = view.status.state;
    peer->peers->ops->on_state(peer->peers->arg, &view.status);
}

static bool same_life(const Ps__ServiceStatus *a, const Ps__ServiceStatus *b)
{
    return a->started && b->started &&
           a->started->unix_ns == b->started->unix_ns;
}

static void take_heartbeat(struct ps_peer *peer, ProtobufCMessage *msg)
{
    Ps__ServiceStatus *status = (Ps__ServiceStatus *)msg;

    if (!ps_streq(status->name, peer->name)) {
        peer->misnamed++;
        protobuf_c_message_free_unpacked(msg, NULL);
        return;
    }
    if (peer->status && !same_life(peer->status, status))
        tell_restart(peer);
    if (!peer->status || !same_life(peer->status, status))
        peer->served = false;
    if (ps_client_connected(peer->client))
        peer->served = true;
    if (peer->status)
        ps__service_status__free_unpacked(peer->status, NULL);
    /* Ours to say. */
    if (status->last_seen)
        ps__time__free_unpacked(TAKE_PTR(status->last_seen), NULL);
    peer->status = status;
    peer->seen_mono_ns = ps_mono_ns();
    peer->seen_unix_ns = ps_now_ns();
    tell_state(peer);
}

static void on_message(void *arg, const Ps__Envelope *env,
                       bool snapshot _unused_)
{
    struct ps_peer *peer = arg;
    ProtobufCMessage *msg = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (ps_streq(kinds[i].topic, env->topic) &&
            ps_streq(kinds[i].desc->name, env->type))
            msg = ps_message_unpack(kinds[i].desc, env->body.data,
                                    env->body.len, PS_UNPACK_MAX);
    if (!msg) {
        peer->misnamed++;
        return;
    }
    if (msg->descriptor == &ps__service_status__descriptor) {
        take_heartbeat(peer, msg);
        return;
    }
    peer->peers->ops->on_message(peer->peers->arg, env->topic, msg);
    protobuf_c_message_free_unpacked(msg, NULL);
}

static void on_tick(evutil_socket_t fd _unused_, short what _unused_, void *arg)
{
    struct ps_peers *peers = arg;

    for (size_t i = 0; i < PS_PEERS; i++)
        tell_state(&peers->list[i]);
}

static int connect_peer(struct ps_daemon *d, struct ps_peer *peer)
{
    _cleanup_free_ char *rep = NULL, *pub = NULL;
    int r;

    r = ps_daemon_peer_url(d, peer->name, "rep", &rep);
    if (r == 0)
        r = ps_daemon_peer_url(d, peer->name, "pub", &pub);
    if (r == 0)
        r = ps_client_new(ps_daemon_bus(d), rep, &peer->client);
    if (r == 0)
        r = ps_sub_new(ps_daemon_bus(d), pub, topics, peer->client, on_message,
                       peer, &peer->sub);
    if (r < 0)
        ps_error("peer_failed", "peer=%s rep=" PS_Q " error=" PS_Q, peer->name,
                 rep ? rep : "", strerror(-r));
    return r;
}

int ps_peers_new(struct ps_daemon *d, uint64_t timeout_ns,
                 const struct ps_peers_ops *ops, void *arg,
                 struct ps_peers **ret_peers)
{
    _cleanup_(ps_peers_free) struct ps_peers *peers = calloc(1, sizeof(*peers));
    const struct timeval tick = {.tv_usec = TICK_US};
    int r = 0;

    if (!peers)
        return -ENOMEM;
    peers->ops = ops;
    peers->arg = arg;
    peers->timeout_ns = timeout_ns;
    for (size_t i = 0; i < PS_PEERS; i++) {
        peers->list[i].name = names[i];
        peers->list[i].peers = peers;
        peers->list[i].told = PS__SERVICE_STATUS__STATE__down;
    }
    for (size_t i = 0; i < PS_PEERS && r == 0; i++)
        r = connect_peer(d, &peers->list[i]);
    if (r < 0)
        return r;
    peers->tick = event_new(ps_daemon_base(d), -1, EV_PERSIST, on_tick, peers);
    if (!peers->tick || event_add(peers->tick, &tick) < 0)
        return -ENOMEM;
    *ret_peers = TAKE_PTR(peers);
    return 0;
}

void ps_peers_free(struct ps_peers **peers)
{
    if (!*peers)
        return;
    if ((*peers)->tick)
        event_free((*peers)->tick);
    for (size_t i = 0; i < PS_PEERS; i++) {
        struct ps_peer *peer = &(*peers)->list[i];

        /* A snapshot on its way ends with the client, in the sub. */
        ps_client_free(&peer->client);
        ps_sub_free(&peer->sub);
        if (peer->status)
            ps__service_status__free_unpacked(peer->status, NULL);
    }
    free(*peers);
    *peers = NULL;
}

struct ps_peer *ps_peers_at(struct ps_peers *peers, size_t n)
{
    return &peers->list[n];
}

struct ps_peer *ps_peers_find(struct ps_peers *peers, const char *name)
{
    for (size_t i = 0; i < PS_PEERS; i++)
        if (ps_streq(peers->list[i].name, name))
            return &peers->list[i];
    return NULL;
}
