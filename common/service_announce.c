/* SPDX-License-Identifier: MIT */
/*
 * Tells the gateways where this daemon answers: each second, and as soon as a
 * gateway can be reached again. The gateways of the run directory are those
 * whose socket is there; others are named.
 */
#include "common/service_internal.h"

#define TIMEOUT_NS (2 * PS_NS_PER_S)
#define TICK_US    250000

struct target {
    struct ps_announcer *announcer;
    char *url;
    const char *path; /* in url: the socket that must be there; NULL: named */
    struct ps_client *client;
    bool asking, connected;
    uint64_t told_mono_ns;
    char refused[64]; /* id of the last answer, "": taken */
};

struct ps_announcer {
    struct ps_daemon *d;
    struct event *tick;
    struct target *targets;
    size_t n;
};

/* Said once for each reason. */
static void tell(struct target *t, const Ps__Error *error)
{
    if (ps_streq(t->refused, error->id))
        return;
    snprintf(t->refused, sizeof(t->refused), "%s", error->id);
    ps_warning("announce_refused", "gateway=" PS_Q " id=" PS_Q " reason=" PS_Q,
               t->url, error->id, error->detail);
}

static void on_answer(void *arg, int result,
                      const ProtobufCMessage *reply _unused_,
                      const Ps__Error *error)
{
    struct target *t = arg;

    t->asking = false;
    if (result == -EREMOTEIO)
        tell(t, error);
    else if (result == 0)
        t->refused[0] = '\0';
}

static void announce(struct target *t)
{
    struct ps_daemon *d = t->announcer->d;
    const struct ps_common_config *config = ps_daemon_common(d);
    Ps__Announcement msg = PS__ANNOUNCEMENT__INIT;
    Ps__Time started = PS__TIME__INIT;
    const struct ps_ask ask = {
        .method = "gateway.announce",
        .request = &msg.base,
        .reply = &ps__empty__descriptor,
        .timeout_ns = TIMEOUT_NS,
    };

    started.unix_ns = d->epoch;
    msg.name = (char *)(uintptr_t)d->service->name;
    msg.instance = d->instance;
    msg.rep = config->rep_as && *config->rep_as ? config->rep_as : d->rep_url;
    msg.pub = config->pub_as && *config->pub_as ? config->pub_as : d->pub_url;
    msg.started = &started;
    msg.version = (char *)(uintptr_t)PS_VERSION;
    msg.has_state = 1;
    msg.state = ps_service_state(d);
    t->asking = ps_client_call(t->client, &ask, on_answer, t) == 0;
}

/* A socket that is there gets a client, one that has gone loses it. */
static void follow_socket(struct target *t)
{
    bool there = !t->path || access(t->path, F_OK) == 0;
    int r;

    if (t->client && !there && !t->connected)
        ps_client_free(&t->client);
    if (t->client || !there)
        return;
    r = ps_client_new(t->announcer->d->bus, t->url, &t->client);
    if (r < 0 && !t->refused[0]) {
        snprintf(t->refused, sizeof(t->refused), "url");
        ps_warning("announce_failed", "gateway=" PS_Q " error=" PS_Q, t->url,
                   strerror(-r));
    }
}

static void tick_target(struct target *t)
{
    uint64_t now = ps_mono_ns();
    bool was = t->connected;
    bool due = now - t->told_mono_ns >= PS_NS_PER_S;

    t->connected = t->client && ps_client_connected(t->client);
    if (due && !t->connected) {
        t->told_mono_ns = now;
        follow_socket(t);
    }
    if (!t->connected || t->asking || (was && !due))
        return;
    t->told_mono_ns = now;
    announce(t);
}

static void on_tick(evutil_socket_t fd _unused_, short what _unused_, void *arg)
{
    struct ps_announcer *announcer = arg;

    for (size_t i = 0; i < announcer->n; i++)
        tick_target(&announcer->targets[i]);
}

/* A gateway tells the others, not itself. */
static int add_run_dir(struct ps_announcer *a)
{
    for (unsigned int slot = 1; slot <= PS_SERVICE_SLOTS; slot++) {
        struct target *t = &a->targets[a->n];
        char name[32];
        int r;

        ps_service_slot_name("gateway", slot, name, sizeof(name));
        r = ps_daemon_peer_url(a->d, name, "rep", &t->url);
        if (r < 0)
            return r;
        if (ps_streq(t->url, a->d->rep_url)) {
            free(t->url);
            t->url = NULL;
            continue;
        }
        if (strncmp(t->url, "ipc://", 6) == 0)
            t->path = t->url + 6;
        a->n++;
    }
    return 0;
}

static int add_named(struct ps_announcer *a, const struct ps_strlist *urls)
{
    for (size_t i = 0; i < urls->n; i++) {
        struct target *t = &a->targets[a->n];

        t->url = strdup(urls->items[i]);
        if (!t->url)
            return -ENOMEM;
        a->n++;
    }
    return 0;
}

int ps_announcer_new(struct ps_daemon *d, struct ps_announcer **ret_announcer)
{
    _cleanup_(ps_announcer_free) struct ps_announcer *a = calloc(1, sizeof(*a));
    const struct ps_strlist *urls = &ps_daemon_common(d)->announce;
    const struct timeval tick = {.tv_usec = TICK_US};
    size_t max = urls->n ? urls->n : PS_SERVICE_SLOTS;
    int r;

    if (!a)
        return -ENOMEM;
    a->d = d;
    a->targets = calloc(max, sizeof(*a->targets));
    if (!a->targets)
        return -ENOMEM;
    for (size_t i = 0; i < max; i++)
        a->targets[i].announcer = a;
    r = urls->n ? add_named(a, urls) : add_run_dir(a);
    if (r < 0)
        return r;
    a->tick = event_new(d->base, -1, EV_PERSIST, on_tick, a);
    if (!a->tick || event_add(a->tick, &tick) < 0)
        return -ENOMEM;
    on_tick(-1, 0, a);
    *ret_announcer = TAKE_PTR(a);
    return 0;
}

void ps_announcer_free(struct ps_announcer **announcer)
{
    struct ps_announcer *a = *announcer;

    if (!a)
        return;
    if (a->tick)
        event_free(a->tick);
    for (size_t i = 0; a->targets && i < a->n; i++) {
        ps_client_free(&a->targets[i].client);
        free(a->targets[i].url);
    }
    free(a->targets);
    free(a);
    *announcer = NULL;
}
