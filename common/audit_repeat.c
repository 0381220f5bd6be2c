/* SPDX-License-Identifier: MIT */
/* Changes by their keys: one that comes again after a kill -9 is not made
 * twice. Rows are written with the entries that they belong to. */
#include "common/audit_internal.h"

/* What is too old (or, by a clock that was set, from the future), and what is
 * more than is kept. */
static int forget(struct ps_audit *audit, uint64_t now_ns)
{
    sqlite3_stmt *stmt = ps_store_stmt(
        audit->store,
        "DELETE FROM repeat WHERE time_ns NOT BETWEEN ?1 AND ?2 OR seq NOT IN"
        " (SELECT seq FROM repeat ORDER BY seq DESC LIMIT ?3)");

    if (!stmt)
        return -EIO;
    sqlite3_bind_int64(stmt, 1, (int64_t)(now_ns - PS_AUDIT_REPEAT_NS));
    sqlite3_bind_int64(stmt, 2, (int64_t)(now_ns + PS_AUDIT_REPEAT_NS));
    sqlite3_bind_int(stmt, 3, PS_AUDIT_REPEATS - 1);
    return ps_store_run(stmt);
}

int ps_audit_repeat_begin(struct ps_audit *audit,
                          const struct ps_audit_start *start, uint64_t seq)
{
    sqlite3_stmt *stmt;
    int r = forget(audit, start->time_ns);

    if (r < 0)
        return r;
    stmt = ps_store_stmt(audit->store,
                         "INSERT INTO repeat (seq, time_ns, key, hash, done)"
                         " VALUES (?, ?, ?, ?, 0)");
    if (!stmt)
        return -EIO;
    sqlite3_bind_int64(stmt, 1, (int64_t)seq);
    sqlite3_bind_int64(stmt, 2, (int64_t)start->time_ns);
    sqlite3_bind_text(stmt, 3, start->key, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 4, (int64_t)start->request_hash);
    return ps_store_run(stmt);
}

/* Nothing was changed: whoever asks again is looked at anew. */
static int drop(struct ps_audit *audit, uint64_t seq)
{
    sqlite3_stmt *stmt =
        ps_store_stmt(audit->store, "DELETE FROM repeat WHERE seq = ?");

    if (!stmt)
        return -EIO;
    sqlite3_bind_int64(stmt, 1, (int64_t)seq);
    return ps_store_run(stmt);
}

int ps_audit_repeat_end(struct ps_audit *audit, uint64_t seq,
                        const struct ps_audit_end *end)
{
    _cleanup_free_ uint8_t *body = NULL;
    sqlite3_stmt *stmt;
    size_t len = 0;

    if (end->status)
        return drop(audit, seq);
    if (end->after)
        len = protobuf_c_message_get_packed_size(end->after);
    stmt = ps_store_stmt(
        audit->store,
        "UPDATE repeat SET done = 1, type = ?2, body = ?3 WHERE seq = ?1");
    if (!stmt)
        return -EIO;
    sqlite3_bind_int64(stmt, 1, (int64_t)seq);
    if (end->after && len <= PS_AUDIT_REPEAT_BYTES) {
        body = malloc(len + 1);
        if (!body)
            return -ENOMEM;
        protobuf_c_message_pack(end->after, body);
        sqlite3_bind_text(stmt, 2, end->after->descriptor->name, -1,
                          SQLITE_STATIC);
        sqlite3_bind_blob64(stmt, 3, body, len, SQLITE_STATIC);
    }
    return ps_store_run(stmt);
}

/* False: the file is somebody else's work. */
static bool take(sqlite3_stmt *stmt, struct ps_audit_repeat *ret_repeat)
{
    const char *key = (const char *)sqlite3_column_text(stmt, 0);
    const char *type = (const char *)sqlite3_column_text(stmt, 3);
    const void *body = sqlite3_column_blob(stmt, 4);
    size_t len = (size_t)sqlite3_column_bytes(stmt, 4);

    if (!key || !*key || strlen(key) > PS_AUDIT_MAX_TEXT ||
        len > PS_AUDIT_REPEAT_BYTES || (type && !*type))
        return false;
    *ret_repeat = (struct ps_audit_repeat){
        .key = key,
        .request_hash = (uint64_t)sqlite3_column_int64(stmt, 1),
        .done = sqlite3_column_int(stmt, 2) == 1,
        .type = type,
        .body = body,
        .len = len,
    };
    return true;
}

int ps_audit_repeats(struct ps_audit *audit, uint64_t now_ns,
                     void (*fn)(void *arg,
                                const struct ps_audit_repeat *repeat),
                     void *arg)
{
    struct ps_audit_repeat repeat;
    sqlite3_stmt *stmt;
    int rc, r = forget(audit, now_ns);

    if (r < 0)
        return r;
    stmt = ps_store_stmt(audit->store,
                         "SELECT key, hash, done, type, body FROM repeat"
                         " ORDER BY seq LIMIT ?");
    if (!stmt)
        return -EIO;
    sqlite3_bind_int(stmt, 1, PS_AUDIT_REPEATS);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
        if (take(stmt, &repeat))
            fn(arg, &repeat);
    sqlite3_reset(stmt);
    return ps_store_errno(rc);
}
