/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Traces of processes: a slot of PS_FW_LEARNED takes a packet that the rest of
 * its filter takes, if it belongs to a socket of the processes asked for:
 *
 *   learned_socks  cookies of their sockets. Found where one of their tasks
 *                  makes or uses a socket (process.h), and by user space in
 *                  their open files.
 *   aliases        tuples of these sockets: of those that are connected, by
 *                  user space; of all, at the first packet that they send or
 *                  that comes to their port (learned.h).
 */
#ifndef PS_BPF_TRACER_PROCESS_ABI_H
#define PS_BPF_TRACER_PROCESS_ABI_H

#include "bpf/tracer/tracer_abi.h"

#define PS_TRACER_MAX_LEARNED 65536
/* Processes of cgroups and containers that are asked for. */
#define PS_TRACER_MAX_MEMBERS 16384

/*
 * With this in `family`, a key of aliases is the local end of a socket without
 * a peer: its address in saddr, port in sport, and in the first four bytes of
 * daddr its network namespace.
 */
#define PS_TRACER_LOCAL_END 0x80

/* The cgroup of a slot; members are in a map of their own. */
struct ps_tracer_process {
    unsigned long long cgroup; /* id in cgroup v2 */
    unsigned int level;        /* of it; the root's is 0 */
    unsigned int pad;
};

struct ps_tracer_processes {
    unsigned int asked;     /* slots that ask for processes */
    unsigned int by_cgroup; /* of these, those whose cgroup is known */
    struct ps_tracer_process slots[PS_TRACER_MAX_TRACES];
};

#endif
