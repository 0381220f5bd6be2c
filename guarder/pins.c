/* SPDX-License-Identifier: MIT */
#include "guarder/pins.h"

#include <dirent.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "common/bpf.h"
#include "common/options.h"

#define SUITE_DIR PS_PINS_ROOT "/packetscope"
#define LINK_NAME "link_"

/* ---- names -------------------------------------------------------------- */

/* One spelling for each directory, also for one that is gone already. */
static void canonical(const char *run_dir, char *ret_path, size_t size)
{
    _cleanup_free_ char *real = realpath(run_dir, NULL);
    _cleanup_free_ char *copy = strdup(run_dir);
    _cleanup_free_ char *copy2 = strdup(run_dir);
    _cleanup_free_ char *parent = NULL;

    if (!real && copy)
        parent = realpath(dirname(copy), NULL);
    if (real)
        snprintf(ret_path, size, "%s", real);
    else if (parent && copy2)
        snprintf(ret_path, size, "%s/%s", parent, basename(copy2));
    else
        snprintf(ret_path, size, "%s", run_dir);
}

void ps_pins_tag(const char *run_dir, char ret_tag[17])
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    char path[PATH_MAX];

    canonical(run_dir, path, sizeof(path));
    for (const char *p = path; *p; p++)
        hash = (hash ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
    snprintf(ret_tag, 17, "%016llx", (unsigned long long)hash);
}

/* Through the descriptor: the way there may be closed to our user. */
static void pin_path(const struct ps_pins *pins, const char *name,
                     char *ret_path, size_t size)
{
    snprintf(ret_path, size, "/proc/self/fd/%d/%s", pins->dir_fd, name);
}

/* ---- directory ---------------------------------------------------------- */

static bool is_bpffs(const char *path)
{
    struct statfs fs;

    return statfs(path, &fs) == 0 && (uint32_t)fs.f_type == BPF_FS_MAGIC;
}

static int mount_bpffs(void)
{
    if (is_bpffs(PS_PINS_ROOT))
        return 0;
    if (mount("bpf", PS_PINS_ROOT, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC,
              "mode=0700") < 0)
        return -errno;
    return 0;
}

/* The mode first, and nothing that is right already: a container's root has
 * no power over what is another's. */
static int give_dir(int fd, uid_t uid)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    if ((st.st_mode & 07777) != 0770 && fchmod(fd, 0770) < 0)
        return -errno;
    if ((st.st_uid != uid || st.st_gid != getegid()) &&
        fchown(fd, uid, getegid()) < 0)
        return -errno;
    return 0;
}

static int make_dir(const char *path, const char *state_dir, int *ret_fd)
{
    _cleanup_close_ int fd = -1;
    struct stat st;
    int r = 0;

    if (mkdir(SUITE_DIR, 0755) < 0 && errno != EEXIST)
        return -errno;
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return -errno;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (stat(state_dir, &st) < 0)
        return -errno;
    if (geteuid() == 0)
        r = give_dir(fd, st.st_uid);
    if (r < 0)
        return r;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

void ps_pins_open(const char *run_dir, const char *state_dir,
                  struct ps_pins *ret_pins)
{
    struct ps_pins pins = {.dir_fd = -1};
    char tag[17];
    int r;

    ps_pins_tag(run_dir, tag);
    snprintf(pins.path, sizeof(pins.path), SUITE_DIR "/%s", tag);
    r = mount_bpffs();
    if (r < 0)
        snprintf(pins.reason, sizeof(pins.reason),
                 "bpffs is not mounted on " PS_PINS_ROOT " and cannot be: %s",
                 strerror(-r));
    else if ((r = make_dir(pins.path, state_dir, &pins.dir_fd)) < 0)
        snprintf(pins.reason, sizeof(pins.reason), "%s: %s", pins.path,
                 strerror(-r));
    *ret_pins = pins;
}

void ps_pins_close(struct ps_pins *pins)
{
    if (pins->dir_fd < 0)
        return;
    close(pins->dir_fd);
    pins->dir_fd = -1;
    if (rmdir(pins->path) == 0)
        rmdir(SUITE_DIR);
}

/* ---- objects ------------------------------------------------------------ */

int ps_pins_get(const struct ps_pins *pins, const char *name)
{
    char path[128];

    if (pins->dir_fd < 0)
        return -ENOENT;
    pin_path(pins, name, path, sizeof(path));
    return bpf_obj_get(path);
}

void ps_pins_remove(const struct ps_pins *pins, const char *name)
{
    if (pins->dir_fd >= 0)
        unlinkat(pins->dir_fd, name, 0);
}

int ps_pins_put(const struct ps_pins *pins, const char *name, int fd)
{
    char path[128];

    if (pins->dir_fd < 0)
        return 0;
    ps_pins_remove(pins, name);
    pin_path(pins, name, path, sizeof(path));
    return bpf_obj_pin(fd, path);
}

static DIR *list(int dir_fd)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (!dir && fd >= 0)
        close(fd);
    return dir;
}

size_t ps_pins_links(const struct ps_pins *pins, uint32_t *ifindexes,
                     size_t max)
{
    const size_t skip = sizeof(LINK_NAME) - 1;
    struct dirent *entry;
    uint64_t ifindex;
    size_t n = 0;
    DIR *dir;

    dir = pins->dir_fd < 0 ? NULL : list(pins->dir_fd);
    while (dir && n < max && (entry = readdir(dir))) {
        if (strncmp(entry->d_name, LINK_NAME, skip) == 0 &&
            ps_parse_uint(entry->d_name + skip, 1, INT32_MAX, &ifindex) == 0)
            ifindexes[n++] = (uint32_t)ifindex;
    }
    if (dir)
        closedir(dir);
    return n;
}

/* ---- flush -------------------------------------------------------------- */

/* Detached first: a descriptor elsewhere would keep a link alive. */
static int flush_one(const struct ps_pins *pins, const char *name)
{
    _cleanup_close_ int fd = -1;
    bool is_link = strncmp(name, LINK_NAME, sizeof(LINK_NAME) - 1) == 0;
    int r = 0;

    if (is_link) {
        fd = ps_pins_get(pins, name);
        if (fd >= 0)
            r = bpf_link_detach(fd);
    }
    if (unlinkat(pins->dir_fd, name, 0) < 0 && errno != ENOENT)
        return -errno;
    return r < 0 ? r : is_link;
}

static int flush_dir(const struct ps_pins *pins, size_t *ret_n)
{
    struct dirent *entry;
    DIR *dir = list(pins->dir_fd);
    size_t n = 0;
    int one, r = 0;

    if (!dir)
        return -errno;
    while ((entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        one = flush_one(pins, entry->d_name);
        if (one < 0)
            r = one;
        else
            n += (size_t)one;
    }
    closedir(dir);
    *ret_n = n;
    return r;
}

int ps_pins_flush(const char *run_dir, size_t *ret_n)
{
    struct ps_pins pins = {.dir_fd = -1};
    char tag[17];
    size_t n = 0;
    int r;

    *ret_n = 0;
    ps_pins_tag(run_dir, tag);
    snprintf(pins.path, sizeof(pins.path), SUITE_DIR "/%s", tag);
    pins.dir_fd =
        open(pins.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (pins.dir_fd < 0)
        return errno == ENOENT ? 0 : -errno;
    r = flush_dir(&pins, &n);
    ps_pins_close(&pins);
    if (r < 0)
        return r;
    *ret_n = n;
    return access(pins.path, F_OK) == 0 ? -ENOTEMPTY : 0;
}
