/* SPDX-License-Identifier: MIT */
/* The methods of the bus. */
#include <inttypes.h>

#include "guarder/convert.h"
#include "guarder/guarder.h"
#include "guarder/report.h"

#define AS(type, msg) ((const Ps__##type *)(msg))

/* ---- answers ------------------------------------------------------------ */

static void fail_memory(struct ps_call *call)
{
    ps_call_fail(call, "service.no_memory", 503, NULL,
                 "The guarder has no memory left; try again later.");
}

static void fail_unknown(struct ps_call *call, const char *id)
{
    ps_call_fail(call, "rule.not_found", 404, "id",
                 "There is no rule \"%.64s\".", id);
}

static void fail_full(struct ps_call *call)
{
    ps_call_fail(call, "rule.too_many", 409, NULL,
                 "There are %d rules already, and that is the most: delete "
                 "some, or join them by prefixes.",
                 PS_RULESET_MAX);
}

/* prefix: "rule", "rules[3]". */
static void fail_rule(struct ps_call *call, const char *prefix,
                      const struct ps_rule_error *error)
{
    char field[128];

    snprintf(field, sizeof(field), "%s%s%s", prefix, error->field[0] ? "." : "",
             error->field);
    ps_call_fail(call, "request.invalid", 400, field, "%s", error->detail);
}

static void fail_change(struct ps_guarder *g, struct ps_call *call, int r)
{
    if (!g->kernel)
        ps_call_fail(call, "guarder.cannot_enforce", 503, NULL,
                     "This host cannot enforce rules, so none is taken: %s.",
                     g->no_kernel);
    else if (r == -EREMOTEIO)
        ps_call_fail(call, "guarder.not_in_force", 500, NULL,
                     "The change is stored, but the kernel refused it; it is "
                     "tried again every ten seconds.");
    else if (r == -ENOSPC)
        ps_call_fail(call, "store.full", 507, NULL,
                     "The state directory's disk is full; nothing was "
                     "changed.");
    else if (r == -ENOMEM)
        fail_memory(call);
    else
        ps_call_fail(call, "store.failed", 500, NULL,
                     "The rules cannot be stored (%s); nothing was changed.",
                     strerror(-r));
}

static Ps__Rule *rule_now(struct ps_guarder *g, const struct ps_rule *rule)
{
    struct ps_rule_hits hits = ps_rule_total(rule, g->hits);

    /* Without a kernel nothing has been counted since the last save. */
    return ps_rule_to_pb(rule, g->kernel ? &hits : &rule->saved);
}

static void reply_rule(struct ps_guarder *g, const char *id,
                       struct ps_call *call)
{
    const struct ps_rule *rule = ps_ruleset_find(g->set, id);
    Ps__Rule *msg = rule ? rule_now(g, rule) : NULL;

    if (!msg) {
        fail_memory(call);
        return;
    }
    ps_call_reply(call, &msg->base);
    ps__rule__free_unpacked(msg, NULL);
}

/* ---- reading ------------------------------------------------------------ */

static int fill_list(struct ps_guarder *g, const struct ps_addr *addr,
                     size_t offset, size_t limit, Ps__RuleList *list)
{
    size_t seen = 0;

    list->rules = calloc(limit + 1, sizeof(*list->rules));
    if (!list->rules)
        return -ENOMEM;
    for (size_t i = 0; i < g->set->n; i++) {
        const struct ps_rule *rule = &g->set->rules[i];

        if (addr->family && !ps_rule_concerns(rule, addr))
            continue;
        if (seen++ < offset || list->n_rules == limit)
            continue;
        list->rules[list->n_rules] = rule_now(g, rule);
        if (!list->rules[list->n_rules])
            return -ENOMEM;
        list->n_rules++;
    }
    list->total = seen;
    list->generation = g->set->generation;
    if (offset + list->n_rules < seen) {
        list->next_cursor = ps_list_cursor(offset + list->n_rules);
        if (!list->next_cursor)
            return -ENOMEM;
    }
    return 0;
}

