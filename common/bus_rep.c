/* SPDX-License-Identifier: MIT */
/* The answering side: PS_BUS_WORKERS contexts of one REP socket. */
#include "common/bus_internal.h"
#include "common/unpack.h"

#include <nng/protocol/reqrep0/rep.h>
#include <stdarg.h>

/* Then a peer that does not read loses its answer, not us a worker. */
#define SEND_TIMEOUT_MS 10000

static void receive(struct ps_call *call)
{
    call->state = CALL_RECEIVING;
    nng_aio_set_timeout(call->op.aio, NNG_DURATION_INFINITE);
    nng_ctx_recv(call->ctx, call->op.aio);
}

static void forget(struct ps_call *call)
{
    if (call->request)
        protobuf_c_message_free_unpacked(call->request, NULL);
    if (call->env)
        ps__envelope__free_unpacked(call->env, NULL);
    call->request = NULL;
    call->env = NULL;
    call->method = NULL;
    call->keyed = false;
    call->made = false;
    call->audit_seq = 0;
    json_decref(call->before);
    call->before = NULL;
}

static void send_packed(struct ps_call *call, const uint8_t *data, size_t len)
{
    nng_msg *msg;

    call->op.bus->open_calls--;
    forget(call);
    if (nng_msg_alloc(&msg, len) != 0) {
        call->op.bus->stats.answers_lost++;
        receive(call); /* without memory the asker's deadline answers */
        return;
    }
    memcpy(nng_msg_body(msg), data, len);
    nng_aio_set_msg(call->op.aio, msg);
    call->state = CALL_SENDING;
    call->op.bus->stats.answers++;
    nng_aio_set_timeout(call->op.aio, SEND_TIMEOUT_MS);
    nng_ctx_send(call->ctx, call->op.aio);
}

/* Nothing was changed, and the same request may be tried again. */
static bool may_succeed_later(const struct ps_call *call,
                              const Ps__Envelope *env)
{
    return !call->made && env->error &&
           (env->error->status >= 500 || env->error->status == 429);
}

static void answer(struct ps_call *call, Ps__Envelope *env)
{
    struct ps_bus *bus = call->op.bus;
    _cleanup_free_ uint8_t *packed = NULL;
    size_t len;

    if (call->state != CALL_OPEN)
        return;
    env->has_request_id = call->env->has_request_id;
    env->request_id = call->env->request_id;
    len = ps__envelope__get_packed_size(env);
    packed = malloc(len);
    if (!packed) {
        bus->open_calls--;
        bus->stats.answers_lost++;
        forget(call);
        receive(call);
        return;
    }
    ps__envelope__pack(env, packed);
    if (call->keyed)
        ps_idem_finish(bus->idem, call->env->idempotency_key, packed, len,
                       !may_succeed_later(call, env), send_packed);
    send_packed(call, packed, len);
}

