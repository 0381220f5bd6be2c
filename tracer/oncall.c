/* SPDX-License-Identifier: MIT */
#include "tracer/oncall.h"

#include "common/json.h"

#define DEFAULT_PACKETS  200u
#define DEFAULT_DURATION (10 * PS_NS_PER_S)
#define MAX_PACKETS      10000u
#define MAX_DURATION     (3600 * PS_NS_PER_S)
#define RECENT           64u
#define MAX_TEXT         256u

struct recent {
    uint64_t what, when; /* when 0: free */
};

struct ps_oncall {
    struct ps_oncall_rule rules[PS_ONCALL_MAX_RULES];
    size_t n;
    struct recent recent[RECENT];
};

/* ---- rules -------------------------------------------------------------- */

static int set_option(struct ps_oncall_rule *rule, const char *name,
                      const char *value)
{
    uint64_t number;
    int r;

    if (!strcmp(name, "stacks") && !value) {
        rule->stacks = true;
        return 0;
    }
    if (!strcmp(name, "packets") && value) {
        r = ps_parse_uint(value, 1, MAX_PACKETS, &number);
        if (r == 0)
            rule->packets = (uint32_t)number;
        return r;
    }
    if (!strcmp(name, "duration") && value) {
        r = ps_parse_duration(value, &number);
        if (r == 0 && (number == 0 || number > MAX_DURATION))
            r = -EINVAL;
        if (r == 0)
            rule->duration_ns = number;
        return r;
    }
    return -EINVAL;
}

static bool is_kind(const char *text)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_.");

    return len > 0 && text[len] == '\0' && strchr(text, '.');
}

int ps_oncall_parse(const char *text, struct ps_oncall_rule *ret_rule,
                    char *error, size_t size)
{
    struct ps_oncall_rule rule = {.packets = DEFAULT_PACKETS,
                                  .duration_ns = DEFAULT_DURATION};
    char copy[MAX_TEXT], *rest, *part, *value;

    snprintf(copy, sizeof(copy), "%s", text);
    part = strtok_r(copy, ":", &rest);
    if (strlen(text) >= sizeof(copy) || !part || !is_kind(part) ||
        strlen(part) >= sizeof(rule.kind)) {
        snprintf(error, size,
                 "\"%.64s\" names no alert; write it as in "
                 "analyzer.drop_spike:packets=100:duration=10s",
                 text);
        return -EINVAL;
    }
    snprintf(rule.kind, sizeof(rule.kind), "%s", part);
    while ((part = strtok_r(NULL, ":", &rest))) {
        value = strchr(part, '=');
        if (value)
            *value++ = '\0';
        if (set_option(&rule, part, value) == 0)
            continue;
        snprintf(error, size,
                 "\"%.32s\" of \"%.64s\" does not fit; use packets=1..%u, "
                 "duration=TIME up to 1h, or stacks",
                 part, text, MAX_PACKETS);
        return -EINVAL;
    }
    *ret_rule = rule;
    return 0;
}

int ps_oncall_new(const struct ps_strlist *texts, struct ps_oncall **ret_oncall,
                  char *error, size_t size)
{
    _cleanup_(ps_oncall_free) struct ps_oncall *o = calloc(1, sizeof(*o));
    int r;

    if (!o)
        return -ENOMEM;
    if (texts->n > PS_ONCALL_MAX_RULES) {
        snprintf(error, size, "give at most %u alerts", PS_ONCALL_MAX_RULES);
        return -EINVAL;
    }
    for (; o->n < texts->n; o->n++) {
        r = ps_oncall_parse(texts->items[o->n], &o->rules[o->n], error, size);
        if (r < 0)
            return r;
    }
    *ret_oncall = TAKE_PTR(o);
    return 0;
}

void ps_oncall_free(struct ps_oncall **oncall)
{
    free(*oncall);
    *oncall = NULL;
}

bool ps_oncall_wants(const struct ps_oncall *o)
{
    return o->n > 0;
}

/* ---- events ------------------------------------------------------------- */

static const char *param(const Ps__Event *event, const char *name)
{
    for (size_t i = 0; i < event->n_params; i++)
        if (ps_streq(event->params[i]->name, name))
            return event->params[i]->value;
    return NULL;
}

