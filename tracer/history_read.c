/* SPDX-License-Identifier: MIT */
#include "tracer/history.h"

#include "common/unpack.h"
#include "tracer/history_internal.h"

static int count(struct ps_history *h, const char *sql, const char *text,
                 uint64_t *ret_count)
{
    sqlite3_stmt *stmt = ps_store_stmt(h->store, sql);
    int rc;

    if (!stmt)
        return -EIO;
    if (text)
        sqlite3_bind_text(stmt, 1, text, -1, SQLITE_STATIC);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *ret_count = (uint64_t)sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return rc == SQLITE_ROW ? 0 : -EIO;
}

static void free_all(ProtobufCMessage **msgs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        protobuf_c_message_free_unpacked(msgs[i], NULL);
    free(msgs);
}

/* The bodies of a statement's rows; they are at most limit. */
static int read_bodies(sqlite3_stmt *stmt,
                       const ProtobufCMessageDescriptor *desc, uint32_t limit,
                       ProtobufCMessage ***ret_msgs, size_t *ret_n)
{
    ProtobufCMessage **msgs = calloc(limit, sizeof(ProtobufCMessage *));
    size_t n = 0;
    int rc = SQLITE_DONE;

    if (!msgs)
        return -ENOMEM;
    while (n < limit && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        msgs[n] = ps_message_unpack(desc, sqlite3_column_blob(stmt, 0),
                                    (size_t)sqlite3_column_bytes(stmt, 0),
                                    PS_UNPACK_MAX);
        if (!msgs[n]) {
            free_all(msgs, n);
            return -EBADMSG;
        }
        n++;
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        free_all(msgs, n);
        return ps_store_errno(rc);
    }
    *ret_msgs = msgs;
    *ret_n = n;
    return 0;
}

int ps_history_get(struct ps_history *h, const char *id, Ps__Trace **ret_trace)
{
    sqlite3_stmt *stmt =
        ps_store_stmt(h->store, "SELECT body FROM trace WHERE id = ?1");
    ProtobufCMessage **msgs = NULL;
    size_t n = 0;
    int r;

    if (!stmt)
        return -EIO;
    sqlite3_bind_text(stmt, 1, id, -1, SQLITE_STATIC);
    r = read_bodies(stmt, &ps__trace__descriptor, 1, &msgs, &n);
    sqlite3_reset(stmt);
    if (r == 0 && n == 0)
        r = -ENOENT;
    if (r == 0)
        *ret_trace = (Ps__Trace *)msgs[0];
    free(msgs);
    return r;
}

int ps_history_list(struct ps_history *h, size_t offset, uint32_t limit,
                    Ps__Trace ***ret_traces, size_t *ret_n, uint64_t *ret_total)
{
    sqlite3_stmt *stmt;
    uint64_t total = 0;
    int r;

    r = count(h, "SELECT count(*) FROM trace", NULL, &total);
    if (r < 0)
        return r;
    stmt = ps_store_stmt(
        h->store,
        "SELECT body FROM trace ORDER BY seq DESC LIMIT ?1 OFFSET ?2");
    if (!stmt)
        return -EIO;
    sqlite3_bind_int64(stmt, 1, limit);
    sqlite3_bind_int64(stmt, 2, (sqlite3_int64)offset);
    r = read_bodies(stmt, &ps__trace__descriptor, limit,
                    (ProtobufCMessage ***)ret_traces, ret_n);
    sqlite3_reset(stmt);
    if (r == 0)
        *ret_total = total;
    return r;
}

int ps_history_packets(struct ps_history *h, const char *id, size_t offset,
                       uint32_t limit, Ps__PacketWay ***ret_packets,
                       size_t *ret_n, uint64_t *ret_total)
{
    sqlite3_stmt *stmt;
    uint64_t total = 0;
    int r;

    r = count(h, "SELECT count(*) FROM packet WHERE trace = ?1", id, &total);
    if (r < 0)
        return r;
    /* They are numbered from 0 without a gap. */
    stmt = ps_store_stmt(h->store,
                         "SELECT body FROM packet WHERE trace = ?1 AND "
                         "n >= ?2 ORDER BY n LIMIT ?3");
    if (!stmt)
        return -EIO;
    sqlite3_bind_text(stmt, 1, id, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, (sqlite3_int64)offset);
    sqlite3_bind_int64(stmt, 3, limit);
    r = read_bodies(stmt, &ps__packet_way__descriptor, limit,
                    (ProtobufCMessage ***)ret_packets, ret_n);
    sqlite3_reset(stmt);
    if (r == 0)
        *ret_total = total;
    return r;
}
