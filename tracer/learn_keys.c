/* SPDX-License-Identifier: MIT */
/* Sockets' records as keys of aliases. */
#include <netinet/in.h>
#include <sys/socket.h>

#include "tracer/learn.h"

#define TCP_LISTEN 10

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

static bool has_ports(const struct ps_tracer_sock *s)
{
    return s->proto == IPPROTO_TCP || s->proto == IPPROTO_UDP ||
           s->proto == IPPROTO_UDPLITE;
}

/* An IPv4 address of an IPv6 socket is one. Returns the family. */
static unsigned int plain_addr(unsigned int family, const uint8_t *addr,
                               uint8_t *ret_addr)
{
    memset(ret_addr, 0, 16);
    if (family == 6 && !memcmp(addr, mapped, sizeof(mapped))) {
        memcpy(ret_addr, addr + sizeof(mapped), 4);
        return 4;
    }
    memcpy(ret_addr, addr, family == 6 ? 16 : 4);
    return family;
}

bool ps_learn_tuple(const struct ps_tracer_sock *s,
                    struct ps_tracer_tuple *ret_tuple)
{
    struct ps_tracer_tuple t = {
        .sport = s->lport, .dport = s->rport, .proto = (uint8_t)s->proto};
    unsigned int family;

    if (!has_ports(s) || s->type == SOCK_RAW || !s->lport || !s->rport)
        return false;
    family = plain_addr(s->family, s->raddr, t.daddr);
    if (plain_addr(s->family, s->laddr, t.saddr) != family)
        return false;
    t.family = (uint8_t)family;
    *ret_tuple = t;
    return true;
}

bool ps_learn_has_end(const struct ps_tracer_sock *s)
{
    if (!has_ports(s) || s->type == SOCK_RAW || !s->lport || s->rport)
        return false;
    return s->proto != IPPROTO_TCP || s->state == TCP_LISTEN;
}

unsigned int ps_learn_bound(const struct ps_tracer_sock *s,
                            uint8_t ret_addr[16])
{
    static const uint8_t any[16] = {0};
    unsigned int family = plain_addr(s->family, s->laddr, ret_addr);

    return memcmp(ret_addr, any, sizeof(any)) ? family : 0;
}

void ps_learn_end(const struct ps_tracer_sock *s, unsigned int family,
                  const uint8_t *addr, struct ps_tracer_tuple *ret_end)
{
    struct ps_tracer_tuple end = {
        .sport = s->lport,
        .family = (uint8_t)(family | PS_TRACER_LOCAL_END),
        .proto = (uint8_t)s->proto,
    };

    memcpy(end.saddr, addr, family == 6 ? 16 : 4);
    memcpy(end.daddr, &s->netns, sizeof(s->netns));
    *ret_end = end;
}
