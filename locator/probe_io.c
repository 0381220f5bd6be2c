/* SPDX-License-Identifier: MIT */
#include "locator/probe_io.h"

#include <linux/errqueue.h>
#include <linux/filter.h>
#include <linux/icmp.h>
#include <linux/net_tstamp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define RECEIVE_BUFFER (1 << 20)
#define ICMP4(type)    (1u << (type))

static const struct sock_filter drop_all[] = {
    BPF_STMT(BPF_RET | BPF_K, 0),
};

static void to_sockaddr(const struct ps_addr *addr, in_port_t port,
                        struct sockaddr_storage *ret_sa, socklen_t *ret_len)
{
    struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)ret_sa;
    struct sockaddr_in *sin = (struct sockaddr_in *)ret_sa;

    memset(ret_sa, 0, sizeof(*ret_sa));
    if (addr->family == 6) {
        sin6->sin6_family = AF_INET6;
        sin6->sin6_port = htons(port);
        memcpy(&sin6->sin6_addr, addr->bytes, 16);
        *ret_len = sizeof(*sin6);
    } else {
        sin->sin_family = AF_INET;
        sin->sin_port = htons(port);
        memcpy(&sin->sin_addr, addr->bytes, 4);
        *ret_len = sizeof(*sin);
    }
}

static void from_sockaddr(const struct sockaddr_storage *sa,
                          struct ps_addr *ret_addr)
{
    const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *)sa;
    const struct sockaddr_in *sin = (const struct sockaddr_in *)sa;
    struct ps_addr addr = {};

    if (sa->ss_family == AF_INET6) {
        addr.family = 6;
        memcpy(addr.bytes, &sin6->sin6_addr, 16);
    } else if (sa->ss_family == AF_INET) {
        addr.family = 4;
        memcpy(addr.bytes, &sin->sin_addr, 4);
    }
    *ret_addr = addr;
}

/* ---- opening ------------------------------------------------------------ */

static int set_types4(int fd)
{
    struct icmp_filter filter = {
        .data = ~(ICMP4(ICMP_ECHOREPLY) | ICMP4(ICMP_DEST_UNREACH) |
                  ICMP4(ICMP_TIME_EXCEEDED)),
    };

    return setsockopt(fd, SOL_RAW, ICMP_FILTER, &filter, sizeof(filter));
}

static int set_types6(int fd)
{
    struct icmp6_filter filter;

    ICMP6_FILTER_SETBLOCKALL(&filter);
    ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
    ICMP6_FILTER_SETPASS(ICMP6_DST_UNREACH, &filter);
    ICMP6_FILTER_SETPASS(ICMP6_TIME_EXCEEDED, &filter);
    return setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter,
                      sizeof(filter));
}

static int set_option(int fd, int option, int value)
{
    return setsockopt(fd, SOL_SOCKET, option, &value, sizeof(value));
}

/* The key that names a send starts again from 0 when it is asked for anew. */
static int ask_stamps(struct ps_probe_socket *sock)
{
    int rx = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE;
    int tx = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_OPT_ID |
             SOF_TIMESTAMPING_OPT_TSONLY;

    sock->next_key = 0;
    if (set_option(sock->fd, SO_TIMESTAMPING, rx) < 0)
        return -errno;
    sock->stamps = set_option(sock->fd, SO_TIMESTAMPING, rx | tx) == 0;
    return 0;
}

