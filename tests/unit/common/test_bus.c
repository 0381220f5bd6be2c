/* SPDX-License-Identifier: MIT */
/* The bus over real ipc and tcp sockets, two ends on one loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

#include "common/bus_internal.h"
#include "tests/unit/common/loop.h"

#include <nng/protocol/pubsub0/pub.h>
#include <sys/stat.h>

#define MS PS_NS_PER_MS

struct end {
    struct event_base *base;
    struct ps_bus *server;
    struct ps_bus *client;
    char dir[64];
    char rep_url[128];
    char pub_url[128];
    struct ps_call *held;
    unsigned int handled;

    /* of the last answer */
    unsigned int answers;
    int result;
    uint32_t status;
    char error_id[64];
    char text[64];

    /* of subscriptions */
    uint64_t seqs[256];
    size_t n_seqs;
    size_t n_snapshot;
};

/* Until *what is at least want, at most two seconds. */
static void run_until(struct end *e, const volatile unsigned int *what,
                      unsigned int want)
{
    loop_run(e->base, 2 * PS_NS_PER_S, what, want);
    assert_true(*what >= want);
}

static void run_for(struct end *e, uint64_t ns)
{
    loop_run(e->base, ns, NULL, 0);
}

/* ---- methods of the server ---------------------------------------------- */

static void echo(void *arg, const ProtobufCMessage *req, struct ps_call *call)
{
    struct end *e = arg;

    e->handled++;
    ps_call_reply(call, req);
}

static void hold(void *arg, const ProtobufCMessage *req _unused_,
                 struct ps_call *call)
{
    struct end *e = arg;

    e->handled++;
    e->held = call;
}

static void refuse(void *arg _unused_, const ProtobufCMessage *req _unused_,
                   struct ps_call *call)
{
    ps_call_fail(call, "rule.not_found", 404, "id", "No rule %d.", 7);
}

static const struct ps_method methods[] = {
    {"t.echo", &ps__rule_id__descriptor, &ps__rule_id__descriptor, echo, false},
    {"t.change", &ps__rule_id__descriptor, &ps__rule_id__descriptor, echo,
     true},
    {"t.hold", &ps__rule_id__descriptor, &ps__rule_id__descriptor, hold, false},
    {"t.hold_change", &ps__rule_id__descriptor, &ps__rule_id__descriptor, hold,
     true},
    {"t.refuse", &ps__rule_id__descriptor, &ps__rule_id__descriptor, refuse,
     false},
    {0},
};

static void on_answer(void *arg, int result, const ProtobufCMessage *reply,
                      const Ps__Error *error)
{
    struct end *e = arg;

    e->answers++;
    e->result = result;
    e->status = error ? error->status : 0;
    snprintf(e->error_id, sizeof(e->error_id), "%s", error ? error->id : "");
    snprintf(e->text, sizeof(e->text), "%s",
             reply ? ((const Ps__RuleId *)reply)->id : "");
}

static int ask(struct end *e, struct ps_client *client, const char *method,
               const char *id, const char *key, uint64_t timeout_ns)
{
    Ps__RuleId request = PS__RULE_ID__INIT;
    const struct ps_ask a = {
        .method = method,
        .request = &request.base,
        .reply = &ps__rule_id__descriptor,
        .timeout_ns = timeout_ns,
        .idempotency_key = key,
    };

    request.id = (char *)(uintptr_t)id;
    return ps_client_call(client, &a, on_answer, e);
}

/* ---- set-up ------------------------------------------------------------- */

static struct ps_bus *new_bus(struct end *e, const char *name, uint64_t epoch)
{
    const struct ps_bus_identity id = {name, "here", epoch};
    struct ps_bus *bus = NULL;

    assert_int_equal(ps_bus_new(e->base, &id, NULL, &bus), 0);
    return bus;
}

