/* SPDX-License-Identifier: MIT */
/*
 * The daemons behind the gateway: a client and a subscription for each, and
 * what its heartbeats say.
 */
#ifndef PS_GATEWAY_PEERS_H
#define PS_GATEWAY_PEERS_H

#include "common/service.h"

#define PS_PEERS 4

struct ps_peer {
    const char *name; /* a constant */
    struct ps_client *client;
    struct ps_sub *sub;
    struct ps_peers *peers;
    Ps__ServiceStatus *status; /* of the last heartbeat; NULL: none came */
    uint64_t seen_mono_ns, seen_unix_ns;
    bool served; /* since it was started, it has taken requests */
    Ps__ServiceStatus__State told; /* the state that was given on */
    uint64_t misnamed; /* messages that are not what their topic carries */
};

/* A status to look at: points into the peer, valid until the loop turns. */
struct ps_peer_view {
    Ps__ServiceStatus status;
    Ps__Time last_seen;
    char reason[256];
};

struct ps_peers_ops {
    /* A message of a topic other than heartbeats; msg is borrowed. */
    void (*on_message)(void *arg, const char *topic,
                       const ProtobufCMessage *msg);
    /* A daemon's state is another than before. */
    void (*on_state)(void *arg, const Ps__ServiceStatus *status);
};

struct ps_peers;

/* Whether a daemon in this state answers requests. */
static inline bool ps_peer_serves(Ps__ServiceStatus__State state)
{
    return state == PS__SERVICE_STATUS__STATE__ready ||
           state == PS__SERVICE_STATUS__STATE__degraded;
}

/* A daemon without a heartbeat for timeout_ns is down. ops is borrowed. */
int ps_peers_new(struct ps_daemon *d, uint64_t timeout_ns,
                 const struct ps_peers_ops *ops, void *arg,
                 struct ps_peers **ret_peers);
/* Calls in flight end with -ECANCELED. */
void ps_peers_free(struct ps_peers **peers);

/* The n-th of PS_PEERS, in a fixed order. */
struct ps_peer *ps_peers_at(struct ps_peers *peers, size_t n);
/* By name; NULL: there is no such daemon. */
struct ps_peer *ps_peers_find(struct ps_peers *peers, const char *name);
void ps_peer_view(const struct ps_peer *peer, struct ps_peer_view *ret_view);

#endif
