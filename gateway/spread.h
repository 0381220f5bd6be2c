/* SPDX-License-Identifier: MIT */
/*
 * Which instances of a daemon a question goes to, and how one answer is made
 * of several.
 */
#ifndef PS_GATEWAY_SPREAD_H
#define PS_GATEWAY_SPREAD_H

#include "common/bus.h"

struct ps_peers;

enum ps_spread {
    PS_SPREAD_ONE, /* the one active instance */
    PS_SPREAD_ANY, /* one that is ready: changes by their key, reads in turn */
    PS_SPREAD_FIRST, /* all that are ready: the answer of who has it */
    PS_SPREAD_MERGE, /* all that are ready: their lists become one */
};

/*
 * As ps_client_call(), to the instances of a service. -ENOTCONN: none can be
 * asked. FIRST fails with 404 only if every instance that is known said so;
 * MERGE names in the list those that did not answer.
 */
int ps_spread_call(struct ps_peers *peers, enum ps_spread how,
                   const char *service, const struct ps_ask *ask,
                   ps_reply_fn fn, void *arg);

#endif
