/* SPDX-License-Identifier: MIT */
/* The listener, and what all connections share. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "gateway/http_internal.h"
#include "gateway/problem.h"

#define BACKLOG         512
#define USER_TIMEOUT_MS 30000
#define ACCEPT_RETRY_US 100000

static void on_read(struct bufferevent *bev _unused_, void *arg)
{
    ps_http_conn_read(arg);
}

static void on_write(struct bufferevent *bev _unused_, void *arg)
{
    struct ps_http_conn *conn = arg;

    if (conn->phase == PHASE_REPLY)
        ps_http_conn_sent(conn);
    else if (conn->phase == PHASE_STREAM && conn->req->priv->stream)
        conn->req->priv->stream->on_drain(conn->req->priv->stream_arg);
}

static void on_event(struct bufferevent *bev _unused_, short what, void *arg)
{
    struct ps_http_conn *conn = arg;

    if (what & BEV_EVENT_CONNECTED)
        ps_http_conn_phase(conn, PHASE_IDLE);
    else if (conn->phase == PHASE_HELLO)
        ps_http_conn_no_tls(conn);
    else if (what & BEV_EVENT_EOF)
        ps_http_conn_eof(conn);
    else
        ps_http_conn_free(conn);
}

static void on_timeout(evutil_socket_t fd _unused_, short what _unused_,
                       void *arg)
{
    struct ps_http_conn *conn = arg;

    if (conn->phase == PHASE_HEAD || conn->phase == PHASE_BODY) {
        conn->http->stats.timed_out++;
        ps_http_conn_fail(conn, 408,
                          "The request did not come in whole in time; send "
                          "it again, faster.");
        return;
    }
    ps_http_conn_free(conn);
}

/* Of those who are known; see rank_of() for the others. */
static const enum ps_http_rank ranks[] = {
    [PHASE_HELLO] = RANK_UNKNOWN, [PHASE_IDLE] = RANK_IDLE,
    [PHASE_HEAD] = RANK_UNKNOWN,  [PHASE_BODY] = RANK_BUSY,
    [PHASE_HANDLE] = RANK_BUSY,   [PHASE_REPLY] = RANK_BUSY,
    [PHASE_STREAM] = RANK_BUSY,   [PHASE_LINGER] = RANK_UNKNOWN,
};

static struct ps_http_conn_list *list_of(const struct ps_http_conn *conn)
{
    return &conn->http->conns[conn->rank];
}

/* Nobody is busy for strangers. */
static enum ps_http_rank rank_of(const struct ps_http_conn *conn)
{
    enum ps_http_rank rank = ranks[conn->phase];

    return rank == RANK_BUSY && !conn->known ? RANK_UNKNOWN : rank;
}

/* Who stays in a rank keeps its place: a request of many steps gets no
 * younger by them. */
static void rank_again(struct ps_http_conn *conn)
{
    enum ps_http_rank rank = rank_of(conn);

    if (rank == conn->rank)
        return;
    TAILQ_REMOVE(list_of(conn), conn, link);
    conn->rank = rank;
    TAILQ_INSERT_TAIL(list_of(conn), conn, link);
}

void ps_http_know(struct ps_http_request *req)
{
    struct ps_http_conn *conn = req->priv->conn;

    if (!conn)
        return;
    conn->known = true;
    rank_again(conn);
}

void ps_http_conn_phase(struct ps_http_conn *conn, enum ps_http_phase phase)
{
    const struct ps_http_limits *limits = conn->http->limits;
    const uint64_t deadline[] = {
        [PHASE_HELLO] = limits->head_ns,
        [PHASE_IDLE] = limits->idle_ns,
        [PHASE_HEAD] = limits->head_ns,
        [PHASE_BODY] = limits->body_ns,
        [PHASE_HANDLE] = 0,
        [PHASE_REPLY] = limits->reply_ns,
        [PHASE_STREAM] = 0,
        [PHASE_LINGER] = PS_NS_PER_S,
    };
    struct timeval tv = {
        .tv_sec = (time_t)(deadline[phase] / PS_NS_PER_S),
        .tv_usec = (suseconds_t)(deadline[phase] % PS_NS_PER_S / 1000),
    };

    conn->phase = phase;
    rank_again(conn);
    if (deadline[phase])
        evtimer_add(conn->timer, &tv);
    else
        evtimer_del(conn->timer);
}

