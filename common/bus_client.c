/* SPDX-License-Identifier: MIT */
/* The asking side: one REQ socket for each peer, one context for each call. */
#include "common/bus_internal.h"
#include "common/unpack.h"

#include <nng/protocol/reqrep0/req.h>

/*
 * NNG sends a request again after this long without an answer; also at once
 * when the connection is replaced. Longer than any deadline: a change carries
 * a key, but there is no use in asking a slow daemon twice.
 */
#define RESEND_MS PS_BUS_MAX_TIMEOUT_MS

struct pending {
    struct ps_op op; /* first: finish() gets it */
    LIST_ENTRY(pending) link;
    struct ps_client *client;
    nng_ctx ctx;
    bool receiving;
    uint64_t deadline_ns; /* monotonic */
    const ProtobufCMessageDescriptor *reply;
    ps_reply_fn fn;
    void *arg;
};
LIST_HEAD(pending_list, pending);

struct ps_client {
    LIST_ENTRY(ps_client) link;
    struct ps_bus *bus;
    nng_socket socket;
    struct ps_dialer dialer;
    struct pending_list pending;
    size_t n_pending;
    bool closing;
};

int ps_client_new(struct ps_bus *bus, const char *url,
                  struct ps_client **ret_client)
{
    struct ps_client *client = calloc(1, sizeof(*client));
    int r;

    if (!client)
        return -ENOMEM;
    client->bus = bus;
    LIST_INIT(&client->pending);
    r = ps_bus_errno(nng_req0_open(&client->socket));
    if (r < 0) {
        free(client);
        return r;
    }
    LIST_INSERT_HEAD(&bus->clients, client, link);
    nng_socket_set_ms(client->socket, NNG_OPT_REQ_RESENDTIME, RESEND_MS);
    nng_socket_set_size(client->socket, NNG_OPT_RECVMAXSZ, PS_BUS_MAX_MESSAGE);
    r = ps_bus_dial(bus, &client->dialer, client->socket, url);
    if (r < 0) {
        ps_client_free(&client);
        return r;
    }
    *ret_client = client;
    return 0;
}

bool ps_client_connected(const struct ps_client *client)
{
    return ps_bus_dial_connected(&client->dialer);
}

/* ---- one call ----------------------------------------------------------- */

static void pending_free(struct pending *p)
{
    nng_aio *aio = p->op.aio;

    LIST_REMOVE(p, link);
    p->client->n_pending--;
    nng_aio_stop(aio);
    /* Unsent request, or an answer nobody took. */
    if (nng_aio_get_msg(aio))
        nng_msg_free(nng_aio_get_msg(aio));
    ps_op_clear(&p->op);
    nng_ctx_close(p->ctx);
    free(p);
}

/* Frees first, so that fn may free the client or ask again. */
static void end(struct pending *p, int result, const ProtobufCMessage *reply,
                const Ps__Error *error)
{
    ps_reply_fn fn = p->fn;
    void *arg = p->arg;

    pending_free(p);
    fn(arg, result, reply, error);
}

static void set_timeout(struct pending *p)
{
    uint64_t now = ps_mono_ns();
    uint64_t left_ms = 1;

    if (p->deadline_ns > now)
        left_ms = (p->deadline_ns - now) / PS_NS_PER_MS + 1;
    if (left_ms > PS_BUS_MAX_TIMEOUT_MS)
        left_ms = PS_BUS_MAX_TIMEOUT_MS;
    nng_aio_set_timeout(p->op.aio, (nng_duration)left_ms);
}

static void take_reply(struct pending *p, nng_msg *msg)
{
    ProtobufCMessage *reply = NULL;
    Ps__Envelope *env = NULL;
    int r;

    r = ps_envelope_unpack(nng_msg_body(msg), nng_msg_len(msg), &env);
    nng_msg_free(msg);
    if (r < 0) {
        end(p, -EBADMSG, NULL, NULL);
        return;
    }
    if (env->error) {
        end(p, -EREMOTEIO, NULL, env->error);
    } else if (!ps_streq(env->type, p->reply->name)) {
        end(p, -EBADMSG, NULL, NULL);
    } else {
        reply = ps_message_unpack(p->reply, env->body.data, env->body.len,
                                  PS_UNPACK_MAX);
        end(p, reply ? 0 : -EBADMSG, reply, NULL);
    }
    if (reply)
        protobuf_c_message_free_unpacked(reply, NULL);
    ps__envelope__free_unpacked(env, NULL);
}

