/* SPDX-License-Identifier: MIT */
#include "tracer/nft_rules.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "common/array.h"

#define COMMENT       0 /* of a rule's userdata: nft's own numbers */
#define MESSAGE(type) (uint16_t)((NFNL_SUBSYS_NFTABLES << 8) | (type))

void ps_nft_rules_clear(struct ps_nft_rules *r)
{
    free(r->chains);
    free(r->rules);
    free(r->bytes);
    *r = (struct ps_nft_rules){0};
}

static int keep_bytes(struct ps_nft_rules *r, const struct ps_nl_span *s,
                      uint32_t *ret_at)
{
    int e = ps_array_reserve(&r->bytes, &r->cap_bytes,
                             (uint64_t)r->n_bytes + s->size, PS_NFT_MAX_BYTES,
                             1);

    if (e < 0)
        return e;
    if (s->size)
        memcpy(r->bytes + r->n_bytes, s->data, s->size);
    *ret_at = r->n_bytes;
    r->n_bytes += (uint32_t)s->size;
    return 0;
}

/* ---- chains ------------------------------------------------------------- */

static bool same_chain(const struct ps_nft_chain *c, uint8_t family,
                       const char *table, const char *name)
{
    return c->family == family && !strcmp(c->name, name) &&
           !strcmp(c->table, table);
}

/* A table that sleeps has none of its chains at a hook; they can still be
 * told, so it stands among the chains without a name until they are. */
static int add_table(struct ps_nft_rules *r, uint8_t family,
                     struct ps_nl_span in)
{
    struct ps_nft_chain table = {.family = family};
    uint32_t flags = 0;
    int e;

    ps_nl_u32(in, NFTA_TABLE_FLAGS, &flags);
    if (!(flags & NFT_TABLE_F_DORMANT))
        return 0;
    if (!ps_nl_text(in, NFTA_TABLE_NAME, table.table, sizeof(table.table)))
        return -E2BIG;
    e = ps_array_reserve(&r->chains, &r->cap_chains, r->n_chains + 1,
                         PS_NFT_MAX_CHAINS, sizeof(*r->chains));
    if (e < 0)
        return e;
    r->chains[r->n_chains++] = table;
    return 0;
}

static bool sleeps(const struct ps_nft_rules *r, const struct ps_nft_chain *c)
{
    for (uint32_t i = 0; i < r->n_chains; i++)
        if (same_chain(&r->chains[i], c->family, c->table, ""))
            return true;
    return false;
}

static int add_chain(struct ps_nft_rules *r, uint8_t family,
                     struct ps_nl_span in)
{
    struct ps_nft_chain c = {.family = family};
    struct ps_nl_span hook;
    uint32_t priority = 0, policy = NF_ACCEPT;
    char type[16] = "";
    int e;

    if (!ps_nl_text(in, NFTA_CHAIN_TABLE, c.table, sizeof(c.table)) ||
        !ps_nl_text(in, NFTA_CHAIN_NAME, c.name, sizeof(c.name)))
        return -E2BIG;
    c.base = ps_nl_find(in, NFTA_CHAIN_HOOK, &hook) &&
             ps_nl_u32(hook, NFTA_HOOK_HOOKNUM, &c.hook) && !sleeps(r, &c);
    if (c.base) {
        ps_nl_u32(hook, NFTA_HOOK_PRIORITY, &priority);
        ps_nl_u32(in, NFTA_CHAIN_POLICY, &policy);
        ps_nl_text(in, NFTA_CHAIN_TYPE, type, sizeof(type));
    }
    c.priority = (int32_t)priority;
    c.policy_drop = policy == NF_DROP;
    c.nat = !strcmp(type, "nat");
    e = ps_array_reserve(&r->chains, &r->cap_chains, r->n_chains + 1,
                         PS_NFT_MAX_CHAINS, sizeof(*r->chains));
    if (e < 0)
        return e;
    r->chains[r->n_chains++] = c;
    return 0;
}

/* ---- rules -------------------------------------------------------------- */

static int find_chain(const struct ps_nft_rules *r, uint8_t family,
                      struct ps_nl_span in, uint32_t *ret_chain)
{
    char table[PS_NFT_NAME], name[PS_NFT_NAME];
    uint32_t last = r->n_rules ? r->rules[r->n_rules - 1].chain : 0;

    if (!ps_nl_text(in, NFTA_RULE_TABLE, table, sizeof(table)) ||
        !ps_nl_text(in, NFTA_RULE_CHAIN, name, sizeof(name)))
        return -E2BIG;
    for (uint32_t i = 0; i < r->n_chains; i++) {
        uint32_t k = (last + i) % r->n_chains;

        if (same_chain(&r->chains[k], family, table, name)) {
            *ret_chain = k;
            return 0;
        }
    }
    return -EAGAIN;
}

