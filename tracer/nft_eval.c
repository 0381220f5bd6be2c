/* SPDX-License-Identifier: MIT */
/*
 * One rule of nftables held against a packet of which not everything is known.
 * Registers have bits that are known and bits that are not; a comparison is
 * true, false, or may be either.
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>

#include "tracer/nft_rules.h"

/* Four words of verdict, sixteen of data. */
#define REG_BYTES 80u
#define HEADER    60u

struct regs {
    uint8_t value[REG_BYTES], known[REG_BYTES];
};

struct eval {
    const struct ps_nft_packet *packet;
    const struct ps_nft_rules *rules;
    struct regs regs;
    char *chain;
};

enum answer { NO, YES, MAYBE };

/* What one expression does: enum ps_nft_outcome, where PASSES is on to the next
 * expression, and: the rule ends here without a word. */
#define BREAKS (1u << 8)

/* ---- registers ---------------------------------------------------------- */

/* Where it is among the bytes of all; false: not wholly. */
static bool reg_at(uint32_t reg, size_t len, size_t *ret_at)
{
    size_t at = reg <= NFT_REG_4 ? (size_t)reg * 16
                                 : ((size_t)reg - NFT_REG32_00 + 4) * 4;

    if (reg == NFT_REG_VERDICT || reg > NFT_REG32_15 ||
        (reg > NFT_REG_4 && reg < NFT_REG32_00) || len > REG_BYTES - at)
        return false;
    *ret_at = at;
    return true;
}

/* A load fills words. */
static void put(struct eval *v, uint32_t reg, const uint8_t *value,
                const uint8_t *known, size_t len)
{
    size_t at, whole = (len + 3) & ~(size_t)3;

    if (!reg_at(reg, whole, &at))
        return;
    memset(v->regs.value + at, 0, whole);
    memset(v->regs.known + at, 0xff, whole);
    memcpy(v->regs.value + at, value, len);
    memcpy(v->regs.known + at, known, len);
}

static void put_unknown(struct eval *v, struct ps_nl_span data, uint16_t dreg)
{
    uint32_t reg;
    size_t at;

    /* How much is written depends on the key: all that may be. */
    if (ps_nl_u32(data, dreg, &reg) && reg_at(reg, 0, &at))
        memset(v->regs.known + at, 0, REG_BYTES - at);
}

/* ---- loads -------------------------------------------------------------- */

struct header {
    uint8_t value[HEADER], known[HEADER];
};

static void set(struct header *h, size_t at, const void *value, size_t len)
{
    memcpy(h->value + at, value, len);
    memset(h->known + at, 0xff, len);
}

static void set16(struct header *h, size_t at, uint32_t number)
{
    uint16_t be = htons((uint16_t)number);

    set(h, at, &be, sizeof(be));
}

static void set32(struct header *h, size_t at, uint32_t number)
{
    uint32_t be = htonl(number);

    set(h, at, &be, sizeof(be));
}

static void network_header(const struct ps_tracer_event *e, struct header *h)
{
    const struct ps_tracer_tuple *t = &e->tuple;
    uint8_t version = t->family == 6 ? 0x60 : 0x40;

    h->value[0] = version;
    h->known[0] = 0xf0;
    if (t->family == 6) {
        set(h, 8, t->saddr, 16);
        set(h, 24, t->daddr, 16);
    } else {
        set(h, 9, &t->proto, 1);
        set(h, 12, t->saddr, 4);
        set(h, 16, t->daddr, 4);
    }
}

/* The content of the event is of the packet itself, not of one inside. */
static void transport_header(const struct ps_tracer_event *e, struct header *h)
{
    const struct ps_tracer_tuple *t = &e->tuple;
    uint8_t icmp[2] = {(uint8_t)(e->ack >> 8), (uint8_t)e->ack};

    if (e->flags & PS_EF_FRAGMENT)
        return;
    if (t->proto == IPPROTO_TCP || t->proto == IPPROTO_UDP ||
        t->proto == IPPROTO_UDPLITE || t->proto == IPPROTO_SCTP ||
        t->proto == IPPROTO_DCCP) {
        set16(h, 0, t->sport);
        set16(h, 2, t->dport);
    }
    if (e->flags & PS_EF_INNER)
        return;
    if (t->proto == IPPROTO_TCP) {
        set32(h, 4, e->seq);
        set32(h, 8, e->ack);
        set(h, 13, &e->tcp_flags, 1);
    } else if (t->proto == IPPROTO_ICMP || t->proto == IPPROTO_ICMPV6) {
        set(h, 0, icmp, sizeof(icmp));
    }
}

