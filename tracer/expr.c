/* SPDX-License-Identifier: MIT */
#include "tracer/expr.h"

#include <ctype.h>
#include <pcap/pcap.h>

/* Longer than every frame. */
#define SNAPLEN 262144

#define NO_CELL UINT8_MAX

/* ---- translation -------------------------------------------------------- */

/* Each instruction that there is. */
static const struct shape {
    uint16_t code;
    uint8_t op;
    uint8_t src;
    uint8_t size; /* of a load */
    uint32_t k;   /* where it is not the instruction's own */
} shapes[] = {
    {BPF_LD | BPF_W | BPF_ABS, PS_OP_LOAD, PS_SRC_K, 4, 0},
    {BPF_LD | BPF_H | BPF_ABS, PS_OP_LOAD, PS_SRC_K, 2, 0},
    {BPF_LD | BPF_B | BPF_ABS, PS_OP_LOAD, PS_SRC_K, 1, 0},
    {BPF_LD | BPF_W | BPF_IND, PS_OP_LOAD, PS_SRC_X, 4, 0},
    {BPF_LD | BPF_H | BPF_IND, PS_OP_LOAD, PS_SRC_X, 2, 0},
    {BPF_LD | BPF_B | BPF_IND, PS_OP_LOAD, PS_SRC_X, 1, 0},
    {BPF_LDX | BPF_B | BPF_MSH, PS_OP_MSH, PS_SRC_K, 0, 0},
    {BPF_LD | BPF_IMM, PS_OP_LDA, PS_SRC_K, 0, 0},
    {BPF_LD | BPF_W | BPF_LEN, PS_OP_LDA, PS_SRC_LEN, 0, 0},
    {BPF_LD | BPF_MEM, PS_OP_LDA, PS_SRC_CELL, 0, 0},
    {BPF_LDX | BPF_IMM, PS_OP_LDX, PS_SRC_K, 0, 0},
    {BPF_LDX | BPF_W | BPF_LEN, PS_OP_LDX, PS_SRC_LEN, 0, 0},
    {BPF_LDX | BPF_MEM, PS_OP_LDX, PS_SRC_CELL, 0, 0},
    {BPF_MISC | BPF_TAX, PS_OP_LDX, PS_SRC_A, 0, 0},
    {BPF_MISC | BPF_TXA, PS_OP_LDA, PS_SRC_X, 0, 0},
    {BPF_ST, PS_OP_ST, PS_SRC_K, 0, 0},
    {BPF_STX, PS_OP_STX, PS_SRC_K, 0, 0},
    /* NOLINTNEXTLINE(misc-redundant-expression): both are 0 */
    {BPF_ALU | BPF_ADD | BPF_K, PS_OP_ADD, PS_SRC_K, 0, 0},
    {BPF_ALU | BPF_ADD | BPF_X, PS_OP_ADD, PS_SRC_X, 0, 0},
    {BPF_ALU | BPF_SUB | BPF_K, PS_OP_SUB, PS_SRC_K, 0, 0},
    {BPF_ALU | BPF_SUB | BPF_X, PS_OP_SUB, PS_SRC_X, 0, 0},
    {BPF_ALU | BPF_MUL | BPF_K, PS_OP_MUL, PS_SRC_K, 0, 0},
    {BPF_ALU | BPF_MUL | BPF_X, PS_OP_MUL, PS_SRC_X, 0, 0},
    {BPF_ALU | BPF_DIV | BPF_K, PS_OP_DIV, PS_SRC_K, 0, 0},
    {BPF_ALU | BPF_DIV | BPF_X, PS_OP_DIV, PS_SRC_X, 0, 0},
    {BPF_ALU | BPF_MOD | BPF_K, PS_OP_MOD, PS_SRC_K, 0, 0},
    {BPF_ALU | BPF_MOD | BPF_X, PS_OP_MOD, PS_SRC_X, 0, 0},
    {BPF_ALU | BPF_AND | BPF_K, PS_OP_AND, PS_SRC_K, 0, 0},
    {BPF_ALU | BPF_AND | BPF_X, PS_OP_AND, PS_SRC_X, 0, 0},
    {BPF_ALU | BPF_OR | BPF_K, PS_OP_OR, PS_SRC_K, 0, 0},
    {BPF_ALU | BPF_OR | BPF_X, PS_OP_OR, PS_SRC_X, 0, 0},
    {BPF_ALU | BPF_XOR | BPF_K, PS_OP_XOR, PS_SRC_K, 0, 0},
    {BPF_ALU | BPF_XOR | BPF_X, PS_OP_XOR, PS_SRC_X, 0, 0},
    {BPF_ALU | BPF_LSH | BPF_K, PS_OP_LSH, PS_SRC_K, 0, 0},
    {BPF_ALU | BPF_LSH | BPF_X, PS_OP_LSH, PS_SRC_X, 0, 0},
    {BPF_ALU | BPF_RSH | BPF_K, PS_OP_RSH, PS_SRC_K, 0, 0},
    {BPF_ALU | BPF_RSH | BPF_X, PS_OP_RSH, PS_SRC_X, 0, 0},
    /* -A is A times the largest number. */
    {BPF_ALU | BPF_NEG, PS_OP_MUL, PS_SRC_K, 0, UINT32_MAX},
    {BPF_JMP | BPF_JA, PS_OP_JA, PS_SRC_K, 0, 0},
    {BPF_JMP | BPF_JEQ | BPF_K, PS_OP_JEQ, PS_SRC_K, 0, 0},
    {BPF_JMP | BPF_JEQ | BPF_X, PS_OP_JEQ, PS_SRC_X, 0, 0},
    {BPF_JMP | BPF_JGT | BPF_K, PS_OP_JGT, PS_SRC_K, 0, 0},
    {BPF_JMP | BPF_JGT | BPF_X, PS_OP_JGT, PS_SRC_X, 0, 0},
    {BPF_JMP | BPF_JGE | BPF_K, PS_OP_JGE, PS_SRC_K, 0, 0},
    {BPF_JMP | BPF_JGE | BPF_X, PS_OP_JGE, PS_SRC_X, 0, 0},
    {BPF_JMP | BPF_JSET | BPF_K, PS_OP_JSET, PS_SRC_K, 0, 0},
    {BPF_JMP | BPF_JSET | BPF_X, PS_OP_JSET, PS_SRC_X, 0, 0},
    {BPF_RET | BPF_K, PS_OP_RET, PS_SRC_K, 0, 0},
    {BPF_RET | BPF_A, PS_OP_RET, PS_SRC_A, 0, 0},
};

