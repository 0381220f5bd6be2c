/* SPDX-License-Identifier: MIT */
/* Writing (audit.c), reading (audit_list.c), states (audit_state.c) and keys
 * (audit_repeat.c). */
#ifndef PS_COMMON_AUDIT_INTERNAL_H
#define PS_COMMON_AUDIT_INTERNAL_H

#include "common/audit.h"
#include "common/store.h"

struct ps_audit {
    struct ps_store *store;
    char service[65], instance[65];
    uint64_t max_bytes;
    unsigned int since_check; /* refused entries since they were summed */
    void (*watch)(void *arg, const Ps__AuditEntry *entry);
    void *watch_arg;
    struct ps_audit_stats stats;
};

/* A state as it is kept. */
struct ps_audit_state {
    char *text; /* NULL: none, or too large */
    bool cut;
    uint64_t bytes;  /* of the whole, where it was cut */
    char sha256[65]; /* in hex, of the same */
};

/*
 * Brings both (may be NULL) below max bytes each; they are changed on the way.
 * ret_states: before and after, the texts owned by the caller. 0 or -ENOMEM.
 */
int ps_audit_state_make(json_t *before, json_t *after, size_t max,
                        struct ps_audit_state ret_states[2]);
void ps_audit_state_clear(struct ps_audit_state states[2]);

#define PS_AUDIT_REPEATS_TABLE                             \
    "CREATE TABLE repeat ("                                \
    "  seq INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL," \
    "  key TEXT NOT NULL, hash INTEGER NOT NULL,"          \
    "  done INTEGER NOT NULL, type TEXT, body BLOB) STRICT;"

/* Both in the transaction of the entry `seq`. */
int ps_audit_repeat_begin(struct ps_audit *audit,
                          const struct ps_audit_start *start, uint64_t seq);
int ps_audit_repeat_end(struct ps_audit *audit, uint64_t seq,
                        const struct ps_audit_end *end);

/* A row's columns in the order of PS_AUDIT_COLUMNS. */
#define PS_AUDIT_COLUMNS                                                   \
    "seq, time_ns, instance, actor, client, action, target, outcome, "     \
    "status, error, before, after, before_bytes, before_sha, after_bytes," \
    " after_sha"

/* A copy of a row, freed by ps__audit_entry__free_unpacked(). What does not
 * fit (the file may come from anywhere) is left out or cut. */
int ps_audit_row(const struct ps_audit *audit, sqlite3_stmt *row,
                 Ps__AuditEntry **ret_entry);

#endif
