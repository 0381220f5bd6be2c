/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The filters of the running traces, as user space writes them and every
 * program that sees packets reads them. One program object has one struct
 * ps_tracer_filters, in its .bss.
 */
#ifndef PS_BPF_TRACER_FILTER_ABI_H
#define PS_BPF_TRACER_FILTER_ABI_H

#define PS_TRACER_MAX_TRACES 8
/* A slot's filter stands in one of its banks; a new one is written into the
 * other, which then counts. */
#define PS_TRACER_BANKS 2

/* Of one expression. Jumps go forward only, so it takes no more steps. */
#define PS_TRACER_EXPR_INSNS 512
#define PS_TRACER_INSNS \
    (PS_TRACER_MAX_TRACES * PS_TRACER_BANKS * PS_TRACER_EXPR_INSNS)
/* Cells of memory that an expression may use. */
#define PS_TRACER_EXPR_CELLS 8

struct ps_tracer_tuple {
    unsigned char saddr[16];
    unsigned char daddr[16];
    unsigned short sport;
    unsigned short dport;
    unsigned char family; /* 4, 6 */
    unsigned char proto;
    unsigned short pad;
} __attribute__((aligned(8))); /* addresses are compared by words */

#define PS_TRACER_TUPLE_WORDS (sizeof(struct ps_tracer_tuple) / 8)

/* ---- expressions -------------------------------------------------------- */

/* What libpcap's programs are made of; see tracer/expr.h. A is the
 * accumulator, X the index register, y the operand that `src` names. */
enum ps_tracer_op {
    PS_OP_RET,  /* y != 0: it matches */
    PS_OP_LOAD, /* A = `size` bytes at k (src X: at X + k) */
    PS_OP_MSH,  /* X = 4 * (byte at k & 15) */
    PS_OP_LDA,  /* A = y */
    PS_OP_LDX,  /* X = y */
    PS_OP_ST,   /* cell k = A */
    PS_OP_STX,  /* cell k = X */
    PS_OP_ADD,  /* A = A op y; this and the following */
    PS_OP_SUB,
    PS_OP_MUL,
    PS_OP_DIV, /* by 0: it does not match */
    PS_OP_MOD,
    PS_OP_AND,
    PS_OP_OR,
    PS_OP_XOR,
    PS_OP_LSH,
    PS_OP_RSH,
    PS_OP_JA, /* skips k instructions */
    PS_OP_JEQ,
    PS_OP_JGT,
    PS_OP_JGE,
    PS_OP_JSET,
};

enum ps_tracer_src {
    PS_SRC_K,
    PS_SRC_X,
    PS_SRC_A,
    PS_SRC_LEN,  /* of the frame */
    PS_SRC_CELL, /* k */
};

struct ps_tracer_insn {
    unsigned char op;
    unsigned char src;
    unsigned char jt; /* of LOAD: its size, 1, 2 or 4 */
    unsigned char jf;
    unsigned int k;
};

/* ---- filters ------------------------------------------------------------ */

enum ps_tracer_filter_flags {
    PS_FF_IFNAME = 1 << 0,
    PS_FF_MARK = 1 << 1,
};

/* A tuple matches where it equals `value` in the bits of `mask`, as it is or
 * with its two ends exchanged. An empty mask takes every packet. */
struct ps_tracer_filter {
    struct ps_tracer_tuple value;
    struct ps_tracer_tuple mask;
    unsigned int flags; /* enum ps_tracer_filter_flags */
    unsigned int netns; /* 0: any */
    unsigned int mark;  /* with PS_FF_MARK, as the next */
    unsigned int mark_mask;
    unsigned int sample; /* 0: each packet */
    unsigned int pad;
    char ifname[16]; /* with PS_FF_IFNAME; zeros behind its end */
};

/* Bits of ps_tracer_filters.word: eight for each, one for a slot. */
enum ps_tracer_word {
    PS_FW_ON = 0,
    PS_FW_BANK = 8,
    PS_FW_MORE = 16,    /* asks more than the tuple */
    PS_FW_EXPR = 24,    /* has an expression */
    PS_FW_INNER = 32,   /* takes the packet inside of a tunnel too */
    PS_FW_SAMPLE = 40,  /* takes one of so many */
    PS_FW_LEARNED = 48, /* takes only tuples that were learned */
    PS_FW_HERE = 56,    /* of sockets' calls, takes those in its namespace */
};

struct ps_tracer_filters {
    /* What counts at this moment, written at once. */
    unsigned long long word;
    struct ps_tracer_filter filters[PS_TRACER_MAX_TRACES * PS_TRACER_BANKS];
    struct ps_tracer_insn insns[PS_TRACER_INSNS];
};

#endif
