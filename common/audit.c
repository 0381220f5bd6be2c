/* SPDX-License-Identifier: MIT */
#include "common/audit_internal.h"

#include "common/json.h"

/* The file may be a little larger: an entry comes before the oldest go. */
#define FILE_SLACK    (512u << 10)
#define EVICT_AT_ONCE 64
/* A stopped replica that holds the file must not stop us for long. */
#define BUSY_MS 200
/* Refused ones are summed again after so many. */
#define CHECK_EVERY 64

static const char *const migrations[] = {
    "CREATE TABLE entry ("
    "  seq INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  time_ns INTEGER NOT NULL, instance TEXT NOT NULL,"
    "  actor TEXT, client TEXT, action TEXT NOT NULL, target TEXT,"
    "  outcome INTEGER NOT NULL, status INTEGER, error TEXT,"
    "  before TEXT, after TEXT, before_bytes INTEGER, before_sha TEXT,"
    "  after_bytes INTEGER, after_sha TEXT, size INTEGER NOT NULL) STRICT;"
    "CREATE INDEX entry_time ON entry (time_ns, seq);"
    "CREATE INDEX entry_refused ON entry (seq, size) WHERE outcome = 2;",
    PS_AUDIT_REPEATS_TABLE,
    NULL,
};

int ps_audit_open(const char *dir, const char *name, const char *service,
                  const char *instance, uint64_t max_bytes,
                  struct ps_audit **ret_audit, char **ret_error)
{
    _cleanup_(ps_audit_free) struct ps_audit *audit = calloc(1, sizeof(*audit));
    char file[64];
    int r;

    *ret_error = NULL;
    if (!audit)
        return -ENOMEM;
    snprintf(file, sizeof(file), "%s.audit", name);
    snprintf(audit->service, sizeof(audit->service), "%s", service);
    snprintf(audit->instance, sizeof(audit->instance), "%s", instance);
    audit->max_bytes = max_bytes;
    r = ps_store_open(dir, file, migrations, max_bytes + FILE_SLACK,
                      &audit->store, ret_error);
    if (r < 0)
        return r;
    sqlite3_busy_timeout(ps_store_db(audit->store), BUSY_MS);
    *ret_audit = TAKE_PTR(audit);
    return 0;
}

void ps_audit_free(struct ps_audit **audit)
{
    if (*audit)
        ps_store_free(&(*audit)->store);
    free(*audit);
    *audit = NULL;
}

void ps_audit_watch(struct ps_audit *audit,
                    void (*fn)(void *arg, const Ps__AuditEntry *entry),
                    void *arg)
{
    audit->watch = fn;
    audit->watch_arg = arg;
}

const struct ps_audit_stats *ps_audit_stats(const struct ps_audit *audit)
{
    return &audit->stats;
}

/* ---- statements --------------------------------------------------------- */

static void bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
    if (text && *text)
        sqlite3_bind_text(stmt, at, text, (int)strnlen(text, PS_AUDIT_MAX_TEXT),
                          SQLITE_TRANSIENT);
}

/* What was committed survives kill -9 either way; and power loss, if flushed.
 */
static int set_flush(struct ps_audit *audit, bool flush)
{
    return ps_store_exec(audit->store, flush ? "PRAGMA synchronous=FULL"
                                             : "PRAGMA synchronous=NORMAL");
}

static int evict(struct ps_audit *audit, const char *sql)
{
    sqlite3_stmt *stmt = ps_store_stmt(audit->store, sql);
    int r;

    if (!stmt)
        return -EIO;
    sqlite3_bind_int(stmt, 1, EVICT_AT_ONCE);
    r = ps_store_run(stmt);
    if (r == 0)
        audit->stats.evicted +=
            (uint64_t)sqlite3_changes(ps_store_db(audit->store));
    return r;
}

