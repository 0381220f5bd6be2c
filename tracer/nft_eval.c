/* SPDX-License-Identifier: MIT */
/* One rule of nftables held against a packet of which not everything is known:
 * a comparison is true, false, or may be either. */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "tracer/nft_internal.h"

enum answer { NO, YES, MAYBE };

/* What one expression does: enum ps_nft_outcome, where PASSES is on to the next
 * expression, and: the rule ends here without a word. */
#define BREAKS (1u << 8)

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
static enum answer compare(const struct ps_nft_regs *r, size_t at,
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

static unsigned int do_cmp(struct ps_nft_asked *v, struct ps_nl_span data)
{
    struct ps_nl_span to;
    uint32_t reg = 0, op = 0;
    size_t at;

    if (!ps_nl_u32(data, NFTA_CMP_SREG, &reg) ||
        !ps_nl_u32(data, NFTA_CMP_OP, &op) ||
        !data_of(data, NFTA_CMP_DATA, &to) || !ps_nft_reg_at(reg, to.size, &at))
        return matched(MAYBE);
    return matched(compare(&v->regs, at, &to, op));
}

static unsigned int do_range(struct ps_nft_asked *v, struct ps_nl_span data)
{
    struct ps_nl_span from, to;
    uint32_t reg = 0, op = 0;
    enum answer low, high, in;
    size_t at;

    if (!ps_nl_u32(data, NFTA_RANGE_SREG, &reg) ||
        !ps_nl_u32(data, NFTA_RANGE_OP, &op) ||
        !data_of(data, NFTA_RANGE_FROM_DATA, &from) ||
        !data_of(data, NFTA_RANGE_TO_DATA, &to) || from.size != to.size ||
        !ps_nft_reg_at(reg, to.size, &at))
        return matched(MAYBE);
    low = compare(&v->regs, at, &from, NFT_CMP_GTE);
    high = compare(&v->regs, at, &to, NFT_CMP_LTE);
    if (low == MAYBE || high == MAYBE || op > NFT_RANGE_NEQ)
        return matched(MAYBE);
    in = low == YES && high == YES ? YES : NO;
    return matched(op == NFT_RANGE_EQ ? in : in == YES ? NO : YES);
}

static unsigned int do_bitwise(struct ps_nft_asked *v, struct ps_nl_span data)
{
    struct ps_nl_span mask, other;
    uint32_t from = 0, to = 0, len = 0, op = NFT_BITWISE_BOOL;
    struct ps_nft_regs result = v->regs;
    size_t at, into;

    ps_nl_u32(data, NFTA_BITWISE_OP, &op);
    if (op != NFT_BITWISE_BOOL || !ps_nl_u32(data, NFTA_BITWISE_SREG, &from) ||
        !ps_nl_u32(data, NFTA_BITWISE_DREG, &to) ||
        !ps_nl_u32(data, NFTA_BITWISE_LEN, &len) || len > 16 ||
        !data_of(data, NFTA_BITWISE_MASK, &mask) ||
        !data_of(data, NFTA_BITWISE_XOR, &other) || mask.size < len ||
        other.size < len || !ps_nft_reg_at(from, len, &at) ||
        !ps_nft_reg_at(to, len, &into)) {
        ps_nft_put_unknown(v, data, NFTA_BITWISE_DREG);
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

static unsigned int do_verdict(struct ps_nft_asked *v,
                               struct ps_nl_span verdict)
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
    /* Accepted; or a queue, or stolen: what drops it then is not this hook. */
    return (code & NF_VERDICT_MASK) == NF_DROP ? PS_NFT_DROPS : PS_NFT_ACCEPTS;
}

static unsigned int do_immediate(struct ps_nft_asked *v, struct ps_nl_span data)
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
        ps_nft_put(v, reg, value.data, all, value.size);
    else
        ps_nft_put_unknown(v, data, NFTA_IMMEDIATE_DREG);
    return PS_NFT_PASSES;
}

static unsigned int do_payload(struct ps_nft_asked *v, struct ps_nl_span data)
{
    return ps_nft_load_payload(v, data) ? PS_NFT_PASSES
                                        : PS_NFT_PASSES | BREAKS;
}

static unsigned int do_meta(struct ps_nft_asked *v, struct ps_nl_span data)
{
    ps_nft_load_meta(v, data);
    return PS_NFT_PASSES;
}

static unsigned int do_ct(struct ps_nft_asked *v, struct ps_nl_span data)
{
    uint32_t key = UINT32_MAX;

    ps_nft_load_ct(v, data);
    ps_nl_u32(data, NFTA_CT_KEY, &key);
    return key == NFT_CT_STATE ? PS_NFT_PASSES : PS_NFT_PASSES | BREAKS;
}

/* Which elements a set has is not looked at. */
static unsigned int do_lookup(struct ps_nft_asked *v, struct ps_nl_span data)
{
    uint32_t reg = UINT32_MAX;

    if (ps_nl_u32(data, NFTA_LOOKUP_DREG, &reg) && reg == NFT_REG_VERDICT)
        return PS_NFT_ANYTHING;
    ps_nft_put_unknown(v, data, NFTA_LOOKUP_DREG);
    return PS_NFT_PASSES | BREAKS;
}

static unsigned int do_nothing(struct ps_nft_asked *v _unused_,
                               struct ps_nl_span data _unused_)
{
    return PS_NFT_PASSES;
}

/* It may match or not, and writes what is not known here. */
static unsigned int do_match(struct ps_nft_asked *v,
                             struct ps_nl_span data _unused_)
{
    memset(v->regs.known, 0, sizeof(v->regs.known));
    return PS_NFT_PASSES | BREAKS;
}

static unsigned int do_reject(struct ps_nft_asked *v _unused_,
                              struct ps_nl_span data _unused_)
{
    return PS_NFT_DROPS;
}

static const struct {
    const char *name;
    unsigned int (*run)(struct ps_nft_asked *v, struct ps_nl_span data);
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

static unsigned int run(struct ps_nft_asked *v, struct ps_nl_span expr)
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
    struct ps_nft_asked v = {.packet = packet, .rules = rules, .chain = chain};
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