/* Whether it is there in this packet for sure. */
static bool load_payload(struct eval *v, struct ps_nl_span data)
{
    uint32_t reg = 0, base = 0, offset = 0, len = 0;
    struct header h = {0};

    if (!ps_nl_u32(data, NFTA_PAYLOAD_DREG, &reg) ||
        !ps_nl_u32(data, NFTA_PAYLOAD_BASE, &base) ||
        !ps_nl_u32(data, NFTA_PAYLOAD_OFFSET, &offset) ||
        !ps_nl_u32(data, NFTA_PAYLOAD_LEN, &len))
        return false;
    if (v->rules->sets_bytes || len > HEADER || offset > HEADER - len)
        base = NFT_PAYLOAD_LL_HEADER;
    if (base == NFT_PAYLOAD_NETWORK_HEADER)
        network_header(v->packet->event, &h);
    else if (base == NFT_PAYLOAD_TRANSPORT_HEADER)
        transport_header(v->packet->event, &h);
    else
        offset = 0;
    if (len > HEADER)
        put_unknown(v, data, NFTA_PAYLOAD_DREG);
    else
        put(v, reg, h.value + offset, h.known + offset, len);
    for (uint32_t i = 0; i < len && len <= HEADER; i++)
        if (!h.known[offset + i])
            return false;
    return len > 0 && len <= HEADER;
}

static void put_host(struct eval *v, uint32_t reg, uint32_t number)
{
    static const uint8_t all[4] = {0xff, 0xff, 0xff, 0xff};
    uint8_t value[4];

    memcpy(value, &number, sizeof(value));
    put(v, reg, value, all, sizeof(value));
}

static void put_name(struct eval *v, uint32_t reg, const char *name)
{
    uint8_t value[16] = {0}, all[16];

    memset(all, 0xff, sizeof(all));
    memcpy(value, name, strnlen(name, sizeof(value) - 1));
    put(v, reg, value, all, sizeof(value));
}

/* The interface that is asked for is the one that the hook was called with. */
static bool is_ours(const struct ps_nft_packet *p, bool in)
{
    return p->ifindex && (p->hook <= NF_INET_FORWARD) == in;
}

static void load_meta(struct eval *v, struct ps_nl_span data)
{
    const struct ps_nft_packet *p = v->packet;
    const struct ps_tracer_tuple *t = &p->event->tuple;
    uint8_t all[4] = {0xff, 0xff, 0xff, 0xff};
    uint32_t reg = 0, key = UINT32_MAX;
    uint8_t family = t->family == 6 ? NFPROTO_IPV6 : NFPROTO_IPV4;
    uint16_t ethertype = htons(t->family == 6 ? ETH_P_IPV6 : ETH_P_IP);

    put_unknown(v, data, NFTA_META_DREG);
    if (!ps_nl_u32(data, NFTA_META_DREG, &reg) ||
        !ps_nl_u32(data, NFTA_META_KEY, &key))
        return;
    if (key == NFT_META_NFPROTO)
        put(v, reg, &family, all, 1);
    else if (key == NFT_META_PROTOCOL)
        put(v, reg, (const uint8_t *)&ethertype, all, 2);
    else if (key == NFT_META_L4PROTO && !(p->event->flags & PS_EF_FRAGMENT))
        put(v, reg, &t->proto, all, 1);
    else if (key == NFT_META_MARK && !v->rules->sets_mark)
        put_host(v, reg, p->event->mark);
    else if (key == NFT_META_IIF && is_ours(p, true))
        put_host(v, reg, p->ifindex);
    else if (key == NFT_META_OIF && is_ours(p, false))
        put_host(v, reg, p->ifindex);
    else if (key == NFT_META_IIFNAME && is_ours(p, true) && p->ifname[0])
        put_name(v, reg, p->ifname);
    else if (key == NFT_META_OIFNAME && is_ours(p, false) && p->ifname[0])
        put_name(v, reg, p->ifname);
}

