/* SPDX-License-Identifier: MIT */
/* Answers and streams. */
#include <sys/socket.h>

#include "gateway/content.h"
#include "gateway/http_internal.h"
#include "gateway/negotiate.h"

#define STREAM_SNDBUF (128 * 1024)

static const struct {
    unsigned int status;
    const char *reason;
} reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

static const char always[] =
    "Content-Security-Policy: default-src 'self'; script-src 'self'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "X-Frame-Options: DENY\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n";

/* A browser that was here over TLS does not come without again, for a year. */
static const char always_tls[] =
    "Strict-Transport-Security: max-age=31536000\r\n";

const char *ps_http_reason(unsigned int status)
{
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Status";
}

/* Made once a second. */
static void add_date(struct ps_http *http, struct evbuffer *out)
{
    struct tm tm;
    time_t now = time(NULL);

    if (now != http->date_s && gmtime_r(&now, &tm) &&
        strftime(http->date, sizeof(http->date),
                 "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm))
        http->date_s = now;
    evbuffer_add(out, http->date, strlen(http->date));
}

static void add_text(struct evbuffer *out, const char *text)
{
    evbuffer_add(out, text, strlen(text));
}

/* What every answer begins with. */
static void begin_head(struct ps_http_conn *conn, struct evbuffer *out,
                       unsigned int status)
{
    conn->http->stats.requests[status / 100 % 6]++;
    if (status == 200)
        add_text(out, "HTTP/1.1 200 OK\r\n");
    else
        evbuffer_add_printf(out, "HTTP/1.1 %u %s\r\n", status,
                            ps_http_reason(status));
    add_date(conn->http, out);
}

/* What every answer ends with; decides whether the connection closes. */
static void end_head(struct ps_http_conn *conn, struct evbuffer *out)
{
    if (conn->http->draining)
        conn->close = true;
    evbuffer_add(out, always, sizeof(always) - 1);
    if (conn->http->tls)
        evbuffer_add(out, always_tls, sizeof(always_tls) - 1);
    add_text(out, conn->req->lines);
    if (conn->close)
        add_text(out, "Connection: close\r\n");
    else if (conn->req->head.minor == 0)
        /* The client of HTTP/1.0 is told when the connection stays open. */
        add_text(out, "Connection: keep-alive\r\n");
}

static void add_fields(struct evbuffer *out, const struct ps_http_field *fields)
{
    bool cached = false;

    for (; fields && fields->name; fields++) {
        cached |= ps_streq(fields->name, "Cache-Control");
        evbuffer_add_printf(out, "%s: %s\r\n", fields->name, fields->value);
    }
    if (!cached)
        add_text(out, "Cache-Control: no-store\r\n");
}

/* Gives out to the kernel now, what it does not take to the bufferevent: most
 * answers so cost one writev() and no turn of the loop. */
static void send_out(struct ps_http_conn *conn, struct evbuffer *out)
{
    ps_http_request_free(conn->req);
    if (!conn->http->tls &&
        evbuffer_get_length(bufferevent_get_output(conn->bev)) == 0)
        (void)evbuffer_write(out, bufferevent_getfd(conn->bev));
    if (evbuffer_get_length(out) == 0) {
        ps_http_conn_sent(conn);
        return;
    }
    ps_http_conn_phase(conn, PHASE_REPLY);
    bufferevent_write_buffer(conn->bev, out);
}

/* NULL: the client left, and the request is gone. */
static struct ps_http_conn *begin_reply(struct ps_http_request *req,
                                        unsigned int status)
{
    struct ps_http_conn *conn = req->priv->conn;

    if (!conn) {
        req->priv->http->stats.requests[status / 100 % 6]++;
        ps_http_request_free(req);
    }
    return conn;
}

void ps_http_reply(struct ps_http_request *req, unsigned int status,
                   const struct ps_http_field *fields, struct evbuffer *body)
{
    bool head_only = req->head.method == PS_HTTP_HEAD;
    struct ps_http_conn *conn = begin_reply(req, status);
    struct evbuffer *out;

    if (!conn) {
        if (body)
            evbuffer_free(body);
        return;
    }
    out = conn->http->out;
    begin_head(conn, out, status);
    add_fields(out, fields);
    end_head(conn, out);
    if (status != 204 && status != 304)
        evbuffer_add_printf(out, "Content-Length: %zu\r\n",
                            body ? evbuffer_get_length(body) : 0);
    evbuffer_add(out, "\r\n", 2);
    if (body && !head_only)
        evbuffer_add_buffer(out, body);
    if (body)
        evbuffer_free(body);
    send_out(conn, out);
}

static void release_content(const void *data _unused_, size_t len _unused_,
                            void *arg)
{
    ps_content_unref(arg);
}

void ps_http_reply_content(struct ps_http_request *req,
                           struct ps_content *content, const char *lines)
{
    const struct ps_content_form *form =
        ps_content_form(content, ps_takes_gzip(&req->head));
    bool known = ps_has_etag(&req->head, form->etag);
    bool head_only = known || req->head.method == PS_HTTP_HEAD;
    struct ps_http_conn *conn = begin_reply(req, known ? 304 : 200);
    struct evbuffer *out;

    if (!conn)
        return;
    out = conn->http->out;
    begin_head(conn, out, known ? 304 : 200);
    evbuffer_add(out, form->head, known ? form->shared_len : form->head_len);
    if (lines)
        add_text(out, lines);
    end_head(conn, out);
    evbuffer_add(out, "\r\n", 2);
    if (!head_only && form->len > 0 &&
        evbuffer_add_reference(out, form->data, form->len, release_content,
                               content) == 0)
        ps_content_ref(content);
    send_out(conn, out);
}

static void on_deferred(evutil_socket_t fd _unused_, short what _unused_,
                        void *arg)
{
    struct ps_http_request_private *priv = arg;

    priv->deferred(priv->deferred_arg, &priv->req);
}

int ps_http_defer(struct ps_http_request *req, uint64_t ns,
                  void (*fn)(void *arg, struct ps_http_request *req), void *arg)
{
    struct ps_http_request_private *priv = req->priv;
    struct timeval tv = {
        .tv_sec = (time_t)(ns / PS_NS_PER_S),
        .tv_usec = (suseconds_t)(ns % PS_NS_PER_S / 1000),
    };

    if (priv->timer)
        return -EBUSY;
    priv->timer = evtimer_new(priv->http->base, on_deferred, priv);
    if (!priv->timer)
        return -ENOMEM;
    priv->deferred = fn;
    priv->deferred_arg = arg;
    evtimer_add(priv->timer, &tv);
    return 0;
}

int ps_http_stream(struct ps_http_request *req,
                   const struct ps_http_field *fields,
                   const struct ps_http_stream_ops *ops, void *arg)
{
    struct ps_http_conn *conn = req->priv->conn;
    struct evbuffer *out;
    int size = STREAM_SNDBUF;

    if (!conn || conn->eof) {
        if (conn)
            ps_http_conn_free(conn);
        ps_http_request_free(req);
        return -EPIPE;
    }
    /* Else the kernel would hold megabytes for a client that stalls. */
    setsockopt(bufferevent_getfd(conn->bev), SOL_SOCKET, SO_SNDBUF, &size,
               sizeof(size));
    conn->close = true;
    out = bufferevent_get_output(conn->bev);
    begin_head(conn, out, 200);
    add_fields(out, fields);
    end_head(conn, out);
    evbuffer_add(out, "\r\n", 2);
    req->priv->stream = ops;
    req->priv->stream_arg = arg;
    ps_http_conn_phase(conn, PHASE_STREAM);
    /* What it sent ahead is of no use now. */
    ps_http_conn_read(conn);
    return 0;
}

/* What the kernel takes at once: one call instead of the three that a wait for
 * room costs. An error shows again when the rest is sent. */
static size_t send_now(const struct ps_http_conn *conn, const void *data,
                       size_t len)
{
    ssize_t n = 0;

    if (!conn->http->tls)
        n = send(bufferevent_getfd(conn->bev), data, len,
                 MSG_DONTWAIT | MSG_NOSIGNAL);
    return n > 0 ? (size_t)n : 0;
}

int ps_http_stream_add(struct ps_http_request *req, const void *data,
                       size_t len, evbuffer_ref_cleanup_cb release, void *arg)
{
    struct ps_http_conn *conn = req->priv->conn;
    struct evbuffer *out = bufferevent_get_output(conn->bev);
    size_t sent = 0;
    int r = 0;

    if (evbuffer_get_length(out) == 0)
        sent = send_now(conn, data, len);
    if (sent == len) {
        if (release)
            release(data, len, arg);
        return 0;
    }
    if (evbuffer_get_length(out) + len - sent > conn->http->limits->max_stream)
        r = -ENOBUFS;
    else if (evbuffer_add_reference(out, (const char *)data + sent, len - sent,
                                    release, arg) < 0)
        r = -ENOMEM;
    if (r < 0 && release)
        release(data, len, arg);
    return r;
}

size_t ps_http_stream_pending(const struct ps_http_request *req)
{
    return evbuffer_get_length(bufferevent_get_output(req->priv->conn->bev));
}

void ps_http_stream_end(struct ps_http_request *req)
{
    req->priv->stream = NULL;
    ps_http_conn_free(req->priv->conn);
}
