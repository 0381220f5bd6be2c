/* SPDX-License-Identifier: MIT */
/*
 * Who asks: bearer tokens, of which only SHA-256 is kept in memory.
 */
#ifndef PS_GATEWAY_AUTH_H
#define PS_GATEWAY_AUTH_H

#include "common/util.h"
#include "gateway/identity.h"

#define PS_AUTH_HASH       32
#define PS_AUTH_MIN_TOKEN  32
#define PS_AUTH_MAX_TOKEN  128
#define PS_AUTH_MAX_WRONG  20 /* for a client, in a minute */
#define PS_AUTH_MAX_TOKENS 16

struct ps_auth;

/*
 * Reads DIR/admin.token, or makes it (0600, 256 random bits): whole and on
 * disk before it counts. A file that is not ours alone or holds no token is
 * an error with a sentence in ret_error, owned by the caller.
 */
int ps_auth_open(const char *dir, struct ps_auth **ret_auth, char **ret_error);
void ps_auth_free(struct ps_auth **auth);
/* One more token. -EINVAL: its length; -ENOSPC. For tests and later files. */
int ps_auth_add(struct ps_auth *auth, const char *name, enum ps_role role,
                const char *token);

/*
 * Identity of the value of an Authorization header, or NULL. Takes the same
 * time for every wrong token of a length. Counts nothing.
 */
const struct ps_identity *ps_auth_find(const struct ps_auth *auth,
                                       const char *header);
/*
 * Notes a wrong token of this client; true when it tried too often, in which
 * case it gets 429 until the minute is over. A right token always passes.
 */
bool ps_auth_wrong(struct ps_auth *auth, const char *client, uint64_t now_ns);

/* ---- who may be asked for ----------------------------------------------- */

/*
 * Whether the Host of a request names us: for a socket bound to loopback only
 * its own names, which keeps other sites' pages out (DNS rebinding). bound is
 * "127.0.0.1:8080"; allowed are host names without port.
 */
bool ps_auth_host_ok(const char *host, const char *bound, bool loopback,
                     char *const *allowed, size_t n_allowed);

#endif
