/* SPDX-License-Identifier: MIT */
#include "tracer/netns_enter.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#include "common/log.h"

int ps_netns_visit_open(struct ps_netns_visit *ret_visit)
{
    _cleanup_close_ int fd = -1;
    struct stat st;

    fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    ret_visit->home = (uint32_t)st.st_ino;
    ret_visit->away = false;
    ret_visit->home_fd = TAKE_FD(fd);
    return 0;
}

void ps_netns_visit_close(struct ps_netns_visit *visit)
{
    ps_closep(&visit->home_fd);
    visit->home_fd = -1;
}

int ps_netns_enter(struct ps_netns_visit *visit, const struct ps_netns *ns)
{
    _cleanup_close_ int fd = -1;
    struct stat st;

    if (ns->inum == visit->home)
        return 0;
    fd = open(ns->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    /* The process that the path names may be another by now. */
    if (fstat(fd, &st) < 0)
        return -errno;
    if ((uint32_t)st.st_ino != ns->inum)
        return -ESRCH;
    if (setns(fd, CLONE_NEWNET) < 0)
        return -errno;
    visit->away = true;
    return 0;
}

void ps_netns_leave(struct ps_netns_visit *visit)
{
    /* Without CAP_SYS_ADMIN even the way to where we are is refused. */
    if (!visit->away || setns(visit->home_fd, CLONE_NEWNET) == 0) {
        visit->away = false;
        return;
    }
    ps_error("netns_return_failed", "errno=%d", errno);
    abort();
}

int ps_netns_all(struct ps_netns **ret_list, size_t *ret_n, size_t *ret_missed)
{
    _cleanup_free_ struct ps_netns *list = NULL;
    size_t n = 0;
    int r;

    list = calloc(PS_NETNS_MAX, sizeof(*list));
    if (!list)
        return -ENOMEM;
    r = ps_netns_list(list, PS_NETNS_MAX, &n);
    if (r < 0)
        return r;
    *ret_missed = n > PS_NETNS_MAX ? n - PS_NETNS_MAX : 0;
    *ret_n = n - *ret_missed;
    *ret_list = TAKE_PTR(list);
    return 0;
}
