/* SPDX-License-Identifier: MIT */
/*
 * Ways by their tuple. Traces that have the keys are taken by their newest
 * way; within one, the numbers that stand under all keys are met from the
 * highest down. What is older than a page's oldest ends both.
 */
#include <inttypes.h>

#include "tracer/history_internal.h"
#include "tracer/way_keys.h"

/* Ways are numbered as their first events came, which CPUs may give in a
 * slightly different order than their clocks. */
#define DISORDER_NS PS_NS_PER_MS
/* Looks at the clock after so many ways. */
#define LOOKS 64u

struct item {
    struct ps_history_place at;
    Ps__PacketWay *way;
};

struct search {
    struct ps_history *h;
    const Ps__FindPacketsRequest *req;
    const struct ps_history_place *from;
    uint64_t deadline;
    uint64_t keys[PS_FIND_KEYS];
    size_t n_keys;
    struct item *items; /* the newest first */
    size_t n, max;
    unsigned int looks;
    bool partial;
};

static bool is_older(const struct ps_history_place *a,
                     const struct ps_history_place *b)
{
    if (a->first != b->first)
        return a->first < b->first;
    if (a->trace != b->trace)
        return a->trace < b->trace;
    return a->n < b->n;
}

static const struct ps_history_place *oldest(const struct search *s)
{
    return s->n == s->max ? &s->items[s->n - 1].at : NULL;
}

static void insert(struct search *s, const struct ps_history_place *at,
                   Ps__PacketWay *way)
{
    size_t i;

    if (s->n == s->max)
        ps__packet_way__free_unpacked(s->items[--s->n].way, NULL);
    for (i = s->n++; i > 0 && is_older(&s->items[i - 1].at, at); i--)
        s->items[i] = s->items[i - 1];
    s->items[i] = (struct item){*at, way};
}

/* ---- numbers ------------------------------------------------------------ */

