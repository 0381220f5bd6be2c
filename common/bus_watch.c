/* SPDX-License-Identifier: MIT */
/*
 * NNG 1.5 stops accepting for good when a peer hangs up before our greeting is
 * out: it takes that EPIPE for its own listener's end. One look of a health
 * check, or a second daemon that finds the socket's path in use, would make
 * this one unreachable.
 *
 * NNG counts failed accepts. Whenever that count has grown, we connect to
 * ourselves; if the connection is not taken, the listener is made anew, and
 * its peers, who connect again by themselves, lose a moment. The connection is
 * a plain socket: closing one of NNG's may wait for a connection that is never
 * taken. tls+tcp:// is not checked, since only a whole handshake counts there.
 *
 * The same EPIPE ends a dialer for good: a listener's backlog took it, and the
 * process died before it could be greeted. One that goes on trying does so
 * within PS_BUS_RECONNECT_MAX_MS, and NNG counts each attempt. So a dialer is
 * made anew that has no connection, whose failures have grown, and that has
 * then stood still from one tick to the next.
 */
#include "common/bus_internal.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/log.h"

#define TICK_NS     (250 * PS_NS_PER_MS)
#define CHECK_TICKS 8

#if __has_feature(address_sanitizer)
/*
 * A listener that stopped accepting never frees the connections that wait in
 * it, nor itself: some 12 KiB for each restart. They were allocated on NNG's
 * threads, where nothing of ours allocates.
 */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:asan_thread_start\nleak:nng_listener_create\n";
}
#endif

static uint64_t child_value(nng_stat *scope, const char *name)
{
    for (nng_stat *s = nng_stat_child(scope); s; s = nng_stat_next(s)) {
        if (ps_streq(nng_stat_name(s), name))
            return nng_stat_value(s);
    }
    return 0;
}

/* nng_stat_find_listener() of 1.5 gives the first listener for any. */
static nng_stat *find_stats(nng_stat *stats, const char *kind, int id)
{
    for (nng_stat *s = nng_stat_child(stats); s; s = nng_stat_next(s)) {
        if (ps_streq(nng_stat_name(s), kind) &&
            child_value(s, "id") == (uint64_t)id)
            return s;
    }
    return NULL;
}

/* Those after which NNG may have given up are among these. */
static uint64_t count_failed(nng_stat *scope)
{
    return child_value(scope, "other") + child_value(scope, "canceled");
}

/* ---- listeners ---------------------------------------------------------- */

static void end_check(struct ps_listener *l)
{
    if (l->check_fd >= 0)
        close(l->check_fd);
    l->check_fd = -1;
}

union address {
    struct sockaddr sa;
    struct sockaddr_un un;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

/* Where the listener is bound, as connect() takes it; 0: not known. */
static socklen_t bound_address(const struct ps_listener *l,
                               union address *ret_address)
{
    nng_sockaddr addr;

