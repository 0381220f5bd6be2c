/* SPDX-License-Identifier: MIT */
/*
 * Whose page a browser asks for: our own, one that may read us (CORS), or any
 * other, which may not, and may least of all use the cookie of ours.
 */
#ifndef PS_GATEWAY_ORIGIN_H
#define PS_GATEWAY_ORIGIN_H

#include "common/options.h"
#include "gateway/head.h"

/*
 * Whether the Host of a request names us: for a socket bound to loopback only
 * its own names, which keeps other sites' pages out (DNS rebinding). bound is
 * "127.0.0.1:8080"; allowed are host names without port.
 */
bool ps_origin_host_ok(const char *host, const char *bound, bool loopback,
                       char *const *allowed, size_t n_allowed);

/*
 * Whether the request may come from another site's page: what the browser
 * says (Sec-Fetch-Site, else Origin against Host) is believed, since a page
 * cannot set either. Who says nothing is a program or an old browser.
 */
bool ps_origin_foreign(const struct ps_head *head);
/*
 * Whether a form of any page could send this, without a browser asking us
 * before: so of a request that changes something it must be false, also where
 * a browser names no origin.
 */
bool ps_origin_simple(const struct ps_head *head);
/* Whether the browser's page came by TLS, to us or to a proxy before us. */
bool ps_origin_secure(const struct ps_head *head);

/* ---- CORS --------------------------------------------------------------- */

#define PS_ORIGINS_MAX 32

struct ps_origins;

/*
 * Of the option cors-origins: "https://a.example", "http://b.example:8080",
 * or "*" alone. An empty list lets nobody in. Cookies are never let along:
 * such pages send a token of their own. -EINVAL with a sentence in ret_error,
 * owned by the caller.
 */
int ps_origins_new(const struct ps_strlist *list,
                   struct ps_origins **ret_origins, char **ret_error);
void ps_origins_free(struct ps_origins **origins);
/*
 * Lines for the head of every answer to this request ("" none); borrowed
 * for the life of origins.
 */
const char *ps_origins_lines(const struct ps_origins *origins,
                             const struct ps_head *head);
/* Whether this OPTIONS is a preflight of a page that may read us. */
bool ps_origins_preflight(const struct ps_origins *origins,
                          const struct ps_head *head);

#endif
