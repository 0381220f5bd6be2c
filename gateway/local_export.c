/* SPDX-License-Identifier: MIT */
/*
 * GET traces/{id}/export: chunks of the tracer's, one asked for when the
 * client has taken the one before, sent with "Transfer-Encoding: chunked" (a
 * client of HTTP/1.0 gets them as they are). What ends without its last chunk
 * was cut off: the client sees that.
 */
#include "common/json.h"
#include "gateway/ask.h"
#include "gateway/local.h"

/* Given to the connection at once: less than any stream's buffer. */
#define PIECE ((size_t)64 << 10)

struct download {
    struct ps_gateway *gateway;
    struct ps_http_request *req; /* NULL: the client has left */
    const struct ps_route *route;
    Ps__ExportRequest *ask;
    struct event *stalled;
    uint8_t *data; /* of the chunk, len bytes, sent of them given on */
    size_t len, sent;
    bool streaming, asking, last, finished;
};

static void download_free(struct download *d)
{
    if (d->stalled)
        event_free(d->stalled);
    ps__export_request__free_unpacked(d->ask, NULL);
    free(d->data);
    free(d);
}

/* Nothing more comes; without the last piece the client knows that. */
static void download_end(struct download *d)
{
    if (d->req && d->streaming)
        ps_http_stream_end(d->req);
    d->req = NULL;
    if (!d->asking)
        download_free(d);
}

static void on_close(void *arg)
{
    struct download *d = arg;

    d->req = NULL;
    if (!d->asking)
        download_free(d);
}

static void on_stalled(evutil_socket_t fd _unused_, short what _unused_,
                       void *arg)
{
    download_end(arg);
}

static void free_piece(const void *data _unused_, size_t len _unused_,
                       void *arg)
{
    free(arg);
}

/* ---- pieces ------------------------------------------------------------- */

static int add_piece(struct download *d, const uint8_t *data, size_t len)
{
    bool framed = d->req->head.minor > 0;
    char *piece = malloc(len + 32);
    size_t n = 0;

    if (!piece)
        return -ENOMEM;
    if (framed)
        n = (size_t)snprintf(piece, 24, "%zx\r\n", len);
    if (len)
        memcpy(piece + n, data, len);
    n += len;
    if (framed) {
        piece[n++] = '\r';
        piece[n++] = '\n';
    }
    if (n == 0) {
        free(piece);
        return 0;
    }
    return ps_http_stream_add(d->req, piece, n, free_piece, piece);
}

static int ask_next(struct download *d);

static void arm(struct download *d)
{
    uint64_t ns = d->gateway->config->reply_timeout;
    const struct timeval tv = {
        .tv_sec = (time_t)(ns / PS_NS_PER_S),
        .tv_usec = (suseconds_t)(ns % PS_NS_PER_S / 1000),
    };

    event_add(d->stalled, &tv);
}

/* As much as the client takes now. */
static void send_more(struct download *d)
{
    int r = 0;

    arm(d);
    while (r == 0 && ps_http_stream_pending(d->req) == 0) {
        size_t left = d->len - d->sent;
        size_t n = left < PIECE ? left : PIECE;

        if (n > 0) {
            r = add_piece(d, d->data + d->sent, n);
            d->sent += n;
        } else if (d->finished) {
            download_end(d);
            return;
        } else if (d->last) {
            /* An empty piece is the end. */
            r = add_piece(d, NULL, 0);
            d->finished = true;
        } else if (d->asking) {
            return;
        } else {
            r = ask_next(d);
        }
    }
    if (r < 0)
        download_end(d);
}

static void on_drain(void *arg)
{
    send_more(arg);
}

/* ---- chunks ------------------------------------------------------------- */

static int begin_stream(struct download *d)
{
    static const struct ps_http_stream_ops ops = {on_close, on_drain};
    bool lines = ps_streq(d->ask->format, "jsonl");
    char name[128];
    const struct ps_http_field fields[] = {
        {"Content-Type", lines ? "application/jsonl" : "application/x-pcapng"},
        {"Content-Disposition", name},
        {d->req->head.minor > 0 ? "Transfer-Encoding" : NULL, "chunked"},
        {NULL, NULL},
    };

    snprintf(name, sizeof(name), "attachment; filename=\"trace-%.64s.%s\"",
             d->ask->id, lines ? "jsonl" : "pcapng");
    if (ps_http_stream(d->req, fields, &ops, d) < 0) {
        d->req = NULL;
        return -EPIPE;
    }
    d->streaming = true;
    if (d->req->head.method == PS_HTTP_HEAD)
        d->finished = true;
    return 0;
}

static int take_chunk(struct download *d, const Ps__ExportChunk *chunk)
{
    free(d->ask->cursor);
    d->ask->cursor = NULL;
    if (chunk->next_cursor) {
        d->ask->cursor = strdup(chunk->next_cursor);
        if (!d->ask->cursor)
            return -ENOMEM;
    }
    d->last = !chunk->next_cursor;
    free(d->data);
    d->data = NULL;
    d->len = d->sent = 0;
    if (chunk->data.len == 0 || d->finished)
        return 0;
    d->data = malloc(chunk->data.len);
    if (!d->data)
        return -ENOMEM;
    memcpy(d->data, chunk->data.data, chunk->data.len);
    d->len = chunk->data.len;
    return 0;
}

static void on_chunk(void *arg, int result, const ProtobufCMessage *reply,
                     const Ps__Error *error)
{
    struct download *d = arg;

    d->asking = false;
    if (!d->req) {
        download_free(d);
        return;
    }
    if (!d->streaming && result < 0) {
        ps_ask_fail(d->req, d->route, result, error);
        download_free(d);
        return;
    }
    if (!d->streaming && begin_stream(d) < 0) {
        download_free(d);
        return;
    }
    if (result < 0 || take_chunk(d, (const Ps__ExportChunk *)reply) < 0)
        download_end(d);
    else
        send_more(d);
}

static int ask_next(struct download *d)
{
    int r;

    d->asking = true;
    r = ps_ask_send(d->gateway, d->req, d->route, &d->ask->base, NULL, on_chunk,
                    d);
    if (r < 0)
        d->asking = false;
    return r;
}

/* ---- the request -------------------------------------------------------- */

static Ps__ExportRequest *copy_ask(const ProtobufCMessage *msg)
{
    size_t len = protobuf_c_message_get_packed_size(msg);
    _cleanup_free_ uint8_t *data = malloc(len ? len : 1);

    if (!data)
        return NULL;
    protobuf_c_message_pack(msg, data);
    return ps__export_request__unpack(NULL, len, data);
}

static const struct ps_route *find_route(void)
{
    size_t n;
    const struct ps_route *routes = ps_routes(&n);

    for (size_t i = 0; i < n; i++)
        if (routes[i].local == ps_local_export)
            return &routes[i];
    return NULL;
}

void ps_local_export(struct ps_gateway *gateway, struct ps_http_request *req,
                     const ProtobufCMessage *msg)
{
    struct download *d = calloc(1, sizeof(*d));
    int r = -ENOMEM;

    if (!d) {
        ps_ask_no_memory(req);
        return;
    }
    *d = (struct download){
        .gateway = gateway, .req = req, .route = find_route()};
    d->ask = copy_ask(msg);
    d->stalled = evtimer_new(ps_daemon_base(gateway->daemon), on_stalled, d);
    if (d->ask && d->stalled)
        r = ask_next(d);
    if (r < 0) {
        ps_ask_fail(req, d->route, r, NULL);
        download_free(d);
    }
}