int ps_probe_open(unsigned int family, struct ps_probe_socket *ret_sock,
                  const char **ret_step)
{
    bool six = family == 6;
    _cleanup_close_ int fd = socket(six ? AF_INET6 : AF_INET,
                                    SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                                    six ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
    struct ps_probe_socket sock = {
        .fd = fd, .family = family, .listening = true};
    int r;

    *ret_step = "a raw socket";
    if (fd < 0)
        return -errno;
    *ret_step = "an ICMP filter";
    if ((six ? set_types6(fd) : set_types4(fd)) < 0)
        return -errno;
    *ret_step = "timestamps";
    r = ask_stamps(&sock);
    if (r < 0)
        return r;
    *ret_step = "a socket filter";
    r = ps_probe_listen(&sock, false);
    if (r < 0)
        return r;
    /* Nice to have; the buffer's default works for slow measurements. */
    if (set_option(fd, SO_RCVBUFFORCE, RECEIVE_BUFFER) < 0)
        (void)set_option(fd, SO_RCVBUF, RECEIVE_BUFFER);
    (void)set_option(fd, SO_RXQ_OVFL, 1);
    TAKE_FD(fd);
    *ret_sock = sock;
    return 0;
}

void ps_probe_close(struct ps_probe_socket *sock)
{
    ps_closep(&sock->fd);
    sock->fd = -1;
}

int ps_probe_listen(struct ps_probe_socket *sock, bool on)
{
    struct sock_fprog prog = {
        .len = ARRAY_SIZE(drop_all),
        .filter = (struct sock_filter *)drop_all,
    };
    int unused = 0, r;

    if (sock->listening == on)
        return 0;
    r = on ? setsockopt(sock->fd, SOL_SOCKET, SO_DETACH_FILTER, &unused,
                        sizeof(unused))
           : setsockopt(sock->fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
                        sizeof(prog));
    if (r < 0)
        return -errno;
    sock->listening = on;
    return 0;
}

int ps_probe_source(const struct ps_addr *target, struct ps_addr *ret_source)
{
    _cleanup_close_ int fd = socket(target->family == 6 ? AF_INET6 : AF_INET,
                                    SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_storage sa;
    socklen_t len;

    if (fd < 0)
        return -errno;
    /* Nothing is sent; any port will do. */
    to_sockaddr(target, 33434, &sa, &len);
    if (connect(fd, (struct sockaddr *)&sa, len) < 0)
        return -errno;
    len = sizeof(sa);
    if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
        return -errno;
    from_sockaddr(&sa, ret_source);
    return 0;
}

/* ---- sending ------------------------------------------------------------ */

static struct cmsghdr *add_control(struct msghdr *msg, struct cmsghdr *at,
                                   int level, int type, const void *data,
                                   size_t len)
{
    at->cmsg_level = level;
    at->cmsg_type = type;
    at->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(at), data, len);
    msg->msg_controllen += CMSG_SPACE(len);
    return (struct cmsghdr *)((char *)at + CMSG_SPACE(len));
}

/* The hop limit, and the source: the same for the whole measurement. */
static void add_controls(struct msghdr *msg, const struct ps_icmp_flow *flow,
                         uint8_t ttl)
{
    struct in6_pktinfo info6 = {};
    struct in_pktinfo info4 = {};
    struct cmsghdr *at = msg->msg_control;
    int limit = ttl;

    if (flow->target.family == 6) {
        memcpy(&info6.ipi6_addr, flow->source.bytes, 16);
        at = add_control(msg, at, IPPROTO_IPV6, IPV6_HOPLIMIT, &limit,
                         sizeof(limit));
        add_control(msg, at, IPPROTO_IPV6, IPV6_PKTINFO, &info6, sizeof(info6));
    } else {
        memcpy(&info4.ipi_spec_dst, flow->source.bytes, 4);
        at = add_control(msg, at, IPPROTO_IP, IP_TTL, &limit, sizeof(limit));
        add_control(msg, at, IPPROTO_IP, IP_PKTINFO, &info4, sizeof(info4));
    }
}

/* After a failed send nobody knows whether the kernel counted a key for it:
 * start again from 0, and forget what is still to be told. */
static void renumber(struct ps_probe_socket *sock)
{
    if (!sock->stamps)
        return;
    memset(sock->pending, 0, sizeof(sock->pending));
    (void)ask_stamps(sock);
}

int ps_probe_send(struct ps_probe_socket *sock, const struct ps_icmp_flow *flow,
                  uint16_t seq, uint8_t ttl)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int)) +
                   CMSG_SPACE(sizeof(struct in6_pktinfo))];
    } control = {};
    uint8_t buf[PS_ICMP_PROBE_BYTES];
    struct sockaddr_storage to;
    struct iovec iov = {.iov_base = buf, .iov_len = sizeof(buf)};
    struct msghdr msg = {
        .msg_name = &to,
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = &control,
    };
    int error;

    ps_icmp_build(flow, seq, buf);
    to_sockaddr(&flow->target, 0, &to, &msg.msg_namelen);
    add_controls(&msg, flow, ttl);
    if (sendmsg(sock->fd, &msg, MSG_DONTWAIT) < 0) {
        error = -errno;
        renumber(sock);
        return error;
    }
    sock->pending[sock->next_key++ % PS_PROBE_PENDING] =
        (struct ps_probe_id){.id = flow->id, .seq = seq};
    return 0;
}

