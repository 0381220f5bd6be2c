/* SPDX-License-Identifier: MIT */
/* Who may see what packets carry. */
#ifndef PS_GATEWAY_PAYLOAD_H
#define PS_GATEWAY_PAYLOAD_H

#include "gateway/gateway.h"

/* Whether a request asks for payload: its field "payload" is true. */
bool ps_payload_wanted(const ProtobufCMessage *msg);
/*
 * True where it does not ask for payload, or may: then that is recorded. Else
 * it has been answered. msg may be NULL.
 */
bool ps_payload_admit(struct ps_gateway *gateway, struct ps_http_request *req,
                      const struct ps_route *route,
                      const ProtobufCMessage *msg);

#endif
