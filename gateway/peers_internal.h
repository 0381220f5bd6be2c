/* SPDX-License-Identifier: MIT */
/* What the files of the peers share; nobody else includes it. */
#ifndef PS_GATEWAY_PEERS_INTERNAL_H
#define PS_GATEWAY_PEERS_INTERNAL_H

#include "gateway/peers.h"

#define PS_PEER_NAMES 5

struct ps_peers {
    struct ps_bus *bus;
    const struct ps_peers_ops *ops;
    void *arg;
    uint64_t timeout_ns;
    struct event *tick;
    size_t turn;
    struct ps_peer list[PS_PEERS_MAX];
    /* Of entries that were forgotten, by name. */
    struct ps_sub_stats past[PS_PEER_NAMES];
};

/* ---- peer_messages.c ---------------------------------------------------- */

/* For ps_sub_new(); arg is the peer. */
void ps_peer_on_message(void *arg, const Ps__Envelope *env, bool snapshot);
/* Notes since when it is down, and gives a change of state on. */
void ps_peer_tell(struct ps_peer *peer);
/* Asks an announced one's request socket who it is, where that is due. */
void ps_peer_verify(struct ps_peer *peer);
bool ps_peer_same_life(const Ps__ServiceStatus *a, const Ps__ServiceStatus *b);

#endif