/* Of a tracked packet it is known what its state is not. */
static void load_ct(struct eval *v, struct ps_nl_span data)
{
    const uint32_t open = NF_CT_STATE_BIT(IP_CT_ESTABLISHED) |
                          NF_CT_STATE_BIT(IP_CT_RELATED) |
                          NF_CT_STATE_BIT(IP_CT_NEW);
    uint32_t reg = 0, key = UINT32_MAX, known = ~open;
    uint8_t none[4] = {0}, bits[4];

    put_unknown(v, data, NFTA_CT_DREG);
    if (!ps_nl_u32(data, NFTA_CT_DREG, &reg) ||
        !ps_nl_u32(data, NFTA_CT_KEY, &key) || key != NFT_CT_STATE ||
        !v->packet->event->ct)
        return;
    memcpy(bits, &known, sizeof(bits));
    put(v, reg, none, bits, sizeof(bits));
}

/* ---- expressions -------------------------------------------------------- */

static unsigned int matched(enum answer a)
{
    return a == YES ? PS_NFT_PASSES : a == NO ? BREAKS : PS_NFT_PASSES | BREAKS;
}

/* The bytes of an attribute with NFTA_DATA_VALUE in it. */
static bool data_of(struct ps_nl_span in, uint16_t type, struct ps_nl_span *ret)
{
    struct ps_nl_span nested;

    return ps_nl_find(in, type, &nested) &&
           ps_nl_find(nested, NFTA_DATA_VALUE, ret);
}

/* Order is known only where all bits are. */
static enum answer compare(const struct regs *r, size_t at,
                           const struct ps_nl_span *to, uint32_t op)
{
    bool equal = true, sure = true;
    int order;

    for (size_t i = 0; i < to->size; i++) {
        uint8_t differ = r->value[at + i] ^ to->data[i];

        sure &= r->known[at + i] == 0xff;
        equal &= !(differ & r->known[at + i]);
    }
    if (op == NFT_CMP_EQ || op == NFT_CMP_NEQ) {
        if (!equal)
            return op == NFT_CMP_EQ ? NO : YES;
        return !sure ? MAYBE : op == NFT_CMP_EQ ? YES : NO;
    }
    if (!sure)
        return MAYBE;
    order = memcmp(r->value + at, to->data, to->size);
    switch (op) {
    case NFT_CMP_LT:
        return order < 0 ? YES : NO;
    case NFT_CMP_LTE:
        return order <= 0 ? YES : NO;
    case NFT_CMP_GT:
        return order > 0 ? YES : NO;
    case NFT_CMP_GTE:
        return order >= 0 ? YES : NO;
    default:
        return MAYBE;
    }
}

static unsigned int do_cmp(struct eval *v, struct ps_nl_span data)
{
    struct ps_nl_span to;
    uint32_t reg = 0, op = 0;
    size_t at;

    if (!ps_nl_u32(data, NFTA_CMP_SREG, &reg) ||
        !ps_nl_u32(data, NFTA_CMP_OP, &op) ||
        !data_of(data, NFTA_CMP_DATA, &to) || !reg_at(reg, to.size, &at))
        return matched(MAYBE);
    return matched(compare(&v->regs, at, &to, op));
}

static unsigned int do_range(struct eval *v, struct ps_nl_span data)
{
    struct ps_nl_span from, to;
    uint32_t reg = 0, op = 0;
    enum answer low, high, in;
    size_t at;

    if (!ps_nl_u32(data, NFTA_RANGE_SREG, &reg) ||
        !ps_nl_u32(data, NFTA_RANGE_OP, &op) ||
        !data_of(data, NFTA_RANGE_FROM_DATA, &from) ||
        !data_of(data, NFTA_RANGE_TO_DATA, &to) || from.size != to.size ||
        !reg_at(reg, to.size, &at))
        return matched(MAYBE);
    low = compare(&v->regs, at, &from, NFT_CMP_GTE);
    high = compare(&v->regs, at, &to, NFT_CMP_LTE);
    if (low == MAYBE || high == MAYBE || op > NFT_RANGE_NEQ)
        return matched(MAYBE);
    in = low == YES && high == YES ? YES : NO;
    return matched(op == NFT_RANGE_EQ ? in : in == YES ? NO : YES);
}