/* The tuple of an event; NULL: it has none, or one that is no tuple. */
static Ps__TraceFilter *make_filter(const Ps__Event *event)
{
    static const char *const names[] = {"saddr", "daddr", "sport", "dport",
                                        "proto"};
    Ps__TraceFilter *f =
        (Ps__TraceFilter *)ps_message_new(&ps__trace_filter__descriptor);
    struct ps_json_error error;

    for (size_t i = 0; f && i < ARRAY_SIZE(names); i++) {
        const char *value = param(event, names[i]);

        /* A port of 0 says that the protocol has none. */
        if (!value || !*value || !strcmp(value, "0"))
            continue;
        if (ps_json_set_field(&f->base, names[i], value, &error) < 0) {
            ps__trace_filter__free_unpacked(f, NULL);
            return NULL;
        }
    }
    if (f && !f->saddr && !f->daddr) {
        ps__trace_filter__free_unpacked(f, NULL);
        return NULL;
    }
    return f;
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
    for (; text && *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return (hash ^ 0xff) * UINT64_C(0x100000001b3);
}

/* An alert by its kind and its tuple. */
static uint64_t what_of(const Ps__Event *event)
{
    uint64_t hash = hash_text(UINT64_C(0xcbf29ce484222325), event->id);

    hash = hash_text(hash, param(event, "saddr"));
    hash = hash_text(hash, param(event, "sport"));
    hash = hash_text(hash, param(event, "daddr"));
    hash = hash_text(hash, param(event, "dport"));
    return hash_text(hash, param(event, "proto"));
}

/* Notes it; false: the same was there a moment ago. The oldest makes room. */
static bool is_new(struct ps_oncall *o, uint64_t what, uint64_t now)
{
    struct recent *oldest = &o->recent[0];

    for (size_t i = 0; i < RECENT; i++) {
        struct recent *r = &o->recent[i];

        if (r->when && r->what == what && now - r->when < PS_ONCALL_QUIET_NS)
            return false;
        if (r->when < oldest->when)
            oldest = r;
    }
    *oldest = (struct recent){what, now};
    return true;
}

static Ps__CreateTraceRequest *make_request(const struct ps_oncall_rule *rule,
                                            const Ps__Event *event,
                                            Ps__TraceFilter *filter)
{
    Ps__CreateTraceRequest *req = (Ps__CreateTraceRequest *)ps_message_new(
        &ps__create_trace_request__descriptor);

    if (!req) {
        ps__trace_filter__free_unpacked(filter, NULL);
        return NULL;
    }
    req->filter = filter;
    req->has_max_packets = req->has_duration_ns = req->has_stacks = 1;
    req->max_packets = rule->packets;
    req->duration_ns = rule->duration_ns;
    req->stacks = rule->stacks;
    req->comment = strndup(event->text ? event->text : event->id, 200);
    if (!req->comment) {
        ps__create_trace_request__free_unpacked(req, NULL);
        return NULL;
    }
    return req;
}

enum ps_oncall_answer ps_oncall_take(struct ps_oncall *o,
                                     const Ps__Event *event, uint64_t now,
                                     Ps__CreateTraceRequest **ret_request,
                                     char alert[PS_ONCALL_ALERT + 1])
{
    const char *id = param(event, "alert");
    Ps__CreateTraceRequest *req;
    Ps__TraceFilter *filter;
    size_t i = 0;

    while (i < o->n && strcmp(o->rules[i].kind, event->id) != 0)
        i++;
    if (i == o->n)
        return PS_ONCALL_NOTHING;
    filter = make_filter(event);
    req = filter ? make_request(&o->rules[i], event, filter) : NULL;
    if (!req)
        return PS_ONCALL_NO_TUPLE;
    if (!is_new(o, what_of(event), now)) {
        ps__create_trace_request__free_unpacked(req, NULL);
        return PS_ONCALL_QUIET;
    }
    if (id && *id && strlen(id) <= PS_ONCALL_ALERT)
        snprintf(alert, PS_ONCALL_ALERT + 1, "%s", id);
    else
        snprintf(alert, PS_ONCALL_ALERT + 1, "%.40s-%llx", event->id,
                 (unsigned long long)event->time->unix_ns);
    *ret_request = req;
    return PS_ONCALL_TRACE;
}