    memset(ret_address, 0, sizeof(*ret_address));
    if (nng_listener_get_addr(l->nng, NNG_OPT_LOCADDR, &addr) != 0)
        return 0;
    if (addr.s_family == NNG_AF_IPC) {
        ret_address->un.sun_family = AF_UNIX;
        snprintf(ret_address->un.sun_path, sizeof(ret_address->un.sun_path),
                 "%s", addr.s_ipc.sa_path);
        return sizeof(ret_address->un);
    }
    if (addr.s_family == NNG_AF_INET) {
        ret_address->in.sin_family = AF_INET;
        ret_address->in.sin_port = addr.s_in.sa_port;
        ret_address->in.sin_addr.s_addr = addr.s_in.sa_addr;
        return sizeof(ret_address->in);
    }
    if (addr.s_family == NNG_AF_INET6) {
        ret_address->in6.sin6_family = AF_INET6;
        ret_address->in6.sin6_port = addr.s_in6.sa_port;
        memcpy(&ret_address->in6.sin6_addr, addr.s_in6.sa_addr, 16);
        return sizeof(ret_address->in6);
    }
    return 0;
}

/* The greeting of an SP peer, so that NNG takes us for one; TCP may take a
 * moment until it can be sent. */
static void greet(struct ps_listener *l)
{
    const uint8_t greeting[8] = {
        0, 'S', 'P', 0, (uint8_t)(l->peer >> 8), (uint8_t)l->peer, 0, 0};

    if (!l->greeted)
        l->greeted = send(l->check_fd, greeting, sizeof(greeting),
                          MSG_DONTWAIT | MSG_NOSIGNAL) ==
                     (ssize_t)sizeof(greeting);
}

static int start(struct ps_bus *bus, struct ps_listener *l)
{
    int r = ps_bus_listener_start(bus, l->socket, l->url, &l->nng);

    l->started = r == 0;
    l->failed = l->accepted = 0;
    return r;
}

static void restart(struct ps_bus *bus, struct ps_listener *l)
{
    int r;

    if (l->started)
        nng_listener_close(l->nng);
    r = start(bus, l);
    if (r < 0)
        ps_error("bus_listen_failed", "url=" PS_Q " error=" PS_Q, l->url,
                 strerror(-r));
    else
        ps_warning("bus_listener_restarted", "url=" PS_Q " reason=" PS_Q,
                   l->url, "it took no more connections");
}

static void begin_check(struct ps_listener *l, uint64_t accepted)
{
    union address address;
    socklen_t len = bound_address(l, &address);

    if (len == 0 || strncmp(l->url, "tls+", 4) == 0)
        return;
    l->check_fd = socket(address.sa.sa_family,
                         SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->check_fd < 0)
        return;
    l->accepted = accepted;
    l->ticks_left = CHECK_TICKS;
    l->greeted = false;
    /* A full backlog refuses it: then nobody takes it, and so it is found. */
    /* NOLINTNEXTLINE(bugprone-unused-return-value) */
    (void)connect(l->check_fd, &address.sa, len);
    greet(l);
}

static void watch(struct ps_bus *bus, struct ps_listener *l, nng_stat *stats)
{
    nng_stat *scope;
    uint64_t accepted;
    uint64_t failed;

    if (!l->started) {
        restart(bus, l);
        return;
    }
    scope = find_stats(stats, "listener", nng_listener_id(l->nng));
    if (!scope)
        return;
    accepted = child_value(scope, "accept");
    failed = count_failed(scope);
    if (l->check_fd >= 0) {
        bool alive = accepted != l->accepted;

        if (!alive && --l->ticks_left > 0) {
            greet(l);
            return;
        }
        end_check(l);
        /* Our own hanging up counts as one. What failed meanwhile may have
         * come after the good one, and is looked at next. */
        if (alive)
            l->failed++;
        else
            restart(bus, l);
    } else if (failed > l->failed) {
        l->failed = failed;
        begin_check(l, accepted);
    }
}

/* ---- dialers ------------------------------------------------------------ */

static void on_pipe(nng_pipe pipe, nng_pipe_ev ev, void *arg)
{
    struct ps_dialer *dialer = arg;
    int id = nng_pipe_id(pipe);

    /* A peer of another protocol goes without ever having come. */
    if (ev != NNG_PIPE_EV_ADD_POST) {
        atomic_compare_exchange_strong(&dialer->pipe, &id, 0);
        return;
    }
    atomic_store(&dialer->pipe, id);
    if (dialer->on_connect)
        dialer->on_connect(dialer);
}

static int dial(struct ps_bus *bus, struct ps_dialer *dialer)
{
    int r = ps_bus_dialer_start(bus, dialer->socket, dialer->url, &dialer->nng);

    dialer->started = r == 0;
    dialer->failed = dialer->attempts = 0;
    dialer->suspect = false;
    return r;
}

static uint64_t count_attempts(nng_stat *scope)
{
    static const char *const outcomes[] = {
        "connect", "refused", "disconnect", "canceled", "other",
        "timeout", "proto",   "auth",       "oom",      "reject",
    };
    uint64_t n = 0;

    for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++)
        n += child_value(scope, outcomes[i]);
    return n;
}

