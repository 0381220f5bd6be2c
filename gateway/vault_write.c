/* SPDX-License-Identifier: MIT */
/* Writing: each change is one transaction, then the rows are read again. */
#include "gateway/vault_internal.h"

struct value {
    enum { TEXT, HASH, NUMBER } kind;
    const void *bytes;
    uint64_t number;
};

#define V_TEXT(s)   {.kind = TEXT, .bytes = (s)}
#define V_HASH(h)   {.kind = HASH, .bytes = (h)}
#define V_NUMBER(n) {.kind = NUMBER, .number = (uint64_t)(n)}

static int run(struct ps_vault *vault, const char *sql,
               const struct value *values, size_t n)
{
    sqlite3_stmt *stmt = ps_store_stmt(vault->store, sql);

    if (!stmt)
        return -EIO;
    for (size_t i = 0; i < n; i++) {
        const struct value *v = &values[i];

        if (v->kind == TEXT)
            sqlite3_bind_text(stmt, (int)i + 1, v->bytes, -1, SQLITE_STATIC);
        else if (v->kind == HASH)
            sqlite3_bind_blob(stmt, (int)i + 1, v->bytes, PS_SECRET_HASH,
                              SQLITE_STATIC);
        else
            sqlite3_bind_int64(stmt, (int)i + 1, (sqlite3_int64)v->number);
    }
    return ps_store_run(stmt);
}

#define RUN(vault, sql, ...)                             \
    run(vault, sql, (const struct value[]){__VA_ARGS__}, \
        sizeof((const struct value[]){__VA_ARGS__}) / sizeof(struct value))

static int count(struct ps_vault *vault, const char *sql, uint64_t *ret_n)
{
    sqlite3_stmt *stmt = ps_store_stmt(vault->store, sql);
    int rc;

    if (!stmt)
        return -EIO;
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *ret_n = (uint64_t)sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return rc == SQLITE_ROW ? 0 : ps_store_errno(rc);
}

/* Ends the transaction; memory then says what the file says. */
static int end(struct ps_vault *vault, int r)
{
    int loaded;

    r = ps_store_end(vault->store, r);
    loaded = ps_vault_load(vault);
    return r < 0 ? r : loaded;
}

/* ---- tokens ------------------------------------------------------------- */

static int make_room(struct ps_vault *vault, uint64_t now_ns)
{
    uint64_t n = 0;
    int r = count(vault, "SELECT count(*) FROM tokens", &n);

    if (r < 0 || n < PS_VAULT_MAX_TOKENS)
        return r;
    r = RUN(vault, "DELETE FROM tokens WHERE expires > 0 AND expires <= ?",
            V_NUMBER(now_ns));
    if (r == 0)
        r = count(vault, "SELECT count(*) FROM tokens", &n);
    return r == 0 && n >= PS_VAULT_MAX_TOKENS ? -EDQUOT : r;
}

int ps_vault_token_add(struct ps_vault *vault, struct ps_vault_token *token)
{
    int r = ps_secret_make_id(8, token->id);

    if (r == 0)
        r = ps_store_begin(vault->store);
    if (r < 0)
        return r;
    r = make_room(vault, token->created_ns);
    if (r == 0)
        r = RUN(vault, "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                V_TEXT(token->id), V_TEXT(token->name), V_HASH(token->hash),
                V_NUMBER(token->role), V_NUMBER(token->payload),
                V_NUMBER(token->created_ns), V_NUMBER(token->expires_ns),
                V_TEXT(token->created_by));
    return end(vault, r);
}

int ps_vault_token_remove(struct ps_vault *vault, const char *id)
{
    int r = ps_store_begin(vault->store);
    int changes;

    if (r < 0)
        return r;
    r = RUN(vault,
            "DELETE FROM sessions WHERE token ="
            " (SELECT hash FROM tokens WHERE id = ?)",
            V_TEXT(id));
    if (r == 0)
        r = RUN(vault,
                "DELETE FROM uses WHERE hash ="
                " (SELECT hash FROM tokens WHERE id = ?)",
                V_TEXT(id));
    if (r == 0)
        r = RUN(vault, "DELETE FROM tokens WHERE id = ?", V_TEXT(id));
    changes = sqlite3_changes(ps_store_db(vault->store));
    if (r == 0 && changes == 0)
        r = -ENOENT;
    return end(vault, r);
}

void ps_vault_token_used(struct ps_vault *vault, const uint8_t *hash,
                         uint64_t now_ns)
{
    struct ps_vault_use *use = NULL;

    for (size_t i = 0; i < vault->n_uses && !use; i++)
        if (ps_secret_equal(vault->uses[i].hash, hash))
            use = &vault->uses[i];
    if (!use) {
        /* Full of those of former tokens: the next load forgets them. */
        if (vault->n_uses == PS_VAULT_MAX_USES)
            return;
        use = &vault->uses[vault->n_uses++];
        *use = (struct ps_vault_use){0};
        memcpy(use->hash, hash, PS_SECRET_HASH);
    }
    if (now_ns < use->at_ns + PS_VAULT_USE_GRAIN_NS)
        return;
    use->at_ns = now_ns;
    use->dirty = true;
}

