/* SPDX-License-Identifier: MIT */
/* Messages to JSON. It never fails for what a message holds: peers and the
 * kernel are the source of that. */
#include <math.h>

#include "common/json_internal.h"
#include "common/types.h"
#include "common/utf8.h"

bool ps_json_is_string_type(const ProtobufCMessageDescriptor *desc)
{
    return ps_string_type(desc) != NULL;
}

/* Names of processes and files are bytes, JSON is UTF-8. */
static json_t *text_to_json(const char *text)
{
    _cleanup_free_ char *repaired = NULL;
    size_t len = strlen(text);

    if (ps_utf8_valid(text, len))
        return json_stringn_nocheck(text, len);
    repaired = ps_utf8_repair(text, len, &len);
    return repaired ? json_stringn_nocheck(repaired, len) : NULL;
}

/* jansson's integers are signed. What lies above (no schema's value does, all
 * stay below 2^53) is written rounded, as a real, rather than wrong. */
static json_t *unsigned_to_json(uint64_t value)
{
    return value <= INT64_MAX ? json_integer((json_int_t)value)
                              : json_real((double)value);
}

static json_t *real_to_json(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *enum_to_json(const ProtobufCEnumDescriptor *desc, int number)
{
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value(desc, number);

    /* A newer peer's. */
    if (!value)
        return json_sprintf("%d", number);
    return json_string_nocheck(value->name);
}

static json_t *bytes_to_json(const ProtobufCBinaryData *bytes)
{
    _cleanup_free_ char *text = ps_base64_encode(bytes->data, bytes->len);

    return text ? json_string_nocheck(text) : NULL;
}

static json_t *value_to_json(const ProtobufCFieldDescriptor *field,
                             const void *place)
{
    const char *text;

    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return json_integer(*(const int32_t *)place);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return json_integer(*(const int64_t *)place);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return json_integer(*(const uint32_t *)place);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return unsigned_to_json(*(const uint64_t *)place);
    case PROTOBUF_C_TYPE_FLOAT:
        return real_to_json((double)*(const float *)place);
    case PROTOBUF_C_TYPE_DOUBLE:
        return real_to_json(*(const double *)place);
    case PROTOBUF_C_TYPE_BOOL:
        return json_boolean(*(const protobuf_c_boolean *)place);
    case PROTOBUF_C_TYPE_ENUM:
        return enum_to_json(field->descriptor, *(const int *)place);
    case PROTOBUF_C_TYPE_STRING:
        text = *(char *const *)place;
        return text_to_json(text ? text : "");
    case PROTOBUF_C_TYPE_BYTES:
        return bytes_to_json(place);
    case PROTOBUF_C_TYPE_MESSAGE:
        return ps_json_from_message(*(ProtobufCMessage *const *)place);
    }
    return json_null();
}

static json_t *array_to_json(const ProtobufCMessage *msg,
                             const ProtobufCFieldDescriptor *field)
{
    const char *values = *(char *const *)ps_field_place(msg, field);
    size_t n = *ps_field_count(msg, field);
    json_t *array = json_array();

    for (size_t i = 0; array && i < n; i++) {
        const void *place = values + i * ps_field_size(field->type);

        if (json_array_append_new(array, value_to_json(field, place)) < 0) {
            json_decref(array);
            array = NULL;
        }
    }
    return array;
}

/* Absent, or with a value that JSON has no word for (not a number). */
static bool is_unknown(const ProtobufCMessage *msg,
                       const ProtobufCFieldDescriptor *field)
{
    void *place = ps_field_place(msg, field);

    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return false;
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return !*(void **)place;
    if (field->label == PROTOBUF_C_LABEL_OPTIONAL) {
        if (field->type == PROTOBUF_C_TYPE_STRING)
            return !*(void **)place;
        if (!*ps_field_has(msg, field))
            return true;
    }
    if (field->type == PROTOBUF_C_TYPE_DOUBLE)
        return !isfinite(*(double *)place);
    if (field->type == PROTOBUF_C_TYPE_FLOAT)
        return !isfinite(*(float *)place);
    return false;
}

/* ps.Json is the value itself; what is none is a text, as elsewhere. */
static json_t *any_to_json(const Ps__Json *any)
{
    json_error_t where;
    json_t *json =
        any->text ? ps_json_load(any->text, strlen(any->text), &where) : NULL;

    return json ? json : json_string_nocheck("invalid");
}

json_t *ps_json_from_message(const ProtobufCMessage *msg)
{
    const ProtobufCMessageDescriptor *desc = msg->descriptor;
    const struct ps_string_type *type = ps_string_type(desc);
    char text[PS_JSON_TEXT];
    json_t *object;

    if (type) {
        type->format(msg, text);
        return json_string_nocheck(text);
    }
    if (desc == &ps__json__descriptor)
        return any_to_json((const Ps__Json *)msg);
    object = json_object();
    for (unsigned int i = 0; object && i < desc->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &desc->fields[i];
        json_t *value;

        if (is_unknown(msg, field))
            continue;
        value = field->label == PROTOBUF_C_LABEL_REPEATED
                    ? array_to_json(msg, field)
                    : value_to_json(field, ps_field_place(msg, field));
        /* Takes the reference, and fails without a value. */
        if (json_object_set_new_nocheck(object, field->name, value) < 0) {
            json_decref(object);
            object = NULL;
        }
    }
    return object;
}

char *ps_json_dump(const json_t *json)
{
    return json_dumps(json,
                      JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
}

int ps_json_print(const ProtobufCMessage *msg, char **ret_text, size_t *ret_len)
{
    json_t *json = ps_json_from_message(msg);
    char *text;

    if (!json)
        return -ENOMEM;
    text = ps_json_dump(json);
    json_decref(json);
    if (!text)
        return -ENOMEM;
    *ret_text = text;
    if (ret_len)
        *ret_len = strlen(text);
    return 0;
}
