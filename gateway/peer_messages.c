/* SPDX-License-Identifier: MIT */
/* What an instance says of itself, and whether it is the one announced. */
#include "common/unpack.h"
#include "gateway/peers_internal.h"

#define ASK_TIMEOUT_NS PS_NS_PER_S

/* What travels on which topic; heartbeats are taken apart here. */
static const struct {
    const char *topic;
    const ProtobufCMessageDescriptor *desc;
} kinds[] = {
    {"heartbeat", &ps__service_status__descriptor},
    {"event", &ps__event__descriptor},
    {"trace", &ps__trace__descriptor},
    {"packet", &ps__packet_way__descriptor},
    {"path", &ps__path__descriptor},
    {"ruleset", &ps__guarder_stats__descriptor},
    {"audit", &ps__audit_entry__descriptor},
};

/* ---- its state ---------------------------------------------------------- */

void ps_peer_tell(struct ps_peer *peer)
{
    struct ps_peer_view view;

    if (!peer->fixed && !peer->known)
        return;
    ps_peer_view(peer, &view);
    if (view.status.state != PS__SERVICE_STATUS__STATE__down)
        peer->down_mono_ns = 0;
    else if (peer->down_mono_ns == 0)
        peer->down_mono_ns = ps_mono_ns();
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

bool ps_peer_same_life(const Ps__ServiceStatus *a, const Ps__ServiceStatus *b)
{
    return a->started && b->started &&
           a->started->unix_ns == b->started->unix_ns;
}

/* ---- whether an announced one is who it says ---------------------------- */

static void say_elsewhere(struct ps_peer *peer, const char *socket,
                          const Ps__ServiceStatus *status)
{
    snprintf(peer->elsewhere, sizeof(peer->elsewhere), "%s is of %.16s %.64s",
             socket, status->name, status->instance);
}

static void on_asked(void *arg, int result, const ProtobufCMessage *reply,
                     const Ps__Error *error _unused_)
{
    struct ps_peer *peer = arg;
    const Ps__ServiceStatus *status = (const Ps__ServiceStatus *)reply;

    peer->asking = false;
    if (result < 0 || !peer->status)
        return;
    if (!ps_streq(status->name, peer->name) ||
        !ps_streq(status->instance, peer->status->instance)) {
        say_elsewhere(peer, "its request socket", status);
        return;
    }
    if (!ps_peer_same_life(status, peer->status))
        return; /* its heartbeat of this life is on the way */
    peer->elsewhere[0] = '\0';
    peer->verified = peer->known = true;
    peer->served = true;
    snprintf(peer->instance, sizeof(peer->instance), "%s", status->instance);
    ps_peer_tell(peer);
}

void ps_peer_verify(struct ps_peer *peer)
{
    Ps__Empty empty = PS__EMPTY__INIT;
    const struct ps_ask ask = {
        .method = "service.status",
        .request = &empty.base,
        .reply = &ps__service_status__descriptor,
        .timeout_ns = ASK_TIMEOUT_NS,
    };

    if (peer->verified || peer->asking || !peer->status ||
        !ps_client_connected(peer->client))
        return;
    peer->asking = ps_client_call(peer->client, &ask, on_asked, peer) == 0;
}

/* ---- messages ----------------------------------------------------------- */

static bool fits(struct ps_peer *peer, const Ps__ServiceStatus *status)
{
    if (!ps_streq(status->name, peer->name)) {
        say_elsewhere(peer, "its event socket", status);
        return false;
    }
    if (!peer->fixed && !peer->known &&
        !ps_streq(status->instance, peer->instance)) {
        say_elsewhere(peer, "its event socket", status);
        return false;
    }
    return true;
}

/* A newer daemon's state: it lives, more is not known. */
static void know_state(Ps__ServiceStatus *status)
{
    if (!protobuf_c_enum_descriptor_get_value(
            &ps__service_status__state__descriptor, (int)status->state))
        status->state = PS__SERVICE_STATUS__STATE__degraded;
}

static void take_heartbeat(struct ps_peer *peer, ProtobufCMessage *msg)
{
    Ps__ServiceStatus *status = (Ps__ServiceStatus *)msg;

    if (!fits(peer, status)) {
        peer->misnamed++;
        protobuf_c_message_free_unpacked(msg, NULL);
        return;
    }
    if (peer->status && !ps_peer_same_life(peer->status, status))
        tell_restart(peer);
    if (!peer->status || !ps_peer_same_life(peer->status, status)) {
        peer->served = false;
        peer->verified = peer->fixed;
    }
    if (peer->verified && ps_client_connected(peer->client))
        peer->served = true;
    if (peer->status)
        ps__service_status__free_unpacked(peer->status, NULL);
    /* Ours to say. */
    if (status->last_seen)
        ps__time__free_unpacked(TAKE_PTR(status->last_seen), NULL);
    know_state(status);
    peer->status = status;
    peer->left = status->state == PS__SERVICE_STATUS__STATE__draining;
    peer->seen_mono_ns = ps_mono_ns();
    peer->seen_unix_ns = ps_now_ns();
    ps_peer_verify(peer);
    ps_peer_tell(peer);
}

void ps_peer_on_message(void *arg, const Ps__Envelope *env,
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
    if (peer->fixed || peer->known)
        peer->peers->ops->on_message(peer->peers->arg, env->topic, msg);
    protobuf_c_message_free_unpacked(msg, NULL);
}
