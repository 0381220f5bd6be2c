/* SPDX-License-Identifier: MIT */
/* The ring of the function tier, as its programs fill it. Needs root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/ip.h>

#include "tracer/functions_internal.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#include "calls.skel.h"
#pragma GCC diagnostic pop

#define ETH 14

static void on_record(void *arg, const struct ps_fn_call *call,
                      const uint64_t *stack _unused_,
                      const struct ps_fn_return *ret)
{
    uint32_t *n = arg;

    assert_non_null(call);
    assert_null(ret);
    assert_int_equal(call->traces, 1);
    ++*n;
}

/* So many calls of a function that has a packet. */
static void call(const struct calls_bpf *skel, int times)
{
    uint8_t frame[ETH + 60] = {[12] = 0x08};
    struct iphdr v4 = {.version = 4,
                       .ihl = 5,
                       .tot_len = htons(60),
                       .ttl = 64,
                       .protocol = IPPROTO_UDP};
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame,
                .data_size_in = sizeof(frame), .repeat = times);

    memcpy(frame + ETH, &v4, sizeof(v4));
    assert_int_equal(
        bpf_prog_test_run_opts(bpf_program__fd(skel->progs.call), &opts), 0);
}

/* However fast it is filled: a bounded number at a time, and nothing is lost of
 * what is in it. */
static void test_so_many_at_once(void **state _unused_)
{
    const struct ps_filter all = {0};
    struct ps_functions f = {0};
    struct calls_bpf *skel;
    uint32_t n = 0;

    ps_bpf_init();
    skel = calls_bpf__open_and_load();
    if (!skel) {
        print_message("skip: such programs get no sk_buff here\n");
        skip();
    }
    f.ring =
        ring_buffer__new(bpf_map__fd(skel->maps.calls), ps_fn_sample, &f, NULL);
    assert_non_null(f.ring);
    memset(skel->bss->protocols, 1, sizeof(skel->bss->protocols));
    ps_filter_install(&skel->bss->tracing, 0, &all);
    skel->bss->active = 1;
    call(skel, PS_FUNCTIONS_AT_ONCE + 100);
    assert_int_equal(ps_functions_consume(&f, on_record, &n),
                     PS_FUNCTIONS_AT_ONCE);
    assert_int_equal(n, PS_FUNCTIONS_AT_ONCE);
    assert_int_equal(ps_functions_consume(&f, on_record, &n), 100);
    assert_int_equal(n, PS_FUNCTIONS_AT_ONCE + 100);
    assert_int_equal(ps_functions_consume(&f, on_record, &n), 0);
    ring_buffer__free(f.ring);
    calls_bpf__destroy(skel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_so_many_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
