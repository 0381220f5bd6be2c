/* SPDX-License-Identifier: MIT */
/* JSON Schema from descriptors. What jansson cannot allocate shows as NULL,
 * which its own setters pass on as failures. */
#include "common/json_internal.h"
#include "common/types.h"

static json_t *integer_schema(json_int_t min, json_int_t max)
{
    return json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum", min,
                     "maximum", max);
}

static json_t *enum_schema(const ProtobufCEnumDescriptor *desc)
{
    json_t *names = json_array();

    for (unsigned int i = 0; i < desc->n_values; i++)
        json_array_append_new(names, json_string(desc->values[i].name));
    return json_pack("{s:s, s:o}", "type", "string", "enum", names);
}

static json_t *string_type_schema(const struct ps_string_type *type)
{
    json_t *schema = json_pack("{s:s, s:s, s:[s]}", "type", "string",
                               "description", type->expected, "examples",
                               type->example);

    if (type->format_other)
        json_object_set_new(schema, "anyOf",
                            json_pack("[{s:s, s:s}, {s:s, s:s}]", "type",
                                      "string", "format", type->format_name,
                                      "type", "string", "format",
                                      type->format_other));
    else if (type->format_name)
        json_object_set_new(schema, "format", json_string(type->format_name));
    if (type->pattern)
        json_object_set_new(schema, "pattern", json_string(type->pattern));
    return schema;
}

static json_t *message_ref(const ProtobufCMessageDescriptor *desc)
{
    const struct ps_string_type *type = ps_string_type(desc);

    if (type)
        return string_type_schema(type);
    return json_pack("{s:s+}", "$ref", "#/components/schemas/",
                     desc->short_name);
}

static json_t *value_schema(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return integer_schema(INT32_MIN, INT32_MAX);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return integer_schema(-PS_JSON_MAX_INT, PS_JSON_MAX_INT);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return integer_schema(0, UINT32_MAX);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return integer_schema(0, PS_JSON_MAX_INT);
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        return json_pack("{s:s}", "type", "number");
    case PROTOBUF_C_TYPE_BOOL:
        return json_pack("{s:s}", "type", "boolean");
    case PROTOBUF_C_TYPE_ENUM:
        return enum_schema(field->descriptor);
    case PROTOBUF_C_TYPE_STRING:
        return json_pack("{s:s}", "type", "string");
    case PROTOBUF_C_TYPE_BYTES:
        return json_pack("{s:s, s:s}", "type", "string", "contentEncoding",
                         "base64");
    case PROTOBUF_C_TYPE_MESSAGE:
        return message_ref(field->descriptor);
    }
    return NULL;
}

json_t *ps_json_field_schema(const ProtobufCFieldDescriptor *field)
{
    json_t *schema = value_schema(field);

    if (field->label != PROTOBUF_C_LABEL_REPEATED)
        return schema;
    return json_pack("{s:s, s:o}", "type", "array", "items", schema);
}

json_t *ps_json_schema(const ProtobufCMessageDescriptor *desc)
{
    const struct ps_string_type *type = ps_string_type(desc);
    json_t *properties, *required, *schema;

    if (type)
        return string_type_schema(type);
    if (desc == &ps__json__descriptor)
        return json_pack("{s:s}", "description", "Any JSON value.");
    properties = json_object();
    required = json_array();
    for (unsigned int i = 0; i < desc->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &desc->fields[i];

        json_object_set_new(properties, field->name,
                            ps_json_field_schema(field));
        if (field->label == PROTOBUF_C_LABEL_REQUIRED)
            json_array_append_new(required, json_string(field->name));
    }
    schema = json_pack("{s:s, s:o, s:b}", "type", "object", "properties",
                       properties, "additionalProperties", 0);
    if (json_array_size(required) > 0)
        json_object_set(schema, "required", required);
    json_decref(required);
    return schema;
}
