/* SPDX-License-Identifier: MIT */
/* JSON to messages: everything that does not fit is an error. */
#include <float.h>
#include <math.h>

#include "common/json_internal.h"
#include "common/types.h"
#include "common/utf8.h"

/* Where the reader stands: the path of the field, for errors. */
struct reader {
    struct ps_json_error *error;
    char path[128];
    size_t len;
    unsigned int depth;
};

static int read_object(struct reader *r, const json_t *json,
                       ProtobufCMessage *msg);

/* Goes down one step; the result takes it back. A path that is too long for
 * its buffer is cut. */
static size_t push(struct reader *r, const char *separator, const char *name)
{
    size_t before = r->len;
    int n = snprintf(r->path + r->len, sizeof(r->path) - r->len, "%s%.60s",
                     before && *name ? separator : "", name);

    if (n > 0)
        r->len += (size_t)n;
    if (r->len >= sizeof(r->path))
        r->len = sizeof(r->path) - 1;
    return before;
}

static size_t push_index(struct reader *r, size_t index)
{
    char text[32];

    snprintf(text, sizeof(text), "[%zu]", index);
    return push(r, "", text);
}

static void pop(struct reader *r, size_t before)
{
    r->len = before;
    r->path[before] = '\0';
}

static const char *type_name(const json_t *json)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object",
        [JSON_ARRAY] = "a list",
        [JSON_STRING] = "a text",
        [JSON_INTEGER] = "a number",
        [JSON_REAL] = "a number with a point",
        [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",
        [JSON_NULL] = "null",
    };

    return names[json_typeof(json)];
}

static int fail_type(struct reader *r, const char *expected, const json_t *json)
{
    return ps_json_fail(
        r->error, r->path, "expected %s, found %s%s", expected, type_name(json),
        json_is_null(json) ? "; leave out what is not set" : "");
}

/* ---- values ------------------------------------------------------------- */

/* Bounds of the integer types; what jansson reads has 64 signed bits. */
static const struct range {
    int64_t min, max;
} ranges[] = {
    [PROTOBUF_C_TYPE_INT32] = {INT32_MIN, INT32_MAX},
    [PROTOBUF_C_TYPE_SINT32] = {INT32_MIN, INT32_MAX},
    [PROTOBUF_C_TYPE_SFIXED32] = {INT32_MIN, INT32_MAX},
    [PROTOBUF_C_TYPE_INT64] = {-PS_JSON_MAX_INT, PS_JSON_MAX_INT},
    [PROTOBUF_C_TYPE_SINT64] = {-PS_JSON_MAX_INT, PS_JSON_MAX_INT},
    [PROTOBUF_C_TYPE_SFIXED64] = {-PS_JSON_MAX_INT, PS_JSON_MAX_INT},
    [PROTOBUF_C_TYPE_UINT32] = {0, UINT32_MAX},
    [PROTOBUF_C_TYPE_FIXED32] = {0, UINT32_MAX},
    [PROTOBUF_C_TYPE_UINT64] = {0, PS_JSON_MAX_INT},
    [PROTOBUF_C_TYPE_FIXED64] = {0, PS_JSON_MAX_INT},
};

static int read_integer(struct reader *r, ProtobufCType type,
                        const json_t *json, void *place)
{
    const struct range *range = &ranges[type];
    int64_t value = json_integer_value(json);

    if (!json_is_integer(json))
        return fail_type(r, "a whole number", json);
    if (value < range->min || value > range->max)
        return ps_json_fail(r->error, r->path,
                            "expected a number from %lld to %lld, found %lld",
                            (long long)range->min, (long long)range->max,
                            (long long)value);
    if (ps_field_size(type) == sizeof(int32_t)) {
        uint32_t narrow = (uint32_t)value;

        memcpy(place, &narrow, sizeof(narrow));
    } else {
        memcpy(place, &value, sizeof(value));
    }
    return 0;
}

