/* SPDX-License-Identifier: MIT */
/*
 * The instances behind the gateway: a client and a subscription for each, and
 * what its heartbeats say.
 *
 * One entry for each of the four daemons stands from the start, at its place
 * in the run directory or where the option peers has it: nothing waits for an
 * announcement. The others come by gateway.announce (announce.c) and count
 * once both their sockets have said that they are who was announced. One that
 * ended in good order is forgotten after PS_PEER_LEFT_NS, one that died after
 * PS_PEER_DEAD_NS, or when its place is needed.
 */
#ifndef PS_GATEWAY_PEERS_H
#define PS_GATEWAY_PEERS_H

#include "common/service.h"

#define PS_PEERS_MAX     64 /* instances known at once */
#define PS_PEERS_OF_NAME 32 /* of one daemon */
#define PS_DAEMONS       4  /* the first names of ps_peers_name() */
#define PS_PEER_URL      160

#define PS_PEER_UNHEARD_NS (10 * PS_NS_PER_S)
#define PS_PEER_LEFT_NS    (10 * PS_NS_PER_S)
#define PS_PEER_DEAD_NS    (3600 * PS_NS_PER_S)

struct ps_peer {
    bool used;
    bool fixed;    /* there from the start: never forgotten */
    bool verified; /* both its sockets are this instance's, in this life */
    bool known;    /* was verified once: what its heartbeats say is taken */
    bool asking;   /* whether its request socket is that instance's */
    char name[16];
    char instance[PS_SERVICE_MAX_INSTANCE + 1]; /* "": not known yet */
    char rep[PS_PEER_URL], pub[PS_PEER_URL];
    char elsewhere[PS_PEER_URL]; /* who answers in its place, "": nobody */
    struct ps_client *client;
    struct ps_sub *sub;
    struct ps_peers *peers;
    Ps__ServiceStatus *status; /* of the last heartbeat; NULL: none came */
    uint64_t seen_mono_ns, seen_unix_ns;
    uint64_t made_mono_ns;
    uint64_t down_mono_ns; /* since when it is down; 0: it is not */
    bool left;             /* its last heartbeat said that it ends */
    bool served;           /* since it was started, it has taken requests */
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

/* Entry n < PS_PEERS_MAX; NULL: it is free. */
struct ps_peer *ps_peers_at(struct ps_peers *peers, size_t n);
/*
 * Those that a user is shown, by name, then instance: without announced ones
 * that nobody has heard yet, without a place that is empty while another
 * instance of that name is there. ret_list has PS_PEERS_MAX; returns how many.
 */
size_t ps_peers_shown(struct ps_peers *peers, struct ps_peer **ret_list);
/* Those of a name that take requests; returns how many. */
size_t ps_peers_serving(struct ps_peers *peers, const char *name,
                        struct ps_peer **ret_list);
/* The active instance of a host's daemon, else one that may answer. NULL:
 * there is none. */
struct ps_peer *ps_peers_pick(struct ps_peers *peers, const char *name);
/* Another number each time, for taking turns. */
size_t ps_peers_turn(struct ps_peers *peers);
/* The shown instance of a name that is nearest to ready; NULL: no such name. */
struct ps_peer *ps_peers_best(struct ps_peers *peers, const char *name);
void ps_peer_view(const struct ps_peer *peer, struct ps_peer_view *ret_view);
Ps__ServiceStatus__State ps_peer_state(const struct ps_peer *peer);

/* Names of the daemons that may be peers: the four, then "gateway"; NULL: n is
 * too large. */
const char *ps_peers_name(size_t n);
/* Messages missed, and not understood, of all instances of a name, those that
 * were forgotten included. */
void ps_peers_lost(struct ps_peers *peers, const char *name,
                   struct ps_sub_stats *ret_stats);

/* ---- for announce.c ----------------------------------------------------- */

/* Another entry; NULL with -ENOSPC, -ENOMEM or what the URLs gave. */
int ps_peers_add(struct ps_peers *peers, const char *name, const char *instance,
                 const char *rep, const char *pub);
/* Connects an announced entry to other URLs. On failure it is forgotten. */
int ps_peer_move(struct ps_peer *peer, const char *instance, const char *rep,
                 const char *pub);

#endif
