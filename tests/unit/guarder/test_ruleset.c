/* SPDX-License-Identifier: MIT */
/* Order, ids, slots and counters of a set, and its way to the disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guarder/rule_store.h"
#include "guarder/ruleset.h"

static struct ps_rule make(const char *id, uint32_t priority)
{
    struct ps_rule rule = {
        .priority = priority,
        .enabled = true,
        .action = PS__RULE__ACTION__drop,
        .icmp_type = -1,
        .icmp_code = -1,
    };

    snprintf(rule.id, sizeof(rule.id), "%s", id);
    return rule;
}

static struct ps_rule *add(struct ps_ruleset *set, const char *id,
                           uint32_t priority)
{
    struct ps_rule rule = make(id, priority), *added = NULL;

    assert_int_equal(ps_ruleset_add(set, &rule, &added), 0);
    return added;
}

static void test_order(void **state)
{
    _cleanup_(ps_ruleset_free) struct ps_ruleset *set = NULL;
    struct ps_rule again = make("a", 1), *out;

    (void)state;
    assert_int_equal(ps_ruleset_new(&set), 0);
    add(set, "b", 5);
    add(set, "a", 5);
    add(set, "z", 1);
    assert_string_equal(add(set, "", 5)->id, "r000001");
    assert_string_equal(set->rules[0].id, "z");
    assert_string_equal(set->rules[1].id, "a");
    assert_string_equal(set->rules[2].id, "b");
    assert_int_equal(ps_ruleset_add(set, &again, &out), -EEXIST);
    again.priority = 0;
    assert_int_equal(ps_ruleset_replace(set, &again, &out), 0);
    assert_string_equal(set->rules[0].id, "a");
    assert_int_equal(ps_ruleset_remove(set, "z"), 0);
    assert_int_equal(ps_ruleset_remove(set, "z"), -ENOENT);
    assert_int_equal(set->n, 3);
    /* A given id is passed over. */
    add(set, "r000002", 1);
    assert_string_equal(add(set, "", 1)->id, "r000003");
}

static void test_full(void **state)
{
    _cleanup_(ps_ruleset_free) struct ps_ruleset *set = NULL;
    struct ps_rule rule = make("", 1), *out;

    (void)state;
    assert_int_equal(ps_ruleset_new(&set), 0);
    for (size_t i = 0; i < PS_RULESET_MAX; i++)
        assert_int_equal(ps_ruleset_add(set, &rule, &out), 0);
    assert_int_equal(ps_ruleset_add(set, &rule, &out), -ENOSPC);
    assert_int_equal(ps_ruleset_enabled(set), PS_RULESET_MAX);
}

/* Only interfaces that a rule is for get the program. */
static void test_concerns(void **state)
{
    _cleanup_(ps_ruleset_free) struct ps_ruleset *set = NULL;
    struct ps_rule rule = make("one", 1), *out;

    (void)state;
    assert_int_equal(ps_ruleset_new(&set), 0);
    assert_false(ps_ruleset_concerns(set, "eth0"));
    snprintf(rule.ifname, sizeof(rule.ifname), "eth1");
    assert_int_equal(ps_ruleset_add(set, &rule, &out), 0);
    assert_false(ps_ruleset_concerns(set, "eth0"));
    assert_true(ps_ruleset_concerns(set, "eth1"));
    rule = make("all", 2);
    rule.enabled = false;
    assert_int_equal(ps_ruleset_add(set, &rule, &out), 0);
    assert_false(ps_ruleset_concerns(set, "eth0"));
    out->enabled = true;
    assert_true(ps_ruleset_concerns(set, "eth0"));
}

/* Hits of a rule that stays go on; a new one starts at zero, also in a slot
 * that has counted for another before. */
