/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "common/net.h"

#define NAMED_DIR "/run/netns"
/* Bounds on what a host may make us look at. */
#define MAX_NAMED     16384
#define MAX_PROCESSES 65536
/* A power of two; half of it may be filled. */
#define SET_SLOTS 32768

/* Namespaces seen: open addressing, a slot with inode 0 is free. */
struct seen {
    struct {
        dev_t dev;
        ino_t ino;
    } slots[SET_SLOTS];
    size_t n;
};

struct listing {
    struct ps_netns *list;
    size_t max;
    struct seen *seen;
};

/* True where it is new and there is room to remember it. */
static bool seen_add(struct seen *seen, const struct stat *st)
{
    size_t i = ((size_t)st->st_ino * 2654435761u) % SET_SLOTS;

    if (st->st_ino == 0 || seen->n >= SET_SLOTS / 2)
        return false;
    for (; seen->slots[i].ino != 0; i = (i + 1) % SET_SLOTS)
        if (seen->slots[i].ino == st->st_ino &&
            seen->slots[i].dev == st->st_dev)
            return false;
    seen->slots[i].dev = st->st_dev;
    seen->slots[i].ino = st->st_ino;
    seen->n++;
    return true;
}

static void add(struct listing *l, const struct stat *st, const char *name,
                const char *path)
{
    struct ps_netns *entry;

    if (!seen_add(l->seen, st) || l->seen->n > l->max)
        return;
    entry = &l->list[l->seen->n - 1];
    *entry = (struct ps_netns){.inum = (uint32_t)st->st_ino};
    snprintf(entry->name, sizeof(entry->name), "%.63s", name);
    snprintf(entry->path, sizeof(entry->path), "%.127s", path);
}

/* A name whose mount is gone is an ordinary empty file. */
static bool is_namespace(int dir_fd, const char *name, struct stat *ret_st)
{
    _cleanup_close_ int fd = -1;
    struct statfs fs;

    /* NOLINTNEXTLINE(clang-analyzer-unix.StdCLibraryFunctions): a dirfd() */
    fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0 || fstatfs(fd, &fs) < 0 || fs.f_type != NSFS_MAGIC)
        return false;
    return fstat(fd, ret_st) == 0;
}

static void closedirp(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

static void add_named(struct listing *l)
{
    _cleanup_(closedirp) DIR *dir = opendir(NAMED_DIR);
    const struct dirent *d;
    struct stat st;
    char path[128];

    if (!dir)
        return;
    for (size_t i = 0; i < MAX_NAMED && (d = readdir(dir)); i++) {
        if (d->d_name[0] == '.' || strlen(d->d_name) >= 64)
            continue;
        if (!is_namespace(dirfd(dir), d->d_name, &st))
            continue;
        snprintf(path, sizeof(path), NAMED_DIR "/%.64s", d->d_name);
        add(l, &st, d->d_name, path);
    }
}

/* Ourselves last: a path of our own names another namespace after setns(). */
static int add_processes(struct listing *l)
{
    _cleanup_(closedirp) DIR *dir = opendir("/proc");
    const struct dirent *d;
    struct stat st;
    char path[64];
    long self = (long)getpid();

    if (!dir)
        return -errno;
    for (size_t i = 0; i < MAX_PROCESSES && (d = readdir(dir));) {
        char *end;
        long pid = strtol(d->d_name, &end, 10);

        if (*end != '\0' || pid <= 0)
            continue;
        i++;
        if (pid == self)
            continue;
        snprintf(path, sizeof(path), "/proc/%ld/ns/net", pid);
        if (stat(path, &st) == 0)
            add(l, &st, "", path);
    }
    snprintf(path, sizeof(path), "/proc/%ld/task/%ld/ns/net", self,
             (long)gettid());
    if (stat(path, &st) < 0)
        return -errno;
    add(l, &st, "", path);
    return 0;
}

int ps_netns_list(struct ps_netns *list, size_t max, size_t *ret_n)
{
    _cleanup_free_ struct seen *seen = calloc(1, sizeof(*seen));
    struct listing l = {.list = list, .max = max, .seen = seen};
    int r;

    if (!seen)
        return -ENOMEM;
    add_named(&l);
    r = add_processes(&l);
    if (r < 0)
        return r;
    *ret_n = seen->n;
    return 0;
}

int ps_netns_self(uint32_t *ret_inum)
{
    struct stat st;

    if (stat("/proc/thread-self/ns/net", &st) < 0)
        return -errno;
    *ret_inum = (uint32_t)st.st_ino;
    return 0;
}
