/* SPDX-License-Identifier: MIT */
/* The store: what is committed stays, what is not ours is left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/store.h"

#define INSERT "INSERT INTO notes(id, text) VALUES(?, ?)"

static const char *const schema[] = {
    "CREATE TABLE notes(id INTEGER PRIMARY KEY, text TEXT NOT NULL)",
    "ALTER TABLE notes ADD COLUMN extra INTEGER NOT NULL DEFAULT 7",
    NULL,
};
static const char *const first_only[] = {
    "CREATE TABLE notes(id INTEGER PRIMARY KEY, text TEXT NOT NULL)",
    NULL,
};

struct fixture {
    char dir[64];
    char path[80];
    struct ps_store *store;
    char *error;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    if (!f)
        return -1;
    snprintf(f->dir, sizeof(f->dir), "/tmp/ps-store-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    snprintf(f->path, sizeof(f->path), "%s/s.db", f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    static const char *const names[] = {"s.db", "s.db-wal", "s.db-shm",
                                        "s.db-journal"};
    struct fixture *f = *state;
    char path[128];

    ps_store_free(&f->store);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", f->dir, names[i]);
        unlink(path);
    }
    rmdir(f->dir);
    free(f->error);
    free(f);
    return 0;
}

static int open_with(struct fixture *f, const char *const *migrations,
                     uint64_t max_bytes)
{
    ps_store_free(&f->store);
    free(f->error);
    return ps_store_open(f->dir, "s", migrations, max_bytes, &f->store,
                         &f->error);
}

static int reopen(struct fixture *f)
{
    return open_with(f, schema, 0);
}

static int insert(struct ps_store *store, int64_t id, const char *text)
{
    sqlite3_stmt *stmt = ps_store_stmt(store, INSERT);
    int r;

    assert_non_null(stmt);
    sqlite3_bind_int64(stmt, 1, id);
    sqlite3_bind_text(stmt, 2, text, -1, SQLITE_STATIC);
    r = ps_store_errno(sqlite3_step(stmt));
    sqlite3_reset(stmt);
    return r;
}

static int64_t number(struct ps_store *store, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    int64_t value;

    assert_int_equal(
        sqlite3_prepare_v2(ps_store_db(store), sql, -1, &stmt, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

static int64_t count(struct ps_store *store)
{
    return number(store, "SELECT count(*) FROM notes");
}

static void write_file(const char *path, const void *data, size_t len)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0640);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
    close(fd);
}

static char *read_file(const char *path, size_t *ret_len)
{
    FILE *file = fopen(path, "r");
    char *data = calloc(1, 1 << 20);

    assert_non_null(file);
    assert_non_null(data);
    *ret_len = fread(data, 1, 1 << 20, file);
    fclose(file);
    return data;
}

/* Refused, with a sentence that names the file, and not a byte changed. */
static void assert_left_alone(struct fixture *f, int err, const char *what)
{
    size_t before_len, after_len;
    char *before = read_file(f->path, &before_len), *after;
    struct stat st_before, st_after;
    const struct dirent *d;
    DIR *dir;

    assert_int_equal(stat(f->path, &st_before), 0);
    assert_int_equal(reopen(f), err);
    assert_null(f->store);
    assert_non_null(strstr(f->error, f->path));
    if (!strstr(f->error, what))
        fail_msg("\"%s\" lacks \"%s\"", f->error, what);
    after = read_file(f->path, &after_len);
    assert_int_equal(before_len, after_len);
    assert_memory_equal(before, after, before_len);
    assert_int_equal(stat(f->path, &st_after), 0);
    assert_int_equal(st_before.st_ino, st_after.st_ino);
    free(before);
    free(after);
    dir = opendir(f->dir);
    while ((d = readdir(dir)))
        assert_null(strstr(d->d_name, "journal"));
    closedir(dir);
}

/* A good store with some rows, closed. */
static void make_store(struct fixture *f, int rows)
{
    assert_int_equal(reopen(f), 0);
    assert_int_equal(ps_store_begin(f->store), 0);
    for (int i = 1; i <= rows; i++)
        assert_int_equal(insert(f->store, i, "a text of some length"), 0);
    assert_int_equal(ps_store_commit(f->store), 0);
    ps_store_free(&f->store);
    assert_null(f->store);
}

/* ---- tests -------------------------------------------------------------- */

