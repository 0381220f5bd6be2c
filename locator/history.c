/* SPDX-License-Identifier: MIT */
#include "locator/history.h"

#include "common/unpack.h"
#include "locator/convert.h"

/* Removed at once when it is full. */
#define MAKE_ROOM "64"

struct ps_history {
    struct ps_store *store;
    uint64_t max_bytes;
    uint64_t evicted;
};

static const char *const migrations[] = {
    "CREATE TABLE paths ("
    "  id TEXT PRIMARY KEY,"
    "  target BLOB NOT NULL,"
    "  started INTEGER NOT NULL," /* Unix nanoseconds */
    "  state INTEGER NOT NULL,"
    "  body BLOB NOT NULL" /* ps.Path without places */
    ");"
    "CREATE INDEX paths_started ON paths (started, id);"
    "CREATE INDEX paths_target ON paths (target, started, id);"
    "CREATE INDEX paths_state ON paths (state);",
    NULL,
};

int ps_history_open(const char *dir, const char *name, uint64_t max_bytes,
                    struct ps_history **ret_history, char **ret_error)
{
    _cleanup_(ps_history_free) struct ps_history *history =
        calloc(1, sizeof(*history));
    int r;

    if (!history)
        return -ENOMEM;
    r = ps_store_open(dir, name, migrations, max_bytes, &history->store,
                      ret_error);
    if (r < 0)
        return r;
    history->max_bytes = max_bytes;
    *ret_history = TAKE_PTR(history);
    return 0;
}

void ps_history_free(struct ps_history **history)
{
    if (!*history)
        return;
    ps_store_free(&(*history)->store);
    free(*history);
    *history = NULL;
}

static int remove_oldest(struct ps_history *history)
{
    sqlite3_stmt *stmt = ps_store_stmt(
        history->store, "DELETE FROM paths WHERE id IN (SELECT id FROM paths"
                        " ORDER BY started, id LIMIT " MAKE_ROOM ")");
    int r = ps_store_run(stmt);

    if (r == 0)
        history->evicted +=
            (uint64_t)sqlite3_changes64(ps_store_db(history->store));
    return r;
}

uint64_t ps_history_evicted(const struct ps_history *history)
{
    return history->evicted;
}

static int make_room(struct ps_history *history)
{
    uint64_t used;
    int r;

    if (!history->max_bytes)
        return 0;
    r = ps_store_used_bytes(history->store, &used);
    if (r == 0 && used > history->max_bytes / 10 * 9)
        r = remove_oldest(history);
    return r;
}

static int insert(struct ps_history *history, const Ps__Path *path,
                  const uint8_t *body, size_t size)
{
    sqlite3_stmt *stmt = ps_store_stmt(history->store,
                                       "INSERT OR REPLACE INTO paths"
                                       " (id, target, started, state, body)"
                                       " VALUES (?1, ?2, ?3, ?4, ?5)");

    if (!stmt)
        return -EIO;
    sqlite3_bind_text(stmt, 1, path->id, -1, SQLITE_STATIC);
    sqlite3_bind_blob(stmt, 2, path->target->addr.data,
                      (int)path->target->addr.len, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 3, (sqlite3_int64)path->started->unix_ns);
    sqlite3_bind_int(stmt, 4, (int)path->state);
    sqlite3_bind_blob(stmt, 5, body, (int)size, SQLITE_STATIC);
    return ps_store_run(stmt);
}

int ps_history_put(struct ps_history *history, const Ps__Path *path)
{
    size_t size = ps__path__get_packed_size(path);
    _cleanup_free_ uint8_t *body = malloc(size);
    int r;

    if (!body)
        return -ENOMEM;
    ps__path__pack(path, body);
    r = make_room(history);
    if (r == 0)
        r = insert(history, path, body, size);
    if (r == -ENOSPC && remove_oldest(history) == 0)
        r = insert(history, path, body, size);
    return r;
}

static int read_body(sqlite3_stmt *stmt, int column, Ps__Path **ret_path)
{
    const void *body = sqlite3_column_blob(stmt, column);
    int size = sqlite3_column_bytes(stmt, column);

    if (!body || size <= 0)
        return -EBADMSG;
    *ret_path = (Ps__Path *)ps_message_unpack(&ps__path__descriptor, body,
                                              (size_t)size, PS_UNPACK_MAX);
    return *ret_path ? 0 : -EBADMSG;
}