/* NULL without memory. */
static Ps__RuleList *make_list(struct ps_guarder *g, const struct ps_addr *addr,
                               size_t offset, size_t limit)
{
    Ps__RuleList *list = calloc(1, sizeof(*list));

    if (!list)
        return NULL;
    ps__rule_list__init(list);
    if (fill_list(g, addr, offset, limit, list) < 0) {
        ps__rule_list__free_unpacked(list, NULL);
        return NULL;
    }
    return list;
}

static void reply_list(struct ps_guarder *g, const struct ps_addr *addr,
                       size_t offset, size_t limit, struct ps_call *call)
{
    Ps__RuleList *list = make_list(g, addr, offset, limit);

    if (!list) {
        fail_memory(call);
        return;
    }
    ps_call_reply(call, &list->base);
    ps__rule_list__free_unpacked(list, NULL);
}

/* For the audit log. */
static void tell_rule_before(struct ps_guarder *g, const struct ps_rule *rule,
                             struct ps_call *call)
{
    Ps__Rule *now = rule_now(g, rule);

    if (!now)
        return;
    ps_call_before(call, &now->base);
    ps__rule__free_unpacked(now, NULL);
}

static void tell_ruleset_before(struct ps_guarder *g, struct ps_call *call)
{
    const struct ps_addr any = {0};
    Ps__RuleList *list = make_list(g, &any, 0, PS_RULESET_MAX);

    if (!list)
        return;
    ps_call_before(call, &list->base);
    ps__rule_list__free_unpacked(list, NULL);
}

/* False: the call has failed. */
static bool fresh_hits(struct ps_guarder *g, struct ps_call *call)
{
    int r = g->kernel ? ps_guarder_read_hits(g) : 0;

    if (r < 0)
        ps_call_fail(call, "guarder.counters_unreadable", 500, NULL,
                     "The kernel's counters cannot be read: %s.", strerror(-r));
    return r == 0;
}

static void list_rules(void *arg, const ProtobufCMessage *msg,
                       struct ps_call *call)
{
    const Ps__ListRulesRequest *req = AS(ListRulesRequest, msg);
    struct ps_guarder *g = arg;
    struct ps_addr addr = {0};
    uint32_t limit;
    size_t offset;

    if (ps_list_limit(call, req->has_limit, req->limit, &limit) < 0 ||
        ps_list_offset(call, req->cursor, &offset) < 0)
        return;
    if (req->addr && ps_addr_from_pb(req->addr, &addr) < 0) {
        ps_call_fail(call, "request.invalid", 400, "addr",
                     "addr is an IPv4 or IPv6 address.");
        return;
    }
    if (fresh_hits(g, call))
        reply_list(g, &addr, offset, limit, call);
}

static void get_rule(void *arg, const ProtobufCMessage *msg,
                     struct ps_call *call)
{
    const Ps__RuleId *req = AS(RuleId, msg);
    struct ps_guarder *g = arg;

    if (!ps_ruleset_find(g->set, req->id))
        fail_unknown(call, req->id);
    else if (fresh_hits(g, call))
        reply_rule(g, req->id, call);
}

static void get_stats(void *arg, const ProtobufCMessage *msg _unused_,
                      struct ps_call *call)
{
    Ps__GuarderStats *stats = ps_guarder_stats(arg);

    if (!stats) {
        fail_memory(call);
        return;
    }
    ps_call_reply(call, &stats->base);
    ps__guarder_stats__free_unpacked(stats, NULL);
}

/* ---- changing one rule -------------------------------------------------- */

static bool parse_rule(const Ps__Rule *msg, struct ps_rule *ret_rule,
                       struct ps_call *call)
{
    struct ps_rule_error error;

    if (!msg) {
        ps_call_fail(call, "request.invalid", 400, "rule",
                     "The request has no rule.");
        return false;
    }
    if (ps_rule_parse(msg, ret_rule, &error) < 0) {
        fail_rule(call, "rule", &error);
        return false;
    }
    return true;
}

static void create_rule(void *arg, const ProtobufCMessage *msg,
                        struct ps_call *call)
{
    _cleanup_(ps_ruleset_free) struct ps_ruleset *set = NULL;
    struct ps_rule rule, *added = NULL;
    struct ps_guarder *g = arg;
    int r;

