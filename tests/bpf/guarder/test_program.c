/* SPDX-License-Identifier: MIT */
/*
 * The XDP programs in BPF_PROG_TEST_RUN, against the reference: random rules,
 * random packets of every shape that the parser knows, cut anywhere. Verdict,
 * hits of each rule, interface counters: difference 0.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/bpf.h"
#include "guarder/compile.h"
#include "guarder/kernel.h"
#include "reference.h"

#define N_RULES   24
#define N_ROUNDS  60
#define N_PACKETS 60
#define MAX_FRAME 400
#define IFINDEX   1 /* test runs come in by the loopback interface */

static uint32_t seed = 1;

static uint32_t rnd(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

/* ---- packets ------------------------------------------------------------ */

struct frame {
    uint8_t data[MAX_FRAME];
    size_t len;
};

static void put(struct frame *f, const void *data, size_t n)
{
    assert_true(f->len + n <= sizeof(f->data));
    memcpy(f->data + f->len, data, n);
    f->len += n;
}

static void put8(struct frame *f, uint32_t value)
{
    uint8_t byte = (uint8_t)value;

    put(f, &byte, 1);
}

static void put16(struct frame *f, uint32_t value)
{
    put8(f, value >> 8);
    put8(f, value);
}

/* Few values, so that rules and packets meet. */
static void random_addr(uint8_t *bytes, int family)
{
    memset(bytes, 0, 16);
    bytes[0] = family == 4 ? 10 : 0xfd;
    bytes[1] = (uint8_t)rnd(2);
    bytes[family == 4 ? 2 : 9] = (uint8_t)(rnd(2) * 0x80);
    bytes[family == 4 ? 3 : 15] = (uint8_t)rnd(3);
}

static uint32_t random_port(void)
{
    static const uint16_t ports[] = {0, 1, 22, 80, 443, 1024, 65535};

    return ports[rnd(ARRAY_SIZE(ports))];
}

static uint8_t random_proto(int family)
{
    static const uint8_t protos[] = {6, 6, 17, 17, 132, 33, 136, 47, 50, 255};

    if (rnd(4) == 0)
        return family == 4 ? 1 : 58;
    if (rnd(12) == 0)
        return family == 4 ? 58 : 1;
    return protos[rnd(ARRAY_SIZE(protos))];
}

static void put_upper(struct frame *f, uint8_t proto)
{
    if (proto == 1 || proto == 58) {
        put8(f, rnd(2) ? 8 : 128);
        put8(f, rnd(3));
        put16(f, 0);
    } else {
        put16(f, random_port());
        put16(f, random_port());
    }
    for (int i = 0; i < 8; i++)
        put8(f, rnd(256));
    put8(f, 0x50);
    put8(f, rnd(3) ? 1u << rnd(8) : rnd(256));
    for (int i = 0; i < 6; i++)
        put8(f, rnd(256));
}

static void put_ipv4(struct frame *f)
{
    /* DF; first with more; the lowest and the highest bit of the offset. */
    static const uint16_t fragments[] = {0x4000, 0x2000, 0x0001,
                                         0x1000, 0x2001, 0xffff};
    uint32_t ihl = rnd(4) ? 5 : rnd(16);
    uint8_t proto = random_proto(4), addr[16];
    uint32_t total = ihl * 4 + 20;

    if (rnd(8) == 0)
        total = rnd(70);
    put8(f, (rnd(40) ? 4u : rnd(16)) << 4 | ihl);
    put8(f, 0);
    put16(f, total);
    put16(f, rnd(65536));
    put16(f, rnd(2) ? 0 : fragments[rnd(ARRAY_SIZE(fragments))]);
    put8(f, 64);
    put8(f, proto);
    put16(f, 0);
    for (int i = 0; i < 2; i++) {
        random_addr(addr, 4);
        put(f, addr, 4);
    }
    for (uint32_t i = 5; i < ihl; i++)
        put16(f, 0x0101), put16(f, 0x0101);
    put_upper(f, proto);
}

/* Extension headers, mostly well made. */
static void put_ipv6(struct frame *f)
{
    static const uint8_t kinds[] = {0, 43, 44, 51, 60};
    static const uint16_t fragments[] = {0x0008, 0x1000, 0x8000, 0xffff};
    uint8_t proto = random_proto(6), addr[16], chain[10];
    uint32_t n = rnd(2) ? 0 : rnd(10);
    size_t length_at, start;

    for (uint32_t i = 0; i < n; i++)
        chain[i] = kinds[rnd(5)];
    put8(f, (rnd(40) ? 6u : rnd(16)) << 4);
    put8(f, 0);
    put16(f, 0);
    length_at = f->len;
    put16(f, 0);
    put8(f, n ? chain[0] : proto);
    put8(f, 64);
    for (int i = 0; i < 2; i++) {
        random_addr(addr, 6);
        put(f, addr, 16);
    }
    start = f->len;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t extra = rnd(30) ? rnd(2) : rnd(256);

        put8(f, i + 1 < n ? chain[i + 1] : proto);
        if (chain[i] == 44) {
            put8(f, 0);
            put16(f, rnd(4) ? rnd(8) : fragments[rnd(4)]);
            extra = 0;
        } else {
            /* 51 counts in fours: 0 and 2 are 8 and 16 bytes. */
            put8(f, chain[i] == 51 ? extra * 2 : extra);
            put16(f, 0);
        }
        put16(f, 0);
        put16(f, 0);
        for (uint32_t j = 0; j < extra * 2 && j < 2; j++)
            put16(f, rnd(65536)), put16(f, rnd(65536));
    }
    put_upper(f, proto);
    start = f->len - start;
    if (rnd(8) == 0)
        start = rnd(100);
    f->data[length_at] = (uint8_t)(start >> 8);
    f->data[length_at + 1] = (uint8_t)start;
}

