/* SPDX-License-Identifier: MIT */
#include "gateway/payload.h"

#include "gateway/audit.h"

static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessage *msg,
                                                  const char *name)
{
    return protobuf_c_message_descriptor_get_field_by_name(msg->descriptor,
                                                           name);
}

bool ps_payload_wanted(const ProtobufCMessage *msg)
{
    const ProtobufCFieldDescriptor *field;

    field = msg ? find_field(msg, "payload") : NULL;
    return field && field->type == PROTOBUF_C_TYPE_BOOL &&
           field->label == PROTOBUF_C_LABEL_OPTIONAL &&
           *(const protobuf_c_boolean *)((const char *)msg + field->offset);
}

bool ps_payload_admit(struct ps_gateway *gateway, struct ps_http_request *req,
                      const struct ps_route *route, const ProtobufCMessage *msg)
{
    const ProtobufCFieldDescriptor *id;
    const char *target = NULL;

    if (!route->service || !ps_payload_wanted(msg))
        return true;
    if (!req->who || !req->who->payload) {
        ps_gateway_audit_refused(gateway, req, route->bus_method, 403,
                                 "auth.payload");
        ps_problem_fail(req, 403, "auth.payload", "payload",
                        "What packets carry is shown only to a token with the "
                        "role payload; leave the parameter out to see their "
                        "headers.");
        return false;
    }
    id = find_field(msg, "id");
    if (id && id->type == PROTOBUF_C_TYPE_STRING)
        target = *(char *const *)((const char *)msg + id->offset);
    ps_gateway_audit_note(gateway, req, route->bus_method, target);
    return true;
}
