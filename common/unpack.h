/* SPDX-License-Identifier: MIT */
/*
 * Packed messages taken apart within a bound of memory. A byte of the wire may
 * stand for a structure of hundreds: 4 MiB of empty entries would otherwise
 * become gigabytes.
 */
#ifndef PS_COMMON_UNPACK_H
#define PS_COMMON_UNPACK_H

#include "common/util.h"

#include <protobuf-c/protobuf-c.h>

/* What replies, events and stored bodies may take: a list of
 * PS_BUS_MAX_MESSAGE bytes of what our daemons say fits four times. */
#define PS_UNPACK_MAX (64u << 20)
/* What one request may: PS_BUS_WORKERS of them are held at a time. */
#define PS_UNPACK_MAX_REQUEST (16u << 20)

/*
 * A message of desc in at most max bytes of memory, its parts and what is
 * needed on the way included; freed by protobuf_c_message_free_unpacked(msg,
 * NULL). NULL: data is no such message, or it needs more, or there is no
 * memory. data may be NULL when len is 0. Any thread.
 */
ProtobufCMessage *ps_message_unpack(const ProtobufCMessageDescriptor *desc,
                                    const void *data, size_t len, size_t max);

#endif