static void random_frame(struct frame *f)
{
    uint32_t tags = rnd(3) ? 0 : rnd(4);
    uint32_t kind = rnd(16);

    f->len = 0;
    for (int i = 0; i < 12; i++)
        put8(f, rnd(256));
    for (uint32_t i = 0; i < tags; i++) {
        put16(f, rnd(2) ? 0x8100 : 0x88a8);
        put16(f, rnd(4096));
    }
    put16(f, kind == 0 ? 0x0806 : kind < 8 ? 0x0800 : 0x86dd);
    if (kind < 8)
        put_ipv4(f);
    else
        put_ipv6(f);
    if (rnd(4) == 0)
        f->len = 14 + rnd((uint32_t)f->len - 13);
}

/* ---- rules -------------------------------------------------------------- */

static void random_prefix(struct ps_addr *addr, uint8_t *len, int family)
{
    static const uint8_t lens[] = {0, 8, 9, 16, 17, 24, 31, 32};
    uint8_t bits = lens[rnd(ARRAY_SIZE(lens))];

    if (family == 6 && rnd(2))
        bits = (uint8_t)(64 + bits * 2);
    addr->family = (uint8_t)family;
    random_addr(addr->bytes, family);
    for (unsigned int i = bits; i < 128; i++)
        addr->bytes[i / 8] &= (uint8_t)~(0x80u >> (i % 8));
    *len = bits;
}

static void random_ports(struct ps_rule_ports *ports)
{
    uint32_t a = random_port(), b = random_port();

    ports->set = rnd(2);
    ports->first = (uint16_t)(a < b ? a : b);
    ports->last = (uint16_t)(a < b ? b : a);
}

static void random_rule(struct ps_rule *r, uint16_t slot)
{
    int family = rnd(2) ? 4 : 6;

    memset(r, 0, sizeof(*r));
    r->enabled = rnd(8) != 0;
    r->action = rnd(2) ? PS__RULE__ACTION__drop : PS__RULE__ACTION__pass;
    r->slot = slot;
    r->icmp_type = r->icmp_code = -1;
    r->family = (uint8_t)(rnd(3) ? family : 0);
    if (rnd(2))
        random_prefix(&r->src, &r->src_len, family),
            r->family = (uint8_t)family;
    if (rnd(2))
        random_prefix(&r->dst, &r->dst_len, family),
            r->family = (uint8_t)family;
    if (rnd(8) == 0)
        snprintf(r->ifname, sizeof(r->ifname), "%s",
                 rnd(2)   ? "here"
                 : rnd(2) ? "there"
                          : "nowhere");
    r->has_proto = rnd(8) != 0;
    r->proto = random_proto(family);
    if (!r->has_proto)
        return;
    if (r->proto == 6 || r->proto == 17 || r->proto == 132) {
        random_ports(&r->sport);
        random_ports(&r->dport);
    }
    if (r->proto == 6 && rnd(2)) {
        r->flags_set = (uint8_t)(1u << rnd(8));
        r->flags_unset = (uint8_t)((1u << rnd(8)) & ~r->flags_set);
    }
    if ((r->proto == 1 || r->proto == 58) && rnd(2)) {
        r->family = r->proto == 1 ? 4 : 6;
        memset(&r->src, 0, sizeof(r->src));
        memset(&r->dst, 0, sizeof(r->dst));
        r->icmp_type = rnd(2) ? 8 : 128;
        if (rnd(2))
            r->icmp_code = (int16_t)rnd(3);
    }
}

