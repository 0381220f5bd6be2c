/* SPDX-License-Identifier: MIT */
/* Reading the audit log: what stands in the file is believed nothing. */
#include "common/audit_internal.h"
#include "common/options.h"
#include "common/utf8.h"

/* Of all entries of an answer; PS_BUS_MAX_MESSAGE is four times that. */
#define MAX_REPLY (1u << 20)

/* ---- cursors ------------------------------------------------------------ */

void ps_audit_cursor(uint64_t time_ns, uint64_t seq, char *text)
{
    snprintf(text, PS_AUDIT_CURSOR, "a%llu-%llu", (unsigned long long)time_ns,
             (unsigned long long)seq);
}

int ps_audit_cursor_parse(const char *text, uint64_t *ret_time_ns,
                          uint64_t *ret_seq)
{
    char copy[PS_AUDIT_CURSOR], *dash;
    uint64_t time_ns, seq;

    if (text[0] != 'a' || strlen(text) >= sizeof(copy))
        return -EINVAL;
    snprintf(copy, sizeof(copy), "%s", text + 1);
    dash = strchr(copy, '-');
    if (!dash)
        return -EINVAL;
    *dash++ = '\0';
    if (ps_parse_uint(copy, 0, INT64_MAX, &time_ns) < 0 ||
        ps_parse_uint(dash, 0, INT64_MAX, &seq) < 0)
        return -EINVAL;
    *ret_time_ns = time_ns;
    *ret_seq = seq;
    return 0;
}

/* ---- one row ------------------------------------------------------------ */

enum {
    COL_SEQ,
    COL_TIME,
    COL_INSTANCE,
    COL_ACTOR,
    COL_CLIENT,
    COL_ACTION,
    COL_TARGET,
    COL_OUTCOME,
    COL_STATUS,
    COL_ERROR,
    COL_BEFORE,
    COL_AFTER,
    COL_BEFORE_BYTES,
    COL_BEFORE_SHA,
    COL_AFTER_BYTES,
    COL_AFTER_SHA,
};

/* A copy in UTF-8 of at most max bytes; NULL: there is none. */
static char *take_text(sqlite3_stmt *row, int column, size_t max)
{
    const char *text = (const char *)sqlite3_column_text(row, column);
    size_t len = text ? strnlen(text, max) : 0;

    return len > 0 ? ps_utf8_repair(text, len, &len) : NULL;
}

static uint64_t take_number(sqlite3_stmt *row, int column)
{
    int64_t value = sqlite3_column_int64(row, column);

    return value > 0 ? (uint64_t)value : 0;
}

static Ps__Json *take_state(sqlite3_stmt *row, int column)
{
    int bytes = sqlite3_column_bytes(row, column);
    Ps__Json *json;

    if (bytes <= 0 || bytes > (int)PS_AUDIT_MAX_STATE)
        return NULL;
    json = malloc(sizeof(*json));
    if (!json)
        return NULL;
    ps__json__init(json);
    json->text = take_text(row, column, PS_AUDIT_MAX_STATE);
    if (!json->text) {
        free(json);
        return NULL;
    }
    return json;
}

static Ps__AuditCut *take_cut(sqlite3_stmt *row, int bytes, int sha)
{
    Ps__AuditCut *cut;

    if (sqlite3_column_type(row, bytes) == SQLITE_NULL)
        return NULL;
    cut = malloc(sizeof(*cut));
    if (!cut)
        return NULL;
    ps__audit_cut__init(cut);
    cut->bytes = take_number(row, bytes);
    cut->sha256 = take_text(row, sha, 64);
    if (!cut->sha256)
        cut->sha256 = strdup("");
    return cut;
}

static void take_outcome(sqlite3_stmt *row, Ps__AuditEntry *entry)
{
    int outcome = sqlite3_column_int(row, COL_OUTCOME);

    entry->outcome = PS__AUDIT_ENTRY__OUTCOME__unknown;
    if (protobuf_c_enum_descriptor_get_value(
            &ps__audit_entry__outcome__descriptor, outcome))
        entry->outcome = (Ps__AuditEntry__Outcome)outcome;
    entry->status = (uint32_t)take_number(row, COL_STATUS);
    entry->has_status = entry->status >= 100 && entry->status < 600;
}

int ps_audit_row(const struct ps_audit *audit, sqlite3_stmt *row,
                 Ps__AuditEntry **ret_entry)
{
    Ps__AuditEntry *entry = malloc(sizeof(*entry));

    if (!entry)
        return -ENOMEM;
    ps__audit_entry__init(entry);
    entry->seq = take_number(row, COL_SEQ);
    entry->time = malloc(sizeof(*entry->time));
    if (entry->time) {
        ps__time__init(entry->time);
        entry->time->unix_ns = take_number(row, COL_TIME);
    }
    entry->service = strdup(audit->service);
    entry->instance = take_text(row, COL_INSTANCE, 64);
    if (!entry->instance)
        entry->instance = strdup("");
    entry->actor = take_text(row, COL_ACTOR, PS_AUDIT_MAX_TEXT);
    entry->client = take_text(row, COL_CLIENT, PS_AUDIT_MAX_TEXT);
    entry->action = take_text(row, COL_ACTION, PS_AUDIT_MAX_TEXT);
    if (!entry->action)
        entry->action = strdup("");
    entry->target = take_text(row, COL_TARGET, PS_AUDIT_MAX_TEXT);
    take_outcome(row, entry);
    entry->error = take_text(row, COL_ERROR, PS_AUDIT_MAX_TEXT);
    entry->before = take_state(row, COL_BEFORE);
    entry->after = take_state(row, COL_AFTER);
    entry->before_cut = take_cut(row, COL_BEFORE_BYTES, COL_BEFORE_SHA);
    entry->after_cut = take_cut(row, COL_AFTER_BYTES, COL_AFTER_SHA);
    if (!entry->time || !entry->service || !entry->instance || !entry->action ||
        (entry->before_cut && !entry->before_cut->sha256) ||
        (entry->after_cut && !entry->after_cut->sha256)) {
        ps__audit_entry__free_unpacked(entry, NULL);
        return -ENOMEM;
    }
    *ret_entry = entry;
    return 0;
}

