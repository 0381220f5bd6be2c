/* SPDX-License-Identifier: MIT */
#include <stdarg.h>

#include "common/json_internal.h"
#include "common/utf8.h"

static const size_t sizes[] = {
    [PROTOBUF_C_TYPE_INT32] = sizeof(int32_t),
    [PROTOBUF_C_TYPE_SINT32] = sizeof(int32_t),
    [PROTOBUF_C_TYPE_SFIXED32] = sizeof(int32_t),
    [PROTOBUF_C_TYPE_INT64] = sizeof(int64_t),
    [PROTOBUF_C_TYPE_SINT64] = sizeof(int64_t),
    [PROTOBUF_C_TYPE_SFIXED64] = sizeof(int64_t),
    [PROTOBUF_C_TYPE_UINT32] = sizeof(uint32_t),
    [PROTOBUF_C_TYPE_FIXED32] = sizeof(uint32_t),
    [PROTOBUF_C_TYPE_UINT64] = sizeof(uint64_t),
    [PROTOBUF_C_TYPE_FIXED64] = sizeof(uint64_t),
    [PROTOBUF_C_TYPE_FLOAT] = sizeof(float),
    [PROTOBUF_C_TYPE_DOUBLE] = sizeof(double),
    [PROTOBUF_C_TYPE_BOOL] = sizeof(protobuf_c_boolean),
    [PROTOBUF_C_TYPE_ENUM] = sizeof(int),
    [PROTOBUF_C_TYPE_STRING] = sizeof(char *),
    [PROTOBUF_C_TYPE_BYTES] = sizeof(ProtobufCBinaryData),
    [PROTOBUF_C_TYPE_MESSAGE] = sizeof(ProtobufCMessage *),
};

size_t ps_field_size(ProtobufCType type)
{
    return sizes[type];
}

ProtobufCMessage *ps_message_new(const ProtobufCMessageDescriptor *desc)
{
    ProtobufCMessage *msg = malloc(desc->sizeof_message);

    if (msg)
        protobuf_c_message_init(desc, msg);
    return msg;
}

/* A default belongs to the descriptor, not to the message. */
static void clear_value(const ProtobufCFieldDescriptor *field, void *place)
{
    ProtobufCBinaryData *bytes = place;
    ProtobufCMessage **msg = place;
    char **text = place;

    if (field->type == PROTOBUF_C_TYPE_STRING) {
        if (*text != field->default_value)
            free(*text);
    } else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        if (*msg && *msg != field->default_value)
            protobuf_c_message_free_unpacked(*msg, NULL);
    } else if (field->type == PROTOBUF_C_TYPE_BYTES) {
        free(bytes->data);
    }
    memset(place, 0, ps_field_size(field->type));
}

void ps_field_clear(ProtobufCMessage *msg,
                    const ProtobufCFieldDescriptor *field)
{
    char **array = ps_field_place(msg, field);

    if (field->label != PROTOBUF_C_LABEL_REPEATED) {
        clear_value(field, array);
        if (field->label == PROTOBUF_C_LABEL_OPTIONAL &&
            field->type != PROTOBUF_C_TYPE_STRING &&
            field->type != PROTOBUF_C_TYPE_MESSAGE)
            *ps_field_has(msg, field) = false;
        return;
    }
    for (size_t i = 0; i < *ps_field_count(msg, field); i++)
        clear_value(field, *array + i * ps_field_size(field->type));
    free(*array);
    *array = NULL;
    *ps_field_count(msg, field) = 0;
}

void ps_field_mark(ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field)
{
    if (field->label == PROTOBUF_C_LABEL_OPTIONAL &&
        field->type != PROTOBUF_C_TYPE_STRING &&
        field->type != PROTOBUF_C_TYPE_MESSAGE)
        *ps_field_has(msg, field) = true;
}

int ps_field_alloc(ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field,
                   size_t n)
{
    void *array = NULL;

    ps_field_clear(msg, field);
    if (n > 0) {
        array = calloc(n, ps_field_size(field->type));
        if (!array)
            return -ENOMEM;
    }
    *(void **)ps_field_place(msg, field) = array;
    return 0;
}

/* ---- values that are texts ---------------------------------------------- */

static int set_string(void *place, const char *text, size_t len,
                      const char **expected)
{
    char *copy;

    if (strlen(text) != len || !ps_utf8_valid(text, len)) {
        *expected = "a text in UTF-8 without zero bytes";
        return -EINVAL;
    }
    copy = strdup(text);
    if (!copy)
        return -ENOMEM;
    *(char **)place = copy;
    return 0;
}

static int set_message(const ProtobufCMessageDescriptor *desc, void *place,
                       const char *text, const char **expected)
{
    const struct ps_string_type *type = ps_string_type(desc);
    ProtobufCMessage *msg;
    int r;

    if (!type) {
        *expected = "an object";
        return -EINVAL;
    }
    *expected = type->expected;
    msg = ps_message_new(desc);
    if (!msg)
        return -ENOMEM;
    r = type->parse(text, msg);
    if (r < 0) {
        protobuf_c_message_free_unpacked(msg, NULL);
        return r;
    }
    *(ProtobufCMessage **)place = msg;
    return 0;
}

static int set_enum(const ProtobufCEnumDescriptor *desc, void *place,
                    const char *text)
{
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value_by_name(desc, text);

    if (!value)
        return -EINVAL;
    *(int *)place = value->value;
    return 0;
}

int ps_value_from_text(const ProtobufCFieldDescriptor *field, void *place,
                       const char *text, size_t len, const char **expected)
{
    ProtobufCBinaryData *bytes = place;

    if (field->type == PROTOBUF_C_TYPE_STRING)
        return set_string(place, text, len, expected);
    *expected = "a text without zero bytes";
    if (strlen(text) != len)
        return -EINVAL;
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return set_message(field->descriptor, place, text, expected);
    if (field->type == PROTOBUF_C_TYPE_ENUM)
        return set_enum(field->descriptor, place, text);
    *expected = "bytes in base64";
    return ps_base64_decode(text, &bytes->data, &bytes->len);
}

/* ---- errors ------------------------------------------------------------- */

/* A field's or value's text may be cut within a character, and what came in a
 * URL may be any bytes; what is said of it is UTF-8 all the same. */
static void make_utf8(char *text)
{
    size_t len = strlen(text), n;

    for (size_t i = 0; i < len; i += n) {
        n = ps_utf8_sequence(text + i, len - i);
        if (n == 0) {
            text[i] = '?';
            n = 1;
        }
    }
}

int ps_json_fail(struct ps_json_error *error, const char *field,
                 const char *fmt, ...)
{
    va_list ap;

    snprintf(error->field, sizeof(error->field), "%.127s", field);
    va_start(ap, fmt);
    vsnprintf(error->detail, sizeof(error->detail), fmt, ap);
    va_end(ap);
    make_utf8(error->field);
    make_utf8(error->detail);
    return -EINVAL;
}

int ps_json_fail_enum(struct ps_json_error *error, const char *path,
                      const ProtobufCEnumDescriptor *desc, const char *found)
{
    char names[160] = "";
    size_t n = 0;

    for (unsigned int i = 0; i < desc->n_values && n < sizeof(names); i++)
        n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s",
                              i ? ", " : "", desc->values[i].name);
    return ps_json_fail(error, path, "expected one of %s; found \"%.40s\"",
                        names, found);
}
