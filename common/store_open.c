/* SPDX-License-Identifier: MIT */
/*
 * Opening a store: look before touching. A file that is not ours is told
 * apart by its first bytes, before SQLite may write a thing beside it.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "common/store_internal.h"

/* "PkSc" (0x506b5363), in the header of every file that this program made. */
#define APPLICATION_ID            1349210979
#define TEXT(number)              #number
#define PRAGMA_TEXT(name, number) "PRAGMA " name "=" TEXT(number)

/* The file's header, as SQLite's file format has it. */
#define HEADER_SIZE           100
#define HEADER_MAGIC          "SQLite format 3"
#define HEADER_APPLICATION_ID 68

/* How long another program (a backup) may hold the file. */
#define BUSY_MS 2000
/* The log beside the file is cut back to this after a checkpoint. */
#define WAL_BYTES 4194304

struct opening {
    char path[PATH_MAX];
    bool unclean; /* a log was left behind */
    char **ret_error;
};

static int _printf_(3, 4)
    fail(const struct opening *o, int err, const char *fmt, ...)
{
    _cleanup_free_ char *what = NULL;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vasprintf(&what, fmt, ap);
    va_end(ap);
    if (n < 0) {
        what = NULL;
        return -ENOMEM;
    }
    if (asprintf(o->ret_error, "%s: %s", o->path, what) < 0) {
        *o->ret_error = NULL;
        return -ENOMEM;
    }
    return err;
}

static int fail_sqlite(const struct opening *o, const struct ps_store *store,
                       int err)
{
    return fail(o, err, "%s%s", sqlite3_errmsg(store->db),
                err == -EBADMSG ? "; it was left as it is: restore it from a "
                                  "backup, or move it away to start empty"
                                : "");
}

/* ---- before SQLite ------------------------------------------------------ */

