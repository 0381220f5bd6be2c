/* SPDX-License-Identifier: MIT */
/*
 * The tracer's programs in the kernel: loaded once, attached only while a
 * trace runs. Includes the BPF skeleton.
 */
#ifndef PS_TRACER_PROBES_H
#define PS_TRACER_PROBES_H

#include "bpf/tracer/process_abi.h"
#include "bpf/tracer/tracer_abi.h"
#include "common/util.h"
#include "tracer/filter.h"

struct btf;
struct ps_ksyms;

/* Namespaces in which netfilter hooks are put: each costs ten links. */
#define PS_PROBES_MAX_NETNS 64u
#define PS_PROBES_MAX       48u
/* Interfaces that are watched. */
#define PS_PROBES_MAX_DEVICES 64u

struct ps_probes;

/* What became of one program, or group of them. */
struct ps_probe_state {
    const char *id; /* "tracer.netfilter", or a station's name */
    const char *tier;
    bool available;
    char reason[160];
};

struct ps_probe_needs {
    const struct btf *kernel; /* see ps_bpf_kernel_types() */
    /* May be NULL, then parts of a freed buffer are told as drops. */
    struct ps_ksyms *syms;
    uint32_t ring_bytes; /* made a power of two of whole pages */
    /* Maps of the programs that see tasks, to be shared: ownerprobe.h; where
     * there are none (negative) it has its own. */
    int learned_fd, owners_fd;
};

/*
 * Loads, by the ladder: tp_btf with netfilter links and cgroup programs, then
 * without what fails, then raw_tp. Privileged. -errno where nothing loads;
 * reason then says why.
 */
int ps_probes_open(const struct ps_probe_needs *needs,
                   struct ps_probes **ret_probes, char *reason,
                   size_t reason_size);
void ps_probes_free(struct ps_probes **probes);
uint64_t ps_probes_memory(const struct ps_probes *probes);

/*
 * Attaches everything that the kernel takes; what it refuses is in the states.
 * 0 when one station at least is attached. Detaching gives all of it back: an
 * open netfilter link would keep a deleted namespace alive. everywhere: in all
 * network namespaces and on all interfaces; else a trial, of the own namespace
 * and one interface, to see what is taken.
 */
int ps_probes_attach(struct ps_probes *probes, bool everywhere);
/*
 * Whether network namespaces or interfaces came or went since, or some could
 * not be attached yet, for lack of time. Then ps_probes_renew() attaches what
 * came and gives back what went; all else stays as it is. A namespace that is
 * not seen by two looks is one that went.
 */
bool ps_probes_is_behind(struct ps_probes *probes);
void ps_probes_renew(struct ps_probes *probes);
void ps_probes_detach(struct ps_probes *probes);
bool ps_probes_attached(const struct ps_probes *probes);
/*
 * Gives back all but the entries, of which each packet passes one: where it
 * comes in, goes out, or is dropped. ps_probes_attach() attaches the others
 * again. The states stay as they are.
 */
void ps_probes_wait(struct ps_probes *probes);

/* States of the last attach, or renewal: stations. n may be 0 before. */
const struct ps_probe_state *ps_probes_states(const struct ps_probes *probes,
                                              size_t *ret_n);
/* "tp_btf" or "raw_tp". */
const char *ps_probes_tier(const struct ps_probes *probes);

/*
 * A slot's filter: it, its counters and what its packets are to be kept with
 * are set before it is switched on. stacks: the kernel's stack with each
 * event; snap_bytes: of each packet at first sight, to PS_TRACER_SNAP_BYTES
 * (what another slot wants may come along).
 */
struct ps_probe_wish {
    bool stacks;
    uint32_t snap_bytes;
};
int ps_probes_set_filter(struct ps_probes *probes, unsigned int slot,
                         const struct ps_filter *filter,
                         const struct ps_probe_wish *wish);
/* Another one for a slot that is on: nothing is attached, detached or counted
 * anew. Not within PS_FILTER_CHANGE_NS of the last. */
void ps_probes_change_filter(struct ps_probes *probes, unsigned int slot,
                             const struct ps_filter *filter);
/* Whether the programs can run expressions. */
bool ps_probes_exprs(const struct ps_probes *probes);
/* Programs that run at this moment may still write a last event. */
void ps_probes_clear_filter(struct ps_probes *probes, unsigned int slot);

/* Lets a trace take this tuple, too, as it is (not reversed). */
int ps_probes_add_alias(struct ps_probes *probes, unsigned int slot,
                        const struct ps_tracer_tuple *tuple);
/* Of this bit mask of traces, none takes it so any more. */
void ps_probes_drop_alias(struct ps_probes *probes,
                          const struct ps_tracer_tuple *tuple, uint32_t traces);
/* Forgets what the traces of this bit mask took so, or learned by itself; and
 * all that are not on. */
int ps_probes_forget_aliases(struct ps_probes *probes, uint32_t traces);
/* Tuples that there was no room for, since the programs were loaded. */
uint64_t ps_probes_aliases_full(const struct ps_probes *probes);

/* ---- sockets of processes: bpf/tracer/process_abi.h ---------------------- */

/* Lets these traces take the packets of a socket. -ENOENT: it has no cookie. */
int ps_probes_learn_sock(struct ps_probes *probes, uint64_t cookie,
                         uint32_t traces);
/* All that the traces of this bit mask learned, by themselves too. */
int ps_probes_forget_socks(struct ps_probes *probes, uint32_t traces);
/* Whether some aliases are local ends. */
void ps_probes_local_ends(struct ps_probes *probes, bool any);

/* ---- what they did ------------------------------------------------------ */

/* Of one station for one slot, since its filter was set. recursion_missed are
 * calls that the kernel left out, wanted or not; they are in count.hits. */
struct ps_probe_count {
    struct ps_tracer_count count;
    uint64_t recursion_missed;
};

/* Sums over CPUs; ret_counts has PS_ST_MAX entries. */
int ps_probes_counts(const struct ps_probes *probes, unsigned int slot,
                     struct ps_probe_count *ret_counts);
/* Packets that were no longer followed, for there was no room in the table;
 * since the programs were loaded. */
uint64_t ps_probes_evicted(const struct ps_probes *probes);
/* All programs' run time, which the kernel counts only while asked to. */
uint64_t ps_probes_run_ns(const struct ps_probes *probes);
/* From now on one of n packets at first sight is followed; 1: all. */
void ps_probes_throttle(struct ps_probes *probes, uint32_t n);

/* ---- events ------------------------------------------------------------- */

/* What came with an event: event->stack addresses, event->bytes bytes. */
struct ps_event_more {
    const uint64_t *stack;
    const uint8_t *bytes;
};

/* So many are taken out of the ring at once: what else there is to do does not
 * wait for longer. */
#define PS_PROBES_AT_ONCE 65536u

/* Gives each event in the ring to fn, up to PS_PROBES_AT_ONCE; fn may change
 * its copy. Returns how many there were, or -errno. */
typedef void (*ps_probes_fn)(void *arg, struct ps_tracer_event *event,
                             const struct ps_event_more *more);
int ps_probes_consume(struct ps_probes *probes, ps_probes_fn fn, void *arg);
/* Becomes readable, for edge-triggered polling, when a part of the ring is full
 * (PS_TRACER_RING_WAKES) and nobody empties it. Borrowed. */
int ps_probes_ring_fd(const struct ps_probes *probes);
/* A record of size bytes, which may be anything. False: it is none. */
bool ps_probes_record(const void *data, size_t size,
                      struct ps_tracer_event *ret_event,
                      struct ps_event_more *ret_more);

#endif
