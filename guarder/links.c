/* SPDX-License-Identifier: MIT */
#include "guarder/links.h"

#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#define BUFFER_SIZE (64u << 10)

int ps_links_new(struct ps_links **ret_links)
{
    struct ps_links *links = calloc(1, sizeof(*links));

    if (!links)
        return -ENOMEM;
    links->list = calloc(PS_LINKS_MAX, sizeof(*links->list));
    if (!links->list) {
        free(links);
        return -ENOMEM;
    }
    *ret_links = links;
    return 0;
}

void ps_links_free(struct ps_links **links)
{
    if (!*links)
        return;
    free((*links)->list);
    free(*links);
    *links = NULL;
}

/* ---- parsing ------------------------------------------------------------ */

static void read_attribute(struct ps_netif *netif, uint16_t type,
                           const uint8_t *data, size_t len)
{
    uint32_t master;

    if (type == IFLA_IFNAME && len > 0) {
        if (len > sizeof(netif->name))
            len = sizeof(netif->name);
        memcpy(netif->name, data, len);
        netif->name[sizeof(netif->name) - 1] = 0;
    } else if (type == IFLA_MASTER && len >= sizeof(master)) {
        memcpy(&master, data, sizeof(master));
        netif->enslaved = master != 0;
    }
}

static int parse_link(struct ps_links *links, const uint8_t *data, size_t len)
{
    struct ps_netif netif = {0};
    struct ifinfomsg info;
    struct rtattr attr;
    size_t at = NLMSG_ALIGN(sizeof(info));

    if (len < sizeof(info))
        return -EBADMSG;
    memcpy(&info, data, sizeof(info));
    if (info.ifi_index <= 0)
        return -EBADMSG;
    netif.ifindex = (uint32_t)info.ifi_index;
    netif.type = info.ifi_type;
    netif.up = info.ifi_flags & IFF_UP;
    while (at + sizeof(attr) <= len) {
        memcpy(&attr, data + at, sizeof(attr));
        if (attr.rta_len < sizeof(attr) || attr.rta_len > len - at)
            return -EBADMSG;
        read_attribute(&netif, attr.rta_type & NLA_TYPE_MASK,
                       data + at + sizeof(attr), attr.rta_len - sizeof(attr));
        at += RTA_ALIGN((size_t)attr.rta_len);
    }
    if (!netif.name[0])
        return -EBADMSG;
    if (links->n == PS_LINKS_MAX)
        links->left_out++;
    else
        links->list[links->n++] = netif;
    return 0;
}

int ps_links_parse(struct ps_links *links, const void *data, size_t len,
                   bool *ret_done)
{
    const uint8_t *p = data;
    struct nlmsghdr head;
    struct nlmsgerr error;
    size_t at = 0, body;
    int r;

    while (len - at >= sizeof(head)) {
        memcpy(&head, p + at, sizeof(head));
        if (head.nlmsg_len < sizeof(head) || head.nlmsg_len > len - at)
            return -EBADMSG;
        body = head.nlmsg_len - sizeof(head);
        if (head.nlmsg_flags & NLM_F_DUMP_INTR)
            return -EINTR;
        if (head.nlmsg_type == NLMSG_DONE) {
            *ret_done = true;
            return 0;
        }
        if (head.nlmsg_type == NLMSG_ERROR) {
            if (body < sizeof(error))
                return -EBADMSG;
            memcpy(&error, p + at + sizeof(head), sizeof(error));
            return error.error < 0 && error.error > -4096 ? error.error
                                                          : -EBADMSG;
        }
        if (head.nlmsg_type == RTM_NEWLINK) {
            r = parse_link(links, p + at + sizeof(head), body);
            if (r < 0)
                return r;
        }
        if (NLMSG_ALIGN((size_t)head.nlmsg_len) > len - at)
            break;
        at += NLMSG_ALIGN((size_t)head.nlmsg_len);
    }
    *ret_done = false;
    return 0;
}

/* ---- sockets ------------------------------------------------------------ */

static int ask_dump(int fd)
{
    struct {
        struct nlmsghdr head;
        struct ifinfomsg info;
    } ask = {
        .head =
            {
                .nlmsg_len = sizeof(ask),
                .nlmsg_type = RTM_GETLINK,
                .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                .nlmsg_seq = 1,
            },
    };

    return send(fd, &ask, sizeof(ask), 0) < 0 ? -errno : 0;
}

static int read_once(struct ps_links *links)
{
    const struct timeval patience = {.tv_sec = 2};
    _cleanup_free_ uint8_t *buffer = malloc(BUFFER_SIZE);
    _cleanup_close_ int fd = -1;
    bool done = false;
    ssize_t n;
    int r;

    links->n = 0;
    links->left_out = 0;
    fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0)
        return -errno;
    if (!buffer)
        return -ENOMEM;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    r = ask_dump(fd);
    while (r == 0 && !done) {
        n = recv(fd, buffer, BUFFER_SIZE, 0);
        if (n < 0)
            return errno == EINTR ? -EINTR : -errno;
        r = ps_links_parse(links, buffer, (size_t)n, &done);
    }
    return r;
}

int ps_links_read(struct ps_links *links)
{
    int r = -EINTR;

    for (int i = 0; i < 5 && r == -EINTR; i++)
        r = read_once(links);
    return r;
}

int ps_links_watch(int *ret_fd)
{
    const struct sockaddr_nl addr = {
        .nl_family = AF_NETLINK,
        .nl_groups = RTMGRP_LINK,
    };
    _cleanup_close_ int fd = -1;

    fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                NETLINK_ROUTE);
    if (fd < 0)
        return -errno;
    if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
        return -errno;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

void ps_links_drain(int fd)
{
    uint8_t buffer[8192];

    while (recv(fd, buffer, sizeof(buffer), MSG_TRUNC) >= 0 ||
           errno == ENOBUFS || errno == EINTR)
        ;
}

/* ---- choosing ----------------------------------------------------------- */

const struct ps_netif *ps_links_by_name(const struct ps_links *links,
                                        const char *name)
{
    for (size_t i = 0; i < links->n; i++) {
        if (ps_streq(links->list[i].name, name))
            return &links->list[i];
    }
    return NULL;
}

const struct ps_netif *ps_links_by_index(const struct ps_links *links,
                                         uint32_t ifindex)
{
    for (size_t i = 0; i < links->n; i++) {
        if (links->list[i].ifindex == ifindex)
            return &links->list[i];
    }
    return NULL;
}

bool ps_links_wanted(const struct ps_netif *netif,
                     const struct ps_strlist *interfaces)
{
    for (size_t i = 0; i < interfaces->n; i++) {
        if (ps_streq(interfaces->items[i], netif->name))
            return true;
        if (ps_streq(interfaces->items[i], "auto") &&
            netif->type == ARPHRD_ETHER && netif->up && !netif->enslaved)
            return true;
    }
    return false;
}

const char *ps_links_unfit(const struct ps_netif *netif)
{
    if (netif->type == ARPHRD_ETHER || netif->type == ARPHRD_LOOPBACK)
        return NULL;
    return "its packets have no Ethernet header";
}
