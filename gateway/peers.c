/* SPDX-License-Identifier: MIT */
#include "gateway/peers_internal.h"

#define TICK_US 250000

/* The last may be asked only where it announced itself. */
static const char *const names[PS_PEER_NAMES] = {
    "tracer", "analyzer", "locator", "guarder", "gateway"};

static const char *const topics[] = {"heartbeat", "event",   "trace", "packet",
                                     "path",      "ruleset", "audit", NULL};

const char *ps_peers_name(size_t n)
{
    return n < PS_PEER_NAMES ? names[n] : NULL;
}

/* ---- the table ---------------------------------------------------------- */

static size_t name_index(const char *name)
{
    size_t n = 0;

    while (n < PS_DAEMONS && !ps_streq(names[n], name))
        n++;
    return n;
}

static void add_lost(struct ps_sub_stats *sum, const struct ps_peer *peer)
{
    struct ps_sub_stats stats = {0};

    if (peer->sub)
        ps_sub_stats(peer->sub, &stats);
    sum->received += stats.received;
    sum->gaps += stats.gaps;
    sum->late += stats.late;
    sum->before += stats.before;
    sum->malformed += stats.malformed + peer->misnamed;
    sum->untracked += stats.untracked;
    sum->snapshots_failed += stats.snapshots_failed;
}

static void disconnect(struct ps_peer *peer)
{
    size_t n = name_index(peer->name);

    add_lost(&peer->peers->past[n], peer);
    peer->misnamed = 0;
    /* A snapshot on its way ends with the client, in the sub. */
    ps_client_free(&peer->client);
    ps_sub_free(&peer->sub);
    if (peer->status)
        ps__service_status__free_unpacked(peer->status, NULL);
    peer->status = NULL;
}

static void forget(struct ps_peer *peer)
{
    disconnect(peer);
    memset(peer, 0, sizeof(*peer));
}

static int connect_peer(struct ps_peer *peer, const char *rep, const char *pub)
{
    struct ps_bus *bus = peer->peers->bus;
    int r;

    if (strlen(rep) >= sizeof(peer->rep) || strlen(pub) >= sizeof(peer->pub))
        return -ENAMETOOLONG;
    snprintf(peer->rep, sizeof(peer->rep), "%s", rep);
    snprintf(peer->pub, sizeof(peer->pub), "%s", pub);
    peer->made_mono_ns = ps_mono_ns();
    r = ps_client_new(bus, rep, &peer->client);
    if (r == 0)
        r = ps_sub_new(bus, pub, topics, peer->client, ps_peer_on_message, peer,
                       &peer->sub);
    return r;
}

/* The longest dead of the announced ones makes room. */
static struct ps_peer *find_room(struct ps_peers *peers)
{
    struct ps_peer *oldest = NULL;

    for (size_t i = 0; i < PS_PEERS_MAX; i++) {
        struct ps_peer *peer = &peers->list[i];

        if (!peer->used)
            return peer;
        if (!peer->fixed && peer->down_mono_ns &&
            (!oldest || peer->down_mono_ns < oldest->down_mono_ns))
            oldest = peer;
    }
    if (oldest)
        forget(oldest);
    return oldest;
}

static int add_peer(struct ps_peers *peers, const char *name,
                    const char *instance, const char *rep, const char *pub,
                    struct ps_peer **ret_peer)
{
    struct ps_peer *peer = find_room(peers);
    int r;

    if (!peer)
        return -ENOSPC;
    peer->used = true;
    peer->peers = peers;
    peer->told = PS__SERVICE_STATUS__STATE__down;
    snprintf(peer->name, sizeof(peer->name), "%s", name);
    snprintf(peer->instance, sizeof(peer->instance), "%s", instance);
    r = connect_peer(peer, rep, pub);
    if (r < 0) {
        forget(peer);
        return r;
    }
    *ret_peer = peer;
    return 0;
}

int ps_peers_add(struct ps_peers *peers, const char *name, const char *instance,
                 const char *rep, const char *pub)
{
    struct ps_peer *peer;

    return add_peer(peers, name, instance, rep, pub, &peer);
}

