/* SPDX-License-Identifier: MIT */
/* Ways into the history. */
#include "tracer/history_internal.h"
#include "tracer/way_keys.h"

/* Of a way's row and of each of its keys, beyond the body. */
#define ROW_BYTES 40u
#define KEY_BYTES 24u

static int put_iface(struct ps_history *h, struct ps_history_sample *s,
                     const Ps__Step *step)
{
    struct ps_history_iface *iface = &s->iface[s->ifaces];
    sqlite3_stmt *stmt;
    int r;

    for (uint32_t i = 0; i < s->ifaces; i++)
        if (s->iface[i].netns == step->netns &&
            s->iface[i].ifindex == step->ifindex &&
            !strncmp(s->iface[i].name, step->ifname, sizeof(iface->name) - 1))
            return 0;
    if (s->ifaces == PS_HISTORY_MAX_IFACES)
        return 0;
    *iface = (struct ps_history_iface){step->netns, step->ifindex, ""};
    snprintf(iface->name, sizeof(iface->name), "%s", step->ifname);
    stmt = ps_store_stmt(
        h->store, "INSERT OR REPLACE INTO iface (trace, k, netns, ifindex, "
                  "name) VALUES (?1, ?2, ?3, ?4, ?5)");
    if (!stmt)
        return -EIO;
    sqlite3_bind_int64(stmt, 1, s->trace);
    sqlite3_bind_int64(stmt, 2, s->ifaces++);
    sqlite3_bind_int64(stmt, 3, iface->netns);
    sqlite3_bind_int64(stmt, 4, iface->ifindex);
    sqlite3_bind_text(stmt, 5, iface->name, -1, SQLITE_STATIC);
    r = ps_store_errno(sqlite3_step(stmt));
    sqlite3_reset(stmt);
    return r;
}

static int put_sample(struct ps_history *h, struct ps_history_sample *s,
                      const uint8_t *plain, size_t len)
{
    sqlite3_stmt *stmt = ps_store_stmt(
        h->store,
        "INSERT OR REPLACE INTO sample (trace, body) VALUES (?1, ?2)");
    int r;

    if (!stmt)
        return -EIO;
    if (len > PS_WAY_SAMPLE_MAX)
        len = PS_WAY_SAMPLE_MAX;
    s->data = malloc(len);
    if (!s->data)
        return -ENOMEM;
    memcpy(s->data, plain, len);
    s->len = len;
    sqlite3_bind_int64(stmt, 1, s->trace);
    sqlite3_bind_blob64(stmt, 2, s->data, len, SQLITE_STATIC);
    r = ps_store_errno(sqlite3_step(stmt));
    sqlite3_reset(stmt);
    return r;
}

static int put_keys(struct ps_history *h, int64_t seq, uint32_t n,
                    const uint64_t *keys, size_t n_keys)
{
    sqlite3_stmt *seen = ps_store_stmt(
        h->store,
        "INSERT OR IGNORE INTO seen (trace, key, n) VALUES (?1, ?2, ?3)");
    int r = 0;

    for (size_t i = 0; i < n_keys && r == 0; i++) {
        r = ps_history_run(
            h, "INSERT OR IGNORE INTO place (key, trace) VALUES (?1, ?2)",
            (int64_t)keys[i], seq);
        if (r < 0 || !seen)
            return r < 0 ? r : -EIO;
        sqlite3_bind_int64(seen, 1, seq);
        sqlite3_bind_int64(seen, 2, (int64_t)keys[i]);
        sqlite3_bind_int64(seen, 3, n);
        r = ps_store_errno(sqlite3_step(seen));
        sqlite3_reset(seen);
    }
    return r;
}

