/* SPDX-License-Identifier: MIT */
/*
 * Who asks: a bearer token, or the cookie that a login made of one. All are
 * known by their SHA-256 alone.
 */
#ifndef PS_GATEWAY_AUTH_H
#define PS_GATEWAY_AUTH_H

#include "gateway/head.h"
#include "gateway/identity.h"
#include "gateway/vault.h"

/* The name and the id of the token in the file admin.token. */
#define PS_AUTH_ADMIN  "admin"
#define PS_AUTH_COOKIE "packetscope_session"

struct ps_auth;

/* Reads DIR/admin.token, or makes it; see token_file.h. */
int ps_auth_open(const char *dir, struct ps_auth **ret_auth, char **ret_error);
/* Opens DIR/gateway.db; see ps_vault_open(). Before anything else is asked. */
int ps_auth_start(struct ps_auth *auth, uint64_t idle_ns, uint64_t session_ns,
                  char **ret_error);
void ps_auth_free(struct ps_auth **auth);

/*
 * Several times a second: takes over what was changed by other gateways and
 * in the file. ret_error (owned by the caller, NULL: none): why the file no
 * longer counts, once.
 */
void ps_auth_tick(struct ps_auth *auth, char **ret_error);

enum ps_auth_result {
    PS_AUTH_NOBODY, /* nothing was said */
    PS_AUTH_KNOWN,
    PS_AUTH_WRONG_TOKEN,
    PS_AUTH_WRONG_COOKIE, /* or one that has ended */
};

/*
 * What a request says of itself, unchecked: a header Authorization counts
 * before a cookie, and either given twice is wrong.
 */
struct ps_credential {
    enum ps_access by;
    bool given, malformed;
    uint8_t hash[PS_SECRET_HASH];
};
void ps_auth_read(const struct ps_head *head,
                  struct ps_credential *ret_credential);

enum ps_auth_result ps_auth_find(const struct ps_auth *auth,
                                 const struct ps_credential *credential,
                                 uint64_t now_ns,
                                 struct ps_identity *ret_identity);
/* Whether it still holds: nothing expired and nothing was revoked. */
bool ps_auth_holds(const struct ps_auth *auth,
                   const struct ps_identity *identity, uint64_t now_ns);
/* Notes a use, for "last used" and against idle ends. */
void ps_auth_used(struct ps_auth *auth, const struct ps_identity *identity,
                  uint64_t now_ns);

/* ---- logins ------------------------------------------------------------- */

/* The token itself, as a login sends it. */
enum ps_auth_result ps_auth_token(const struct ps_auth *auth, const char *token,
                                  uint64_t now_ns,
                                  struct ps_identity *ret_identity);
/* A new session of a token that was found; cookie has PS_SECRET_TEXT bytes.
 * who then is the session's. */
int ps_auth_login(struct ps_auth *auth, struct ps_identity *who,
                  uint64_t now_ns, char *cookie);
/* Ends the session of the cookie, whoever sends it; 0 where there is none. */
int ps_auth_logout(struct ps_auth *auth, const struct ps_head *head);

/* ---- tokens ------------------------------------------------------------- */

/* For lists and changes of tokens. */
struct ps_vault *ps_auth_vault(struct ps_auth *auth);
/* The token of admin.token as a row; false: the file does not count now. */
bool ps_auth_file_token(const struct ps_auth *auth,
                        struct ps_vault_token *ret_token);

#endif