int ps_peer_move(struct ps_peer *peer, const char *instance, const char *rep,
                 const char *pub)
{
    int r;

    disconnect(peer);
    peer->verified = peer->known = peer->asking = peer->left = false;
    peer->elsewhere[0] = '\0';
    snprintf(peer->instance, sizeof(peer->instance), "%s", instance);
    r = connect_peer(peer, rep, pub);
    if (r < 0)
        forget(peer);
    return r;
}

/* ---- time --------------------------------------------------------------- */

/* The same process by two ways: the one from the start stays. */
static bool is_double(struct ps_peers *peers, const struct ps_peer *peer)
{
    for (size_t i = 0; i < PS_PEERS_MAX; i++) {
        const struct ps_peer *other = &peers->list[i];

        if (other->used && other->fixed && other->status && peer->status &&
            other->down_mono_ns == 0 && ps_streq(other->name, peer->name) &&
            ps_streq(other->status->instance, peer->status->instance) &&
            ps_peer_same_life(other->status, peer->status))
            return true;
    }
    return false;
}

static bool is_over(struct ps_peers *peers, const struct ps_peer *peer,
                    uint64_t now)
{
    if (peer->fixed)
        return false;
    if (!peer->known)
        return now - peer->made_mono_ns > PS_PEER_UNHEARD_NS ||
               is_double(peers, peer);
    if (peer->down_mono_ns == 0)
        return is_double(peers, peer);
    return now - peer->down_mono_ns >
           (peer->left ? PS_PEER_LEFT_NS : PS_PEER_DEAD_NS);
}

static void on_tick(evutil_socket_t fd _unused_, short what _unused_, void *arg)
{
    struct ps_peers *peers = arg;

    for (size_t i = 0; i < PS_PEERS_MAX; i++) {
        struct ps_peer *peer = &peers->list[i];

        if (!peer->used)
            continue;
        ps_peer_verify(peer);
        ps_peer_tell(peer);
        /* The time after it was told, which may have noted one. */
        if (is_over(peers, peer, ps_mono_ns()))
            forget(peer);
    }
}

static int add_fixed(struct ps_peers *peers, struct ps_daemon *d,
                     const char *name)
{
    _cleanup_free_ char *rep = NULL, *pub = NULL;
    struct ps_peer *peer = NULL;
    int r;

    r = ps_daemon_peer_url(d, name, "rep", &rep);
    if (r == 0)
        r = ps_daemon_peer_url(d, name, "pub", &pub);
    if (r == 0)
        r = add_peer(peers, name, "", rep, pub, &peer);
    if (r < 0)
        ps_error("peer_failed", "peer=%s rep=" PS_Q " error=" PS_Q, name,
                 rep ? rep : "", strerror(-r));
    else if (peer)
        peer->fixed = peer->verified = true;
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
    peers->bus = ps_daemon_bus(d);
    peers->ops = ops;
    peers->arg = arg;
    peers->timeout_ns = timeout_ns;
    for (size_t i = 0; i < PS_DAEMONS && r == 0; i++)
        r = add_fixed(peers, d, names[i]);
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
    for (size_t i = 0; i < PS_PEERS_MAX; i++)
        if ((*peers)->list[i].used)
            forget(&(*peers)->list[i]);
    free(*peers);
    *peers = NULL;
}

struct ps_peer *ps_peers_at(struct ps_peers *peers, size_t n)
{
    return peers->list[n].used ? &peers->list[n] : NULL;
}

void ps_peers_lost(struct ps_peers *peers, const char *name,
                   struct ps_sub_stats *ret_stats)
{
    struct ps_sub_stats stats = peers->past[name_index(name)];

    for (size_t i = 0; i < PS_PEERS_MAX; i++) {
        const struct ps_peer *peer = ps_peers_at(peers, i);

        if (peer && ps_streq(peer->name, name))
            add_lost(&stats, peer);
    }
    *ret_stats = stats;
}
