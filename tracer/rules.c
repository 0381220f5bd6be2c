/* SPDX-License-Identifier: MIT */
#include "tracer/rules.h"

struct ps_rules {
    struct ps_rule_name *list;
    uint16_t n, cap;
    uint64_t lost;
};

int ps_rules_new(struct ps_rules **ret_rules)
{
    struct ps_rules *r = calloc(1, sizeof(*r));

    if (!r)
        return -ENOMEM;
    *ret_rules = r;
    return 0;
}

void ps_rules_free(struct ps_rules **rules)
{
    if (!*rules)
        return;
    free((*rules)->list);
    free(*rules);
    *rules = NULL;
}

static bool grow(struct ps_rules *r)
{
    uint16_t cap = r->cap ? (uint16_t)(2 * r->cap) : 16;
    struct ps_rule_name *list;

    if (cap > PS_RULES_MAX)
        return false;
    list = realloc(r->list, cap * sizeof(*list));
    if (!list)
        return false;
    r->list = list;
    r->cap = cap;
    return true;
}

uint16_t ps_rules_put(struct ps_rules *r, const char *kind, const char *id,
                      const char *text, bool inferred)
{
    struct ps_rule_name rule = {.inferred = inferred};

    snprintf(rule.kind, sizeof(rule.kind), "%s", kind);
    snprintf(rule.id, sizeof(rule.id), "%s", id);
    snprintf(rule.text, sizeof(rule.text), "%s", text ? text : "");
    /* The newest first: packets of a moment meet the same few rules. */
    for (uint16_t i = r->n; i > 0; i--) {
        const struct ps_rule_name *known = &r->list[i - 1];

        if (!strcmp(known->id, rule.id) && !strcmp(known->kind, rule.kind) &&
            !strcmp(known->text, rule.text) && known->inferred == inferred)
            return i;
    }
    if (r->n == r->cap && !grow(r)) {
        r->lost++;
        return 0;
    }
    r->list[r->n] = rule;
    return ++r->n;
}

const struct ps_rule_name *ps_rules_get(const struct ps_rules *r,
                                        uint16_t number)
{
    return r && number > 0 && number <= r->n ? &r->list[number - 1] : NULL;
}

uint64_t ps_rules_lost(const struct ps_rules *r)
{
    return r ? r->lost : 0;
}
