/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Runs the expressions of traces (struct ps_tracer_insn) on a frame.
 *
 * One step is one instruction, so that the caller has the loop: bpf_loop()
 * in the kernel, a plain one in user space, where the tests hold it against
 * libpcap. All expressions that are asked run one after the other in the same
 * loop. What is behind the bytes that are there is as for libpcap behind the
 * end of a capture: a program that loads it does not match.
 *
 * PS_PCAP_READ(dst, size, src) copies kernel memory; 0: done.
 */
#ifndef PS_BPF_TRACER_PCAP_H
#define PS_BPF_TRACER_PCAP_H

#ifdef __bpf__
#include "bpf/lib/compat.h"
#endif
#include "bpf/tracer/tracer_filter_abi.h"

#ifndef PS_PCAP_READ
#define PS_PCAP_READ bpf_probe_read_kernel
#endif

/*
 * A frame as the expression sees it: hdr_len bytes in `hdr`, then what lies
 * at base + offset. Behind them hdr repeats the next four bytes, so that a
 * load never stands in both. Bytes before `first` are not known.
 */
struct ps_pcap_frame {
    __u64 base;
    __u64 hdr[3]; /* the first byte is the highest */
    __u32 cap;    /* bytes that can be loaded */
    __u32 len;    /* of the whole frame */
    __u32 first;
    __u32 hdr_len;
};

struct ps_pcap_vm {
    struct ps_pcap_frame frame;
    __u32 pc, a, x;
    __u32 todo; /* slots that are still to be asked, with the running one */
    __u32 matched;
    __u32 banks;
    __u32 cells[PS_TRACER_EXPR_CELLS];
};

/* All ones where x is 0, without a branch: branches would multiply the
 * verifier's ways. */
static __always_inline __u32 ps_mask_zero(__u32 x)
{
    return (__u32)((__s64)((__u64)x - 1) >> 63);
}

static __always_inline __u32 ps_pcap_cell(const struct ps_pcap_vm *vm, __u32 k)
{
    __u32 v = 0;

    for (__u32 i = 0; i < PS_TRACER_EXPR_CELLS; i++)
        v |= vm->cells[i] & ps_mask_zero(i ^ k);
    return v;
}

static __always_inline void ps_pcap_store(struct ps_pcap_vm *vm, __u32 k,
                                          __u32 v)
{
    for (__u32 i = 0; i < PS_TRACER_EXPR_CELLS; i++)
        vm->cells[i] ^= (vm->cells[i] ^ v) & ps_mask_zero(i ^ k);
}

/* First instruction of the lowest slot that is to be asked. */
static __always_inline __u32 ps_pcap_start(const struct ps_pcap_vm *vm)
{
    __u32 v = ((vm->todo & -vm->todo) - 1) & 0xff; /* ones below its bit */

    v -= (v >> 1) & 0x55;
    v = (v & 0x33) + ((v >> 2) & 0x33);
    v = (v + (v >> 4)) & 0xf;
    v = v * PS_TRACER_BANKS + ((vm->banks >> v) & 1);
    return v * PS_TRACER_EXPR_INSNS;
}

/* Four bytes of hdr. Not by an address: the verifier would have to know it,
 * and with it everything that it was made of. */
static __always_inline __u32 ps_pcap_hdr(const struct ps_pcap_frame *f,
                                         __u64 off)
{
    __u64 first = ~(__u64)((__s64)(off - 8) >> 63); /* not the first word */
    __u64 last = ~(__u64)((__s64)(off - 16) >> 63);
    __u64 hi = (f->hdr[0] & ~first) | (f->hdr[1] & first & ~last) |
               (f->hdr[2] & last);
    __u64 lo = (f->hdr[1] & ~first) | (f->hdr[2] & first & ~last);
    __u32 shift = (off & 7) * 8;

    return (__u32)(((hi << shift) | (lo >> 1 >> (63 - shift))) >> 32);
}

static __always_inline bool ps_pcap_load(const struct ps_pcap_frame *f,
                                         __u64 off, __u32 size, __u32 *ret)
{
    __u32 raw = 0;

    if (off < f->first || off + size > f->cap)
        return false;
    if (off < f->hdr_len) {
        raw = ps_pcap_hdr(f, off);
    } else {
        /* Four bytes: behind a packet's buffer is more of the kernel's. */
        if (PS_PCAP_READ(&raw, sizeof(raw), (const void *)(f->base + off)))
            return false;
        raw = bpf_ntohl(raw);
    }
    *ret = raw >> ((32 - 8 * size) & 31);
    return true;
}

