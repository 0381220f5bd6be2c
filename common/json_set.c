/* SPDX-License-Identifier: MIT */
/* One field from a text of a URL. */
#include <math.h>

#include "common/json_internal.h"
#include "common/utf8.h"

#define MAX_ITEMS 256

/* How a scalar that is no text in JSON either is written in a URL. */
static int parse_signed(const char *text, int64_t min, int64_t max,
                        int64_t *ret_value)
{
    const char *digits = *text == '-' ? text + 1 : text;
    size_t n = strspn(digits, "0123456789");
    long long value;

    if (n == 0 || digits[n] != '\0')
        return -EINVAL;
    errno = 0;
    value = strtoll(text, NULL, 10);
    if (errno != 0 || value < min || value > max)
        return -EINVAL;
    *ret_value = value;
    return 0;
}

static int set_int32(const char *text, void *place)
{
    int64_t value;

    if (parse_signed(text, INT32_MIN, INT32_MAX, &value) < 0)
        return -EINVAL;
    *(int32_t *)place = (int32_t)value;
    return 0;
}

static int set_int64(const char *text, void *place)
{
    return parse_signed(text, -PS_JSON_MAX_INT, PS_JSON_MAX_INT, place);
}

static int set_uint32(const char *text, void *place)
{
    int64_t value;

    if (parse_signed(text, 0, UINT32_MAX, &value) < 0)
        return -EINVAL;
    *(uint32_t *)place = (uint32_t)value;
    return 0;
}

static int set_uint64(const char *text, void *place)
{
    int64_t value;

    if (parse_signed(text, 0, PS_JSON_MAX_INT, &value) < 0)
        return -EINVAL;
    *(uint64_t *)place = (uint64_t)value;
    return 0;
}

static int set_double(const char *text, void *place)
{
    char *end;
    double value;

    /* strtod() takes more than JSON does: spaces, hexadecimals, "inf". */
    if (*text == '\0' || text[strspn(text, "0123456789+-.eE")] != '\0')
        return -EINVAL;
    value = strtod(text, &end);
    if (*end != '\0' || !isfinite(value))
        return -EINVAL;
    *(double *)place = value;
    return 0;
}

static int set_float(const char *text, void *place)
{
    double value;

    if (set_double(text, &value) < 0 || !isfinite((float)value))
        return -EINVAL;
    *(float *)place = (float)value;
    return 0;
}

static int set_bool(const char *text, void *place)
{
    if (!ps_streq(text, "true") && !ps_streq(text, "false"))
        return -EINVAL;
    *(protobuf_c_boolean *)place = ps_streq(text, "true");
    return 0;
}

static const struct scalar {
    int (*set)(const char *text, void *place);
    const char *expected;
} scalars[] = {
    [PROTOBUF_C_TYPE_INT32] = {set_int32, "a whole number of 32 bits"},
    [PROTOBUF_C_TYPE_SINT32] = {set_int32, "a whole number of 32 bits"},
    [PROTOBUF_C_TYPE_SFIXED32] = {set_int32, "a whole number of 32 bits"},
    [PROTOBUF_C_TYPE_INT64] = {set_int64, "a whole number"},
    [PROTOBUF_C_TYPE_SINT64] = {set_int64, "a whole number"},
    [PROTOBUF_C_TYPE_SFIXED64] = {set_int64, "a whole number"},
    [PROTOBUF_C_TYPE_UINT32] = {set_uint32,
                                "a whole number from 0 to 4294967295"},
    [PROTOBUF_C_TYPE_FIXED32] = {set_uint32,
                                 "a whole number from 0 to 4294967295"},
    [PROTOBUF_C_TYPE_UINT64] = {set_uint64, "a whole number, not negative"},
    [PROTOBUF_C_TYPE_FIXED64] = {set_uint64, "a whole number, not negative"},
    [PROTOBUF_C_TYPE_FLOAT] = {set_float, "a number"},
    [PROTOBUF_C_TYPE_DOUBLE] = {set_double, "a number"},
    [PROTOBUF_C_TYPE_BOOL] = {set_bool, "true or false"},
    [PROTOBUF_C_TYPE_MESSAGE] = {NULL, NULL},
};

static int set_value(const ProtobufCFieldDescriptor *field, void *place,
                     const char *text, struct ps_json_error *error)
{
    const struct scalar *scalar = &scalars[field->type];
    const char *expected = scalar->expected;
    int r;

    if (scalar->set)
        r = scalar->set(text, place);
    else
        r = ps_value_from_text(field, place, text, strlen(text), &expected);
    if (r == -EINVAL && !ps_utf8_valid(text, strlen(text)))
        return ps_json_fail(error, field->name, "expected UTF-8");
    if (r == -EINVAL && field->type == PROTOBUF_C_TYPE_ENUM)
        return ps_json_fail_enum(error, field->name, field->descriptor, text);
    if (r == -EINVAL)
        return ps_json_fail(error, field->name, "expected %s, found \"%.64s\"",
                            expected, text);
    return r;
}

static int set_list(ProtobufCMessage *msg,
                    const ProtobufCFieldDescriptor *field, const char *text,
                    struct ps_json_error *error)
{
    _cleanup_free_ char *copy = strdup(text);
    char *rest = *text ? copy : NULL;
    size_t n = *text ? 1 : 0;
    int r;

    if (!copy)
        return -ENOMEM;
    for (const char *p = text; *p; p++)
        n += *p == ',';
    if (n > MAX_ITEMS)
        return ps_json_fail(error, field->name, "more than %d items",
                            MAX_ITEMS);
    r = ps_field_alloc(msg, field, n);
    for (size_t i = 0; r == 0 && rest; i++) {
        char *values = *(char **)ps_field_place(msg, field);

        r = set_value(field, values + i * ps_field_size(field->type),
                      strsep(&rest, ","), error);
        if (r == 0)
            ++*ps_field_count(msg, field);
    }
    return r;
}

int ps_json_set_field(ProtobufCMessage *msg, const char *name, const char *text,
                      struct ps_json_error *error)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(msg->descriptor, name);
    int r;

    *error = (struct ps_json_error){0};
    if (!field) {
        (void)ps_json_fail(error, name, "there is no such parameter");
        return -ENOENT;
    }
    ps_field_clear(msg, field);
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return set_list(msg, field, text, error);
    r = set_value(field, ps_field_place(msg, field), text, error);
    if (r == 0)
        ps_field_mark(msg, field);
    return r;
}