static uint32_t ifindex_of(void *arg _unused_, const char *name)
{
    if (strcmp(name, "here") == 0)
        return IFINDEX;
    return strcmp(name, "there") == 0 ? 77 : 0;
}

/* ---- running ------------------------------------------------------------ */

struct fixture {
    struct ps_kernel *kernel;
    struct ps_gd_set *set;
    struct ps_gd_count *before, *after;
    int progs[2];
    size_t n_progs;
};

static int setup(void **state)
{
    static const struct ps_pins no_pins = {.dir_fd = -1};
    struct fixture *f = calloc(1, sizeof(*f));
    char reason[256];

    if (!f ||
        ps_kernel_open(&no_pins, 0, &f->kernel, reason, sizeof(reason)) < 0)
        return -1;
    f->set = calloc(1, sizeof(*f->set));
    f->before = calloc(PS_GD_SLOTS, sizeof(*f->before));
    f->after = calloc(PS_GD_SLOTS, sizeof(*f->after));
    if (ps_kernel_frags_fd(f->kernel) >= 0)
        f->progs[f->n_progs++] = ps_kernel_frags_fd(f->kernel);
    f->progs[f->n_progs++] = ps_kernel_linear_fd(f->kernel);
    *state = f;
    return ps_kernel_iface_add(f->kernel, IFINDEX);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    ps_kernel_free(&f->kernel);
    free(f->set);
    free(f->before);
    free(f->after);
    free(f);
    return 0;
}

static void install(struct fixture *f, const struct ps_rule *rules, size_t n)
{
    size_t used;

    memset(f->set, 0, sizeof(*f->set));
    assert_int_equal(
        ps_compile_rules(rules, n, ifindex_of, NULL, f->set, &used), 0);
    assert_int_equal(ps_kernel_swap(f->kernel, f->set), 0);
}

static uint32_t run(int prog, const struct frame *frame)
{
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame->data,
                .data_size_in = (__u32)frame->len, .repeat = 1);

    assert_int_equal(bpf_prog_test_run_opts(prog, &opts), 0);
    return opts.retval;
}

static void explain(const struct frame *frame, struct ref_verdict want,
                    uint32_t got)
{
    print_message("want rule %d drop %d unparsed %d, got %u for:", want.rule,
                  want.drop, want.unparsed, got);
    for (size_t i = 0; i < frame->len; i++)
        print_message(" %02x", frame->data[i]);
    print_message("\n");
}

static void check_one(struct fixture *f, int prog, const struct ps_rule *rules,
                      size_t n, const struct frame *frame)
{
    struct ref_verdict want = ref_decide(rules, n, frame->data, frame->len);
    struct ps_gd_iface was, is;
    uint32_t got;
    bool ok;

    assert_int_equal(ps_kernel_iface_read(f->kernel, IFINDEX, &was), 0);
    assert_int_equal(ps_kernel_hits(f->kernel, f->before), 0);
    got = run(prog, frame);
    assert_int_equal(ps_kernel_iface_read(f->kernel, IFINDEX, &is), 0);
    assert_int_equal(ps_kernel_hits(f->kernel, f->after), 0);
    ok = got == (want.drop ? 1 : 2);
    ok &= is.dropped.packets - was.dropped.packets == want.drop;
    ok &= is.passed.packets - was.passed.packets == !want.drop;
    ok &= is.unparsed.packets - was.unparsed.packets == want.unparsed;
    ok &= is.dropped.bytes - was.dropped.bytes == want.drop * frame->len;
    ok &= is.passed.bytes - was.passed.bytes == !want.drop * frame->len;
    for (size_t i = 0; i < PS_GD_SLOTS; i++) {
        bool hit = want.rule >= 0 && rules[want.rule].slot == i;

        ok &= f->after[i].packets - f->before[i].packets == hit;
        ok &= f->after[i].bytes - f->before[i].bytes == hit * frame->len;
    }
    if (!ok)
        explain(frame, want, got);
    assert_true(ok);
}

static void test_random(void **state)
{
    struct fixture *f = *state;
    struct ps_rule *rules = calloc(N_RULES, sizeof(*rules));
    size_t n_hit = 0, n_unparsed = 0, n_drop = 0;
    struct frame frame;

    for (int round = 0; round < N_ROUNDS; round++) {
        size_t n = 1 + rnd(N_RULES);

        for (size_t i = 0; i < n; i++)
            random_rule(&rules[i], (uint16_t)(i * 7));
        install(f, rules, n);
        for (int i = 0; i < N_PACKETS; i++) {
            struct ref_verdict want;

            random_frame(&frame);
            want = ref_decide(rules, n, frame.data, frame.len);
            n_hit += want.rule >= 0;
            n_drop += want.drop;
            n_unparsed += want.unparsed;
            check_one(f, f->progs[(size_t)i % f->n_progs], rules, n, &frame);
        }
    }
    print_message("%d packets: %zu hit a rule, %zu dropped, %zu unparsed\n",
                  N_ROUNDS * N_PACKETS, n_hit, n_drop, n_unparsed);
    /* The mill must grind something. */
    assert_true(n_hit > 500 && n_drop > 200 && n_unparsed > 100);
    free(rules);
}