static unsigned int do_bitwise(struct eval *v, struct ps_nl_span data)
{
    struct ps_nl_span mask, other;
    uint32_t from = 0, to = 0, len = 0, op = NFT_BITWISE_BOOL;
    struct regs result = v->regs;
    size_t at, into;

    ps_nl_u32(data, NFTA_BITWISE_OP, &op);
    if (op != NFT_BITWISE_BOOL || !ps_nl_u32(data, NFTA_BITWISE_SREG, &from) ||
        !ps_nl_u32(data, NFTA_BITWISE_DREG, &to) ||
        !ps_nl_u32(data, NFTA_BITWISE_LEN, &len) || len > 16 ||
        !data_of(data, NFTA_BITWISE_MASK, &mask) ||
        !data_of(data, NFTA_BITWISE_XOR, &other) || mask.size < len ||
        other.size < len || !reg_at(from, len, &at) ||
        !reg_at(to, len, &into)) {
        put_unknown(v, data, NFTA_BITWISE_DREG);
        return PS_NFT_PASSES;
    }
    for (size_t i = 0; i < len; i++) {
        result.value[into + i] = (v->regs.value[at + i] & mask.data[i]) ^
                                 other.data[i];
        result.known[into + i] =
            (uint8_t)(v->regs.known[at + i] | ~mask.data[i]);
    }
    v->regs = result;
    return PS_NFT_PASSES;
}

static unsigned int do_verdict(struct eval *v, struct ps_nl_span verdict)
{
    uint32_t code = 0;

    if (!ps_nl_u32(verdict, NFTA_VERDICT_CODE, &code))
        return PS_NFT_DROPS | PS_NFT_ACCEPTS | PS_NFT_RETURNS;
    switch ((int32_t)code) {
    case NFT_CONTINUE:
        return PS_NFT_PASSES;
    case NFT_BREAK:
        return BREAKS;
    case NFT_RETURN:
        return PS_NFT_RETURNS;
    case NFT_JUMP:
    case NFT_GOTO:
        /* Without a name it leads to a chain that is not there. */
        ps_nl_text(verdict, NFTA_VERDICT_CHAIN, v->chain, PS_NFT_NAME);
        return (int32_t)code == NFT_JUMP ? PS_NFT_JUMPS : PS_NFT_GOES;
    default:
        break;
    }
    switch (code & NF_VERDICT_MASK) {
    case NF_DROP:
        return PS_NFT_DROPS;
    case NF_ACCEPT:
        return PS_NFT_ACCEPTS;
    default: /* a queue, or stolen: what drops it then is not this hook */
        return PS_NFT_ACCEPTS;
    }
}

static unsigned int do_immediate(struct eval *v, struct ps_nl_span data)
{
    static const uint8_t all[16] = {255, 255, 255, 255, 255, 255, 255, 255,
                                    255, 255, 255, 255, 255, 255, 255, 255};
    struct ps_nl_span nested, value;
    uint32_t reg = 0;

    if (!ps_nl_u32(data, NFTA_IMMEDIATE_DREG, &reg) ||
        !ps_nl_find(data, NFTA_IMMEDIATE_DATA, &nested))
        return PS_NFT_PASSES | BREAKS | PS_NFT_DROPS | PS_NFT_ACCEPTS;
    if (ps_nl_find(nested, NFTA_DATA_VERDICT, &value))
        return do_verdict(v, value);
    if (ps_nl_find(nested, NFTA_DATA_VALUE, &value) && value.size <= 16)
        put(v, reg, value.data, all, value.size);
    else
        put_unknown(v, data, NFTA_IMMEDIATE_DREG);
    return PS_NFT_PASSES;
}

