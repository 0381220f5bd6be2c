/* SPDX-License-Identifier: MIT */
/* What an event stream may be about, and who may see it. */
#ifndef PS_GATEWAY_TOPICS_H
#define PS_GATEWAY_TOPICS_H

#include "common/types.h"
#include "gateway/http.h"

/* The number of a topic's bit, below PS_RING_TOPICS; -ENOENT. */
int ps_topics_find(const char *name);
/* Whether it is only for those that name it: there is much of it. */
bool ps_topics_named(int number);
/*
 * The bits of what is asked for, or, where nothing is, of all that the caller
 * may see but those. False: that is wrong, and the request was answered so.
 */
bool ps_topics_ask(struct ps_http_request *req, const Ps__EventsRequest *ask,
                   uint32_t *ret_topics);

#endif
