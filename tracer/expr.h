/* SPDX-License-Identifier: MIT */
/* pcap-filter(7) expressions, as programs for bpf/tracer/pcap.h. */
#ifndef PS_TRACER_EXPR_H
#define PS_TRACER_EXPR_H

#include "bpf/tracer/tracer_filter_abi.h"
#include "common/util.h"

struct bpf_insn;

/* Longest text. */
#define PS_EXPR_TEXT 2048

struct ps_expr {
    uint32_t n;     /* instructions; 0: no expression */
    uint32_t steps; /* of the longest way through them */
    struct ps_tracer_insn insns[PS_TRACER_EXPR_INSNS];
};

/*
 * libpcap compiles, for Ethernet. Names of hosts and networks are refused, for
 * libpcap would ask the resolver; those of ports and protocols are not.
 * -EINVAL with a sentence in error, else ret_expr is set.
 */
int ps_expr_compile(const char *text, struct ps_expr *ret_expr, char *error,
                    size_t error_size);

/* The part behind libpcap: its instructions in the form that is run. */
int ps_expr_translate(const struct bpf_insn *insns, size_t n,
                      struct ps_expr *ret_expr, char *error, size_t error_size);

/* True where libpcap would not ask the resolver about any word of the text;
 * else ret_word (of size) has the first that it might. */
bool ps_expr_numeric(const char *text, char *ret_word, size_t size);

#endif
