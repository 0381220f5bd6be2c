/* SPDX-License-Identifier: MIT */
#include "tracer/sockstat.h"

#include <fcntl.h>

#define MAX_TEXT 4096

/* The number behind a word in a line; 0: it has none. */
static uint64_t number_of(const char *line, size_t len, const char *word)
{
    const char *at = memmem(line, len, word, strlen(word));

    return at ? strtoull(at + strlen(word), NULL, 10) : 0;
}

int ps_sockstat_parse(const char *text, struct ps_sockstat *stat)
{
    bool tcp = false, udp = false;

    while (*text) {
        size_t len = strcspn(text, "\n"), name = strcspn(text, ":\n");
        uint64_t used = number_of(text, len, " inuse ");

        if (!strncmp(text, "TCP", 3) && name <= 4) {
            stat->tcp += used;
            stat->time_wait += number_of(text, len, " tw ");
            tcp = true;
        } else if (!strncmp(text, "UDP", 3)) {
            stat->udp += used;
            udp = true;
        }
        text += len + (text[len] == '\n');
    }
    return tcp && udp ? 0 : -EINVAL;
}

static int add_file(const char *path, struct ps_sockstat *stat)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[MAX_TEXT];
    size_t used = 0;
    ssize_t n;

    if (fd < 0)
        return -errno;
    while (used < sizeof(text) - 1 &&
           (n = read(fd, text + used, sizeof(text) - 1 - used)) > 0)
        used += (size_t)n;
    text[used] = '\0';
    return ps_sockstat_parse(text, stat);
}

int ps_sockstat_read(struct ps_sockstat *ret_stat)
{
    struct ps_sockstat stat = {0};
    int r = add_file("/proc/thread-self/net/sockstat", &stat);

    if (r < 0)
        return r;
    r = add_file("/proc/thread-self/net/sockstat6", &stat);
    if (r < 0 && r != -ENOENT)
        return r;
    *ret_stat = stat;
    return 0;
}