    if (!parse_rule(AS(CreateRuleRequest, msg)->rule, &rule, call))
        return;
    r = ps_ruleset_copy(g->set, &set);
    if (r == 0)
        r = ps_ruleset_add(set, &rule, &added);
    if (r == -EEXIST) {
        ps_call_fail(call, "rule.exists", 409, "rule.id",
                     "There is a rule \"%s\" already: change that one, or "
                     "take another id.",
                     rule.id);
        return;
    }
    if (r == -ENOSPC) {
        fail_full(call);
        return;
    }
    if (r == 0) {
        rule = *added;
        r = ps_guarder_change(g, &set);
    }
    if (r < 0) {
        fail_change(g, call, r);
        return;
    }
    ps_guarder_report_rule(g, "guarder.rule_added", "added", &rule,
                           ps_call_actor(call));
    reply_rule(g, rule.id, call);
}

static void update_rule(void *arg, const ProtobufCMessage *msg,
                        struct ps_call *call)
{
    _cleanup_(ps_ruleset_free) struct ps_ruleset *set = NULL;
    const Ps__UpdateRuleRequest *req = AS(UpdateRuleRequest, msg);
    struct ps_rule rule, *changed = NULL;
    struct ps_guarder *g = arg;
    const struct ps_rule *old;
    int r;

    if (!parse_rule(req->rule, &rule, call))
        return;
    old = ps_ruleset_find(g->set, req->id);
    if (!old) {
        fail_unknown(call, req->id);
        return;
    }
    tell_rule_before(g, old, call);
    if (rule.id[0] && !ps_streq(rule.id, req->id)) {
        ps_call_fail(call, "request.invalid", 400, "rule.id",
                     "A rule's id cannot be changed: leave it out, or make a "
                     "new rule.");
        return;
    }
    snprintf(rule.id, sizeof(rule.id), "%s", req->id);
    r = ps_ruleset_copy(g->set, &set);
    if (r == 0)
        r = ps_ruleset_replace(set, &rule, &changed);
    if (r == 0)
        r = ps_guarder_change(g, &set);
    if (r < 0) {
        fail_change(g, call, r);
        return;
    }
    ps_guarder_report_rule(g, "guarder.rule_changed", "changed", &rule,
                           ps_call_actor(call));
    reply_rule(g, req->id, call);
}

static void delete_rule(void *arg, const ProtobufCMessage *msg,
                        struct ps_call *call)
{
    _cleanup_(ps_ruleset_free) struct ps_ruleset *set = NULL;
    const Ps__RuleId *req = AS(RuleId, msg);
    Ps__Empty empty = PS__EMPTY__INIT;
    struct ps_guarder *g = arg;
    const struct ps_rule *old = ps_ruleset_find(g->set, req->id);
    struct ps_rule rule;
    int r;

    if (!old) {
        fail_unknown(call, req->id);
        return;
    }
    tell_rule_before(g, old, call);
    rule = *old;
    r = ps_ruleset_copy(g->set, &set);
    if (r == 0)
        r = ps_ruleset_remove(set, req->id);
    if (r == 0)
        r = ps_guarder_change(g, &set);
    if (r < 0) {
        fail_change(g, call, r);
        return;
    }
    ps_guarder_report_rule(g, "guarder.rule_removed", "removed", &rule,
                           ps_call_actor(call));
    ps_call_reply(call, &empty.base);
}

/* ---- changing all ------------------------------------------------------- */

static bool add_one(struct ps_ruleset *set, const Ps__Rule *msg, size_t index,
                    struct ps_call *call)
{
    struct ps_rule rule, *added;
    struct ps_rule_error error;
    char prefix[32];
    int r;

    snprintf(prefix, sizeof(prefix), "rules[%zu]", index);
    if (ps_rule_parse(msg, &rule, &error) < 0) {
        fail_rule(call, prefix, &error);
        return false;
    }
    r = ps_ruleset_add(set, &rule, &added);
    if (r == -EEXIST) {
        snprintf(error.field, sizeof(error.field), "id");
        snprintf(error.detail, sizeof(error.detail),
                 "The id \"%s\" stands twice in the request.", rule.id);
        fail_rule(call, prefix, &error);
    }
    return r == 0;
}

