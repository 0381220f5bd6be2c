/* SPDX-License-Identifier: MIT */
/* Reading: from the file into memory, and from memory. */
#include "gateway/vault_internal.h"

/* 128 KiB are in use when all is full; a log of 4 MiB stands beside it. */
#define MAX_BYTES  (16u << 20)
#define OPEN_TRIES 10

static const char *const migrations[] = {
    "CREATE TABLE tokens ("
    " id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    " hash BLOB NOT NULL UNIQUE, role INTEGER NOT NULL,"
    " payload INTEGER NOT NULL, created INTEGER NOT NULL,"
    " expires INTEGER NOT NULL, created_by TEXT NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE uses ("
    " hash BLOB PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE sessions ("
    " hash BLOB PRIMARY KEY, token BLOB NOT NULL,"
    " expires INTEGER NOT NULL, seen INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX sessions_token ON sessions (token, seen);",
    NULL,
};

/* ---- rows: the file is input too ---------------------------------------- */

static bool take_hash(sqlite3_stmt *stmt, int column, uint8_t *hash)
{
    const void *blob = sqlite3_column_blob(stmt, column);

    if (!blob || sqlite3_column_bytes(stmt, column) != PS_SECRET_HASH)
        return false;
    memcpy(hash, blob, PS_SECRET_HASH);
    return true;
}

static bool take_text(sqlite3_stmt *stmt, int column, char *text, size_t size)
{
    const char *value = (const char *)sqlite3_column_text(stmt, column);

    return value && snprintf(text, size, "%s", value) < (int)size;
}

static bool take_time(sqlite3_stmt *stmt, int column, uint64_t *ret_ns)
{
    sqlite3_int64 value = sqlite3_column_int64(stmt, column);

    *ret_ns = (uint64_t)value;
    return value >= 0;
}

static void take_token(struct ps_vault *vault, sqlite3_stmt *stmt)
{
    struct ps_vault_token *token = &vault->tokens[vault->n_tokens];
    int role = sqlite3_column_int(stmt, 3);

    if (!take_text(stmt, 0, token->id, sizeof(token->id)) ||
        !take_text(stmt, 1, token->name, sizeof(token->name)) ||
        !take_hash(stmt, 2, token->hash) || role < PS_ROLE_VIEWER ||
        role > PS_ROLE_ADMIN || !take_time(stmt, 5, &token->created_ns) ||
        !take_time(stmt, 6, &token->expires_ns) ||
        !take_text(stmt, 7, token->created_by, sizeof(token->created_by)))
        return;
    token->role = (enum ps_role)role;
    token->payload = sqlite3_column_int(stmt, 4) == 1;
    vault->n_tokens++;
}

static void take_use(struct ps_vault *vault, sqlite3_stmt *stmt)
{
    uint8_t hash[PS_SECRET_HASH];
    uint64_t at_ns;
    struct ps_vault_use *use;

    if (!take_hash(stmt, 0, hash) || !take_time(stmt, 1, &at_ns))
        return;
    for (size_t i = 0; i < vault->n_uses; i++)
        if (ps_secret_equal(vault->uses[i].hash, hash)) {
            if (vault->uses[i].at_ns < at_ns)
                vault->uses[i].at_ns = at_ns;
            return;
        }
    if (vault->n_uses == PS_VAULT_MAX_USES)
        return;
    use = &vault->uses[vault->n_uses++];
    *use = (struct ps_vault_use){.at_ns = at_ns};
    memcpy(use->hash, hash, sizeof(hash));
}

static void take_session(struct ps_vault *vault, sqlite3_stmt *stmt)
{
    struct ps_vault_session *session = &vault->sessions[vault->n_sessions];

    if (!take_hash(stmt, 0, session->hash) ||
        !take_hash(stmt, 1, session->token) ||
        !take_time(stmt, 2, &session->expires_ns) ||
        !take_time(stmt, 3, &session->seen_ns))
        return;
    session->dirty = false;
    vault->n_sessions++;
}

static int load_rows(struct ps_vault *vault, const char *sql, int max,
                     void (*take)(struct ps_vault *vault, sqlite3_stmt *stmt))
{
    sqlite3_stmt *stmt = ps_store_stmt(vault->store, sql);
    int rc;

    if (!stmt)
        return -EIO;
    sqlite3_bind_int(stmt, 1, max);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
        take(vault, stmt);
    sqlite3_reset(stmt);
    return ps_store_errno(rc);
}

static int data_version(struct ps_vault *vault, int64_t *ret_version)
{
    sqlite3_stmt *stmt = ps_store_stmt(vault->store, "PRAGMA data_version");
    int rc;

    if (!stmt)
        return -EIO;
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *ret_version = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return rc == SQLITE_ROW ? 0 : ps_store_errno(rc);
}

/* Uses of tokens that are no more make room. */
static void forget_uses(struct ps_vault *vault)
{
    size_t kept = 0;

    for (size_t i = 0; i < vault->n_uses; i++)
        if (vault->uses[i].dirty)
            vault->uses[kept++] = vault->uses[i];
    vault->n_uses = kept;
}

