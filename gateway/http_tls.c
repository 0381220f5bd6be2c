/* SPDX-License-Identifier: MIT */
/* What of a connection depends on its transport: plain TCP or TLS. */
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <sys/socket.h>

#include "gateway/http_internal.h"
#include "gateway/tls.h"

struct bufferevent *ps_http_transport(struct ps_http *http, int fd)
{
    struct bufferevent *bev = NULL;
    SSL *ssl;

    if (!http->tls) {
        bev = bufferevent_socket_new(http->base, fd, BEV_OPT_CLOSE_ON_FREE);
    } else {
        ssl = ps_tls_accept(http->tls);
        /* On error the state is still ours. */
        if (ssl)
            bev = bufferevent_openssl_socket_new(http->base, fd, ssl,
                                                 BUFFEREVENT_SSL_ACCEPTING,
                                                 BEV_OPT_CLOSE_ON_FREE);
        if (ssl && !bev)
            SSL_free(ssl);
        /* Many clients just hang up. Lengths tell where a request ends, so
         * nothing can be cut off unseen. */
        if (bev)
            bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
    }
    if (!bev)
        close(fd);
    return bev;
}

/* libevent (2.1) waits for the socket, also when its high watermark has kept
 * it from what is decrypted already and nothing more will come. */
bool ps_http_conn_pull(struct ps_http_conn *conn)
{
    struct evbuffer *in = bufferevent_get_input(conn->bev);
    SSL *ssl = conn->http->tls ? bufferevent_openssl_get_ssl(conn->bev) : NULL;
    char part[4096];
    bool pulled = false;
    int n;

    while (ssl && SSL_pending(ssl) > 0 &&
           evbuffer_get_length(in) <= conn->http->limits->max_head) {
        n = SSL_read(ssl, part, sizeof(part));
        if (n <= 0)
            break;
        evbuffer_unfreeze(in, 0);
        evbuffer_add(in, part, (size_t)n);
        evbuffer_freeze(in, 0);
        pulled = true;
    }
    ERR_clear_error();
    return pulled;
}

void ps_http_conn_shut(struct ps_http_conn *conn)
{
    SSL *ssl = conn->http->tls ? bufferevent_openssl_get_ssl(conn->bev) : NULL;

    if (ssl) {
        (void)SSL_shutdown(ssl);
        ERR_clear_error();
    }
    shutdown(bufferevent_getfd(conn->bev), SHUT_WR);
}

/* Takes what the client sent, that closing does not reset the answer. */
static void drain_socket(int fd)
{
    char part[4096];

    for (int i = 0; i < 8; i++)
        if (recv(fd, part, sizeof(part), MSG_DONTWAIT) <= 0)
            return;
}

void ps_http_conn_no_tls(struct ps_http_conn *conn)
{
    static const char text[] =
        "HTTP/1.1 400 Bad Request\r\n"
        "Content-Type: text/plain\r\n"
        "Connection: close\r\n"
        "Content-Length: 50\r\n\r\n"
        "This port speaks TLS: write https:// for http://.\n";
    int fd = bufferevent_getfd(conn->bev);
    unsigned long code;

    conn->http->stats.no_tls++;
    while ((code = bufferevent_get_openssl_error(conn->bev))) {
        if (ERR_GET_LIB(code) != ERR_LIB_SSL ||
            ERR_GET_REASON(code) != SSL_R_HTTP_REQUEST)
            continue;
        drain_socket(fd);
        (void)!send(fd, text, sizeof(text) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        shutdown(fd, SHUT_WR);
    }
    ERR_clear_error();
    ps_http_conn_free(conn);
}
