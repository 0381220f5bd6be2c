/* SPDX-License-Identifier: MIT */
/*
 * JSON <-> protobuf-c by walking descriptors, both ways, and OpenAPI schemas
 * from the same descriptors.
 *
 * Field names as in the schema; integers as numbers; enums by their value's
 * name; ps.Ip, ps.Prefix, ps.Mac, ps.Time, ps.IpProto and ps.PortRange as the
 * strings that proto/types.proto names; ps.Json as the value that its text is
 * ("invalid" where it is none); bytes as base64; doubles with 15
 * digits, which is what they hold of a decimal; absent optional
 * fields are left out, zeros are written; a repeated field is always written,
 * as an array.
 */
#ifndef PS_COMMON_JSON_H
#define PS_COMMON_JSON_H

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>

#include "common/util.h"

/* Deepest nesting and longest text that is read. */
#define PS_JSON_MAX_DEPTH 32
#define PS_JSON_MAX_BYTES (1u << 20)
/* Larger whole numbers are not read: what reads JSON elsewhere rounds them. */
#define PS_JSON_MAX_INT ((INT64_C(1) << 53) - 1)

/* A new reference, or NULL without memory. */
json_t *ps_json_from_message(const ProtobufCMessage *msg);
/* The same as text (compact), owned by the caller; ret_len may be NULL. */
int ps_json_print(const ProtobufCMessage *msg, char **ret_text,
                  size_t *ret_len);

/*
 * What was wrong with a text: path of the field ("rule.sport"), and a
 * sentence that says what was expected and what was found.
 */
struct ps_json_error {
    char field[128];
    char detail[256];
};

/*
 * A message from a JSON object. Unknown fields, wrong types, numbers out of
 * range, unknown enum names and missing required fields are errors
 * (-EINVAL); nothing is guessed. The result is freed with
 * protobuf_c_message_free_unpacked(msg, NULL).
 */
int ps_json_to_message(const ProtobufCMessageDescriptor *desc,
                       const json_t *json, ProtobufCMessage **ret_msg,
                       struct ps_json_error *error);
int ps_json_parse(const ProtobufCMessageDescriptor *desc, const char *text,
                  size_t len, ProtobufCMessage **ret_msg,
                  struct ps_json_error *error);

/*
 * Sets one field of a message (made by protobuf_c_message_init on malloc'ed
 * memory, or by the functions above) from a text as it stands in a URL's path
 * or query: scalars, enums, and the messages that are JSON strings. A
 * repeated field takes a comma-separated list. -ENOENT: there is no such
 * field; -EINVAL: the text does not fit.
 */
int ps_json_set_field(ProtobufCMessage *msg, const char *name, const char *text,
                      struct ps_json_error *error);

/* A new, initialised, heap message of this type; freed as above. */
ProtobufCMessage *ps_message_new(const ProtobufCMessageDescriptor *desc);

/*
 * JSON Schema (2020-12, as OpenAPI 3.1 uses it) of a message; messages refer
 * to each other as "#/components/schemas/NAME". New reference.
 */
json_t *ps_json_schema(const ProtobufCMessageDescriptor *desc);
/* Schema of a single field, for a parameter. New reference. */
json_t *ps_json_field_schema(const ProtobufCFieldDescriptor *field);
/* True for the messages that are JSON strings. */
bool ps_json_is_string_type(const ProtobufCMessageDescriptor *desc);

#endif
