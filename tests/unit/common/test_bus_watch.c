/* SPDX-License-Identifier: MIT */
/* Peers that hang up, are of another protocol, or come twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

#include "common/bus_internal.h"
#include "tests/unit/common/loop.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

struct end {
    struct event_base *base;
    struct ps_bus *server, *client;
    char dir[64], rep_url[128], pub_url[128];
    unsigned int handled, answers, messages;
    int result;
    uint32_t status; /* that "t.change" fails with; 0: it succeeds */
};

static void run_for(struct end *e, uint64_t ns, const unsigned int *until)
{
    loop_run(e->base, ns, until, 1);
}

static void on_change(void *arg, const ProtobufCMessage *req,
                      struct ps_call *call)
{
    struct end *e = arg;

    e->handled++;
    if (e->status)
        ps_call_fail(call, "t.failed", e->status, NULL, "It failed.");
    else
        ps_call_reply(call, req);
}

static const struct ps_method methods[] = {
    {"t.change", &ps__rule_id__descriptor, &ps__rule_id__descriptor, on_change,
     true},
    {0},
};

static void on_answer(void *arg, int result,
                      const ProtobufCMessage *reply _unused_,
                      const Ps__Error *error _unused_)
{
    struct end *e = arg;

    e->answers++;
    e->result = result;
}

/* One change with this key; its result. */
static int change(struct end *e, struct ps_client *client, const char *key)
{
    Ps__RuleId request = PS__RULE_ID__INIT;
    const struct ps_ask ask = {
        .method = "t.change",
        .request = &request.base,
        .reply = &ps__rule_id__descriptor,
        .timeout_ns = 8 * PS_NS_PER_S,
        .idempotency_key = key,
    };

    request.id = (char *)(uintptr_t)"r";
    e->answers = 0;
    assert_int_equal(ps_client_call(client, &ask, on_answer, e), 0);
    run_for(e, 10 * PS_NS_PER_S, &e->answers);
    assert_int_equal(e->answers, 1);
    return e->result;
}

static struct ps_bus *new_bus(struct end *e, const char *name)
{
    const struct ps_bus_identity id = {
        .publisher = name, .instance = "i", .epoch = 1};
    struct ps_bus *bus = NULL;

    assert_int_equal(ps_bus_new(e->base, &id, NULL, &bus), 0);
    return bus;
}

static int setup(void **state)
{
    struct end *e = calloc(1, sizeof(*e));

    assert_non_null(e);
    snprintf(e->dir, sizeof(e->dir), "/tmp/ps-busw-XXXXXX");
    assert_non_null(mkdtemp(e->dir));
    snprintf(e->rep_url, sizeof(e->rep_url), "ipc://%s/t.rep", e->dir);
    snprintf(e->pub_url, sizeof(e->pub_url), "ipc://%s/t.pub", e->dir);
    e->base = event_base_new();
    e->server = new_bus(e, "tester");
    e->client = new_bus(e, "asker");
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

static int unix_socket(const char *url, struct sockaddr_un *ret_addr)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    *ret_addr = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(ret_addr->sun_path, sizeof(ret_addr->sun_path), "%s",
             url + strlen("ipc://"));
    return fd;
}

/* Connects and hangs up before a word was said. */
static void hang_up(const char *url)
{
    struct sockaddr_un addr;
    int fd = unix_socket(url, &addr);

    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    close(fd);
}

static void test_hang_up_leaves_the_door_open(void **state)
{
    struct end *e = *state;
    struct ps_client *c = NULL;

    for (int i = 0; i < 20; i++) {
        hang_up(e->rep_url);
        usleep(1000);
    }
    assert_int_equal(ps_client_new(e->client, e->rep_url, &c), 0);
    assert_int_equal(change(e, c, "k"), 0);
    assert_int_equal(e->handled, 1);
}

static void on_message(void *arg, const Ps__Envelope *env _unused_,
                       bool snapshot _unused_)
{
    struct end *e = arg;

    e->messages++;
}

static void test_hang_up_leaves_publishing(void **state)
{
    const char *const topics[] = {"rule", NULL};
    Ps__RuleId body = PS__RULE_ID__INIT;
    uint64_t end = ps_mono_ns() + 8 * PS_NS_PER_S;
    struct end *e = *state;
    struct ps_sub *sub = NULL;

    hang_up(e->pub_url);
    assert_int_equal(
        ps_sub_new(e->client, e->pub_url, topics, NULL, on_message, e, &sub),
        0);
    body.id = (char *)(uintptr_t)"r";
    while (!e->messages && ps_mono_ns() < end) {
        assert_int_equal(ps_bus_publish(e->server, "rule", &body.base, false),
                         0);
        run_for(e, 100 * PS_NS_PER_MS, &e->messages);
    }
    assert_true(e->messages > 0);
}

#define HANG_UPS 5

/* Takes connections and hangs up at once; NULL: none came for some seconds. */
static void *hang_up_on_all(void *arg)
{
    const int *fd = arg;
    struct pollfd p = {.fd = *fd, .events = POLLIN};

    for (int i = 0; i < HANG_UPS; i++) {
        if (poll(&p, 1, 8000) <= 0)
            return NULL;
        close(accept4(*fd, NULL, NULL, SOCK_CLOEXEC));
    }
    return arg;
}

