/* SPDX-License-Identifier: MIT */
#include "tracer/conntrack.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>

#include "tracer/nlattr.h"

#define READ_BYTES (64u << 10)

/* ---- attributes --------------------------------------------------------- */

static void read_addresses(struct ps_nl_span in, struct ps_tracer_tuple *t)
{
    struct ps_nl_span value;
    uint16_t type;

    while (ps_nl_next(&in, &type, &value)) {
        if (type == CTA_IP_V4_SRC && ps_nl_take(&value, t->saddr, 4))
            t->family = 4;
        else if (type == CTA_IP_V4_DST)
            ps_nl_take(&value, t->daddr, 4);
        else if (type == CTA_IP_V6_SRC && ps_nl_take(&value, t->saddr, 16))
            t->family = 6;
        else if (type == CTA_IP_V6_DST)
            ps_nl_take(&value, t->daddr, 16);
    }
}

static void read_ports(struct ps_nl_span in, struct ps_tracer_tuple *t)
{
    struct ps_nl_span value;
    uint16_t type, port;

    while (ps_nl_next(&in, &type, &value)) {
        if (type == CTA_PROTO_NUM)
            ps_nl_take(&value, &t->proto, 1);
        else if (type == CTA_PROTO_SRC_PORT && ps_nl_take(&value, &port, 2))
            t->sport = ntohs(port);
        else if (type == CTA_PROTO_DST_PORT && ps_nl_take(&value, &port, 2))
            t->dport = ntohs(port);
    }
}

static void read_tuple(struct ps_nl_span in, struct ps_tracer_tuple *t)
{
    struct ps_nl_span value;
    uint16_t type;

    memset(t, 0, sizeof(*t));
    while (ps_nl_next(&in, &type, &value)) {
        if (type == CTA_TUPLE_IP)
            read_addresses(value, t);
        else if (type == CTA_TUPLE_PROTO)
            read_ports(value, t);
    }
}

/* ---- connections -------------------------------------------------------- */

static struct ps_tracer_tuple reversed(const struct ps_tracer_tuple *t)
{
    struct ps_tracer_tuple r = *t;

    memcpy(r.saddr, t->daddr, sizeof(r.saddr));
    memcpy(r.daddr, t->saddr, sizeof(r.daddr));
    r.sport = t->dport;
    r.dport = t->sport;
    return r;
}

static void read_connection(struct ps_nl_span in, ps_conntrack_fn fn, void *arg)
{
    struct ps_tracer_tuple orig = {0}, reply = {0}, back;
    struct ps_nl_span value;
    uint32_t status = 0;
    uint16_t type;

    while (ps_nl_next(&in, &type, &value)) {
        if (type == CTA_TUPLE_ORIG)
            read_tuple(value, &orig);
        else if (type == CTA_TUPLE_REPLY)
            read_tuple(value, &reply);
        else if (type == CTA_STATUS)
            ps_nl_take(&value, &status, sizeof(status));
    }
    if (!(ntohl(status) & (IPS_SRC_NAT | IPS_DST_NAT)) || !orig.family ||
        orig.family != reply.family || orig.proto != reply.proto)
        return;
    back = reversed(&reply);
    if (!memcmp(&orig, &back, sizeof(orig)))
        return;
    fn(arg, &orig, &back);
    back = reversed(&orig);
    fn(arg, &reply, &back);
}

int ps_conntrack_parse(const void *data, size_t size, ps_conntrack_fn fn,
                       void *arg, bool *ret_done)
{
    struct ps_nl_span in = {data, size}, body;
    struct nlmsghdr head;
    int r;

    while ((r = ps_nl_next_message(&in, &head, &body)) > 0) {
        if (head.nlmsg_type == NLMSG_DONE) {
            *ret_done = true;
            return 0;
        }
        if (head.nlmsg_type == NLMSG_ERROR)
            return ps_nl_error(&body);
        if (head.nlmsg_type ==
                ((NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_NEW) &&
            body.size >= sizeof(struct nfgenmsg))
            read_connection(
                (struct ps_nl_span){body.data + sizeof(struct nfgenmsg),
                                    body.size - sizeof(struct nfgenmsg)},
                fn, arg);
    }
    return r;
}

/* ---- the kernel --------------------------------------------------------- */

static int ask(int *ret_fd)
{
    const struct timeval patience = {0, PS_CONNTRACK_MAX_NS / 1000};
    _cleanup_close_ int fd = -1;
    struct {
        struct nlmsghdr head;
        struct nfgenmsg gen;
    } request = {
        .head = {.nlmsg_len = sizeof(request),
                 .nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .gen = {.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0},
    };

    fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) <
            0 ||
        send(fd, &request, sizeof(request), 0) < 0)
        return -errno;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

static int clean_error(int err)
{
    return err == -EINVAL || err == -EOPNOTSUPP || err == -ENOENT ||
                   err == -EAFNOSUPPORT
               ? -EPROTONOSUPPORT
               : err;
}

/* The kernel goes through the table of all namespaces to tell of one. */
static bool has_none(void)
{
    FILE *file = fopen("/proc/sys/net/netfilter/nf_conntrack_count", "re");
    unsigned int n = 1;

    if (!file)
        return false;
    if (fscanf(file, "%u", &n) != 1)
        n = 1;
    fclose(file);
    return n == 0;
}

int ps_conntrack_read(ps_conntrack_fn fn, void *arg)
{
    uint64_t until = ps_mono_ns() + PS_CONNTRACK_MAX_NS;
    _cleanup_free_ uint8_t *buffer = malloc(READ_BYTES);
    _cleanup_close_ int fd = -1;
    bool done = has_none();
    int r = !buffer ? -ENOMEM : done ? 0 : ask(&fd);

    while (r == 0 && !done) {
        ssize_t n = recv(fd, buffer, READ_BYTES, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            r = errno == EAGAIN ? -ETIME : -errno;
        else
            r = ps_conntrack_parse(buffer, (size_t)n, fn, arg, &done);
        if (r == 0 && !done && ps_mono_ns() > until)
            r = -ETIME;
    }
    return clean_error(r);
}
