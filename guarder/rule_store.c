/* SPDX-License-Identifier: MIT */
#include "guarder/rule_store.h"

#include "guarder/convert.h"

/* 512 rules of at most 1 KiB, and room for a second copy in a transaction. */
#define MAX_BYTES (16u << 20)
/* A packed rule is far smaller. */
#define MAX_BODY 4096

static const char *const migrations[] = {
    "CREATE TABLE rules ("
    "  id TEXT PRIMARY KEY NOT NULL,"
    "  body BLOB NOT NULL,"
    "  created_ns INTEGER NOT NULL,"
    "  updated_ns INTEGER NOT NULL,"
    "  slot INTEGER NOT NULL,"
    "  base_packets INTEGER NOT NULL,"
    "  base_bytes INTEGER NOT NULL,"
    "  hit_packets INTEGER NOT NULL,"
    "  hit_bytes INTEGER NOT NULL"
    ") WITHOUT ROWID;"
    "CREATE TABLE state ("
    "  one INTEGER PRIMARY KEY CHECK (one = 1),"
    "  generation INTEGER NOT NULL,"
    "  next_id INTEGER NOT NULL,"
    "  epoch INTEGER NOT NULL"
    ");"
    "INSERT INTO state VALUES (1, 0, 1, 0);",
    NULL,
};

int ps_rule_store_open(const char *dir, struct ps_store **ret_store,
                       char **ret_error)
{
    return ps_store_open(dir, "guarder", migrations, MAX_BYTES, ret_store,
                         ret_error);
}

/* ---- reading ------------------------------------------------------------ */

int ps_rule_unpack(const uint8_t *data, size_t len, struct ps_rule *ret_rule,
                   struct ps_rule_error *error)
{
    Ps__Rule *msg;
    int r;

    memset(error, 0, sizeof(*error));
    msg = len <= MAX_BODY && data ? ps__rule__unpack(NULL, len, data) : NULL;
    if (!msg) {
        snprintf(error->detail, sizeof(error->detail), "not a rule");
        return -EBADMSG;
    }
    r = ps_rule_parse(msg, ret_rule, error);
    ps__rule__free_unpacked(msg, NULL);
    return r < 0 ? -EBADMSG : 0;
}

static uint64_t column_u64(sqlite3_stmt *stmt, int column)
{
    return (uint64_t)sqlite3_column_int64(stmt, column);
}

static int read_rule(sqlite3_stmt *stmt, struct ps_ruleset *set,
                     struct ps_rule_error *error)
{
    const char *id = (const char *)sqlite3_column_text(stmt, 0);
    struct ps_rule rule, *added;
    uint64_t slot;
    int r;

    r = ps_rule_unpack(sqlite3_column_blob(stmt, 1),
                       (size_t)sqlite3_column_bytes(stmt, 1), &rule, error);
    if (r < 0)
        return r;
    slot = column_u64(stmt, 4);
    if (!ps_streq(id, rule.id) || slot >= PS_GD_SLOTS) {
        snprintf(error->detail, sizeof(error->detail),
                 "its id or slot does not fit");
        return -EBADMSG;
    }
    for (size_t i = 0; i < set->n; i++) {
        if (set->rules[i].slot == slot) {
            snprintf(error->detail, sizeof(error->detail),
                     "its slot is another's");
            return -EBADMSG;
        }
    }
    rule.created_ns = column_u64(stmt, 2);
    rule.updated_ns = column_u64(stmt, 3);
    rule.slot = (uint16_t)slot;
    rule.base.packets = column_u64(stmt, 5);
    rule.base.bytes = column_u64(stmt, 6);
    rule.saved.packets = column_u64(stmt, 7);
    rule.saved.bytes = column_u64(stmt, 8);
    r = ps_ruleset_add(set, &rule, &added);
    if (r < 0) {
        snprintf(error->detail, sizeof(error->detail), "too many rules");
        return -EBADMSG;
    }
    return 0;
}

static int read_state(struct ps_store *store, struct ps_ruleset *set)
{
    sqlite3_stmt *stmt = ps_store_stmt(
        store, "SELECT generation, next_id, epoch FROM state WHERE one = 1");

    if (!stmt)
        return -EIO;
    if (sqlite3_step(stmt) != SQLITE_ROW)
        return -EBADMSG;
    set->generation = column_u64(stmt, 0);
    set->next_id = column_u64(stmt, 1);
    set->epoch = column_u64(stmt, 2);
    sqlite3_reset(stmt);
    return 0;
}

