/* SPDX-License-Identifier: MIT */
/* An event loop that a test runs until something is so; a free port. */
#ifndef PS_TESTS_UNIT_LOOP_H
#define PS_TESTS_UNIT_LOOP_H

#include <arpa/inet.h>
#include <event2/event.h>
#include <sys/socket.h>

#include "common/util.h"

static void loop_stop(evutil_socket_t fd _unused_, short what _unused_,
                      void *arg)
{
    event_base_loopbreak(arg);
}

/* Runs the loop for ns, or until *what (may be NULL) is at least want. */
static inline void loop_run(struct event_base *base, uint64_t ns,
                            const volatile unsigned int *what,
                            unsigned int want)
{
    const struct timeval step = {.tv_usec = 10000};
    uint64_t end = ps_mono_ns() + ns;

    while (ps_mono_ns() < end && !(what && *what >= want)) {
        event_base_once(base, -1, EV_TIMEOUT, loop_stop, base, &step);
        event_base_dispatch(base);
    }
}

/* A TCP port of the loopback that nobody has now; 0: there is none. */
static inline unsigned int loop_free_port(void)
{
    _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(addr);

    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, len) < 0 ||
        getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
        return 0;
    return ntohs(addr.sin_port);
}

#endif
