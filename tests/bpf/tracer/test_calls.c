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

#define NEVER UINT64_MAX

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

static void run(const struct bpf_program *prog, int times)
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
    assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(prog), &opts), 0);
}

/* Tells of all packets. False: not on this kernel. */
static bool set_up(struct ps_functions *f, struct calls_bpf **ret_skel)
{
    const struct ps_filter all = {0};
    struct calls_bpf *skel;

    ps_bpf_init();
    skel = calls_bpf__open_and_load();
    if (!skel) {
        print_message("skip: such programs get no sk_buff here\n");
        return false;
    }
    f->ring =
        ring_buffer__new(bpf_map__fd(skel->maps.calls), ps_fn_sample, f, NULL);
    assert_non_null(f->ring);
    memset(skel->bss->protocols, 1, sizeof(skel->bss->protocols));
    ps_filter_install(&skel->bss->tracing, 0, &all);
    skel->bss->active = 1;
    *ret_skel = skel;
    return true;
}

/* However fast it is filled: a bounded number at a time, and nothing is lost of
 * what is in it. */
static void test_so_many_at_once(void **state _unused_)
{
    struct ps_functions f = {0};
    struct calls_bpf *skel;
    uint32_t n = 0;

    if (!set_up(&f, &skel))
        skip();
    run(skel->progs.call, PS_FUNCTIONS_AT_ONCE + 100);
    assert_int_equal(ps_functions_consume(&f, NEVER, on_record, &n),
                     PS_FUNCTIONS_AT_ONCE);
    assert_int_equal(n, PS_FUNCTIONS_AT_ONCE);
    assert_int_equal(ps_functions_consume(&f, NEVER, on_record, &n), 100);
    assert_int_equal(n, PS_FUNCTIONS_AT_ONCE + 100);
    assert_int_equal(ps_functions_consume(&f, NEVER, on_record, &n), 0);
    ring_buffer__free(f.ring);
    calls_bpf__destroy(skel);
}

/* What was told later than asked for waits, and comes first the next time. */
static void test_not_later_than(void **state _unused_)
{
    struct ps_functions f = {0};
    struct calls_bpf *skel;
    uint32_t n = 0;
    uint64_t until;

    if (!set_up(&f, &skel))
        skip();
    run(skel->progs.call, 3);
    until = ps_mono_ns();
    run(skel->progs.call, 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ps_functions_consume(&f, until, on_record, &n),
                         i ? 0 : 3);
        assert_int_equal(n, 3);
    }
    assert_int_equal(ps_functions_consume(&f, NEVER, on_record, &n), 2);
    assert_int_equal(n, 5);
    assert_int_equal(ps_functions_consume(&f, NEVER, on_record, &n), 0);
    ring_buffer__free(f.ring);
    calls_bpf__destroy(skel);
}

struct told {
    uint64_t packet[8];
    size_t n;
};

static void on_packet(void *arg, const struct ps_fn_call *call,
                      const uint64_t *stack _unused_,
                      const struct ps_fn_return *ret _unused_)
{
    struct told *told = arg;

    assert_non_null(call);
    assert_true(told->n < ARRAY_SIZE(told->packet));
    told->packet[told->n++] = call->packet;
}

/* By a function that has another one do it: no new packet begins there. */
static void test_given_back_once(void **state _unused_)
{
    struct ps_functions f = {0};
    struct calls_bpf *skel;
    struct told told = {0};

    if (!set_up(&f, &skel))
        skip();
    run(skel->progs.give_back, 1);
    assert_int_equal(ps_functions_consume(&f, NEVER, on_packet, &told), 5);
    assert_true(told.packet[0] & PS_FN_NEW);
    for (size_t i = 1; i < 4; i++)
        assert_int_equal(told.packet[i], told.packet[0] & PS_FN_ID_MASK);
    assert_true(told.packet[4] & PS_FN_NEW);
    assert_int_not_equal(told.packet[4], told.packet[0]);
    ring_buffer__free(f.ring);
    calls_bpf__destroy(skel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_so_many_at_once),
        cmocka_unit_test(test_not_later_than),
        cmocka_unit_test(test_given_back_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
