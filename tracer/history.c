/* SPDX-License-Identifier: MIT */
#include "tracer/history.h"

#include "common/net.h"
#include "common/unpack.h"
#include "tracer/history_internal.h"

/* Of the bound, what is kept free for SQLite's own: its log, and pages that
 * are being rewritten. */
#define SLACK_MAX (16u << 20)
#define PAGE      4096u

static const char *const migrations[] = {
    "CREATE TABLE trace ("
    " seq INTEGER PRIMARY KEY AUTOINCREMENT,"
    " id TEXT NOT NULL UNIQUE,"
    " state INTEGER NOT NULL,"
    " body BLOB NOT NULL);"
    "CREATE TABLE packet ("
    " trace TEXT NOT NULL,"
    " n INTEGER NOT NULL,"
    " body BLOB NOT NULL,"
    " PRIMARY KEY (trace, n)) WITHOUT ROWID;",
    /* trace.last: first sight of its newest way. way.id is made of the trace's
     * seq and the way's number. seen: the ways of a trace under a key; place:
     * the traces that have it. Ways of before have no key. */
    "ALTER TABLE trace ADD COLUMN last INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE trace ADD COLUMN alert TEXT;"
    "CREATE INDEX trace_alert ON trace (alert) WHERE alert IS NOT NULL;"
    "CREATE TABLE sample ("
    " trace INTEGER PRIMARY KEY,"
    " body BLOB NOT NULL);"
    "CREATE TABLE iface ("
    " trace INTEGER NOT NULL,"
    " k INTEGER NOT NULL,"
    " netns INTEGER NOT NULL,"
    " ifindex INTEGER NOT NULL,"
    " name TEXT NOT NULL,"
    " PRIMARY KEY (trace, k)) WITHOUT ROWID;"
    "CREATE TABLE way ("
    " id INTEGER PRIMARY KEY,"
    " first INTEGER NOT NULL,"
    " steps INTEGER NOT NULL,"
    " dropped INTEGER NOT NULL,"
    " body BLOB NOT NULL);"
    "CREATE TABLE seen ("
    " trace INTEGER NOT NULL,"
    " key INTEGER NOT NULL,"
    " n INTEGER NOT NULL,"
    " PRIMARY KEY (trace, key, n)) WITHOUT ROWID;"
    "CREATE TABLE place ("
    " key INTEGER NOT NULL,"
    " trace INTEGER NOT NULL,"
    " PRIMARY KEY (key, trace)) WITHOUT ROWID;"
    "INSERT INTO way SELECT t.seq << 24 | p.n, 0, 0, 0, p.body"
    " FROM packet p JOIN trace t ON t.id = p.trace;"
    "DROP TABLE packet;",
    NULL,
};

/* A log of an eighth of the bound at most, and 4 MiB, beside what one
 * transaction takes. */
static int bound_log(struct ps_history *h, uint64_t max_bytes)
{
    uint64_t pages = max_bytes / 8 / PAGE;
    char pragma[96];

    pages = pages < 16 ? 16 : pages > 1000 ? 1000 : pages;
    snprintf(pragma, sizeof(pragma),
             "PRAGMA wal_autocheckpoint=%llu; PRAGMA journal_size_limit=%llu",
             (unsigned long long)pages, (unsigned long long)pages * PAGE);
    return ps_store_exec(h->store, pragma);
}

int ps_history_open(const char *dir, uint64_t max_bytes,
                    struct ps_history **ret_history, char **ret_error)
{
    _cleanup_(ps_history_free) struct ps_history *h = NULL;
    uint64_t slack = max_bytes / 4 < SLACK_MAX ? max_bytes / 4 : SLACK_MAX;
    int r;

    h = calloc(1, sizeof(*h));
    if (!h)
        return -ENOMEM;
    h->max_bytes = max_bytes - slack;
    r = ps_way_codec_new(&h->codec);
    if (r == 0)
        r = ps_store_open(dir, "tracer", migrations, max_bytes - slack / 2,
                          &h->store, ret_error);
    if (r == 0)
        r = bound_log(h, max_bytes);
    if (r < 0)
        return r;
    *ret_history = TAKE_PTR(h);
    return 0;
}

void ps_history_free(struct ps_history **history)
{
    if (!*history)
        return;
    ps_history_forget(*history, 0);
    ps_way_codec_free(&(*history)->codec);
    ps_store_free(&(*history)->store);
    free(*history);
    *history = NULL;
}

uint64_t ps_history_evicted(const struct ps_history *h)
{
    return h->evicted;
}