static int make_room(struct ps_audit *audit)
{
    uint64_t used;
    int r = ps_store_used_bytes(audit->store, &used);

    /* Rows free a page only when all of it is empty: some at a time. */
    for (int i = 0; r == 0 && i < 16 && used > audit->max_bytes; i++) {
        r = evict(audit, "DELETE FROM entry WHERE seq IN (SELECT seq FROM "
                         "entry ORDER BY seq LIMIT ?)");
        if (r == 0)
            r = ps_store_used_bytes(audit->store, &used);
    }
    return r;
}

/* Refused changes may have a quarter of the log. */
static int make_room_refused(struct ps_audit *audit)
{
    sqlite3_stmt *stmt;
    int64_t sum;

    if (audit->since_check++ % CHECK_EVERY != 0)
        return 0;
    for (;;) {
        uint64_t before = audit->stats.evicted;
        int r;

        stmt = ps_store_stmt(audit->store, "SELECT total(size) FROM entry "
                                           "WHERE outcome = 2");
        if (!stmt || sqlite3_step(stmt) != SQLITE_ROW)
            return -EIO;
        sum = sqlite3_column_int64(stmt, 0);
        sqlite3_reset(stmt);
        if (sum <= (int64_t)(audit->max_bytes / 4))
            return 0;
        r = evict(audit, "DELETE FROM entry WHERE seq IN (SELECT seq FROM "
                         "entry WHERE outcome = 2 ORDER BY seq LIMIT ?)");
        if (r < 0 || audit->stats.evicted == before)
            return r;
    }
}

/* ---- writing ------------------------------------------------------------ */

static int insert(struct ps_audit *audit, const struct ps_audit_start *start,
                  uint64_t *ret_seq)
{
    sqlite3_stmt *stmt = ps_store_stmt(
        audit->store,
        "INSERT INTO entry (time_ns, instance, actor, client, action, target,"
        " outcome, size) VALUES (?, ?, ?, ?, ?, ?, ?, 256)");
    int r;

    if (!stmt)
        return -EIO;
    sqlite3_bind_int64(stmt, 1, (int64_t)start->time_ns);
    bind_text(stmt, 2, audit->instance);
    bind_text(stmt, 3, start->actor);
    bind_text(stmt, 4, start->client);
    bind_text(stmt, 5, start->action);
    bind_text(stmt, 6, start->target);
    sqlite3_bind_int(stmt, 7, PS__AUDIT_ENTRY__OUTCOME__unknown);
    r = ps_store_run(stmt);
    if (r == 0)
        *ret_seq =
            (uint64_t)sqlite3_last_insert_rowid(ps_store_db(audit->store));
    return r;
}

static Ps__AuditEntry__Outcome outcome_of(uint32_t status)
{
    if (status == 0)
        return PS__AUDIT_ENTRY__OUTCOME__done;
    return status < 500 ? PS__AUDIT_ENTRY__OUTCOME__refused
                        : PS__AUDIT_ENTRY__OUTCOME__failed;
}

static void bind_state(sqlite3_stmt *stmt, int at,
                       const struct ps_audit_state *state)
{
    if (state->text)
        sqlite3_bind_text(stmt, at, state->text, -1, SQLITE_STATIC);
    if (!state->cut)
        return;
    sqlite3_bind_int64(stmt, at + 1, (int64_t)state->bytes);
    sqlite3_bind_text(stmt, at + 2, state->sha256, -1, SQLITE_STATIC);
}

static size_t length(const char *text)
{
    return text ? strlen(text) : 0;
}