static void test_counters(void **state)
{
    _cleanup_(ps_ruleset_free) struct ps_ruleset *one = NULL, *two = NULL,
                                                 *three = NULL;
    struct ps_gd_count kernel[PS_GD_SLOTS] = {0};
    const struct ps_rule *a, *b, *c;

    (void)state;
    assert_int_equal(ps_ruleset_new(&one), 0);
    assert_int_equal(ps_ruleset_new(&two), 0);
    assert_int_equal(ps_ruleset_new(&three), 0);
    add(one, "a", 2);
    add(one, "b", 1);
    ps_ruleset_assign(one, two, kernel, 100);
    a = ps_ruleset_find(one, "a");
    b = ps_ruleset_find(one, "b");
    assert_int_not_equal(a->slot, b->slot);
    assert_int_equal(a->created_ns, 100);
    kernel[a->slot] = (struct ps_gd_count){7, 700};
    kernel[b->slot] = (struct ps_gd_count){3, 300};
    /* b stays and changes, a goes, c comes. */
    add(two, "b", 9);
    add(two, "c", 1);
    ps_ruleset_assign(two, one, kernel, 200);
    b = ps_ruleset_find(two, "b");
    c = ps_ruleset_find(two, "c");
    assert_int_equal(ps_rule_total(b, kernel).packets, 3);
    assert_int_equal(b->created_ns, 100);
    assert_int_equal(b->updated_ns, 200);
    assert_int_equal(ps_rule_total(c, kernel).packets, 0);
    /* Not a's slot: the old set still counts there until it is gone. */
    assert_int_not_equal(c->slot, a->slot);
    /* Now a's slot is free and may be used again, from zero. */
    add(three, "b", 9);
    add(three, "c", 1);
    add(three, "a", 1);
    ps_ruleset_assign(three, two, kernel, 300);
    assert_int_equal(ps_ruleset_find(three, "a")->slot, a->slot);
    assert_int_equal(ps_rule_total(ps_ruleset_find(three, "a"), kernel).bytes,
                     0);
    kernel[a->slot].bytes += 60;
    assert_int_equal(ps_rule_total(ps_ruleset_find(three, "a"), kernel).bytes,
                     60);
    assert_int_equal(ps_ruleset_find(three, "b")->updated_ns, 200);
}

/* A full set replaced by another full one: a slot for each. */
static void test_replace_full(void **state)
{
    _cleanup_(ps_ruleset_free) struct ps_ruleset *one = NULL, *two = NULL;
    _cleanup_(ps_ruleset_free) struct ps_ruleset *none = NULL;
    struct ps_gd_count kernel[PS_GD_SLOTS] = {0};
    bool used[PS_GD_SLOTS] = {false};

    (void)state;
    assert_int_equal(ps_ruleset_new(&none), 0);
    assert_int_equal(ps_ruleset_new(&one), 0);
    assert_int_equal(ps_ruleset_new(&two), 0);
    two->next_id = 5000;
    for (size_t i = 0; i < PS_RULESET_MAX; i++) {
        add(one, "", 1);
        add(two, "", 1);
    }
    ps_ruleset_assign(one, none, kernel, 1);
    ps_ruleset_assign(two, one, kernel, 2);
    for (size_t i = 0; i < PS_RULESET_MAX; i++) {
        assert_false(used[one->rules[i].slot]);
        used[one->rules[i].slot] = true;
        assert_false(used[two->rules[i].slot]);
        used[two->rules[i].slot] = true;
    }
}

/* ---- the store ---------------------------------------------------------- */

static char dir[] = "/tmp/ps-test-ruleset-XXXXXX";

static int make_dir(void **state _unused_)
{
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state _unused_)
{
    char path[128];

    for (int i = 0; i < 3; i++) {
        static const char *const ends[] = {"", "-wal", "-shm"};

        snprintf(path, sizeof(path), "%s/guarder.db%s", dir, ends[i]);
        unlink(path);
    }
    return rmdir(dir);
}

static struct ps_store *open_store(void)
{
    _cleanup_free_ char *error = NULL;
    struct ps_store *store = NULL;

