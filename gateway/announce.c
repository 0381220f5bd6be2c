/* SPDX-License-Identifier: MIT */
#include "gateway/announce.h"

#include "gateway/gateway.h"

/* Until then an instance may be on its way up. */
#define UNHEARD_NS (3 * PS_NS_PER_S)

static int _printf_(5, 6)
    fail(struct ps_announce_problem *problem, const char *id, uint32_t status,
         const char *field, const char *fmt, ...)
{
    va_list ap;

    problem->id = id;
    problem->status = status;
    problem->field = field;
    va_start(ap, fmt);
    vsnprintf(problem->text, sizeof(problem->text), fmt, ap);
    va_end(ap);
    return -EINVAL;
}

/* ---- texts -------------------------------------------------------------- */

static bool visible(const char *text, size_t max)
{
    size_t len = strnlen(text, max + 1);

    if (len == 0 || len > max)
        return false;
    for (size_t i = 0; i < len; i++)
        if (text[i] < 0x21 || text[i] > 0x7e)
            return false;
    return true;
}

static bool known_name(const char *name)
{
    for (size_t n = 0; ps_peers_name(n); n++)
        if (ps_streq(ps_peers_name(n), name))
            return true;
    return false;
}

static int check_url(const char *url, const char *field,
                     struct ps_announce_problem *problem)
{
    static const char *const schemes[] = {"ipc:///", "tcp://", "tls+tcp://"};

    if (!visible(url, PS_PEER_URL - 1))
        return fail(problem, "announce.url_invalid", 400, field,
                    "A URL has 1 to %d visible characters.", PS_PEER_URL - 1);
    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
        size_t len = strlen(schemes[i]);

        if (strncmp(url, schemes[i], len) == 0 && url[len])
            return 0;
    }
    return fail(problem, "announce.url_invalid", 400, field,
                "Announce ipc:///PATH, tcp://HOST:PORT or "
                "tls+tcp://HOST:PORT.");
}

int ps_announce_check(const Ps__Announcement *msg,
                      struct ps_announce_problem *ret_problem)
{
    int r;

    if (!known_name(msg->name))
        return fail(ret_problem, "announce.unknown_name", 400, "name",
                    "There is no daemon of this name; are the parts of "
                    "different versions?");
    if (!visible(msg->instance, PS_SERVICE_MAX_INSTANCE))
        return fail(ret_problem, "announce.instance_invalid", 400, "instance",
                    "An instance's name has 1 to %d visible characters; set "
                    "the option instance.",
                    PS_SERVICE_MAX_INSTANCE);
    r = check_url(msg->rep, "rep", ret_problem);
    if (r == 0)
        r = check_url(msg->pub, "pub", ret_problem);
    if (r < 0)
        return r;
    if (msg->started->unix_ns == 0)
        return fail(ret_problem, "announce.started_invalid", 400, "started",
                    "The time of the start is missing.");
    return 0;
}

/* ---- against what is known ---------------------------------------------- */

static bool alive(const struct ps_peer *peer)
{
    return peer->status &&
           ps_peer_state(peer) != PS__SERVICE_STATUS__STATE__down;
}

static bool same_life(const struct ps_peer *peer, const Ps__Announcement *msg)
{
    return peer->status && peer->status->started &&
           peer->status->started->unix_ns == msg->started->unix_ns;
}

static const char *instance_of(const struct ps_peer *peer)
{
    return peer->status ? peer->status->instance : peer->instance;
}

/* What is known of an announced one that has not proved to be it. */
static int judge_unproved(const struct ps_peer *peer,
                          struct ps_announce_problem *problem)
{
    if (peer->elsewhere[0])
        return fail(problem, "announce.elsewhere", 409, "rep",
                    "These URLs are not of this instance: %s. Announce those "
                    "where it listens, by rep-as and pub-as.",
                    peer->elsewhere);
    if (ps_mono_ns() - peer->made_mono_ns > UNHEARD_NS)
        return fail(problem, "announce.unreachable", 503, "rep",
                    "The gateway does not reach %s and %s. Announce URLs "
                    "that it can reach, by rep-as and pub-as.",
                    peer->rep, peer->pub);
    return 0;
}