void ps_call_fail(struct ps_call *call, const char *id, uint32_t status,
                  const char *field, const char *fmt, ...)
{
    Ps__Error error = PS__ERROR__INIT;
    Ps__Envelope env;
    char detail[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(detail, sizeof(detail), fmt, ap);
    va_end(ap);
    error.id = (char *)(uintptr_t)id;
    error.status = status;
    error.detail = detail;
    error.field = (char *)(uintptr_t)field;
    ps_envelope_init(call->op.bus, &env);
    env.error = &error;
    (void)ps_bus_audit_end(call, &error, NULL); /* counted */
    answer(call, &env);
}

void ps_call_reply(struct ps_call *call, const ProtobufCMessage *msg)
{
    _cleanup_free_ uint8_t *packed = NULL;
    Ps__Envelope env;

    ps_envelope_init(call->op.bus, &env);
    env.type = (char *)(uintptr_t)msg->descriptor->name;
    env.has_body = 1;
    env.body.len = protobuf_c_message_get_packed_size(msg);
    /* 4 KiB are more than an envelope's own fields. */
    if (env.body.len > PS_BUS_MAX_MESSAGE - 4096) {
        call->op.bus->stats.answers_too_large++;
        ps_call_fail(call, "reply.too_large", 507, "limit",
                     "The answer is larger than %u bytes; ask for less with "
                     "a smaller limit.",
                     PS_BUS_MAX_MESSAGE);
        return;
    }
    packed = malloc(env.body.len + 1);
    if (!packed) {
        ps_call_fail(call, "service.no_memory", 503, NULL,
                     "The daemon is out of memory; try again later.");
        return;
    }
    protobuf_c_message_pack(msg, packed);
    env.body.data = packed;
    if (ps_bus_audit_end(call, NULL, msg) < 0) {
        call->made = true;
        ps_call_fail(call, "audit.not_recorded", 500, NULL,
                     "The change was made, but the audit log holds only that "
                     "it was begun: what came of it cannot be written. Make "
                     "room on the disk, or see the daemon's log for why.");
        return;
    }
    answer(call, &env);
}

const char *ps_call_actor(const struct ps_call *call)
{
    return call->env && call->env->actor ? call->env->actor : "";
}

const char *ps_call_client(const struct ps_call *call)
{
    return call->env && call->env->client ? call->env->client : "";
}

size_t ps_bus_open_calls(const struct ps_bus *bus)
{
    return bus->open_calls;
}

/* ---- dispatch ----------------------------------------------------------- */

static const struct ps_method snapshot_method = {
    .name = "bus.snapshot",
    .request = &ps__snapshot_request__descriptor,
    .reply = &ps__snapshot__descriptor,
};

static const struct ps_method *find_method(struct ps_bus *bus, const char *name,
                                           void **ret_arg)
{
    if (ps_streq(name, snapshot_method.name))
        return &snapshot_method;
    for (size_t i = 0; i < bus->n_serves; i++) {
        const struct ps_method *m = bus->serves[i].methods;

        for (; m->name; m++) {
            if (ps_streq(name, m->name)) {
                *ret_arg = bus->serves[i].arg;
                return m;
            }
        }
    }
    return NULL;
}

/* FNV-1a, 64 bits: tells a repeated request from another with its key. */
static uint64_t hash_bytes(uint64_t hash, const void *data, size_t len)
{
    const uint8_t *bytes = data;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* True when the call is to be handled now; otherwise it was answered. */
static bool begin_change(struct ps_call *call)
{
    const Ps__Envelope *env = call->env;
    const uint8_t *reply = NULL;
    uint64_t hash;
    size_t len = 0;

    if (!env->idempotency_key || !*env->idempotency_key) {
        ps_call_fail(call, "request.no_idempotency_key", 400, NULL,
                     "A change needs an idempotency key.");
        return false;
    }
    hash = hash_bytes(UINT64_C(0xcbf29ce484222325), env->method,
                      strlen(env->method));
    hash = hash_bytes(hash, env->body.data, env->body.len);
    switch (ps_idem_begin(call->op.bus->idem, env->idempotency_key, hash,
                          ps_mono_ns(), call, &reply, &len)) {
    case PS_IDEM_NEW:
        call->keyed = true;
        return ps_bus_audit_begin(call, hash);
    case PS_IDEM_ANSWERED:
        send_packed(call, reply, len);
        return false;
    case PS_IDEM_WAITING:
        return false;
    case PS_IDEM_CONFLICT:
        ps_call_fail(call, "request.idempotency_conflict", 422, NULL,
                     "This idempotency key was used for another request in "
                     "the last ten minutes; use a new one.");
        return false;
    case PS_IDEM_FULL:
        break;
    }
    call->op.bus->stats.changes_refused++;
    ps_call_fail(call, "service.busy", 503, NULL,
                 "Too many changes at once; try again in a second.");
    return false;
}

static void dispatch(struct ps_call *call)
{
    struct ps_bus *bus = call->op.bus;
    void *arg = NULL;

    call->method = find_method(bus, call->env->method, &arg);
    if (!call->method) {
        ps_call_fail(call, "request.unknown_method", 404, NULL,
                     "This daemon has no such method; are the parts of "
                     "different versions?");
        return;
    }
    call->request = ps_message_unpack(call->method->request,
                                      call->env->body.data, call->env->body.len,
                                      PS_UNPACK_MAX_REQUEST);
    if (!call->request) {
        ps_call_fail(call, "request.malformed", 400, NULL,
                     "The body is not a %s.", call->method->request->name);
        return;
    }
    if (call->method->change && !begin_change(call))
        return;
    if (call->method == &snapshot_method)
        ps_bus_snapshot(bus, (const Ps__SnapshotRequest *)call->request, call);
    else
        call->method->handle(arg, call->request, call);
}

static void take_request(struct ps_call *call)
{
    nng_msg *msg = nng_aio_get_msg(call->op.aio);
    int r;

    call->state = CALL_OPEN;
    call->op.bus->open_calls++;
    r = ps_envelope_unpack(nng_msg_body(msg), nng_msg_len(msg), &call->env);
    nng_msg_free(msg);
    if (r == 0) {
        dispatch(call);
        return;
    }
    /* An answer all the same: a silent peer looks like a dead one. */
    call->env = calloc(1, sizeof(*call->env));
    if (!call->env) {
        call->op.bus->open_calls--;
        receive(call);
        return;
    }
    ps__envelope__init(call->env);
    ps_call_fail(call, "request.malformed", 400, NULL,
                 r == -EPROTONOSUPPORT
                     ? "The envelope is of a newer schema than this daemon."
                     : "This is not an envelope.");
}

static void on_call(struct ps_op *op)
{
    struct ps_call *call = (struct ps_call *)op;
    int rc = nng_aio_result(op->aio);

    if (call->state == CALL_SENDING) {
        if (rc != 0)
            nng_msg_free(nng_aio_get_msg(op->aio)); /* the asker has gone */
        if (rc == NNG_ECLOSED) {
            call->state = CALL_CLOSED;
            return;
        }
        if (rc != 0)
            op->bus->stats.answers_lost++;
        receive(call);
    } else if (rc == 0) {
        take_request(call);
    } else if (rc == NNG_ECLOSED || rc == NNG_ECANCELED) {
        call->state = CALL_CLOSED;
    } else {
        receive(call);
    }
}

/* ---- life --------------------------------------------------------------- */

static int open_workers(struct ps_bus *bus)
{
    bus->workers = calloc(PS_BUS_WORKERS, sizeof(*bus->workers));
    if (!bus->workers)
        return -ENOMEM;
    for (size_t i = 0; i < PS_BUS_WORKERS; i++) {
        struct ps_call *call = &bus->workers[i];
        int r = ps_op_init(&call->op, bus, on_call, true);

        if (r < 0)
            return r;
        bus->n_workers = i + 1;
        r = ps_bus_errno(nng_ctx_open(&call->ctx, bus->rep));
        if (r < 0)
            return r;
        call->has_ctx = true;
        receive(call);
    }
    return 0;
}

int ps_bus_listen_rep(struct ps_bus *bus, const char *url)
{
    int r;

    if (!bus->has_rep) {
        r = ps_bus_errno(nng_rep0_open(&bus->rep));
        if (r < 0)
            return r;
        bus->has_rep = true;
        nng_socket_set_size(bus->rep, NNG_OPT_RECVMAXSZ, PS_BUS_MAX_MESSAGE);
        r = open_workers(bus);
        if (r < 0)
            return r;
    }
    return ps_bus_listen(bus, bus->rep, url, PS_SP_REQ0);
}

int ps_bus_serve(struct ps_bus *bus, const struct ps_method *methods, void *arg)
{
    if (bus->n_serves == ARRAY_SIZE(bus->serves))
        return -ENOSPC;
    bus->serves[bus->n_serves++] =
        (struct ps_serve){.methods = methods, .arg = arg};
    return 0;
}

void ps_bus_rep_free(struct ps_bus *bus)
{
    if (bus->has_rep)
        nng_close(bus->rep);
    bus->has_rep = false;
    for (size_t i = 0; i < bus->n_workers; i++) {
        struct ps_call *call = &bus->workers[i];
        bool received = call->state == CALL_RECEIVING;
        bool sending = call->state == CALL_SENDING;
        int rc;

        nng_aio_stop(call->op.aio);
        rc = nng_aio_result(call->op.aio);
        /* A request whose turn on the loop never came, an answer that did
         * not go out. */
        if ((received && rc == 0 && call->op.queued) || (sending && rc != 0))
            nng_msg_free(nng_aio_get_msg(call->op.aio));
        ps_op_clear(&call->op);
        forget(call);
    }
    free(bus->workers);
    bus->workers = NULL;
    bus->n_workers = 0;
}
