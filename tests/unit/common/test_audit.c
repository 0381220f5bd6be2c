/* SPDX-License-Identifier: MIT */
/* The audit log: what is written is read, within its bounds, whatever stands
 * in the file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

#include <dirent.h>
#include <sys/wait.h>

#include "common/audit_internal.h"
#include "common/json.h"

#define SECOND PS_NS_PER_S
#define START  (UINT64_C(1700000000) * SECOND)

struct fixture {
    char dir[64];
    struct ps_audit *audit;
    char *error;
    unsigned int told;
    Ps__AuditEntry__Outcome told_outcome;
};

static void reopen(struct fixture *f, uint64_t size)
{
    ps_audit_free(&f->audit);
    assert_int_equal(ps_audit_open(f->dir, "guarder", "guarder", "here", size,
                                   &f->audit, &f->error),
                     0);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    snprintf(f->dir, sizeof(f->dir), "/tmp/ps-audit-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    reopen(f, 4 << 20);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    DIR *dir = opendir(f->dir);
    struct dirent *entry;

    ps_audit_free(&f->audit);
    while ((entry = readdir(dir)))
        unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    rmdir(f->dir);
    free(f->error);
    free(f);
    return 0;
}

/* One entry at START + n seconds. */
static void add(struct fixture *f, unsigned int n, const char *actor,
                const char *action, uint32_t status, const char *error)
{
    char target[16];
    const struct ps_audit_start start = {
        .time_ns = START + n * SECOND,
        .actor = actor,
        .client = "192.0.2.9",
        .action = action,
        .target = target,
    };
    const struct ps_audit_end end = {.status = status, .error = error};

    snprintf(target, sizeof(target), "r%u", n);
    assert_int_equal(ps_audit_add(f->audit, &start, &end), 0);
}

static Ps__AuditList *list(struct fixture *f, const Ps__ListAuditRequest *ask,
                           uint32_t limit)
{
    Ps__ListAuditRequest all = PS__LIST_AUDIT_REQUEST__INIT;
    Ps__AuditList *found = NULL;

    assert_int_equal(ps_audit_list(f->audit, ask ? ask : &all, limit, &found),
                     0);
    return found;
}

static void done(Ps__AuditList *found)
{
    ps__audit_list__free_unpacked(found, NULL);
}

static size_t count(struct fixture *f, const Ps__ListAuditRequest *ask)
{
    Ps__AuditList *found = list(f, ask, 1000);
    size_t n = found->n_entries;

    done(found);
    return n;
}

/* ---- writing ------------------------------------------------------------ */

static void on_entry(void *arg, const Ps__AuditEntry *entry)
{
    struct fixture *f = arg;

    f->told++;
    f->told_outcome = entry->outcome;
    assert_null(entry->before);
    assert_null(entry->after);
}

static void test_entry_has_all(void **state)
{
    struct fixture *f = *state;
    Ps__Rule after = PS__RULE__INIT;
    const struct ps_audit_start start = {.time_ns = START,
                                         .actor = "ci",
                                         .client = "2001:db8::1",
                                         .action = "guarder.update_rule",
                                         .target = "r1"};
    struct ps_audit_end end = {.after = &after.base};
    Ps__AuditList *found;
    const Ps__AuditEntry *e;
    uint64_t seq = 0;

    after.id = (char *)(uintptr_t)"r1";
    after.has_action = true;
    after.action = PS__RULE__ACTION__drop;
    end.before = json_pack("{s:s}", "id", "r1");
    ps_audit_watch(f->audit, on_entry, f);
    assert_int_equal(ps_audit_begin(f->audit, &start, &seq), 0);
    found = list(f, NULL, 10);
    assert_int_equal(found->n_entries, 1);
    assert_int_equal(found->entries[0]->outcome,
                     PS__AUDIT_ENTRY__OUTCOME__unknown);
    done(found);
    assert_int_equal(f->told, 0);

    assert_int_equal(ps_audit_end(f->audit, seq, &end), 0);
    json_decref(end.before);
    assert_int_equal(f->told, 1);
    assert_int_equal(f->told_outcome, PS__AUDIT_ENTRY__OUTCOME__done);
    found = list(f, NULL, 10);
    e = found->entries[0];
    assert_int_equal(e->time->unix_ns, START);
    assert_string_equal(e->service, "guarder");
    assert_string_equal(e->instance, "here");
    assert_string_equal(e->actor, "ci");
    assert_string_equal(e->client, "2001:db8::1");
    assert_string_equal(e->action, "guarder.update_rule");
    assert_string_equal(e->target, "r1");
    assert_int_equal(e->outcome, PS__AUDIT_ENTRY__OUTCOME__done);
    assert_false(e->has_status);
    assert_null(e->error);
    assert_string_equal(e->before->text, "{\"id\":\"r1\"}");
    assert_non_null(strstr(e->after->text, "\"action\":\"drop\""));
    assert_null(e->before_cut);
    assert_null(found->next_cursor);
    done(found);
}