/* As a daemon that is killed while somebody connects: NNG's dialer, which
 * meets EPIPE in its greeting, would never try again. */
static void test_hang_up_of_the_other_end_is_tried_again(void **state)
{
    struct end *e = *state;
    struct ps_client *c = NULL;
    struct sockaddr_un addr;
    void *all = NULL;
    pthread_t thread;
    int fd;

    ps_bus_free(&e->server);
    fd = unix_socket(e->rep_url, &addr);
    unlink(addr.sun_path);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(pthread_create(&thread, NULL, hang_up_on_all, &fd), 0);
    assert_int_equal(ps_client_new(e->client, e->rep_url, &c), 0);
    while (pthread_tryjoin_np(thread, &all) == EBUSY)
        run_for(e, 20 * PS_NS_PER_MS, NULL);
    close(fd);
    unlink(addr.sun_path);
    assert_non_null(all);

    e->server = new_bus(e, "tester");
    assert_int_equal(ps_bus_serve(e->server, methods, e), 0);
    assert_int_equal(ps_bus_listen_rep(e->server, e->rep_url), 0);
    assert_int_equal(change(e, c, "k"), 0);
}

static void test_other_protocol_is_no_connection(void **state)
{
    struct end *e = *state;
    struct ps_client *c = NULL;

    assert_int_equal(ps_client_new(e->client, e->pub_url, &c), 0);
    for (int i = 0; i < 50; i++) {
        run_for(e, 10 * PS_NS_PER_MS, NULL);
        assert_false(ps_client_connected(c));
    }
}

static void test_failure_may_be_tried_again(void **state)
{
    struct end *e = *state;
    struct ps_client *c = NULL;

    assert_int_equal(ps_client_new(e->client, e->rep_url, &c), 0);
    e->status = 503;
    assert_int_equal(change(e, c, "k"), -EREMOTEIO);
    e->status = 0;
    assert_int_equal(change(e, c, "k"), 0);
    assert_int_equal(change(e, c, "k"), 0);
    assert_int_equal(e->handled, 2);

    /* A refusal stays one: the request itself is wrong. */
    e->status = 400;
    assert_int_equal(change(e, c, "other"), -EREMOTEIO);
    e->status = 0;
    assert_int_equal(change(e, c, "other"), -EREMOTEIO);
    assert_int_equal(e->handled, 3);
}

static void test_answers_kept_are_bounded(void **state _unused_)
{
    const size_t len = PS_IDEM_BYTES / 4;
    uint8_t *reply = calloc(1, len);
    const uint8_t *kept = NULL;
    struct ps_idem *idem = NULL;
    size_t kept_len = 0;
    char key[8];

    assert_non_null(reply);
    assert_int_equal(ps_idem_new(&idem), 0);
    for (int i = 0; i < 8; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        assert_int_equal(ps_idem_begin(idem, key, 1, 1, NULL, &kept, &kept_len),
                         PS_IDEM_NEW);
        ps_idem_finish(idem, key, reply, len, true, NULL);
    }
    assert_int_equal(ps_idem_begin(idem, "k7", 1, 1, NULL, &kept, &kept_len),
                     PS_IDEM_ANSWERED);
    assert_int_equal(kept_len, len);
    assert_int_equal(ps_idem_begin(idem, "k0", 1, 1, NULL, &kept, &kept_len),
                     PS_IDEM_NEW);
    ps_idem_free(&idem);
    free(reply);
}

/* ---- a snapshot that fails ---------------------------------------------- */

static void test_failed_snapshot_is_not_asked_without_end(void **state)
{
    const char *const topics[] = {"big", NULL};
    struct end *e = *state;
    struct ps_client *c = NULL;
    struct ps_sub *sub = NULL;
    Ps__Place place = PS__PLACE__INIT;
    char *text = calloc(1, PS_BUS_MAX_MESSAGE - 4000);
    clock_t used;

    /* One retained message so large that the snapshot of it is too large. */
    assert_non_null(text);
    memset(text, 'x', PS_BUS_MAX_MESSAGE - 4001);
    place.city = text;
    assert_int_equal(ps_bus_publish(e->server, "big", &place.base, true), 0);
    assert_int_equal(ps_client_new(e->client, e->rep_url, &c), 0);
    assert_int_equal(
        ps_sub_new(e->client, e->pub_url, topics, c, on_message, e, &sub), 0);
    run_for(e, 300 * PS_NS_PER_MS, NULL); /* connected, and refused */
    used = clock();
    run_for(e, 500 * PS_NS_PER_MS, NULL);
    used = clock() - used;
    free(text);
    assert_int_equal(e->messages, 0);
    /* Asking again at once took a whole core. */
    assert_true(used < CLOCKS_PER_SEC / 5);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_hang_up_leaves_the_door_open),
        T(test_hang_up_leaves_publishing),
        T(test_hang_up_of_the_other_end_is_tried_again),
        T(test_other_protocol_is_no_connection),
        T(test_failure_may_be_tried_again),
        cmocka_unit_test(test_answers_kept_are_bounded),
        T(test_failed_snapshot_is_not_asked_without_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
