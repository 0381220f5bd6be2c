/* SPDX-License-Identifier: MIT */
/*
 * Who owns the sockets that packets of running traces belong to. Asked for
 * while the socket is there, kept until the traces have ended. A socket is
 * told by its cookie, or, where it has none yet, by its address and ports.
 *
 * What was never seen to be used by a task, and is held by none or by several
 * processes, has no owner: none is guessed.
 */
#ifndef PS_TRACER_OWNERS_H
#define PS_TRACER_OWNERS_H

#include "bpf/tracer/tracer_abi.h"
#include "common/util.h"
#include "tracer/cgroup.h"

#define PS_OWNERS_MAX 65536u

struct ps_sock_key {
    uint64_t sk; /* 0: none */
    uint64_t cookie;
    uint16_t lport, rport; /* as the packet has them */
};

struct ps_owner {
    uint32_t pid; /* 0: not known */
    char comm[16];
    struct ps_cgroup cgroup;
};

/* Where owners come from. */
struct ps_owner_source {
    void *arg;
    /* The task that used it last; -ENOENT: none was seen. */
    int (*used)(void *arg, const struct ps_sock_key *key,
                struct ps_tracer_owner *ret);
    /* All sockets that processes hold, given to fn one after the other. */
    int (*held)(void *arg,
                void (*fn)(void *to, const struct ps_tracer_sock *rec),
                void *to);
    void (*cgroup_of)(uint32_t pid, struct ps_cgroup *ret);
};

struct ps_owners;

int ps_owners_new(const struct ps_owner_source *source,
                  struct ps_owners **ret_owners);
void ps_owners_free(struct ps_owners **owners);

/* A packet belongs to this socket: remembers to find its owner. */
void ps_owners_note(struct ps_owners *owners, const struct ps_sock_key *key);
/*
 * Looks for the owners of what was noted: by use, and, with look, by open
 * files, which costs the more the more files the host has open. To be called
 * often while traces run.
 */
void ps_owners_resolve(struct ps_owners *owners, bool look);
/* Sockets whose owner a look may still find. */
size_t ps_owners_pending(const struct ps_owners *owners);
/* Borrowed until the next call of another function; NULL: not known. */
const struct ps_owner *ps_owners_find(struct ps_owners *owners,
                                      const struct ps_sock_key *key);
/* No trace runs any more. */
void ps_owners_clear(struct ps_owners *owners);
/* Sockets that there was no room for. */
uint64_t ps_owners_lost(const struct ps_owners *owners);

#endif
