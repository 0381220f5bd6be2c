/* SPDX-License-Identifier: MIT */
#include "gateway/bind.h"

#include <stdarg.h>
#include <strings.h>

#define MAX_QUERY_PARAMS 64

static void message_freep(ProtobufCMessage **msg)
{
    if (*msg)
        protobuf_c_message_free_unpacked(*msg, NULL);
}

static _printf_(5, 6) int fail(struct ps_bind_error *error, unsigned int status,
                               const char *id, const char *field,
                               const char *fmt, ...)
{
    va_list ap;

    error->status = status;
    error->id = id;
    snprintf(error->json.field, sizeof(error->json.field), "%s", field);
    va_start(ap, fmt);
    vsnprintf(error->json.detail, sizeof(error->json.detail), fmt, ap);
    va_end(ap);
    return -EINVAL;
}

static bool is_path_param(const struct ps_route *route, const char *name)
{
    char param[64];

    for (size_t i = 0; ps_route_param(route, i, param, sizeof(param)); i++)
        if (ps_streq(param, name))
            return true;
    return false;
}

static int set_field(ProtobufCMessage *msg, const char *name, const char *value,
                     struct ps_bind_error *error)
{
    int r = ps_json_set_field(msg, name, value, &error->json);

    if (r == -ENOENT || r == -EINVAL) {
        error->status = 400;
        error->id = r == -ENOENT ? "request.unknown_parameter"
                                 : "request.invalid";
        return -EINVAL;
    }
    return r;
}

static int bind_path(const struct ps_bind_input *input, ProtobufCMessage *msg,
                     struct ps_bind_error *error)
{
    char name[64];
    int r = 0;

    for (size_t i = 0;
         r == 0 && ps_route_param(input->route, i, name, sizeof(name)); i++)
        r = set_field(msg, name, input->params[i], error);
    return r;
}

/* A nested message, not a JSON string, has no form in a URL. */
static bool takes_query(const struct ps_route *route, const char *name)
{
    const ProtobufCFieldDescriptor *field;

    if (!route->request || route->body || is_path_param(route, name))
        return false;
    field =
        protobuf_c_message_descriptor_get_field_by_name(route->request, name);
    return field && (field->type != PROTOBUF_C_TYPE_MESSAGE ||
                     ps_json_is_string_type(field->descriptor));
}

static int bind_query(const struct ps_bind_input *input, ProtobufCMessage *msg,
                      struct ps_bind_error *error)
{
    const char *seen[MAX_QUERY_PARAMS];
    char *cursor = input->query, *name, *value;
    size_t n = 0;
    int r;

    while ((r = ps_query_next(&cursor, &name, &value)) > 0) {
        if (!takes_query(input->route, name))
            return fail(error, 400, "request.unknown_parameter", name,
                        "There is no parameter \"%.64s\" here; see "
                        "/api/v1/openapi.json.",
                        name);
        for (size_t i = 0; i < n; i++)
            if (ps_streq(seen[i], name))
                return fail(error, 400, "request.duplicate_parameter", name,
                            "Give the parameter \"%.64s\" once.", name);
        if (n == MAX_QUERY_PARAMS)
            return fail(error, 400, "request.too_many_parameters", name,
                        "A request may have %d parameters.", MAX_QUERY_PARAMS);
        seen[n++] = name;
        r = set_field(msg, name, value, error);
        if (r < 0)
            return r;
    }
    if (r < 0)
        return fail(error, 400, "request.malformed", "",
                    "The query holds a broken %%XX, a control character or "
                    "text that is not UTF-8.");
    return 0;
}

static bool is_json_type(const char *type)
{
    static const char json[] = "application/json";
    size_t len = type ? strcspn(type, "; \t") : 0;

    return len == sizeof(json) - 1 && strncasecmp(type, json, len) == 0;
}

static int parse_body(const struct ps_bind_input *input,
                      const ProtobufCMessageDescriptor *desc,
                      ProtobufCMessage **ret_msg, struct ps_bind_error *error)
{
    int r;

    if (input->body_len == 0)
        return fail(error, 400, "request.body_missing", "",
                    "Send a JSON object of type %s as the body.",
                    desc->short_name);
    if (!is_json_type(input->content_type))
        return fail(error, 415, "request.content_type", "",
                    "Send the body as JSON, with \"Content-Type: "
                    "application/json\".");
    r = ps_json_parse(desc, input->body, input->body_len, ret_msg,
                      &error->json);
    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        error->status = 400;
        error->id = "request.invalid";
        return -EINVAL;
    }
    return 0;
}

/* A field of the body that the path has set already, or another value. */
static int bind_body(const struct ps_bind_input *input, ProtobufCMessage *msg,
                     struct ps_bind_error *error)
{
    const ProtobufCFieldDescriptor *field =
        /* NOLINTNEXTLINE(*.NullDereference): a body is a message's field */
        protobuf_c_message_descriptor_get_field_by_name(msg->descriptor,
                                                        input->route->body);
    ProtobufCMessage *part = NULL;
    int r;

    if (!field || field->type != PROTOBUF_C_TYPE_MESSAGE)
        return fail(error, 500, "gateway.route", "",
                    "The route's table names no field \"%s\".",
                    input->route->body);
    r = parse_body(input, field->descriptor, &part, error);
    if (r == 0)
        *(ProtobufCMessage **)((char *)msg + field->offset) = part;
    return r;
}

int ps_bind(const struct ps_bind_input *input, ProtobufCMessage **ret_msg,
            struct ps_bind_error *ret_error)
{
    _cleanup_(message_freep) ProtobufCMessage *msg = NULL;
    const struct ps_route *route = input->route;
    int r = 0;

    *ret_error = (struct ps_bind_error){0};
    if (!route->body && input->body_len > 0)
        return fail(ret_error, 400, "request.body_unexpected", "",
                    "This request takes no body; send it without one.");
    if (route->body && !*route->body) {
        r = parse_body(input, route->request, &msg, ret_error);
    } else if (route->request) {
        msg = ps_message_new(route->request);
        r = msg ? 0 : -ENOMEM;
    }
    if (r == 0)
        r = bind_query(input, msg, ret_error);
    if (r == 0 && msg)
        r = bind_path(input, msg, ret_error);
    if (r == 0 && route->body && *route->body)
        r = bind_body(input, msg, ret_error);
    if (r < 0)
        return r;
    if (msg && !protobuf_c_message_check(msg))
        return fail(ret_error, 400, "request.incomplete", "",
                    "A required parameter is missing; see "
                    "/api/v1/openapi.json.");
    *ret_msg = TAKE_PTR(msg);
    return 0;
}

const char *ps_bind_field(const struct ps_route *route, const char *field)
{
    size_t len = route->body ? strlen(route->body) : 0;

    if (field && len > 0 && strncmp(field, route->body, len) == 0 &&
        field[len] == '.')
        return field + len + 1;
    return field;
}
