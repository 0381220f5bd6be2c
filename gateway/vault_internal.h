/* SPDX-License-Identifier: MIT */
/* What vault.c (reading) and vault_write.c share. */
#ifndef PS_GATEWAY_VAULT_INTERNAL_H
#define PS_GATEWAY_VAULT_INTERNAL_H

#include "common/store.h"
#include "gateway/vault.h"

/* A token's use is written at most this often. */
#define PS_VAULT_USE_GRAIN_NS (60 * PS_NS_PER_S)
/* A replica that was stopped in the middle of a change must not stop us. */
#define PS_VAULT_BUSY_MS 100
/* Uses of tokens: of those that are, and of admin.token. */
#define PS_VAULT_MAX_USES (PS_VAULT_MAX_TOKENS + 1)

struct ps_vault_use {
    uint8_t hash[PS_SECRET_HASH];
    uint64_t at_ns;
    bool dirty;
};

struct ps_vault {
    struct ps_store *store;
    uint64_t idle_ns, session_ns, grain_ns;
    int64_t version; /* PRAGMA data_version when it was read */
    struct ps_vault_token tokens[PS_VAULT_MAX_TOKENS];
    size_t n_tokens;
    struct ps_vault_use uses[PS_VAULT_MAX_USES];
    size_t n_uses;
    struct ps_vault_session sessions[PS_VAULT_MAX_SESSIONS]; /* by hash */
    size_t n_sessions;
};

/* Reads all rows again; what was noted and not yet written stays. */
int ps_vault_load(struct ps_vault *vault);
struct ps_vault_session *ps_vault_session_slot(struct ps_vault *vault,
                                               const uint8_t *hash);
/* Writes what is noted as used; not now where another gateway writes. */
int ps_vault_flush(struct ps_vault *vault);

#endif
