/* SPDX-License-Identifier: MIT */
/* One connection: its bytes become requests. */
#include "gateway/http_internal.h"
#include "gateway/problem.h"

static const char cut_short[] = "The request ended before it was complete.";

struct ps_http_request *ps_http_request_new(struct ps_http_conn *conn)
{
    struct ps_http_request_private *priv = calloc(1, sizeof(*priv));

    if (!priv)
        return NULL;
    priv->req.priv = priv;
    priv->http = conn->http;
    priv->conn = conn;
    memcpy(priv->req.client, conn->client, sizeof(priv->req.client));
    priv->req.addr = conn->addr;
    priv->req.lines = "";
    TAILQ_INSERT_TAIL(&conn->http->requests, priv, link);
    conn->req = &priv->req;
    conn->known = false;
    return conn->req;
}

void ps_http_request_free(struct ps_http_request *req)
{
    struct ps_http_request_private *priv = req->priv;

    if (priv->conn)
        priv->conn->req = NULL;
    if (priv->timer)
        event_free(priv->timer);
    TAILQ_REMOVE(&priv->http->requests, priv, link);
    free(priv->head_text);
    free(req->body);
    free(priv);
}

void ps_http_conn_fail(struct ps_http_conn *conn, unsigned int status,
                       const char *detail)
{
    static const struct {
        unsigned int status;
        const char *id;
    } ids[] = {
        {400, "request.malformed"},      {408, "request.timeout"},
        {411, "request.length_needed"},  {414, "request.target_too_long"},
        {417, "request.expectation"},    {431, "request.head_too_large"},
        {501, "request.method_unknown"}, {505, "request.version"},
    };
    struct ps_problem problem = {
        .id = "request.malformed", .status = status, .detail = detail};

    conn->close = true;
    if (!conn->req && !ps_http_request_new(conn)) {
        ps_http_conn_free(conn);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
        if (ids[i].status == status)
            problem.id = ids[i].id;
    ps_problem_reply(conn->req, &problem, NULL);
}

static void dispatch(struct ps_http_conn *conn)
{
    ps_http_conn_phase(conn, PHASE_HANDLE);
    conn->http->ops->handle(conn->http->arg, conn->req);
}

static void read_body(struct ps_http_conn *conn)
{
    struct ps_http_request *req = conn->req;
    struct ps_http_request_private *priv = req->priv;
    int n;

    do {
        n = evbuffer_remove(bufferevent_get_input(conn->bev),
                            req->body + priv->body_have,
                            req->body_len - priv->body_have);
        if (n > 0)
            priv->body_have += (size_t)n;
    } while (priv->body_have < req->body_len && ps_http_conn_pull(conn));
    if (priv->body_have == req->body_len)
        dispatch(conn);
    else if (conn->eof)
        ps_http_conn_fail(conn, 400, cut_short);
}

static void begin_body(struct ps_http_conn *conn)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct ps_http_request *req = conn->req;
    uint64_t length = req->head.content_length;

    if (length > conn->http->ops->body_limit(conn->http->arg, req)) {
        req->body_refused = true;
        conn->close = true;
        dispatch(conn);
        return;
    }
    req->body = malloc((size_t)length + 1);
    if (!req->body) {
        ps_http_conn_free(conn);
        return;
    }
    req->body[length] = '\0';
    req->body_len = (size_t)length;
    ps_http_conn_phase(conn, PHASE_BODY);
    if (req->head.expect_continue)
        bufferevent_write(conn->bev, go_on, sizeof(go_on) - 1);
    read_body(conn);
}

static void take_head(struct ps_http_conn *conn, size_t len)
{
    struct evbuffer *in = bufferevent_get_input(conn->bev);
    _cleanup_free_ char *text = malloc(len + 1);
    struct ps_http_request *req = ps_http_request_new(conn);
    const char *detail = NULL;
    unsigned int status;

    if (!text || !req) {
        ps_http_conn_free(conn);
        return;
    }
    evbuffer_remove(in, text, len);
    text[len] = '\0';
    req->priv->head_text = TAKE_PTR(text);
    status = ps_head_parse(req->priv->head_text, len, &req->head, &detail);
    if (status) {
        ps_http_conn_fail(conn, status, detail);
        return;
    }
    conn->close = !req->head.keep_alive;
    if (req->head.content_length > 0)
        begin_body(conn);
    else
        dispatch(conn);
}

