/* SPDX-License-Identifier: MIT */
/*
 * Expressions as the kernel runs them, held against libpcap's interpreter:
 * 100,000 random packets and 200 expressions, as they are, cut, with an
 * accelerated tag, and without a MAC header. Needs root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
/* libbpf has structs of these names too. */
#define bpf_insn    pcap_insn
#define bpf_program pcap_program
#include <pcap/pcap.h>
#undef bpf_insn
#undef bpf_program

#include "common/bpf.h"
#include "tests/bpf/tracer/expr.h"
#include "tests/bpf/tracer/exprs.h"
#include "tracer/expr.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#include "expr.skel.h"
#pragma GCC diagnostic pop

#define WANTED  200u
#define PACKETS 100000u
#define MOST    1600u

struct one {
    char *text;
    struct pcap_program program;
    unsigned int yes, no;
};

struct bench {
    struct expr_bpf *skel;
    struct one exprs[EXPRS];
    size_t n, n_plain; /* the first need no MAC header */
    uint64_t random;
};

struct packet {
    uint8_t data[MOST];
    uint32_t len, cap;
};

/* xorshift: the same each time. */
static uint32_t roll(struct bench *b, uint32_t sides)
{
    b->random ^= b->random << 13;
    b->random ^= b->random >> 7;
    b->random ^= b->random << 17;
    return (uint32_t)(b->random >> 33) % sides;
}

/* ---- packets ------------------------------------------------------------ */

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static uint8_t *put_mac(struct bench *b, uint8_t *at)
{
    static const uint8_t macs[][6] = {
        {2, 0, 0, 0, 0, 1},
        {2, 0, 0, 0, 0, 2},
        {255, 255, 255, 255, 255, 255},
        {1, 0, 0x5e, 0, 0, 1},
    };

    memcpy(at, macs[roll(b, ARRAY_SIZE(macs))], 6);
    return at + 6;
}

static void put_v6(struct bench *b, uint8_t *at)
{
    inet_pton(AF_INET6, roll(b, 8) ? "2001:db8::" : "ff02::", at);
    at[15] = (uint8_t)roll(b, 5);
}

static uint32_t a_port(struct bench *b)
{
    static const uint16_t ports[] = {53, 80, 443, 60, 4789, 1023, 40000};

    return roll(b, 8) ? ports[roll(b, ARRAY_SIZE(ports))] : roll(b, 65536);
}

static uint8_t *put_l4(struct bench *b, uint8_t *at, uint8_t proto)
{
    static const uint8_t flags[] = {2, 0x12, 0x10, 0x18, 0x11, 4, 1};

    for (int i = 0; i < 40; i++)
        at[i] = (uint8_t)roll(b, 256);
    if (proto == 1 || proto == 58) {
        at[0] = roll(b, 2) ? (proto == 1 ? 8 : 128) : (uint8_t)roll(b, 140);
        return at + 8;
    }
    put16(at, a_port(b));
    put16(at + 2, a_port(b));
    if (proto == 6) {
        at[12] = (uint8_t)((5 + roll(b, 4)) << 4);
        at[13] = flags[roll(b, ARRAY_SIZE(flags))];
        at += (at[12] >> 4) * 4;
        *at = roll(b, 3) ? 0x47 : 0;
        return at;
    }
    put16(at + 4, 8 + roll(b, 100));
    memcpy(at + 8, "\1\2\3\4", roll(b, 2) ? 4 : 1);
    return at + 8;
}

static uint8_t *put_ip(struct bench *b, uint8_t *at, bool six)
{
    static const uint8_t protos[] = {6,  6,  6,  6, 17,  17,  17,  1,
                                     58, 50, 51, 2, 132, 112, 103, 4};
    uint8_t proto = protos[roll(b, ARRAY_SIZE(protos))];
    uint32_t options = roll(b, 4) ? 0 : roll(b, 3);

    if (six) {
        memset(at, 0, 40);
        at[0] = 0x60;
        put16(at + 4, roll(b, 200));
        at[6] = proto == 1 ? 58 : proto;
        at[7] = (uint8_t)roll(b, 256);
        put_v6(b, at + 8);
        put_v6(b, at + 24);
        return put_l4(b, at + 40, at[6]);
    }
    memset(at, 1, 20 + options * 4);
    at[0] = (uint8_t)(0x45 + options);
    at[1] = (uint8_t)roll(b, 3);
    put16(at + 2, 20 + roll(b, 200));
    put16(at + 6, roll(b, 6) ? 0x4000 : 0x2000 + roll(b, 3));
    at[8] = (uint8_t)(roll(b, 2) ? 64 : roll(b, 256));
    at[9] = proto;
    memcpy(at + 12, "\12\0\0", 4);
    memcpy(at + 16, roll(b, 8) ? "\12\0\0" : "\340\0\0", 4);
    at[15] = (uint8_t)roll(b, 6);
    at[19] = (uint8_t)roll(b, 6);
    return put_l4(b, at + 20 + options * 4, proto);
}

