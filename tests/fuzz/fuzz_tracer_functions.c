/* SPDX-License-Identifier: MIT */
/*
 * The kernel's functions from types and two lists of any contents: each that
 * is left has an address, may be probed and has a packet among its first
 * arguments.
 */
#include <bpf/btf.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/grow.h"
#include "tracer/functions_find.h"

/* A function with some arguments, one of which may be a packet. */
static void add_function(struct grow *g, struct btf *btf, int packet, int other)
{
    char name[PS_FN_NAME + 8] = "f";
    int proto = btf__add_func_proto(btf, other);

    REQUIRE(proto > 0);
    for (unsigned int i = grow_u8(g) % 8; i > 0; i--)
        REQUIRE(btf__add_func_param(btf, "a",
                                    grow_u8(g) % 4 ? other : packet) == 0);
    /* Also one that is too long. */
    if (grow_u8(g) % 16 == 0)
        memset(name, 'f', sizeof(name) - 1);
    else
        snprintf(name, sizeof(name), "f%u", grow_u8(g) % 16);
    REQUIRE(btf__add_func(btf, name, BTF_FUNC_STATIC, proto) > 0);
}

static struct btf *make_types(struct grow *g)
{
    struct btf *btf = btf__new_empty();
    int skb, packet, other;

    REQUIRE(btf);
    skb = btf__add_struct(btf, grow_u8(g) % 8 ? "sk_buff" : "sock", 4);
    packet = btf__add_ptr(btf, skb);
    other = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
    REQUIRE(skb > 0 && packet > 0 && other > 0);
    for (unsigned int i = grow_u8(g) % 32; i > 0; i--)
        add_function(g, btf, packet, other);
    return btf;
}

/* Some of the bytes as a file; NULL: there are none. */
static FILE *open_list(const uint8_t *data, size_t n)
{
    return n ? fmemopen((void *)(uintptr_t)data, n, "r") : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct grow g = {data, size};
    struct ps_fn_list list = {0};
    struct btf *btf = make_types(&g);
    size_t half = g.left / 2;
    FILE *symbols = open_list(g.data, half);
    FILE *available = open_list(g.data + half, g.left - half);

    REQUIRE(ps_fn_add_types(&list, btf, 1) == 0);
    if (symbols)
        REQUIRE(ps_fn_add_symbols(&list, symbols) == 0 || list.n == PS_FN_MAX);
    if (available)
        ps_fn_add_available(&list, available);
    ps_fn_finish(&list);
    for (size_t i = 0; i < list.n; i++) {
        const struct ps_fn *fn = &list.fns[i];

        REQUIRE(fn->addr && fn->probed);
        REQUIRE(fn->position >= 1 && fn->position <= PS_FN_ARGS);
        REQUIRE(memchr(fn->name, '\0', sizeof(fn->name)) && fn->name[0]);
        REQUIRE(ps_fn_layer(fn->name));
    }
    if (symbols)
        fclose(symbols);
    if (available)
        fclose(available);
    ps_fn_list_free(&list);
    btf__free(btf);
    return 0;
}
