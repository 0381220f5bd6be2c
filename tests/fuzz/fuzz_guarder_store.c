/* SPDX-License-Identifier: MIT */
/*
 * guarder.db of somebody else: any bytes (first byte odd), or rows of any
 * contents. A set that is taken can be compiled, and comes back the same.
 */
#include "guarder/compile.h"
#include "guarder/rule_store.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/grow.h"

static uint32_t ifindex_of(void *arg, const char *name)
{
    (void)arg;
    return (uint32_t)(uint8_t)name[0];
}

static void use(struct ps_store *store)
{
    static struct ps_gd_set compiled;
    struct ps_ruleset *set = NULL, *again = NULL;
    char *error = NULL;
    size_t used;

    if (ps_rule_store_load(store, &set, &error) == 0) {
        REQUIRE(set->n <= PS_RULESET_MAX);
        REQUIRE(ps_compile_rules(set->rules, set->n, ifindex_of, NULL,
                                 &compiled, &used) == 0);
        REQUIRE(ps_rule_store_save(store, set) == 0);
        REQUIRE(ps_rule_store_load(store, &again, &error) == 0);
        REQUIRE(again->n == set->n && again->generation == set->generation);
    }
    ps_ruleset_free(&again);
    ps_ruleset_free(&set);
    free(error);
}

static struct ps_store *open_store(void)
{
    struct ps_store *store = NULL;
    char *error = NULL;
    int r = ps_rule_store_open(grow_dir(), &store, &error);

    REQUIRE((r == 0) == (store != NULL));
    REQUIRE(r == 0 || r == -ENOMEM || error);
    free(error);
    return store;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct grow_table tables[] = {
        {"DELETE FROM rules",
         "INSERT OR REPLACE INTO rules VALUES (?,?,?,?,?,?,?,?,?)",
         &ps__rule__descriptor},
        {"SELECT 1", "INSERT OR REPLACE INTO state VALUES (?,?,?,?)", NULL},
    };
    struct grow g = {data, size};
    struct ps_store *store;
    bool file = grow_u8(&g) & 1;

    grow_file("guarder", g.data, file ? g.left : 0);
    store = open_store();
    if (store && !file)
        grow_rows(&g, ps_store_db(store), tables, ARRAY_SIZE(tables));
    if (store && !file)
        use(store);
    /* A file of any schema may refuse to be written. */
    if (store && file) {
        struct ps_ruleset *set = NULL;
        char *error = NULL;

        ps_rule_store_load(store, &set, &error);
        ps_ruleset_free(&set);
        free(error);
    }
    ps_store_free(&store);
    return 0;
}
