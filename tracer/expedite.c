/* SPDX-License-Identifier: MIT */
#include "tracer/expedite.h"

#include <fcntl.h>

#include "common/log.h"

#define SETTING "/sys/kernel/rcu_expedited"
#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define UUID    36

struct ps_expedite {
    int fd; /* -1: it cannot be written */
    bool begun;
    char *note; /* its file, which has the boot's id in it */
    char boot[UUID + 1];
};

/* True: it was this value, and is the other one now. What somebody else has set
 * meanwhile stays. */
static bool change(const struct ps_expedite *e, char from, char to)
{
    char value = 0;

    return e->fd >= 0 && pread(e->fd, &value, 1, 0) == 1 && value == from &&
           pwrite(e->fd, &to, 1, 0) == 1;
}

static int write_note(const struct ps_expedite *e)
{
    _cleanup_close_ int fd = -1;

    fd =
        open(e->note,
             O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
             0600);
    if (fd < 0)
        return -errno;
    if (write(fd, e->boot, UUID) != UUID) {
        unlink(e->note);
        return -EIO;
    }
    return 0;
}

/* Reads exactly a boot's id. */
static bool read_id(const char *path, char id[UUID + 1])
{
    _cleanup_close_ int fd = -1;

    memset(id, 0, UUID + 1);
    fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    return fd >= 0 && read(fd, id, UUID) == UUID;
}

/* Another boot began with what is right. */
static void put_right(const struct ps_expedite *e)
{
    char boot[UUID + 1];

    if (read_id(e->note, boot) && !strcmp(boot, e->boot) && change(e, '1', '0'))
        ps_info("kernel_setting_restored", "name=rcu_expedited value=0");
    unlink(e->note);
}

int ps_expedite_open(const char *root, const char *state_dir,
                     struct ps_expedite **ret_expedite)
{
    _cleanup_(ps_expedite_free) struct ps_expedite *e = calloc(1, sizeof(*e));
    _cleanup_free_ char *setting = NULL, *boot = NULL;

    if (!e)
        return -ENOMEM;
    e->fd = -1;
    if (asprintf(&e->note, "%s/tracer.expedited", state_dir) < 0)
        e->note = NULL;
    if (asprintf(&setting, "%s" SETTING, root) < 0)
        setting = NULL;
    if (asprintf(&boot, "%s" BOOT_ID, root) < 0)
        boot = NULL;
    if (!e->note || !setting || !boot)
        return -ENOMEM;
    if (read_id(boot, e->boot))
        e->fd = open(setting, O_RDWR | O_CLOEXEC);
    put_right(e);
    *ret_expedite = TAKE_PTR(e);
    return 0;
}

void ps_expedite_free(struct ps_expedite **expedite)
{
    struct ps_expedite *e = *expedite;

    if (!e)
        return;
    ps_expedite_end(e);
    if (e->fd >= 0)
        close(e->fd);
    free(e->note);
    free(e);
    *expedite = NULL;
}

void ps_expedite_begin(struct ps_expedite *e)
{
    char value = 0;

    if (e->begun || e->fd < 0 || pread(e->fd, &value, 1, 0) != 1 ||
        value != '0' || write_note(e) < 0)
        return;
    e->begun = change(e, '0', '1');
    if (!e->begun)
        unlink(e->note);
}

void ps_expedite_end(struct ps_expedite *e)
{
    if (!e->begun)
        return;
    change(e, '1', '0');
    e->begun = false;
    unlink(e->note);
}
