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

/* Answers always have their lists; requests may leave them out. */
static bool is_required(const ProtobufCMessageDescriptor *desc,
                        const ProtobufCFieldDescriptor *field, bool sent)
{
    return field->label == PROTOBUF_C_LABEL_REQUIRED ||
           (field->label == PROTOBUF_C_LABEL_REPEATED && !sent) ||
           ps_openapi_wanted(desc->short_name, field->name);
}

/* sent: it stands in requests, too. */
static json_t *message_schema(const ProtobufCMessageDescriptor *desc, bool sent,
                              const json_t *comments)
{
    json_t *schema = ps_json_schema(desc);
    json_t *properties = json_object_get(schema, "properties");
    json_t *required = json_array();

    /* Any JSON value. */
    if (!properties) {
        json_decref(required);
        describe(schema, comment_of(comments, desc->name, ""));
        return schema;
    }
    describe(schema, comment_of(comments, desc->name, ""));
    for (unsigned int i = 0; i < desc->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &desc->fields[i];

        json_object_set_new(properties, field->name,
                            ps_openapi_field(desc, field, comments));
        if (is_required(desc, field, sent))
            json_array_append_new(required, json_string(field->name));
    }
    if (json_array_size(required) > 0)
        json_object_set(schema, "required", required);
    json_decref(required);
    return schema;
}

/* The message and all that it is made of. */
static void add_schemas(json_t *schemas, const ProtobufCMessageDescriptor *desc,
                        bool sent, const json_t *comments)
{
    if (ps_json_is_string_type(desc) ||
        json_object_get(schemas, desc->short_name))
        return;
    json_object_set_new(schemas, desc->short_name,
                        message_schema(desc, sent, comments));
    for (unsigned int i = 0; i < desc->n_fields; i++)
        if (desc->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
            add_schemas(schemas, desc->fields[i].descriptor, sent, comments);
}

json_t *ps_openapi_schemas(const json_t *comments)
{
    size_t n;
    const struct ps_route *routes = ps_routes(&n);
    json_t *schemas = json_object();

    for (size_t i = 0; i < n; i++) {
        const ProtobufCMessageDescriptor *body = ps_openapi_body(&routes[i]);

        if (body)
            add_schemas(schemas, body, true, comments);
    }
    for (size_t i = 0; i < n; i++)
        if (routes[i].reply && routes[i].status != 204)
            add_schemas(schemas, routes[i].reply, false, comments);
    for (size_t i = 0; i < ARRAY_SIZE(streamed); i++)
        add_schemas(schemas, streamed[i], false, comments);
    json_object_set_new(schemas, "Problem", ps_openapi_problem_schema());
    return schemas;
}