static void test_outcomes(void **state)
{
    struct fixture *f = *state;
    Ps__AuditList *found;

    add(f, 1, "a", "guarder.create_rule", 0, NULL);
    add(f, 2, "a", "guarder.create_rule", 409, "rule.exists");
    add(f, 3, "a", "guarder.create_rule", 503, "service.no_memory");
    found = list(f, NULL, 10);
    assert_int_equal(found->entries[2]->outcome,
                     PS__AUDIT_ENTRY__OUTCOME__done);
    assert_int_equal(found->entries[1]->outcome,
                     PS__AUDIT_ENTRY__OUTCOME__refused);
    assert_int_equal(found->entries[1]->status, 409);
    assert_string_equal(found->entries[1]->error, "rule.exists");
    assert_int_equal(found->entries[0]->outcome,
                     PS__AUDIT_ENTRY__OUTCOME__failed);
    done(found);
}

/* The process ends without warning right after the change was acknowledged,
 * and in the middle of the next. */
static void test_kill(void **state)
{
    struct fixture *f = *state;
    const struct ps_audit_start start = {.time_ns = START + 9 * SECOND,
                                         .action = "guarder.delete_rule"};
    Ps__AuditList *found;
    uint64_t seq;
    int status;
    pid_t pid;

    ps_audit_free(&f->audit);
    pid = fork();
    if (pid == 0) {
        reopen(f, 4 << 20);
        add(f, 1, "a", "guarder.create_rule", 0, NULL);
        if (ps_audit_begin(f->audit, &start, &seq) == 0)
            kill(getpid(), SIGKILL);
        _exit(1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    reopen(f, 4 << 20);
    found = list(f, NULL, 10);
    assert_int_equal(found->n_entries, 2);
    assert_int_equal(found->entries[0]->outcome,
                     PS__AUDIT_ENTRY__OUTCOME__unknown);
    assert_string_equal(found->entries[0]->action, "guarder.delete_rule");
    assert_int_equal(found->entries[1]->outcome,
                     PS__AUDIT_ENTRY__OUTCOME__done);
    done(found);
}

static void test_file_that_is_held(void **state)
{
    struct fixture *f = *state;
    const struct ps_audit_start start = {.time_ns = START,
                                         .action = "guarder.create_rule"};
    const struct ps_audit_end end = {0};
    struct ps_audit *other = NULL;
    uint64_t seq = 0;

    assert_int_equal(ps_audit_open(f->dir, "guarder", "guarder", "there",
                                   4 << 20, &other, &f->error),
                     0);
    assert_int_equal(ps_audit_begin(f->audit, &start, &seq), 0);
    assert_int_equal(ps_store_begin(other->store), 0);
    assert_int_equal(ps_audit_end(f->audit, seq, &end), -EBUSY);
    assert_int_equal(ps_audit_begin(f->audit, &start, &seq), -EBUSY);
    assert_int_equal(ps_audit_stats(f->audit)->failed, 2);
    ps_store_rollback(other->store);
    /* What was begun is there all the same; both write to one file. */
    assert_int_equal(count(f, NULL), 1);
    assert_int_equal(ps_audit_add(other, &start, &end), 0);
    assert_int_equal(count(f, NULL), 2);
    ps_audit_free(&other);
}

/* ---- bounds ------------------------------------------------------------- */

static void test_oldest_leave(void **state)
{
    struct fixture *f = *state;
    json_t *blob = json_object();
    char text[4000];
    Ps__AuditList *found;
    uint64_t used;

    reopen(f, PS_AUDIT_MIN_SIZE);
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    json_object_set_new(blob, "text", json_string(text));
    for (unsigned int i = 0; i < 600; i++) {
        const struct ps_audit_start start = {.time_ns = START + i,
                                             .action = "guarder.create_rule"};
        const struct ps_audit_end end = {.before = blob};

        assert_int_equal(ps_audit_add(f->audit, &start, &end), 0);
    }
    json_decref(blob);
    assert_int_equal(ps_store_used_bytes(f->audit->store, &used), 0);
    assert_true(used <= PS_AUDIT_MIN_SIZE + 64 * 1024);
    found = list(f, NULL, 50);
    assert_int_equal(found->entries[0]->time->unix_ns, START + 599);
    assert_int_equal(found->evicted, ps_audit_stats(f->audit)->evicted);
    assert_true(found->evicted > 300 && found->evicted < 600);
    assert_int_equal(found->entries[0]->seq, 600);
    done(found);
    /* Numbers and the count go on in the next life. */
    reopen(f, PS_AUDIT_MIN_SIZE);
    add(f, 1000, "a", "guarder.create_rule", 0, NULL);
    found = list(f, NULL, 1);
    assert_int_equal(found->entries[0]->seq, 601);
    assert_true(found->evicted > 300);
    done(found);
}

static void test_refused_push_out_none(void **state)
{
    struct fixture *f = *state;
    Ps__ListAuditRequest ask = PS__LIST_AUDIT_REQUEST__INIT;
    Ps__AuditList *found;

    reopen(f, PS_AUDIT_MIN_SIZE);
    add(f, 0, "owner", "guarder.create_rule", 0, NULL);
    for (unsigned int i = 1; i < 6000; i++)
        add(f, i, "flood", "guarder.create_rule", 400, "request.invalid");
    ask.actor = (char *)(uintptr_t)"owner";
    assert_int_equal(count(f, &ask), 1);
    found = list(f, NULL, 1);
    assert_true(found->evicted > 0);
    assert_string_equal(found->entries[0]->target, "r5999");
    done(found);
}

static void test_long_texts_are_cut(void **state)
{
    struct fixture *f = *state;
    char text[1000];
    Ps__AuditList *found;

    memset(text, 'y', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    add(f, 1, text, text, 400, text);
    found = list(f, NULL, 1);
    assert_int_equal(strlen(found->entries[0]->actor), PS_AUDIT_MAX_TEXT);
    assert_int_equal(strlen(found->entries[0]->action), PS_AUDIT_MAX_TEXT);
    assert_int_equal(strlen(found->entries[0]->error), PS_AUDIT_MAX_TEXT);
    done(found);
}

/* ---- states ------------------------------------------------------------- */

static json_t *rules(unsigned int n, unsigned int changed)
{
    json_t *all = json_array();

    for (unsigned int i = 0; i < n; i++)
        json_array_append_new(all, json_pack("{s:o, s:s}", "id",
                                             json_sprintf("r%u", i), "action",
                                             i == changed ? "pass" : "drop"));
    return json_pack("{s:o, s:i}", "rules", all, "total", (int)n);
}

static void test_small_states_are_whole(void **state _unused_)
{
    json_t *before = rules(3, 9), *after = rules(3, 1);
    struct ps_audit_state states[2];
    json_t *read;

    assert_int_equal(ps_audit_state_make(before, after, 4096, states), 0);
    assert_false(states[0].cut || states[1].cut);
    read = json_loads(states[1].text, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(read, "rules")), 3);
    json_decref(read);
    ps_audit_state_clear(states);
    json_decref(before);
    json_decref(after);
}

static void test_what_changed_is_kept(void **state _unused_)
{
    json_t *before = rules(512, 600), *after = rules(512, 400);
    struct ps_audit_state states[2];

    assert_int_equal(ps_audit_state_make(before, after, 4096, states), 0);
    assert_true(states[0].cut && states[1].cut);
    assert_true(states[0].bytes > 4096 && strlen(states[0].sha256) == 64);
    assert_string_not_equal(states[0].sha256, states[1].sha256);
    assert_string_equal(
        states[0].text,
        "{\"rules\":[{\"id\":\"r400\",\"action\":\"drop\"}],\"total\":512}");
    assert_string_equal(
        states[1].text,
        "{\"rules\":[{\"id\":\"r400\",\"action\":\"pass\"}],\"total\":512}");
    ps_audit_state_clear(states);
    json_decref(before);
    json_decref(after);
}

static void test_large_states_are_cut(void **state _unused_)
{
    json_t *after = rules(512, 600), *text = json_object(), *read;
    struct ps_audit_state states[2];
    char blob[9000];

    assert_int_equal(ps_audit_state_make(NULL, after, 4096, states), 0);
    assert_null(states[0].text);
    assert_false(states[0].cut);
    assert_true(states[1].cut && strlen(states[1].text) <= 4096);
    read = json_loads(states[1].text, 0, NULL);
    assert_true(json_array_size(json_object_get(read, "rules")) > 10);
    json_decref(read);
    ps_audit_state_clear(states);

    memset(blob, 'x', sizeof(blob) - 1);
    blob[sizeof(blob) - 1] = '\0';
    json_object_set_new(text, "t", json_string(blob));
    assert_int_equal(ps_audit_state_make(text, NULL, 4096, states), 0);
    assert_null(states[0].text);
    assert_true(states[0].cut);
    assert_int_equal(states[0].bytes, 9007);
    /* By another program. */
    assert_string_equal(
        states[0].sha256,
        "72a53d7f78bf00cade9929ce56bfcad0295e3baed85c7baf13badfe9fab64b8f");
    ps_audit_state_clear(states);
    json_decref(text);
    json_decref(after);
}

/* ---- lists -------------------------------------------------------------- */

static void test_pages_do_not_shift(void **state)
{
    struct fixture *f = *state;
    Ps__ListAuditRequest ask = PS__LIST_AUDIT_REQUEST__INIT;
    char *cursor = NULL;
    unsigned int want = 25;

    for (unsigned int i = 0; i < 25; i++)
        add(f, i, "a", "guarder.create_rule", 0, NULL);
    do {
        Ps__AuditList *found;

        ask.cursor = cursor;
        found = list(f, &ask, 4);
        for (size_t i = 0; i < found->n_entries; i++)
            assert_int_equal(found->entries[i]->time->unix_ns,
                             START + --want * SECOND);
        free(cursor);
        cursor = TAKE_PTR(found->next_cursor);
        done(found);
        /* New ones come meanwhile. */
        add(f, 100 + want, "a", "guarder.create_rule", 0, NULL);
    } while (cursor);
    assert_int_equal(want, 0);
}

static void test_same_time(void **state)
{
    struct fixture *f = *state;
    Ps__ListAuditRequest ask = PS__LIST_AUDIT_REQUEST__INIT;
    Ps__AuditList *first, *second;

    for (unsigned int i = 0; i < 5; i++)
        add(f, 7, "a", "guarder.create_rule", 0, NULL);
    first = list(f, NULL, 3);
    ask.cursor = first->next_cursor;
    second = list(f, &ask, 3);
    assert_int_equal(first->entries[2]->seq, 3);
    assert_int_equal(second->n_entries, 2);
    assert_int_equal(second->entries[0]->seq, 2);
    assert_null(second->next_cursor);
    done(first);
    done(second);
}

static void test_filters(void **state)
{
    struct fixture *f = *state;
    Ps__ListAuditRequest ask = PS__LIST_AUDIT_REQUEST__INIT;
    Ps__Time since = PS__TIME__INIT, until = PS__TIME__INIT;

    add(f, 1, "a", "guarder.create_rule", 0, NULL);
    add(f, 2, "b", "guarder.create_rule", 400, "request.invalid");
    add(f, 3, "b", "guarder.delete_rule", 0, NULL);
#define WITH(field, value) \
    (ask.field = (char *)(uintptr_t)(value), count(f, &ask))
    assert_int_equal(WITH(actor, "b"), 2);
    assert_int_equal(WITH(action, "guarder.delete_rule"), 1);
    assert_int_equal(WITH(actor, NULL), 1);
    assert_int_equal(WITH(action, "guarder."), 3);
    assert_int_equal(WITH(action, "guarder"), 0);
    assert_int_equal(WITH(action, NULL), 3);
    assert_int_equal(WITH(target, "r2"), 1);
    assert_int_equal(WITH(target, NULL), 3);
    assert_int_equal(WITH(service, "tracer"), 0);
    assert_int_equal(WITH(service, "guarder"), 3);
    assert_int_equal(WITH(service, NULL), 3);
    ask.has_outcome = true;
    ask.outcome = PS__AUDIT_ENTRY__OUTCOME__refused;
    assert_int_equal(count(f, &ask), 1);
    ask.has_outcome = false;
    since.unix_ns = START + 2 * SECOND;
    ask.since = &since;
    assert_int_equal(count(f, &ask), 2);
    until.unix_ns = START + 3 * SECOND;
    ask.until = &until;
    assert_int_equal(count(f, &ask), 1);
    until.unix_ns = UINT64_MAX;
    assert_int_equal(count(f, &ask), 2);
}

static void test_wrong_cursors(void **state)
{
    static const char *const wrong[] = {
        "x",
        "a",
        "a1",
        "a1-",
        "a-1",
        "a1-2-3",
        "a-1--2",
        "o5",
        "a99999999999999999999-1",
        "a1111111111111111111111111111111111111111111111111111111-1"};
    struct fixture *f = *state;
    Ps__ListAuditRequest ask = PS__LIST_AUDIT_REQUEST__INIT;
    Ps__AuditList *found = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        ask.cursor = (char *)(uintptr_t)wrong[i];
        assert_int_equal(ps_audit_list(f->audit, &ask, 10, &found), -EINVAL);
    }
    assert_null(found);
}

/* ---- what others wrote into the file ------------------------------------ */

static void test_hostile_rows(void **state)
{
    static const char *const rows[] = {
        "(-5, '', NULL, NULL, '', NULL, 99, -1, NULL, NULL, NULL, NULL, NULL, "
        "NULL, NULL, 0)",
        "(9000000000000000000, x'ff', CAST(x'c3' AS TEXT), 'a' || char(0), "
        "CAST(x'00ff' AS TEXT), '', 2, 4294967295, '', '{', 'no', 5, NULL, "
        "-7, 'x', -1)",
        "(1, 'i', 'a', 'c', 'x', 't', -1, 70000, 'e', "
        "replace(hex(zeroblob(9000)), '0', '['), "
        "replace(hex(zeroblob(400)), '0', '['), "
        "0, replace(hex(zeroblob(9000)), '0', 'f'), 0, '', 0)",
        "(2, 'i', 'a', 'c', 'x', 't', 1, 0, 'e', '{\"a\":1,\"a\":2}', "
        "'1e999', NULL, NULL, NULL, NULL, 0)",
    };
    struct fixture *f = *state;
    Ps__AuditList *found;
    char *text, sql[1024];
    json_t *json;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        snprintf(sql, sizeof(sql),
                 "INSERT INTO entry (time_ns, instance, actor, client, action,"
                 " target, outcome, status, error, before, after,"
                 " before_bytes, before_sha, after_bytes, after_sha, size)"
                 " VALUES %s",
                 rows[i]);
        /* x'ff' is no text: the table refuses that one. */
        assert_int_equal(ps_store_exec(f->audit->store, sql),
                         i == 1 ? -EEXIST : 0);
    }
    /* Who can write the file can also make the table take it. */
    assert_int_equal(ps_store_exec(f->audit->store,
                                   "ALTER TABLE entry RENAME TO strict_one;"
                                   "CREATE TABLE entry AS SELECT * FROM "
                                   "strict_one;"),
                     0);
    snprintf(sql, sizeof(sql),
             "INSERT INTO entry (seq, time_ns, instance, actor, client, "
             "action, target, outcome, status, error, before, after, "
             "before_bytes, before_sha, after_bytes, after_sha, size) "
             "VALUES (77, %s",
             rows[1] + 1);
    assert_int_equal(ps_store_exec(f->audit->store, sql), 0);
    found = list(f, NULL, 100);
    assert_true(found->n_entries >= 3);
    assert_int_equal(ps_json_print(&found->base, &text, NULL), 0);
    json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    json_decref(json);
    free(text);
    for (size_t i = 0; i < found->n_entries; i++) {
        const Ps__AuditEntry *e = found->entries[i];

        assert_non_null(protobuf_c_enum_descriptor_get_value(
            &ps__audit_entry__outcome__descriptor, (int)e->outcome));
        assert_true(!e->has_status || e->status < 600);
        assert_true(!e->before_cut || strlen(e->before_cut->sha256) <= 64);
    }
    done(found);
}

