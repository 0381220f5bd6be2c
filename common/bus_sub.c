/* SPDX-License-Identifier: MIT */
/* The listening side, with gap counting and snapshots. */
#include "common/bus_internal.h"
#include "common/unpack.h"

#include <nng/protocol/pubsub0/sub.h>

#define SUB_QUEUE           4096
#define MAX_LIVES           8
#define SNAPSHOT_TIMEOUT_NS (2 * PS_NS_PER_S)

/* What has been seen of one topic of one publisher's life. */
struct seen {
    char publisher[65];
    char instance[65];
    char topic[65];
    uint64_t epoch;
    uint64_t last;
    uint64_t from_snapshot; /* this number was given by a snapshot */
    uint64_t gaps;          /* of this entry, may shrink by late arrivals */
};

/* One publisher, in its latest life. */
struct life {
    char publisher[65];
    char instance[65];
    uint64_t epoch;
    bool again;  /* it was heard in an earlier life */
    bool listed; /* a heartbeat came, in order */
};

struct ps_sub {
    struct ps_op recv;   /* first: finish() gets it */
    struct ps_op notify; /* a connection came */
    LIST_ENTRY(ps_sub) link;
    struct ps_bus *bus;
    nng_socket socket;
    struct ps_client *snapshot;
    ps_message_fn fn;
    void *arg;
    struct ps_dialer dialer;
    bool asking; /* a snapshot is on its way */
    bool ask_again;
    char topics[PS_BUS_MAX_TOPICS][32]; /* asked for; none: all */
    size_t n_topics;
    struct life lives[MAX_LIVES];
    size_t n_lives;
    struct seen seen[PS_BUS_MAX_TOPICS * 2];
    size_t n_seen;
    struct ps_sub_stats stats; /* gaps: of epochs that ended */
};

static bool is_of(const char *publisher, const char *instance,
                  const Ps__Envelope *env)
{
    return strcmp(publisher, env->publisher) == 0 &&
           strcmp(instance, env->instance) == 0;
}

/* NULL: there is no place for another publisher. */
static struct life *life_get(struct ps_sub *sub, const Ps__Envelope *env)
{
    struct life *life;

    for (size_t i = 0; i < sub->n_lives; i++) {
        life = &sub->lives[i];
        if (!is_of(life->publisher, life->instance, env))
            continue;
        if (life->epoch != env->epoch) {
            life->epoch = env->epoch;
            life->again = true;
            life->listed = false;
        }
        return life;
    }
    if (sub->n_lives == ARRAY_SIZE(sub->lives))
        return NULL;
    life = &sub->lives[sub->n_lives++];
    *life = (struct life){.epoch = env->epoch};
    snprintf(life->publisher, sizeof(life->publisher), "%s", env->publisher);
    snprintf(life->instance, sizeof(life->instance), "%s", env->instance);
    return life;
}

/* NULL: there is no place for another topic. */
static struct seen *seen_get(struct ps_sub *sub, const Ps__Envelope *env,
                             const char *topic, bool *ret_new)
{
    struct seen *s;

    *ret_new = false;
    for (size_t i = 0; i < sub->n_seen; i++) {
        s = &sub->seen[i];
        if (strcmp(s->topic, topic) != 0 ||
            !is_of(s->publisher, s->instance, env))
            continue;
        if (s->epoch != env->epoch) {
            sub->stats.gaps += s->gaps;
            s->epoch = env->epoch;
            s->last = s->gaps = s->from_snapshot = 0;
            *ret_new = true;
        }
        return s;
    }
    if (sub->n_seen == ARRAY_SIZE(sub->seen))
        return NULL;
    s = &sub->seen[sub->n_seen++];
    memset(s, 0, sizeof(*s));
    snprintf(s->publisher, sizeof(s->publisher), "%s", env->publisher);
    snprintf(s->instance, sizeof(s->instance), "%s", env->instance);
    snprintf(s->topic, sizeof(s->topic), "%s", topic);
    s->epoch = env->epoch;
    *ret_new = true;
    return s;
}

/*
 * What is missing before the first message of a topic was published before we
 * were connected, unless a heartbeat of this life came since: that listed all
 * topics.
 */
static void miss(struct ps_sub *sub, const struct life *life, struct seen *s,
                 bool is_new, uint64_t missing)
{
    if (!is_new || life->listed)
        s->gaps += missing;
    else if (life->again)
        sub->stats.late += missing;
    else
        sub->stats.before += missing;
}

/* Whether a message is to be given on; counts what is missing before it. */
static bool account(struct ps_sub *sub, const Ps__Envelope *env, bool snapshot)
{
    const struct life *life = life_get(sub, env);
    struct seen *s = NULL;
    bool is_new;

    if (life)
        s = seen_get(sub, env, env->topic, &is_new);
    if (!s) {
        sub->stats.untracked++;
        return true;
    }
    if (is_new || env->seq > s->last) {
        miss(sub, life, s, is_new, env->seq - s->last - 1);
        s->last = env->seq;
        if (snapshot)
            s->from_snapshot = env->seq;
        return true;
    }
    if (snapshot || env->seq == s->from_snapshot)
        return false;
    /* A snapshot overtook it: it was counted as missing, and is not. */
    if (s->gaps == 0)
        return false;
    s->gaps--;
    return true;
}