static int read_real(struct reader *r, ProtobufCType type, const json_t *json,
                     void *place)
{
    double value = json_number_value(json);

    if (!json_is_number(json))
        return fail_type(r, "a number", json);
    if (type == PROTOBUF_C_TYPE_DOUBLE) {
        *(double *)place = value;
        return 0;
    }
    if (fabs(value) > (double)FLT_MAX)
        return ps_json_fail(r->error, r->path, "the number is too large");
    *(float *)place = (float)value;
    return 0;
}

static int read_text(struct reader *r, const ProtobufCFieldDescriptor *field,
                     const json_t *json, void *place)
{
    const char *expected = "a text";
    const char *text = json_string_value(json);
    int res;

    if (!json_is_string(json))
        return fail_type(r, expected, json);
    res = ps_value_from_text(field, place, text, json_string_length(json),
                             &expected);
    if (res == -EINVAL && field->type == PROTOBUF_C_TYPE_ENUM)
        return ps_json_fail_enum(r->error, r->path, field->descriptor, text);
    if (res == -EINVAL)
        return ps_json_fail(r->error, r->path, "expected %s, found \"%.64s\"",
                            expected, text);
    return res;
}

/* ps.Json takes any value, as its text. */
static int read_any(struct reader *r, const json_t *json, void *place)
{
    _cleanup_free_ char *text = ps_json_dump(json);
    Ps__Json *any;

    if (!text)
        return -ENOMEM;
    if (strlen(text) > PS_JSON_MAX_BYTES)
        return ps_json_fail(r->error, r->path, "longer than %u bytes",
                            PS_JSON_MAX_BYTES);
    any = malloc(sizeof(*any));
    if (!any)
        return -ENOMEM;
    ps__json__init(any);
    any->text = TAKE_PTR(text);
    *(Ps__Json **)place = any;
    return 0;
}

static int read_message(struct reader *r, const ProtobufCFieldDescriptor *field,
                        const json_t *json, void *place)
{
    const ProtobufCMessageDescriptor *desc = field->descriptor;
    ProtobufCMessage *msg;
    int res;

    if (ps_json_is_string_type(desc))
        return read_text(r, field, json, place);
    if (desc == &ps__json__descriptor)
        return read_any(r, json, place);
    msg = ps_message_new(desc);
    if (!msg)
        return -ENOMEM;
    res = read_object(r, json, msg);
    if (res < 0) {
        protobuf_c_message_free_unpacked(msg, NULL);
        return res;
    }
    *(ProtobufCMessage **)place = msg;
    return 0;
}

static int read_value(struct reader *r, const ProtobufCFieldDescriptor *field,
                      const json_t *json, void *place)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        return read_real(r, field->type, json, place);
    case PROTOBUF_C_TYPE_BOOL:
        if (!json_is_boolean(json))
            return fail_type(r, "true or false", json);
        *(protobuf_c_boolean *)place = json_is_true(json);
        return 0;
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
        return read_text(r, field, json, place);
    case PROTOBUF_C_TYPE_MESSAGE:
        return read_message(r, field, json, place);
    default:
        return read_integer(r, field->type, json, place);
    }
}

/* ---- fields ------------------------------------------------------------- */

static int read_array(struct reader *r, const ProtobufCFieldDescriptor *field,
                      const json_t *json, ProtobufCMessage *msg)
{
    size_t n = json_array_size(json);
    int res;

    if (!json_is_array(json))
        return fail_type(r, "a list", json);
    res = ps_field_alloc(msg, field, n);
    for (size_t i = 0; res == 0 && i < n; i++) {
        char *values = *(char **)ps_field_place(msg, field);
        size_t before = push_index(r, i);

        res = read_value(r, field, json_array_get(json, i),
                         values + i * ps_field_size(field->type));
        if (res == 0) {
            ++*ps_field_count(msg, field);
            pop(r, before);
        }
    }
    return res;
}

