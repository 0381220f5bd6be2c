/* SPDX-License-Identifier: MIT */
/* Drops that are told of, by the programs in BPF_PROG_TEST_RUN. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/bpf.h"
#include "guarder/watch.h"

#define IFINDEX 1 /* test runs come in by the loopback interface */
#define PORT    47

/* UDP from 10.0.0.1 port 9 to 10.0.0.2. */
static const uint8_t udp4[] = {
    2, 0,  0,    0,    0, 1,    2,  0,  0, 0, 0,   2,   0x08, 0,   0x45, 0,
    0, 33, 0x12, 0x34, 0, 0,    64, 17, 0, 0, 10,  0,   0,    1,   10,   0,
    0, 2,  0,    9,    0, PORT, 0,  13, 0, 0, 'h', 'e', 'l',  'l', 'o'};
/* The same from fd00::1 to fd00::2. */
static const uint8_t udp6[] = {
    2, 0, 0,  0,  0,    1,    2,    0, 0,  0, 0, 2,   0x86, 0xdd, 0x60, 0,  0,
    0, 0, 13, 17, 64,   0xfd, 0,    0, 0,  0, 0, 0,   0,    0,    0,    0,  0,
    0, 0, 0,  1,  0xfd, 0,    0,    0, 0,  0, 0, 0,   0,    0,    0,    0,  0,
    0, 0, 2,  0,  9,    0,    PORT, 0, 13, 0, 0, 'h', 'e',  'l',  'l',  'o'};

struct fixture {
    struct ps_kernel *kernel;
    struct ps_watch *watch;
    struct ps_ruleset *set;
    struct ps_gd_set *compiled;
    int progs[2];
    size_t n_progs;
};

static uint32_t no_interface(void *arg _unused_, const char *name _unused_)
{
    return 0;
}

/* Drops UDP to PORT by the rule "drops", passes the rest by "passes". */
static void add_rules(struct fixture *f)
{
    struct ps_rule drops = {.id = "drops",
                            .enabled = true,
                            .action = PS__RULE__ACTION__drop,
                            .has_proto = true,
                            .proto = 17,
                            .dport = {true, PORT, PORT},
                            .icmp_type = -1,
                            .icmp_code = -1};
    struct ps_rule passes = {.id = "passes",
                             .enabled = true,
                             .action = PS__RULE__ACTION__pass,
                             .priority = 5,
                             .icmp_type = -1,
                             .icmp_code = -1};
    struct ps_rule *added;
    size_t used;

    assert_int_equal(ps_ruleset_add(f->set, &drops, &added), 0);
    added->slot = 11;
    assert_int_equal(ps_ruleset_add(f->set, &passes, &added), 0);
    added->slot = 12;
    assert_int_equal(ps_compile_rules(f->set->rules, f->set->n, no_interface,
                                      NULL, f->compiled, &used),
                     0);
    assert_int_equal(ps_kernel_swap(f->kernel, f->compiled), 0);
}

static int setup(void **state)
{
    static const struct ps_pins no_pins = {.dir_fd = -1};
    struct fixture *f = calloc(1, sizeof(*f));
    char reason[256];

    if (!f ||
        ps_kernel_open(&no_pins, 0, &f->kernel, reason, sizeof(reason)) < 0 ||
        ps_watch_new(f->kernel, &f->watch) < 0 || ps_ruleset_new(&f->set) < 0)
        return -1;
    f->compiled = calloc(1, sizeof(*f->compiled));
    if (ps_kernel_frags_fd(f->kernel) >= 0)
        f->progs[f->n_progs++] = ps_kernel_frags_fd(f->kernel);
    f->progs[f->n_progs++] = ps_kernel_linear_fd(f->kernel);
    *state = f;
    add_rules(f);
    return ps_kernel_iface_add(f->kernel, IFINDEX);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    ps_watch_free(&f->watch);
    ps_kernel_free(&f->kernel);
    ps_ruleset_free(&f->set);
    free(f->compiled);
    free(f);
    return 0;
}

static uint32_t run(int prog, const uint8_t *data, size_t size, int repeat)
{
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = data,
                .data_size_in = (__u32)size, .repeat = repeat);

    assert_int_equal(bpf_prog_test_run_opts(prog, &opts), 0);
    return opts.retval;
}

static void watch_source(struct fixture *f, uint8_t last, uint64_t now)
{
    struct ps_rule rules[] = {
        {.enabled = true,
         .src = {4, {10, 0, 0, last}},
         .src_len = 32,
         .family = 4,
         .icmp_type = -1,
         .icmp_code = -1},
        {.enabled = true,
         .src = {6, {0xfd, [15] = last}},
         .src_len = 128,
         .family = 6,
         .icmp_type = -1,
         .icmp_code = -1},
    };

    assert_int_equal(ps_watch_set(f->watch, rules, ARRAY_SIZE(rules),
                                  no_interface, NULL, now),
                     0);
}

static void expect(struct fixture *f, const uint8_t *data, size_t size)
{
    const struct ps_watched *w = ps_watch_take(f->watch);

    assert_non_null(w);
    assert_string_equal(w->rule, "drops");
    assert_string_equal(w->text, "drop udp dport 47");
    assert_int_equal(w->drop.ifindex, IFINDEX);
    assert_int_equal(w->drop.len, size);
    assert_int_equal(w->drop.head, size);
    assert_memory_equal(w->drop.bytes, data, size);
    assert_true(w->drop.time <= ps_mono_ns());
}