static int setup(void **state)
{
    struct end *e = calloc(1, sizeof(*e));

    assert_non_null(e);
    snprintf(e->dir, sizeof(e->dir), "/tmp/ps-bus-XXXXXX");
    assert_non_null(mkdtemp(e->dir));
    snprintf(e->rep_url, sizeof(e->rep_url), "ipc://%s/t.rep", e->dir);
    snprintf(e->pub_url, sizeof(e->pub_url), "ipc://%s/t.pub", e->dir);
    e->base = event_base_new();
    e->server = new_bus(e, "tester", 1);
    e->client = new_bus(e, "asker", 1);
    assert_int_equal(ps_bus_serve(e->server, methods, e), 0);
    assert_int_equal(ps_bus_listen_rep(e->server, e->rep_url), 0);
    assert_int_equal(ps_bus_listen_pub(e->server, e->pub_url), 0);
    *state = e;
    return 0;
}

static int teardown(void **state)
{
    struct end *e = *state;

    ps_bus_free(&e->client);
    ps_bus_free(&e->server);
    event_base_free(e->base);
    rmdir(e->dir);
    free(e);
    return 0;
}

/* ---- requests ----------------------------------------------------------- */

static void test_answer_and_error(void **state)
{
    struct end *e = *state;
    struct ps_client *c = NULL;

    assert_int_equal(ps_client_new(e->client, e->rep_url, &c), 0);
    assert_int_equal(ask(e, c, "t.echo", "hello", NULL, 1000 * MS), 0);
    run_until(e, &e->answers, 1);
    assert_int_equal(e->result, 0);
    assert_string_equal(e->text, "hello");
    assert_true(ps_client_connected(c));

    assert_int_equal(ask(e, c, "t.refuse", "x", NULL, 1000 * MS), 0);
    run_until(e, &e->answers, 2);
    assert_int_equal(e->result, -EREMOTEIO);
    assert_int_equal(e->status, 404);
    assert_string_equal(e->error_id, "rule.not_found");

    assert_int_equal(ask(e, c, "t.nonsense", "x", NULL, 1000 * MS), 0);
    run_until(e, &e->answers, 3);
    assert_string_equal(e->error_id, "request.unknown_method");
}

static void test_many_at_once(void **state)
{
    struct end *e = *state;
    struct ps_client *c = NULL;

    assert_int_equal(ps_client_new(e->client, e->rep_url, &c), 0);
    for (int i = 0; i < 50; i++)
        assert_int_equal(ask(e, c, "t.echo", "x", NULL, 2000 * MS), 0);
    run_until(e, &e->answers, 50);
    assert_int_equal(e->handled, 50);
}

static void test_one_slow_delays_no_other(void **state)
{
    struct end *e = *state;
    struct ps_client *c = NULL;

    assert_int_equal(ps_client_new(e->client, e->rep_url, &c), 0);
    assert_int_equal(ask(e, c, "t.hold", "slow", NULL, 5000 * MS), 0);
    run_until(e, &e->handled, 1);
    assert_int_equal(ask(e, c, "t.echo", "fast", NULL, 1000 * MS), 0);
    run_until(e, &e->answers, 1);
    assert_string_equal(e->text, "fast");
    assert_int_equal(ps_bus_open_calls(e->server), 1);
    ps_call_fail(e->held, "late", 500, NULL, "At last.");
    run_until(e, &e->answers, 2);
    assert_string_equal(e->error_id, "late");
}

static void test_deadline(void **state)
{
    struct end *e = *state;
    struct ps_client *c = NULL;
    uint64_t start = ps_mono_ns();

    assert_int_equal(ps_client_new(e->client, e->rep_url, &c), 0);
    assert_int_equal(ask(e, c, "t.hold", "x", NULL, 100 * MS), 0);
    run_until(e, &e->answers, 1);
    assert_int_equal(e->result, -ETIMEDOUT);
    assert_true(ps_mono_ns() - start >= 90 * MS);
    assert_true(ps_mono_ns() - start < 1500 * MS);
    ps_call_fail(e->held, "late", 500, NULL, "Nobody listens.");
    run_for(e, 50 * MS);
    assert_int_equal(e->answers, 1);
}

