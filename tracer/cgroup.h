/* SPDX-License-Identifier: MIT */
/* Which container a process runs in, by its cgroup. */
#ifndef PS_TRACER_CGROUP_H
#define PS_TRACER_CGROUP_H

#include "common/util.h"

#define PS_CGROUP_PATH   256
#define PS_CONTAINER_HEX 64
/* Longest /proc/PID/cgroup that is looked at. */
#define PS_CGROUP_TEXT 8192

struct ps_cgroup {
    char path[PS_CGROUP_PATH];            /* "" : not known; cut when longer */
    char container[PS_CONTAINER_HEX + 1]; /* "": none */
};

/*
 * The text of /proc/PID/cgroup, v1, v2 or both. The path is that of v2, or,
 * where v2 says only "/", the first of v1 that says more. The container is
 * the innermost one named in any line: docker-ID.scope, /docker/ID, kubepods,
 * cri-containerd-ID, crio-ID, libpod-ID. Never fails.
 */
void ps_cgroup_parse(const char *text, struct ps_cgroup *ret_cgroup);

/* Reads that of a process; empty when it is gone. */
void ps_cgroup_of(uint32_t pid, struct ps_cgroup *ret_cgroup);

/* The root of cgroup v2, wherever it is mounted: a descriptor, or -errno. */
int ps_cgroup_open_root(void);

#endif
