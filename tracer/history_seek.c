/* SPDX-License-Identifier: MIT */
/* The numbers of a trace's ways: under a key, at all, at a time. */
#include "common/unpack.h"
#include "tracer/history_internal.h"

/* Ways are numbered as their first events came, which CPUs may give in a
 * slightly different order than their clocks. Where they are chosen by what
 * became of them, they are numbered when that is known: few take a minute. */
#define DISORDER_NS        PS_NS_PER_MS
#define DISORDER_CHOSEN_NS (60 * PS_NS_PER_S)

int ps_history_seek_key(struct ps_history *h, int64_t trace, uint64_t key,
                        uint32_t n, uint32_t *ret_n)
{
    sqlite3_stmt *stmt =
        ps_store_stmt(h->store, "SELECT n FROM seen WHERE trace = ?1 AND "
                                "key = ?2 AND n <= ?3 "
                                "ORDER BY n DESC LIMIT 1");
    int64_t found = -1;
    int rc;

    if (!stmt)
        return -EIO;
    sqlite3_bind_int64(stmt, 1, trace);
    sqlite3_bind_int64(stmt, 2, (int64_t)key);
    sqlite3_bind_int64(stmt, 3, n);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        found = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return ps_store_errno(rc);
    if (found < 0 || found > n)
        return -ENOENT;
    *ret_n = (uint32_t)found;
    return 0;
}

int ps_history_seek_way(struct ps_history *h, int64_t trace, uint32_t n,
                        uint32_t *ret_n, uint64_t *ret_first)
{
    sqlite3_stmt *stmt = ps_store_stmt(
        h->store, "SELECT id, first FROM way WHERE id BETWEEN ?1 AND ?2 "
                  "ORDER BY id DESC LIMIT 1");
    int rc;

    if (!stmt)
        return -EIO;
    sqlite3_bind_int64(stmt, 1, ps_history_way_id(trace, 0));
    sqlite3_bind_int64(stmt, 2, ps_history_way_id(trace, n));
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        *ret_n = (uint32_t)sqlite3_column_int64(stmt, 0) &
                 (PS_HISTORY_MAX_WAYS - 1);
        *ret_first = (uint64_t)sqlite3_column_int64(stmt, 1);
    }
    sqlite3_reset(stmt);
    if (rc == SQLITE_DONE)
        return -ENOENT;
    return ps_store_errno(rc);
}

int ps_history_seek_time(struct ps_history *h, int64_t trace, uint64_t time,
                         uint32_t *ret_n)
{
    uint32_t low = 0, high = PS_HISTORY_MAX_WAYS - 1;
    /* Most traces that are too new say so with their first way. */
    uint32_t middle = 0, n = 0;
    uint64_t first = 0;

    for (;;) {
        int r = ps_history_seek_way(h, trace, middle, &n, &first);

        if (r < 0 && r != -ENOENT)
            return r;
        if (r == 0 && first > time) {
            if (n == 0)
                return -ENOENT;
            high = n - 1;
        } else if (middle == high) {
            if (r == 0)
                *ret_n = high;
            return r;
        } else {
            low = middle + 1;
        }
        if (low > high)
            low = high;
        middle = low + (high - low) / 2;
    }
}

int ps_history_disorder(struct ps_history *h, int64_t trace, uint64_t *ret_ns)
{
    sqlite3_stmt *stmt =
        ps_store_stmt(h->store, "SELECT body FROM trace WHERE seq = ?1");
    Ps__Trace *msg = NULL;
    int rc;

    if (!stmt)
        return -EIO;
    sqlite3_bind_int64(stmt, 1, trace);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        msg = (Ps__Trace *)ps_message_unpack(
            &ps__trace__descriptor, sqlite3_column_blob(stmt, 0),
            (size_t)sqlite3_column_bytes(stmt, 0), PS_UNPACK_MAX);
    sqlite3_reset(stmt);
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? -ENOENT : ps_store_errno(rc);
    if (!msg)
        return -EBADMSG;
    *ret_ns = msg->filter->has_min_latency_ns || msg->filter->drops_only
                  ? DISORDER_CHOSEN_NS
                  : DISORDER_NS;
    ps__trace__free_unpacked(msg, NULL);
    return 0;
}
