/* SPDX-License-Identifier: MIT */
#include "common/store_internal.h"

int ps_store_errno(int sqlite_rc)
{
    static const struct {
        int rc, err;
    } codes[] = {
        {SQLITE_OK, 0},
        {SQLITE_ROW, 0},
        {SQLITE_DONE, 0},
        {SQLITE_FULL, -ENOSPC},
        {SQLITE_NOMEM, -ENOMEM},
        {SQLITE_BUSY, -EBUSY},
        {SQLITE_LOCKED, -EBUSY},
        {SQLITE_CORRUPT, -EBADMSG},
        {SQLITE_NOTADB, -EBADMSG},
        {SQLITE_READONLY, -EROFS},
        {SQLITE_PERM, -EACCES},
        {SQLITE_AUTH, -EACCES},
        {SQLITE_CONSTRAINT, -EEXIST},
        {SQLITE_TOOBIG, -E2BIG},
        {SQLITE_INTERRUPT, -EINTR},
        {SQLITE_ERROR, -EINVAL},
        {SQLITE_MISUSE, -EINVAL},
        {SQLITE_RANGE, -EINVAL},
        {SQLITE_MISMATCH, -EINVAL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
        if (codes[i].rc == (sqlite_rc & 0xff))
            return codes[i].err;
    return -EIO;
}

sqlite3 *ps_store_db(struct ps_store *store)
{
    return store->db;
}

sqlite3_stmt *ps_store_stmt(struct ps_store *store, const char *sql)
{
    sqlite3_stmt *stmt = NULL;

    for (size_t i = 0; i < store->n_statements; i++) {
        stmt = store->statements[i].stmt;
        if (strcmp(store->statements[i].sql, sql) != 0)
            continue;
        sqlite3_reset(stmt);
        sqlite3_clear_bindings(stmt);
        return stmt;
    }
    if (store->n_statements == PS_STORE_MAX_STATEMENTS)
        return NULL;
    if (sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt,
                           NULL) != SQLITE_OK)
        return NULL;
    store->statements[store->n_statements].sql = sql;
    store->statements[store->n_statements].stmt = stmt;
    store->n_statements++;
    return stmt;
}

int ps_store_exec(struct ps_store *store, const char *sql)
{
    return ps_store_errno(sqlite3_exec(store->db, sql, NULL, NULL, NULL));
}

int ps_store_run(sqlite3_stmt *stmt)
{
    int r;

    if (!stmt)
        return -EIO;
    r = ps_store_errno(sqlite3_step(stmt));
    sqlite3_reset(stmt);
    return r;
}

int ps_store_begin(struct ps_store *store)
{
    return ps_store_exec(store, "BEGIN IMMEDIATE");
}

int ps_store_commit(struct ps_store *store)
{
    return ps_store_exec(store, "COMMIT");
}

void ps_store_rollback(struct ps_store *store)
{
    /* A full file or an I/O error may have rolled back already. */
    if (!sqlite3_get_autocommit(store->db))
        (void)ps_store_exec(store, "ROLLBACK");
}

int ps_store_end(struct ps_store *store, int r)
{
    if (r == 0)
        r = ps_store_commit(store);
    if (r < 0)
        ps_store_rollback(store);
    return r;
}

int ps_store_query_number(struct ps_store *store, const char *sql,
                          int64_t *ret_value)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *ret_value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? -ENODATA : ps_store_errno(rc);
}

int ps_store_used_bytes(struct ps_store *store, uint64_t *ret_bytes)
{
    static const char *const queries[] = {
        "PRAGMA page_count",
        "PRAGMA freelist_count",
        "PRAGMA page_size",
    };
    int64_t values[ARRAY_SIZE(queries)] = {0};

    for (size_t i = 0; i < ARRAY_SIZE(queries); i++) {
        int r = ps_store_query_number(store, queries[i], &values[i]);

        if (r < 0)
            return r;
    }
    *ret_bytes = (uint64_t)((values[0] - values[1]) * values[2]);
    return 0;
}

void ps_store_free(struct ps_store **store)
{
    struct ps_store *s = *store;

    if (!s)
        return;
    for (size_t i = 0; i < s->n_statements; i++)
        sqlite3_finalize(s->statements[i].stmt);
    /* The daemon's own statements, if any are left, keep it until they go. */
    sqlite3_close_v2(s->db);
    free(s);
    *store = NULL;
}
