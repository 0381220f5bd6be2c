/* SPDX-License-Identifier: MIT */
/* What the files of the HTTP server share. */
#ifndef PS_GATEWAY_HTTP_INTERNAL_H
#define PS_GATEWAY_HTTP_INTERNAL_H

#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <sys/queue.h>

#include "gateway/http.h"

enum ps_http_phase {
    PHASE_HELLO,  /* TLS is being agreed on */
    PHASE_IDLE,   /* nothing of a request has come */
    PHASE_HEAD,   /* a head is coming in */
    PHASE_BODY,   /* a body is coming in */
    PHASE_HANDLE, /* the handler has the request */
    PHASE_REPLY,  /* the reply goes out */
    PHASE_STREAM, /* a reply without end goes out */
    PHASE_LINGER, /* sent and shut; waiting for the client's end */
};

/* In this order they make room when the house is full, the oldest first;
 * the last do not. */
enum ps_http_rank {
    RANK_IDLE,    /* between two requests */
    RANK_UNKNOWN, /* its request is half there, or has no token */
    RANK_BUSY,    /* its request is of somebody known */
    RANKS,
};

struct ps_http_conn {
    TAILQ_ENTRY(ps_http_conn) link;
    struct ps_http *http;
    struct bufferevent *bev;
    struct event *timer;
    enum ps_http_phase phase;
    enum ps_http_rank rank; /* in whose list it is */
    bool known;             /* who sent the request: ps_http_know() */
    size_t scanned;         /* bytes of the head known to hold no end */
    bool eof;               /* the client sends no more */
    bool close;             /* after this reply */
    struct ps_http_request *req;
    char client[PS_ADDR_TEXT];
    struct ps_addr addr;
};
TAILQ_HEAD(ps_http_conn_list, ps_http_conn);

struct ps_http_request_private {
    struct ps_http_request req;
    TAILQ_ENTRY(ps_http_request_private) link;
    struct ps_http *http;
    struct ps_http_conn *conn; /* NULL: the client left */
    char *head_text;
    size_t body_have;
    struct event *timer;
    void (*deferred)(void *arg, struct ps_http_request *req);
    void *deferred_arg;
    const struct ps_http_stream_ops *stream;
    void *stream_arg;
};
TAILQ_HEAD(ps_http_request_list, ps_http_request_private);

struct ps_http {
    struct event_base *base;
    struct evconnlistener *listener;
    struct event *resume; /* accepts again after descriptors ran out */
    const struct ps_http_limits *limits;
    const struct ps_http_ops *ops;
    void *arg;
    bool draining;
    struct ps_tls *tls;                    /* NULL: plain; borrowed */
    struct ps_http_conn_list conns[RANKS]; /* oldest first */
    struct ps_http_request_list requests;
    struct ps_http_stats stats;
    struct evbuffer *out; /* an answer on its way to its connection */
    time_t date_s;        /* when date was made */
    char date[48];        /* "Date: …\r\n" */
};

/* Reads what came, as the phase asks. The connection may be gone after. */
void ps_http_conn_read(struct ps_http_conn *conn);
/* The client sends no more. The connection may be gone after. */
void ps_http_conn_eof(struct ps_http_conn *conn);
/* Sets the phase and its deadline. */
void ps_http_conn_phase(struct ps_http_conn *conn, enum ps_http_phase phase);
/* The reply is out: next request, or the end. May free the connection. */
void ps_http_conn_sent(struct ps_http_conn *conn);
void ps_http_conn_free(struct ps_http_conn *conn);
/* Answers an error of the protocol and closes after it. */
void ps_http_conn_fail(struct ps_http_conn *conn, unsigned int status,
                       const char *detail);

/* A connection's bufferevent, plain or with TLS; takes fd also on error. */
struct bufferevent *ps_http_transport(struct ps_http *http, int fd);
/* Takes what TLS holds of the input; false: nothing. */
bool ps_http_conn_pull(struct ps_http_conn *conn);
/* No more will be sent: tells the client so, in the words of its transport. */
void ps_http_conn_shut(struct ps_http_conn *conn);
/* TLS could not be agreed on: who spoke plain HTTP is told. */
void ps_http_conn_no_tls(struct ps_http_conn *conn);

struct ps_http_request *ps_http_request_new(struct ps_http_conn *conn);
void ps_http_request_free(struct ps_http_request *req);

#endif