/* ---- sessions ----------------------------------------------------------- */

static int remove_ended(struct ps_vault *vault, uint64_t now_ns)
{
    uint64_t idle_since = now_ns > vault->idle_ns ? now_ns - vault->idle_ns : 0;

    return RUN(vault, "DELETE FROM sessions WHERE expires <= ? OR seen < ?",
               V_NUMBER(now_ns), V_NUMBER(idle_since));
}

int ps_vault_session_add(struct ps_vault *vault, const uint8_t *hash,
                         const uint8_t *token, uint64_t until_ns,
                         uint64_t now_ns)
{
    uint64_t expires_ns = now_ns + vault->session_ns;
    int r;

    if (until_ns && until_ns < expires_ns)
        expires_ns = until_ns;
    /* First: the one that was idle longest must go. */
    (void)ps_vault_flush(vault);
    r = ps_store_begin(vault->store);
    if (r < 0)
        return r;
    r = remove_ended(vault, now_ns);
    if (r == 0)
        r = RUN(vault,
                "DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions"
                " WHERE token = ? ORDER BY seen DESC LIMIT -1 OFFSET ?)",
                V_HASH(token), V_NUMBER(PS_VAULT_TOKEN_SESSIONS - 1));
    if (r == 0)
        r = RUN(vault, "INSERT INTO sessions VALUES (?, ?, ?, ?)", V_HASH(hash),
                V_HASH(token), V_NUMBER(expires_ns), V_NUMBER(now_ns));
    /* The file's token leaves sessions behind when it is replaced. */
    if (r == 0)
        r = RUN(vault,
                "DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions"
                " ORDER BY seen DESC LIMIT -1 OFFSET ?)",
                V_NUMBER(PS_VAULT_MAX_SESSIONS));
    return end(vault, r);
}

int ps_vault_session_remove(struct ps_vault *vault, const uint8_t *hash)
{
    int r;

    if (!ps_vault_session_slot(vault, hash))
        return 0;
    r = ps_store_begin(vault->store);
    if (r < 0)
        return r;
    r = RUN(vault, "DELETE FROM sessions WHERE hash = ?", V_HASH(hash));
    return end(vault, r);
}

void ps_vault_session_used(struct ps_vault *vault, const uint8_t *hash,
                           uint64_t now_ns)
{
    struct ps_vault_session *session = ps_vault_session_slot(vault, hash);

    if (!session || now_ns < session->seen_ns + vault->grain_ns)
        return;
    session->seen_ns = now_ns;
    session->dirty = true;
}

/* ---- uses --------------------------------------------------------------- */

static int flush_uses(struct ps_vault *vault)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < vault->n_uses; i++)
        if (vault->uses[i].dirty)
            r = RUN(vault,
                    "INSERT INTO uses VALUES (?1, ?2) ON CONFLICT (hash)"
                    " DO UPDATE SET at = max(at, excluded.at)",
                    V_HASH(vault->uses[i].hash),
                    V_NUMBER(vault->uses[i].at_ns));
    /* What admin.token was before has no row that says so: the oldest go. */
    if (r == 0)
        r = RUN(vault,
                "DELETE FROM uses WHERE hash IN (SELECT hash FROM uses"
                " ORDER BY at DESC LIMIT -1 OFFSET ?)",
                V_NUMBER(PS_VAULT_MAX_USES));
    return r;
}

static int flush_sessions(struct ps_vault *vault)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < vault->n_sessions; i++)
        if (vault->sessions[i].dirty)
            r = RUN(vault,
                    "UPDATE sessions SET seen = max(seen, ?1) WHERE hash = ?2",
                    V_NUMBER(vault->sessions[i].seen_ns),
                    V_HASH(vault->sessions[i].hash));
    return r;
}

int ps_vault_flush(struct ps_vault *vault)
{
    bool dirty = false;
    int r;

    for (size_t i = 0; !dirty && i < vault->n_uses; i++)
        dirty = vault->uses[i].dirty;
    for (size_t i = 0; !dirty && i < vault->n_sessions; i++)
        dirty = vault->sessions[i].dirty;
    if (!dirty)
        return 0;
    sqlite3_busy_timeout(ps_store_db(vault->store), 0);
    r = ps_store_begin(vault->store);
    sqlite3_busy_timeout(ps_store_db(vault->store), PS_VAULT_BUSY_MS);
    if (r < 0)
        return r;
    r = flush_uses(vault);
    if (r == 0)
        r = flush_sessions(vault);
    r = ps_store_end(vault->store, r);
    if (r < 0)
        return r;
    for (size_t i = 0; i < vault->n_uses; i++)
        vault->uses[i].dirty = false;
    for (size_t i = 0; i < vault->n_sessions; i++)
        vault->sessions[i].dirty = false;
    return 0;
}
