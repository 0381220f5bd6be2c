/* SPDX-License-Identifier: MIT */
#include "tracer/history.h"

#include "common/json.h"
#include "common/unpack.h"
#include "tracer/convert.h"
#include "tracer/history_internal.h"

/* The file may be a little larger than what is kept in it. */
#define FILE_SLACK (8u << 20)
/* Of a row, beyond its body. */
#define ROW_BYTES 48u

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
    NULL,
};

int ps_history_open(const char *dir, uint64_t max_bytes,
                    struct ps_history **ret_history, char **ret_error)
{
    _cleanup_(ps_history_free) struct ps_history *h = NULL;
    int r;

    h = calloc(1, sizeof(*h));
    if (!h)
        return -ENOMEM;
    h->max_bytes = max_bytes;
    r = ps_store_open(dir, "tracer", migrations, max_bytes + FILE_SLACK,
                      &h->store, ret_error);
    if (r < 0)
        return r;
    *ret_history = TAKE_PTR(h);
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

/* ---- rows --------------------------------------------------------------- */

static int pack(const ProtobufCMessage *msg, uint8_t **ret_data,
                size_t *ret_len)
{
    size_t len = protobuf_c_message_get_packed_size(msg);
    uint8_t *data = malloc(len ? len : 1);

    if (!data)
        return -ENOMEM;
    *ret_len = protobuf_c_message_pack(msg, data);
    *ret_data = data;
    return 0;
}

static ProtobufCMessage *unpack(const ProtobufCMessageDescriptor *desc,
                                sqlite3_stmt *stmt, int column)
{
    const void *data = sqlite3_column_blob(stmt, column);
    int len = sqlite3_column_bytes(stmt, column);

    return ps_message_unpack(desc, data, (size_t)len, PS_UNPACK_MAX);
}

/* Runs a statement without rows, with a text as its first parameter. */
static int run_text(struct ps_history *h, const char *sql, const char *text)
{
    sqlite3_stmt *stmt = ps_store_stmt(h->store, sql);

    if (!stmt)
        return -EIO;
    sqlite3_bind_text(stmt, 1, text, -1, SQLITE_STATIC);
    return ps_store_run(stmt);
}

static int put_trace(struct ps_history *h, const Ps__Trace *trace)
{
    _cleanup_free_ uint8_t *body = NULL;
    sqlite3_stmt *stmt;
    size_t len;
    int r;

    r = pack(&trace->base, &body, &len);
    if (r < 0)
        return r;
    stmt = ps_store_stmt(
        h->store, "INSERT INTO trace (id, state, body) VALUES (?1, ?2, ?3) "
                  "ON CONFLICT (id) DO UPDATE SET state = ?2, body = ?3");
    if (!stmt)
        return -EIO;
    sqlite3_bind_text(stmt, 1, trace->id, -1, SQLITE_STATIC);
    sqlite3_bind_int(stmt, 2, (int)trace->state);
    sqlite3_bind_blob64(stmt, 3, body, len, SQLITE_STATIC);
    return ps_store_run(stmt);
}

static int put_packet(struct ps_history *h, const char *id, uint32_t n,
                      const uint8_t *body, size_t len)
{
    sqlite3_stmt *stmt = ps_store_stmt(
        h->store, "INSERT INTO packet (trace, n, body) VALUES (?1, ?2, ?3)");

    if (!stmt)
        return -EIO;
    sqlite3_bind_text(stmt, 1, id, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, n);
    sqlite3_bind_blob64(stmt, 3, body, len, SQLITE_STATIC);
    return ps_store_run(stmt);
}

static int remove_trace(struct ps_history *h, const char *id)
{
    int r = run_text(h, "DELETE FROM packet WHERE trace = ?1", id);

    return r < 0 ? r : run_text(h, "DELETE FROM trace WHERE id = ?1", id);
}

/* ---- write -------------------------------------------------------------- */

int ps_history_put(struct ps_history *h, const Ps__Trace *trace)
{
    int r = ps_store_begin(h->store);

    if (r < 0)
        return r;
    r = put_trace(h, trace);
    return ps_store_end(h->store, r);
}

/* The oldest trace that does not run, and is not `but`. */
static int remove_oldest(struct ps_history *h, const char *but)
{
    sqlite3_stmt *stmt =
        ps_store_stmt(h->store, "SELECT id FROM trace WHERE state <> ?1 AND "
                                "id <> ?2 ORDER BY seq LIMIT 1");
    _cleanup_free_ char *id = NULL;
    int r;

    if (!stmt)
        return -EIO;
    sqlite3_bind_int(stmt, 1, PS__TRACE__STATE__running);
    sqlite3_bind_text(stmt, 2, but, -1, SQLITE_STATIC);
    if (sqlite3_step(stmt) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(stmt, 0);

        id = text ? strdup(text) : NULL;
    }
    sqlite3_reset(stmt);
    if (!id)
        return -ENOENT;
    r = remove_trace(h, id);
    /* In a broken file a row may be found and not be there. */
    if (r == 0 && sqlite3_changes(ps_store_db(h->store)) == 0)
        return -EBADMSG;
    return r;
}

/* 0: there is room for so many bytes more; -ENOSPC: there cannot be. */
static int make_room(struct ps_history *h, const char *id, uint64_t bytes)
{
    uint64_t used;
    int r;

    for (;;) {
        r = ps_store_used_bytes(h->store, &used);
        if (r < 0)
            return r;
        if (used + bytes <= h->max_bytes)
            return 0;
        r = remove_oldest(h, id);
        if (r < 0)
            return r == -ENOENT ? -ENOSPC : r;
        h->evicting++;
    }
}

static int put_packets(struct ps_history *h, Ps__Trace *trace, uint32_t n,
                       ps_history_packet_fn packet, void *arg)
{
    uint32_t i;
    int r = 0;

    for (i = 0; i < n && r == 0; i++) {
        _cleanup_free_ uint8_t *body = NULL;
        Ps__PacketWay *way = packet(arg, i);
        size_t len = 0;

        if (!way)
            return -ENOMEM;
        r = pack(&way->base, &body, &len);
        protobuf_c_message_free_unpacked(&way->base, NULL);
        if (r == 0)
            r = make_room(h, trace->id, len + ROW_BYTES);
        if (r == 0)
            r = put_packet(h, trace->id, i, body, len);
        if (r == -ENOSPC) {
            ps_losses_add(&trace->losses, &trace->n_losses, "history_full",
                          "packets", n - i);
            return 0;
        }
    }
    return r;
}

int ps_history_finish(struct ps_history *h, Ps__Trace *trace, uint32_t n,
                      ps_history_packet_fn packet, void *arg)
{
    int r = ps_store_begin(h->store);

    if (r < 0)
        return r;
    h->evicting = 0;
    r = put_packets(h, trace, n, packet, arg);
    if (r == 0)
        r = put_trace(h, trace);
    r = ps_store_end(h->store, r);
    if (r == 0)
        h->evicted += h->evicting;
    return r;
}

uint64_t ps_history_evicted(const struct ps_history *h)
{
    return h->evicted;
}

int ps_history_delete(struct ps_history *h, const char *id)
{
    int r = ps_store_begin(h->store);

    if (r < 0)
        return r;
    r = remove_trace(h, id);
    return ps_store_end(h->store, r);
}

static void set_end(Ps__Trace *trace, const char *reason, uint64_t now)
{
    char *copy = strdup(reason);

    trace->state = PS__TRACE__STATE__done;
    if (copy) {
        free(trace->end_reason);
        trace->end_reason = copy;
    }
    if (!trace->ended) {
        trace->ended = malloc(sizeof(*trace->ended));
        if (trace->ended) {
            ps__time__init(trace->ended);
            trace->ended->unix_ns = now;
        }
    }
}

int ps_history_recover(struct ps_history *h, uint64_t now)
{
    sqlite3_int64 last = INT64_MIN;
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
        sqlite3_bind_int64(stmt, 2, last);
        if (sqlite3_step(stmt) != SQLITE_ROW) {
            sqlite3_reset(stmt);
            return 0;
        }
        if (sqlite3_column_int64(stmt, 2) <= last) {
            sqlite3_reset(stmt);
            return -EBADMSG;
        }
        last = sqlite3_column_int64(stmt, 2);
        trace = (Ps__Trace *)unpack(&ps__trace__descriptor, stmt, 0);
        /* Else the row would stand there for ever. */
        same = trace &&
               ps_streq((const char *)sqlite3_column_text(stmt, 1), trace->id);
        sqlite3_reset(stmt);
        if (!trace)
            return -EBADMSG;
        set_end(trace, "restart", now);
        r = same ? ps_history_put(h, trace) : -EBADMSG;
        ps__trace__free_unpacked(trace, NULL);
    }
    return r;
}