static const struct shape *find_shape(uint16_t code)
{
    for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
        if (shapes[i].code == code)
            return &shapes[i];
    return NULL;
}

static bool uses_cell(const struct shape *shape)
{
    return shape->op == PS_OP_ST || shape->op == PS_OP_STX ||
           shape->src == PS_SRC_CELL;
}

/* libpcap counts cells from anywhere: the used ones are counted from 0. */
static int take_cell(uint8_t *cells, uint8_t *used, uint32_t k, uint32_t *ret_k)
{
    if (k >= BPF_MEMWORDS)
        return -EINVAL;
    if (cells[k] == NO_CELL) {
        if (*used == PS_TRACER_EXPR_CELLS)
            return -E2BIG;
        cells[k] = (*used)++;
    }
    *ret_k = cells[k];
    return 0;
}

/* Steps from instruction i to the end, of which all behind are known; 0: it
 * leads out of the program. */
static uint32_t way_from(const struct ps_tracer_insn *insn, size_t i, size_t n,
                         const uint32_t *steps)
{
    uint64_t yes = i + 1, no = i + 1;

    if (insn->op == PS_OP_RET)
        return 1;
    if (insn->op == PS_OP_JA) {
        yes = no = yes + insn->k;
    } else if (insn->op > PS_OP_JA) {
        yes += insn->jt;
        no += insn->jf;
    }
    if (yes >= n || no >= n)
        return 0;
    return 1 + (steps[yes] > steps[no] ? steps[yes] : steps[no]);
}

