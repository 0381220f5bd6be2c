/* SPDX-License-Identifier: MIT */
/* Who may come in: what api.c asks before it does what a request wants. */
#ifndef PS_GATEWAY_DOORS_H
#define PS_GATEWAY_DOORS_H

#include "gateway/gateway.h"

/*
 * Whether the caller may have needed; sets req->who. False: it has been
 * answered (a wrong token late, so that guessing is slow). Nobody is asked
 * for where needed is PS_ROLE_NONE. route (may be NULL) is what is asked for:
 * a change for which the role is too low is recorded.
 */
bool ps_doors_admit(struct ps_gateway *gateway, struct ps_http_request *req,
                    enum ps_role needed, const struct ps_route *route);
/* The same without answering, counting or setting anything. */
bool ps_doors_would_admit(struct ps_gateway *gateway,
                          const struct ps_http_request *req,
                          enum ps_role needed);
/* Whether the client has not had its requests of this second; else it has
 * been answered. */
bool ps_doors_rate(struct ps_gateway *gateway, struct ps_http_request *req);

/* A wrong token, of a header or a login: counts it, answers late. */
void ps_doors_wrong_token(struct ps_gateway *gateway,
                          struct ps_http_request *req);
void ps_doors_fail_foreign(struct ps_http_request *req);
/* A change of gateway.db failed; r is of ps_store_errno(). */
void ps_doors_fail_store(struct ps_http_request *req, int r);

#endif
