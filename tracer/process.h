/* SPDX-License-Identifier: MIT */
/* Processes that a trace asks for. Plain data. */
#ifndef PS_TRACER_PROCESS_H
#define PS_TRACER_PROCESS_H

#include "common/util.h"
#include "tracer/cgroup.h"

/* Digits of a container's id that are enough. */
#define PS_CONTAINER_SHORT 12

/* What is set must fit. */
struct ps_process {
    uint32_t pid;                         /* 0: any */
    char cgroup[PS_CGROUP_PATH];          /* or one below it; "": any */
    char container[PS_CONTAINER_HEX + 1]; /* its beginning; "": any */
};

bool ps_process_asked(const struct ps_process *asked);
/* Whether the cgroup of a process must be known to tell. */
bool ps_process_asks_cgroup(const struct ps_process *asked);
/* cgroup: of the process; not looked at where it need not be known. */
bool ps_process_fits(const struct ps_process *asked, uint32_t pid,
                     const struct ps_cgroup *cgroup);

/*
 * The cgroup that holds just the processes asked for, of which one has this
 * cgroup (NULL: none is known). False: there is none. ret_path has room for
 * PS_CGROUP_PATH.
 */
bool ps_process_cgroup(const struct ps_process *asked,
                       const struct ps_cgroup *member, char *ret_path);

/* Processes that some traces ask for. */
struct ps_member {
    uint32_t pid;
    uint32_t slots; /* bit mask of traces */
};

struct ps_members {
    struct ps_member *list; /* by pid */
    uint32_t n, cap;
};

#define PS_MEMBERS_MAX 16384u

/* -ENOSPC, -ENOMEM. */
int ps_members_add(struct ps_members *members, uint32_t pid, uint32_t slots);
/* After the last was added. */
void ps_members_sort(struct ps_members *members);
/* 0: it is none. */
uint32_t ps_members_slots(const struct ps_members *members, uint32_t pid);
void ps_members_clear(struct ps_members *members);

#endif
