/* SPDX-License-Identifier: MIT */
/*
 * A daemon's own state: one SQLite file with migrations and a size bound.
 *
 * WAL, synchronous=FULL: what was committed survives kill -9 and power loss.
 * A file that is not a database, fails its check or is newer than this
 * program is never overwritten: it is an error that says what to do.
 */
#ifndef PS_COMMON_STORE_H
#define PS_COMMON_STORE_H

#include <sqlite3.h>

#include "common/util.h"

struct ps_store;

/*
 * Opens or makes DIR/NAME.db (mode 0600) and runs the migrations that it has
 * not seen yet, each in a transaction with its number kept in user_version.
 * migrations is a NULL-ended array of SQL texts, only ever appended to.
 * max_bytes bounds the file (max_page_count), 0: no bound.
 * -EBADMSG: not a usable database; -EPROTO: newer than this program;
 * otherwise -errno. ret_error: a sentence, owned by the caller.
 */
int ps_store_open(const char *dir, const char *name,
                  const char *const *migrations, uint64_t max_bytes,
                  struct ps_store **ret_store, char **ret_error);
void ps_store_free(struct ps_store **store);

/* The handle, for statements of the daemon's own. Borrowed. */
sqlite3 *ps_store_db(struct ps_store *store);

/*
 * Prepares a statement once and hands the same out again, reset and with
 * bindings cleared. sql must be a string constant. Borrowed; NULL on error.
 */
sqlite3_stmt *ps_store_stmt(struct ps_store *store, const char *sql);

/* Steps a statement without rows once, and resets it. 0 or -errno; -EIO for
 * NULL, which ps_store_stmt() gave. */
int ps_store_run(sqlite3_stmt *stmt);

/* Runs a text without results. 0 or -errno (-ENOSPC for a full file). */
int ps_store_exec(struct ps_store *store, const char *sql);
/* sqlite's result code as -errno; 0 for SQLITE_OK, ROW and DONE. */
int ps_store_errno(int sqlite_rc);

int ps_store_begin(struct ps_store *store);
int ps_store_commit(struct ps_store *store);
void ps_store_rollback(struct ps_store *store);
/* Commits where r is 0, else (or when that fails) rolls back; the result. */
int ps_store_end(struct ps_store *store, int r);

/* Bytes of the database's pages in use. */
int ps_store_used_bytes(struct ps_store *store, uint64_t *ret_bytes);

#endif