/* An entry stands at this URL. */
static int take_same_url(struct ps_peer *peer, const Ps__Announcement *msg,
                         struct ps_announce_problem *problem)
{
    if (!ps_streq(peer->name, msg->name) ||
        (alive(peer) && !same_life(peer, msg) &&
         !ps_streq(instance_of(peer), msg->instance)))
        return fail(problem, "announce.url_taken", 409, "rep",
                    "At %s there is %s %s.", peer->rep, peer->name,
                    instance_of(peer));
    if (peer->fixed || peer->known)
        return 0;
    if (!ps_streq(peer->pub, msg->pub) ||
        !ps_streq(peer->instance, msg->instance))
        return ps_peer_move(peer, msg->instance, msg->rep, msg->pub);
    return judge_unproved(peer, problem);
}

/* An entry has this name and instance, at another URL. */
static int take_same_name(struct ps_peer *peer, const Ps__Announcement *msg,
                          struct ps_announce_problem *problem)
{
    if (same_life(peer, msg))
        return 0; /* it has two ways in */
    if (alive(peer))
        return fail(problem, "announce.name_taken", 409, "instance",
                    "%s %s lives at %s. Give this one a name of its own with "
                    "the option instance.",
                    peer->name, instance_of(peer), peer->rep);
    if (!peer->fixed)
        return ps_peer_move(peer, msg->instance, msg->rep, msg->pub);
    return -ENOENT;
}

static int take_new(struct ps_peers *peers, const Ps__Announcement *msg,
                    struct ps_announce_problem *problem)
{
    size_t n = 0;
    int r;

    for (size_t i = 0; i < PS_PEERS_MAX; i++) {
        const struct ps_peer *peer = ps_peers_at(peers, i);

        n += peer && ps_streq(peer->name, msg->name) && peer->down_mono_ns == 0;
    }
    r = n < PS_PEERS_OF_NAME
            ? ps_peers_add(peers, msg->name, msg->instance, msg->rep, msg->pub)
            : -ENOSPC;
    if (r == -ENOSPC)
        return fail(problem, "announce.too_many", 429, NULL,
                    "A gateway knows %d instances, %d of one name, and has no "
                    "place left.",
                    PS_PEERS_MAX, PS_PEERS_OF_NAME);
    return r;
}

static struct ps_peer *find_url(struct ps_peers *peers, const char *rep)
{
    for (size_t i = 0; i < PS_PEERS_MAX; i++) {
        struct ps_peer *peer = ps_peers_at(peers, i);

        if (peer && ps_streq(peer->rep, rep))
            return peer;
    }
    return NULL;
}

/* 0, -EINVAL with a problem, or another error of connecting. */
static int take(struct ps_gateway *gateway, const Ps__Announcement *msg,
                struct ps_announce_problem *problem)
{
    struct ps_peers *peers = gateway->peers;
    struct ps_peer *peer = find_url(peers, msg->rep);

    if (ps_streq(msg->name, "gateway") &&
        ps_streq(msg->instance, ps_daemon_instance(gateway->daemon)))
        return fail(problem, "announce.name_taken", 409, "instance",
                    "This gateway has this name; give each its own with the "
                    "option instance.");
    if (peer)
        return take_same_url(peer, msg, problem);
    for (size_t i = 0; i < PS_PEERS_MAX; i++) {
        int r;

        peer = ps_peers_at(peers, i);
        if (!peer || !ps_streq(peer->name, msg->name) ||
            !ps_streq(instance_of(peer), msg->instance))
            continue;
        r = take_same_name(peer, msg, problem);
        if (r != -ENOENT)
            return r;
    }
    return take_new(peers, msg, problem);
}

static void on_announce(void *arg, const ProtobufCMessage *req,
                        struct ps_call *call)
{
    const Ps__Announcement *msg = (const Ps__Announcement *)req;
    struct ps_announce_problem problem = {0};
    Ps__Empty empty = PS__EMPTY__INIT;
    int r = ps_announce_check(msg, &problem);

    if (r == 0)
        r = take(arg, msg, &problem);
    if (r == 0)
        ps_call_reply(call, &empty.base);
    else if (problem.id)
        ps_call_fail(call, problem.id, problem.status, problem.field, "%s",
                     problem.text);
    else
        ps_call_fail(call, "announce.url_invalid", 400, "rep",
                     "These URLs cannot be used: %s", strerror(-r));
}

const struct ps_method ps_gateway_methods[] = {
    {.name = "gateway.announce",
     .request = &ps__announcement__descriptor,
     .reply = &ps__empty__descriptor,
     .handle = on_announce},
    {0},
};
