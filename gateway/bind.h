/* SPDX-License-Identifier: MIT */
/* A request of HTTP as the message that a daemon is asked with. Pure. */
#ifndef PS_GATEWAY_BIND_H
#define PS_GATEWAY_BIND_H

#include "common/json.h"
#include "gateway/routes.h"

struct ps_bind_input {
    const struct ps_route *route;
    const char *const *params; /* values of the path's parameters */
    char *query;               /* written into; NULL: none */
    const char *content_type;  /* NULL: none */
    const char *body;          /* NULL: none */
    size_t body_len;
};

/* What is wrong, for a problem. */
struct ps_bind_error {
    unsigned int status;
    const char *id; /* a constant */
    struct ps_json_error json;
};

/*
 * ret_msg: freed with protobuf_c_message_free_unpacked(); NULL for a route
 * without a message. -EINVAL with ret_error set, or -ENOMEM.
 */
int ps_bind(const struct ps_bind_input *input, ProtobufCMessage **ret_msg,
            struct ps_bind_error *ret_error);

/* "rule.sport" of a daemon as the caller's JSON has it: "sport". */
const char *ps_bind_field(const struct ps_route *route, const char *field);

#endif