/* Those with an id first: a given id must not be taken by one of them. */
static bool add_all(struct ps_ruleset *set, const Ps__Ruleset *req,
                    struct ps_call *call)
{
    if (req->n_rules > PS_RULESET_MAX) {
        ps_call_fail(call, "rule.too_many", 400, "rules",
                     "The request has %zu rules; %d are the most.",
                     req->n_rules, PS_RULESET_MAX);
        return false;
    }
    for (size_t i = 0; i < req->n_rules; i++) {
        if (req->rules[i]->id && !add_one(set, req->rules[i], i, call))
            return false;
    }
    for (size_t i = 0; i < req->n_rules; i++) {
        if (!req->rules[i]->id && !add_one(set, req->rules[i], i, call))
            return false;
    }
    return true;
}

static void report_ruleset(struct ps_guarder *g, struct ps_call *call)
{
    const char *actor = ps_call_actor(call);
    char rules[24];
    char generation[24];
    const struct ps_event_param params[] = {
        {"rules", rules},
        {"generation", generation},
        {"actor", actor},
        {NULL, NULL},
    };

    snprintf(rules, sizeof(rules), "%zu", g->set->n);
    snprintf(generation, sizeof(generation), "%" PRIu64, g->set->generation);
    ps_event(g->daemon, PS__EVENT__SEVERITY__notice, "guarder.ruleset_replaced",
             params, "The ruleset was replaced: %s rules, generation %s%s%s",
             rules, generation, actor[0] ? ", by " : "", actor);
}

static void put_ruleset(void *arg, const ProtobufCMessage *msg,
                        struct ps_call *call)
{
    _cleanup_(ps_ruleset_free) struct ps_ruleset *set = NULL;
    const Ps__Ruleset *req = AS(Ruleset, msg);
    const struct ps_addr any = {0};
    struct ps_guarder *g = arg;
    int r;

    if (req->has_if_generation && req->if_generation != g->set->generation) {
        ps_call_fail(call, "ruleset.generation_conflict", 409, "if_generation",
                     "The ruleset is at generation %" PRIu64 ", not %" PRIu64
                     ": read it again and repeat the change upon that.",
                     g->set->generation, req->if_generation);
        return;
    }
    tell_ruleset_before(g, call);
    r = ps_ruleset_new(&set);
    if (r < 0) {
        fail_memory(call);
        return;
    }
    set->next_id = g->set->next_id;
    set->epoch = g->set->epoch;
    if (!add_all(set, req, call))
        return;
    r = ps_guarder_change(g, &set);
    if (r < 0) {
        fail_change(g, call, r);
        return;
    }
    report_ruleset(g, call);
    reply_list(g, &any, 0, PS_RULESET_MAX, call);
}

/* NOLINTBEGIN(bugprone-macro-parentheses): names, not values */
#define METHOD(verb, request_type, reply_type, is_change) \
    {                                                     \
        .name = "guarder." #verb,                         \
        .request = &ps__##request_type##__descriptor,     \
        .reply = &ps__##reply_type##__descriptor,         \
        .handle = verb,                                   \
        .change = is_change,                              \
    }
/* NOLINTEND(bugprone-macro-parentheses) */

const struct ps_method ps_guarder_methods[] = {
    METHOD(list_rules, list_rules_request, rule_list, false),
    METHOD(get_rule, rule_id, rule, false),
    METHOD(get_stats, empty, guarder_stats, false),
    METHOD(create_rule, create_rule_request, rule, true),
    METHOD(update_rule, update_rule_request, rule, true),
    METHOD(delete_rule, rule_id, empty, true),
    METHOD(put_ruleset, ruleset, rule_list, true),
    {
        .name = "guarder.watch_drops",
        .request = &ps__watch_drops_request__descriptor,
        .reply = &ps__watched_drops__descriptor,
        .handle = ps_guarder_watch_drops,
    },
    {0},
};