/* ---- receiving ---------------------------------------------------------- */

union control {
    struct cmsghdr align;
    char bytes[512];
};

static uint64_t read_stamp(const struct cmsghdr *c)
{
    struct timespec ts;

    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPING ||
        c->cmsg_len < CMSG_LEN(sizeof(ts)))
        return 0;
    memcpy(&ts, CMSG_DATA(c), sizeof(ts));
    return (uint64_t)ts.tv_sec * PS_NS_PER_S + (uint64_t)ts.tv_nsec;
}

int ps_probe_receive(struct ps_probe_socket *sock,
                     struct ps_probe_datagram *ret_datagram)
{
    union control control;
    struct sockaddr_storage from = {};
    struct iovec iov = {
        .iov_base = ret_datagram->bytes,
        .iov_len = sizeof(ret_datagram->bytes),
    };
    struct msghdr msg = {
        .msg_name = &from,
        .msg_namelen = sizeof(from),
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof(control),
    };
    ssize_t n = recvmsg(sock->fd, &msg, MSG_DONTWAIT);

    if (n < 0)
        return -errno;
    from_sockaddr(&from, &ret_datagram->from);
    ret_datagram->len = (size_t)n;
    ret_datagram->rx_real = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
        uint64_t stamp = read_stamp(c);

        if (stamp)
            ret_datagram->rx_real = stamp;
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL &&
            c->cmsg_len >= CMSG_LEN(sizeof(sock->overflow)))
            memcpy(&sock->overflow, CMSG_DATA(c), sizeof(sock->overflow));
    }
    return 0;
}

static bool read_key(const struct cmsghdr *c, uint32_t *ret_key)
{
    struct sock_extended_err err;

    if (!(c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR) &&
        !(c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_RECVERR))
        return false;
    if (c->cmsg_len < CMSG_LEN(sizeof(err)))
        return false;
    memcpy(&err, CMSG_DATA(c), sizeof(err));
    if (err.ee_origin != SO_EE_ORIGIN_TIMESTAMPING)
        return false;
    *ret_key = err.ee_data;
    return true;
}

int ps_probe_sent_time(struct ps_probe_socket *sock, struct ps_probe_id *ret_id,
                       uint64_t *ret_real)
{
    union control control;
    struct msghdr msg = {
        .msg_control = &control,
        .msg_controllen = sizeof(control),
    };
    uint64_t real = 0;
    uint32_t key = 0;
    bool found = false;

    if (recvmsg(sock->fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
        return -errno;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
        uint64_t stamp = read_stamp(c);

        if (stamp)
            real = stamp;
        found |= read_key(c, &key);
    }
    /* Older than the ring, or of a numbering that is over: no probe's. */
    if (!found || sock->next_key - key - 1 >= PS_PROBE_PENDING)
        real = 0;
    *ret_id = sock->pending[key % PS_PROBE_PENDING];
    *ret_real = real;
    return 0;
}
