/* SPDX-License-Identifier: MIT */
/* The messages and bytes that are JSON strings, to and from their text. */
#ifndef PS_COMMON_JSON_TEXT_H
#define PS_COMMON_JSON_TEXT_H

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>

#include "common/util.h"

#define PS_JSON_TEXT 64

struct ps_string_type {
    const ProtobufCMessageDescriptor *desc;
    /*
     * Writes the text, at most PS_JSON_TEXT bytes with its end. A value that
     * has none (an address of 3 bytes, sent by a broken peer) is "invalid",
     * which parse() refuses.
     */
    void (*format)(const ProtobufCMessage *msg, char *text);
    /* Fills an initialised message: 0, -EINVAL, -ENOMEM. */
    int (*parse)(const char *text, ProtobufCMessage *msg);
    const char *expected;     /* for errors: "an IP address" */
    const char *format_name;  /* JSON Schema's "format", or NULL */
    const char *format_other; /* the text may be of this one, too */
    const char *pattern;      /* JSON Schema's "pattern", or NULL */
    const char *example;
};

/* NULL: this message is a JSON object. */
const struct ps_string_type *
ps_string_type(const ProtobufCMessageDescriptor *desc);

/* RFC 4648, section 4, with padding. NULL without memory. */
char *ps_base64_encode(const uint8_t *data, size_t len);
/* 0, -EINVAL, -ENOMEM. The result is owned by the caller, NULL for none. */
int ps_base64_decode(const char *text, uint8_t **ret_data, size_t *ret_len);

/* RFC 3339 with nine digits, in UTC; text has PS_JSON_TEXT bytes. */
void ps_time_format(uint64_t unix_ns, char *text);
/* Any RFC 3339 time that nanoseconds since 1970 can hold; -EINVAL. */
int ps_time_parse(const char *text, uint64_t *ret_unix_ns);

#endif
