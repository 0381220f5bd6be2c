/* SPDX-License-Identifier: MIT */
/*
 * An HTTP/1.1 server on libevent's bufferevents, on the daemon's loop.
 *
 * libevent's own evhttp (2.1) is not used: it has no deadline for a whole
 * request, one status for all that is too long, answers its errors as HTML,
 * stops reading while it answers (so a stream's hang-up is not seen) and does
 * not bound its connections.
 *
 * One request at a time for each connection; what a client sends ahead waits
 * in its buffer. Memory for a connection: max_head, the body (max_body, only
 * if body_limit allows it), one reply, or max_stream for a stream.
 */
#ifndef PS_GATEWAY_HTTP_H
#define PS_GATEWAY_HTTP_H

#include <event2/buffer.h>
#include <event2/event.h>

#include "common/net.h"
#include "gateway/head.h"
#include "gateway/identity.h"

struct ps_content;
struct ps_http;
struct ps_http_conn;
struct ps_tls;

struct ps_http_limits {
    uint64_t max_head, max_body, max_stream; /* bytes */
    uint64_t max_conns;
    /* From the first byte to the end of the head, and for TLS's handshake; of
     * the body; between two requests; to take the whole reply. */
    uint64_t head_ns, body_ns, idle_ns, reply_ns;
};

/*
 * A request given to handle(). It lives until ps_http_reply(), or, for a
 * stream, until on_close() or ps_http_stream_end(); a client that leaves
 * earlier is not told to who answers: the reply is dropped.
 */
struct ps_http_request {
    struct ps_head head;
    char *body; /* NUL after body_len bytes; NULL: none */
    size_t body_len;
    bool body_refused; /* larger than body_limit(): was not read */
    char client[PS_ADDR_TEXT];
    struct ps_addr addr; /* the same */
    /* Lines for the head of the answer, each with CRLF, "" none: the
     * handler's to set; borrowed. */
    const char *lines;
    const struct ps_identity *who; /* NULL: nobody; else &identity */
    struct ps_identity identity;   /* both are the handler's to set */
    struct ps_http_request_private *priv;
};

struct ps_http_ops {
    /* Bytes of body that this request may have; asked when it has one. */
    size_t (*body_limit)(void *arg, struct ps_http_request *req);
    void (*handle)(void *arg, struct ps_http_request *req);
    /* Whether a client may have one more connection, and that one of those
     * that were let in has ended. */
    bool (*connect)(void *arg, const struct ps_addr *addr);
    void (*disconnect)(void *arg, const struct ps_addr *addr);
};

struct ps_http_stats {
    uint64_t requests[6]; /* by the status's first digit; [0] unused */
    uint64_t accepted, refused, timed_out;
    uint64_t no_tls; /* ended before TLS was agreed on */
    uint64_t conns;  /* now */
};

/* Takes the bound socket, also on error. ops and limits are borrowed. */
int ps_http_new(struct event_base *base, int fd,
                const struct ps_http_limits *limits,
                const struct ps_http_ops *ops, void *arg,
                struct ps_http **ret_http);
/* All connections from now on speak TLS. Borrowed. */
void ps_http_set_tls(struct ps_http *http, struct ps_tls *tls);
/* No new connections; idle ones are closed, others after their reply. */
void ps_http_drain(struct ps_http *http);
/* Frees all connections and requests; on_close() is called for streams. */
void ps_http_free(struct ps_http **http);
const struct ps_http_stats *ps_http_stats(const struct ps_http *http);
/*
 * Who sent the request is known. From then on until it is answered, its
 * connection does not make room for others; all others do.
 */
void ps_http_know(struct ps_http_request *req);

/* ---- answers ------------------------------------------------------------ */

struct ps_http_field {
    const char *name, *value; /* a NULL name ends */
};

/* "Not Found" for 404; a constant. */
const char *ps_http_reason(unsigned int status);

/*
 * Takes body (NULL: none). Content-Length, the security fields and, unless
 * fields has one, "Cache-Control: no-store" are added.
 */
void ps_http_reply(struct ps_http_request *req, unsigned int status,
                   const struct ps_http_field *fields, struct evbuffer *body);
/*
 * Answers 200 with a content, in the form that the client takes, or 304 when
 * it has that form already. lines: more of the head, each with CRLF; may be
 * NULL. content is borrowed.
 */
void ps_http_reply_content(struct ps_http_request *req,
                           struct ps_content *content, const char *lines);
/* Calls fn with the request after a while; once for a request. */
int ps_http_defer(struct ps_http_request *req, uint64_t ns,
                  void (*fn)(void *arg, struct ps_http_request *req),
                  void *arg);

struct ps_http_stream_ops {
    /* The client left; never called by ps_http_stream_end(). */
    void (*on_close)(void *arg);
    /* All that was added is with the kernel. */
    void (*on_drain)(void *arg);
};

/*
 * Begins a reply without an end, 200. The request is gone after on_close() or
 * ps_http_stream_end(). -EPIPE: the client has left, the request is gone.
 */
int ps_http_stream(struct ps_http_request *req,
                   const struct ps_http_field *fields,
                   const struct ps_http_stream_ops *ops, void *arg);
/*
 * Adds shared bytes; release(…, arg) is called when they are sent or dropped,
 * also on error; its data and len may be those of a rest. -ENOBUFS: the client
 * is max_stream behind.
 */
int ps_http_stream_add(struct ps_http_request *req, const void *data,
                       size_t len, evbuffer_ref_cleanup_cb release, void *arg);
/* Bytes that wait for the client. */
size_t ps_http_stream_pending(const struct ps_http_request *req);
void ps_http_stream_end(struct ps_http_request *req);

/* ---- the listening address ---------------------------------------------- */

#define PS_HTTP_ADDR_TEXT 64

/*
 * Binds a TCP socket to "127.0.0.1:8080" or "[::1]:8080" (port 0: any).
 * ret_text (PS_HTTP_ADDR_TEXT bytes) is the address in force.
 * -EINVAL: not such a text; otherwise -errno of socket() or bind().
 */
int ps_http_bind(const char *text, int *ret_fd, char *ret_text,
                 bool *ret_loopback);

#endif