static int translate_one(const struct bpf_insn *from, uint8_t *cells,
                         uint8_t *used, struct ps_tracer_insn *to)
{
    const struct shape *shape = find_shape(from->code);
    int r;

    if (!shape)
        return -EINVAL;
    *to = (struct ps_tracer_insn){.op = shape->op,
                                  .src = shape->src,
                                  .jt = shape->size,
                                  .k = shape->k ? shape->k : from->k};
    if (shape->op > PS_OP_JA) {
        to->jt = from->jt;
        to->jf = from->jf;
    }
    if (uses_cell(shape)) {
        r = take_cell(cells, used, from->k, &to->k);
        if (r < 0)
            return r;
    }
    /* Both that come to nothing: as libpcap's own interpreter takes them. */
    if (to->src == PS_SRC_K && (to->op == PS_OP_DIV || to->op == PS_OP_MOD) &&
        !to->k)
        return -EINVAL;
    return 0;
}

int ps_expr_translate(const struct bpf_insn *insns, size_t n,
                      struct ps_expr *ret_expr, char *error, size_t error_size)
{
    uint32_t steps[PS_TRACER_EXPR_INSNS];
    uint8_t cells[BPF_MEMWORDS], used = 0;
    int r = 0;

    memset(cells, NO_CELL, sizeof(cells));
    if (!n || n > PS_TRACER_EXPR_INSNS) {
        snprintf(error, error_size,
                 "It makes %zu instructions, of which %d can be run; ask for "
                 "less.",
                 n, PS_TRACER_EXPR_INSNS);
        return -EINVAL;
    }
    for (size_t i = 0; i < n && r == 0; i++)
        r = translate_one(&insns[i], cells, &used, &ret_expr->insns[i]);
    if (r < 0) {
        snprintf(error, error_size, "%s",
                 r == -E2BIG ? "Its arithmetic is too deep; take it apart."
                             : "It uses what is not run here.");
        return -EINVAL;
    }
    for (size_t i = n; i-- > 0;) {
        steps[i] = way_from(&ret_expr->insns[i], i, n, steps);
        if (!steps[i]) {
            snprintf(error, error_size,
                     "It goes in a loop (protochain), which is not run here; "
                     "name the protocol with proto.");
            return -EINVAL;
        }
    }
    ret_expr->n = (uint32_t)n;
    ret_expr->steps = steps[0];
    return 0;
}

/* ---- compiling ---------------------------------------------------------- */

static bool is_plain(const char *text)
{
    for (; *text; text++)
        if (!isprint((unsigned char)*text) && !isspace((unsigned char)*text))
            return false;
    return true;
}

static int compile(pcap_t *pcap, const char *text, struct ps_expr *expr,
                   char *error, size_t error_size)
{
    struct bpf_program program = {0};
    int r;

    if (pcap_compile(pcap, &program, text, 1, PCAP_NETMASK_UNKNOWN) < 0) {
        snprintf(error, error_size,
                 "It is no expression of pcap-filter(7): %s.",
                 pcap_geterr(pcap));
        return -EINVAL;
    }
    r = ps_expr_translate(program.bf_insns, program.bf_len, expr, error,
                          error_size);
    pcap_freecode(&program);
    return r;
}

int ps_expr_compile(const char *text, struct ps_expr *ret_expr, char *error,
                    size_t error_size)
{
    _cleanup_free_ struct ps_expr *expr = calloc(1, sizeof(*expr));
    size_t len = strlen(text);
    char word[64];
    pcap_t *pcap;
    int r;

    if (!expr)
        return -ENOMEM;
    if (len > PS_EXPR_TEXT || strspn(text, " \t\r\n") == len ||
        !is_plain(text)) {
        snprintf(error, error_size,
                 "Give an expression of 1 to %d printable ASCII characters.",
                 PS_EXPR_TEXT);
        return -EINVAL;
    }
    if (!ps_expr_numeric(text, word, sizeof(word))) {
        snprintf(error, error_size,
                 "Give addresses as numbers: \"%s\" would be a name, and names "
                 "are not looked up.",
                 word);
        return -EINVAL;
    }
    pcap = pcap_open_dead(DLT_EN10MB, SNAPLEN);
    if (!pcap)
        return -ENOMEM;
    r = compile(pcap, text, expr, error, error_size);
    pcap_close(pcap);
    if (r == 0)
        *ret_expr = *expr;
    return r;
}