static int put_body(struct ps_history *h, int64_t id, const Ps__PacketWay *way,
                    const uint8_t *body, size_t len)
{
    sqlite3_stmt *stmt = ps_store_stmt(
        h->store, "INSERT OR REPLACE INTO way (id, first, steps, dropped, "
                  "body) VALUES (?1, ?2, ?3, ?4, ?5)");
    int r;

    if (!stmt)
        return -EIO;
    sqlite3_bind_int64(stmt, 1, id);
    sqlite3_bind_int64(stmt, 2, (int64_t)way->first->unix_ns);
    sqlite3_bind_int64(stmt, 3, (int64_t)way->n_steps);
    sqlite3_bind_int(stmt, 4, ps_streq(way->fate, "dropped"));
    sqlite3_bind_blob64(stmt, 5, body, len, SQLITE_STATIC);
    r = ps_store_errno(sqlite3_step(stmt));
    sqlite3_reset(stmt);
    return r;
}

static int put_way(struct ps_history *h, struct ps_history_sample *s,
                   Ps__PacketWay *way, uint64_t *used)
{
    _cleanup_free_ uint8_t *body = NULL;
    struct ps_way_plain plain = {0};
    uint64_t keys[PS_WAY_KEYS];
    size_t len = 0, n = ps_way_keys(way, keys);
    uint32_t number = (uint32_t)way->id;
    uint64_t bytes;
    int r = ps_way_pack(way, &plain);

    /* It alone: those that are written with it stay as they are. */
    if (r == -E2BIG && ps_way_cut(way))
        r = ps_way_pack(way, &plain);
    if (r == 0)
        r = ps_way_deflate(h->codec, s->data, s->len, &plain, &body, &len);
    if (r < 0) {
        free(plain.data);
        return r;
    }
    bytes = len + ROW_BYTES + n * KEY_BYTES;
    r = ps_history_make_room(h, s->trace, bytes + (s->len ? 0 : plain.len),
                             used);
    if (r == 0 && s->len == 0)
        r = put_sample(h, s, plain.data, plain.len);
    free(plain.data);
    if (r == 0)
        r = put_body(h, ps_history_way_id(s->trace, number), way, body, len);
    if (r == 0)
        r = put_keys(h, s->trace, number, keys, n);
    for (size_t i = 0; i < way->n_steps && r == 0; i++)
        if (way->steps[i]->ifname)
            r = put_iface(h, s, way->steps[i]);
    *used += bytes;
    return r;
}

static int put_ways(struct ps_history *h, const char *id,
                    Ps__PacketWay *const *ways, size_t n, size_t *ret_done)
{
    struct ps_history_sample *s = NULL;
    uint64_t used = 0, last = 0;
    int64_t seq = 0;
    size_t i;
    int r;

    r = ps_history_trace_seq(h, id, &seq);
    if (r == 0)
        r = ps_history_sample_of(h, seq, &s);
    for (i = 0; i < n && r == 0; i++) {
        if (ways[i]->id >= PS_HISTORY_MAX_WAYS)
            return -EINVAL;
        r = put_way(h, s, ways[i], &used);
        if (r < 0)
            break;
        if (ways[i]->first->unix_ns > last)
            last = ways[i]->first->unix_ns;
    }
    *ret_done = i;
    if (i > 0 && (r == 0 || r == -EDQUOT)) {
        int e = ps_history_run(
            h, "UPDATE trace SET last = max(last, ?1) WHERE seq = ?2",
            (int64_t)last, seq);

        r = e < 0 ? e : r;
    }
    return r;
}

int ps_history_add(struct ps_history *h, const char *id,
                   Ps__PacketWay *const *ways, size_t n, size_t *ret_n)
{
    size_t done = 0;
    bool full;
    int r = ps_store_begin(h->store);

    if (r < 0)
        return r;
    h->evicting = 0;
    r = put_ways(h, id, ways, n, &done);
    full = r == -EDQUOT;
    r = ps_store_end(h->store, full ? 0 : r);
    if (r < 0) {
        /* What was remembered may not be there. */
        ps_history_forget(h, 0);
        return r;
    }
    h->evicted += h->evicting;
    /* A trace that left is in the log, which may be longer than the bound
     * allows for. Where it cannot be cut now, the next one does it. */
    if (h->evicting > 0)
        ps_store_exec(h->store, "PRAGMA wal_checkpoint(TRUNCATE)");
    *ret_n = done;
    return full ? -EDQUOT : 0;
}
