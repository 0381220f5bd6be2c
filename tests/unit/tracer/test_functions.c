/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <bpf/btf.h>
#include <cmocka.h>

#include "bpf/tracer/functions_abi.h"
#include "tracer/functions_find.h"
#include "tracer/functions_internal.h"

static int packet, constant, number, sock;

static void add_function(struct btf *btf, const char *name, const int *args,
                         size_t n)
{
    int proto = btf__add_func_proto(btf, number);

    for (size_t i = 0; i < n; i++)
        btf__add_func_param(btf, "x", args[i]);
    assert_true(btf__add_func(btf, name, BTF_FUNC_STATIC, proto) > 0);
}

static struct btf *make_types(void)
{
    struct btf *btf = btf__new_empty();
    int skb, other;

    assert_non_null(btf);
    number = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
    skb = btf__add_struct(btf, "sk_buff", 0);
    packet = btf__add_ptr(btf, skb);
    constant = btf__add_const(btf, btf__add_ptr(btf, btf__add_const(btf, skb)));
    other = btf__add_ptr(btf, btf__add_struct(btf, "sk_buff_head", 0));
    sock = btf__add_ptr(btf, btf__add_struct(btf, "sock", 0));
    add_function(btf, "ip_rcv", (const int[]){packet, number}, 2);
    add_function(btf, "tcp_ack", (const int[]){number, constant}, 2);
    add_function(btf, "queue", (const int[]){other, number}, 2);
    add_function(btf, "far",
                 (const int[]){number, number, number, number, number, packet},
                 6);
    add_function(btf, "skb_release_data", (const int[]){packet}, 1);
    add_function(btf, "hidden", (const int[]){packet}, 1);
    add_function(btf, "twin", (const int[]){packet}, 1);
    add_function(btf, "inlined", (const int[]){packet}, 1);
    add_function(btf, "tcp_rcv", (const int[]){sock, packet}, 2);
    add_function(btf, "tcp_push", (const int[]){number, sock, sock}, 3);
    add_function(btf, "lock_sock", (const int[]){sock}, 1);
    add_function(btf, "__traceiter_sk", (const int[]){number, sock}, 2);
    /* Static functions of two files. */
    add_function(btf, "both", (const int[]){sock}, 1);
    add_function(btf, "both", (const int[]){packet}, 1);
    add_function(btf, "both", (const int[]){sock}, 1);
    return btf;
}

static const char symbols[] = "ffffffff81000100 T tcp_ack\n"
                              "ffffffff81000200 t ip_rcv\n"
                              "ffffffff81000300 D skb_release_data\n"
                              "ffffffff81000400 T skb_release_data\n"
                              "ffffffff81000500 T hidden\n"
                              "ffffffff81000600 t twin\n"
                              "ffffffffc0000700 t twin\t[module]\n"
                              "garbage\n"
                              "ffffffff81000800 T\n"
                              "0000000000000000 T ip_rcv\n"
                              "ffffffff81000900 T ip_rcv.cold\n"
                              "ffffffff81000050 T tcp_push\n"
                              "ffffffff81000060 T lock_sock\n"
                              "ffffffff81000070 T __traceiter_sk\n"
                              "ffffffff81000080 t lock_sock\n"
                              "ffffffff81000a00 T tcp_rcv\n"
                              "ffffffff81000b00 T both\n";
static const char available[] =
    "tcp_ack\nip_rcv\nskb_release_data\ntwin\ntwin [module]\nqueue\n\n"
    "tcp_rcv\ntcp_push\nlock_sock\nlock_sock\n__traceiter_sk\nboth\n";

static FILE *file_of(const char *text)
{
    FILE *file = fmemopen((char *)text, strlen(text), "r");

    assert_non_null(file);
    return file;
}

static void make_list(struct ps_fn_list *list)
{
    struct btf *btf = make_types();
    FILE *file = file_of(symbols);

    *list = (struct ps_fn_list){0};
    assert_int_equal(ps_fn_add_types(list, btf, 1), 0);
    /* The names, and those that have the socket alone. */
    assert_int_equal(list->n, 10);
    assert_int_equal(list->sockets, 2);
    assert_int_equal(ps_fn_add_symbols(list, file), 0);
    fclose(file);
    file = file_of(available);
    ps_fn_add_available(list, file);
    fclose(file);
    ps_fn_finish(list);
    btf__free(btf);
}

static const struct ps_fn *find(const struct ps_fn_list *list, uint64_t addr)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->fns[i].addr == addr)
            return &list->fns[i];
    return NULL;
}