/* ---- traces ------------------------------------------------------------- */

int ps_history_trace_seq(struct ps_history *h, const char *id, int64_t *ret_seq)
{
    sqlite3_stmt *stmt =
        ps_store_stmt(h->store, "SELECT seq FROM trace WHERE id = ?1");
    int rc;

    if (!stmt)
        return -EIO;
    sqlite3_bind_text(stmt, 1, id, -1, SQLITE_STATIC);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *ret_seq = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return rc == SQLITE_ROW    ? 0
           : rc == SQLITE_DONE ? -ENOENT
                               : ps_store_errno(rc);
}

static int put_trace(struct ps_history *h, const Ps__Trace *trace)
{
    size_t len = protobuf_c_message_get_packed_size(&trace->base);
    _cleanup_free_ uint8_t *body = malloc(len ? len : 1);
    sqlite3_stmt *stmt;

    if (!body)
        return -ENOMEM;
    protobuf_c_message_pack(&trace->base, body);
    stmt = ps_store_stmt(h->store,
                         "INSERT INTO trace (id, state, body, alert) "
                         "VALUES (?1, ?2, ?3, ?4) ON CONFLICT (id) DO UPDATE "
                         "SET state = ?2, body = ?3, alert = ?4");
    if (!stmt)
        return -EIO;
    sqlite3_bind_text(stmt, 1, trace->id, -1, SQLITE_STATIC);
    sqlite3_bind_int(stmt, 2, (int)trace->state);
    sqlite3_bind_blob64(stmt, 3, body, len, SQLITE_STATIC);
    if (trace->alert)
        sqlite3_bind_text(stmt, 4, trace->alert, -1, SQLITE_STATIC);
    return ps_store_run(stmt);
}

int ps_history_run(struct ps_history *h, const char *sql, int64_t a, int64_t b)
{
    sqlite3_stmt *stmt = ps_store_stmt(h->store, sql);

    if (!stmt)
        return -EIO;
    sqlite3_bind_int64(stmt, 1, a);
    if (sqlite3_bind_parameter_count(stmt) > 1)
        sqlite3_bind_int64(stmt, 2, b);
    return ps_store_run(stmt);
}