/* ---- ps.Json ------------------------------------------------------------ */

static void check_json(const char *text, const char *shown)
{
    Ps__Json json = PS__JSON__INIT;
    char *printed = NULL;

    json.text = (char *)(uintptr_t)text;
    assert_int_equal(ps_json_print(&json.base, &printed, NULL), 0);
    assert_string_equal(printed, shown);
    free(printed);
}

static void test_json_is_the_value(void **state _unused_)
{
    char deep[200];

    check_json("{\"a\": [1, 2.5, null]}", "{\"a\":[1,2.5,null]}");
    check_json("\"x\"", "\"x\"");
    check_json("null", "null");
    check_json("", "\"invalid\"");
    check_json("{", "\"invalid\"");
    check_json("1 2", "\"invalid\"");
    check_json("{\"a\":1,\"a\":2}", "\"invalid\"");
    memset(deep, '[', 99);
    memset(deep + 99, ']', 99);
    deep[198] = '\0';
    check_json(deep, "\"invalid\"");
}

static void test_json_is_read(void **state _unused_)
{
    static const char text[] =
        "{\"seq\":1,\"time\":\"2026-01-31T12:00:00.000000000Z\","
        "\"service\":\"s\",\"instance\":\"i\",\"action\":\"x\","
        "\"outcome\":\"done\",\"before\":{\"b\":[true,{\"c\":1.5}]},"
        "\"after\":null}";
    struct ps_json_error error;
    ProtobufCMessage *msg = NULL;
    char *printed = NULL;

    assert_int_equal(ps_json_parse(&ps__audit_entry__descriptor, text,
                                   strlen(text), &msg, &error),
                     0);
    assert_string_equal(((Ps__AuditEntry *)msg)->before->text,
                        "{\"b\":[true,{\"c\":1.5}]}");
    assert_int_equal(ps_json_print(msg, &printed, NULL), 0);
    assert_string_equal(printed, text);
    free(printed);
    protobuf_c_message_free_unpacked(msg, NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_entry_has_all),
        TEST(test_outcomes),
        TEST(test_kill),
        TEST(test_file_that_is_held),
        TEST(test_oldest_leave),
        TEST(test_refused_push_out_none),
        TEST(test_long_texts_are_cut),
        cmocka_unit_test(test_small_states_are_whole),
        cmocka_unit_test(test_what_changed_is_kept),
        cmocka_unit_test(test_large_states_are_cut),
        TEST(test_pages_do_not_shift),
        TEST(test_same_time),
        TEST(test_filters),
        TEST(test_wrong_cursors),
        TEST(test_hostile_rows),
        cmocka_unit_test(test_json_is_the_value),
        cmocka_unit_test(test_json_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