static bool wants(const struct ps_sub *sub, const char *topic)
{
    for (size_t i = 0; i < sub->n_topics; i++) {
        if (strcmp(sub->topics[i], topic) == 0)
            return true;
    }
    return sub->n_topics == 0;
}

static void account_listed(struct ps_sub *sub, const Ps__Envelope *env,
                           const struct life *life, const Ps__TopicSeq *t)
{
    struct seen *s;
    bool is_new;

    /* Its own number is the last one's, and this message's was looked at. */
    if (strcmp(t->topic, "heartbeat") == 0 || !wants(sub, t->topic))
        return;
    s = seen_get(sub, env, t->topic, &is_new);
    if (!s || t->seq <= s->last)
        return;
    miss(sub, life, s, is_new, t->seq - s->last);
    s->last = t->seq;
}

/* A heartbeat tells the last number of each topic: finds what is missing at
 * the end. It came by the same ordered way, so that what it names was sent
 * before it. */
static void account_heartbeat(struct ps_sub *sub, const Ps__Envelope *env)
{
    struct life *life = life_get(sub, env);
    Ps__ServiceStatus *status;

    if (!life || !ps_streq(env->topic, "heartbeat") ||
        !ps_streq(env->type, ps__service_status__descriptor.name))
        return;
    status = (Ps__ServiceStatus *)ps_message_unpack(
        &ps__service_status__descriptor, env->body.data, env->body.len,
        PS_UNPACK_MAX);
    if (!status) {
        sub->stats.malformed++;
        return;
    }
    for (size_t i = 0; i < status->n_topics; i++)
        account_listed(sub, env, life, status->topics[i]);
    life->listed = true;
    ps__service_status__free_unpacked(status, NULL);
}

static void give(struct ps_sub *sub, const uint8_t *data, size_t len,
                 bool snapshot)
{
    Ps__Envelope *env = NULL;

    if (ps_envelope_unpack(data, len, &env) < 0) {
        sub->stats.malformed++;
        return;
    }
    if (!env->topic || !env->has_seq || env->seq == 0 || !env->type) {
        sub->stats.malformed++;
    } else if (account(sub, env, snapshot)) {
        if (!snapshot)
            account_heartbeat(sub, env);
        sub->stats.received++;
        sub->fn(sub->arg, env, snapshot);
    }
    ps__envelope__free_unpacked(env, NULL);
}

/* ---- snapshots ---------------------------------------------------------- */

static void ask_snapshot(struct ps_sub *sub);

static void on_snapshot(void *arg, int result, const ProtobufCMessage *reply,
                        const Ps__Error *error _unused_)
{
    struct ps_sub *sub = arg;

    sub->asking = false;
    if (result != 0 && result != -ECANCELED)
        sub->stats.snapshots_failed++;
    if (result == 0) {
        const Ps__Snapshot *snapshot = (const Ps__Snapshot *)reply;

        for (size_t i = 0; i < snapshot->n_envelopes; i++)
            give(sub, snapshot->envelopes[i].data, snapshot->envelopes[i].len,
                 true);
    }
    /* Connected again meanwhile, or no answer though a connection stands. An
     * error is final: asking at once would get it again, without end. */
    if (result != -ECANCELED &&
        (sub->ask_again || (result == -ETIMEDOUT && ps_sub_connected(sub))))
        ask_snapshot(sub);
}

static void ask_snapshot(struct ps_sub *sub)
{
    Ps__SnapshotRequest request = PS__SNAPSHOT_REQUEST__INIT;
    struct ps_ask ask = {
        .method = "bus.snapshot",
        .request = &request.base,
        .reply = &ps__snapshot__descriptor,
        .timeout_ns = SNAPSHOT_TIMEOUT_NS,
    };

    sub->ask_again = sub->asking;
    if (!sub->snapshot || sub->asking)
        return;
    sub->asking = ps_client_call(sub->snapshot, &ask, on_snapshot, sub) == 0;
    sub->ask_again = !sub->asking; /* with the next message */
}

/* ---- messages ----------------------------------------------------------- */

