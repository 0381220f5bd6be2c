/* SPDX-License-Identifier: MIT */
/*
 * A rule of the store, or of a peer on the bus: what is taken must come back
 * the same from its message, and must compile to something within bounds.
 */
#include "guarder/compile.h"
#include "guarder/convert.h"
#include "guarder/rule_store.h"
#include "tests/fuzz/fuzz.h"

static uint32_t ifindex_of(void *arg, const char *name)
{
    (void)arg;
    return (uint32_t)name[0];
}

static void check_round_trip(const struct ps_rule *rule)
{
    struct ps_rule_error error;
    struct ps_rule again;
    Ps__Rule *msg = ps_rule_to_pb(rule, NULL);

    REQUIRE(msg);
    /* A stored rule has an id; a request's need not. */
    if (!rule->id[0]) {
        free(msg->id);
        msg->id = NULL;
    }
    REQUIRE(ps_rule_parse(msg, &again, &error) == 0);
    REQUIRE(ps_rule_same(rule, &again));
    REQUIRE(ps_rule_compare(rule, &again) == 0);
    ps__rule__free_unpacked(msg, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ps_gd_set set;
    struct ps_rule_error error;
    struct ps_rule rule;
    size_t used;

    if (ps_rule_unpack(data, size, &rule, &error) < 0) {
        REQUIRE(error.detail[0]);
        return 0;
    }
    check_round_trip(&rule);
    REQUIRE(ps_compile_rules(&rule, 1, ifindex_of, NULL, &set, &used) == 0);
    REQUIRE(set.n4 + set.n6 <= 2 && used == rule.enabled);
    return 0;
}