/* Every length of one packet, so that each bound is met from both sides. */
static void test_every_length(void **state)
{
    struct fixture *f = *state;
    struct ps_rule rules[4];
    struct frame whole, cut;

    for (int round = 0; round < 12; round++) {
        for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
            random_rule(&rules[i], (uint16_t)i);
        install(f, rules, ARRAY_SIZE(rules));
        do {
            random_frame(&whole);
        } while (whole.len < 60);
        for (cut.len = 14; cut.len <= whole.len; cut.len++) {
            memcpy(cut.data, whole.data, cut.len);
            check_one(f, f->progs[0], rules, ARRAY_SIZE(rules), &cut);
        }
    }
}

/* The last of as many rules as there can be decides. */
static void test_full_set(void **state)
{
    struct fixture *f = *state;
    struct ps_rule *rules = calloc(PS_GD_MAX_RULES, sizeof(*rules));
    struct frame frame = {.len = 0};

    for (size_t i = 0; i < PS_GD_MAX_RULES; i++) {
        rules[i] = (struct ps_rule){
            .enabled = true,
            .action = PS__RULE__ACTION__drop,
            .slot = (uint16_t)(PS_GD_SLOTS - 1 - i),
            .has_proto = true,
            .proto = 17,
            .dport = {true, (uint16_t)(i + 1), (uint16_t)(i + 1)},
            .icmp_type = -1,
            .icmp_code = -1,
        };
    }
    install(f, rules, PS_GD_MAX_RULES);
    for (int version = 4; version <= 6; version += 2) {
        do {
            frame.len = 0;
            random_frame(&frame);
            if (version == 4) {
                frame.len = 14;
                frame.data[12] = 8;
                frame.data[13] = 0;
                put_ipv4(&frame);
            } else {
                frame.len = 14;
                frame.data[12] = 0x86;
                frame.data[13] = 0xdd;
                put_ipv6(&frame);
            }
            /* To port 512, of plain UDP. */
            frame.data[version == 4 ? 23 : 20] = 17;
            frame.data[version == 4 ? 36 : 56] = 2;
            frame.data[version == 4 ? 37 : 57] = 0;
        } while (
            ref_decide(rules, PS_GD_MAX_RULES, frame.data, frame.len).rule !=
            PS_GD_MAX_RULES - 1);
        check_one(f, f->progs[0], rules, PS_GD_MAX_RULES, &frame);
    }
    assert_int_equal(ps_compile_rules(rules, PS_GD_MAX_RULES + 1, ifindex_of,
                                      NULL, f->set, &(size_t){0}),
                     -E2BIG);
    free(rules);
}

/* A packet of an interface without counters passes the rules all the same,
 * and is named as a loss. */
static void test_uncounted(void **state)
{
    struct fixture *f = *state;
    uint64_t before = ps_kernel_uncounted(f->kernel);
    struct frame frame = {.len = 0};
    struct ps_gd_iface counts;

    random_frame(&frame);
    ps_kernel_iface_remove(f->kernel, IFINDEX);
    run(f->progs[0], &frame);
    assert_int_equal(ps_kernel_iface_read(f->kernel, IFINDEX, &counts),
                     -ENOENT);
    assert_int_equal(ps_kernel_uncounted(f->kernel) - before, 1);
    assert_int_equal(ps_kernel_iface_add(f->kernel, IFINDEX), 0);
    assert_int_equal(ps_kernel_iface_read(f->kernel, IFINDEX, &counts), 0);
    assert_int_equal(counts.passed.packets + counts.dropped.packets, 0);
}

/* Nothing in force yet: everything passes. */
static void test_no_set(void **state)
{
    struct fixture *f;
    void *fresh = NULL;
    struct frame frame;

    (void)state;
    assert_int_equal(setup(&fresh), 0);
    f = fresh;
    for (int i = 0; i < 50; i++) {
        random_frame(&frame);
        assert_int_equal(run(f->progs[0], &frame), 2);
    }
    teardown(&fresh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),   cmocka_unit_test(test_every_length),
        cmocka_unit_test(test_full_set), cmocka_unit_test(test_uncounted),
        cmocka_unit_test(test_no_set),
    };

    return cmocka_run_group_tests_name("guarder program", tests, setup,
                                       teardown);
}
