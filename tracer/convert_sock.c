/* SPDX-License-Identifier: MIT */
#include <sys/socket.h>

#include "common/json.h"
#include "common/net.h"
#include "tracer/convert.h"

static Ps__Ip *make_ip(unsigned int family, const uint8_t *bytes)
{
    struct ps_addr addr = {.family = (uint8_t)family};

    memcpy(addr.bytes, bytes, family == 6 ? 16 : 4);
    return ps_addr_to_pb(&addr);
}

static int fill_owner(Ps__Owner *owner, uint32_t pid, const char *comm,
                      const struct ps_cgroup *cgroup)
{
    owner->pid = pid;
    owner->comm = strdup(comm);
    if (!owner->comm)
        return -ENOMEM;
    if (cgroup->path[0] && !(owner->cgroup = strdup(cgroup->path)))
        return -ENOMEM;
    if (cgroup->container[0] && !(owner->container = strdup(cgroup->container)))
        return -ENOMEM;
    return 0;
}

static int set_way_owner(Ps__Owner **field, const struct ps_sock_key *key,
                         const struct ps_names *names)
{
    const struct ps_owner *o = ps_owners_find(names->owners, key);

    if (!o)
        return 0;
    *field = (Ps__Owner *)ps_message_new(&ps__owner__descriptor);
    return *field ? fill_owner(*field, o->pid, o->comm, &o->cgroup) : -ENOMEM;
}

int ps_convert_owners(Ps__PacketWay *msg, const struct ps_way *way,
                      const struct ps_names *names)
{
    int r;

    if (!names->owners)
        return 0;
    r = set_way_owner(&msg->sender, &way->sender, names);
    return r < 0 ? r : set_way_owner(&msg->receiver, &way->receiver, names);
}

static int fill_owners(Ps__Socket *msg, const struct ps_socktable *table,
                       const struct ps_sock *sock, struct ps_sock_cgroup *cache)
{
    const struct ps_sock_owner *o;

    if (!sock->n_owners)
        return 0;
    msg->owners = calloc(sock->n_owners, sizeof(*msg->owners));
    if (!msg->owners)
        return -ENOMEM;
    for (uint32_t i = sock->owners; (o = ps_socktable_owner(table, i));
         i = o->next) {
        Ps__Owner *owner = (Ps__Owner *)ps_message_new(&ps__owner__descriptor);

        if (!owner)
            return -ENOMEM;
        msg->owners[msg->n_owners++] = owner;
        if (cache->pid != o->pid) {
            ps_cgroup_of(o->pid, &cache->cgroup);
            cache->pid = o->pid;
        }
        owner->has_fd = 1;
        owner->fd = o->fd;
        if (fill_owner(owner, o->pid, o->comm, &cache->cgroup) < 0)
            return -ENOMEM;
    }
    return 0;
}

static void fill_numbers(Ps__Socket *msg, const struct ps_tracer_sock *rec)
{
    /* A raw socket's number is its protocol, not a port. */
    bool ports = rec->type != SOCK_RAW;

    msg->family = rec->family;
    msg->has_lport = msg->has_rport = ports;
    msg->lport = ports ? rec->lport : 0;
    msg->rport = ports ? rec->rport : 0;
    msg->has_recv_queue = msg->has_send_queue = (rec->has & PS_SOCK_QUEUES) !=
                                                0;
    msg->recv_queue = rec->recv_queue;
    msg->send_queue = rec->send_queue;
    msg->has_netns = rec->netns != 0;
    msg->netns = rec->netns;
    msg->has_inode = rec->inode != 0;
    msg->inode = rec->inode;
    msg->has_uid = (rec->has & PS_SOCK_UID) != 0;
    msg->uid = rec->uid;
    msg->has_cookie = rec->cookie != 0;
    msg->cookie = rec->cookie;
    msg->has_ifindex = rec->ifindex != 0;
    msg->ifindex = rec->ifindex;
    msg->has_retransmits = (rec->has & PS_SOCK_TCP_INFO) != 0;
    msg->retransmits = rec->retransmits;
    /* Nothing measured yet is 0. */
    msg->has_rtt_ns = (rec->has & PS_SOCK_TCP_INFO) && rec->srtt_us;
    msg->rtt_ns = (uint64_t)rec->srtt_us * 1000 / 8;
}

static int fill_texts(Ps__Socket *msg, const struct ps_tracer_sock *rec,
                      const struct ps_netns *netns, size_t n_netns)
{
    const char *state = ps_sock_state_name(rec->state);
    const char *type = ps_sock_type_name(rec->type);

    msg->proto = ps_ipproto_to_pb(rec->proto);
    msg->laddr = make_ip(rec->family, rec->laddr);
    msg->raddr = make_ip(rec->family, rec->raddr);
    msg->state = strdup(state ? state : "UNKNOWN");
    if (!msg->proto || !msg->laddr || !msg->raddr || !msg->state)
        return -ENOMEM;
    if (type && !(msg->type = strdup(type)))
        return -ENOMEM;
    for (size_t i = 0; i < n_netns; i++)
        if (netns[i].inum == rec->netns && netns[i].name[0]) {
            msg->netns_name = strdup(netns[i].name);
            return msg->netns_name ? 0 : -ENOMEM;
        }
    return 0;
}

Ps__Socket *ps_convert_socket(const struct ps_socktable *table,
                              const struct ps_sock *sock,
                              const struct ps_netns *netns, size_t n_netns,
                              struct ps_sock_cgroup *cache)
{
    Ps__Socket *msg = (Ps__Socket *)ps_message_new(&ps__socket__descriptor);

    if (!msg)
        return NULL;
    fill_numbers(msg, &sock->rec);
    if (fill_texts(msg, &sock->rec, netns, n_netns) < 0 ||
        fill_owners(msg, table, sock, cache) < 0) {
        protobuf_c_message_free_unpacked(&msg->base, NULL);
        return NULL;
    }
    return msg;
}
