/* SPDX-License-Identifier: MIT */
/*
 * gateway.db: tokens, and the sessions that logins made of them.
 *
 * All gateways of a host share the file. Each keeps its rows in memory, where
 * requests are answered from, and reads them again when another has changed
 * them (ps_vault_tick(), several times a second). Times are Unix nanoseconds.
 */
#ifndef PS_GATEWAY_VAULT_H
#define PS_GATEWAY_VAULT_H

#include "gateway/identity.h"
#include "gateway/secret.h"

#define PS_VAULT_MAX_TOKENS 64
/* For each token; a login beyond ends the one that was idle longest. */
#define PS_VAULT_TOKEN_SESSIONS 64
/* Those of the file admin.token too. */
#define PS_VAULT_MAX_SESSIONS \
    ((PS_VAULT_MAX_TOKENS + 1) * PS_VAULT_TOKEN_SESSIONS)

struct ps_vault;

struct ps_vault_token {
    char id[PS_TOKEN_ID_TEXT];
    char name[64];
    char created_by[64];
    uint8_t hash[PS_SECRET_HASH];
    enum ps_role role;
    bool payload;
    uint64_t created_ns;
    uint64_t expires_ns; /* 0: never */
};

struct ps_vault_session {
    uint8_t hash[PS_SECRET_HASH];
    uint8_t token[PS_SECRET_HASH]; /* its hash: a rotated one ends it */
    uint64_t expires_ns;
    uint64_t seen_ns; /* within ps_vault_open()'s grain */
    bool dirty;       /* seen_ns is newer than the file's */
};

/*
 * Opens or makes DIR/gateway.db. A session ends idle_ns after its last
 * request, and session_ns after its login. ret_error: as ps_store_open().
 */
int ps_vault_open(const char *dir, uint64_t idle_ns, uint64_t session_ns,
                  struct ps_vault **ret_vault, char **ret_error);
void ps_vault_free(struct ps_vault **vault);

/*
 * Writes what is due (when tokens and sessions were last used) and reads
 * what others changed. True: something may hold no longer.
 */
bool ps_vault_tick(struct ps_vault *vault);

/* ---- tokens ------------------------------------------------------------- */

/* Ordered by name. Borrowed until the next call that changes something. */
const struct ps_vault_token *ps_vault_tokens(const struct ps_vault *vault,
                                             size_t *ret_n);
/* By its secret's hash; NULL: there is none, or it has expired. Compares with
 * all in the same time. */
const struct ps_vault_token *ps_vault_token_find(const struct ps_vault *vault,
                                                 const uint8_t *hash,
                                                 uint64_t now_ns);
/*
 * Adds token, whose id is made here. -EEXIST: the name is taken; -EDQUOT:
 * there are PS_VAULT_MAX_TOKENS that have not expired; otherwise as
 * ps_store_errno().
 */
int ps_vault_token_add(struct ps_vault *vault, struct ps_vault_token *token);
/* Removes it and its sessions. -ENOENT: there is none. */
int ps_vault_token_remove(struct ps_vault *vault, const char *id);
/* Notes a use; written later, and at most once a minute. */
void ps_vault_token_used(struct ps_vault *vault, const uint8_t *hash,
                         uint64_t now_ns);
/* When it was last used, within a minute; 0: never. */
uint64_t ps_vault_token_last_used(const struct ps_vault *vault,
                                  const uint8_t *hash);

/* ---- sessions ----------------------------------------------------------- */

/* By the cookie's hash; NULL: none, or it has ended. Whether the token still
 * holds is the caller's to ask. */
const struct ps_vault_session *
ps_vault_session_find(const struct ps_vault *vault, const uint8_t *hash,
                      uint64_t now_ns);
/* until_ns: when the token expires, 0 never. */
int ps_vault_session_add(struct ps_vault *vault, const uint8_t *hash,
                         const uint8_t *token, uint64_t until_ns,
                         uint64_t now_ns);
/* 0 also where there was none. */
int ps_vault_session_remove(struct ps_vault *vault, const uint8_t *hash);
/* Keeps it from being idle; written later. */
void ps_vault_session_used(struct ps_vault *vault, const uint8_t *hash,
                           uint64_t now_ns);

#endif