static void test_nobody_there(void **state)
{
    struct end *e = *state;
    struct ps_client *c = NULL;
    char url[160];

    snprintf(url, sizeof(url), "ipc://%s/nobody", e->dir);
    assert_int_equal(ps_client_new(e->client, url, &c), 0);
    assert_int_equal(ask(e, c, "t.echo", "x", NULL, 100 * MS), 0);
    run_until(e, &e->answers, 1);
    assert_int_equal(e->result, -ETIMEDOUT);
    assert_false(ps_client_connected(c));
}

static void test_free_cancels(void **state)
{
    struct end *e = *state;
    struct ps_client *c = NULL;

    assert_int_equal(ps_client_new(e->client, e->rep_url, &c), 0);
    assert_int_equal(ask(e, c, "t.hold", "x", NULL, 5000 * MS), 0);
    run_until(e, &e->handled, 1);
    ps_client_free(&c);
    assert_null(c);
    assert_int_equal(e->answers, 1);
    assert_int_equal(e->result, -ECANCELED);
}

static void test_change_needs_key_and_is_done_once(void **state)
{
    struct end *e = *state;
    struct ps_client *c = NULL;

    assert_int_equal(ps_client_new(e->client, e->rep_url, &c), 0);
    assert_int_equal(ask(e, c, "t.change", "a", NULL, 1000 * MS), 0);
    run_until(e, &e->answers, 1);
    assert_string_equal(e->error_id, "request.no_idempotency_key");
    assert_int_equal(e->handled, 0);

    for (unsigned int i = 0; i < 3; i++) {
        assert_int_equal(ask(e, c, "t.change", "a", "k1", 1000 * MS), 0);
        run_until(e, &e->answers, 2 + i);
        assert_int_equal(e->result, 0);
        assert_string_equal(e->text, "a");
    }
    assert_int_equal(e->handled, 1);

    assert_int_equal(ask(e, c, "t.change", "b", "k1", 1000 * MS), 0);
    run_until(e, &e->answers, 5);
    assert_string_equal(e->error_id, "request.idempotency_conflict");
    assert_int_equal(e->handled, 1);
}

static void test_same_change_while_at_work(void **state)
{
    struct end *e = *state;
    struct ps_client *c = NULL;

    assert_int_equal(ps_client_new(e->client, e->rep_url, &c), 0);
    assert_int_equal(ask(e, c, "t.hold_change", "a", "k", 2000 * MS), 0);
    assert_int_equal(ask(e, c, "t.hold_change", "a", "k", 2000 * MS), 0);
    run_until(e, &e->handled, 1);
    run_for(e, 50 * MS);
    assert_int_equal(e->handled, 1);
    ps_call_fail(e->held, "done", 409, NULL, "Both hear it.");
    run_until(e, &e->answers, 2);
    assert_string_equal(e->error_id, "done");
}

