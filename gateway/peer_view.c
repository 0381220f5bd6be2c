/* SPDX-License-Identifier: MIT */
/* What is shown of the instances, and which of them is asked. */
#include "gateway/peers_internal.h"

/* ---- one ---------------------------------------------------------------- */

/* Heartbeats come by another connection than answers do. */
static void look_at_connection(const struct ps_peer *peer,
                               struct ps_peer_view *view)
{
    const char *reason = "Its connection was lost. See in its log why.";

    if (!ps_peer_serves(view->status.state))
        return;
    if (ps_client_connected(peer->client) && peer->verified)
        return;
    view->status.state = PS__SERVICE_STATUS__STATE__starting;
    if (peer->served && !ps_client_connected(peer->client))
        view->status.state = PS__SERVICE_STATUS__STATE__down;
    else
        reason = "It lives, but takes no requests yet.";
    view->status.reason = view->reason;
    snprintf(view->reason, sizeof(view->reason), "%s", reason);
}

static void view_silent(const struct ps_peer *peer, uint64_t age,
                        struct ps_peer_view *view)
{
    view->status.instance = peer->status->instance;
    view->status.version = peer->status->version;
    view->status.started = peer->status->started;
    if (peer->left)
        snprintf(view->reason, sizeof(view->reason),
                 "It was ended, %llu s ago.",
                 (unsigned long long)(age / PS_NS_PER_S));
    else
        snprintf(view->reason, sizeof(view->reason),
                 "No heartbeat for %llu s. See in its log why ps-%s is "
                 "silent, and start it again.",
                 (unsigned long long)(age / PS_NS_PER_S), peer->name);
}

void ps_peer_view(const struct ps_peer *peer, struct ps_peer_view *ret_view)
{
    struct ps_peer_view *view = ret_view;
    uint64_t age = ps_mono_ns() - peer->seen_mono_ns;

    memset(view, 0, sizeof(*view));
    ps__time__init(&view->last_seen);
    ps__service_status__init(&view->status);
    view->status.name = (char *)(uintptr_t)peer->name;
    view->status.instance = (char *)(uintptr_t)peer->instance;
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
    if (age <= peer->peers->timeout_ns)
        view->status = *peer->status;
    else
        view_silent(peer, age, view);
    look_at_connection(peer, view);
    view->status.last_seen = &view->last_seen;
}

Ps__ServiceStatus__State ps_peer_state(const struct ps_peer *peer)
{
    struct ps_peer_view view;

    ps_peer_view(peer, &view);
    return view.status.state;
}

/* ---- several ------------------------------------------------------------ */

static const char *instance_of(const struct ps_peer *peer)
{
    return peer->status ? peer->status->instance : peer->instance;
}

/* Whether another entry of this name makes this one needless to see. */
static bool stands_for(const struct ps_peer *other, const struct ps_peer *peer)
{
    if (other == peer || !other->status || !ps_streq(other->name, peer->name) ||
        (!other->fixed && !other->known))
        return false;
    if (!peer->status)
        return true;
    /* It came back at another place. */
    return other->down_mono_ns == 0 &&
           ps_streq(instance_of(other), instance_of(peer));
}

static bool is_shown(struct ps_peers *peers, const struct ps_peer *peer,
                     uint64_t now)
{
    if (!peer->fixed && !peer->known)
        return false;
    if (peer->status && peer->down_mono_ns == 0)
        return true;
    for (size_t i = 0; i < PS_PEERS_MAX; i++) {
        const struct ps_peer *other = ps_peers_at(peers, i);

        if (!other)
            continue;
        if (stands_for(other, peer))
            return false;
        /* An empty place that was left: the others carry the name. */
        if (peer->left && now - peer->down_mono_ns > PS_PEER_LEFT_NS &&
            other != peer && ps_streq(other->name, peer->name) &&
            other->status && other->down_mono_ns == 0)
            return false;
    }
    return true;
}

static size_t name_order(const char *name)
{
    size_t n = 0;

    while (ps_peers_name(n) && !ps_streq(ps_peers_name(n), name))
        n++;
    return n;
}

static int compare(const void *a, const void *b)
{
    const struct ps_peer *x = *(struct ps_peer *const *)a;
    const struct ps_peer *y = *(struct ps_peer *const *)b;
    size_t order_x = name_order(x->name), order_y = name_order(y->name);

    if (order_x != order_y)
        return order_x < order_y ? -1 : 1;
    return strcmp(instance_of(x), instance_of(y));
}

size_t ps_peers_shown(struct ps_peers *peers, struct ps_peer **ret_list)
{
    uint64_t now = ps_mono_ns();
    size_t n = 0;

    for (size_t i = 0; i < PS_PEERS_MAX; i++) {
        struct ps_peer *peer = ps_peers_at(peers, i);

        if (peer && is_shown(peers, peer, now))
            ret_list[n++] = peer;
    }
    qsort(ret_list, n, sizeof(ret_list[0]), compare);
    return n;
}

size_t ps_peers_serving(struct ps_peers *peers, const char *name,
                        struct ps_peer **ret_list)
{
    size_t n = 0;

    for (size_t i = 0; i < PS_PEERS_MAX; i++) {
        struct ps_peer *peer = ps_peers_at(peers, i);

        if (peer && ps_streq(peer->name, name) &&
            ps_peer_serves(ps_peer_state(peer)))
            ret_list[n++] = peer;
    }
    return n;
}

struct ps_peer *ps_peers_pick(struct ps_peers *peers, const char *name)
{
    struct ps_peer *list[PS_PEERS_MAX];

    if (ps_peers_serving(peers, name, list) > 0)
        return list[0];
    /* Its first heartbeat has not come, or is late: it may answer. */
    for (size_t i = 0; i < PS_PEERS_MAX; i++) {
        struct ps_peer *peer = ps_peers_at(peers, i);

        if (peer && peer->fixed && ps_streq(peer->name, name) &&
            ps_client_connected(peer->client))
            return peer;
    }
    return NULL;
}

size_t ps_peers_turn(struct ps_peers *peers)
{
    return peers->turn++;
}

struct ps_peer *ps_peers_best(struct ps_peers *peers, const char *name)
{
    /* The nearer to ready, the higher. */
    static const int rank[] = {
        [PS__SERVICE_STATUS__STATE__down] = 0,
        [PS__SERVICE_STATUS__STATE__draining] = 1,
        [PS__SERVICE_STATUS__STATE__standby] = 2,
        [PS__SERVICE_STATUS__STATE__starting] = 3,
        [PS__SERVICE_STATUS__STATE__degraded] = 4,
        [PS__SERVICE_STATUS__STATE__ready] = 5,
    };
    struct ps_peer *list[PS_PEERS_MAX], *best = NULL;
    size_t n = ps_peers_shown(peers, list);
    int best_rank = -1;

    for (size_t i = 0; i < n; i++) {
        unsigned int state = ps_peer_state(list[i]);
        int mine = state < ARRAY_SIZE(rank) ? rank[state] : 0;

        if (!ps_streq(list[i]->name, name) || mine <= best_rank)
            continue;
        best = list[i];
        best_rank = mine;
    }
    return best;
}
