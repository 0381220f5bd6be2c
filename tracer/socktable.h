/* SPDX-License-Identifier: MIT */
/*
 * The sockets of one look at the host: merged, filtered, sorted. Plain logic.
 */
#ifndef PS_TRACER_SOCKTABLE_H
#define PS_TRACER_SOCKTABLE_H

#include "bpf/tracer/tracer_abi.h"
#include "common/net.h"
#include "common/util.h"
#include "tracer/cgroup.h"

#define PS_SOCKTABLE_MAX   (1u << 20)
#define PS_SOCKTABLE_NONE  UINT32_MAX
#define PS_SOCK_MAX_OWNERS 64u

struct ps_sock_owner {
    uint32_t pid;
    uint32_t fd;
    char comm[16];
    uint32_t next; /* of the same socket */
};

struct ps_sock {
    struct ps_tracer_sock rec;
    uint32_t owners; /* first, PS_SOCKTABLE_NONE: none known */
    uint32_t n_owners;
    uint32_t next; /* same bucket */
};

struct ps_socktable;

int ps_socktable_new(struct ps_socktable **ret_table);
void ps_socktable_free(struct ps_socktable **table);

/*
 * Adds what an iterator said. The same socket (kernel address and ports, or
 * inode where the address is not known) is kept once, with each of its owners.
 * A socket that is neither bound nor connected is left out, as `ss` does: no
 * packet can come to it. So is one of neither IPv4 nor IPv6. -ENOSPC, -ENOMEM.
 */
int ps_socktable_add(struct ps_socktable *table,
                     const struct ps_tracer_sock *rec);

size_t ps_socktable_len(const struct ps_socktable *table);
const struct ps_sock *ps_socktable_get(const struct ps_socktable *table,
                                       size_t i);
/* NULL for PS_SOCKTABLE_NONE. */
const struct ps_sock_owner *ps_socktable_owner(const struct ps_socktable *table,
                                               uint32_t i);
/* Owners beyond PS_SOCK_MAX_OWNERS of a socket. */
uint64_t ps_socktable_cut_owners(const struct ps_socktable *table);

/* A line of /proc/net/raw, raw6, icmp or icmp6; -EINVAL: none. */
int ps_sock_parse_proc(const char *line, unsigned int family,
                       struct ps_tracer_sock *ret_rec);

/* "ESTAB", as `ss` writes it; NULL for a number that is none. */
const char *ps_sock_state_name(unsigned int state);
const char *ps_sock_type_name(unsigned int type);
/* -EINVAL: no state has this name. */
int ps_sock_parse_state(const char *name, uint8_t *ret_state);

/* The last process whose container was asked for. A process's sockets come one
 * after the other. */
struct ps_sock_cgroup {
    uint32_t pid; /* 0: none yet */
    struct ps_cgroup cgroup;
};

/* What is asked for: 0, NULL or a family of 0 ask nothing. */
struct ps_sock_filter {
    bool has_proto, has_port, has_state, has_pid, has_netns;
    uint32_t proto, port, pid, netns;
    uint8_t family, state;
    struct ps_addr addr;
    const char *comm;
    const char *container;        /* its first 12 digits at least */
    struct ps_sock_cgroup *cache; /* needed with container */
};

/* cgroup_of: where to learn a process's container (ps_cgroup_of()). */
bool ps_sock_matches(const struct ps_socktable *table,
                     const struct ps_sock *sock,
                     const struct ps_sock_filter *filter,
                     void (*cgroup_of)(uint32_t pid, struct ps_cgroup *ret));

/* One of the names of ps_sock_sort_names, with "-" before it descending;
 * NULL: by namespace, protocol and address. The `first` that come first are
 * in order then, the others behind them are not. -EINVAL. */
extern const char ps_sock_sort_names[];
int ps_sock_sort(const struct ps_sock **socks, size_t n, const char *sort,
                 size_t first);

#endif
