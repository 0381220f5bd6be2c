// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* The same programs without expressions: before 5.17 a kernel refuses a program
 * that so much as names a function for bpf_loop(). */
#define PS_WITH_EXPR 0
/* NOLINTNEXTLINE(bugprone-suspicious-include): a program is its source */
#include "bpf/tracer/tracer.bpf.c"