static uint8_t *put_payload(struct bench *b, uint8_t *at, uint16_t type)
{
    if (type == 0x0800 || type == 0x86dd)
        return put_ip(b, at, type == 0x86dd);
    for (int i = 0; i < 46; i++)
        at[i] = (uint8_t)roll(b, 256);
    if (type == 0x0806) {
        memcpy(at, "\0\1\10\0\6\4\0\1", 8);
        memcpy(at + 14, "\12\0\0\1", 4);
    }
    return at + 46;
}

static void make_packet(struct bench *b, struct packet *p)
{
    static const uint16_t types[] = {0x0800, 0x0800, 0x0800, 0x0800,
                                     0x86dd, 0x86dd, 0x0806, 0x8847,
                                     0x8864, 0x8035, 60};
    uint16_t type = types[roll(b, ARRAY_SIZE(types))];
    uint32_t tags = roll(b, 5) ? 0 : 1 + roll(b, 2);
    uint8_t *at = put_mac(b, put_mac(b, p->data));

    for (uint32_t i = 0; i < tags; i++) {
        put16(at, i ? 0x8100 : roll(b, 2) ? 0x8100 : 0x88a8);
        put16(at + 2, roll(b, 2) ? 5 : roll(b, 65536));
        at += 4;
    }
    put16(at, type);
    at = put_payload(b, at + 2, type);
    for (uint32_t i = roll(b, 3) ? roll(b, 60) : roll(b, 1200); i > 0; i--)
        *at++ = (uint8_t)roll(b, 256);
    p->len = (uint32_t)(at - p->data);
    /* Wrong bytes, anywhere. */
    if (!roll(b, 10))
        for (int i = 0; i < 3; i++)
            p->data[roll(b, p->len < 60 ? p->len : 60)] = (uint8_t)roll(b, 256);
    p->cap = roll(b, 4) ? p->len : roll(b, p->len + 1);
}

/* ---- both interpreters -------------------------------------------------- */

static void run(struct bench *b, const struct packet *p)
{
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = p->data,
                .data_size_in = p->len);

    b->skel->bss->cut = p->cap;
    assert_int_equal(
        bpf_prog_test_run_opts(bpf_program__fd(b->skel->progs.many), &opts), 0);
    assert_int_equal(opts.retval, 0);
}

static bool here(const struct bench *b, size_t i)
{
    return b->skel->bss->answers[i / 64] >> (i % 64) & 1;
}

static bool in_libpcap(const struct one *one, const struct packet *p)
{
    struct pcap_pkthdr header = {.caplen = p->cap, .len = p->len};

    return pcap_offline_filter(&one->program, &header, p->data) != 0;
}

static void differ(const struct bench *b, size_t i, const struct packet *p)
{
    fprintf(stderr, "\"%s\" is %d here; %u of %u bytes:", b->exprs[i].text,
            here(b, i), p->cap, p->len);
    for (uint32_t k = 0; k < p->len && k < 100; k++)
        fprintf(stderr, " %02x", p->data[k]);
    fprintf(stderr, "\n");
    fail();
}

/* False: libpcap finds that it can match nothing. */
static bool add(struct bench *b, const char *text)
{
    pcap_t *pcap = pcap_open_dead(DLT_EN10MB, 262144);
    struct one *one = &b->exprs[b->n];
    struct ps_expr expr;
    uint32_t start;
    char error[256];

    if (ps_expr_compile(text, &expr, error, sizeof(error)) < 0) {
        pcap_close(pcap);
        if (!strstr(error, "rejects all packets"))
            fail_msg("%s: %s", text, error);
        return false;
    }
    assert_int_equal(
        pcap_compile(pcap, &one->program, text, 1, PCAP_NETMASK_UNKNOWN), 0);
    pcap_close(pcap);
    start = b->n ? b->skel->bss->starts[b->n - 1] +
                       b->exprs[b->n - 1].program.bf_len
                 : 0;
    assert_true(start + expr.n <= PS_TRACER_INSNS);
    memcpy(&b->skel->bss->tracing.insns[start], expr.insns,
           expr.n * sizeof(expr.insns[0]));
    b->skel->bss->starts[b->n] = start;
    one->text = strdup(text);
    b->n++;
    return true;
}