static int read_field(struct reader *r, const char *name, const json_t *json,
                      ProtobufCMessage *msg)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(msg->descriptor, name);
    size_t before = push(r, ".", name);
    int res;

    if (!field)
        return ps_json_fail(r->error, r->path, "there is no such field");
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        res = read_array(r, field, json, msg);
    } else {
        res = read_value(r, field, json, ps_field_place(msg, field));
        if (res == 0)
            ps_field_mark(msg, field);
    }
    if (res == 0)
        pop(r, before);
    return res;
}

static int check_required(struct reader *r, const json_t *json,
                          const ProtobufCMessageDescriptor *desc)
{
    for (unsigned int i = 0; i < desc->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &desc->fields[i];

        if (field->label != PROTOBUF_C_LABEL_REQUIRED ||
            json_object_get(json, field->name))
            continue;
        push(r, ".", field->name);
        return ps_json_fail(r->error, r->path, "is required");
    }
    return 0;
}

static int read_object(struct reader *r, const json_t *json,
                       ProtobufCMessage *msg)
{
    const char *key;
    json_t *value;
    int res;

    if (!json_is_object(json))
        return fail_type(r, "an object", json);
    if (r->depth >= PS_JSON_MAX_DEPTH)
        return ps_json_fail(r->error, r->path, "nested too deeply");
    r->depth++;
    /* jansson's iterator wants what it does not change to be changeable. */
    json_object_foreach((json_t *)(uintptr_t)json, key, value)
    {
        res = read_field(r, key, value, msg);
        if (res < 0)
            return res;
    }
    res = check_required(r, json, msg->descriptor);
    r->depth--;
    return res;
}

int ps_json_to_message(const ProtobufCMessageDescriptor *desc,
                       const json_t *json, ProtobufCMessage **ret_msg,
                       struct ps_json_error *error)
{
    /* As if it were a field of a message, without a name. */
    const ProtobufCFieldDescriptor field = {
        .type = PROTOBUF_C_TYPE_MESSAGE,
        .descriptor = desc,
    };
    struct reader reader = {.error = error};

    *error = (struct ps_json_error){0};
    return read_message(&reader, &field, json, ret_msg);
}

/* ---- texts -------------------------------------------------------------- */

unsigned int ps_json_nesting(const char *text, size_t len)
{
    unsigned int depth = 0, deepest = 0;
    bool quoted = false;

    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (quoted && c == '\\') {
            i++;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (!quoted && (c == '{' || c == '[')) {
            if (++depth > deepest)
                deepest = depth;
        } else if (!quoted && (c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return deepest;
}

json_t *ps_json_load(const char *text, size_t len, json_error_t *ret_where)
{
    if (len > PS_JSON_MAX_BYTES ||
        ps_json_nesting(text, len) > PS_JSON_MAX_DEPTH)
        return NULL;
    return json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY,
                      ret_where);
}

int ps_json_parse(const ProtobufCMessageDescriptor *desc, const char *text,
                  size_t len, ProtobufCMessage **ret_msg,
                  struct ps_json_error *error)
{
    json_error_t where = {0};
    json_t *json;
    int r;

    *error = (struct ps_json_error){0};
    if (len > PS_JSON_MAX_BYTES)
        return ps_json_fail(error, "", "longer than %u bytes",
                            PS_JSON_MAX_BYTES);
    if (ps_json_nesting(text, len) > PS_JSON_MAX_DEPTH)
        return ps_json_fail(error, "", "nested deeper than %d",
                            PS_JSON_MAX_DEPTH);
    json = ps_json_load(text, len, &where);
    if (!json)
        return ps_json_fail(error, "", "not JSON, at line %d, column %d: %s",
                            where.line, where.column, where.text);
    r = ps_json_to_message(desc, json, ret_msg, error);
    json_decref(json);
    return r;
}