static __always_inline __u32 ps_pcap_operand(const struct ps_pcap_vm *vm,
                                             const struct ps_tracer_insn *insn)
{
    switch (insn->src) {
    case PS_SRC_K:
        return insn->k;
    case PS_SRC_X:
        return vm->x;
    case PS_SRC_A:
        return vm->a;
    case PS_SRC_LEN:
        return vm->frame.len;
    default:
        return ps_pcap_cell(vm, insn->k);
    }
}

/* Not by zero: see ps_pcap_step(). */
static __always_inline __u32 ps_pcap_alu(__u32 op, __u32 a, __u32 y)
{
    switch (op) {
    case PS_OP_ADD:
        return a + y;
    case PS_OP_SUB:
        return a - y;
    case PS_OP_MUL:
        return a * y;
    case PS_OP_DIV:
        return a / y;
    case PS_OP_MOD:
        return a % y;
    case PS_OP_AND:
        return a & y;
    case PS_OP_OR:
        return a | y;
    case PS_OP_XOR:
        return a ^ y;
    case PS_OP_LSH:
        return y < 32 ? a << (y & 31) : 0;
    default:
        return y < 32 ? a >> (y & 31) : 0;
    }
}

static __always_inline bool ps_pcap_jumps(__u32 op, __u32 a, __u32 y)
{
    switch (op) {
    case PS_OP_JEQ:
        return a == y;
    case PS_OP_JGT:
        return a > y;
    case PS_OP_JGE:
        return a >= y;
    default:
        return (a & y) != 0;
    }
}

/* The running expression has its answer; true: it was the last one. */
static __always_inline bool ps_pcap_end(struct ps_pcap_vm *vm, bool matches)
{
    __u32 bit = vm->todo & -vm->todo;

    if (matches)
        vm->matched |= bit;
    vm->todo &= ~bit;
    vm->a = vm->x = 0;
    vm->pc = ps_pcap_start(vm);
    return !vm->todo;
}

/* todo and the frame are set. */
static __always_inline void ps_pcap_begin(struct ps_pcap_vm *vm, __u32 banks)
{
    vm->a = vm->x = vm->matched = 0;
    vm->banks = banks;
    for (__u32 i = 0; i < PS_TRACER_EXPR_CELLS; i++)
        vm->cells[i] = 0;
    vm->pc = ps_pcap_start(vm);
}

/* One instruction; true: nothing is left to do. */
static __always_inline bool ps_pcap_step(struct ps_pcap_vm *vm,
                                         const struct ps_tracer_insn *insns)
{
    const struct ps_tracer_insn *insn = &insns[vm->pc & (PS_TRACER_INSNS - 1)];
    __u32 op = insn->op, k = insn->k, y, byte;

    vm->pc++;
    if (op == PS_OP_LOAD) {
        __u64 off = (__u64)k + (insn->src == PS_SRC_X ? vm->x : 0);

        return !ps_pcap_load(&vm->frame, off, insn->jt, &vm->a) &&
               ps_pcap_end(vm, false);
    }
    y = ps_pcap_operand(vm, insn);
    if (op >= PS_OP_JEQ) {
        vm->pc += ps_pcap_jumps(op, vm->a, y) ? insn->jt : insn->jf;
    } else if (op == PS_OP_JA) {
        vm->pc += k;
    } else if (op >= PS_OP_ADD) {
        if ((op == PS_OP_DIV || op == PS_OP_MOD) && !y)
            return ps_pcap_end(vm, false);
        vm->a = ps_pcap_alu(op, vm->a, y);
    } else if (op == PS_OP_LDA) {
        vm->a = y;
    } else if (op == PS_OP_LDX) {
        vm->x = y;
    } else if (op == PS_OP_ST) {
        ps_pcap_store(vm, k, vm->a);
    } else if (op == PS_OP_STX) {
        ps_pcap_store(vm, k, vm->x);
    } else if (op == PS_OP_MSH) {
        if (!ps_pcap_load(&vm->frame, k, 1, &byte))
            return ps_pcap_end(vm, false);
        vm->x = (byte & 15) * 4;
    } else {
        return ps_pcap_end(vm, y != 0);
    }
    return false;
}

#endif
