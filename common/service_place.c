/* SPDX-License-Identifier: MIT */
/* The place of this process in the run directory: one, or one of several. */
#include <fcntl.h>
#include <sys/file.h>
#include <time.h>

#include "common/service_internal.h"

/* Of 10 ms each: a process with many BPF objects takes a while to go. */
enum { LOCK_TRIES = 300 };

void ps_service_slot_name(const char *service, unsigned int slot, char *text,
                          size_t size)
{
    if (slot == 1)
        snprintf(text, size, "%s", service);
    else
        snprintf(text, size, "%s-%u", service, slot);
}

static int read_pid(int fd)
{
    char text[16] = "";
    uint64_t pid = 0;

    if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
        return 0;
    text[strcspn(text, "\n")] = 0;
    return ps_parse_uint(text, 1, INT32_MAX, &pid) < 0 ? 0 : (int)pid;
}

static int write_pid(int fd)
{
    char text[16];
    int len = snprintf(text, sizeof(text), "%d\n", (int)getpid());

    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)len, 0) < 0)
        return -errno;
    return 0;
}

/*
 * Has it been killed, and not yet let go of its files? Those of a process are
 * closed when its last thread is through, well after the first is a zombie
 * (kernel/exit.c, do_exit()).
 */
static bool is_dying(int pid)
{
    enum { EXITING = 0x4 }; /* PF_EXITING, include/linux/sched.h */
    char path[32];
    char text[512];
    ssize_t len;
    const char *rest;
    char state = 0;
    unsigned int flags = 0;
    _cleanup_close_ int fd = -1;

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (len <= 0)
        return false;
    text[len] = 0;
    rest = strrchr(text, ')');
    if (!rest ||
        sscanf(rest + 1, " %c %*d %*d %*d %*d %*d %u", &state, &flags) != 2)
        return false;
    return state == 'Z' || state == 'X' || (flags & EXITING);
}

/* flock(), but whoever starts us right after a kill -9 need not wait. */
static int lock_file(int fd, int *ret_pid)
{
    const struct timespec pause = {.tv_nsec = 10000000};

    for (unsigned int tries = 0; tries < LOCK_TRIES; tries++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK)
            return -errno;
        *ret_pid = read_pid(fd);
        if (!is_dying(*ret_pid))
            break;
        nanosleep(&pause, NULL);
    }
    /* It may have gone between the first question and the second. */
    return flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : -EEXIST;
}

int ps_service_lock(struct ps_daemon *d, unsigned int slot, int *ret_pid)
{
    _cleanup_free_ char *path = NULL;
    _cleanup_close_ int fd = -1;
    char name[sizeof(d->place)];
    int r;

    ps_service_slot_name(d->service->name, slot, name, sizeof(name));
    if (asprintf(&path, "%s/%s.lock", ps_daemon_run_dir(d), name) < 0)
        return -ENOMEM;
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        return -errno;
    r = lock_file(fd, ret_pid);
    if (r < 0)
        return r;
    r = write_pid(fd);
    if (r < 0)
        return r;
    d->slot = slot;
    memcpy(d->place, name, sizeof(d->place));
    d->lock_fd = TAKE_FD(fd);
    return 0;
}

int ps_service_lock_free(struct ps_daemon *d, unsigned int first, int *ret_pid)
{
    int r = -EEXIST;

    for (unsigned int slot = first; slot <= PS_SERVICE_SLOTS && r == -EEXIST;
         slot++)
        r = ps_service_lock(d, slot, ret_pid);
    return r;
}

void ps_service_name_instance(struct ps_daemon *d)
{
    const char *given = ps_daemon_common(d)->instance;
    char suffix[8] = "";

    if (d->slot > 1)
        snprintf(suffix, sizeof(suffix), "-%u", d->slot);
    snprintf(d->instance, sizeof(d->instance), "%.*s%s",
             (int)(PS_SERVICE_MAX_INSTANCE - strlen(suffix)), given, suffix);
}