/* Two or three atoms, perhaps denied. */
static void add_random(struct bench *b)
{
    char text[256] = "";
    size_t used = 0;

    for (uint32_t i = 2 + roll(b, 2); i > 0; i--)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s%s",
                                 used ? (roll(b, 2) ? " and " : " or ") : "",
                                 roll(b, 4) ? "" : "not ",
                                 atoms[roll(b, ARRAY_SIZE(atoms))]);
    add(b, text);
}

static int load(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));

    ps_bpf_init();
    b->random = 0x123456789abcdef;
    b->skel = expr_bpf__open_and_load();
    if (!b->skel)
        return -1;
    for (size_t i = 0; i < ARRAY_SIZE(plain_exprs); i++)
        assert_true(add(b, plain_exprs[i]));
    while (b->n < WANTED - ARRAY_SIZE(mac_exprs))
        add_random(b);
    b->n_plain = b->n;
    for (size_t i = 0; i < ARRAY_SIZE(mac_exprs); i++)
        assert_true(add(b, mac_exprs[i]));
    b->skel->bss->n_exprs = (uint32_t)b->n;
    *state = b;
    return 0;
}

static int unload(void **state)
{
    struct bench *b = *state;

    expr_bpf__destroy(b->skel);
    for (size_t i = 0; i < b->n; i++) {
        pcap_freecode(&b->exprs[i].program);
        free(b->exprs[i].text);
    }
    free(b);
    return 0;
}

static void plain(struct bench *b)
{
    b->skel->bss->tag = b->skel->bss->without_mac = 0;
}

static void test_as_libpcap(void **state)
{
    struct bench *b = *state;
    size_t both = 0;

    plain(b);
    for (unsigned int n = 0; n < PACKETS; n++) {
        struct packet p;

        make_packet(b, &p);
        run(b, &p);
        assert_int_equal(b->skel->bss->seen_len, p.len);
        for (size_t i = 0; i < b->n; i++) {
            bool yes = in_libpcap(&b->exprs[i], &p);

            b->exprs[i].yes += yes;
            b->exprs[i].no += !yes;
            if (yes != here(b, i))
                differ(b, i, &p);
        }
    }
    for (size_t i = 0; i < b->n; i++)
        both += b->exprs[i].yes && b->exprs[i].no;
    /* A few are always or never true. */
    assert_true(b->n >= WANTED);
    assert_in_range(both, WANTED * 9 / 10, b->n);
}

/* A tag that the device took off stands where the wire had it. */
static void test_accelerated_tag(void **state)
{
    struct bench *b = *state;

    plain(b);
    for (unsigned int n = 0; n < PACKETS / 20; n++) {
        struct packet p, wire;
        uint32_t tci = roll(b, 2) ? 5 : roll(b, 65536);

        do
            make_packet(b, &p);
        while (p.data[12] == 0x81 || p.data[12] == 0x88);
        p.cap = p.len;
        wire = p;
        memmove(wire.data + 16, p.data + 12, p.len - 12);
        put16(wire.data + 12, 0x8100);
        put16(wire.data + 14, tci);
        wire.len = p.len + 4;
        wire.cap = p.cap = roll(b, 4) ? wire.len : roll(b, wire.len + 1);
        b->skel->bss->tag = 0x81000000u | tci;
        run(b, &p);
        assert_int_equal(b->skel->bss->seen_len, wire.len);
        for (size_t i = 0; i < b->n; i++)
            if (in_libpcap(&b->exprs[i], &wire) != here(b, i))
                differ(b, i, &wire);
    }
    plain(b);
}

/*
 * At a hook of L3 all is as on the wire, but for the MAC addresses: what needs
 * them does not match.
 */
static void test_without_mac(void **state)
{
    struct bench *b = *state;
    size_t matched = 0;

    plain(b);
    b->skel->bss->without_mac = 14;
    for (unsigned int n = 0; n < PACKETS / 20; n++) {
        struct packet p;

        do
            make_packet(b, &p);
        while (p.data[12] == 0x81 || p.data[12] == 0x88 || p.len > MOST / 2);
        run(b, &p);
        for (size_t i = 0; i < b->n_plain; i++) {
            matched += here(b, i);
            if (in_libpcap(&b->exprs[i], &p) != here(b, i))
                differ(b, i, &p);
        }
        for (size_t i = b->n_plain; i < b->n; i++) {
            if (!here(b, i))
                continue;
            /* Then it is so whatever the addresses are. */
            for (int k = 0; k < 3; k++) {
                struct packet other = p;

                put_mac(b, put_mac(b, other.data));
                assert_true(in_libpcap(&b->exprs[i], &other));
            }
        }
    }
    assert_true(matched > 0);
    plain(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_libpcap),
        cmocka_unit_test(test_accelerated_tag),
        cmocka_unit_test(test_without_mac),
    };

    return cmocka_run_group_tests(tests, load, unload);
}
