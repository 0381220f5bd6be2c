/* SPDX-License-Identifier: MIT */
/*
 * The nftables rules of one network namespace, as the kernel tells them over
 * netlink, and which of them can have dropped a packet. Plain logic: no I/O.
 */
#ifndef PS_TRACER_NFT_RULES_H
#define PS_TRACER_NFT_RULES_H

#include "bpf/tracer/tracer_abi.h"
#include "common/util.h"
#include "tracer/nlattr.h"

#define PS_NFT_MAX_CHAINS 4096u
#define PS_NFT_MAX_RULES  32768u
#define PS_NFT_MAX_BYTES  (8u << 20)
#define PS_NFT_NAME       128u
#define PS_NFT_ID         (2 * PS_NFT_NAME + 64u)
#define PS_NFT_COMMENT    136u

struct ps_nft_chain {
    char table[PS_NFT_NAME], name[PS_NFT_NAME];
    uint8_t family; /* NFPROTO_* */
    bool base;      /* the others are jumped to */
    bool nat;       /* of which only a connection's first packet asks */
    bool policy_drop;
    uint32_t hook; /* NF_INET_*; of a base chain, as the next */
    int32_t priority;
    uint32_t first, n; /* rules */
};

struct ps_nft_rule {
    uint64_t handle;
    uint32_t chain;
    uint32_t at, size;              /* expressions, in bytes */
    uint32_t comment, comment_size; /* in bytes; size 0: none */
};

struct ps_nft_rules {
    struct ps_nft_chain *chains;
    struct ps_nft_rule *rules;
    uint8_t *bytes;
    uint32_t n_chains, cap_chains, n_rules, cap_rules, n_bytes, cap_bytes;
    uint32_t generation;
    /* A rule writes marks, or what packets carry: what a packet had when it
     * was dropped is not what earlier rules saw. */
    bool sets_mark, sets_bytes;
};

void ps_nft_rules_clear(struct ps_nft_rules *rules);

/*
 * Adds the tables, chains and rules in one buffer of messages, in the order
 * of dumps: tables, chains, rules. ret_done: a dump's end, or the generation,
 * was in it. Errors of the kernel, -EBADMSG, -EAGAIN (the rules changed while
 * they were told), -E2BIG, -ENOMEM.
 */
int ps_nft_rules_parse(struct ps_nft_rules *rules, const void *data,
                       size_t size, bool *ret_done);

/* What is known of a packet that nftables dropped. */
struct ps_nft_packet {
    const struct ps_tracer_event *event; /* when its buffer was freed */
    uint32_t hook;                       /* NF_INET_* */
    /* The interface that the hook was called with: where it came in
     * (prerouting, input, forward), or leaves by. */
    uint32_t ifindex;
    const char *ifname;
};

enum ps_nft_found {
    PS_NFT_NONE, /* not known */
    PS_NFT_RULE,
    PS_NFT_POLICY,
};

/*
 * The rule, or chain with a policy, that dropped it: the only one that can
 * have. What is not known of the packet, or what an expression does that is
 * not understood, makes a rule possible, never certain. rule or chain is set
 * by what was found. budget: how many more rules may be looked at; less by
 * those that were.
 */
enum ps_nft_found ps_nft_rules_find(const struct ps_nft_rules *rules,
                                    const struct ps_nft_packet *packet,
                                    uint32_t *budget, uint32_t *ret_which);

/* "inet filter input handle 7", "inet filter input policy"; id has PS_NFT_ID
 * bytes. */
void ps_nft_rules_id(const struct ps_nft_rules *rules, enum ps_nft_found found,
                     uint32_t which, char *id);
/* The rule's comment, or ""; text has PS_NFT_COMMENT bytes. */
void ps_nft_rules_comment(const struct ps_nft_rules *rules, uint32_t rule,
                          char *text);

/* ---- nft_eval.c --------------------------------------------------------- */

/* What a rule may do with a packet. */
enum ps_nft_outcome {
    PS_NFT_PASSES = 1 << 0, /* to the next rule */
    PS_NFT_DROPS = 1 << 1,
    PS_NFT_ACCEPTS = 1 << 2,
    PS_NFT_RETURNS = 1 << 3,
    PS_NFT_JUMPS = 1 << 4,
    PS_NFT_GOES = 1 << 5,
    /* Leads to where nobody looked: then nothing is certain. */
    PS_NFT_ANYTHING = 1 << 6,
};

/*
 * Bits of enum ps_nft_outcome: several where it is not certain. chain has
 * PS_NFT_NAME bytes: where it jumps or goes. expressions:
 * NFTA_RULE_EXPRESSIONS.
 */
unsigned int ps_nft_eval(struct ps_nl_span in,
                         const struct ps_nft_packet *packet,
                         const struct ps_nft_rules *rules, char *chain);

#endif