static int close_one(struct ps_history *history, uint64_t now)
{
    sqlite3_stmt *stmt = ps_store_stmt(
        history->store, "SELECT body, id FROM paths WHERE state = ?1 LIMIT 1");
    Ps__Path *path = NULL;
    bool same;
    int r;

    if (!stmt)
        return -EIO;
    sqlite3_bind_int(stmt, 1, PS__PATH__STATE__running);
    r = sqlite3_step(stmt);
    if (r != SQLITE_ROW) {
        sqlite3_reset(stmt);
        return r == SQLITE_DONE ? -ENOENT : ps_store_errno(r);
    }
    r = read_body(stmt, 0, &path);
    /* Else the row would stand there for ever. */
    same = r == 0 &&
           ps_streq((const char *)sqlite3_column_text(stmt, 1), path->id);
    sqlite3_reset(stmt);
    if (r < 0)
        return r;
    r = same ? ps_path_end(path, now, "restart") : -EBADMSG;
    if (r == 0)
        r = ps_history_put(history, path);
    ps__path__free_unpacked(path, NULL);
    return r;
}

int ps_history_close_running(struct ps_history *history, uint64_t now,
                             size_t *ret_n)
{
    size_t n = 0;
    int r;

    do {
        r = close_one(history, now);
        n += r == 0;
    } while (r == 0);
    if (r != -ENOENT)
        return r;
    *ret_n = n;
    return 0;
}

int ps_history_get(struct ps_history *history, const char *id,
                   Ps__Path **ret_path)
{
    sqlite3_stmt *stmt =
        ps_store_stmt(history->store, "SELECT body FROM paths WHERE id = ?1");
    int r;

    if (!stmt)
        return -EIO;
    sqlite3_bind_text(stmt, 1, id, -1, SQLITE_STATIC);
    r = sqlite3_step(stmt);
    if (r == SQLITE_ROW)
        r = read_body(stmt, 0, ret_path);
    else
        r = r == SQLITE_DONE ? -ENOENT : ps_store_errno(r);
    sqlite3_reset(stmt);
    return r;
}

static void bind_target(sqlite3_stmt *stmt, const struct ps_addr *target)
{
    if (target)
        sqlite3_bind_blob(stmt, 1, target->bytes, target->family == 6 ? 16 : 4,
                          SQLITE_STATIC);
}

int ps_history_count(struct ps_history *history, const struct ps_addr *target,
                     uint64_t *ret_n)
{
    sqlite3_stmt *stmt = ps_store_stmt(
        history->store, target ? "SELECT count(*) FROM paths WHERE target = ?1"
                               : "SELECT count(*) FROM paths");
    int r;

    if (!stmt)
        return -EIO;
    bind_target(stmt, target);
    r = sqlite3_step(stmt);
    if (r == SQLITE_ROW)
        *ret_n = (uint64_t)sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return r == SQLITE_ROW ? 0 : ps_store_errno(r);
}

/* Without a place: before all that can be. */
static void bind_place(sqlite3_stmt *stmt, const struct ps_history_place *after)
{
    sqlite3_bind_int64(stmt, 2,
                       after ? (sqlite3_int64)after->started : INT64_MAX);
    sqlite3_bind_text(stmt, 3, after ? after->id : "", -1, SQLITE_STATIC);
}

int ps_history_list(struct ps_history *history, const struct ps_addr *target,
                    const struct ps_history_place *after,
                    int (*fn)(void *arg, Ps__Path *path), void *arg)
{
    sqlite3_stmt *stmt = ps_store_stmt(
        history->store, target ? "SELECT body FROM paths WHERE target = ?1"
                                 " AND (started, id) < (?2, ?3)"
                                 " ORDER BY started DESC, id DESC"
                               : "SELECT body FROM paths"
                                 " WHERE (started, id) < (?2, ?3)"
                                 " ORDER BY started DESC, id DESC");
    int r = 0;

    if (!stmt)
        return -EIO;
    bind_target(stmt, target);
    bind_place(stmt, after);
    while (r == 0) {
        Ps__Path *path;
        int step = sqlite3_step(stmt);

        if (step != SQLITE_ROW) {
            r = step == SQLITE_DONE ? 1 : ps_store_errno(step);
            break;
        }
        r = read_body(stmt, 0, &path);
        if (r == 0)
            r = fn(arg, path);
    }
    sqlite3_reset(stmt);
    return r < 0 ? r : 0;
}
