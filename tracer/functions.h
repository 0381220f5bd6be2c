/* SPDX-License-Identifier: MIT */
/*
 * The function tier: every function of the kernel that takes a packet, at its
 * entry and its return. Loaded once, attached only while a trace of this tier
 * runs. functions.c includes the BPF skeleton.
 */
#ifndef PS_TRACER_FUNCTIONS_H
#define PS_TRACER_FUNCTIONS_H

#include "bpf/tracer/functions_abi.h"
#include "common/util.h"
#include "tracer/filter.h"

struct btf;
struct ps_functions;

/*
 * Finds the functions, loads the best of what this kernel takes and tries it
 * on one of them: "kprobe.session", "kprobe.multi", "kprobe". kernel: see
 * ps_bpf_kernel_types(); state_dir: see expedite.h. Privileged. On failure
 * reason says why there is no such tier.
 */
int ps_functions_open(const struct btf *kernel, const char *state_dir,
                      uint32_t ring_bytes, struct ps_functions **ret_functions,
                      char *reason, size_t reason_size);
void ps_functions_free(struct ps_functions **functions);
const char *ps_functions_tier(const struct ps_functions *functions);
/* Functions that were found, and of these those that have a probe now. */
size_t ps_functions_found(const struct ps_functions *functions);
size_t ps_functions_attached(const struct ps_functions *functions);
/* Those that the kernel refused at the last attach. */
size_t ps_functions_refused(const struct ps_functions *functions);
uint64_t ps_functions_memory(const struct ps_functions *functions);
/* Whether probes are still to be put: see ps_functions_step(). */
bool ps_functions_pending(const struct ps_functions *functions);

/*
 * Attaches: with fprobe all at once; with single probes those that packets
 * pass first, for about budget_ns. 0: at least one is attached.
 */
int ps_functions_attach(struct ps_functions *functions, uint64_t budget_ns);
/* The same, for traces that had none attached until a packet came that they
 * want: returns are told from the beginning. */
int ps_functions_resume(struct ps_functions *functions, uint64_t budget_ns);
/* Goes on with attaching, or with what a detach left, for about budget_ns.
 * False: nothing is left to do. */
bool ps_functions_step(struct ps_functions *functions, uint64_t budget_ns);
/* Everything is off when it returns, and what was followed is so no more, also
 * where a trace goes on. */
void ps_functions_detach(struct ps_functions *functions);

/* Whether the kernel can tell of functions that take a packet's socket alone:
 * not with single probes. */
bool ps_functions_has_sockets(const struct ps_functions *functions);
/* Attaches these, too, beside those with a packet; and takes them off. How many
 * there are; 0 while they are off. */
int ps_functions_attach_sockets(struct ps_functions *functions);
void ps_functions_detach_sockets(struct ps_functions *functions);
size_t ps_functions_sockets(const struct ps_functions *functions);

/* stacks: each packet's outermost calls carry the kernel's stack. sockets:
 * calls with a socket that fits the filter are told, too. */
struct ps_functions_wish {
    bool stacks, sockets;
};

/* A slot's filter, which asks for a tuple alone: it and its counters are set
 * before it is switched on. */
int ps_functions_set_filter(struct ps_functions *functions, unsigned int slot,
                            const struct ps_filter *filter,
                            const struct ps_functions_wish *wish);
/* Another one while it is on; see ps_filter_install(). What is followed stays
 * so. */
void ps_functions_change_filter(struct ps_functions *functions,
                                unsigned int slot,
                                const struct ps_filter *filter);
void ps_functions_clear_filter(struct ps_functions *functions,
                               unsigned int slot);
int ps_functions_counts(const struct ps_functions *functions, unsigned int slot,
                        struct ps_fn_count *ret_count);
/* From now on one of n packets is followed; 1: all. */
void ps_functions_throttle(struct ps_functions *functions, uint32_t n);
/* All programs' run time, which the kernel counts only while asked to. */
uint64_t ps_functions_run_ns(const struct ps_functions *functions);
/* Calls that the kernel left out since they were opened, for a program ran on
 * that CPU already; wanted or not. Whether it counts them: else 0. */
uint64_t ps_functions_missed(const struct ps_functions *functions);
bool ps_functions_counts_misses(const struct ps_functions *functions);
/* Returns that found no room in the ring, and when that was last, as of now:
 * calls that seem to be open may have returned. */
uint64_t ps_functions_untold(const struct ps_functions *functions,
                             uint64_t *ret_last);
/* Packets that lost their place among those that are followed. */
uint64_t ps_functions_evicted(const struct ps_functions *functions);

/* So many are taken out of the ring at once: what else there is to do does not
 * wait for longer. */
#define PS_FUNCTIONS_AT_ONCE 16384u

/* Gives each record in the ring to fn, up to PS_FUNCTIONS_AT_ONCE, and none
 * from the first one on that is later than until (CLOCK_MONOTONIC): one of call
 * and ret is NULL. ret: of any kind but PS_FN_CALL. stack: as many addresses as
 * call->frames says, at most PS_FN_FRAMES. Returns how many there were, or
 * -errno. */
typedef void (*ps_functions_fn)(void *arg, const struct ps_fn_call *call,
                                const uint64_t *stack,
                                const struct ps_fn_return *ret);
int ps_functions_consume(struct ps_functions *functions, uint64_t until,
                         ps_functions_fn fn, void *arg);

#endif