static void test_new(void **state)
{
    struct fixture *f = *state;
    char path[128];
    struct stat st;

    umask(0);
    assert_int_equal(reopen(f), 0);
    assert_null(f->error);
    assert_int_equal(insert(f->store, 1, "x"), 0);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    snprintf(path, sizeof(path), "%s-wal", f->path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(number(f->store, "PRAGMA user_version"), 2);
    assert_int_equal(number(f->store, "PRAGMA application_id"), 0x506b5363);
    assert_int_equal(number(f->store, "PRAGMA synchronous"), 2);
    assert_int_equal(number(f->store, "SELECT extra FROM notes"), 7);
    ps_store_free(&f->store);
    assert_int_equal(stat(path, &st), -1);
    assert_int_equal(reopen(f), 0);
    assert_int_equal(count(f->store), 1);
    ps_store_free(&f->store);
    ps_store_free(&f->store);
}

static void test_tightens_mode(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    make_store(f, 1);
    assert_int_equal(chmod(f->path, 0664), 0);
    assert_int_equal(reopen(f), 0);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_migrations(void **state)
{
    static const char *const broken[] = {
        "CREATE TABLE notes(id INTEGER PRIMARY KEY, text TEXT NOT NULL)",
        "CREATE TABLE more(x); INSERT INTO nowhere VALUES(1)",
        NULL,
    };
    struct fixture *f = *state;

    assert_int_equal(open_with(f, first_only, 0), 0);
    assert_int_equal(insert(f->store, 1, "kept"), 0);
    assert_int_equal(number(f->store, "PRAGMA user_version"), 1);

    /* A migration that fails undoes itself, not those before. */
    assert_int_equal(open_with(f, broken, 0), -EINVAL);
    assert_non_null(strstr(f->error, "version 2"));
    assert_non_null(strstr(f->error, "nowhere"));
    assert_int_equal(open_with(f, first_only, 0), 0);
    assert_int_equal(number(f->store, "SELECT count(*) FROM sqlite_schema "
                                      "WHERE name='more'"),
                     0);

    assert_int_equal(reopen(f), 0);
    assert_int_equal(number(f->store, "PRAGMA user_version"), 2);
    assert_int_equal(number(f->store, "SELECT extra FROM notes"), 7);

    /* And back: an older program does not touch it. */
    assert_int_equal(open_with(f, first_only, 0), -EPROTO);
    assert_non_null(strstr(f->error, "newer"));
    assert_int_equal(reopen(f), 0);
    assert_int_equal(count(f->store), 1);
}

static void test_not_a_database(void **state)
{
    struct fixture *f = *state;
    char junk[8192];
    struct stat st;

    memset(junk, 'x', sizeof(junk));
    write_file(f->path, "hello\n", 6);
    assert_left_alone(f, -EBADMSG, "not a database");
    write_file(f->path, junk, sizeof(junk));
    assert_left_alone(f, -EBADMSG, "not a database");
    write_file(f->path, "SQLite format 3", 16);
    assert_left_alone(f, -EBADMSG, "not a database");
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
}

static void test_foreign_database(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db = NULL;
    struct stat st;

    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "CREATE TABLE notes(id)", NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    chmod(f->path, 0644);
    assert_left_alone(f, -EBADMSG, "another program");
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
}

static void test_truncated(void **state)
{
    static const off_t keep[] = {50, 100, 4000, 4096, 8192, 10000};
    struct fixture *f = *state;

    make_store(f, 2000);
    for (size_t i = ARRAY_SIZE(keep); i-- > 0;) {
        assert_int_equal(truncate(f->path, keep[i]), 0);
        assert_left_alone(f, -EBADMSG, "left as it is");
    }
    /* Nothing left: nothing to keep. */
    assert_int_equal(truncate(f->path, 0), 0);
    assert_int_equal(reopen(f), 0);
    assert_int_equal(count(f->store), 0);
}

/* A page full of rubbish: found at the start after an end that was not clean,
 * otherwise when it is read. */
static void test_damaged(void **state)
{
    struct fixture *f = *state;
    char junk[4096], log[128];
    int fd;

    make_store(f, 2000);
    memset(junk, 0xa5, sizeof(junk));
    fd = open(f->path, O_WRONLY | O_CLOEXEC);
    for (off_t page = 2; page < 8; page++)
        assert_int_equal(
            pwrite(fd, junk, sizeof(junk), page * (off_t)sizeof(junk)),
            sizeof(junk));
    close(fd);
    if (reopen(f) == 0) {
        assert_int_equal(ps_store_exec(f->store, "UPDATE notes SET text = 'y'"),
                         -EBADMSG);
        ps_store_free(&f->store);
    }
    snprintf(log, sizeof(log), "%s-wal", f->path);
    write_file(log, junk, sizeof(junk));
    assert_left_alone(f, -EBADMSG, "left as it is");
}

static void test_odd_files(void **state)
{
    struct fixture *f = *state;
    char other[128];

    assert_int_equal(mkfifo(f->path, 0600), 0);
    assert_int_equal(reopen(f), -EBADMSG);
    unlink(f->path);
    assert_int_equal(mkdir(f->path, 0700), 0);
    assert_int_equal(reopen(f), -EISDIR);
    rmdir(f->path);
    snprintf(other, sizeof(other), "%s/other", f->dir);
    assert_int_equal(symlink(other, f->path), 0);
    assert_int_equal(reopen(f), -ELOOP);
    assert_non_null(f->error);
    free(f->error);
    assert_int_equal(
        ps_store_open("/nonexistent", "s", schema, 0, &f->store, &f->error),
        -ENOENT);
    assert_non_null(strstr(f->error, "/nonexistent/s.db"));
}

static void test_statements(void **state)
{
    struct fixture *f = *state;
    static const char query[] = "SELECT text FROM notes WHERE id = ?";
    sqlite3_stmt *stmt, *again;

    make_store(f, 3);
    assert_int_equal(reopen(f), 0);
    stmt = ps_store_stmt(f->store, query);
    assert_non_null(stmt);
    sqlite3_bind_int64(stmt, 1, 2);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    again = ps_store_stmt(f->store, query);
    assert_ptr_equal(stmt, again);
    /* Reset, and its binding cleared: no row has a NULL id. */
    assert_int_equal(sqlite3_step(again), SQLITE_DONE);
    assert_null(ps_store_stmt(f->store, "SELECT nothing FROM nowhere"));
    assert_int_equal(insert(f->store, 3, "again"), -EEXIST);
    assert_int_equal(insert(f->store, 4, "new"), 0);
}

static void test_statements_bounded(void **state)
{
    static char texts[70][32];
    struct fixture *f = *state;
    int made = 0;

    assert_int_equal(reopen(f), 0);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        snprintf(texts[i], sizeof(texts[i]), "SELECT %zu", i);
        made += ps_store_stmt(f->store, texts[i]) != NULL;
    }
    assert_int_equal(made, 64);
    assert_non_null(ps_store_stmt(f->store, texts[3]));
}

static void test_transactions(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(reopen(f), 0);
    assert_int_equal(ps_store_begin(f->store), 0);
    assert_int_equal(ps_store_begin(f->store), -EINVAL);
    assert_int_equal(insert(f->store, 1, "x"), 0);
    ps_store_rollback(f->store);
    ps_store_rollback(f->store);
    assert_int_equal(count(f->store), 0);
    assert_int_equal(ps_store_commit(f->store), -EINVAL);
    assert_int_equal(ps_store_exec(f->store, "no SQL"), -EINVAL);
}

static void test_max_bytes(void **state)
{
    const uint64_t max = 64 * 4096;
    struct fixture *f = *state;
    char *text = calloc(1, 2001);
    uint64_t used;
    int64_t rows = 0;
    struct stat st;
    int r;

    memset(text, 'x', 2000);
    assert_int_equal(open_with(f, schema, max), 0);
    while ((r = insert(f->store, rows + 1, text)) == 0 && rows < 10000)
        rows++;
    assert_int_equal(r, -ENOSPC);
    assert_in_range(rows, 50, 200);
    assert_int_equal(count(f->store), rows);
    assert_int_equal(ps_store_used_bytes(f->store, &used), 0);
    assert_in_range(used, max / 2, max);

    /* Full in the middle of a transaction: all of it is undone. */
    assert_int_equal(ps_store_begin(f->store), 0);
    for (int64_t i = 1; (r = insert(f->store, rows + i, text)) == 0;)
        i++;
    assert_int_equal(r, -ENOSPC);
    ps_store_rollback(f->store);
    assert_int_equal(count(f->store), rows);

    /* Room made is room to use. */
    assert_int_equal(
        ps_store_exec(f->store, "DELETE FROM notes WHERE id <= 20"), 0);
    assert_int_equal(insert(f->store, 1, text), 0);
    ps_store_free(&f->store);
    assert_int_equal(stat(f->path, &st), 0);
    assert_true((uint64_t)st.st_size <= max);
    assert_int_equal(open_with(f, schema, max), 0);
    assert_int_equal(count(f->store), rows - 19);
    free(text);
}

static void test_max_bytes_too_small(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(open_with(f, schema, 1), -ENOSPC);
    assert_non_null(strstr(f->error, "full"));
    make_store(f, 500);
    /* Below what there is: it opens, reads, and takes nothing more. */
    assert_int_equal(open_with(f, schema, 4096), 0);
    assert_int_equal(count(f->store), 500);
}

static void test_errno(void **state _unused_)
{
    assert_int_equal(ps_store_errno(SQLITE_OK), 0);
    assert_int_equal(ps_store_errno(SQLITE_ROW), 0);
    assert_int_equal(ps_store_errno(SQLITE_DONE), 0);
    assert_int_equal(ps_store_errno(SQLITE_FULL), -ENOSPC);
    assert_int_equal(ps_store_errno(SQLITE_BUSY_SNAPSHOT), -EBUSY);
    assert_int_equal(ps_store_errno(SQLITE_CONSTRAINT_UNIQUE), -EEXIST);
    assert_int_equal(ps_store_errno(SQLITE_IOERR_WRITE), -EIO);
    assert_int_equal(ps_store_errno(99), -EIO);
}

/* Writes rows one by one and acknowledges each, until it is killed. */
static void write_forever(const char *dir, int ack)
{
    struct ps_store *store = NULL;
    char *error = NULL;

    if (ps_store_open(dir, "s", schema, 0, &store, &error) < 0)
        _exit(1);
    for (int64_t id = 1;; id++) {
        sqlite3_stmt *stmt = ps_store_stmt(store, INSERT);

        sqlite3_bind_int64(stmt, 1, id);
        sqlite3_bind_text(stmt, 2, "acknowledged", -1, SQLITE_STATIC);
        if (sqlite3_step(stmt) != SQLITE_DONE ||
            write(ack, &id, sizeof(id)) != sizeof(id))
            _exit(1);
    }
}

static void test_killed(void **state)
{
    struct fixture *f = *state;
    int64_t acknowledged = 0;

    for (int round = 1; round <= 5; round++) {
        int64_t id = 0, want = acknowledged + 20 * round;
        int fds[2], status;
        pid_t pid;

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            write_forever(f->dir, fds[1]);
        close(fds[1]);
        while (id < want && read(fds[0], &id, sizeof(id)) == sizeof(id))
            ;
        assert_int_equal(id, want);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        while (read(fds[0], &id, sizeof(id)) == sizeof(id))
            ;
        close(fds[0]);
        assert_true(WIFSIGNALED(status));

        assert_int_equal(reopen(f), 0);
        assert_int_equal(number(f->store, "SELECT count(*) FROM notes "
                                          "WHERE text = 'acknowledged'"),
                         count(f->store));
        /* What was acknowledged, and at most the one after it. */
        assert_in_range(count(f->store), id, id + 1);
        assert_int_equal(ps_store_exec(f->store, "DELETE FROM notes"), 0);
    }
}

/* In a child with a file system of its own that is small. 0: as it should
 * be. */
static int fill_disk(const char *dir)
{
    struct ps_store *store = NULL;
    char *error = NULL;
    char text[4000];
    int64_t rows = 0;
    int r;

    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("ps-test", dir, "tmpfs", 0, "size=512k") < 0)
        return 77;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    if (ps_store_open(dir, "s", schema, 0, &store, &error) < 0)
        return 2;
    while ((r = insert(store, rows + 1, text)) == 0 && rows < 1000)
        rows++;
    if (r != -ENOSPC || rows < 10)
        return 3;
    if (count(store) != rows)
        return 4;
    ps_store_free(&store);
    if (ps_store_open(dir, "s", schema, 0, &store, &error) < 0)
        return 5;
    r = count(store) == rows ? 0 : 6;
    ps_store_free(&store);
    return r;
}

static void test_full_disk(void **state)
{
    struct fixture *f = *state;
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(unshare(CLONE_NEWNS) < 0 ? 77 : fill_disk(f->dir));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        print_message("needs CAP_SYS_ADMIN\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_new),
        TEST(test_tightens_mode),
        TEST(test_migrations),
        TEST(test_not_a_database),
        TEST(test_foreign_database),
        TEST(test_truncated),
        TEST(test_damaged),
        TEST(test_odd_files),
        TEST(test_statements),
        TEST(test_statements_bounded),
        TEST(test_transactions),
        TEST(test_max_bytes),
        TEST(test_max_bytes_too_small),
        TEST(test_errno),
        TEST(test_killed),
        TEST(test_full_disk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