/* ---- lists -------------------------------------------------------------- */

#define SELECT                                                                \
    "SELECT " PS_AUDIT_COLUMNS " FROM entry WHERE"                            \
    " (time_ns, seq) < (?1, ?2) AND time_ns >= ?3 AND time_ns < ?4"           \
    " AND (?5 IS NULL OR actor = ?5)"                                         \
    " AND (?6 IS NULL OR action = ?6"                                         \
    "      OR (substr(?6, -1) = '.' AND substr(action, 1, length(?6)) = ?6))" \
    " AND (?7 IS NULL OR target = ?7) AND (?8 IS NULL OR outcome = ?8)"       \
    " ORDER BY time_ns DESC, seq DESC LIMIT ?9"

static void bind_filter(sqlite3_stmt *stmt, int at, const char *text)
{
    if (text)
        sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC);
}

static int64_t bounded(uint64_t value)
{
    return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

static int bind_request(sqlite3_stmt *stmt, const Ps__ListAuditRequest *req,
                        uint32_t limit)
{
    uint64_t time_ns = INT64_MAX, seq = INT64_MAX;

    if (req->cursor && *req->cursor &&
        ps_audit_cursor_parse(req->cursor, &time_ns, &seq) < 0)
        return -EINVAL;
    sqlite3_bind_int64(stmt, 1, (int64_t)time_ns);
    sqlite3_bind_int64(stmt, 2, (int64_t)seq);
    sqlite3_bind_int64(stmt, 3, req->since ? bounded(req->since->unix_ns) : 0);
    sqlite3_bind_int64(stmt, 4,
                       req->until ? bounded(req->until->unix_ns) : INT64_MAX);
    bind_filter(stmt, 5, req->actor);
    bind_filter(stmt, 6, req->action);
    bind_filter(stmt, 7, req->target);
    if (req->has_outcome)
        sqlite3_bind_int(stmt, 8, (int)req->outcome);
    /* One more shows whether there is a next page. */
    sqlite3_bind_int64(stmt, 9, (int64_t)limit + 1);
    return 0;
}

static int end_page(Ps__AuditList *list)
{
    const Ps__AuditEntry *last = list->entries[list->n_entries - 1];

    list->next_cursor = malloc(PS_AUDIT_CURSOR);
    if (!list->next_cursor)
        return -ENOMEM;
    ps_audit_cursor(last->time->unix_ns, last->seq, list->next_cursor);
    return 0;
}

static int read_rows(struct ps_audit *audit, sqlite3_stmt *stmt, uint32_t limit,
                     Ps__AuditList *list)
{
    size_t bytes = 0;
    int rc, r = 0;

    while (r == 0 && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        Ps__AuditEntry *entry;

        if (list->n_entries == limit || bytes > MAX_REPLY)
            return end_page(list);
        r = ps_audit_row(audit, stmt, &entry);
        if (r < 0)
            break;
        list->entries[list->n_entries++] = entry;
        bytes += ps__audit_entry__get_packed_size(entry);
    }
    return r < 0 ? r : ps_store_errno(rc);
}

/* Numbers ever given, less what is still there. */
static void count_evicted(struct ps_audit *audit, Ps__AuditList *list)
{
    sqlite3_stmt *stmt = ps_store_stmt(
        audit->store, "SELECT (SELECT seq FROM sqlite_sequence WHERE name = "
                      "'entry') - count(*) FROM entry");

    if (!stmt || sqlite3_step(stmt) != SQLITE_ROW)
        return;
    list->has_evicted = true;
    list->evicted = take_number(stmt, 0);
    sqlite3_reset(stmt);
}

int ps_audit_list(struct ps_audit *audit, const Ps__ListAuditRequest *request,
                  uint32_t limit, Ps__AuditList **ret_list)
{
    Ps__AuditList *list = malloc(sizeof(*list));
    sqlite3_stmt *stmt = ps_store_stmt(audit->store, SELECT);
    int r = stmt ? 0 : -EIO;

    if (!list)
        return -ENOMEM;
    ps__audit_list__init(list);
    list->entries = calloc((size_t)limit + 1, sizeof(Ps__AuditEntry *));
    if (!list->entries)
        r = -ENOMEM;
    if (r == 0)
        r = bind_request(stmt, request, limit);
    if (r == 0 &&
        (!request->service || ps_streq(request->service, audit->service)))
        r = read_rows(audit, stmt, limit, list);
    if (stmt)
        sqlite3_reset(stmt);
    if (r < 0) {
        ps__audit_list__free_unpacked(list, NULL);
        return r;
    }
    count_evicted(audit, list);
    *ret_list = list;
    return 0;
}
