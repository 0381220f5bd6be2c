/* SPDX-License-Identifier: MIT */
/* How many sockets a network namespace has, as its kernel counts them. */
#ifndef PS_TRACER_SOCKSTAT_H
#define PS_TRACER_SOCKSTAT_H

#include "common/util.h"

struct ps_sockstat {
    uint64_t tcp; /* in the hash tables, but for the next */
    uint64_t time_wait;
    uint64_t udp; /* UDP and UDP-Lite, with a port */
};

/*
 * Adds what the text of /proc/net/sockstat or sockstat6 says; -EINVAL where it
 * says nothing of TCP and UDP.
 */
int ps_sockstat_parse(const char *text, struct ps_sockstat *stat);
/* Of the calling thread's namespace. IPv6 may be missing. */
int ps_sockstat_read(struct ps_sockstat *ret_stat);

#endif
