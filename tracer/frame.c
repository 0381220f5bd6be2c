/* SPDX-License-Identifier: MIT */
#include "tracer/frame.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/in.h>

#define MAX_TAGS      2
#define MAX_EXT       8
#define ETHERTYPE_QIN 0x88a8

/* What is read, and how far. */
struct view {
    const uint8_t *data;
    size_t n;     /* bytes that are there */
    uint32_t end; /* of the packet, which may be longer */
    size_t l4;    /* 0: none, it is a later fragment */
};

static uint32_t be16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t be32(const uint8_t *p)
{
    return be16(p) << 16 | be16(p + 2);
}

static bool has(const struct view *v, size_t at, size_t size)
{
    return at <= v->n && size <= v->n - at;
}

static bool has_ports(uint8_t proto)
{
    return proto == IPPROTO_TCP || proto == IPPROTO_UDP ||
           proto == IPPROTO_SCTP || proto == IPPROTO_DCCP ||
           proto == IPPROTO_UDPLITE;
}

/* The Ethernet type, with *at behind the tags; 0: cut. */
static uint32_t read_l2(const struct view *v, size_t *at)
{
    uint32_t type;

    if (!has(v, 0, sizeof(struct ether_header)))
        return 0;
    type = be16(v->data + 12);
    *at = sizeof(struct ether_header);
    for (int i = 0; i < MAX_TAGS; i++) {
        if (type != ETHERTYPE_VLAN && type != ETHERTYPE_QIN)
            break;
        if (!has(v, *at, 4))
            return 0;
        type = be16(v->data + *at + 2);
        *at += 4;
    }
    return type;
}

static void bound(struct view *v, size_t l3, uint32_t size)
{
    if (size && l3 + size < v->end)
        v->end = (uint32_t)(l3 + size);
}

static bool read_ipv4(struct view *v, size_t at, struct ps_tracer_event *e)
{
    const uint8_t *ip = v->data + at;
    size_t head;
    uint32_t frag;

    if (!has(v, at, 20) || ip[0] >> 4 != 4)
        return false;
    head = (size_t)(ip[0] & 15u) * 4;
    frag = be16(ip + 6);
    if (head < 20)
        return false;
    bound(v, at, be16(ip + 2));
    e->tuple.family = 4;
    e->tuple.proto = ip[9];
    memcpy(e->tuple.saddr, ip + 12, 4);
    memcpy(e->tuple.daddr, ip + 16, 4);
    e->ip_id = be16(ip + 4);
    if (frag & 0x3fff)
        e->flags |= PS_EF_FRAGMENT;
    v->l4 = frag & 0x1fff ? 0 : at + head;
    return true;
}

static bool is_ext(uint8_t next)
{
    return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING ||
           next == IPPROTO_FRAGMENT || next == IPPROTO_AH ||
           next == IPPROTO_DSTOPTS;
}

static bool read_ipv6(struct view *v, size_t at, struct ps_tracer_event *e)
{
    const uint8_t *ip = v->data + at;
    uint8_t next;

    if (!has(v, at, 40) || ip[0] >> 4 != 6)
        return false;
    e->tuple.family = 6;
    memcpy(e->tuple.saddr, ip + 8, 16);
    memcpy(e->tuple.daddr, ip + 24, 16);
    if (be16(ip + 4))
        bound(v, at, 40 + be16(ip + 4));
    next = ip[6];
    at += 40;
    for (int i = 0; i < MAX_EXT && is_ext(next); i++) {
        const uint8_t *ext = v->data + at;
        uint8_t this = next;

        if (!has(v, at, 8))
            return false;
        next = ext[0];
        if (this != IPPROTO_FRAGMENT) {
            at += this == IPPROTO_AH ? (ext[1] + (size_t)2) * 4
                                     : (ext[1] + (size_t)1) * 8;
            continue;
        }
        e->flags |= PS_EF_FRAGMENT;
        e->ip_id = be32(ext + 4);
        at += 8;
        if (be16(ext + 2) & 0xfff8) {
            e->tuple.proto = next;
            v->l4 = 0;
            return true;
        }
    }
    e->tuple.proto = next;
    v->l4 = at;
    return !is_ext(next);
}

/* FNV-1a over words, as the programs do. */
static uint32_t hash_of(const uint8_t *payload, uint32_t n)
{
    uint32_t words[PS_TRACER_HASH_BYTES / 4] = {0}, hash = 2166136261u;

    memcpy(words, payload, n);
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        hash = (hash ^ words[i]) * 16777619u;
    return hash;
}

static bool read_l4(const struct view *v, struct ps_tracer_event *e)
{
    const uint8_t *l4 = v->data + v->l4;
    uint8_t proto = e->tuple.proto;
    uint32_t size = 8, hashed;

    if (has_ports(proto)) {
        if (!has(v, v->l4, 8))
            return false;
        e->tuple.sport = (uint16_t)be16(l4);
        e->tuple.dport = (uint16_t)be16(l4 + 2);
    }
    if (proto == IPPROTO_TCP) {
        if (!has(v, v->l4, 16))
            return false;
        e->seq = be32(l4 + 4);
        e->ack = be32(l4 + 8);
        e->tcp_flags = l4[13];
        size = (l4[12] >> 4) * 4u;
    } else if (proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6) {
        if (!has(v, v->l4, 8))
            return false;
        e->seq = be16(l4 + 6);
        e->ack = be16(l4 + 4) << 16 | (uint32_t)l4[0] << 8 | l4[1];
    } else if (proto != IPPROTO_UDP) {
        size = 0;
    }
    if (v->l4 + size > v->end)
        return true;
    e->payload = v->end - (uint32_t)v->l4 - size;
    hashed = e->payload < PS_TRACER_HASH_BYTES ? e->payload
                                               : PS_TRACER_HASH_BYTES;
    if (proto != IPPROTO_TCP && has(v, v->l4 + size, hashed)) {
        e->hash = hash_of(l4 + size, hashed);
        e->flags |= PS_EF_HASH;
    }
    return true;
}

int ps_frame_read(const uint8_t *head, size_t n, uint32_t len,
                  struct ps_tracer_event *event, size_t *ret_l3)
{
    struct view v = {.data = head, .n = n < len ? n : len, .end = len};
    struct ps_tracer_event e = {0};
    size_t at = 0;
    uint32_t type = read_l2(&v, &at);
    bool known = type == ETHERTYPE_IP     ? read_ipv4(&v, at, &e)
                 : type == ETHERTYPE_IPV6 ? read_ipv6(&v, at, &e)
                                          : false;

    if (!known || (v.l4 && !read_l4(&v, &e)))
        return -EBADMSG;
    event->tuple = e.tuple;
    event->seq = e.seq;
    event->ack = e.ack;
    event->payload = e.payload;
    event->hash = e.hash;
    event->ip_id = e.ip_id;
    event->tcp_flags = e.tcp_flags;
    event->flags = e.flags;
    *ret_l3 = at;
    return 0;
}