static void on_recv(struct ps_op *op)
{
    struct ps_sub *sub = (struct ps_sub *)op;
    const uint8_t *body;
    const uint8_t *zero;
    nng_msg *msg;
    size_t len;

    if (nng_aio_result(op->aio) == NNG_ECLOSED ||
        nng_aio_result(op->aio) == NNG_ECANCELED)
        return;
    if (nng_aio_result(op->aio) != 0) {
        nng_recv_aio(sub->socket, op->aio);
        return;
    }
    msg = nng_aio_get_msg(op->aio);
    nng_aio_set_msg(op->aio, NULL);
    body = nng_msg_body(msg);
    len = nng_msg_len(msg);
    zero = memchr(body, 0, len);
    if (zero)
        give(sub, zero + 1, len - (size_t)(zero + 1 - body), false);
    else
        sub->stats.malformed++;
    nng_msg_free(msg);
    nng_recv_aio(sub->socket, op->aio);
    if (sub->ask_again && !sub->asking)
        ask_snapshot(sub);
}

static void on_notify(struct ps_op *op)
{
    struct ps_sub *sub =
        (struct ps_sub *)((char *)op - offsetof(struct ps_sub, notify));

    ask_snapshot(sub);
}

static void on_connect(struct ps_dialer *dialer)
{
    struct ps_sub *sub =
        (struct ps_sub *)((char *)dialer - offsetof(struct ps_sub, dialer));

    ps_op_post(&sub->notify);
}

static int subscribe(struct ps_sub *sub, const char *const *topics)
{
    int rc = 0;

    if (!topics[0])
        return ps_bus_errno(
            nng_socket_set(sub->socket, NNG_OPT_SUB_SUBSCRIBE, "", 0));
    /* With the zero byte: "flow" is not "flows". */
    for (; *topics && rc == 0; topics++) {
        if (sub->n_topics == ARRAY_SIZE(sub->topics))
            return -ENOSPC;
        snprintf(sub->topics[sub->n_topics++], sizeof(sub->topics[0]), "%s",
                 *topics);
        rc = nng_socket_set(sub->socket, NNG_OPT_SUB_SUBSCRIBE, *topics,
                            strlen(*topics) + 1);
    }
    return ps_bus_errno(rc);
}

int ps_sub_new(struct ps_bus *bus, const char *url, const char *const *topics,
               struct ps_client *snapshot, ps_message_fn fn, void *arg,
               struct ps_sub **ret_sub)
{
    struct ps_sub *sub = calloc(1, sizeof(*sub));
    int r;

    if (!sub)
        return -ENOMEM;
    sub->bus = bus;
    sub->snapshot = snapshot;
    sub->fn = fn;
    sub->arg = arg;
    r = ps_bus_errno(nng_sub0_open(&sub->socket));
    if (r < 0) {
        free(sub);
        return r;
    }
    LIST_INSERT_HEAD(&bus->subs, sub, link);
    nng_socket_set_int(sub->socket, NNG_OPT_RECVBUF, SUB_QUEUE);
    nng_socket_set_size(sub->socket, NNG_OPT_RECVMAXSZ,
                        PS_BUS_MAX_MESSAGE + 128);
    r = ps_op_init(&sub->notify, bus, on_notify, false);
    if (r == 0)
        r = ps_op_init(&sub->recv, bus, on_recv, true);
    if (r == 0)
        r = subscribe(sub, topics);
    sub->dialer.on_connect = on_connect;
    if (r == 0)
        r = ps_bus_dial(bus, &sub->dialer, sub->socket, url);
    if (r < 0) {
        ps_sub_free(&sub);
        return r;
    }
    nng_recv_aio(sub->socket, sub->recv.aio);
    *ret_sub = sub;
    return 0;
}

void ps_sub_free(struct ps_sub **subp)
{
    struct ps_sub *sub = *subp;
    nng_msg *msg = NULL;

    *subp = NULL;
    if (!sub)
        return;
    nng_close(sub->socket);
    ps_bus_dial_end(&sub->dialer);
    if (sub->recv.aio) {
        nng_aio_stop(sub->recv.aio);
        msg = nng_aio_get_msg(sub->recv.aio);
        if (msg && nng_aio_result(sub->recv.aio) == 0)
            nng_msg_free(msg);
    }
    ps_op_clear(&sub->recv);
    ps_op_clear(&sub->notify);
    /* An answer to a snapshot must find nobody: its client goes with it. */
    if (sub->asking) {
        sub->asking = false;
        ps_client_forget(sub->snapshot, sub);
    }
    LIST_REMOVE(sub, link);
    free(sub);
}

void ps_sub_stats(const struct ps_sub *sub, struct ps_sub_stats *ret_stats)
{
    *ret_stats = sub->stats;
    for (size_t i = 0; i < sub->n_seen; i++)
        ret_stats->gaps += sub->seen[i].gaps;
}

uint64_t ps_sub_gaps(const struct ps_sub *sub)
{
    struct ps_sub_stats stats;

    ps_sub_stats(sub, &stats);
    return stats.gaps;
}

uint64_t ps_sub_malformed(const struct ps_sub *sub)
{
    return sub->stats.malformed;
}

bool ps_sub_connected(const struct ps_sub *sub)
{
    return ps_bus_dial_connected(&sub->dialer);
}
