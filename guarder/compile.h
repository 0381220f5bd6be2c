/* SPDX-License-Identifier: MIT */
/* Rules to what the XDP program reads. Plain logic. */
#ifndef PS_GUARDER_COMPILE_H
#define PS_GUARDER_COMPILE_H

#include "bpf/guarder/guarder_abi.h"
#include "guarder/rule.h"

/* Index of an interface by name, 0: there is none now. */
typedef uint32_t (*ps_ifindex_fn)(void *arg, const char *name);

/*
 * Fills set from n rules in their order. Left out: disabled rules, and rules
 * of an interface that is not there. ret_used: how many stand in the set.
 * -E2BIG: more than PS_GD_MAX_RULES.
 */
int ps_compile_rules(const struct ps_rule *rules, size_t n,
                     ps_ifindex_fn ifindex, void *arg, struct ps_gd_set *set,
                     size_t *ret_used);

#endif