static void on_pending(struct ps_op *op)
{
    struct pending *p = (struct pending *)op;
    int rc = nng_aio_result(op->aio);

    if (rc == NNG_ETIMEDOUT)
        p->client->bus->stats.calls_timed_out++;
    if (rc != 0) {
        end(p, ps_bus_errno(rc), NULL, NULL);
    } else if (p->receiving) {
        nng_msg *msg = nng_aio_get_msg(op->aio);

        nng_aio_set_msg(op->aio, NULL);
        take_reply(p, msg);
    } else {
        nng_aio_set_msg(op->aio, NULL); /* the socket owns it now */
        p->receiving = true;
        set_timeout(p);
        nng_ctx_recv(p->ctx, op->aio);
    }
}

static int pack_request(struct ps_client *client, const struct ps_ask *ask,
                        nng_msg **ret_msg)
{
    _cleanup_free_ uint8_t *packed = NULL;
    Ps__Envelope env;

    ps_envelope_init(client->bus, &env);
    env.method = (char *)(uintptr_t)ask->method;
    env.has_deadline_ns = 1;
    env.deadline_ns = ask->timeout_ns;
    env.idempotency_key = (char *)(uintptr_t)ask->idempotency_key;
    env.actor = (char *)(uintptr_t)ask->actor;
    env.client = (char *)(uintptr_t)ask->client;
    env.type = (char *)(uintptr_t)ask->request->descriptor->name;
    env.has_body = 1;
    env.body.len = protobuf_c_message_get_packed_size(ask->request);
    if (env.body.len > PS_BUS_MAX_MESSAGE)
        return -EMSGSIZE;
    packed = malloc(env.body.len + 1);
    if (!packed)
        return -ENOMEM;
    protobuf_c_message_pack(ask->request, packed);
    env.body.data = packed;
    return ps_envelope_to_msg(&env, NULL, ret_msg);
}

static int pending_new(struct ps_client *client, struct pending **ret_pending)
{
    struct pending *p = calloc(1, sizeof(*p));
    int r;

    if (!p)
        return -ENOMEM;
    r = ps_op_init(&p->op, client->bus, on_pending, true);
    if (r < 0) {
        free(p);
        return r;
    }
    r = ps_bus_errno(nng_ctx_open(&p->ctx, client->socket));
    if (r < 0) {
        ps_op_clear(&p->op);
        free(p);
        return r;
    }
    p->client = client;
    LIST_INSERT_HEAD(&client->pending, p, link);
    client->n_pending++;
    *ret_pending = p;
    return 0;
}

int ps_client_call(struct ps_client *client, const struct ps_ask *ask,
                   ps_reply_fn fn, void *arg)
{
    struct pending *p;
    nng_msg *msg;
    int r;

    if (client->closing)
        return -ECANCELED;
    if (client->n_pending >= PS_BUS_MAX_CALLS) {
        client->bus->stats.calls_refused++;
        return -EAGAIN;
    }
    r = pack_request(client, ask, &msg);
    if (r < 0)
        return r;
    r = pending_new(client, &p);
    if (r < 0) {
        nng_msg_free(msg);
        return r;
    }
    p->fn = fn;
    p->arg = arg;
    p->reply = ask->reply;
    p->deadline_ns = ps_mono_ns() + ask->timeout_ns;
    set_timeout(p);
    nng_aio_set_msg(p->op.aio, msg);
    nng_ctx_send(p->ctx, p->op.aio);
    client->bus->stats.calls++;
    return 0;
}

void ps_client_forget(struct ps_client *client, const void *arg)
{
    struct pending *p = LIST_FIRST(&client->pending);

    while (p) {
        struct pending *next = LIST_NEXT(p, link);

        if (p->arg == arg)
            pending_free(p);
        p = next;
    }
}

void ps_client_free(struct ps_client **clientp)
{
    struct ps_client *client = *clientp;

    *clientp = NULL;
    if (!client)
        return;
    client->closing = true;
    while (!LIST_EMPTY(&client->pending))
        end(LIST_FIRST(&client->pending), -ECANCELED, NULL, NULL);
    nng_close(client->socket);
    ps_bus_dial_end(&client->dialer);
    LIST_REMOVE(client, link);
    free(client);
}