static void test_only_what_is_watched_is_told(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < f->n_progs; i++) {
        int prog = f->progs[i];

        watch_source(f, 2, ps_mono_ns());
        assert_int_equal(run(prog, udp4, sizeof(udp4), 1), 1);
        ps_watch_drain(f->watch, f->set, NULL);
        assert_null(ps_watch_take(f->watch));
        watch_source(f, 1, ps_mono_ns());
        assert_int_equal(run(prog, udp4, sizeof(udp4), 1), 1);
        assert_int_equal(run(prog, udp6, sizeof(udp6), 1), 1);
        ps_watch_drain(f->watch, f->set, NULL);
        expect(f, udp4, sizeof(udp4));
        expect(f, udp6, sizeof(udp6));
        assert_null(ps_watch_take(f->watch));
    }
    assert_int_equal(ps_watch_lost(f->watch), 0);
}

/* Of a longer packet its first bytes. */
static void test_head_is_bounded(void **state)
{
    struct fixture *f = *state;
    uint8_t frame[1000] = {0};
    const struct ps_watched *w;

    memcpy(frame, udp4, sizeof(udp4));
    frame[16] = 3;
    watch_source(f, 1, ps_mono_ns());
    assert_int_equal(run(f->progs[0], frame, sizeof(frame), 1), 1);
    ps_watch_drain(f->watch, f->set, NULL);
    w = ps_watch_take(f->watch);
    assert_non_null(w);
    assert_int_equal(w->drop.len, sizeof(frame));
    assert_int_equal(w->drop.head, PS_GD_HEAD_BYTES);
    assert_memory_equal(w->drop.bytes, frame, PS_GD_HEAD_BYTES);
}

static void test_it_ends_by_itself(void **state)
{
    struct fixture *f = *state;

    watch_source(f, 1, ps_mono_ns() - PS_WATCH_LEASE_NS - 1);
    assert_int_equal(run(f->progs[0], udp4, sizeof(udp4), 1), 1);
    ps_watch_drain(f->watch, f->set, NULL);
    assert_null(ps_watch_take(f->watch));
    /* What was left from another time is nobody's. */
    watch_source(f, 1, ps_mono_ns());
    assert_int_equal(run(f->progs[0], udp4, sizeof(udp4), 1), 1);
    watch_source(f, 1, ps_mono_ns() + 2 * PS_WATCH_LEASE_NS);
    ps_watch_drain(f->watch, f->set, NULL);
    assert_null(ps_watch_take(f->watch));
}

/* told + lost = dropped, also when nobody empties the ring. */
static void test_what_is_lost_is_counted(void **state)
{
    struct fixture *f = *state;
    uint64_t before = ps_watch_lost(f->watch), told = 0;

    watch_source(f, 1, ps_mono_ns());
    assert_int_equal(run(f->progs[0], udp4, sizeof(udp4), 5000), 1);
    ps_watch_drain(f->watch, f->set, NULL);
    while (ps_watch_take(f->watch))
        told++;
    assert_true(told > 0 && told <= PS_WATCH_QUEUE);
    assert_int_equal(told + ps_watch_lost(f->watch) - before, 5000);
}

/* After a change the rules of before are known still. */
static void test_rule_that_was_deleted(void **state)
{
    struct fixture *f = *state;
    struct ps_ruleset *now = NULL;

    watch_source(f, 1, ps_mono_ns());
    assert_int_equal(run(f->progs[0], udp4, sizeof(udp4), 1), 1);
    assert_int_equal(ps_ruleset_copy(f->set, &now), 0);
    assert_int_equal(ps_ruleset_remove(now, "drops"), 0);
    ps_watch_drain(f->watch, now, f->set);
    expect(f, udp4, sizeof(udp4));
    ps_ruleset_free(&now);
}

static void test_too_many_watches(void **state)
{
    struct fixture *f = *state;
    struct ps_rule rules[PS_GD_WATCHES + 1] = {0};

    assert_int_equal(
        ps_watch_set(f->watch, rules, ARRAY_SIZE(rules), no_interface, NULL, 1),
        -E2BIG);
}

static void test_text_of_a_rule(void **state _unused_)
{
    struct ps_rule rule = {.action = PS__RULE__ACTION__drop,
                           .src = {4, {192, 0, 2}},
                           .src_len = 24,
                           .family = 4,
                           .has_proto = true,
                           .proto = 6,
                           .dport = {true, 80, 443},
                           .flags_set = 2,
                           .flags_unset = 0x11,
                           .icmp_type = -1,
                           .icmp_code = -1,
                           .ifname = "eth0",
                           .comment = "why"};
    char text[PS_WATCH_TEXT];

    assert_string_equal(ps_watch_text(&rule, text),
                        "drop 192.0.2.0/24 > any tcp dport 80-443 set syn "
                        "unset fin,ack at eth0 (why)");
    memset(rule.comment, 'x', sizeof(rule.comment) - 1);
    memset(rule.ifname, 'y', sizeof(rule.ifname) - 1);
    assert_true(strlen(ps_watch_text(&rule, text)) < PS_WATCH_TEXT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_what_is_watched_is_told),
        cmocka_unit_test(test_head_is_bounded),
        cmocka_unit_test(test_it_ends_by_itself),
        cmocka_unit_test(test_what_is_lost_is_counted),
        cmocka_unit_test(test_rule_that_was_deleted),
        cmocka_unit_test(test_too_many_watches),
        cmocka_unit_test(test_text_of_a_rule),
    };

    return cmocka_run_group_tests_name("watch", tests, setup, teardown);
}
