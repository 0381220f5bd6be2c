/* SPDX-License-Identifier: MIT */
/* The programs that bind sockets to tasks. Includes their BPF skeleton. */
#ifndef PS_TRACER_OWNERPROBE_H
#define PS_TRACER_OWNERPROBE_H

#include "bpf/tracer/tracer_abi.h"
#include "common/util.h"
#include "tracer/owners.h"

struct ps_ownerprobe;

/*
 * Loads what the kernel takes of them. reason (of reason_size) says what failed
 * where nothing loads. Privileged.
 */
int ps_ownerprobe_open(struct ps_ownerprobe **ret_probe, char *reason,
                       size_t reason_size);
void ps_ownerprobe_free(struct ps_ownerprobe **probe);
/* The maps that the stations share (struct ps_probe_needs): sockets that
 * traces ask for, and who used which. Borrowed. */
int ps_ownerprobe_learned_fd(const struct ps_ownerprobe *probe);
int ps_ownerprobe_owners_fd(const struct ps_ownerprobe *probe);
uint64_t ps_ownerprobe_memory(const struct ps_ownerprobe *probe);
/* All programs' run time, which the kernel counts only while asked to. */
uint64_t ps_ownerprobe_run_ns(const struct ps_ownerprobe *probe);

/* What sees a socket made and connected, where it is not yet. cgroup_fd: the
 * root of cgroup v2, or -1. Detaching keeps what is known. */
void ps_ownerprobe_attach(struct ps_ownerprobe *probe, int cgroup_fd);
/* Also what sees every call by which a task uses one. */
void ps_ownerprobe_attach_calls(struct ps_ownerprobe *probe);
void ps_ownerprobe_detach(struct ps_ownerprobe *probe);

/* "tracepoints": every use of a socket; "cgroup": its making and connecting
 * only; NULL: nothing is loaded. */
const char *ps_ownerprobe_tier(const struct ps_ownerprobe *probe);

/*
 * A slot asks for processes: its members, and, where it is known, all of a
 * cgroup, which is 0 else. Their sockets are learned from now on.
 */
void ps_ownerprobe_ask(struct ps_ownerprobe *probe, unsigned int slot,
                       uint64_t cgroup, uint32_t level);
void ps_ownerprobe_ask_none(struct ps_ownerprobe *probe, unsigned int slot);
/* Slots (a bit mask) of which a process is a member; 0: of none. -errno. */
int ps_ownerprobe_set_member(struct ps_ownerprobe *probe, uint32_t pid,
                             uint32_t slots);
/* Sockets that there was no room for. */
uint64_t ps_ownerprobe_unlearned(const struct ps_ownerprobe *probe);

/* -ENOENT: no task was seen to use this socket. */
int ps_ownerprobe_find(const struct ps_ownerprobe *probe,
                       const struct ps_sock_key *key,
                       struct ps_tracer_owner *ret_owner);
/* Owners that the map had no room for. */
uint64_t ps_ownerprobe_lost(const struct ps_ownerprobe *probe);

#endif
