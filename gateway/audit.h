/* SPDX-License-Identifier: MIT */
/*
 * What the gateway itself records: tokens, logins, and what it refuses before
 * a daemon is asked. States must hold no secret.
 */
#ifndef PS_GATEWAY_AUDIT_H
#define PS_GATEWAY_AUDIT_H

#include "gateway/gateway.h"

/*
 * Names a change of the gateway's own ("gateway.create_token") before it is
 * done. False: it cannot be recorded, the request was answered so, and
 * nothing may be changed. target may be NULL.
 */
bool ps_gateway_audit_begin(struct ps_gateway *gateway,
                            struct ps_http_request *req, const char *action,
                            const char *target, uint64_t *ret_seq);
/* What came of it; see struct ps_audit_end. Messages may be NULL. */
int ps_gateway_audit_end(struct ps_gateway *gateway, uint64_t seq,
                         const struct ps_audit_end *end);
/* Something that was done and needs no permission of the log, as a login: a
 * full disk shall not keep an administrator out. A failure is counted. */
void ps_gateway_audit_note(struct ps_gateway *gateway,
                           const struct ps_http_request *req,
                           const char *action, const char *target);
/*
 * Something that was refused before anything was begun: a wrong token, a role
 * that is too low for a change. Never fails the request. error: the problem's
 * id. Bounded (audit_limit.h); what is
 * beyond that is counted (loss "audit_flood").
 */
void ps_gateway_audit_refused(struct ps_gateway *gateway,
                              const struct ps_http_request *req,
                              const char *action, uint32_t status,
                              const char *error);

/* A role that is too low for this route (may be NULL), if it changes
 * something: the action is that of the daemon, or "gateway.create_token". */
void ps_gateway_audit_role(struct ps_gateway *gateway,
                           const struct ps_http_request *req,
                           const struct ps_route *route);

/* Gives the own entries to the event streams. */
void ps_gateway_audit_start(struct ps_gateway *gateway);

#endif