void ps_http_conn_free(struct ps_http_conn *conn)
{
    struct ps_http *http = conn->http;

    TAILQ_REMOVE(list_of(conn), conn, link);
    http->stats.conns--;
    http->ops->disconnect(http->arg, &conn->addr);
    if (conn->req) {
        struct ps_http_request_private *priv = conn->req->priv;

        priv->conn = NULL;
        /* A handler that has it will answer; the others are ours to free. */
        if (conn->phase == PHASE_STREAM && priv->stream)
            priv->stream->on_close(priv->stream_arg);
        if (conn->phase != PHASE_HANDLE)
            ps_http_request_free(conn->req);
    }
    if (conn->timer)
        event_free(conn->timer);
    bufferevent_free(conn->bev);
    free(conn);
}

static struct ps_addr client_addr(const struct sockaddr *sa)
{
    struct ps_addr addr = {0};

    if (sa->sa_family == AF_INET) {
        addr.family = 4;
        memcpy(addr.bytes, &((const struct sockaddr_in *)sa)->sin_addr, 4);
    } else if (sa->sa_family == AF_INET6) {
        addr.family = 6;
        memcpy(addr.bytes, &((const struct sockaddr_in6 *)sa)->sin6_addr, 16);
    }
    return addr;
}

/*
 * A full house: who is idle longest goes, then whose request is oldest among
 * those without a token, whether it is half there, waits or does not read its
 * answer; or the new one. So only who has a token can fill the house.
 */
static bool make_room(struct ps_http *http)
{
    struct ps_http_conn *oldest = TAILQ_FIRST(&http->conns[RANK_IDLE]);

    if (http->stats.conns < http->limits->max_conns)
        return true;
    if (!oldest) {
        oldest = TAILQ_FIRST(&http->conns[RANK_UNKNOWN]);
        http->stats.refused += oldest ? 1 : 0;
    }
    if (!oldest)
        return false;
    ps_http_conn_free(oldest);
    return true;
}

