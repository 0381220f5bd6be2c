/* SPDX-License-Identifier: MIT */
/*
 * Ways by their tuple, the newest first. Each trace that has the keys has a
 * head: the place from which it is looked at downward, where the numbers that
 * stand under all keys meet. The newest head always goes on, a little at a
 * time, so that all that is newer than the heads was looked at: where the time
 * is over, the next page begins there.
 */
#include "tracer/history_internal.h"
#include "tracer/way_keys.h"

/* Looks at the clock, and at the other heads, after so many keys. */
#define LOOKS 64u

struct item {
    struct ps_history_place at;
    Ps__PacketWay *way;
};

/* Where a trace is looked at. */
struct head {
    int64_t trace;
    uint64_t first; /* of the way n, or of the next one below it */
    uint64_t disorder;
    uint64_t bound; /* no way that was not looked at is newer */
    uint32_t n;     /* numbers above were looked at */
    bool match;     /* n stands under all keys */
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
    struct head *heads;
    size_t n_heads, room;
    bool partial;
    uint64_t reached; /* with partial: all after this time is in items */
};

static uint64_t later(uint64_t time, uint64_t by)
{
    return time < UINT64_MAX - by ? time + by : UINT64_MAX;
}

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

/* ---- heads -------------------------------------------------------------- */

/*
 * From the head's number down, to the next one under all keys, or as far as a
 * look goes. -ENOENT: there is none.
 */
static int move_head(struct search *s, struct head *head)
{
    size_t agreed = 0;
    uint32_t n = head->n, at = 0;
    int r;

    for (size_t i = 0; agreed < s->n_keys && i < LOOKS; i++) {
        uint32_t found = 0;

        r = ps_history_seek_key(s->h, head->trace, s->keys[i % s->n_keys], n,
                                &found);
        if (r < 0)
            return r;
        agreed = found == n ? agreed + 1 : 1;
        n = found;
    }
    r = ps_history_seek_way(s->h, head->trace, n, &at, &head->first);
    if (r < 0)
        return r;
    /* A number under the keys whose way is not there is passed over. */
    head->match = agreed == s->n_keys && (at == n || s->n_keys == 0);
    head->n = at;
    head->bound = later(head->first, head->disorder);
    return 0;
}

static void drop_head(struct search *s, struct head *head)
{
    *head = s->heads[--s->n_heads];
}

/* The head's number is looked at for the first time. */
static int move_on(struct search *s, struct head *head)
{
    int r = move_head(s, head);

    if (r == -ENOENT)
        drop_head(s, head);
    return r == -ENOENT ? 0 : r;
}

/* It is looked at no more. */
static int pass_head(struct search *s, struct head *head)
{
    if (head->n == 0) {
        drop_head(s, head);
        return 0;
    }
    head->n--;
    return move_on(s, head);
}

static struct head *newest_head(const struct search *s)
{
    struct head *newest = NULL;

    for (size_t i = 0; i < s->n_heads; i++)
        if (!newest || s->heads[i].bound > newest->bound)
            newest = &s->heads[i];
    return newest;
}

static int add_head(struct search *s, int64_t trace)
{
    struct head head = {.trace = trace, .n = PS_HISTORY_MAX_WAYS - 1};
    int r = ps_history_disorder(s->h, trace, &head.disorder);

    if (r == 0 && s->from->first)
        r = ps_history_seek_time(s->h, trace,
                                 later(s->from->first, head.disorder), &head.n);
    if (r == 0)
        r = move_head(s, &head);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if (!s->heads || s->n_heads == s->room) {
        size_t room = s->room ? 2 * s->room : 16;
        struct head *heads = reallocarray(s->heads, room, sizeof(*s->heads));

        if (!heads)
            return -ENOMEM;
        s->heads = heads;
        s->room = room;
    }
    s->heads[s->n_heads++] = head;
    return 0;
}

/* ---- traces ------------------------------------------------------------- */

