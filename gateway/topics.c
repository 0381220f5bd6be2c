/* SPDX-License-Identifier: MIT */
#include "gateway/topics.h"

#include "gateway/problem.h"

/* role: the least that sees a topic. named: only who names it gets it. */
static const struct {
    const char *name;
    enum ps_role role;
    bool named;
} kinds[] = {
    {"event", PS_ROLE_VIEWER, false},   {"service", PS_ROLE_VIEWER, false},
    {"trace", PS_ROLE_VIEWER, false},   {"path", PS_ROLE_VIEWER, false},
    {"ruleset", PS_ROLE_VIEWER, false}, {"audit", PS_ROLE_ADMIN, false},
    {"packet", PS_ROLE_VIEWER, true},
};

int ps_topics_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (ps_streq(kinds[i].name, name))
            return (int)i;
    return -ENOENT;
}

bool ps_topics_named(int number)
{
    return kinds[number].named;
}

/* All that are for this caller, where it names none. -EINVAL, -EACCES. */
static int parse_topics(const Ps__EventsRequest *ask, enum ps_role role,
                        uint32_t *ret_topics, const char **ret_wrong)
{
    uint32_t topics = 0, seen = 0, unnamed = 0;

    for (uint32_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        if (role < kinds[k].role)
            continue;
        seen |= 1u << k;
        if (!kinds[k].named)
            unnamed |= 1u << k;
    }
    for (size_t i = 0; i < ask->n_topics; i++) {
        int number = ps_topics_find(ask->topics[i]);

        *ret_wrong = ask->topics[i];
        if (number < 0)
            return -EINVAL;
        if (!(seen >> number & 1))
            return -EACCES;
        topics |= 1u << number;
    }
    *ret_topics = topics ? topics : unnamed;
    return 0;
}

bool ps_topics_ask(struct ps_http_request *req, const Ps__EventsRequest *ask,
                   uint32_t *ret_topics)
{
    const char *wrong = NULL;
    int r = parse_topics(ask, req->who ? req->who->role : PS_ROLE_NONE,
                         ret_topics, &wrong);

    if (r == -EINVAL)
        ps_problem_fail(req, 400, "request.invalid", "topics",
                        "There is no topic \"%.64s\"; use event, service, "
                        "trace, packet, path, ruleset or audit.",
                        wrong);
    else if (r < 0)
        ps_problem_fail(req, 403, "auth.role", "topics",
                        "The topic \"%.64s\" needs the role admin; leave it "
                        "out, or use another token.",
                        wrong);
    return r == 0;
}
