/* SPDX-License-Identifier: MIT */
/* The listening address, from its text to a bound socket. */
#include <arpa/inet.h>
#include <sys/socket.h>

#include "common/options.h"
#include "gateway/http.h"

union any_addr {
    struct sockaddr sa;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

/* "127.0.0.1:8080", "[::1]:8080", "localhost:8080". */
static int parse(const char *text, union any_addr *addr, socklen_t *ret_len)
{
    const char *colon = strrchr(text, ':');
    char host[PS_HTTP_ADDR_TEXT];
    size_t len = colon ? (size_t)(colon - text) : 0;
    uint64_t port;

    if (len == 0 || len >= sizeof(host) ||
        ps_parse_uint(colon + 1, 0, 65535, &port) < 0)
        return -EINVAL;
    memset(addr, 0, sizeof(*addr));
    if (text[0] == '[' && text[len - 1] == ']') {
        snprintf(host, sizeof(host), "%.*s", (int)len - 2, text + 1);
        addr->in6.sin6_family = AF_INET6;
        addr->in6.sin6_port = htons((uint16_t)port);
        *ret_len = sizeof(addr->in6);
        return inet_pton(AF_INET6, host, &addr->in6.sin6_addr) == 1 ? 0
                                                                    : -EINVAL;
    }
    snprintf(host, sizeof(host), "%.*s", (int)len, text);
    addr->in.sin_family = AF_INET;
    addr->in.sin_port = htons((uint16_t)port);
    *ret_len = sizeof(addr->in);
    if (ps_streq(host, "localhost"))
        snprintf(host, sizeof(host), "127.0.0.1");
    return inet_pton(AF_INET, host, &addr->in.sin_addr) == 1 ? 0 : -EINVAL;
}

static bool is_loopback(const union any_addr *addr)
{
    if (addr->sa.sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&addr->in6.sin6_addr);
    return ntohl(addr->in.sin_addr.s_addr) >> 24 == 127;
}

static void format(const union any_addr *addr, char *text)
{
    char host[INET6_ADDRSTRLEN] = "";

    if (addr->sa.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &addr->in6.sin6_addr, host, sizeof(host));
        snprintf(text, PS_HTTP_ADDR_TEXT, "[%s]:%u", host,
                 ntohs(addr->in6.sin6_port));
    } else {
        inet_ntop(AF_INET, &addr->in.sin_addr, host, sizeof(host));
        snprintf(text, PS_HTTP_ADDR_TEXT, "%s:%u", host,
                 ntohs(addr->in.sin_port));
    }
}

int ps_http_bind(const char *text, int *ret_fd, char *ret_text,
                 bool *ret_loopback)
{
    _cleanup_close_ int fd = -1;
    union any_addr addr;
    socklen_t len;
    int one = 1, r = parse(text, &addr, &len);

    if (r < 0)
        return r;
    fd = socket(addr.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (addr.sa.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    /* With SO_REUSEADDR only listen() finds out that another one listens. */
    if (bind(fd, &addr.sa, len) < 0 || listen(fd, SOMAXCONN) < 0 ||
        getsockname(fd, &addr.sa, &len) < 0)
        return -errno;
    *ret_loopback = is_loopback(&addr);
    format(&addr, ret_text);
    *ret_fd = TAKE_FD(fd);
    return 0;
}