static bool stands_still(struct ps_dialer *dialer, nng_stat *stats)
{
    nng_stat *scope = find_stats(stats, "dialer", nng_dialer_id(dialer->nng));
    uint64_t failed = scope ? count_failed(scope) : 0;
    uint64_t attempts = scope ? count_attempts(scope) : 0;

    if (ps_bus_dial_connected(dialer))
        dialer->suspect = false;
    else if (attempts != dialer->attempts)
        dialer->suspect = failed != dialer->failed;
    else if (dialer->suspect)
        return true;
    dialer->failed = failed;
    dialer->attempts = attempts;
    return false;
}

static void watch_dialer(struct ps_bus *bus, struct ps_dialer *dialer,
                         nng_stat *stats)
{
    int r;

    if (dialer->started) {
        if (!stands_still(dialer, stats))
            return;
        nng_dialer_close(dialer->nng);
    }
    r = dial(bus, dialer);
    ps_debug("bus_dialer_restarted", "url=" PS_Q " result=" PS_Q, dialer->url,
             r < 0 ? strerror(-r) : "ok");
}

/* ---- both --------------------------------------------------------------- */

static void on_watch(evutil_socket_t fd _unused_, short what _unused_,
                     void *arg)
{
    struct ps_bus *bus = arg;
    struct ps_dialer *dialer;
    nng_stat *stats;

    if (nng_stats_get(&stats) != 0)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(bus->listeners); i++) {
        if (bus->listeners[i].url)
            watch(bus, &bus->listeners[i], stats);
    }
    LIST_FOREACH(dialer, &bus->dialers, link)
    watch_dialer(bus, dialer, stats);
    nng_stats_free(stats);
}

static int start_watching(struct ps_bus *bus)
{
    const struct timeval tick = {.tv_usec = TICK_NS / 1000};

    if (bus->watch_event)
        return 0;
    bus->watch_event = event_new(bus->base, -1, EV_PERSIST, on_watch, bus);
    if (!bus->watch_event || event_add(bus->watch_event, &tick) < 0)
        return -ENOMEM;
    return 0;
}

int ps_bus_listen(struct ps_bus *bus, nng_socket socket, const char *url,
                  uint16_t peer)
{
    struct ps_listener *l = NULL;
    int r;

    for (size_t i = 0; i < ARRAY_SIZE(bus->listeners) && !l; i++) {
        if (!bus->listeners[i].url)
            l = &bus->listeners[i];
    }
    if (!l)
        return -ENOSPC;
    r = start_watching(bus);
    if (r < 0)
        return r;
    *l = (struct ps_listener){
        .url = strdup(url), .socket = socket, .peer = peer, .check_fd = -1};
    if (!l->url)
        return -ENOMEM;
    r = start(bus, l);
    if (r < 0) {
        free(l->url);
        l->url = NULL;
    }
    return r;
}

int ps_bus_dial(struct ps_bus *bus, struct ps_dialer *dialer, nng_socket socket,
                const char *url)
{
    int r = start_watching(bus);

    if (r < 0)
        return r;
    dialer->url = strdup(url);
    if (!dialer->url)
        return -ENOMEM;
    dialer->socket = socket;
    LIST_INSERT_HEAD(&bus->dialers, dialer, link);
    nng_pipe_notify(socket, NNG_PIPE_EV_ADD_POST, on_pipe, dialer);
    nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, on_pipe, dialer);
    r = dial(bus, dialer);
    if (r < 0)
        ps_bus_dial_end(dialer);
    return r;
}

void ps_bus_dial_end(struct ps_dialer *dialer)
{
    if (!dialer->url)
        return;
    LIST_REMOVE(dialer, link);
    free(dialer->url);
    dialer->url = NULL;
}

bool ps_bus_dial_connected(const struct ps_dialer *dialer)
{
    return atomic_load(&dialer->pipe) != 0;
}

void ps_bus_watch_free(struct ps_bus *bus)
{
    if (bus->watch_event)
        event_free(bus->watch_event);
    bus->watch_event = NULL;
    /* The listeners themselves go with their sockets. */
    for (size_t i = 0; i < ARRAY_SIZE(bus->listeners); i++) {
        if (bus->listeners[i].url)
            end_check(&bus->listeners[i]);
        free(bus->listeners[i].url);
        bus->listeners[i].url = NULL;
    }
}
