/* SPDX-License-Identifier: MIT */
#include "tracer/cgroup.h"

#include <ctype.h>
#include <fcntl.h>
#include <mntent.h>

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/*
 * A segment of a path names a container when it ends with 64 digits (and
 * perhaps ".scope"), after nothing or after an engine's name and a '-' or ':'.
 * A "conmon" is the monitor beside a container, not in it.
 */
static const char *segment_id(const char *segment, size_t len)
{
    static const char suffix[] = ".scope";
    const size_t suffix_len = sizeof(suffix) - 1;
    const char *id;

    if (len > suffix_len &&
        !strncmp(segment + len - suffix_len, suffix, suffix_len))
        len -= suffix_len;
    if (len < PS_CONTAINER_HEX)
        return NULL;
    id = segment + len - PS_CONTAINER_HEX;
    for (size_t i = 0; i < PS_CONTAINER_HEX; i++)
        if (!is_hex(id[i]))
            return NULL;
    if (id == segment)
        return id;
    if (id[-1] != '-' && id[-1] != ':')
        return NULL;
    if (memmem(segment, (size_t)(id - segment), "conmon", 6))
        return NULL;
    return id;
}

static void find_container(const char *path, size_t len, char *ret_id)
{
    size_t start = 0;

    while (start < len) {
        const char *slash = memchr(path + start, '/', len - start);
        size_t end = slash ? (size_t)(slash - path) : len;
        const char *id = segment_id(path + start, end - start);

        if (id) {
            memcpy(ret_id, id, PS_CONTAINER_HEX);
            ret_id[PS_CONTAINER_HEX] = '\0';
        }
        start = end + 1;
    }
}

static void set_path(struct ps_cgroup *cgroup, const char *path, size_t len)
{
    if (len >= sizeof(cgroup->path))
        len = sizeof(cgroup->path) - 1;
    memcpy(cgroup->path, path, len);
    cgroup->path[len] = '\0';
    for (size_t i = 0; i < len; i++)
        if (!isprint((unsigned char)path[i]))
            cgroup->path[i] = '?';
}

void ps_cgroup_parse(const char *text, struct ps_cgroup *ret_cgroup)
{
    const char *line = text;

    *ret_cgroup = (struct ps_cgroup){0};
    while (*line) {
        size_t len = strcspn(line, "\n");
        const char *first = memchr(line, ':', len), *path = NULL;

        if (first)
            path = memchr(first + 1, ':', len - (size_t)(first + 1 - line));
        if (path) {
            size_t path_len = len - (size_t)(++path - line);
            bool v2 = path == first + 2 && line[0] == '0';
            bool root = path_len <= 1;

            find_container(path, path_len, ret_cgroup->container);
            if (ret_cgroup->path[0] == '\0' ||
                (!root && (v2 || !strcmp(ret_cgroup->path, "/"))))
                set_path(ret_cgroup, path, path_len);
        }
        line += len + (line[len] == '\n');
    }
}

void ps_cgroup_of(uint32_t pid, struct ps_cgroup *ret_cgroup)
{
    char path[64], text[PS_CGROUP_TEXT];
    _cleanup_close_ int fd = -1;
    size_t used = 0;
    ssize_t n;

    *ret_cgroup = (struct ps_cgroup){0};
    snprintf(path, sizeof(path), "/proc/%u/cgroup", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    while (used < sizeof(text) - 1) {
        n = read(fd, text + used, sizeof(text) - 1 - used);
        if (n <= 0)
            break;
        used += (size_t)n;
    }
    text[used] = '\0';
    ps_cgroup_parse(text, ret_cgroup);
}

int ps_cgroup_open_root(void)
{
    FILE *mounts = setmntent("/proc/self/mounts", "re");
    struct mntent *entry, buffer;
    char text[4096];
    int fd = -ENOENT;

    if (!mounts)
        return -errno;
    while ((entry = getmntent_r(mounts, &buffer, text, sizeof(text)))) {
        if (strcmp(entry->mnt_type, "cgroup2") != 0)
            continue;
        fd = open(entry->mnt_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
            fd = -errno;
        break;
    }
    endmntent(mounts);
    return fd;
}
