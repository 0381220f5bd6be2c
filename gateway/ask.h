/* SPDX-License-Identifier: MIT */
/* What the ways of asking a daemon share: alone (ask.c), together
 * (ask_shared.c). */
#ifndef PS_GATEWAY_ASK_H
#define PS_GATEWAY_ASK_H

#include "gateway/gateway.h"

/* Answers a request with an error of the bus, or the daemon's own. */
void ps_ask_fail(struct ps_http_request *req, const struct ps_route *route,
                 int result, const Ps__Error *error);
void ps_ask_no_memory(struct ps_http_request *req);

/* Answers a request with what was asked age_ns ago. content is borrowed. */
void ps_ask_give(struct ps_http_request *req, struct ps_content *content,
                 uint64_t age_ns);

/* A daemon's message as what can be answered; -ENOMEM. */
int ps_ask_content(const ProtobufCMessage *reply, const char *cache_control,
                   struct ps_content **ret_content);

/*
 * Sends the question of a request. key: NULL for what changes nothing. 0: fn
 * is called once, later; else it is not: -ENOTCONN, or as ps_client_call().
 */
int ps_ask_send(struct ps_gateway *gateway, const struct ps_http_request *req,
                const struct ps_route *route, const ProtobufCMessage *msg,
                const char *key, ps_reply_fn fn, void *arg);

/* Answers a request with what was asked less than a second ago, or asks. */
void ps_ask_shared(struct ps_gateway *gateway, struct ps_http_request *req,
                   const struct ps_route *route, const ProtobufCMessage *msg);

#endif