    if (ps_rule_store_open(dir, &store, &error) < 0)
        fail_msg("%s", error ? error : "?");
    return store;
}

static void test_store(void **state)
{
    _cleanup_(ps_ruleset_free) struct ps_ruleset *set = NULL, *back = NULL,
                                                 *none = NULL;
    _cleanup_(ps_store_free) struct ps_store *store = open_store();
    struct ps_gd_count kernel[PS_GD_SLOTS] = {{5, 50}};
    struct ps_rule_hits totals[2] = {{11, 1100}, {0, 0}};
    char *error = NULL;

    (void)state;
    assert_int_equal(ps_rule_store_load(store, &none, &error), 0);
    assert_int_equal(none->n, 0);
    assert_int_equal(ps_ruleset_new(&set), 0);
    add(set, "a", 1);
    add(set, "b", 2);
    ps_ruleset_assign(set, none, kernel, 123);
    set->generation = 7;
    set->epoch = 99;
    set->next_id = 3;
    assert_int_equal(ps_rule_store_save(store, set), 0);
    assert_int_equal(ps_rule_store_checkpoint(store, set, totals), 0);
    ps_store_free(&store);
    store = open_store();
    assert_int_equal(ps_rule_store_load(store, &back, &error), 0);
    assert_int_equal(back->generation, 7);
    assert_int_equal(back->epoch, 99);
    assert_int_equal(back->next_id, 3);
    assert_int_equal(back->n, 2);
    assert_true(ps_rule_same(&back->rules[0], &set->rules[0]));
    assert_int_equal(back->rules[0].saved.packets, 11);
    assert_int_equal(back->rules[0].created_ns, 123);
    /* The same life: what the kernel counts is added to the base. */
    kernel[back->rules[0].slot].packets += 11;
    assert_int_equal(ps_rule_total(&back->rules[0], kernel).packets, 11);
    /* Another life: the saved total goes on, and nothing counts twice. */
    memset(kernel, 0, sizeof(kernel));
    ps_ruleset_rebase(back, 100);
    assert_int_equal(ps_rule_total(&back->rules[0], kernel).packets, 11);
    kernel[back->rules[0].slot].packets = 2;
    assert_int_equal(ps_rule_total(&back->rules[0], kernel).packets, 13);
}

static void test_corrupt_rows(void **state)
{
    static const char *const damage[] = {
        "UPDATE rules SET body = x'00' WHERE id = 'a'",
        "UPDATE rules SET body = x'' WHERE id = 'a'",
        "UPDATE rules SET body = zeroblob(100000) WHERE id = 'a'",
        "UPDATE rules SET id = 'other' WHERE id = 'a'",
        "UPDATE rules SET slot = 1024 WHERE id = 'a'",
        "UPDATE rules SET slot = -1 WHERE id = 'a'",
        "UPDATE rules SET slot = (SELECT slot FROM rules WHERE id = 'b')",
        "DELETE FROM state",
    };
    _cleanup_(ps_store_free) struct ps_store *store = open_store();
    struct ps_ruleset *back = NULL;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(damage); i++) {
        char *error = NULL;
        int r;

        assert_int_equal(ps_store_begin(store), 0);
        assert_int_equal(ps_store_exec(store, damage[i]), 0);
        r = ps_rule_store_load(store, &back, &error);
        if (r != -EBADMSG)
            fail_msg("%s: %d", damage[i], r);
        assert_null(back);
        if (i + 1 < ARRAY_SIZE(damage))
            assert_non_null(strstr(error, "backup"));
        free(error);
        ps_store_rollback(store);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),        cmocka_unit_test(test_full),
        cmocka_unit_test(test_concerns),     cmocka_unit_test(test_counters),
        cmocka_unit_test(test_replace_full), cmocka_unit_test(test_store),
        cmocka_unit_test(test_corrupt_rows),
    };

    return cmocka_run_group_tests_name("guarder ruleset", tests, make_dir,
                                       remove_dir);
}
