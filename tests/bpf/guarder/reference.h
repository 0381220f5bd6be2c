/* SPDX-License-Identifier: MIT */
/*
 * What a rule means, written down a second time, slowly and from the packet's
 * bytes alone: nothing of the program's parser or of the compiled sets is
 * used here.
 */
#ifndef PS_TESTS_GUARDER_REFERENCE_H
#define PS_TESTS_GUARDER_REFERENCE_H

#include "guarder/rule.h"

struct ref_packet {
    int version; /* 4, 6; 0: not IP */
    bool whole;  /* everything was there that is looked for */
    const uint8_t *src, *dst;
    int proto; /* -1: unknown, as all below */
    int sport, dport, flags, type, code;
};

struct ref_verdict {
    int rule; /* index of the rule that decides, -1: none */
    bool drop;
    bool unparsed; /* passed unexamined */
};

static inline int ref_be16(const uint8_t *p)
{
    return p[0] * 256 + p[1];
}

/* data: the upper-layer header, have: bytes of it that exist. */
static inline void ref_upper(struct ref_packet *p, const uint8_t *data,
                             long have)
{
    bool ports = p->proto == 6 || p->proto == 17 || p->proto == 33 ||
                 p->proto == 132 || p->proto == 136;
    bool icmp = (p->version == 4 && p->proto == 1) ||
                (p->version == 6 && p->proto == 58);

    p->whole = true;
    if (ports && have >= 4) {
        p->sport = ref_be16(data);
        p->dport = ref_be16(data + 2);
    }
    if (p->proto == 6 && have >= 14)
        p->flags = data[13];
    if (icmp && have >= 2) {
        p->type = data[0];
        p->code = data[1];
    }
    if (ports && (p->sport < 0 || (p->proto == 6 && p->flags < 0)))
        p->whole = false;
    if (icmp && p->type < 0)
        p->whole = false;
}

static inline long ref_min(long a, long b)
{
    return a < b ? a : b;
}

static inline void ref_ipv4(struct ref_packet *p, const uint8_t *ip, long len)
{
    long head, total;

    if (len < 20 || ip[0] >> 4 != 4)
        return;
    head = (ip[0] & 15) * 4;
    total = ref_be16(ip + 2) ? ref_be16(ip + 2) : 65535;
    if (head < 20 || total < head)
        return;
    p->version = 4;
    p->src = ip + 12;
    p->dst = ip + 16;
    p->proto = ip[9];
    if (ref_be16(ip + 6) & 0x1fff) {
        p->whole = true;
        return;
    }
    ref_upper(p, ip + head, ref_min(len, total) - head);
}

static inline void ref_ipv6(struct ref_packet *p, const uint8_t *ip, long len)
{
    long at = 40, end;
    int next;

    if (len < 40 || ip[0] >> 4 != 6)
        return;
    p->version = 6;
    p->src = ip + 8;
    p->dst = ip + 24;
    next = ip[6];
    end = 40 + (ref_be16(ip + 4) ? ref_be16(ip + 4) : 65535);
    for (int i = 0; i <= 8; i++) {
        long size;

        if (next != 0 && next != 43 && next != 44 && next != 51 && next != 60) {
            p->proto = next;
            ref_upper(p, ip + at, ref_min(len, end) - at);
            return;
        }
        if (i == 8 || ref_min(len, end) < at + 8)
            return;
        size = (ip[at + 1] + 1) * 8;
        if (next == 51)
            size = (ip[at + 1] + 2) * 4;
        if (next == 44)
            size = 8;
        if (next == 44 && ref_be16(ip + at + 2) / 8 != 0) {
            p->proto = ip[at];
            p->whole = true;
            return;
        }
        if (end < at + size)
            return;
        next = ip[at];
        at += size;
    }
}

static inline struct ref_packet ref_parse(const uint8_t *frame, size_t len)
{
    struct ref_packet p = {0, false, NULL, NULL, -1, -1, -1, -1, -1, -1};
    long at = 12, left = (long)len;
    int type = ref_be16(frame + at), tags = 0;

    while ((type == 0x8100 || type == 0x88a8) && tags < 2) {
        if (left < at + 6)
            return p;
        at += 4;
        tags++;
        type = ref_be16(frame + at);
    }
    if (type == 0x0800)
        ref_ipv4(&p, frame + at + 2, left - at - 2);
    else if (type == 0x86dd)
        ref_ipv6(&p, frame + at + 2, left - at - 2);
    else
        p.whole = type != 0x8100 && type != 0x88a8;
    return p;
}

static inline bool ref_in_prefix(const struct ps_addr *net, int bits,
                                 const uint8_t *addr)
{
    for (int i = 0; i < bits; i++) {
        int a = addr[i / 8] >> (7 - i % 8) & 1;
        int b = net->bytes[i / 8] >> (7 - i % 8) & 1;

        if (a != b)
            return false;
    }
    return true;
}

static inline bool ref_in_ports(const struct ps_rule_ports *ports, int port)
{
    return !ports->set ||
           (port >= 0 && port >= ports->first && port <= ports->last);
}

static inline bool ref_matches(const struct ps_rule *r,
                               const struct ref_packet *p)
{
    int mask = r->flags_set | r->flags_unset;

    if (!r->enabled || p->version == 0)
        return false;
    if (r->family && r->family != p->version)
        return false;
    if (r->src.family && !ref_in_prefix(&r->src, r->src_len, p->src))
        return false;
    if (r->dst.family && !ref_in_prefix(&r->dst, r->dst_len, p->dst))
        return false;
    if (r->has_proto && r->proto != p->proto)
        return false;
    if (!ref_in_ports(&r->sport, p->sport) ||
        !ref_in_ports(&r->dport, p->dport))
        return false;
    if (mask && (p->flags < 0 || (p->flags & mask) != r->flags_set))
        return false;
    if (r->icmp_type >= 0 && r->icmp_type != p->type)
        return false;
    if (r->icmp_code >= 0 && r->icmp_code != p->code)
        return false;
    return !r->ifname[0] || strcmp(r->ifname, "here") == 0;
}

/* rules in their order; a rule's interface is "", "here" or another. */
static inline struct ref_verdict ref_decide(const struct ps_rule *rules,
                                            size_t n, const uint8_t *frame,
                                            size_t len)
{
    struct ref_packet p = ref_parse(frame, len);

    for (size_t i = 0; i < n; i++) {
        if (ref_matches(&rules[i], &p))
            return (struct ref_verdict){
                .rule = (int)i,
                .drop = rules[i].action == PS__RULE__ACTION__drop,
            };
    }
    return (struct ref_verdict){.rule = -1, .unparsed = !p.whole};
}

#endif