static void test_find(void **state _unused_)
{
    struct ps_fn_list list;

    make_list(&list);
    assert_int_equal(list.n, 7);
    assert_int_equal(find(&list, 0xffffffff81000200)->position, 1);
    assert_int_equal(find(&list, 0xffffffff81000100)->position, 2);
    assert_int_equal(find(&list, 0xffffffff81000400)->how,
                     PS_FN_END | PS_FN_RELEASE);
    /* Two functions of one name. */
    assert_string_equal(find(&list, 0xffffffff81000600)->name, "twin");
    assert_string_equal(find(&list, 0xffffffffc0000700)->name, "twin");
    /* Not to be probed; no code. */
    assert_null(find(&list, 0xffffffff81000500));
    assert_null(find(&list, 0xffffffff81000300));
    /* What packets pass first comes first. */
    assert_string_equal(list.fns[0].name, "ip_rcv");
    assert_string_equal(list.fns[list.n - 1].name, "twin");
    ps_fn_list_free(&list);
}

/* Those with the socket alone come behind; with a packet they are its. */
static void test_find_sockets(void **state _unused_)
{
    struct ps_fn_list list;

    make_list(&list);
    assert_int_equal(list.sockets, 3);
    for (size_t i = 0; i < list.sockets; i++) {
        const struct ps_fn *fn = &list.fns[list.n + i];

        assert_true(fn->socket);
        assert_string_equal(fn->name, i ? "lock_sock" : "tcp_push");
        assert_int_equal(fn->position, i ? 1 : 2);
    }
    assert_int_equal(find(&list, 0xffffffff81000a00)->position, 2);
    assert_false(find(&list, 0xffffffff81000b00)->socket);
    assert_null(find(&list, 0xffffffff81000070));
    ps_fn_list_free(&list);
}

static void test_nothing(void **state _unused_)
{
    struct ps_fn_list list = {0};
    struct btf *btf = btf__new_empty();
    FILE *file = file_of(symbols);

    assert_int_equal(ps_fn_add_types(&list, btf, 1), 0);
    assert_int_equal(ps_fn_add_symbols(&list, file), 0);
    rewind(file);
    ps_fn_add_available(&list, file);
    ps_fn_finish(&list);
    assert_int_equal(list.n, 0);
    fclose(file);
    btf__free(btf);
    ps_fn_list_free(&list);
}

static void test_table(void **state _unused_)
{
    assert_int_equal(ps_fn_rank("ip_rcv"), 0);
    assert_true(ps_fn_rank("ip_rcv_core") > 0);
    assert_int_equal(ps_fn_rank("ip_rcv_cor"), UINT16_MAX);
    assert_int_equal(ps_fn_how("ip_rcv"), 0);
    assert_int_equal(ps_fn_how("pskb_expand_head"), PS_FN_EXPAND);
    /* Nothing is read of a buffer that was given back. */
    assert_int_equal(ps_fn_how("kfree_skbmem"), PS_FN_END | PS_FN_AFTER);
    assert_true(ps_fn_one_way("__traceiter_kfree_skb", true));
    assert_true(ps_fn_one_way("sk_skb_reason_drop", false));
    assert_false(ps_fn_one_way("sk_skb_reason_drop", true));
    assert_false(ps_fn_one_way("kfree_skbmem", false));
    assert_int_equal(ps_fn_how("udp_send_skb"), PS_FN_UNMADE);
    assert_string_equal(ps_fn_layer("tcp_v4_rcv"), "transport");
    assert_string_equal(ps_fn_layer("ip6_input"), "network");
    assert_string_equal(ps_fn_layer("ip_tunnel_rcv"), "tunnel");
    assert_string_equal(ps_fn_layer("kfree_skbmem"), "free");
    assert_string_equal(ps_fn_layer("nf_hook_slow"), "netfilter");
    assert_string_equal(ps_fn_layer("veth_xmit"), "driver");
    assert_string_equal(ps_fn_layer("something"), "kernel");
}

/* The kernel's struct, with or without what it counts. */
static struct btf *make_info(bool counts)
{
    struct btf *btf = btf__new_empty();
    int word, inner, both;

    assert_non_null(btf);
    word = btf__add_int(btf, "long long", 8, 0);
    inner = btf__add_struct(btf, NULL, 24);
    assert_int_equal(btf__add_field(btf, "addrs", word, 0, 0), 0);
    if (counts)
        assert_int_equal(btf__add_field(btf, "missed", word, 128, 0), 0);
    both = btf__add_union(btf, NULL, 24);
    assert_int_equal(btf__add_field(btf, "kprobe_multi", inner, 0, 0), 0);
    assert_true(btf__add_struct(btf, "bpf_link_info", 40) > 0);
    assert_int_equal(btf__add_field(btf, "type", word, 0, 0), 0);
    assert_int_equal(btf__add_field(btf, NULL, both, 128, 0), 0);
    return btf;
}

/* Unknown is not none. */
static void test_whether_misses_are_counted(void **state _unused_)
{
    struct btf *none = btf__new_empty(), *old = make_info(false);
    struct btf *counts = make_info(true);

    assert_false(ps_fn_counts_misses(none));
    assert_false(ps_fn_counts_misses(old));
    assert_true(ps_fn_counts_misses(counts));
    btf__free(none);
    btf__free(old);
    btf__free(counts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_find_sockets),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_whether_misses_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