static int check_header(const struct opening *o, int fd)
{
    uint8_t header[HEADER_SIZE];
    const uint8_t *id = header + HEADER_APPLICATION_ID;
    ssize_t n = pread(fd, header, sizeof(header), 0);

    if (n < 0)
        return fail(o, -errno, "%s", strerror(errno));
    /* Empty: new, or the first start was cut off. */
    if (n == 0)
        return 0;
    if (n < HEADER_SIZE ||
        memcmp(header, HEADER_MAGIC, sizeof(HEADER_MAGIC)) != 0)
        return fail(o, -EBADMSG,
                    "not a database; it was left as it is: move it away to "
                    "start empty");
    if (((uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 |
         id[3]) != APPLICATION_ID)
        return fail(o, -EBADMSG,
                    "a database of another program; it was left as it is: "
                    "move it away, or choose another state directory");
    return 0;
}

/* Makes the file where there is none; only its owner may read it. SQLite gives
 * the files beside it the same mode. */
static int prepare_file(struct opening *o)
{
    _cleanup_close_ int fd = -1;
    char log[PATH_MAX + 8];
    struct stat mode, st;
    int r;

    fd = open(o->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
              0600);
    if (fd < 0 || fstat(fd, &mode) < 0)
        return fail(o, -errno, "%s", strerror(errno));
    if (!S_ISREG(mode.st_mode))
        return fail(o, -EBADMSG, "not a regular file");
    /* SQLite removes its log when the last user closes the file. */
    snprintf(log, sizeof(log), "%s-wal", o->path);
    o->unclean = stat(log, &st) == 0 && st.st_size > 0;
    r = check_header(o, fd);
    if (r == 0 && (mode.st_mode & 07777) != 0600 && fchmod(fd, 0600) < 0)
        r = fail(o, -errno, "cannot set its mode to 0600: %s", strerror(errno));
    return r;
}

/* ---- with SQLite -------------------------------------------------------- */

static int open_database(const struct opening *o, struct ps_store *store)
{
    int rc = sqlite3_open_v2(o->path, &store->db,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
                                 SQLITE_OPEN_NOFOLLOW |
                                 SQLITE_OPEN_PRIVATECACHE,
                             NULL);

    if (rc != SQLITE_OK)
        return fail_sqlite(o, store, ps_store_errno(rc));
    sqlite3_extended_result_codes(store->db, 1);
    sqlite3_busy_timeout(store->db, BUSY_MS);
    /* Until the file is known to be good, closing must not change it. */
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    /* We make none: one in the file is somebody else's. */
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    return 0;
}

/* After an end that was not clean, the whole file is read once. */
static int check_contents(const struct opening *o, struct ps_store *store)
{
    sqlite3_stmt *stmt = NULL;
    int rc, r = 0;

    if (!o->unclean)
        return 0;
    rc =
        sqlite3_prepare_v2(store->db, "PRAGMA quick_check(1)", -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc != SQLITE_ROW)
        r = fail_sqlite(o, store, ps_store_errno(rc));
    else if (!ps_streq((const char *)sqlite3_column_text(stmt, 0), "ok"))
        r = fail(o, -EBADMSG,
                 "damaged (%.120s); it was left as it is: restore it from a "
                 "backup, or move it away to start empty",
                 (const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    return r;
}

static int check_version(const struct opening *o, struct ps_store *store,
                         int64_t known, int64_t *ret_version)
{
    int64_t version, pages;
    int r = ps_store_query_number(store, "PRAGMA user_version", &version);

    /* Reads the first page: here a cut file shows. */
    if (r == 0)
        r = ps_store_query_number(store, "SELECT count(*) FROM sqlite_schema",
                                  &pages);
    if (r < 0)
        return fail_sqlite(o, store, r);
    if (version < 0 || version > known)
        return fail(o, -EPROTO,
                    "made by a newer program (version %lld, this one knows "
                    "%lld); it was left as it is: upgrade, or move it away",
                    (long long)version, (long long)known);
    *ret_version = version;
    return 0;
}

/* A new file gets its mark first, in one atomic write, while it still has no
 * log: check_header() finds it from then on. */
static int configure(const struct opening *o, struct ps_store *store,
                     uint64_t max_bytes)
{
    int64_t id, page_size, pages;
    char pragma[64];
    int r = ps_store_query_number(store, "PRAGMA application_id", &id);

    if (r == 0 && id != APPLICATION_ID)
        r = ps_store_exec(store, PRAGMA_TEXT("application_id", APPLICATION_ID));
    if (r == 0)
        r = ps_store_exec(store, "PRAGMA journal_mode=WAL;"
                                 "PRAGMA synchronous=FULL;"
                                 "PRAGMA foreign_keys=ON;" PRAGMA_TEXT(
                                     "journal_size_limit", WAL_BYTES));
    if (r == 0)
        r = ps_store_query_number(store, "PRAGMA page_size", &page_size);
    if (r == 0 && max_bytes > 0) {
        /* SQLite takes no bound below what the file has already. */
        pages = (int64_t)(max_bytes / (uint64_t)page_size);
        snprintf(pragma, sizeof(pragma), "PRAGMA max_page_count=%lld",
                 (long long)(pages < 1 ? 1 : pages));
        r = ps_store_exec(store, pragma);
    }
    return r < 0 ? fail_sqlite(o, store, r) : 0;
}

static int migrate_one(struct ps_store *store, const char *sql, int64_t version)
{
    char pragma[64];
    int64_t have = 0;
    int r = ps_store_begin(store);

    if (r < 0)
        return r;
    snprintf(pragma, sizeof(pragma), "PRAGMA user_version=%lld",
             (long long)version);
    /* Another process that shares the file may have been faster. */
    r = ps_store_query_number(store, "PRAGMA user_version", &have);
    if (r == 0 && have >= version) {
        ps_store_rollback(store);
        return 0;
    }
    if (r == 0)
        r = ps_store_exec(store, sql);
    if (r == 0)
        r = ps_store_exec(store, pragma);
    if (r == 0)
        r = ps_store_commit(store);
    return r;
}

static int migrate(const struct opening *o, struct ps_store *store,
                   const char *const *migrations, int64_t from)
{
    for (int64_t i = from; migrations[i]; i++) {
        int r = migrate_one(store, migrations[i], i + 1);

        if (r < 0) {
            r = fail(o, r, "cannot be brought to version %lld: %s",
                     (long long)i + 1, sqlite3_errmsg(store->db));
            ps_store_rollback(store);
            return r;
        }
    }
    return 0;
}

int ps_store_open(const char *dir, const char *name,
                  const char *const *migrations, uint64_t max_bytes,
                  struct ps_store **ret_store, char **ret_error)
{
    _cleanup_(ps_store_free) struct ps_store *store = NULL;
    struct opening o = {.ret_error = ret_error};
    int64_t version, known = 0;
    int r;

    *ret_error = NULL;
    while (migrations[known])
        known++;
    if (snprintf(o.path, sizeof(o.path), "%s/%s.db", dir, name) >=
        (int)sizeof(o.path) - 8)
        return fail(&o, -ENAMETOOLONG, "the path is too long");
    store = calloc(1, sizeof(*store));
    if (!store)
        return -ENOMEM;
    r = prepare_file(&o);
    if (r == 0)
        r = open_database(&o, store);
    if (r == 0)
        r = check_contents(&o, store);
    if (r == 0)
        r = check_version(&o, store, known, &version);
    if (r == 0)
        r = configure(&o, store, max_bytes);
    if (r == 0)
        r = migrate(&o, store, migrations, version);
    if (r < 0)
        return r;
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    *ret_store = TAKE_PTR(store);
    return 0;
}
