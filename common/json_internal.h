/* SPDX-License-Identifier: MIT */
/* What the parts of json.h share: fields of messages by their descriptors. */
#ifndef PS_COMMON_JSON_INTERNAL_H
#define PS_COMMON_JSON_INTERNAL_H

#include "common/json.h"
#include "common/json_text.h"

/* Bytes of one value of this type as a message holds it. */
size_t ps_field_size(ProtobufCType type);

/* Where a message keeps a field's value, or its array. */
static inline void *ps_field_place(const ProtobufCMessage *msg,
                                   const ProtobufCFieldDescriptor *field)
{
    return (char *)(uintptr_t)msg + field->offset;
}

/* Where it keeps has_… of an optional field. */
static inline protobuf_c_boolean *
ps_field_has(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field)
{
    return (void *)((char *)(uintptr_t)msg + field->quantifier_offset);
}

/* Where it keeps n_… of a repeated one. */
static inline size_t *ps_field_count(const ProtobufCMessage *msg,
                                     const ProtobufCFieldDescriptor *field)
{
    return (void *)((char *)(uintptr_t)msg + field->quantifier_offset);
}

/* Frees a field's value or values, and makes it absent. */
void ps_field_clear(ProtobufCMessage *msg,
                    const ProtobufCFieldDescriptor *field);
/* Marks an optional scalar or bytes as present. */
void ps_field_mark(ProtobufCMessage *msg,
                   const ProtobufCFieldDescriptor *field);
/* Makes an array of n zero values, and a count of 0; -ENOMEM. */
int ps_field_alloc(ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field,
                   size_t n);

/*
 * Puts a text into one value: a string, bytes, an enum's name, or a message
 * that is a JSON string. 0, -EINVAL (expected says what was, a constant),
 * -ENOMEM.
 */
int ps_value_from_text(const ProtobufCFieldDescriptor *field, void *place,
                       const char *text, size_t len, const char **expected);

/* Deepest nesting of brackets outside of texts. */
unsigned int ps_json_nesting(const char *text, size_t len);
/* A JSON text within the bounds of json.h; NULL: it is none. */
json_t *ps_json_load(const char *text, size_t len, json_error_t *ret_where);
/* The text of a value as all of ours are written: compact; NULL: no memory. */
char *ps_json_dump(const json_t *json);

int ps_json_fail(struct ps_json_error *error, const char *field,
                 const char *fmt, ...) _printf_(3, 4);
/* "expected one of a, b, c, found "x"". */
int ps_json_fail_enum(struct ps_json_error *error, const char *path,
                      const ProtobufCEnumDescriptor *desc, const char *found);

#endif
