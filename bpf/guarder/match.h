/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Whether a packet fits a rule; no branch more than needed, see differs(). */
#ifndef PS_BPF_GUARDER_MATCH_H
#define PS_BPF_GUARDER_MATCH_H

#include "bpf/lib/parse.h"

#include "bpf/guarder/guarder_abi.h"

/* What the rules are held against. */
struct rule_key {
    const struct ps_pkt *pkt;
    __u64 bits;
    __u32 ifindex;
    __u16 sport, dport;
};

/*
 * Not zero where the rule does not match. Without a branch: each branch would
 * double what the verifier has to walk in a loop over all rules.
 */
static __always_inline __u64 differs(const struct ps_gd_match *m,
                                     const struct rule_key *k)
{
    __u64 bad;

    bad = (m->bits.word ^ k->bits) & m->mask.word;
    bad |= (m->ifindex ^ k->ifindex) & m->ifindex_mask;
    /* Negative, so with a high bit, where the port is not in the range. */
    bad |= ((__u64)m->sport_span - (__u16)(k->sport - m->sport_first)) >> 63;
    bad |= ((__u64)m->dport_span - (__u16)(k->dport - m->dport_first)) >> 63;
    return bad;
}

/* The same of the addresses alone. */
static __always_inline __u32 differs4(const struct ps_gd_rule4 *r, __u32 saddr,
                                      __u32 daddr)
{
    return ((saddr ^ r->saddr) & r->smask) | ((daddr ^ r->daddr) & r->dmask);
}

static __always_inline __u64 differs6(const struct ps_gd_rule6 *r,
                                      const struct ps_pkt *pkt)
{
    return ((pkt->saddr[0] ^ r->saddr[0]) & r->smask[0]) |
           ((pkt->saddr[1] ^ r->saddr[1]) & r->smask[1]) |
           ((pkt->daddr[0] ^ r->daddr[0]) & r->dmask[0]) |
           ((pkt->daddr[1] ^ r->daddr[1]) & r->dmask[1]);
}

#endif