/* Which of its expressions change what later rules see. */
static void note_changes(struct ps_nft_rules *r, struct ps_nl_span in)
{
    struct ps_nl_span value, data;
    uint16_t type;
    uint32_t n;
    char name[32];

    while (ps_nl_next(&in, &type, &value)) {
        if (!ps_nl_text(value, NFTA_EXPR_NAME, name, sizeof(name)) ||
            !ps_nl_find(value, NFTA_EXPR_DATA, &data))
            continue;
        if (!strcmp(name, "meta") && ps_nl_u32(data, NFTA_META_SREG, &n))
            r->sets_mark = true;
        if ((!strcmp(name, "payload") &&
             ps_nl_u32(data, NFTA_PAYLOAD_SREG, &n)) ||
            !strcmp(name, "exthdr") || !strcmp(name, "target"))
            r->sets_bytes = r->sets_mark = true;
    }
}

static int add_comment(struct ps_nft_rules *r, struct ps_nft_rule *rule,
                       struct ps_nl_span in)
{
    struct ps_nl_span user, text = {0};

    if (!ps_nl_find(in, NFTA_RULE_USERDATA, &user))
        return 0;
    while (user.size >= 2 && user.data[1] <= user.size - 2) {
        if (user.data[0] == COMMENT)
            text = (struct ps_nl_span){user.data + 2, user.data[1]};
        user = (struct ps_nl_span){user.data + 2 + user.data[1],
                                   user.size - 2 - user.data[1]};
    }
    rule->comment_size = (uint32_t)text.size;
    return keep_bytes(r, &text, &rule->comment);
}

static int add_rule(struct ps_nft_rules *r, uint8_t family,
                    struct ps_nl_span in)
{
    struct ps_nl_span value = {0};
    struct ps_nft_rule rule = {0};
    struct ps_nft_chain *chain;
    uint64_t handle = 0;
    int e = find_chain(r, family, in, &rule.chain);

    if (e < 0)
        return e;
    if (!ps_nl_find(in, NFTA_RULE_HANDLE, &value) ||
        !ps_nl_take(&value, &handle, sizeof(handle)))
        return -EBADMSG;
    rule.handle = be64toh(handle);
    value = (struct ps_nl_span){0};
    ps_nl_find(in, NFTA_RULE_EXPRESSIONS, &value);
    note_changes(r, value);
    rule.size = (uint32_t)value.size;
    e = keep_bytes(r, &value, &rule.at);
    if (e == 0)
        e = add_comment(r, &rule, in);
    if (e == 0)
        e = ps_array_reserve(&r->rules, &r->cap_rules, r->n_rules + 1,
                             PS_NFT_MAX_RULES, sizeof(*r->rules));
    if (e < 0)
        return e;
    chain = &r->chains[rule.chain];
    if (chain->n == 0)
        chain->first = r->n_rules;
    /* Those of a chain come one after the other. */
    if (chain->first + chain->n != r->n_rules)
        return -EBADMSG;
    chain->n++;
    r->rules[r->n_rules++] = rule;
    return 0;
}

/* ---- messages ----------------------------------------------------------- */

static int add_message(struct ps_nft_rules *r, const struct nlmsghdr *head,
                       const struct ps_nl_span *body, bool *ret_done)
{
    struct ps_nl_span in;
    struct nfgenmsg gen;

    if (head->nlmsg_flags & NLM_F_DUMP_INTR)
        return -EAGAIN;
    if (head->nlmsg_type == NLMSG_DONE) {
        *ret_done = true;
        return 0;
    }
    if (head->nlmsg_type == NLMSG_ERROR)
        return ps_nl_error(body);
    if (!ps_nl_take(body, &gen, sizeof(gen)))
        return -EBADMSG;
    in =
        (struct ps_nl_span){body->data + sizeof(gen), body->size - sizeof(gen)};
    switch (head->nlmsg_type) {
    case MESSAGE(NFT_MSG_NEWGEN):
        *ret_done = true;
        return ps_nl_u32(in, NFTA_GEN_ID, &r->generation) ? 0 : -EBADMSG;
    case MESSAGE(NFT_MSG_NEWTABLE):
        return add_table(r, gen.nfgen_family, in);
    case MESSAGE(NFT_MSG_NEWCHAIN):
        return add_chain(r, gen.nfgen_family, in);
    case MESSAGE(NFT_MSG_NEWRULE):
        return add_rule(r, gen.nfgen_family, in);
    default:
        return 0;
    }
}

int ps_nft_rules_parse(struct ps_nft_rules *r, const void *data, size_t size,
                       bool *ret_done)
{
    struct ps_nl_span in = {data, size}, body;
    struct nlmsghdr head;
    int e;

    while ((e = ps_nl_next_message(&in, &head, &body)) > 0) {
        e = add_message(r, &head, &body, ret_done);
        if (e < 0 || *ret_done)
            return e;
    }
    return e;
}