/* The highest number under a key that is not above n; -ENOENT: none. */
static int seek_key(struct search *s, int64_t trace, uint64_t key, uint32_t n,
                    uint32_t *ret_n)
{
    sqlite3_stmt *stmt =
        ps_store_stmt(s->h->store, "SELECT n FROM seen WHERE trace = ?1 AND "
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

static int seek_any(struct search *s, int64_t trace, uint32_t n,
                    uint32_t *ret_n)
{
    sqlite3_stmt *stmt = ps_store_stmt(
        s->h->store, "SELECT id FROM way WHERE id BETWEEN ?1 AND ?2 "
                     "ORDER BY id DESC LIMIT 1");
    int rc;

    if (!stmt)
        return -EIO;
    sqlite3_bind_int64(stmt, 1, ps_history_way_id(trace, 0));
    sqlite3_bind_int64(stmt, 2, ps_history_way_id(trace, n));
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *ret_n = (uint32_t)sqlite3_column_int64(stmt, 0) &
                 (PS_HISTORY_MAX_WAYS - 1);
    sqlite3_reset(stmt);
    if (rc == SQLITE_DONE)
        return -ENOENT;
    return ps_store_errno(rc);
}

static bool is_late(struct search *s)
{
    if (++s->looks % LOOKS == 0 && ps_mono_ns() > s->deadline)
        s->partial = true;
    return s->partial;
}

/* The highest number under all keys that is not above n; -ENOENT: none. */
static int seek(struct search *s, int64_t trace, uint32_t n, uint32_t *ret_n)
{
    size_t agreed = 0;
    int r;

    if (s->n_keys == 0)
        return seek_any(s, trace, n, ret_n);
    for (size_t i = 0; agreed < s->n_keys; i = (i + 1) % s->n_keys) {
        uint32_t found;

        r = is_late(s) ? -ENOENT : seek_key(s, trace, s->keys[i], n, &found);
        if (r < 0)
            return r;
        agreed = found == n ? agreed + 1 : 1;
        n = found;
    }
    *ret_n = n;
    return 0;
}

/* ---- a trace ------------------------------------------------------------ */

/* -ENOENT: this one and all before it are too old. */
static int look_at(struct search *s, int64_t trace, uint32_t n)
{
    sqlite3_stmt *stmt =
        ps_store_stmt(s->h->store, "SELECT first, body FROM way WHERE id = ?1");
    const struct ps_history_place *last = oldest(s);
    struct ps_history_place at = {.trace = trace, .n = n};
    Ps__PacketWay *way = NULL;
    int rc, r = 0;

    if (!stmt)
        return -EIO;
    sqlite3_bind_int64(stmt, 1, ps_history_way_id(trace, n));
    rc = sqlite3_step(stmt);
    if (rc != SQLITE_ROW) {
        sqlite3_reset(stmt);
        return ps_store_errno(rc);
    }
    at.first = (uint64_t)sqlite3_column_int64(stmt, 0);
    if (last && at.first + DISORDER_NS < last->first)
        r = -ENOENT;
    else if ((!last || is_older(last, &at)) &&
             (s->from->first == 0 || is_older(&at, s->from)))
        r = ps_history_read_way(s->h, trace, n, stmt, 1, &way);
    sqlite3_reset(stmt);
    if (!way)
        return r;
    if (ps_way_fits(way, s->req))
        insert(s, &at, way);
    else
        ps__packet_way__free_unpacked(way, NULL);
    return 0;
}

static int search_trace(struct search *s, int64_t trace)
{
    uint32_t n = PS_HISTORY_MAX_WAYS - 1;
    int r;

    for (;;) {
        r = is_late(s) ? -ENOENT : seek(s, trace, n, &n);
        if (r == 0)
            r = look_at(s, trace, n);
        if (r < 0)
            return r == -ENOENT ? 0 : r;
        if (n == 0)
            return 0;
        n--;
    }
}

static sqlite3_stmt *traces_stmt(struct search *s)
{
    sqlite3_stmt *stmt;

    if (s->n_keys == 0)
        return ps_store_stmt(s->h->store,
                             "SELECT seq, last FROM trace WHERE last > 0 "
                             "ORDER BY last DESC");
    stmt = ps_store_stmt(s->h->store, "SELECT t.seq, t.last FROM place p "
                                      "CROSS JOIN trace t ON t.seq = p.trace "
                                      "WHERE p.key = ?1 ORDER BY t.last DESC");
    if (stmt)
        sqlite3_bind_int64(stmt, 1, (int64_t)s->keys[0]);
    return stmt;
}

static int search_all(struct search *s)
{
    sqlite3_stmt *stmt = traces_stmt(s);
    int rc = SQLITE_DONE, r = 0;

    if (!stmt)
        return -EIO;
    while (r == 0 && !s->partial && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const struct ps_history_place *last = oldest(s);

        if (last && (uint64_t)sqlite3_column_int64(stmt, 1) < last->first)
            break;
        r = search_trace(s, sqlite3_column_int64(stmt, 0));
    }
    sqlite3_reset(stmt);
    return r < 0 ? r : ps_store_errno(rc);
}

/* ---- the whole ---------------------------------------------------------- */

static void free_items(struct search *s)
{
    for (size_t i = 0; i < s->n; i++)
        ps__packet_way__free_unpacked(s->items[i].way, NULL);
    free(s->items);
}

void ps_history_found_clear(struct ps_history_found *found)
{
    for (size_t i = 0; i < found->n; i++)
        ps__packet_way__free_unpacked(found->ways[i], NULL);
    free(found->ways);
    free(found->places);
    *found = (struct ps_history_found){0};
}

void ps_history_found_cut(struct ps_history_found *found, size_t n)
{
    while (found->n > n)
        ps__packet_way__free_unpacked(found->ways[--found->n], NULL);
    found->next = found->places[n - 1];
    found->more = true;
}

int ps_history_find(struct ps_history *h, const Ps__FindPacketsRequest *req,
                    const struct ps_history_place *from, uint32_t limit,
                    uint64_t deadline, struct ps_history_found *ret_found)
{
    /* One more than asked for: whether there is more. */
    _cleanup_(free_items) struct search s = {.h = h,
                                             .req = req,
                                             .from = from,
                                             .deadline = deadline,
                                             .max = (size_t)limit + 1};
    struct ps_history_found found = {0};
    int r;

    s.n_keys = ps_find_keys(req, s.keys);
    s.items = calloc(s.max, sizeof(*s.items));
    found.ways = calloc(s.max, sizeof(Ps__PacketWay *));
    found.places = calloc(s.max, sizeof(*found.places));
    r = s.items && found.ways && found.places ? search_all(&s) : -ENOMEM;
    if (r < 0) {
        ps_history_found_clear(&found);
        return r;
    }
    found.partial = s.partial;
    found.more = s.n > limit;
    for (; found.n < s.n && found.n < limit; found.n++) {
        found.ways[found.n] = s.items[found.n].way;
        found.places[found.n] = found.next = s.items[found.n].at;
        s.items[found.n].way = NULL;
    }
    *ret_found = found;
    return 0;
}

/* ---- cursors ------------------------------------------------------------ */

void ps_history_place_format(const struct ps_history_place *place, char *text)
{
    snprintf(text, PS_HISTORY_PLACE_TEXT, "%" PRIu64 ".%" PRId64 ".%" PRIu32,
             place->first, place->trace, place->n);
}

static int parse_number(const char **text, char end, uint64_t max,
                        uint64_t *ret_number)
{
    uint64_t number = 0;
    const char *p = *text;

    if (*p < '0' || *p > '9')
        return -EINVAL;
    for (; *p >= '0' && *p <= '9'; p++) {
        uint64_t digit = (uint64_t)(*p - '0');

        if (number > (max - digit) / 10)
            return -EINVAL;
        number = number * 10 + digit;
    }
    if (*p != end)
        return -EINVAL;
    *text = end ? p + 1 : p;
    *ret_number = number;
    return 0;
}

int ps_history_place_parse(const char *text, struct ps_history_place *ret_place)
{
    uint64_t first = 0, trace = 0, n = 0;

    if (text && (parse_number(&text, '.', UINT64_MAX, &first) < 0 ||
                 parse_number(&text, '.', INT64_MAX, &trace) < 0 ||
                 parse_number(&text, '\0', UINT32_MAX, &n) < 0 || first == 0))
        return -EINVAL;
    *ret_place = (struct ps_history_place){first, (int64_t)trace, (uint32_t)n};
    return 0;
}
