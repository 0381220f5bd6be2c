/* SPDX-License-Identifier: MIT */
/* What expr.bpf.c and test_expr.c share. */
#ifndef PS_TESTS_EXPR_H
#define PS_TESTS_EXPR_H

#define EXPRS 256

#endif
