/* SPDX-License-Identifier: MIT */
/* The functions of the running kernel that take a packet, or its socket. */
#ifndef PS_TRACER_FUNCTIONS_FIND_H
#define PS_TRACER_FUNCTIONS_FIND_H

#include <stdio.h>

#include "bpf/tracer/functions_abi.h"
#include "common/util.h"

struct btf;

#define PS_FN_NAME 64

struct ps_fn {
    uint64_t addr;    /* 0: no symbol of this name */
    uint16_t rank;    /* see ps_fn_rank() */
    uint8_t position; /* of the packet among the arguments, from 1 */
    bool socket;      /* it takes no packet: `position` is its socket's */
    uint8_t how;      /* enum ps_fn_how */
    bool probed;      /* the kernel lets it be traced */
    bool timed;       /* see ps_fn_timed() */
    bool one_way;     /* its return is left alone: see ps_fn_one_way() */
    char name[PS_FN_NAME];
};

struct ps_fn_list {
    struct ps_fn *fns;
    size_t n, room;
    size_t sockets;    /* of them, that take the socket alone; once finished
                          not among the n: they come behind these */
    size_t named;      /* functions, by the types */
    uint32_t *buckets; /* by name, SIZE_MAX-like: UINT32_MAX is empty */
    size_t mask;
};

void ps_fn_list_free(struct ps_fn_list *list);

/*
 * Adds the functions with a `struct sk_buff *` among their first arguments, and
 * those with a `struct sock *` that have none. base: number of the first type
 * that is not another object's (modules). -E2BIG: more than PS_FN_MAX with a
 * packet; of those with a socket what is more is left out.
 */
int ps_fn_add_types(struct ps_fn_list *list, const struct btf *btf,
                    uint32_t base);
/* Addresses of all of them; a name that several functions have counts once for
 * each. symbols: as /proc/kallsyms. */
int ps_fn_add_symbols(struct ps_fn_list *list, FILE *symbols);
/* Marks those that may be probed. available: as tracefs's
 * available_filter_functions. */
void ps_fn_add_available(struct ps_fn_list *list, FILE *available);
/* Leaves those with an address that may be probed, the most useful first; no
 * name can be looked up after it. */
void ps_fn_finish(struct ps_fn_list *list);

/* All of it from the running kernel. kernel: its types. On failure reason
 * says why. */
int ps_fn_find(const struct btf *kernel, struct ps_fn_list *ret_list,
               char *reason, size_t reason_size);

/* How early packets pass it, 0 first; UINT16_MAX: nothing is known of it. */
uint16_t ps_fn_rank(const char *name);
/* enum ps_fn_how of a function. */
uint8_t ps_fn_how(const char *name);
/*
 * May its return not be watched? It says in a tracepoint where it goes back to,
 * and would say another place then. walked: the place behind can be found
 * (bpf/lib/place.h), but not through the tracepoint's own function.
 */
bool ps_fn_one_way(const char *name, bool walked);
/* Is it what the kernel puts around a tracepoint? It is no function of a
 * packet's way, although it has the same arguments. */
bool ps_fn_is_shell(const char *name);
/* Whether its return is told where each one costs: it holds most of the
 * others. */
bool ps_fn_timed(const char *name);
/* "transport", "network", ...: by what its name begins with. */
const char *ps_fn_layer(const char *name);

#endif