static void read_head(struct ps_http_conn *conn)
{
    struct evbuffer *in = bufferevent_get_input(conn->bev);
    uint64_t max = conn->http->limits->max_head;
    struct evbuffer_ptr from, end;
    size_t len = evbuffer_get_length(in);

    if (evbuffer_ptr_set(in, &from, conn->scanned, EVBUFFER_PTR_SET) < 0)
        return;
    end = evbuffer_search(in, "\r\n\r\n", 4, &from);
    if (end.pos >= 0 && (uint64_t)end.pos + 4 <= max) {
        conn->scanned = 0;
        take_head(conn, (size_t)end.pos + 4);
    } else if (len > max) {
        ps_http_conn_fail(conn, 431,
                          "The head of the request is too large: send fewer "
                          "or shorter header lines.");
    } else {
        conn->scanned = len > 3 ? len - 3 : 0;
        if (conn->eof)
            ps_http_conn_fail(conn, 400, cut_short);
    }
}

/* The first byte: an empty line is forgiven, what is not HTTP is not. */
static void read_first(struct ps_http_conn *conn)
{
    struct evbuffer *in = bufferevent_get_input(conn->bev);
    unsigned char c = 0;

    while (evbuffer_copyout(in, &c, 1) == 1 && (c == '\r' || c == '\n'))
        evbuffer_drain(in, 1);
    if (evbuffer_get_length(in) == 0) {
        if (conn->eof)
            ps_http_conn_free(conn);
        return;
    }
    conn->scanned = 0;
    ps_http_conn_phase(conn, PHASE_HEAD);
    if (c < 'A' || c > 'Z')
        ps_http_conn_fail(conn, 400,
                          conn->http->tls ? "This is not HTTP."
                                          : "This is not HTTP; TLS is not "
                                            "spoken on this port.");
    else
        read_head(conn);
}

static void drop_input(struct ps_http_conn *conn)
{
    struct evbuffer *in = bufferevent_get_input(conn->bev);

    evbuffer_drain(in, evbuffer_get_length(in));
}

void ps_http_conn_eof(struct ps_http_conn *conn)
{
    conn->eof = true;
    if (conn->phase == PHASE_HEAD || conn->phase == PHASE_BODY)
        /* It may have shut only its sending side, and read the answer. */
        ps_http_conn_fail(conn, 400, cut_short);
    else if (conn->phase != PHASE_HANDLE && conn->phase != PHASE_REPLY)
        ps_http_conn_free(conn);
}

void ps_http_conn_read(struct ps_http_conn *conn)
{
    static void (*const readers[])(struct ps_http_conn *conn) = {
        [PHASE_IDLE] = read_first,   [PHASE_HEAD] = read_head,
        [PHASE_BODY] = read_body,    [PHASE_STREAM] = drop_input,
        [PHASE_LINGER] = drop_input,
    };

    if (readers[conn->phase])
        readers[conn->phase](conn);
}

void ps_http_conn_sent(struct ps_http_conn *conn)
{
    bool more = ps_http_conn_pull(conn) ||
                evbuffer_get_length(bufferevent_get_input(conn->bev)) > 0;

    if (conn->close || conn->http->draining || (conn->eof && !more)) {
        /* Closing with unread input would reset what was just sent. */
        ps_http_conn_phase(conn, PHASE_LINGER);
        ps_http_conn_shut(conn);
        drop_input(conn);
        if (conn->eof)
            ps_http_conn_free(conn);
        return;
    }
    ps_http_conn_phase(conn, PHASE_IDLE);
    /* In a turn of its own: a client that sends many requests ahead neither
     * makes the stack deep nor others wait. */
    if (more)
        bufferevent_trigger(conn->bev, EV_READ,
                            BEV_TRIG_IGNORE_WATERMARKS |
                                BEV_TRIG_DEFER_CALLBACKS);
}
