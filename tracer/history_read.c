/* SPDX-License-Identifier: MIT */
#include "tracer/history.h"

#include "common/unpack.h"
#include "tracer/history_internal.h"
#include "tracer/way_keys.h"

static void free_all(ProtobufCMessage **msgs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        protobuf_c_message_free_unpacked(msgs[i], NULL);
    free(msgs);
}

/* ---- traces ------------------------------------------------------------- */

static Ps__Trace *read_trace(sqlite3_stmt *stmt)
{
    return (Ps__Trace *)ps_message_unpack(
        &ps__trace__descriptor, sqlite3_column_blob(stmt, 0),
        (size_t)sqlite3_column_bytes(stmt, 0), PS_UNPACK_MAX);
}

int ps_history_get(struct ps_history *h, const char *id, Ps__Trace **ret_trace)
{
    sqlite3_stmt *stmt =
        ps_store_stmt(h->store, "SELECT body FROM trace WHERE id = ?1");
    Ps__Trace *trace = NULL;
    int rc;

    if (!stmt)
        return -EIO;
    sqlite3_bind_text(stmt, 1, id, -1, SQLITE_STATIC);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        trace = read_trace(stmt);
    sqlite3_reset(stmt);
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? -ENOENT : ps_store_errno(rc);
    if (!trace)
        return -EBADMSG;
    *ret_trace = trace;
    return 0;
}

static sqlite3_stmt *alert_stmt(struct ps_history *h, const char *all,
                                const char *of_alert, const char *alert)
{
    sqlite3_stmt *stmt = ps_store_stmt(h->store, alert ? of_alert : all);

    if (stmt && alert)
        sqlite3_bind_text(stmt, 3, alert, -1, SQLITE_STATIC);
    return stmt;
}

static int count_traces(struct ps_history *h, const char *alert,
                        uint64_t *ret_total)
{
    sqlite3_stmt *stmt =
        alert_stmt(h, "SELECT count(*) FROM trace",
                   "SELECT count(*) FROM trace WHERE alert = ?3", alert);
    int rc;

    if (!stmt)
        return -EIO;
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *ret_total = (uint64_t)sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return ps_store_errno(rc);
}

int ps_history_list(struct ps_history *h, const char *alert, size_t offset,
                    uint32_t limit, Ps__Trace ***ret_traces, size_t *ret_n,
                    uint64_t *ret_total)
{
    ProtobufCMessage **msgs;
    sqlite3_stmt *stmt;
    uint64_t total = 0;
    size_t n = 0;
    int rc = SQLITE_DONE, r = count_traces(h, alert, &total);

    if (r < 0)
        return r;
    stmt = alert_stmt(
        h, "SELECT body FROM trace ORDER BY seq DESC LIMIT ?1 OFFSET ?2",
        "SELECT body FROM trace WHERE alert = ?3 ORDER BY seq DESC "
        "LIMIT ?1 OFFSET ?2",
        alert);
    if (!stmt)
        return -EIO;
    sqlite3_bind_int64(stmt, 1, limit);
    sqlite3_bind_int64(stmt, 2, (sqlite3_int64)offset);
    msgs = calloc(limit, sizeof(ProtobufCMessage *));
    r = msgs ? 0 : -ENOMEM;
    while (r == 0 && n < limit && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        Ps__Trace *trace = read_trace(stmt);

        if (trace)
            msgs[n++] = &trace->base;
        else
            r = -EBADMSG;
    }
    if (r == 0)
        r = ps_store_errno(rc);
    sqlite3_reset(stmt);
    if (r < 0) {
        free_all(msgs, n);
        return r;
    }
    *ret_traces = (Ps__Trace **)msgs;
    *ret_n = n;
    *ret_total = total;
    return 0;
}

/* ---- samples ------------------------------------------------------------ */

static void clear_sample(struct ps_history_sample *s)
{
    free(s->data);
    *s = (struct ps_history_sample){0};
}

void ps_history_forget(struct ps_history *h, int64_t trace)
{
    for (size_t i = 0; i < PS_HISTORY_SAMPLES; i++)
        if (trace == 0 || h->samples[i].trace == trace)
            clear_sample(&h->samples[i]);
}

