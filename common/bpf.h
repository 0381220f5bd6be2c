/* SPDX-License-Identifier: MIT */
/*
 * Loading and attaching by the probe ladder: by trying, never by version.
 * Names of kernel symbols and drop reasons.
 */
#ifndef PS_COMMON_BPF_H
#define PS_COMMON_BPF_H

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "bpf/lib/place_abi.h"
#include "common/util.h"

/* libbpf's messages go to the log, at debug; raises RLIMIT_MEMLOCK where the
 * kernel (before 5.11) accounts by it. Call first in open(). */
void ps_bpf_init(void);

/*
 * The running kernel's types, NULL where it has none. Six megabytes to parse:
 * open() loads them once, hands them to what asks, and frees them at its end.
 */
struct btf *ps_bpf_kernel_types(void);
void ps_bpf_types_free(struct btf **kernel);
/*
 * Number of arguments of a tracepoint in the kernel's types (without the
 * leading void *), -ENOENT where it has no such tracepoint. For programs whose
 * arguments differ by kernel: kfree_skb has 2 before 5.17, 3 then, 4 from 6.14.
 * kernel may be NULL here and below: nothing is found then.
 */
int ps_bpf_tracepoint_args(const struct btf *kernel, const char *name);
/* True where the kernel has a type or function of this name. */
bool ps_bpf_has_type(const struct btf *kernel, const char *name);
/* True where the kernel has a helper of this name ("BPF_FUNC_loop"). */
bool ps_bpf_has_helper(const struct btf *kernel, const char *name);

/* Whether a program can be loaded: only checked by loading an object with
 * just this program. For optional programs that use newer helpers. */
int ps_bpf_try_attach(struct bpf_program *prog, struct bpf_link **ret_link,
                      char *reason, size_t reason_size);

/* A sentence for an errno of load or attach ("refused by the kernel: …"). */
const char *ps_bpf_reason(int err);

/* Kernel memory of all maps of an object: memlock of fdinfo, bytes. */
uint64_t ps_bpf_object_memory(const struct bpf_object *obj);
uint64_t ps_bpf_map_memory(int map_fd);
/* Run time of all programs of an object, which the kernel counts only while it
 * is asked to (BPF_ENABLE_STATS). */
uint64_t ps_bpf_object_run_ns(const struct bpf_object *obj);
/* Calls of a program that the kernel left out, for it or another one ran on
 * this CPU at that moment. 0 also where the kernel does not count them. */
uint64_t ps_bpf_program_misses(const struct bpf_program *prog);
/* The same by its descriptor. */
uint64_t ps_bpf_prog_misses(int fd);

/* Sum over CPUs of a per-CPU array's u64 values at this key:
 * values has n entries. */
int ps_bpf_percpu_sum(int map_fd, const void *key, uint64_t *values, size_t n);

/* ---- symbols ------------------------------------------------------------ */

struct ps_ksyms;
/*
 * Opens /proc/kallsyms (needs CAP_SYSLOG where kptr_restrict is set); it is
 * read at first use (some 50 ms), and again (at most once a minute) when an
 * address of an unknown module is asked for.
 */
int ps_ksyms_open(struct ps_ksyms **ret_syms);
void ps_ksyms_free(struct ps_ksyms **syms);
/* Borrowed name, or NULL: unknown or hidden. ret_offset may be NULL. */
const char *ps_ksyms_find(struct ps_ksyms *syms, uint64_t addr,
                          uint32_t *ret_offset);
/*
 * What programs must know of the kernel's code; 0: not there, or hidden. syms
 * may be NULL: -ENOENT.
 */
int ps_ksyms_places(struct ps_ksyms *syms, struct ps_places *ret_places);

/* ---- drop reasons ------------------------------------------------------- */

/*
 * Names of enum skb_drop_reason and, from 6.4, of the subsystems' enums, in
 * the kernel's types and in those of modules that are loaded now; -ENOENT
 * without them.
 */
struct ps_drop_reasons;
int ps_drop_reasons_load(struct btf *kernel,
                         struct ps_drop_reasons **ret_reasons);
void ps_drop_reasons_free(struct ps_drop_reasons **reasons);
/* "NO_SOCKET" for SKB_DROP_REASON_NO_SOCKET; NULL: unknown. Borrowed. */
const char *ps_drop_reason_name(const struct ps_drop_reasons *reasons,
                                uint32_t code);
/* Whose reason it is: "core", "openvswitch", "mac80211_unusable"; NULL:
 * unknown. Borrowed. */
const char *ps_drop_reason_subsystem(const struct ps_drop_reasons *reasons,
                                     uint32_t code);

#endif
