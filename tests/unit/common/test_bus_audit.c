/* SPDX-License-Identifier: MIT */
/* Changes on the bus, and what the audit log holds of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

#include <dirent.h>

#include "common/audit.h"
#include "common/bus.h"
#include "common/store.h"

struct end {
    struct event_base *base;
    struct ps_bus *server, *asker;
    struct ps_client *client;
    struct ps_audit *audit;
    sqlite3 *other; /* of the same file */
    char dir[64];
    char *error;
    bool hold; /* the handler makes the log busy */
    unsigned int handled, answers;
    int result;
    uint32_t status;
    char error_id[64];
};

static void change(void *arg, const ProtobufCMessage *req, struct ps_call *call)
{
    struct end *e = arg;
    Ps__RuleId before = PS__RULE_ID__INIT;

    before.id = (char *)(uintptr_t)"as it was";
    ps_call_before(call, &before.base);
    e->handled++;
    if (e->hold)
        assert_int_equal(
            sqlite3_exec(e->other, "BEGIN IMMEDIATE", NULL, NULL, NULL),
            SQLITE_OK);
    ps_call_reply(call, req);
}

static void refuse(void *arg, const ProtobufCMessage *req _unused_,
                   struct ps_call *call)
{
    ((struct end *)arg)->handled++;
    ps_call_fail(call, "rule.exists", 409, "id", "It is there.");
}

#define ID &ps__rule_id__descriptor
static const struct ps_method methods[] = {
    {"t.change", ID, ID, change, true},
    {"t.refuse", ID, ID, refuse, true},
    {"t.read", ID, ID, change, false},
    {0},
};

static void on_answer(void *arg, int result,
                      const ProtobufCMessage *reply _unused_,
                      const Ps__Error *error)
{
    struct end *e = arg;

    e->answers++;
    e->result = result;
    e->status = error ? error->status : 0;
    snprintf(e->error_id, sizeof(e->error_id), "%s", error ? error->id : "");
    event_base_loopbreak(e->base);
}

/* Asks and waits for the answer. */
static void ask(struct end *e, const char *method, const char *key)
{
    Ps__RuleId request = PS__RULE_ID__INIT;
    const struct ps_ask a = {.method = method,
                             .request = &request.base,
                             .reply = ID,
                             .timeout_ns = 10 * PS_NS_PER_S,
                             .idempotency_key = key,
                             .actor = "ci",
                             .client = "192.0.2.1"};
    unsigned int before = e->answers;

    request.id = (char *)(uintptr_t)"r1";
    assert_int_equal(ps_client_call(e->client, &a, on_answer, e), 0);
    while (e->answers == before)
        event_base_dispatch(e->base);
}

static struct ps_bus *new_bus(struct end *e, const char *name)
{
    const struct ps_bus_identity id = {name, "here", 1};
    struct ps_bus *bus = NULL;

    assert_int_equal(ps_bus_new(e->base, &id, NULL, &bus), 0);
    return bus;
}

static int setup(void **state)
{
    struct end *e = calloc(1, sizeof(*e));
    char text[128];

    assert_non_null(e);
    snprintf(e->dir, sizeof(e->dir), "/tmp/ps-busaudit-XXXXXX");
    assert_non_null(mkdtemp(e->dir));
    assert_int_equal(
        ps_audit_open(e->dir, "t", "t", "here", 4 << 20, &e->audit, &e->error),
        0);
    snprintf(text, sizeof(text), "%s/t.audit.db", e->dir);
    assert_int_equal(sqlite3_open(text, &e->other), SQLITE_OK);
    e->base = event_base_new();
    e->server = new_bus(e, "tester");
    e->asker = new_bus(e, "asker");
    assert_int_equal(ps_bus_serve(e->server, methods, e), 0);
    ps_bus_audit(e->server, e->audit);
    snprintf(text, sizeof(text), "ipc://%s/t.rep", e->dir);
    assert_int_equal(ps_bus_listen_rep(e->server, text), 0);
    assert_int_equal(ps_client_new(e->asker, text, &e->client), 0);
    *state = e;
    return 0;
}

static int teardown(void **state)
{
    struct end *e = *state;
    struct dirent *entry;
    DIR *dir;

    ps_client_free(&e->client);
    ps_bus_free(&e->asker);
    ps_bus_free(&e->server);
    event_base_free(e->base);
    sqlite3_close(e->other);
    ps_audit_free(&e->audit);
    dir = opendir(e->dir);
    while ((entry = readdir(dir)))
        unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    rmdir(e->dir);
    free(e->error);
    free(e);
    return 0;
}

/* The log, which must have so many entries. */
static Ps__AuditList *read_log(struct end *e, size_t n)
{
    Ps__ListAuditRequest all = PS__LIST_AUDIT_REQUEST__INIT;
    Ps__AuditList *list = NULL;

    assert_int_equal(ps_audit_list(e->audit, &all, 100, &list), 0);
    assert_int_equal(list->n_entries, n);
    return list;
}