/* Takes the way of a head that matches, where it fits. */
static int look_at(struct search *s, const struct head *head)
{
    sqlite3_stmt *stmt =
        ps_store_stmt(s->h->store, "SELECT body FROM way WHERE id = ?1");
    struct ps_history_place at = {head->first, head->trace, head->n};
    const struct ps_history_place *last = oldest(s);
    Ps__PacketWay *way = NULL;
    int rc, r;

    if ((last && !is_older(last, &at)) ||
        (s->from->first && !is_older(&at, s->from)))
        return 0;
    if (!stmt)
        return -EIO;
    sqlite3_bind_int64(stmt, 1, ps_history_way_id(at.trace, at.n));
    rc = sqlite3_step(stmt);
    r = rc == SQLITE_ROW
            ? ps_history_read_way(s->h, at.trace, at.n, stmt, 0, &way)
            : ps_store_errno(rc);
    sqlite3_reset(stmt);
    if (!way)
        return r;
    if (ps_way_fits(way, s->req))
        insert(s, &at, way);
    else
        ps__packet_way__free_unpacked(way, NULL);
    return 0;
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

/* Traces whose newest way may be newer than all heads get one. *more: there
 * are others, older ones. */
static int add_heads(struct search *s, sqlite3_stmt *stmt, bool *more)
{
    int r = 0;

    while (r == 0 && *more) {
        const struct head *newest = newest_head(s);
        int rc;

        if (newest && (uint64_t)sqlite3_column_int64(stmt, 1) < newest->bound)
            return 0;
        r = add_head(s, sqlite3_column_int64(stmt, 0));
        rc = sqlite3_step(stmt);
        *more = rc == SQLITE_ROW;
        if (r == 0)
            r = ps_store_errno(rc);
    }
    return r;
}

/* The time is over, and something was done with it. */
static bool is_late(struct search *s, const struct head *newest)
{
    if ((s->from->first && newest->bound >= s->from->first) ||
        ps_mono_ns() <= s->deadline)
        return false;
    s->partial = true;
    s->reached = newest->bound;
    return true;
}

static int search_heads(struct search *s, sqlite3_stmt *stmt)
{
    int rc = sqlite3_step(stmt);
    bool more = rc == SQLITE_ROW;
    int r = ps_store_errno(rc);

    for (unsigned int looks = 0; r == 0; looks++) {
        const struct ps_history_place *last = oldest(s);
        struct head *newest;

        r = add_heads(s, stmt, &more);
        newest = newest_head(s);
        if (r < 0 || !newest)
            return r;
        if (last && newest->bound < last->first)
            return 0;
        if (looks && is_late(s, newest))
            return 0;
        if (newest->match)
            r = look_at(s, newest);
        if (r == 0)
            r = newest->match ? pass_head(s, newest) : move_on(s, newest);
    }
    return r;
}

static int search_all(struct search *s)
{
    sqlite3_stmt *stmt = traces_stmt(s);
    int r;

    if (!stmt)
        return -EIO;
    r = search_heads(s, stmt);
    sqlite3_reset(stmt);
    return r;
}

/* ---- the whole ---------------------------------------------------------- */

static void free_items(struct search *s)
{
    for (size_t i = 0; i < s->n; i++)
        ps__packet_way__free_unpacked(s->items[i].way, NULL);
    free(s->items);
    free(s->heads);
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
    found->partial = false;
}

/* What was not reached may have newer ones than these: they are found again. */
static void cut_unsure(struct search *s)
{
    while (s->n && s->items[s->n - 1].at.first <= s->reached)
        ps__packet_way__free_unpacked(s->items[--s->n].way, NULL);
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
    if (s.partial)
        cut_unsure(&s);
    found.more = s.n > limit;
    for (; found.n < s.n && found.n < limit; found.n++) {
        found.ways[found.n] = s.items[found.n].way;
        found.places[found.n] = found.next = s.items[found.n].at;
        s.items[found.n].way = NULL;
    }
    /* A page that is full is whole. */
    found.partial = s.partial && !found.more;
    if (found.partial) {
        found.more = true;
        found.next = (struct ps_history_place){
            .first = s.reached, .trace = INT64_MAX, .n = UINT32_MAX};
    }
    *ret_found = found;
    return 0;
}
