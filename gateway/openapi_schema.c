/* SPDX-License-Identifier: MIT */
/* Schemas: of the descriptors, with the comments of the schema's files. */
#include "common/types.h"
#include "gateway/openapi_internal.h"

/* What a stream's events carry, beside what routes do. */
static const ProtobufCMessageDescriptor *const streamed[] = {
    &ps__event__descriptor,
    &ps__lost__descriptor,
    &ps__param__descriptor,
};

static const char *comment_of(const json_t *comments, const char *name,
                              const char *member)
{
    return json_string_value(
        json_object_get(json_object_get(comments, name), member));
}

static void describe(json_t *schema, const char *text)
{
    if (text)
        json_object_set_new(schema, "description", json_string(text));
}

json_t *ps_openapi_field(const ProtobufCMessageDescriptor *desc,
                         const ProtobufCFieldDescriptor *field,
                         const json_t *comments)
{
    json_t *schema = ps_json_field_schema(field);

    describe(schema, comment_of(comments, desc->name, field->name));
    ps_openapi_bound(desc->short_name, field->name, schema);
    return schema;
}

static json_t *message_schema(const ProtobufCMessageDescriptor *desc,
                              const json_t *comments)
{
    json_t *schema = ps_json_schema(desc);
    json_t *properties = json_object_get(schema, "properties");
    json_t *required = json_object_get(schema, "required");

    describe(schema, comment_of(comments, desc->name, ""));
    for (unsigned int i = 0; i < desc->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &desc->fields[i];

        json_object_set_new(properties, field->name,
                            ps_openapi_field(desc, field, comments));
        if (!ps_openapi_wanted(desc->short_name, field->name))
            continue;
        if (!required) {
            required = json_array();
            json_object_set_new(schema, "required", required);
        }
        json_array_append_new(required, json_string(field->name));
    }
    return schema;
}

/* The message and all that it is made of. */
static void add_schemas(json_t *schemas, const ProtobufCMessageDescriptor *desc,
                        const json_t *comments)
{
    if (ps_json_is_string_type(desc) ||
        json_object_get(schemas, desc->short_name))
        return;
    json_object_set_new(schemas, desc->short_name,
                        message_schema(desc, comments));
    for (unsigned int i = 0; i < desc->n_fields; i++)
        if (desc->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
            add_schemas(schemas, desc->fields[i].descriptor, comments);
}

json_t *ps_openapi_schemas(const json_t *comments)
{
    size_t n;
    const struct ps_route *routes = ps_routes(&n);
    json_t *schemas = json_object();

    for (size_t i = 0; i < n; i++) {
        const ProtobufCMessageDescriptor *body = ps_openapi_body(&routes[i]);

        if (body)
            add_schemas(schemas, body, comments);
        if (routes[i].reply && routes[i].status != 204)
            add_schemas(schemas, routes[i].reply, comments);
    }
    for (size_t i = 0; i < ARRAY_SIZE(streamed); i++)
        add_schemas(schemas, streamed[i], comments);
    json_object_set_new(schemas, "Problem", ps_openapi_problem_schema());
    return schemas;
}
