/* SPDX-License-Identifier: MIT */
#include "locator/source_file.h"

#include <fcntl.h>

#include "locator/record.h"

static int open_regular(const char *path, uint64_t max_bytes,
                        struct stat *ret_st, const char **ret_reason)
{
    _cleanup_close_ int fd =
        open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0 || fstat(fd, ret_st) < 0) {
        int error = errno;

        *ret_reason = error == EACCES
                          ? "may not be read: let the daemon's user read it"
                          : strerror(error);
        return -error;
    }
    if (!S_ISREG(ret_st->st_mode)) {
        *ret_reason = "is not a regular file";
        return -EINVAL;
    }
    if (ret_st->st_size == 0) {
        *ret_reason = "is empty";
        return -ENODATA;
    }
    if ((uint64_t)ret_st->st_size > max_bytes) {
        *ret_reason = "is too large";
        return -EFBIG;
    }
    return TAKE_FD(fd);
}

int ps_source_open(const char *path, uint64_t max_bytes, struct stat *ret_st,
                   char **ret_reason)
{
    const char *reason;
    int fd = open_regular(path, max_bytes, ret_st, &reason);

    if (fd < 0)
        *ret_reason = strdup(reason);
    return fd;
}

void ps_source_attribution(const char *path, char *ret_text, size_t size)
{
    _cleanup_free_ char *name = NULL, *reason = NULL;
    _cleanup_close_ int fd = -1;
    char line[256] = "";
    struct stat st;
    ssize_t n;

    ret_text[0] = '\0';
    if (asprintf(&name, "%s.attribution", path) < 0)
        return;
    fd = ps_source_open(name, 4096, &st, &reason);
    if (fd < 0)
        return;
    n = read(fd, line, sizeof(line) - 1);
    if (n <= 0)
        return;
    (void)ps_record_set_text(ret_text, size, line, strcspn(line, "\r\n"));
}
