/* SPDX-License-Identifier: MIT */
/* Each change in the audit log: named before it is begun, and what came of it
 * before its answer leaves. */
#include "common/audit.h"
#include "common/bus_internal.h"
#include "common/json.h"

/* What is said of a change whose own answer is not there any more. */
static void say_lost(bool made, Ps__Envelope *env, Ps__Error *error)
{
    error->id = made ? "request.answer_lost" : "request.outcome_unknown";
    error->status = 500;
    error->detail =
        made ? "This change was made, but its answer was not kept over the "
               "daemon's restart: look at what is there now."
             : "The daemon ended in the middle of this change. Look whether it "
               "was made; if not, ask again with a new idempotency key.";
    env->error = error;
}

/* A change of the process that was here before. */
static void know(void *arg, const struct ps_audit_repeat *repeat)
{
    _cleanup_free_ uint8_t *packed = NULL;
    struct ps_bus *bus = arg;
    Ps__Error error = PS__ERROR__INIT;
    Ps__Envelope env;
    size_t len;

    ps_envelope_init(bus, &env);
    if (repeat->done && repeat->type) {
        env.type = (char *)(uintptr_t)repeat->type;
        env.has_body = 1;
        env.body.data = (uint8_t *)(uintptr_t)repeat->body;
        env.body.len = repeat->len;
    } else {
        say_lost(repeat->done, &env, &error);
    }
    len = ps__envelope__get_packed_size(&env);
    packed = malloc(len);
    if (!packed)
        return;
    ps__envelope__pack(&env, packed);
    ps_idem_know(bus->idem, repeat->key, repeat->request_hash, ps_mono_ns(),
                 packed, len);
}

int ps_bus_audit(struct ps_bus *bus, struct ps_audit *audit)
{
    bus->audit = audit;
    bus->audited = true;
    return audit ? ps_audit_repeats(audit, ps_now_ns(), know, bus) : 0;
}

/* The text of a field "id", or NULL. */
static const char *own_id(const ProtobufCMessage *msg)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(msg->descriptor, "id");

    if (!field || field->type != PROTOBUF_C_TYPE_STRING ||
        field->label == PROTOBUF_C_LABEL_REPEATED)
        return NULL;
    return *(char *const *)((const char *)msg + field->offset);
}

/* The id that a message names: its own, or that of what it carries. */
static const char *find_id(const ProtobufCMessage *msg)
{
    const char *id = own_id(msg);

    for (unsigned int i = 0; !id && i < msg->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &msg->descriptor->fields[i];
        const ProtobufCMessage *part;

        if (field->type != PROTOBUF_C_TYPE_MESSAGE ||
            field->label == PROTOBUF_C_LABEL_REPEATED)
            continue;
        part = *(ProtobufCMessage *const *)((const char *)msg + field->offset);
        id = part ? own_id(part) : NULL;
    }
    return id;
}

bool ps_bus_audit_begin(struct ps_call *call, uint64_t request_hash)
{
    struct ps_audit *audit = call->op.bus->audit;
    const struct ps_audit_start start = {
        .time_ns = ps_now_ns(),
        .actor = call->env->actor,
        .client = call->env->client,
        .action = call->method->name,
        .target = find_id(call->request),
        .key = call->env->idempotency_key,
        .request_hash = request_hash,
    };
    int r;

    if (!call->op.bus->audited)
        return true;
    r = audit ? ps_audit_begin(audit, &start, &call->audit_seq) : -ENODEV;
    if (r == 0)
        return true;
    ps_call_fail(call, "audit.not_writable", r == -ENOSPC ? 507 : 503, NULL,
                 "The audit log cannot be written (%s), so nothing was "
                 "changed. Make room on the disk, or see the daemon's log for "
                 "why, and try again.",
                 strerror(-r));
    return false;
}

int ps_bus_audit_end(struct ps_call *call, const Ps__Error *error,
                     const ProtobufCMessage *after)
{
    const struct ps_audit_end end = {
        .status = error ? error->status : 0,
        .error = error ? error->id : NULL,
        .target = after ? find_id(after) : NULL,
        .before = call->before,
        .after = after,
    };
    uint64_t seq = call->audit_seq;

    call->audit_seq = 0;
    return seq ? ps_audit_end(call->op.bus->audit, seq, &end) : 0;
}

void ps_call_before(struct ps_call *call, const ProtobufCMessage *msg)
{
    if (!call->audit_seq || !msg)
        return;
    json_decref(call->before);
    call->before = ps_json_from_message(msg);
}
