/* SPDX-License-Identifier: MIT */
/* Alerts of any contents, and the option that names them: refused with a
 * sentence, or a request that can be asked. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/grow.h"
#include "tracer/oncall.h"

static void use_rule(struct grow *g)
{
    char text[128], error[256] = "";
    struct ps_oncall_rule rule;

    grow_text(g, text, sizeof(text));
    if (ps_oncall_parse(text, &rule, error, sizeof(error)) < 0)
        REQUIRE(error[0]);
    else
        REQUIRE(rule.kind[0] && rule.packets > 0 && rule.duration_ns > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct grow g = {data, size};
    char kind[] = "a.b", *texts[] = {kind};
    const struct ps_strlist list = {.items = texts, .n = 1};
    Ps__CreateTraceRequest *req = NULL;
    char error[64], alert[PS_ONCALL_ALERT + 1];
    struct ps_oncall *o = NULL;
    Ps__Event *event;

    use_rule(&g);
    REQUIRE(ps_oncall_new(&list, &o, error, sizeof(error)) == 0);
    event = (Ps__Event *)grow_message(&g, &ps__event__descriptor);
    if (grow_u8(&g) % 2) {
        free(event->id);
        event->id = strdup("a.b");
    }
    for (uint64_t i = 1; i < 3; i++) {
        if (ps_oncall_take(o, event, i, &req, alert) != PS_ONCALL_TRACE)
            continue;
        REQUIRE(i == 1 && req->filter && alert[0]);
        REQUIRE(req->filter->saddr || req->filter->daddr);
        ps__create_trace_request__free_unpacked(req, NULL);
    }
    ps__event__free_unpacked(event, NULL);
    ps_oncall_free(&o);
    return 0;
}
