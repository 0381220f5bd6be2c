/* SPDX-License-Identifier: MIT */
/* Why and where a packet was dropped, and what that usually means. */
#include "common/json.h"
#include "tracer/advice.h"
#include "tracer/convert.h"

static int set_text(char **field, const char *text)
{
    if (!text || !*text)
        return 0;
    *field = strdup(text);
    return *field ? 0 : -ENOMEM;
}

static int set_advice(Ps__Drop *drop)
{
    bool xdp = ps_streq(drop->rule ? drop->rule->kind : NULL, "guarder");
    const struct ps_advice *advice = ps_advice_find(drop->subsystem,
                                                    drop->reason ? drop->reason
                                                    : xdp        ? "XDP"
                                                                 : NULL,
                                                    drop->function);

    if (!advice)
        return 0;
    if (set_text(&drop->advice_id, advice->id) < 0 ||
        set_text(&drop->advice, advice->text) < 0 ||
        set_text(&drop->advice_source, advice->source) < 0)
        return -ENOMEM;
    return 0;
}

static int set_reason(Ps__Drop *drop, const struct ps_step *s,
                      const struct ps_names *names)
{
    if (!(s->flags & PS_EF_REASON))
        return 0;
    drop->has_reason_code = 1;
    drop->reason_code = s->reason;
    if (!names->reasons)
        return 0;
    if (set_text(&drop->reason,
                 ps_drop_reason_name(names->reasons, s->reason)) < 0)
        return -ENOMEM;
    return set_text(&drop->subsystem,
                    ps_drop_reason_subsystem(names->reasons, s->reason));
}

static int set_rule(Ps__Drop *drop, const struct ps_step *s,
                    const struct ps_names *names)
{
    const struct ps_rule_name *name = ps_rules_get(names->rules, s->rule);
    Ps__DropRule *rule;

    if (!name)
        return 0;
    rule = drop->rule =
        (Ps__DropRule *)ps_message_new(&ps__drop_rule__descriptor);
    if (!rule)
        return -ENOMEM;
    rule->kind = strdup(name->kind);
    rule->id = strdup(name->id);
    rule->has_inferred = 1;
    rule->inferred = name->inferred;
    if (!rule->kind || !rule->id)
        return -ENOMEM;
    return set_text(&rule->text, name->text);
}

int ps_convert_drop(Ps__Step *step, const struct ps_step *s,
                    const struct ps_names *names)
{
    const char *function = NULL;
    uint32_t offset = 0;
    Ps__Drop *drop;

    if (s->station != PS_ST_KFREE_SKB && s->station != PS_ST_XDP_DROP)
        return 0;
    drop = step->drop = (Ps__Drop *)ps_message_new(&ps__drop__descriptor);
    if (!drop || set_reason(drop, s, names) < 0 || set_rule(drop, s, names) < 0)
        return -ENOMEM;
    if (names->ksyms && s->location)
        function = ps_ksyms_find(names->ksyms, s->location, &offset);
    if (function) {
        drop->has_offset = 1;
        drop->offset = offset;
        if (set_text(&drop->function, function) < 0)
            return -ENOMEM;
    }
    return set_advice(drop);
}
