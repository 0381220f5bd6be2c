/* SPDX-License-Identifier: MIT */
/*
 * Rules that dropped packets of one trace, each kept once, by a number from 1
 * on; 0 is none. They leave with the trace: rules come and go while the tracer
 * lives. Plain data, with a bound. One thread.
 */
#ifndef PS_TRACER_RULES_H
#define PS_TRACER_RULES_H

#include "common/util.h"

#define PS_RULES_MAX  4096u
#define PS_RULES_KIND 16u
#define PS_RULES_ID   256u
#define PS_RULES_TEXT 512u

struct ps_rule_name {
    char kind[PS_RULES_KIND]; /* "guarder", "nftables" */
    char id[PS_RULES_ID];
    char text[PS_RULES_TEXT]; /* "": not known */
    /* Found by holding the packet against the rules, not told by who dropped
     * it. */
    bool inferred;
};

struct ps_rules;

int ps_rules_new(struct ps_rules **ret_rules);
void ps_rules_free(struct ps_rules **rules);

/* The number of a rule of these contents. 0: there is no room. Texts that are
 * too long are cut. */
uint16_t ps_rules_put(struct ps_rules *rules, const char *kind, const char *id,
                      const char *text, bool inferred);
/* Borrowed until the next put; NULL for a number that is none. rules may be
 * NULL. */
const struct ps_rule_name *ps_rules_get(const struct ps_rules *rules,
                                        uint16_t number);
/* Drops whose rule found no room. rules may be NULL. */
uint64_t ps_rules_lost(const struct ps_rules *rules);

#endif
