/* SPDX-License-Identifier: MIT */
/* The kernel's table of connections: those whose addresses it translates. */
#ifndef PS_TRACER_CONNTRACK_H
#define PS_TRACER_CONNTRACK_H

#include "bpf/tracer/tracer_abi.h"
#include "common/util.h"

/* No longer than this is read from one namespace's table. */
#define PS_CONNTRACK_MAX_NS (100 * PS_NS_PER_MS)

/* The tuples of one packet, before and behind the translation. */
typedef void (*ps_conntrack_fn)(void *arg, const struct ps_tracer_tuple *before,
                                const struct ps_tracer_tuple *behind);

/*
 * Tells of each translated connection of the calling thread's namespace, once
 * for each direction. -EPROTONOSUPPORT: the kernel does not show its table;
 * -ETIME: there is more than could be read in time; else -errno.
 */
int ps_conntrack_read(ps_conntrack_fn fn, void *arg);

/*
 * What the kernel sent: netlink messages. ret_done: the last of them was in it.
 * -EBADMSG where they are none; the kernel's own error otherwise.
 */
int ps_conntrack_parse(const void *data, size_t size, ps_conntrack_fn fn,
                       void *arg, bool *ret_done);

#endif