static int update(struct ps_audit *audit, uint64_t seq,
                  const struct ps_audit_end *end,
                  const struct ps_audit_state states[2])
{
    sqlite3_stmt *stmt = ps_store_stmt(
        audit->store,
        "UPDATE entry SET outcome = ?2, status = ?3, error = ?4,"
        " target = coalesce(?5, target), before = ?6, before_bytes = ?7,"
        " before_sha = ?8, after = ?9, after_bytes = ?10, after_sha = ?11,"
        " size = ?12 WHERE seq = ?1");
    size_t size = 256 + length(states[0].text) + length(states[1].text);

    if (!stmt)
        return -EIO;
    sqlite3_bind_int64(stmt, 1, (int64_t)seq);
    sqlite3_bind_int(stmt, 2, (int)outcome_of(end->status));
    if (end->status)
        sqlite3_bind_int64(stmt, 3, end->status);
    bind_text(stmt, 4, end->error);
    bind_text(stmt, 5, end->target);
    bind_state(stmt, 6, &states[0]);
    bind_state(stmt, 9, &states[1]);
    sqlite3_bind_int64(stmt, 12, (int64_t)size);
    return ps_store_run(stmt);
}

static int make_states(const struct ps_audit_end *end,
                       struct ps_audit_state ret_states[2])
{
    json_t *after = NULL;
    int r;

    if (end->after && end->after->descriptor != &ps__empty__descriptor) {
        after = ps_json_from_message(end->after);
        if (!after)
            return -ENOMEM;
    }
    r = ps_audit_state_make(end->before, after, PS_AUDIT_MAX_STATE, ret_states);
    json_decref(after);
    return r;
}

/* The entry as others see it come, without its states. */
static void tell(struct ps_audit *audit, uint64_t seq)
{
    sqlite3_stmt *stmt;
    Ps__AuditEntry *entry = NULL;

    if (!audit->watch)
        return;
    stmt = ps_store_stmt(
        audit->store,
        "SELECT seq, time_ns, instance, actor, client, action, target,"
        " outcome, status, error, NULL, NULL, before_bytes, before_sha,"
        " after_bytes, after_sha FROM entry WHERE seq = ?");
    if (!stmt)
        return;
    sqlite3_bind_int64(stmt, 1, (int64_t)seq);
    if (sqlite3_step(stmt) == SQLITE_ROW &&
        ps_audit_row(audit, stmt, &entry) == 0)
        audit->watch(audit->watch_arg, entry);
    sqlite3_reset(stmt);
    if (entry)
        ps__audit_entry__free_unpacked(entry, NULL);
}

int ps_audit_begin(struct ps_audit *audit, const struct ps_audit_start *start,
                   uint64_t *ret_seq)
{
    int r = set_flush(audit, false);

    if (r == 0)
        r = ps_store_begin(audit->store);
    if (r == 0) {
        r = make_room(audit);
        if (r == 0)
            r = insert(audit, start, ret_seq);
        if (r == 0 && start->key)
            r = ps_audit_repeat_begin(audit, start, *ret_seq);
        r = ps_store_end(audit->store, r);
    }
    if (r < 0)
        audit->stats.failed++;
    return r;
}

static int finish(struct ps_audit *audit, uint64_t seq,
                  const struct ps_audit_end *end)
{
    struct ps_audit_state states[2];
    int r = make_states(end, states);

    if (r < 0)
        return r;
    r = update(audit, seq, end, states);
    ps_audit_state_clear(states);
    if (r == 0)
        r = ps_audit_repeat_end(audit, seq, end);
    if (r == 0 && outcome_of(end->status) == PS__AUDIT_ENTRY__OUTCOME__refused)
        r = make_room_refused(audit);
    return r;
}

int ps_audit_end(struct ps_audit *audit, uint64_t seq,
                 const struct ps_audit_end *end)
{
    int r = set_flush(audit, end->status == 0 || end->status >= 500);

    if (r == 0)
        r = ps_store_begin(audit->store);
    if (r == 0)
        r = ps_store_end(audit->store, finish(audit, seq, end));
    if (r < 0)
        audit->stats.failed++;
    else
        tell(audit, seq);
    return r;
}

int ps_audit_add(struct ps_audit *audit, const struct ps_audit_start *start,
                 const struct ps_audit_end *end)
{
    uint64_t seq = 0;
    int r = ps_audit_begin(audit, start, &seq);

    return r < 0 ? r : ps_audit_end(audit, seq, end);
}
