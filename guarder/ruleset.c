/* SPDX-License-Identifier: MIT */
#include "guarder/ruleset.h"

int ps_ruleset_new(struct ps_ruleset **ret_set)
{
    struct ps_ruleset *set = calloc(1, sizeof(*set));

    if (!set)
        return -ENOMEM;
    set->rules = calloc(PS_RULESET_MAX, sizeof(*set->rules));
    if (!set->rules) {
        free(set);
        return -ENOMEM;
    }
    set->next_id = 1;
    *ret_set = set;
    return 0;
}

int ps_ruleset_copy(const struct ps_ruleset *set, struct ps_ruleset **ret_set)
{
    struct ps_ruleset *copy = NULL;
    struct ps_rule *rules;
    int r;

    r = ps_ruleset_new(&copy);
    if (r < 0)
        return r;
    rules = copy->rules;
    *copy = *set;
    copy->rules = rules;
    memcpy(rules, set->rules, set->n * sizeof(*rules));
    *ret_set = copy;
    return 0;
}

void ps_ruleset_free(struct ps_ruleset **set)
{
    if (!*set)
        return;
    free((*set)->rules);
    free(*set);
    *set = NULL;
}

struct ps_rule *ps_ruleset_find(const struct ps_ruleset *set, const char *id)
{
    for (size_t i = 0; i < set->n; i++) {
        if (ps_streq(set->rules[i].id, id))
            return &set->rules[i];
    }
    return NULL;
}

size_t ps_ruleset_enabled(const struct ps_ruleset *set)
{
    size_t n = 0;

    for (size_t i = 0; i < set->n; i++)
        n += set->rules[i].enabled;
    return n;
}

bool ps_ruleset_concerns(const struct ps_ruleset *set, const char *ifname)
{
    for (size_t i = 0; i < set->n; i++) {
        const struct ps_rule *rule = &set->rules[i];

        if (rule->enabled &&
            (!rule->ifname[0] || strcmp(rule->ifname, ifname) == 0))
            return true;
    }
    return false;
}

static struct ps_rule *insert(struct ps_ruleset *set,
                              const struct ps_rule *rule)
{
    size_t at = set->n;

    while (at > 0 && ps_rule_compare(rule, &set->rules[at - 1]) < 0)
        at--;
    memmove(&set->rules[at + 1], &set->rules[at],
            (set->n - at) * sizeof(*set->rules));
    set->rules[at] = *rule;
    set->n++;
    return &set->rules[at];
}

static void remove_at(struct ps_ruleset *set, size_t at)
{
    set->n--;
    memmove(&set->rules[at], &set->rules[at + 1],
            (set->n - at) * sizeof(*set->rules));
}

/* With leading zeros, so that ids as text are in the order of creation. */
static void give_id(struct ps_ruleset *set, struct ps_rule *rule)
{
    do {
        snprintf(rule->id, sizeof(rule->id), "r%06llu",
                 (unsigned long long)set->next_id++);
    } while (ps_ruleset_find(set, rule->id));
}

int ps_ruleset_add(struct ps_ruleset *set, const struct ps_rule *rule,
                   struct ps_rule **ret_rule)
{
    struct ps_rule copy = *rule;

    if (copy.id[0] && ps_ruleset_find(set, copy.id))
        return -EEXIST;
    if (set->n == PS_RULESET_MAX)
        return -ENOSPC;
    if (!copy.id[0])
        give_id(set, &copy);
    *ret_rule = insert(set, &copy);
    return 0;
}

int ps_ruleset_replace(struct ps_ruleset *set, const struct ps_rule *rule,
                       struct ps_rule **ret_rule)
{
    struct ps_rule *old = ps_ruleset_find(set, rule->id);
    struct ps_rule copy = *rule;

    if (!old)
        return -ENOENT;
    copy.slot = old->slot;
    copy.base = old->base;
    copy.saved = old->saved;
    copy.created_ns = old->created_ns;
    remove_at(set, (size_t)(old - set->rules));
    *ret_rule = insert(set, &copy);
    return 0;
}

int ps_ruleset_remove(struct ps_ruleset *set, const char *id)
{
    struct ps_rule *old = ps_ruleset_find(set, id);

    if (!old)
        return -ENOENT;
    remove_at(set, (size_t)(old - set->rules));
    return 0;
}

/* ---- slots and counters ------------------------------------------------- */

static void keep(struct ps_rule *rule, const struct ps_rule *old,
                 uint64_t now_ns)
{
    rule->slot = old->slot;
    rule->base = old->base;
    rule->saved = old->saved;
    rule->created_ns = old->created_ns;
    rule->updated_ns = ps_rule_same(rule, old) ? old->updated_ns : now_ns;
}

void ps_ruleset_assign(struct ps_ruleset *set, const struct ps_ruleset *old,
                       const struct ps_gd_count *kernel, uint64_t now_ns)
{
    bool used[PS_GD_SLOTS] = {false};
    uint16_t next = 0;

    for (size_t i = 0; i < old->n; i++)
        used[old->rules[i].slot] = true;
    for (size_t i = 0; i < set->n; i++) {
        struct ps_rule *rule = &set->rules[i];
        const struct ps_rule *before = ps_ruleset_find(old, rule->id);

        if (before) {
            keep(rule, before, now_ns);
            continue;
        }
        /* There are twice as many slots as rules: one is always free. */
        while (used[next])
            next++;
        used[next] = true;
        rule->slot = next;
        rule->created_ns = rule->updated_ns = now_ns;
        rule->saved = (struct ps_rule_hits){0};
        rule->base.packets = 0 - kernel[next].packets;
        rule->base.bytes = 0 - kernel[next].bytes;
    }
}

void ps_ruleset_rebase(struct ps_ruleset *set, uint64_t epoch)
{
    for (size_t i = 0; i < set->n; i++) {
        set->rules[i].slot = (uint16_t)i;
        set->rules[i].base = set->rules[i].saved;
    }
    set->epoch = epoch;
}

struct ps_rule_hits ps_rule_total(const struct ps_rule *rule,
                                  const struct ps_gd_count *kernel)
{
    return (struct ps_rule_hits){
        .packets = rule->base.packets + kernel[rule->slot].packets,
        .bytes = rule->base.bytes + kernel[rule->slot].bytes,
    };
}
