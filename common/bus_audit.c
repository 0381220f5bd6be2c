/* SPDX-License-Identifier: MIT */
/* Each change in the audit log: named before it is begun, and what came of it
 * before its answer leaves. */
#include "common/audit.h"
#include "common/bus_internal.h"
#include "common/json.h"

void ps_bus_audit(struct ps_bus *bus, struct ps_audit *audit)
{
    bus->audit = audit;
    bus->audited = true;
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

bool ps_bus_audit_begin(struct ps_call *call)
{
    struct ps_audit *audit = call->op.bus->audit;
    const struct ps_audit_start start = {
        .time_ns = ps_now_ns(),
        .actor = call->env->actor,
        .client = call->env->client,
        .action = call->method->name,
        .target = find_id(call->request),
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