int ps_vault_load(struct ps_vault *vault)
{
    int64_t version = 0;
    int r;

    /* What cannot be written now is lost: when something was last used. */
    (void)ps_vault_flush(vault);
    /* Before the rows: a change between is then seen as one. */
    r = data_version(vault, &version);
    if (r < 0)
        return r;
    vault->n_tokens = vault->n_sessions = 0;
    forget_uses(vault);
    r = load_rows(vault,
                  "SELECT id, name, hash, role, payload, created, expires,"
                  " created_by FROM tokens ORDER BY name LIMIT ?",
                  PS_VAULT_MAX_TOKENS, take_token);
    if (r == 0)
        r = load_rows(vault,
                      "SELECT hash, at FROM uses ORDER BY at DESC LIMIT ?",
                      PS_VAULT_MAX_USES, take_use);
    if (r == 0)
        r = load_rows(vault,
                      "SELECT hash, token, expires, seen FROM sessions"
                      " ORDER BY hash LIMIT ?",
                      PS_VAULT_MAX_SESSIONS, take_session);
    /* Half of it is none: what cannot be read does not hold. */
    if (r < 0)
        vault->n_tokens = vault->n_sessions = 0;
    vault->version = r < 0 ? -1 : version;
    return r;
}

bool ps_vault_tick(struct ps_vault *vault)
{
    int64_t version = 0;

    (void)ps_vault_flush(vault);
    if (data_version(vault, &version) < 0 || version == vault->version)
        return false;
    (void)ps_vault_load(vault);
    return true;
}

/* ---- life --------------------------------------------------------------- */

/* Two gateways that start at once may be in each other's way: SQLite does not
 * wait while one of them turns the log on. */
static int open_store(struct ps_vault *vault, const char *dir, char **ret_error)
{
    const struct timespec soon = {.tv_nsec = 100 * (long)PS_NS_PER_MS};
    int r;

    for (int i = 0;; i++) {
        r = ps_store_open(dir, "gateway", migrations, MAX_BYTES, &vault->store,
                          ret_error);
        if (r != -EBUSY || i == OPEN_TRIES)
            return r;
        free(*ret_error);
        *ret_error = NULL;
        nanosleep(&soon, NULL);
    }
}

int ps_vault_open(const char *dir, uint64_t idle_ns, uint64_t session_ns,
                  struct ps_vault **ret_vault, char **ret_error)
{
    _cleanup_(ps_vault_free) struct ps_vault *vault = calloc(1, sizeof(*vault));
    int r;

    if (!vault)
        return -ENOMEM;
    vault->idle_ns = idle_ns;
    vault->session_ns = session_ns;
    vault->grain_ns = idle_ns / 4 < PS_VAULT_USE_GRAIN_NS
                          ? idle_ns / 4
                          : PS_VAULT_USE_GRAIN_NS;
    r = open_store(vault, dir, ret_error);
    if (r == 0)
        sqlite3_busy_timeout(ps_store_db(vault->store), PS_VAULT_BUSY_MS);
    if (r == 0)
        r = ps_vault_load(vault);
    if (r < 0)
        return r;
    *ret_vault = TAKE_PTR(vault);
    return 0;
}

void ps_vault_free(struct ps_vault **vault)
{
    if (!*vault)
        return;
    if ((*vault)->store)
        (void)ps_vault_flush(*vault);
    ps_store_free(&(*vault)->store);
    free(*vault);
    *vault = NULL;
}

/* ---- from memory -------------------------------------------------------- */

const struct ps_vault_token *ps_vault_tokens(const struct ps_vault *vault,
                                             size_t *ret_n)
{
    *ret_n = vault->n_tokens;
    return vault->tokens;
}

const struct ps_vault_token *ps_vault_token_find(const struct ps_vault *vault,
                                                 const uint8_t *hash,
                                                 uint64_t now_ns)
{
    const struct ps_vault_token *found = NULL;

    for (size_t i = 0; i < vault->n_tokens; i++)
        if (ps_secret_equal(vault->tokens[i].hash, hash))
            found = &vault->tokens[i];
    if (found && found->expires_ns && found->expires_ns <= now_ns)
        return NULL;
    return found;
}

uint64_t ps_vault_token_last_used(const struct ps_vault *vault,
                                  const uint8_t *hash)
{
    for (size_t i = 0; i < vault->n_uses; i++)
        if (ps_secret_equal(vault->uses[i].hash, hash))
            return vault->uses[i].at_ns;
    return 0;
}

/* What is compared is the hash of what was sent: whoever measures how long it
 * takes cannot choose its bytes. */
struct ps_vault_session *ps_vault_session_slot(struct ps_vault *vault,
                                               const uint8_t *hash)
{
    size_t low = 0, high = vault->n_sessions;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = memcmp(hash, vault->sessions[middle].hash, PS_SECRET_HASH);

        if (order == 0)
            return &vault->sessions[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const struct ps_vault_session *
ps_vault_session_find(const struct ps_vault *vault, const uint8_t *hash,
                      uint64_t now_ns)
{
    const struct ps_vault_session *session =
        ps_vault_session_slot((struct ps_vault *)(uintptr_t)vault, hash);

    if (!session || session->expires_ns <= now_ns ||
        (now_ns > session->seen_ns &&
         now_ns - session->seen_ns > vault->idle_ns))
        return NULL;
    return session;
}