static unsigned int do_payload(struct eval *v, struct ps_nl_span data)
{
    return load_payload(v, data) ? PS_NFT_PASSES : PS_NFT_PASSES | BREAKS;
}

static unsigned int do_meta(struct eval *v, struct ps_nl_span data)
{
    load_meta(v, data);
    return PS_NFT_PASSES;
}

static unsigned int do_ct(struct eval *v, struct ps_nl_span data)
{
    uint32_t key = UINT32_MAX;

    load_ct(v, data);
    ps_nl_u32(data, NFTA_CT_KEY, &key);
    return key == NFT_CT_STATE ? PS_NFT_PASSES : PS_NFT_PASSES | BREAKS;
}

/* Which elements a set has is not looked at. */
static unsigned int do_lookup(struct eval *v, struct ps_nl_span data)
{
    uint32_t reg = UINT32_MAX;

    if (ps_nl_u32(data, NFTA_LOOKUP_DREG, &reg) && reg == NFT_REG_VERDICT)
        return PS_NFT_ANYTHING;
    put_unknown(v, data, NFTA_LOOKUP_DREG);
    return PS_NFT_PASSES | BREAKS;
}

static unsigned int do_nothing(struct eval *v _unused_,
                               struct ps_nl_span data _unused_)
{
    return PS_NFT_PASSES;
}

/* It may match or not, and writes what is not known here. */
static unsigned int do_match(struct eval *v, struct ps_nl_span data _unused_)
{
    memset(v->regs.known, 0, sizeof(v->regs.known));
    return PS_NFT_PASSES | BREAKS;
}

static unsigned int do_reject(struct eval *v _unused_,
                              struct ps_nl_span data _unused_)
{
    return PS_NFT_DROPS;
}

static const struct {
    const char *name;
    unsigned int (*run)(struct eval *v, struct ps_nl_span data);
} expressions[] = {
    {"cmp", do_cmp},         {"payload", do_payload},
    {"meta", do_meta},       {"immediate", do_immediate},
    {"bitwise", do_bitwise}, {"ct", do_ct},
    {"lookup", do_lookup},   {"range", do_range},
    {"counter", do_nothing}, {"log", do_nothing},
    {"last", do_nothing},    {"notrack", do_nothing},
    {"reject", do_reject},   {"limit", do_match},
    {"quota", do_match},     {"connlimit", do_match},
    {"fib", do_match},       {"rt", do_match},
    {"socket", do_match},    {"osf", do_match},
    {"numgen", do_match},    {"hash", do_match},
    {"byteorder", do_match}, {"dynset", do_match},
    {"xfrm", do_match},      {"tunnel", do_match},
    {"exthdr", do_match},    {"flow_offload", do_match},
};

static unsigned int run(struct eval *v, struct ps_nl_span expr)
{
    struct ps_nl_span data = {0};
    char name[32];

    ps_nl_find(expr, NFTA_EXPR_DATA, &data);
    if (ps_nl_text(expr, NFTA_EXPR_NAME, name, sizeof(name)))
        for (size_t i = 0; i < ARRAY_SIZE(expressions); i++)
            if (!strcmp(expressions[i].name, name))
                return expressions[i].run(v, data);
    /* nat, target, synproxy, ...: what it does is not known here. */
    do_match(v, data);
    return PS_NFT_PASSES | BREAKS | PS_NFT_DROPS | PS_NFT_ACCEPTS |
           PS_NFT_RETURNS;
}

unsigned int ps_nft_eval(struct ps_nl_span in,
                         const struct ps_nft_packet *packet,
                         const struct ps_nft_rules *rules, char *chain)
{
    struct eval v = {.packet = packet, .rules = rules, .chain = chain};
    struct ps_nl_span expr;
    unsigned int out = 0, does;
    uint16_t type;

    while (ps_nl_next(&in, &type, &expr)) {
        does = run(&v, expr);
        if (does & BREAKS)
            out |= PS_NFT_PASSES;
        out |= does & ~(BREAKS | PS_NFT_PASSES);
        if (!(does & PS_NFT_PASSES))
            return out;
    }
    return out | PS_NFT_PASSES;
}
