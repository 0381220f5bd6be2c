/* SPDX-License-Identifier: MIT */
#include "gateway/openapi.h"

#include "common/json.h"
#include "common/types.h"
#include "gateway/routes.h"

static json_t *schema_ref(const char *name)
{
    return json_pack("{s:s+}", "$ref", "#/components/schemas/", name);
}

/* ---- components --------------------------------------------------------- */

/* The message and all that it is made of. */
static void add_schemas(json_t *schemas, const ProtobufCMessageDescriptor *desc)
{
    if (ps_json_is_string_type(desc) ||
        json_object_get(schemas, desc->short_name))
        return;
    json_object_set_new(schemas, desc->short_name, ps_json_schema(desc));
    for (unsigned int i = 0; i < desc->n_fields; i++)
        if (desc->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
            add_schemas(schemas, desc->fields[i].descriptor);
}

/* The part of the request that the JSON body is; NULL: none. */
static const ProtobufCMessageDescriptor *
body_descriptor(const struct ps_route *route)
{
    const ProtobufCFieldDescriptor *field;

    if (!route->body)
        return NULL;
    if (!*route->body)
        return route->request;
    field = protobuf_c_message_descriptor_get_field_by_name(route->request,
                                                            route->body);
    return field ? field->descriptor : NULL;
}

static json_t *problem_schema(void)
{
    return json_pack(
        "{s:s, s:s, s:{s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s, s:s},"
        " s:{s:s, s:s}, s:{s:s, s:o}}, s:[sssss]}",
        "type", "object", "description", "An error (RFC 9457).", "properties",
        "type", "type", "string", "title", "type", "string", "status", "type",
        "integer", "detail", "type", "string", "id", "type", "string",
        "description", "Stable; texts are translated by it.", "field", "type",
        "string", "description", "The field or parameter at fault, as a path.",
        "params", "type", "array", "items", schema_ref("Param"), "required",
        "type", "title", "status", "detail", "id");
}

static json_t *components(void)
{
    size_t n;
    const struct ps_route *routes = ps_routes(&n);
    json_t *schemas = json_object();

    for (size_t i = 0; i < n; i++) {
        const ProtobufCMessageDescriptor *body = body_descriptor(&routes[i]);

        if (body)
            add_schemas(schemas, body);
        if (routes[i].reply)
            add_schemas(schemas, routes[i].reply);
    }
    /* The data of the stream's events. */
    add_schemas(schemas, &ps__event__descriptor);
    add_schemas(schemas, &ps__lost__descriptor);
    add_schemas(schemas, &ps__param__descriptor);
    json_object_set_new(schemas, "Problem", problem_schema());
    return json_pack(
        "{s:o, s:{s:{s:s, s:s, s:s}}, s:{s:{s:s, s:{s:{s:{s:s}}}}}}", "schemas",
        schemas, "securitySchemes", "bearer", "type", "http", "scheme",
        "bearer", "description",
        "The first administrator's token is in admin.token in the state "
        "directory.",
        "responses", "Problem", "description", "An error", "content",
        "application/problem+json", "schema", "$ref",
        "#/components/schemas/Problem");
}

/* ---- operations --------------------------------------------------------- */

static bool in_path(const struct ps_route *route, const char *name)
{
    char param[64];

    for (size_t i = 0; ps_route_param(route, i, param, sizeof(param)); i++)
        if (ps_streq(param, name))
            return true;
    return false;
}

static json_t *parameter(const struct ps_route *route,
                         const ProtobufCFieldDescriptor *field)
{
    bool path = in_path(route, field->name);
    json_t *schema = ps_json_field_schema(field), *param;

    if (!path && ps_streq(field->name, "limit")) {
        json_object_set_new(schema, "minimum", json_integer(1));
        json_object_set_new(schema, "maximum", json_integer(1000));
        json_object_set_new(schema, "default", json_integer(100));
    }
    param = json_pack("{s:s, s:s, s:b, s:o}", "name", field->name, "in",
                      path ? "path" : "query", "required",
                      path || field->label == PROTOBUF_C_LABEL_REQUIRED,
                      "schema", schema);
    /* a,b,c */
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        json_object_set_new(param, "explode", json_false());
    return param;
}

static json_t *header_parameter(const char *name, const char *description)
{
    return json_pack("{s:s, s:s, s:b, s:s, s:{s:s, s:i}}", "name", name, "in",
                     "header", "required", 0, "description", description,
                     "schema", "type", "string", "maxLength", 128);
}

static bool is_parameter(const struct ps_route *route,
                         const ProtobufCFieldDescriptor *field)
{
    if (in_path(route, field->name))
        return true;
    if (route->body)
        return false;
    return field->type != PROTOBUF_C_TYPE_MESSAGE ||
           ps_json_is_string_type(field->descriptor);
}

static json_t *parameters(const struct ps_route *route)
{
    json_t *list = json_array();

    for (unsigned int i = 0; route->request && i < route->request->n_fields;
         i++)
        if (is_parameter(route, &route->request->fields[i]))
            json_array_append_new(list,
                                  parameter(route, &route->request->fields[i]));
    if (route->change)
        json_array_append_new(
            list, header_parameter("Idempotency-Key",
                                   "The same key within ten minutes gets "
                                   "the first answer again."));
    if (ps_streq(route->type, "text/event-stream"))
        json_array_append_new(
            list, header_parameter("Last-Event-ID",
                                   "Id of the last event that came."));
    return list;
}

static json_t *success(const struct ps_route *route)
{
    const char *type = route->type ? route->type : "application/json";
    json_t *schema;

    if (route->status == 204)
        return json_pack("{s:s}", "description", "Done; there is no body.");
    if (route->reply)
        schema = schema_ref(route->reply->short_name);
    else if (ps_streq(route->type, "application/json"))
        schema = json_pack("{s:s}", "type", "object");
    else
        schema = json_pack("{s:s}", "type", "string");
    return json_pack("{s:s, s:{s:{s:o}}}", "description", route->summary,
                     "content", type, "schema", schema);
}

static json_t *responses(const struct ps_route *route)
{
    char status[16];
    json_t *list = json_object();

    snprintf(status, sizeof(status), "%u", route->status);
    json_object_set_new(list, status, success(route));
    if (ps_streq(route->id, "getReadiness"))
        json_object_set_new(list, "503", success(route));
    json_object_set_new(
        list, "default",
        json_pack("{s:s}", "$ref", "#/components/responses/Problem"));
    return list;
}

static json_t *operation(const struct ps_route *route)
{
    const ProtobufCMessageDescriptor *body = body_descriptor(route);
    json_t *op = json_pack("{s:s, s:s, s:[s], s:s, s:o, s:o}", "operationId",
                           route->id, "summary", route->summary, "tags",
                           route->service ? route->service : "gateway",
                           "x-role", ps_role_name(route->role), "parameters",
                           parameters(route), "responses", responses(route));

    if (route->description)
        json_object_set_new(op, "description", json_string(route->description));
    if (body)
        json_object_set_new(op, "requestBody",
                            json_pack("{s:b, s:{s:{s:o}}}", "required", 1,
                                      "content", "application/json", "schema",
                                      schema_ref(body->short_name)));
    /* An empty list says: no token. */
    if (route->role == PS_ROLE_NONE)
        json_object_set_new(op, "security", json_array());
    return op;
}

static json_t *paths(void)
{
    size_t n;
    const struct ps_route *routes = ps_routes(&n);
    json_t *all = json_object();

    for (size_t i = 0; i < n; i++) {
        json_t *item = json_object_get(all, routes[i].path);
        char method[16];
        size_t k = 0;

        if (!item) {
            item = json_object();
            json_object_set_new(all, routes[i].path, item);
        }
        for (const char *p = ps_http_method_name(routes[i].method);
             *p && k < sizeof(method) - 1; p++)
            method[k++] = (char)(*p | 0x20);
        method[k] = '\0';
        json_object_set_new(item, method, operation(&routes[i]));
    }
    return all;
}

json_t *ps_openapi_document(void)
{
    return json_pack(
        "{s:s, s:{s:s, s:s, s:s, s:{s:s, s:s}}, s:[{s:s}], s:[{s:[]}],"
        " s:o, s:o}",
        "openapi", "3.1.0", "info", "title", "PacketScope", "version",
        PS_VERSION, "description",
        "Integers stay below 2^53; times are RFC 3339 with nanoseconds, "
        "durations end in _ns; unknown values are absent. Errors are "
        "application/problem+json.",
        "license", "name", "MIT", "identifier", "MIT", "servers", "url", "/",
        "security", "bearer", "paths", paths(), "components", components());
}
