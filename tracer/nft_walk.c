/* SPDX-License-Identifier: MIT */
/* All ways of a packet through the chains of a hook. */
#include <linux/netfilter.h>

#include "tracer/nft_rules.h"

/* The kernel's own: NFT_JUMP_STACK_SIZE. */
#define MAX_DEPTH 16

struct walk {
    const struct ps_nft_rules *rules;
    const struct ps_nft_packet *packet;
    uint32_t *budget;
    enum ps_nft_found found;
    uint32_t which;
    bool many; /* more than one can have done it, or not all were seen */
};

static void note(struct walk *w, enum ps_nft_found what, uint32_t which)
{
    w->many |= w->found != PS_NFT_NONE &&
               (w->found != what || w->which != which);
    w->found = what;
    w->which = which;
}

static const struct ps_nft_chain *find_chain(const struct ps_nft_rules *r,
                                             const struct ps_nft_chain *from,
                                             const char *name)
{
    for (uint32_t i = 0; i < r->n_chains; i++) {
        const struct ps_nft_chain *c = &r->chains[i];

        if (c->family == from->family && !strcmp(c->name, name) &&
            !strcmp(c->table, from->table))
            return c;
    }
    return NULL;
}

static unsigned int walk_chain(struct walk *w, const struct ps_nft_chain *c,
                               unsigned int depth);

/* What a rule that jumps or goes to a chain makes of it. */
static unsigned int enter(struct walk *w, const struct ps_nft_chain *from,
                          const char *name, unsigned int depth)
{
    const struct ps_nft_chain *to = find_chain(w->rules, from, name);

    if (!to || depth >= MAX_DEPTH) {
        w->many = true;
        return PS_NFT_PASSES | PS_NFT_ACCEPTS;
    }
    return walk_chain(w, to, depth + 1);
}

/* ACCEPTS, and PASSES where its end may be reached. The depth is bounded as
 * the kernel's. */
/* NOLINTNEXTLINE(misc-no-recursion) */
static unsigned int walk_chain(struct walk *w, const struct ps_nft_chain *c,
                               unsigned int depth)
{
    unsigned int out = 0;

    for (uint32_t i = c->first; i < c->first + c->n && !w->many; i++) {
        const struct ps_nft_rule *rule = &w->rules->rules[i];
        struct ps_nl_span in = {w->rules->bytes + rule->at, rule->size};
        char name[PS_NFT_NAME] = "";
        unsigned int does;

        if ((*w->budget)-- == 0) {
            *w->budget = 0;
            w->many = true;
            break;
        }
        does = ps_nft_eval(in, w->packet, w->rules, name);
        w->many |= does & PS_NFT_ANYTHING;
        if (does & PS_NFT_DROPS)
            note(w, PS_NFT_RULE, i);
        if (does & PS_NFT_JUMPS)
            does |= enter(w, c, name, depth);
        if (does & PS_NFT_GOES)
            out |= enter(w, c, name, depth);
        out |= does & PS_NFT_ACCEPTS;
        if (does & PS_NFT_RETURNS)
            out |= PS_NFT_PASSES;
        if (!(does & PS_NFT_PASSES))
            return out;
    }
    return out | PS_NFT_PASSES;
}

static bool concerns(const struct ps_nft_chain *c,
                     const struct ps_nft_packet *p)
{
    uint8_t family = p->event->tuple.family == 6 ? NFPROTO_IPV6 : NFPROTO_IPV4;

    return c->base && c->hook == p->hook &&
           (c->family == NFPROTO_INET || c->family == family);
}

/* The lowest priority above `after`. False: there is none. */
static bool next_priority(const struct walk *w, int64_t after, int64_t *ret)
{
    bool any = false;

    for (uint32_t i = 0; i < w->rules->n_chains; i++) {
        const struct ps_nft_chain *c = &w->rules->chains[i];

        if (concerns(c, w->packet) && c->priority > after &&
            (!any || c->priority < *ret)) {
            *ret = c->priority;
            any = true;
        }
    }
    return any;
}

/* All base chains of one priority, in whatever order they are asked. Whether
 * the packet may come to those behind. */
static bool walk_priority(struct walk *w, int64_t priority)
{
    bool on = true;

    for (uint32_t i = 0; i < w->rules->n_chains; i++) {
        const struct ps_nft_chain *c = &w->rules->chains[i];
        unsigned int does;

        if (!concerns(c, w->packet) || c->priority != priority)
            continue;
        does = walk_chain(w, c, 0);
        if (does & PS_NFT_PASSES && c->policy_drop)
            note(w, PS_NFT_POLICY, i);
        on &= c->nat || does & PS_NFT_ACCEPTS ||
              (does & PS_NFT_PASSES && !c->policy_drop);
    }
    return on;
}

enum ps_nft_found ps_nft_rules_find(const struct ps_nft_rules *rules,
                                    const struct ps_nft_packet *packet,
                                    uint32_t *budget, uint32_t *ret_which)
{
    struct walk w = {.rules = rules, .packet = packet, .budget = budget};
    int64_t priority = INT64_MIN;

    while (!w.many && next_priority(&w, priority, &priority))
        if (!walk_priority(&w, priority))
            break;
    if (w.many || w.found == PS_NFT_NONE)
        return PS_NFT_NONE;
    *ret_which = w.which;
    return w.found;
}

/* ---- names -------------------------------------------------------------- */

static const char *family_name(uint8_t family)
{
    return family == NFPROTO_IPV4   ? "ip"
           : family == NFPROTO_IPV6 ? "ip6"
                                    : "inet";
}

void ps_nft_rules_id(const struct ps_nft_rules *rules, enum ps_nft_found found,
                     uint32_t which, char *id)
{
    const struct ps_nft_rule *rule = found == PS_NFT_RULE ? &rules->rules[which]
                                                          : NULL;
    const struct ps_nft_chain *c = &rules->chains[rule ? rule->chain : which];
    char end[32] = "policy";

    if (rule)
        snprintf(end, sizeof(end), "handle %llu",
                 (unsigned long long)rule->handle);
    snprintf(id, PS_NFT_ID, "%s %s %s %s", family_name(c->family), c->table,
             c->name, end);
}

void ps_nft_rules_comment(const struct ps_nft_rules *rules, uint32_t rule,
                          char *text)
{
    const struct ps_nft_rule *of = &rules->rules[rule];
    size_t n =
        strnlen((const char *)rules->bytes + of->comment, of->comment_size);

    if (n >= PS_NFT_COMMENT)
        n = PS_NFT_COMMENT - 1;
    memcpy(text, rules->bytes + of->comment, n);
    text[n] = '\0';
}
