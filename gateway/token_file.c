/* SPDX-License-Identifier: MIT */
#include "gateway/token_file.h"

#include <fcntl.h>

#define NAME "admin.token"

static void say(char **ret_error, const char *what)
{
    if (asprintf(ret_error, NAME " in the state directory %s", what) < 0)
        *ret_error = NULL;
}

static int check_owner(const struct stat *st, char **ret_error)
{
    if (S_ISREG(st->st_mode) && !(st->st_mode & 077) &&
        (st->st_uid == geteuid() || st->st_uid == 0))
        return 0;
    say(ret_error, "must be a file that only its owner can read: chmod 600 "
                   "it, or delete it to have a new one made");
    return -EPERM;
}

/* -ENOENT: there is none. Also on error *file knows what it looked at. */
static int read_file(struct ps_token_file *file, char **ret_error)
{
    char token[PS_SECRET_MAX + 2];
    _cleanup_close_ int fd =
        openat(file->dir_fd, NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n;
    int r;

    if (fd < 0) {
        r = -errno;
        if (r != -ENOENT)
            say(ret_error, "cannot be read: give it to the gateway's user, or "
                           "delete it to have a new one made");
        return r;
    }
    if (fstat(fd, &file->seen) < 0)
        return -errno;
    r = check_owner(&file->seen, ret_error);
    if (r < 0)
        return r;
    n = read(fd, token, sizeof(token) - 1);
    if (n < 0)
        return -errno;
    token[n] = '\0';
    token[strcspn(token, "\r\n")] = '\0';
    if (ps_secret_plain(token)) {
        ps_secret_hash(token, file->hash);
        file->made_ns = (uint64_t)file->seen.st_mtim.tv_sec * PS_NS_PER_S +
                        (uint64_t)file->seen.st_mtim.tv_nsec;
        file->valid = true;
    } else {
        say(ret_error, "holds no token of 32 to 128 letters and digits; "
                       "delete it to have a new one made");
        r = -EBADMSG;
    }
    ps_secret_wipe(token, sizeof(token));
    return r;
}

static int write_all(int fd, const char *text)
{
    size_t len = strlen(text);

    while (len > 0) {
        ssize_t n = write(fd, text, len);

        if (n < 0)
            return -errno;
        text += n;
        len -= (size_t)n;
    }
    return fsync(fd) < 0 ? -errno : 0;
}

/* Gives it its name where nobody was faster. Some file systems know only the
 * second way, which is there until the system calls are bounded. */
static int publish(int dir_fd, const char *name)
{
    if (renameat2(dir_fd, name, dir_fd, NAME, RENAME_NOREPLACE) == 0 ||
        errno == EEXIST)
        return 0;
    if (errno == EINVAL &&
        (linkat(dir_fd, name, dir_fd, NAME, 0) == 0 || errno == EEXIST))
        return 0;
    return -errno;
}

/* Under another name first: a token that is half written never counts, and of
 * two gateways that start at once one makes it. */
static int make_file(int dir_fd)
{
    char text[PS_SECRET_TEXT + 1], id[17], name[64];
    _cleanup_close_ int fd = -1;
    int r = ps_secret_make(text);

    /* Not the process's number: two containers may have the same. */
    if (r == 0)
        r = ps_secret_make_id((sizeof(id) - 1) / 2, id);
    if (r < 0)
        return r;
    snprintf(name, sizeof(name), NAME ".%s.new", id);
    fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    /* The last letter's NUL; the array has one byte more. */
    memcpy(text + PS_SECRET_TEXT - 1, "\n", sizeof("\n"));
    r = write_all(fd, text);
    ps_secret_wipe(text, sizeof(text));
    if (r == 0)
        r = publish(dir_fd, name);
    unlinkat(dir_fd, name, 0);
    if (r == 0 && fsync(dir_fd) < 0)
        r = -errno;
    return r;
}

static int read_or_make(struct ps_token_file *file, char **ret_error)
{
    int r = read_file(file, ret_error);

    if (r == -ENOENT) {
        r = make_file(file->dir_fd);
        if (r == 0)
            r = read_file(file, ret_error);
    }
    if (r < 0 && !*ret_error)
        say(ret_error, "cannot be read or made");
    return r;
}

int ps_token_file_open(const char *dir, struct ps_token_file *ret_file,
                       char **ret_error)
{
    struct ps_token_file file = {.dir_fd = -1};
    int r;

    file.dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    r = file.dir_fd < 0 ? -errno : read_or_make(&file, ret_error);
    if (r < 0) {
        if (!*ret_error)
            say(ret_error, "cannot be read or made");
        ps_token_file_close(&file);
        return r;
    }
    *ret_file = file;
    return 0;
}

void ps_token_file_close(struct ps_token_file *file)
{
    if (file->dir_fd >= 0)
        close(file->dir_fd);
    ps_secret_wipe(file->hash, sizeof(file->hash));
    *file = (struct ps_token_file){.dir_fd = -1};
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
           a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

bool ps_token_file_poll(struct ps_token_file *file, char **ret_error)
{
    _cleanup_free_ char *error = NULL;
    uint8_t old[PS_SECRET_HASH];
    bool was_valid = file->valid;
    struct stat st;

    *ret_error = NULL;
    /* It may be our own once, as root, and another's to read later: while it
     * stays as it was there is no need to. */
    if (file->valid &&
        fstatat(file->dir_fd, NAME, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        same_file(&st, &file->seen))
        return false;
    memcpy(old, file->hash, sizeof(old));
    file->valid = false;
    if (read_or_make(file, &error) == 0) {
        file->told = false;
        return !was_valid || !ps_secret_equal(old, file->hash);
    }
    if (!file->told)
        *ret_error = TAKE_PTR(error);
    file->told = true;
    return was_valid;
}