static void test_socket_mode(void **state)
{
    struct end *e = *state;
    struct stat st;

    assert_int_equal(stat(e->rep_url + strlen("ipc://"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    assert_int_equal(stat(e->pub_url + strlen("ipc://"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
}

/* calls = answered + timed out; what found no place was never one. */
static void test_full_queue_of_calls(void **state)
{
    struct end *e = *state;
    struct ps_client *nobody = NULL, *c = NULL;
    const struct ps_bus_stats *stats = ps_bus_stats(e->client);
    char url[128];

    snprintf(url, sizeof(url), "ipc://%s/nobody", e->dir);
    assert_int_equal(ps_client_new(e->client, url, &nobody), 0);
    for (int i = 0; i < PS_BUS_MAX_CALLS; i++)
        assert_int_equal(ask(e, nobody, "t.echo", "x", NULL, 300 * MS), 0);
    assert_int_equal(ask(e, nobody, "t.echo", "x", NULL, 300 * MS), -EAGAIN);
    assert_int_equal(stats->calls_refused, 1);
    assert_int_equal(stats->calls, PS_BUS_MAX_CALLS);
    run_until(e, &e->answers, PS_BUS_MAX_CALLS);
    assert_int_equal(stats->calls_timed_out, PS_BUS_MAX_CALLS);

    assert_int_equal(ps_client_new(e->client, e->rep_url, &c), 0);
    assert_int_equal(ask(e, c, "t.echo", "y", NULL, 5000 * MS), 0);
    run_until(e, &e->answers, PS_BUS_MAX_CALLS + 1);
    assert_int_equal(e->result, 0);
    assert_int_equal(stats->calls, PS_BUS_MAX_CALLS + 1);
    assert_int_equal(stats->calls_timed_out, PS_BUS_MAX_CALLS);
    assert_int_equal(ps_bus_stats(e->server)->answers, 1);
    assert_int_equal(ps_bus_stats(e->server)->answers_lost, 0);
}

static void test_tcp(void **state)
{
    struct end *e = *state;
    struct ps_client *c = NULL;
    char url[64];

    snprintf(url, sizeof(url), "tcp://127.0.0.1:%u", loop_free_port());
    assert_int_equal(ps_bus_listen_rep(e->server, url), 0);
    assert_int_equal(ps_client_new(e->client, url, &c), 0);
    assert_int_equal(ask(e, c, "t.echo", "by tcp", NULL, 1000 * MS), 0);
    run_until(e, &e->answers, 1);
    assert_string_equal(e->text, "by tcp");
}

/* A bus with certificates of its own authority, made by openssl(1). */
static struct ps_bus *new_tls_bus(struct end *e, const char *dir,
                                  const char *name)
{
    const struct ps_bus_identity id = {name, "here", 1};
    struct ps_bus *bus = NULL;
    char cert[96];
    char key[96];

    snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
    snprintf(key, sizeof(key), "%s/key.pem", dir);
    assert_int_equal(
        ps_bus_new(e->base, &id, &(struct ps_bus_tls){cert, cert, key}, &bus),
        0);
    return bus;
}

static void make_certificate(const char *dir)
{
    char command[512];

    snprintf(command, sizeof(command),
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 "
             "-nodes -keyout %s/key.pem -out %s/cert.pem -days 2 "
             "-subj /CN=localhost -addext subjectAltName=DNS:localhost "
             "2>/dev/null",
             dir, dir);
    assert_int_equal(system(command), 0);
}

static void test_tls(void **state)
{
    struct end *e = *state;
    struct ps_bus *server;
    struct ps_bus *client;
    struct ps_bus *stranger;
    struct ps_client *c = NULL;
    struct ps_client *s = NULL;
    char other[] = "/tmp/ps-tls-XXXXXX", url[64];

    snprintf(url, sizeof(url), "tls+tcp://localhost:%u", loop_free_port());
    assert_non_null(mkdtemp(other));
    make_certificate(e->dir);
    make_certificate(other);
    server = new_tls_bus(e, e->dir, "server");
    client = new_tls_bus(e, e->dir, "client");
    stranger = new_tls_bus(e, other, "stranger");
    assert_int_equal(ps_bus_serve(server, methods, e), 0);
    assert_int_equal(ps_bus_listen_rep(server, url), 0);
    assert_int_equal(ps_client_new(client, url, &c), 0);
    assert_int_equal(ask(e, c, "t.echo", "by tls", NULL, 2000 * MS), 0);
    run_until(e, &e->answers, 1);
    assert_int_equal(e->result, 0);
    assert_string_equal(e->text, "by tls");
    /* Signed by nobody we know: not heard. */
    assert_int_equal(ps_client_new(stranger, url, &s), 0);
    assert_int_equal(ask(e, s, "t.echo", "x", NULL, 300 * MS), 0);
    run_until(e, &e->answers, 2);
    assert_int_equal(e->result, -ETIMEDOUT);
    assert_int_equal(e->handled, 1);
    ps_bus_free(&client);
    ps_bus_free(&stranger);
    ps_bus_free(&server);
    for (size_t i = 0; i < 2; i++) {
        const char *dir = i ? other : e->dir;
        char path[96];

        snprintf(path, sizeof(path), "%s/cert.pem", dir);
        unlink(path);
        snprintf(path, sizeof(path), "%s/key.pem", dir);
        unlink(path);
    }
    rmdir(other);
}

/* ---- events ------------------------------------------------------------- */

static void on_message(void *arg, const Ps__Envelope *env, bool snapshot)
{
    struct end *e = arg;

    if (strcmp(env->topic, "flood") == 0)
        e->handled++;
    if (strcmp(env->topic, "rule") != 0)
        return;
    assert_true(e->n_seqs < ARRAY_SIZE(e->seqs));
    e->seqs[e->n_seqs++] = env->seq;
    e->n_snapshot += snapshot;
    e->answers++;
}

static void publish(struct ps_bus *bus, const char *topic, bool retain)
{
    Ps__RuleId message = PS__RULE_ID__INIT;

    message.id = (char[]){"r"};
    assert_int_equal(ps_bus_publish(bus, topic, &message.base, retain), 0);
}

static struct ps_sub *subscribe(struct end *e, const char *topic,
                                struct ps_client *client)
{
    const char *topics[] = {topic, "heartbeat", NULL};
    struct ps_sub *sub = NULL;
    uint64_t end = ps_mono_ns() + 2 * PS_NS_PER_S;

    assert_int_equal(
        ps_sub_new(e->client, e->pub_url, topics, client, on_message, e, &sub),
        0);
    while (!ps_sub_connected(sub) && ps_mono_ns() < end)
        run_for(e, 10 * MS);
    assert_true(ps_sub_connected(sub));
    run_for(e, 50 * MS); /* the subscription travels too */
    return sub;
}

static void test_publish(void **state)
{
    struct end *e = *state;
    struct ps_sub *sub = subscribe(e, "rule", NULL);

    for (int i = 0; i < 100; i++) {
        publish(e->server, "rule", false);
        publish(e->server, "rules", false); /* another topic */
    }
    run_until(e, &e->answers, 100);
    run_for(e, 50 * MS);
    assert_int_equal(e->n_seqs, 100);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(e->seqs[i], i + 1);
    assert_int_equal(ps_sub_gaps(sub), 0);
    assert_int_equal(ps_sub_malformed(sub), 0);
}

static void test_late_joiner_gets_snapshot_once(void **state)
{
    struct end *e = *state;
    struct ps_client *c = NULL;
    struct ps_sub *sub;

    for (int i = 0; i < 5; i++)
        publish(e->server, "rule", true);
    assert_int_equal(ps_client_new(e->client, e->rep_url, &c), 0);
    sub = subscribe(e, "rule", c);
    run_until(e, &e->answers, 1);
    assert_int_equal(e->seqs[0], 5);
    assert_int_equal(e->n_snapshot, 1);
    publish(e->server, "rule", true);
    run_until(e, &e->answers, 2);
    assert_int_equal(e->seqs[1], 6);
    assert_int_equal(ps_sub_gaps(sub), 0);
}

static void test_gap_over_restart_of_connection(void **state)
{
    struct end *e = *state;
    struct ps_client *c = NULL;
    struct ps_sub *sub;

    assert_int_equal(ps_client_new(e->client, e->rep_url, &c), 0);
    sub = subscribe(e, "rule", c);
    publish(e->server, "rule", true);
    run_until(e, &e->answers, 1);

    /* The publisher's socket goes, three are missed, it comes again. */
    nng_close(e->server->pub);
    e->server->has_pub = false;
    for (int i = 0; i < 3; i++)
        publish(e->server, "rule", true);
    assert_int_equal(ps_bus_listen_pub(e->server, e->pub_url), 0);
    run_until(e, &e->answers, 2);
    assert_int_equal(e->seqs[1], 4); /* the last one, by the snapshot */
    assert_int_equal(ps_sub_gaps(sub), 2);
    run_for(e, 100 * MS);
    publish(e->server, "rule", true);
    run_until(e, &e->answers, 3);
    assert_int_equal(ps_sub_gaps(sub), 2);
}

static void test_heartbeat_finds_the_lost_tail(void **state)
{
    struct end *e = *state;
    Ps__ServiceStatus status = PS__SERVICE_STATUS__INIT;
    Ps__TopicSeq seq = PS__TOPIC_SEQ__INIT;
    Ps__TopicSeq *seqs[] = {&seq};
    struct ps_sub *sub = subscribe(e, "rule", NULL);

    publish(e->server, "rule", false);
    run_until(e, &e->answers, 1);
    seq.topic = (char[]){"rule"};
    seq.seq = 4;
    status.name = (char[]){"tester"};
    status.instance = (char[]){"here"};
    status.state = PS__SERVICE_STATUS__STATE__ready;
    status.topics = seqs;
    status.n_topics = 1;
    assert_int_equal(ps_bus_publish(e->server, "heartbeat", &status.base, true),
                     0);
    run_for(e, 100 * MS);
    assert_int_equal(ps_sub_gaps(sub), 3);
}

static void test_new_epoch_is_no_gap(void **state)
{
    struct end *e = *state;
    struct ps_sub *sub = subscribe(e, "rule", NULL);

    for (int i = 0; i < 5; i++)
        publish(e->server, "rule", false);
    run_until(e, &e->answers, 5);
    ps_bus_free(&e->server);
    e->server = new_bus(e, "tester", 2);
    assert_int_equal(ps_bus_listen_pub(e->server, e->pub_url), 0);
    while (!ps_sub_connected(sub))
        run_for(e, 10 * MS);
    run_for(e, 300 * MS);
    publish(e->server, "rule", false);
    run_until(e, &e->answers, 6);
    assert_int_equal(e->seqs[5], 1);
    assert_int_equal(ps_sub_gaps(sub), 0);
}

/* What the heartbeat of e->server says of one topic. */
static void tell_topic(struct end *e, const char *topic, uint64_t last)
{
    Ps__ServiceStatus status = PS__SERVICE_STATUS__INIT;
    Ps__TopicSeq seq = PS__TOPIC_SEQ__INIT;
    Ps__TopicSeq *seqs[] = {&seq};

    seq.topic = (char *)(uintptr_t)topic;
    seq.seq = last;
    status.name = (char[]){"tester"};
    status.instance = (char[]){"here"};
    status.state = PS__SERVICE_STATUS__STATE__ready;
    status.topics = seqs;
    status.n_topics = 1;
    assert_int_equal(ps_bus_publish(e->server, "heartbeat", &status.base, true),
                     0);
}

static void test_flood_is_reconciled(void **state)
{
    struct end *e = *state;
    struct ps_sub *sub = subscribe(e, "flood", NULL);
    uint64_t end = ps_mono_ns() + 20 * PS_NS_PER_S;
    uint64_t published = 20000, found;
    struct ps_sub_stats stats;

    /* The loop does not run meanwhile: more than both queues can hold. */
    publish(e->server, "flood", false);
    run_for(e, 50 * MS);
    for (int i = 1; i < 20000; i++)
        publish(e->server, "flood", false);
    /* A heartbeat may be lost itself; another comes, as in a daemon. The last
     * one has come in the end: NNG may hang when it closes a full queue. */
    do {
        tell_topic(e, "flood", 20000);
        published++;
        run_for(e, 100 * MS);
        ps_sub_stats(sub, &stats);
        found = stats.received + stats.gaps + stats.before;
    } while (found != published && ps_mono_ns() < end);
    assert_int_equal(found, published);
    assert_true(stats.gaps > 0); /* or this test shows nothing */
    assert_int_equal(stats.before + stats.late + stats.untracked, 0);
    assert_true(e->handled + stats.gaps >= 20000);
}

/* Before we came is nobody's loss; before we came again is ours. */
static void test_before_late_and_gaps(void **state)
{
    struct end *e = *state;
    struct ps_sub_stats stats;
    struct ps_sub *sub;

    for (int i = 0; i < 5; i++)
        publish(e->server, "rule", false);
    sub = subscribe(e, "rule", NULL);
    publish(e->server, "rule", false);
    run_until(e, &e->answers, 1);
    ps_sub_stats(sub, &stats);
    assert_int_equal(stats.received, 1);
    assert_int_equal(stats.before, 5);

    ps_bus_free(&e->server);
    e->server = new_bus(e, "tester", 2);
    for (int i = 0; i < 3; i++)
        publish(e->server, "rule", false); /* to nobody */
    assert_int_equal(ps_bus_listen_pub(e->server, e->pub_url), 0);
    while (!ps_sub_connected(sub))
        run_for(e, 10 * MS);
    run_for(e, 300 * MS);
    publish(e->server, "rule", false);
    run_until(e, &e->answers, 2);
    ps_sub_stats(sub, &stats);
    assert_int_equal(stats.received, 2);
    assert_int_equal(stats.before, 5);
    assert_int_equal(stats.late, 3);
    assert_int_equal(stats.gaps, 0);
}

/* A topic of which nothing ever came is known by the heartbeat alone. */
static void test_heartbeat_finds_a_lost_topic(void **state)
{
    struct end *e = *state;
    struct ps_sub *sub = subscribe(e, "rule", NULL);
    uint64_t end = ps_mono_ns() + 10 * PS_NS_PER_S;
    struct ps_sub_stats stats;

    tell_topic(e, "other", 9); /* not asked for */
    tell_topic(e, "rule", 0);
    tell_topic(e, "rule", 7);
    do {
        run_for(e, 20 * MS);
        ps_sub_stats(sub, &stats);
    } while (stats.received < 3 && ps_mono_ns() < end);
    assert_int_equal(stats.received, 3);
    assert_int_equal(stats.gaps, 7);
    assert_int_equal(stats.before + stats.late, 0);
}

static void test_malformed_publication(void **state)
{
    struct end *e = *state;
    struct ps_sub *sub = subscribe(e, "rule", NULL);
    static const uint8_t garbage[] = "rule\0\xff\xff\xff\xff";

    assert_int_equal(nng_send(e->server->pub, (void *)(uintptr_t)garbage,
                              sizeof(garbage) - 1, 0),
                     0);
    publish(e->server, "rule", false);
    run_until(e, &e->answers, 1);
    assert_int_equal(ps_sub_malformed(sub), 1);
    assert_int_equal(ps_sub_gaps(sub), 0);
}

/* ---- envelopes ---------------------------------------------------------- */

static size_t pack(Ps__Envelope *env, uint8_t *buffer)
{
    return ps__envelope__pack(env, buffer);
}

static void test_envelope_bounds(void **state)
{
    struct end *e = *state;
    Ps__Envelope env;
    Ps__Envelope *got = NULL;
    uint8_t buffer[4096];
    char name[200];
    size_t len;

    ps_envelope_init(e->server, &env);
    len = pack(&env, buffer);
    assert_int_equal(ps_envelope_unpack(buffer, len, &got), 0);
    ps__envelope__free_unpacked(got, NULL);
    assert_int_equal(ps_envelope_unpack(buffer, 0, &got), -EBADMSG);
    assert_int_equal(ps_envelope_unpack(buffer, len - 1, &got), -EBADMSG);

    env.schema = PS_SCHEMA + 1;
    len = pack(&env, buffer);
    assert_int_equal(ps_envelope_unpack(buffer, len, &got), -EPROTONOSUPPORT);
    env.schema = PS_SCHEMA;
    memset(name, 'x', sizeof(name));
    name[65] = 0;
    env.publisher = name;
    len = pack(&env, buffer);
    assert_int_equal(ps_envelope_unpack(buffer, len, &got), -EBADMSG);
    name[0] = 0;
    len = pack(&env, buffer);
    assert_int_equal(ps_envelope_unpack(buffer, len, &got), -EBADMSG);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_answer_and_error),
        T(test_many_at_once),
        T(test_one_slow_delays_no_other),
        T(test_deadline),
        T(test_nobody_there),
        T(test_free_cancels),
        T(test_change_needs_key_and_is_done_once),
        T(test_same_change_while_at_work),
        T(test_socket_mode),
        T(test_full_queue_of_calls),
        T(test_tcp),
        T(test_tls),
        T(test_publish),
        T(test_late_joiner_gets_snapshot_once),
        T(test_gap_over_restart_of_connection),
        T(test_heartbeat_finds_the_lost_tail),
        T(test_new_epoch_is_no_gap),
        T(test_before_late_and_gaps),
        T(test_heartbeat_finds_a_lost_topic),
        T(test_flood_is_reconciled),
        T(test_malformed_publication),
        T(test_envelope_bounds),
    };

    return cmocka_run_group_tests_name("bus", tests, NULL, NULL);
}