/* Who wants TLS would not understand it. */
static void refuse(const struct ps_http *http, int fd)
{
    static const char text[] = "HTTP/1.1 503 Service Unavailable\r\n"
                               "Connection: close\r\n"
                               "Retry-After: 1\r\n"
                               "Content-Length: 0\r\n\r\n";

    if (!http->tls)
        (void)!send(fd, text, sizeof(text) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    close(fd);
}

/* NULL: no memory; the descriptor is closed. */
static struct ps_http_conn *conn_new(struct ps_http *http, int fd,
                                     const struct ps_addr *addr)
{
    struct ps_http_conn *conn = calloc(1, sizeof(*conn));

    if (!conn) {
        close(fd);
        return NULL;
    }
    conn->http = http;
    conn->addr = *addr;
    conn->phase = http->tls ? PHASE_HELLO : PHASE_IDLE;
    conn->rank = rank_of(conn);
    ps_addr_format(addr, conn->client);
    conn->bev = ps_http_transport(http, fd);
    if (!conn->bev) {
        free(conn);
        return NULL;
    }
    conn->timer = evtimer_new(http->base, on_timeout, conn);
    if (!conn->timer) {
        bufferevent_free(conn->bev);
        free(conn);
        return NULL;
    }
    return conn;
}

static void on_accept(struct evconnlistener *listener _unused_,
                      evutil_socket_t fd, struct sockaddr *sa, int len _unused_,
                      void *arg)
{
    struct ps_http *http = arg;
    const struct ps_addr addr = client_addr(sa);
    struct ps_http_conn *conn;
    int one = 1, timeout = USER_TIMEOUT_MS;

    if (!http->ops->connect(http->arg, &addr)) {
        http->stats.refused++;
        refuse(http, fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
    if (!make_room(http)) {
        refuse(http, fd);
        conn = NULL;
    } else {
        conn = conn_new(http, fd, &addr);
    }
    if (!conn) {
        http->ops->disconnect(http->arg, &addr);
        http->stats.refused++;
        return;
    }
    TAILQ_INSERT_TAIL(list_of(conn), conn, link);
    http->stats.conns++;
    http->stats.accepted++;
    bufferevent_setcb(conn->bev, on_read, on_write, on_event, conn);
    /* One byte more than allowed, so that too long is seen. */
    bufferevent_setwatermark(conn->bev, EV_READ, 0,
                             (size_t)http->limits->max_head + 1);
    ps_http_conn_phase(conn, conn->phase);
    bufferevent_enable(conn->bev, EV_READ | EV_WRITE);
}

/* Descriptors ran out: those that wait stay in the kernel's queue. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    struct ps_http *http = arg;
    struct timeval tv = {.tv_usec = ACCEPT_RETRY_US};

    http->stats.refused++;
    evconnlistener_disable(listener);
    evtimer_add(http->resume, &tv);
}

static void on_resume(evutil_socket_t fd _unused_, short what _unused_,
                      void *arg)
{
    struct ps_http *http = arg;

    if (http->listener)
        evconnlistener_enable(http->listener);
}

int ps_http_new(struct event_base *base, int fd,
                const struct ps_http_limits *limits,
                const struct ps_http_ops *ops, void *arg,
                struct ps_http **ret_http)
{
    _cleanup_(ps_http_free) struct ps_http *http = calloc(1, sizeof(*http));

    if (!http) {
        close(fd);
        return -ENOMEM;
    }
    http->base = base;
    http->limits = limits;
    http->ops = ops;
    http->arg = arg;
    for (size_t i = 0; i < RANKS; i++)
        TAILQ_INIT(&http->conns[i]);
    TAILQ_INIT(&http->requests);
    http->out = evbuffer_new();
    http->resume = evtimer_new(base, on_resume, http);
    http->listener = evconnlistener_new(
        base, on_accept, http, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC,
        BACKLOG, fd);
    if (!http->listener)
        close(fd);
    if (!http->listener || !http->resume || !http->out)
        return -ENOMEM;
    evconnlistener_set_error_cb(http->listener, on_accept_error);
    *ret_http = TAKE_PTR(http);
    return 0;
}

void ps_http_set_tls(struct ps_http *http, struct ps_tls *tls)
{
    http->tls = tls;
}

void ps_http_drain(struct ps_http *http)
{
    struct ps_http_conn *conn;

    http->draining = true;
    if (http->listener)
        evconnlistener_free(http->listener);
    http->listener = NULL;
    while ((conn = TAILQ_FIRST(&http->conns[RANK_IDLE])))
        ps_http_conn_free(conn);
}

/* What is queued goes to the kernel as far as it takes it at once. */
static void flush(struct ps_http_conn *conn)
{
    struct evbuffer *out = bufferevent_get_output(conn->bev);

    if (conn->http->tls)
        return;
    evbuffer_unfreeze(out, 1);
    (void)evbuffer_write(out, bufferevent_getfd(conn->bev));
}

void ps_http_free(struct ps_http **http)
{
    struct ps_http *h = *http;
    struct ps_http_conn *conn;
    struct ps_http_request_private *priv;

    if (!h)
        return;
    ps_http_drain(h);
    for (size_t i = 0; i < RANKS; i++)
        while ((conn = TAILQ_FIRST(&h->conns[i]))) {
            flush(conn);
            ps_http_conn_free(conn);
        }
    while ((priv = TAILQ_FIRST(&h->requests)))
        ps_http_request_free(&priv->req);
    if (h->resume)
        event_free(h->resume);
    if (h->out)
        evbuffer_free(h->out);
    free(h);
    *http = NULL;
}

const struct ps_http_stats *ps_http_stats(const struct ps_http *http)
{
    return &http->stats;
}