static int load_sample(struct ps_history *h, struct ps_history_sample *s)
{
    sqlite3_stmt *stmt =
        ps_store_stmt(h->store, "SELECT body FROM sample WHERE trace = ?1");
    int rc, r = 0;

    if (!stmt)
        return -EIO;
    sqlite3_bind_int64(stmt, 1, s->trace);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        const void *data = sqlite3_column_blob(stmt, 0);
        size_t len = (size_t)sqlite3_column_bytes(stmt, 0);

        s->data = len && len <= PS_WAY_SAMPLE_MAX ? malloc(len) : NULL;
        if (s->data) {
            memcpy(s->data, data, len);
            s->len = len;
        } else {
            r = len && len <= PS_WAY_SAMPLE_MAX ? -ENOMEM : -EBADMSG;
        }
    } else {
        r = ps_store_errno(rc);
    }
    sqlite3_reset(stmt);
    return r;
}

static int load_ifaces(struct ps_history *h, struct ps_history_sample *s)
{
    sqlite3_stmt *stmt = ps_store_stmt(h->store,
                                       "SELECT netns, ifindex, name FROM iface "
                                       "WHERE trace = ?1 ORDER BY k");
    int rc = SQLITE_DONE;

    if (!stmt)
        return -EIO;
    sqlite3_bind_int64(stmt, 1, s->trace);
    while (s->ifaces < PS_HISTORY_MAX_IFACES &&
           (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct ps_history_iface *iface = &s->iface[s->ifaces++];
        const char *name = (const char *)sqlite3_column_text(stmt, 2);

        iface->netns = (uint32_t)sqlite3_column_int64(stmt, 0);
        iface->ifindex = (uint32_t)sqlite3_column_int64(stmt, 1);
        snprintf(iface->name, sizeof(iface->name), "%s", name ? name : "");
    }
    sqlite3_reset(stmt);
    return ps_store_errno(rc);
}

int ps_history_sample_of(struct ps_history *h, int64_t trace,
                         struct ps_history_sample **ret_sample)
{
    struct ps_history_sample *s;
    int r;

    for (size_t i = 0; i < PS_HISTORY_SAMPLES; i++)
        if (h->samples[i].trace == trace && trace != 0) {
            *ret_sample = &h->samples[i];
            return 0;
        }
    s = &h->samples[h->next_sample++ % PS_HISTORY_SAMPLES];
    clear_sample(s);
    s->trace = trace;
    r = load_sample(h, s);
    if (r == 0)
        r = load_ifaces(h, s);
    if (r < 0)
        clear_sample(s);
    else
        *ret_sample = s;
    return r;
}

int ps_history_ifaces(struct ps_history *h, const char *id,
                      struct ps_history_iface *ifaces, size_t *ret_n)
{
    struct ps_history_sample *s = NULL;
    int64_t seq = 0;
    int r = ps_history_trace_seq(h, id, &seq);

    if (r == 0)
        r = ps_history_sample_of(h, seq, &s);
    if (r < 0 || !s)
        return r;
    memcpy(ifaces, s->iface, s->ifaces * sizeof(*ifaces));
    *ret_n = s->ifaces;
    return 0;
}

/* ---- ways --------------------------------------------------------------- */

int ps_history_read_way(struct ps_history *h, int64_t trace, uint32_t n,
                        sqlite3_stmt *stmt, int column, Ps__PacketWay **ret_way)
{
    struct ps_history_sample *s = NULL;
    Ps__PacketWay *way = NULL;
    int r = ps_history_sample_of(h, trace, &s);

    if (r == 0)
        r = ps_way_unpack(h->codec, s->data, s->len,
                          sqlite3_column_blob(stmt, column),
                          (size_t)sqlite3_column_bytes(stmt, column), &way);
    if (r < 0 || !way)
        return r;
    way->id = n;
    way->has_stored = way->stored = true;
    *ret_way = way;
    return 0;
}

int ps_history_count(struct ps_history *h, const char *id, bool drops_only,
                     uint64_t *ret_total)
{
    sqlite3_stmt *stmt =
        ps_store_stmt(h->store, "SELECT count(*) FROM way WHERE id BETWEEN ?1 "
                                "AND ?2 AND dropped >= ?3");
    int64_t seq = 0;
    int rc, r = ps_history_trace_seq(h, id, &seq);

    if (r < 0)
        return r;
    if (!stmt)
        return -EIO;
    sqlite3_bind_int64(stmt, 1, ps_history_way_id(seq, 0));
    sqlite3_bind_int64(stmt, 2,
                       ps_history_way_id(seq, PS_HISTORY_MAX_WAYS - 1));
    sqlite3_bind_int(stmt, 3, drops_only);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *ret_total = (uint64_t)sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return ps_store_errno(rc);
}

void ps_history_page_clear(struct ps_history_page *page)
{
    free_all((ProtobufCMessage **)page->ways, page->n);
    *page = (struct ps_history_page){0};
}

/* Looks at the clock after so many ways. */
#define LOOKS 16u

/* `from` of a page that begins with this way, or behind it. */
static uint32_t place_of(const struct ps_history_want *want, uint32_t n,
                         bool behind)
{
    if (want->newest)
        return behind ? n : n + 1;
    return behind ? n + 1 : n;
}

static int read_page(struct ps_history *h, int64_t seq,
                     const struct ps_history_want *want, sqlite3_stmt *stmt,
                     struct ps_history_page *page)
{
    uint32_t looks = 0, n = 0;
    int rc, r = 0;

    while (r == 0 && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        Ps__PacketWay *way = NULL;

        if (want->deadline && looks && looks % LOOKS == 0 &&
            ps_mono_ns() > want->deadline) {
            page->next = place_of(want, n, true);
            page->partial = page->next != 0;
            return 0;
        }
        n = (uint32_t)sqlite3_column_int64(stmt, 0) & (PS_HISTORY_MAX_WAYS - 1);
        looks++;
        r = ps_history_read_way(h, seq, n, stmt, 1, &way);
        if (r == 0 && (!want->station || ps_way_passed(way, want->station))) {
            if (page->n < want->limit)
                page->ways[page->n++] = TAKE_PTR(way);
            else
                page->next = place_of(want, n, false);
        }
        if (way)
            ps__packet_way__free_unpacked(way, NULL);
        if (page->next)
            return 0;
    }
    return r < 0 ? r : ps_store_errno(rc);
}

static sqlite3_stmt *page_stmt(struct ps_history *h, int64_t seq,
                               const struct ps_history_want *want)
{
    uint32_t low = want->newest ? 0 : want->from;
    uint32_t high = PS_HISTORY_MAX_WAYS - 1;
    sqlite3_stmt *stmt = ps_store_stmt(
        h->store, want->newest
                      ? "SELECT id, body FROM way WHERE id BETWEEN ?1 AND ?2 "
                        "AND dropped >= ?3 ORDER BY id DESC"
                      : "SELECT id, body FROM way WHERE id BETWEEN ?1 AND ?2 "
                        "AND dropped >= ?3 ORDER BY id");

    if (!stmt)
        return NULL;
    if (low > high)
        low = high;
    if (want->newest && want->from && want->from <= high)
        high = want->from - 1;
    sqlite3_bind_int64(stmt, 1, ps_history_way_id(seq, low));
    sqlite3_bind_int64(stmt, 2, ps_history_way_id(seq, high));
    sqlite3_bind_int(stmt, 3, want->drops_only);
    return stmt;
}

int ps_history_ways(struct ps_history *h, const char *id,
                    const struct ps_history_want *want,
                    struct ps_history_page *ret_page)
{
    _cleanup_(ps_history_page_clear) struct ps_history_page page = {0};
    sqlite3_stmt *stmt;
    int64_t seq = 0;
    int r = ps_history_trace_seq(h, id, &seq);

    if (r < 0)
        return r;
    page.ways = calloc(want->limit, sizeof(Ps__PacketWay *));
    stmt = page_stmt(h, seq, want);
    if (!page.ways || !stmt)
        return page.ways ? -EIO : -ENOMEM;
    r = read_page(h, seq, want, stmt, &page);
    sqlite3_reset(stmt);
    if (r < 0)
        return r;
    *ret_page = page;
    page = (struct ps_history_page){0};
    return 0;
}