static int remove_places(struct ps_history *h, int64_t seq)
{
    sqlite3_stmt *stmt = ps_store_stmt(
        h->store, "SELECT DISTINCT key FROM seen WHERE trace = ?1");
    int rc, r = 0;

    if (!stmt)
        return -EIO;
    sqlite3_bind_int64(stmt, 1, seq);
    while (r == 0 && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
        r = ps_history_run(h, "DELETE FROM place WHERE key = ?1 AND trace = ?2",
                           sqlite3_column_int64(stmt, 0), seq);
    if (r == 0)
        r = ps_store_errno(rc);
    sqlite3_reset(stmt);
    return r;
}

static int remove_trace(struct ps_history *h, int64_t seq)
{
    static const char *const texts[] = {
        "DELETE FROM seen WHERE trace = ?1",
        "DELETE FROM sample WHERE trace = ?1",
        "DELETE FROM iface WHERE trace = ?1",
        "DELETE FROM trace WHERE seq = ?1",
    };
    int r = remove_places(h, seq);

    if (r == 0)
        r = ps_history_run(h, "DELETE FROM way WHERE id BETWEEN ?1 AND ?2",
                           ps_history_way_id(seq, 0),
                           ps_history_way_id(seq, PS_HISTORY_MAX_WAYS - 1));
    for (size_t i = 0; i < ARRAY_SIZE(texts) && r == 0; i++)
        r = ps_history_run(h, texts[i], seq, 0);
    ps_history_forget(h, seq);
    return r;
}

/* The oldest trace that does not run, and is not this one. */
static int remove_oldest(struct ps_history *h, int64_t but)
{
    sqlite3_stmt *stmt =
        ps_store_stmt(h->store, "SELECT seq FROM trace WHERE state <> ?1 AND "
                                "seq <> ?2 ORDER BY seq LIMIT 1");
    int64_t seq = 0;
    int rc, r;

    if (!stmt)
        return -EIO;
    sqlite3_bind_int(stmt, 1, PS__TRACE__STATE__running);
    sqlite3_bind_int64(stmt, 2, but);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        seq = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    if (rc == SQLITE_DONE)
        return -EDQUOT;
    if (rc != SQLITE_ROW)
        return ps_store_errno(rc);
    r = remove_trace(h, seq);
    /* In a broken file a row may be found and not be there. */
    if (r == 0 && sqlite3_changes(ps_store_db(h->store)) == 0)
        return -EBADMSG;
    return r;
}

int ps_history_make_room(struct ps_history *h, int64_t but, uint64_t bytes,
                         uint64_t *used)
{
    int r = 0;

    if (*used == 0)
        r = ps_store_used_bytes(h->store, used);
    while (r == 0 && *used + bytes > h->max_bytes) {
        /* What was added meanwhile was only estimated. */
        r = ps_store_used_bytes(h->store, used);
        if (r < 0 || *used + bytes <= h->max_bytes)
            break;
        r = remove_oldest(h, but);
        if (r == 0) {
            h->evicting++;
            r = ps_store_used_bytes(h->store, used);
        }
    }
    return r;
}

int ps_history_put(struct ps_history *h, const Ps__Trace *trace)
{
    int r = ps_store_begin(h->store);

    if (r < 0)
        return r;
    r = put_trace(h, trace);
    return ps_store_end(h->store, r);
}

int ps_history_delete(struct ps_history *h, const char *id)
{
    int64_t seq = 0;
    int r = ps_store_begin(h->store);

    if (r < 0)
        return r;
    r = ps_history_trace_seq(h, id, &seq);
    if (r == 0)
        r = remove_trace(h, seq);
    return ps_store_end(h->store, r == -ENOENT ? 0 : r);
}

/* ---- restart ------------------------------------------------------------ */

/* What is there is what the trace has now. */
static int count_ways(struct ps_history *h, int64_t seq, Ps__Trace *trace)
{
    sqlite3_stmt *stmt =
        ps_store_stmt(h->store, "SELECT count(*), coalesce(sum(dropped), 0), "
                                "coalesce(sum(steps), 0) FROM way "
                                "WHERE id BETWEEN ?1 AND ?2");
    int rc;

    if (!stmt)
        return -EIO;
    sqlite3_bind_int64(stmt, 1, ps_history_way_id(seq, 0));
    sqlite3_bind_int64(stmt, 2,
                       ps_history_way_id(seq, PS_HISTORY_MAX_WAYS - 1));
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        trace->packets = (uint64_t)sqlite3_column_int64(stmt, 0);
        trace->drops = (uint64_t)sqlite3_column_int64(stmt, 1);
        trace->steps = trace->hits = (uint64_t)sqlite3_column_int64(stmt, 2);
    }
    sqlite3_reset(stmt);
    return ps_store_errno(rc);
}

static void set_end(Ps__Trace *trace, const char *reason, uint64_t now)
{
    char *copy = strdup(reason);

    trace->state = PS__TRACE__STATE__done;
    if (copy) {
        free(trace->end_reason);
        trace->end_reason = copy;
    }
    if (!trace->ended)
        trace->ended = ps_time_to_pb(now);
}

int ps_history_recover(struct ps_history *h, uint64_t now)
{
    int64_t seq = INT64_MIN;
    int r = 0;

    /* Each row once, whatever a broken file makes of what is written. */
    while (r == 0) {
        sqlite3_stmt *stmt = ps_store_stmt(
            h->store, "SELECT body, id, seq FROM trace WHERE state = ?1 AND "
                      "seq > ?2 ORDER BY seq LIMIT 1");
        Ps__Trace *trace = NULL;
        bool same;

        if (!stmt)
            return -EIO;
        sqlite3_bind_int(stmt, 1, PS__TRACE__STATE__running);
        sqlite3_bind_int64(stmt, 2, seq);
        if (sqlite3_step(stmt) != SQLITE_ROW) {
            sqlite3_reset(stmt);
            return 0;
        }
        if (sqlite3_column_int64(stmt, 2) <= seq) {
            sqlite3_reset(stmt);
            return -EBADMSG;
        }
        trace = (Ps__Trace *)ps_message_unpack(
            &ps__trace__descriptor, sqlite3_column_blob(stmt, 0),
            (size_t)sqlite3_column_bytes(stmt, 0), PS_UNPACK_MAX);
        /* Else the row would stand there for ever. */
        same = trace &&
               ps_streq((const char *)sqlite3_column_text(stmt, 1), trace->id);
        seq = sqlite3_column_int64(stmt, 2);
        sqlite3_reset(stmt);
        if (!trace)
            return -EBADMSG;
        set_end(trace, "restart", now);
        r = same ? count_ways(h, seq, trace) : -EBADMSG;
        if (r == 0)
            r = ps_history_put(h, trace);
        ps__trace__free_unpacked(trace, NULL);
    }
    return r;
}