static void test_recorded_once(void **state)
{
    struct end *e = *state;
    Ps__AuditList *list;

    ask(e, "t.change", "k");
    ask(e, "t.change", "k");
    ask(e, "t.read", NULL);
    assert_int_equal(e->result, 0);
    assert_int_equal(e->handled, 2);
    list = read_log(e, 1);
    assert_string_equal(list->entries[0]->actor, "ci");
    assert_string_equal(list->entries[0]->client, "192.0.2.1");
    assert_string_equal(list->entries[0]->action, "t.change");
    assert_string_equal(list->entries[0]->target, "r1");
    assert_string_equal(list->entries[0]->before->text,
                        "{\"id\":\"as it was\"}");
    assert_string_equal(list->entries[0]->after->text, "{\"id\":\"r1\"}");
    ps__audit_list__free_unpacked(list, NULL);
}

static void test_refused(void **state)
{
    struct end *e = *state;
    Ps__AuditList *list;

    ask(e, "t.refuse", "k");
    ask(e, "t.refuse", "k");
    ask(e, "t.change", NULL); /* without a key nothing is begun */
    assert_int_equal(e->handled, 1);
    list = read_log(e, 1);
    assert_int_equal(list->entries[0]->outcome,
                     PS__AUDIT_ENTRY__OUTCOME__refused);
    assert_string_equal(list->entries[0]->error, "rule.exists");
    assert_null(list->entries[0]->after);
    ps__audit_list__free_unpacked(list, NULL);
}

static void test_no_log_no_change(void **state)
{
    struct end *e = *state;

    ps_bus_audit(e->server, NULL);
    ask(e, "t.change", "k");
    assert_int_equal(e->status, 503);
    assert_string_equal(e->error_id, "audit.not_writable");
    assert_int_equal(e->handled, 0);
    ask(e, "t.read", NULL);
    assert_int_equal(e->handled, 1);
    /* It may be tried again with the same key. */
    ps_bus_audit(e->server, e->audit);
    ask(e, "t.change", "k");
    assert_int_equal(e->result, 0);
    assert_int_equal(e->handled, 2);
}

static void test_outcome_cannot_be_written(void **state)
{
    struct end *e = *state;
    Ps__AuditList *list;

    e->hold = true;
    ask(e, "t.change", "k");
    assert_int_equal(e->status, 500);
    assert_string_equal(e->error_id, "audit.not_recorded");
    assert_int_equal(ps_audit_stats(e->audit)->failed, 1);
    sqlite3_exec(e->other, "ROLLBACK", NULL, NULL, NULL);
    e->hold = false;
    /* It was made: the same key does not make it again. */
    ask(e, "t.change", "k");
    assert_string_equal(e->error_id, "audit.not_recorded");
    assert_int_equal(e->handled, 1);
    list = read_log(e, 1);
    assert_int_equal(list->entries[0]->outcome,
                     PS__AUDIT_ENTRY__OUTCOME__unknown);
    ps__audit_list__free_unpacked(list, NULL);
}

/* The server ends, and another takes its place and its log. */
static void start_again(struct end *e)
{
    char url[128];

    ps_bus_free(&e->server);
    e->server = new_bus(e, "tester");
    assert_int_equal(ps_bus_serve(e->server, methods, e), 0);
    assert_int_equal(ps_bus_audit(e->server, e->audit), 0);
    snprintf(url, sizeof(url), "ipc://%s/t.rep", e->dir);
    assert_int_equal(ps_bus_listen_rep(e->server, url), 0);
}

static void test_key_outlives_the_process(void **state)
{
    struct end *e = *state;

    ask(e, "t.change", "k");
    assert_int_equal(e->result, 0);
    start_again(e);
    ask(e, "t.change", "k");
    assert_int_equal(e->result, 0);
    assert_int_equal(e->handled, 1);
    ask(e, "t.refuse", "k");
    assert_string_equal(e->error_id, "request.idempotency_conflict");
    ask(e, "t.change", "l");
    assert_int_equal(e->handled, 2);
    /* A reply that was too long to be kept. */
    sqlite3_exec(e->other, "UPDATE repeat SET type = NULL, body = NULL", NULL,
                 NULL, NULL);
    start_again(e);
    ask(e, "t.change", "k");
    assert_string_equal(e->error_id, "request.answer_lost");
    assert_int_equal(e->handled, 2);
}

/* As after a kill -9 between a change and its answer. */
static void test_nothing_is_made_twice(void **state)
{
    struct end *e = *state;

    e->hold = true;
    ask(e, "t.change", "k");
    sqlite3_exec(e->other, "ROLLBACK", NULL, NULL, NULL);
    e->hold = false;
    start_again(e);
    ask(e, "t.change", "k");
    assert_int_equal(e->status, 500);
    assert_string_equal(e->error_id, "request.outcome_unknown");
    assert_int_equal(e->handled, 1);
}

static void test_what_was_refused_is_looked_at_anew(void **state)
{
    struct end *e = *state;
    unsigned int handled;

    ask(e, "t.refuse", "k");
    assert_int_not_equal(e->status, 0);
    handled = e->handled;
    start_again(e);
    ask(e, "t.refuse", "k");
    assert_int_equal(e->handled, handled + 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_recorded_once),
        TEST(test_refused),
        TEST(test_no_log_no_change),
        TEST(test_outcome_cannot_be_written),
        TEST(test_key_outlives_the_process),
        TEST(test_nothing_is_made_twice),
        TEST(test_what_was_refused_is_looked_at_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