static int read_rules(struct ps_store *store, struct ps_ruleset *set,
                      char **ret_error)
{
    sqlite3_stmt *stmt = ps_store_stmt(
        store, "SELECT id, body, created_ns, updated_ns, slot, base_packets,"
               " base_bytes, hit_packets, hit_bytes FROM rules");
    struct ps_rule_error error;
    int rc, r = 0;

    if (!stmt)
        return -EIO;
    while (r == 0 && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
        r = read_rule(stmt, set, &error);
    if (r < 0 &&
        asprintf(ret_error,
                 "guarder.db holds a rule \"%.64s\" that cannot be one "
                 "(%s%s%s): restore the file from a backup, or move it away "
                 "to start without rules",
                 (const char *)sqlite3_column_text(stmt, 0), error.field,
                 error.field[0] ? ": " : "", error.detail) < 0)
        *ret_error = NULL;
    sqlite3_reset(stmt);
    return r < 0 ? r : ps_store_errno(rc);
}

int ps_rule_store_load(struct ps_store *store, struct ps_ruleset **ret_set,
                       char **ret_error)
{
    _cleanup_(ps_ruleset_free) struct ps_ruleset *set = NULL;
    int r;

    r = ps_ruleset_new(&set);
    if (r == 0)
        r = read_state(store, set);
    if (r == 0)
        r = read_rules(store, set, ret_error);
    if (r < 0)
        return r;
    *ret_set = TAKE_PTR(set);
    return 0;
}

/* ---- writing ------------------------------------------------------------ */

static int write_rule(struct ps_store *store, const struct ps_rule *rule)
{
    sqlite3_stmt *stmt = ps_store_stmt(
        store, "INSERT INTO rules VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
    Ps__Rule *msg = ps_rule_to_pb(rule, NULL);
    uint8_t body[MAX_BODY];
    size_t len;

    if (!stmt || !msg || ps__rule__get_packed_size(msg) > sizeof(body)) {
        if (msg)
            ps__rule__free_unpacked(msg, NULL);
        return msg ? -EIO : -ENOMEM;
    }
    len = ps__rule__pack(msg, body);
    ps__rule__free_unpacked(msg, NULL);
    sqlite3_bind_text(stmt, 1, rule->id, -1, SQLITE_STATIC);
    sqlite3_bind_blob(stmt, 2, body, (int)len, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 3, (sqlite3_int64)rule->created_ns);
    sqlite3_bind_int64(stmt, 4, (sqlite3_int64)rule->updated_ns);
    sqlite3_bind_int(stmt, 5, rule->slot);
    sqlite3_bind_int64(stmt, 6, (sqlite3_int64)rule->base.packets);
    sqlite3_bind_int64(stmt, 7, (sqlite3_int64)rule->base.bytes);
    sqlite3_bind_int64(stmt, 8, (sqlite3_int64)rule->saved.packets);
    sqlite3_bind_int64(stmt, 9, (sqlite3_int64)rule->saved.bytes);
    return ps_store_run(stmt);
}

static int write_all(struct ps_store *store, const struct ps_ruleset *set)
{
    sqlite3_stmt *stmt = ps_store_stmt(
        store, "UPDATE state SET generation = ?, next_id = ?, epoch = ?");
    int r;

    if (!stmt)
        return -EIO;
    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)set->generation);
    sqlite3_bind_int64(stmt, 2, (sqlite3_int64)set->next_id);
    sqlite3_bind_int64(stmt, 3, (sqlite3_int64)set->epoch);
    r = ps_store_run(stmt);
    if (r == 0)
        r = ps_store_exec(store, "DELETE FROM rules");
    for (size_t i = 0; r == 0 && i < set->n; i++)
        r = write_rule(store, &set->rules[i]);
    return r;
}

int ps_rule_store_save(struct ps_store *store, const struct ps_ruleset *set)
{
    int r;

    r = ps_store_begin(store);
    if (r < 0)
        return r;
    r = write_all(store, set);
    return ps_store_end(store, r);
}

static int write_totals(struct ps_store *store, const struct ps_ruleset *set,
                        const struct ps_rule_hits *totals)
{
    sqlite3_stmt *stmt;
    int r = 0;

    for (size_t i = 0; r == 0 && i < set->n; i++) {
        const struct ps_rule *rule = &set->rules[i];

        if (totals[i].packets == rule->saved.packets &&
            totals[i].bytes == rule->saved.bytes)
            continue;
        stmt = ps_store_stmt(store, "UPDATE rules SET hit_packets = ?,"
                                    " hit_bytes = ? WHERE id = ?");
        if (!stmt)
            return -EIO;
        sqlite3_bind_int64(stmt, 1, (sqlite3_int64)totals[i].packets);
        sqlite3_bind_int64(stmt, 2, (sqlite3_int64)totals[i].bytes);
        sqlite3_bind_text(stmt, 3, rule->id, -1, SQLITE_STATIC);
        r = ps_store_run(stmt);
    }
    return r;
}

int ps_rule_store_checkpoint(struct ps_store *store, struct ps_ruleset *set,
                             const struct ps_rule_hits *totals)
{
    bool changed = false;
    int r;

    for (size_t i = 0; i < set->n; i++)
        changed |= totals[i].packets != set->rules[i].saved.packets ||
                   totals[i].bytes != set->rules[i].saved.bytes;
    if (!changed)
        return 0;
    r = ps_store_begin(store);
    if (r < 0)
        return r;
    r = write_totals(store, set, totals);
    r = ps_store_end(store, r);
    if (r < 0)
        return r;
    for (size_t i = 0; i < set->n; i++)
        set->rules[i].saved = totals[i];
    return 0;
}
