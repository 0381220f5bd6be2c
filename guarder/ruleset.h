/* SPDX-License-Identifier: MIT */
/*
 * All rules, in the order in which they are asked. A change makes a new set
 * from the old one; the old one stays as it is, so that a change that cannot
 * be stored or enforced has never happened. Plain logic.
 */
#ifndef PS_GUARDER_RULESET_H
#define PS_GUARDER_RULESET_H

#include "bpf/guarder/guarder_abi.h"
#include "guarder/rule.h"

#define PS_RULESET_MAX PS_GD_MAX_RULES

struct ps_ruleset {
    struct ps_rule *rules; /* PS_RULESET_MAX of room */
    size_t n;
    uint64_t generation; /* grows by one with each change */
    uint64_t next_id;    /* for ids that the guarder gives */
    uint64_t epoch;      /* of the kernel's counters that the slots are of */
};

int ps_ruleset_new(struct ps_ruleset **ret_set);
/* A copy of its own. */
int ps_ruleset_copy(const struct ps_ruleset *set, struct ps_ruleset **ret_set);
void ps_ruleset_free(struct ps_ruleset **set);

/* NULL: there is none. Borrowed until the set is changed. */
struct ps_rule *ps_ruleset_find(const struct ps_ruleset *set, const char *id);
/* Enabled rules. */
size_t ps_ruleset_enabled(const struct ps_ruleset *set);
/* Whether an enabled rule is for packets of this interface. */
bool ps_ruleset_concerns(const struct ps_ruleset *set, const char *ifname);

/*
 * Adds a rule at its place. Without an id it gets one. ret_rule: borrowed.
 * -EEXIST: the id is taken; -ENOSPC: PS_RULESET_MAX rules stand already.
 */
int ps_ruleset_add(struct ps_ruleset *set, const struct ps_rule *rule,
                   struct ps_rule **ret_rule);
/* Replaces the rule of the same id, wherever its order puts it; keeps slot,
 * counters and creation time. -ENOENT. */
int ps_ruleset_replace(struct ps_ruleset *set, const struct ps_rule *rule,
                       struct ps_rule **ret_rule);
int ps_ruleset_remove(struct ps_ruleset *set, const char *id);

/*
 * Gives a slot to each rule that `old` does not have, out of those that no
 * rule of either uses, and takes over slot, counters and creation time of the
 * others. kernel: what the slots have counted so far, PS_GD_SLOTS entries.
 */
void ps_ruleset_assign(struct ps_ruleset *set, const struct ps_ruleset *old,
                       const struct ps_gd_count *kernel, uint64_t now_ns);

/*
 * Begins a new life of the kernel's counters (all zero): totals go on from
 * what was saved.
 */
void ps_ruleset_rebase(struct ps_ruleset *set, uint64_t epoch);

/* A rule's total. */
struct ps_rule_hits ps_rule_total(const struct ps_rule *rule,
                                  const struct ps_gd_count *kernel);

#endif
