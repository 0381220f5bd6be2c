/* SPDX-License-Identifier: MIT */
/* bpf/lib/skb.h on crafted packets, at L2, at L3 and in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>

#include "common/bpf.h"
#include "common/net.h"
#include "skb_parse.skel.h"

/* As bpf/lib/skb.h has it. */
struct info {
    uint32_t netns, netns_gen, ifindex;
    uint8_t saddr[16], daddr[16];
    uint16_t ethertype, sport, dport;
    uint8_t family, proto;
    uint16_t l3_off, l4_off, vlan_tci, flags;
    uint32_t ip_id, tcp_seq, bytes, packets;
    uint64_t wire_bytes;
};

enum {
    LATER_FRAGMENT = 1,
    FRAGMENT = 2,
    UNPARSED = 4,
    HAS_L3 = 8,
    HAS_L4 = 16,
    VLAN = 32,
};

enum where {
    TX,
    ANY,
    RX,
};

struct frame {
    uint8_t bytes[512];
    size_t n;
};

struct state {
    struct skb_parse_bpf *skel;
    uint32_t ifindex;
    uint32_t netns;
};

/* ---- frames ------------------------------------------------------------- */

static void put(struct frame *f, const void *data, size_t n)
{
    assert_true(f->n + n <= sizeof(f->bytes));
    memcpy(f->bytes + f->n, data, n);
    f->n += n;
}

static void put8(struct frame *f, unsigned int v)
{
    put(f, &(uint8_t){(uint8_t)v}, 1);
}

static void put16(struct frame *f, unsigned int v)
{
    put8(f, v >> 8 & 255);
    put8(f, v & 255);
}

static void put32(struct frame *f, uint32_t v)
{
    put16(f, v >> 16);
    put16(f, v & 0xffff);
}

static void zeros(struct frame *f, size_t n)
{
    while (n--)
        put8(f, 0);
}

static void eth(struct frame *f, unsigned int type)
{
    put(f, "\2\0\0\0\0\2\2\0\0\0\0\1", 12);
    put16(f, type);
}

/* 192.0.2.1 to 192.0.2.2; frag as in the header, options: words. */
static void ipv4(struct frame *f, unsigned int proto, unsigned int frag,
                 unsigned int options)
{
    put8(f, 0x45 + options);
    put8(f, 0);
    put16(f, 20 + options * 4 + 100);
    put16(f, 0x1234);
    put16(f, frag);
    put8(f, 64);
    put8(f, proto);
    put16(f, 0);
    put32(f, 0xc0000201);
    put32(f, 0xc0000202);
    zeros(f, (size_t)options * 4);
}

/* 2001:db8::1 to 2001:db8::2 */
static void ipv6(struct frame *f, unsigned int next)
{
    put32(f, 0x60000000);
    put16(f, 100);
    put8(f, next);
    put8(f, 64);
    put32(f, 0x20010db8);
    zeros(f, 11);
    put8(f, 1);
    put32(f, 0x20010db8);
    zeros(f, 11);
    put8(f, 2);
}

static void tcp(struct frame *f, unsigned int words)
{
    put16(f, 1000);
    put16(f, 443);
    put32(f, 0xdeadbeef);
    put32(f, 0);
    put8(f, words << 4);
    put8(f, 0x10);
    zeros(f, 6 + (words - 5) * 4);
}

static void udp(struct frame *f)
{
    put16(f, 53);
    put16(f, 5353);
    put16(f, 8);
    put16(f, 0);
}

/* ---- running ------------------------------------------------------------ */

/* gso: size of a segment, and their number or 0. */
static struct info run_gso(struct state *s, const struct frame *f,
                           enum where where, uint32_t gso_size,
                           uint32_t gso_segs)
{
    const struct bpf_program *progs[] = {
        [TX] = s->skel->progs.parse_tx,
        [ANY] = s->skel->progs.parse_any,
        [RX] = s->skel->progs.parse_rx,
    };
    struct __sk_buff ctx = {
        .ifindex = s->ifindex, .gso_size = gso_size, .gso_segs = gso_segs};
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->bytes,
                .data_size_in = (uint32_t)f->n, .ctx_in = &ctx,
                .ctx_size_in = sizeof(ctx), .repeat = 1);
    int fd = bpf_map__fd(s->skel->maps.parsed);
    struct info plain, checked;
    uint32_t key = 0;

    memset(&plain, 0xff, sizeof(plain));
    bpf_map_update_elem(fd, &key, &plain, BPF_ANY);
    assert_int_equal(
        bpf_prog_test_run_opts(bpf_program__fd(progs[where]), &opts), 0);
    assert_int_equal(bpf_map_lookup_elem(fd, &key, &plain), 0);
    key = 1;
    assert_int_equal(bpf_map_lookup_elem(fd, &key, &checked), 0);
    assert_memory_equal(&plain, &checked, sizeof(plain));
    assert_int_equal(plain.ifindex, s->ifindex);
    assert_int_equal(plain.netns, s->netns);
    return plain;
}

static struct info run(struct state *s, const struct frame *f, enum where where)
{
    struct info i = run_gso(s, f, where, 0, 0);

    assert_int_equal(i.bytes, f->n);
    assert_int_equal(i.wire_bytes, f->n);
    assert_int_equal(i.packets, 1);
    return i;
}

static const uint8_t a4[16] = {192, 0, 2, 1}, b4[16] = {192, 0, 2, 2};
static const uint8_t a6[16] = {0x20, 1, 0xd, 0xb8, [15] = 1};
static const uint8_t b6[16] = {0x20, 1, 0xd, 0xb8, [15] = 2};

static void check_addresses(const struct info *i, int family)
{
    assert_int_equal(i->family, family);
    assert_memory_equal(i->saddr, family == 4 ? a4 : a6, 16);
    assert_memory_equal(i->daddr, family == 4 ? b4 : b6, 16);
}

#define FOR_EACH_WHERE(w) for (enum where w = TX; w <= RX; w++)

/* ---- tests -------------------------------------------------------------- */

static void test_tcp4(void **state)
{
    struct frame f = {0};

    eth(&f, 0x800);
    ipv4(&f, IPPROTO_TCP, 0x4000, 0);
    tcp(&f, 5);
    zeros(&f, 30);
    FOR_EACH_WHERE(w)
    {
        struct info i = run(*state, &f, w);

        check_addresses(&i, 4);
        assert_int_equal(i.proto, IPPROTO_TCP);
        assert_int_equal(i.sport, 1000);
        assert_int_equal(i.dport, 443);
        assert_int_equal(i.tcp_seq, 0xdeadbeef);
        assert_int_equal(i.ip_id, 0x1234);
        assert_int_equal(i.ethertype, 0x800);
        assert_int_equal(i.l4_off - i.l3_off, 20);
        assert_int_equal(i.flags, HAS_L3 | HAS_L4);
    }
}

static void test_tcp6(void **state)
{
    struct frame f = {0};

    eth(&f, 0x86dd);
    ipv6(&f, IPPROTO_TCP);
    tcp(&f, 5);
    FOR_EACH_WHERE(w)
    {
        struct info i = run(*state, &f, w);

        check_addresses(&i, 6);
        assert_int_equal(i.proto, IPPROTO_TCP);
        assert_int_equal(i.sport, 1000);
        assert_int_equal(i.dport, 443);
        assert_int_equal(i.tcp_seq, 0xdeadbeef);
        assert_int_equal(i.l4_off - i.l3_off, 40);
        assert_int_equal(i.flags, HAS_L3 | HAS_L4);
    }
}

static void test_ipv4_options(void **state)
{
    struct frame f = {0};

    eth(&f, 0x800);
    ipv4(&f, IPPROTO_UDP, 0, 10);
    udp(&f);
    FOR_EACH_WHERE(w)
    {
        struct info i = run(*state, &f, w);

        assert_int_equal(i.sport, 53);
        assert_int_equal(i.dport, 5353);
        assert_int_equal(i.l4_off - i.l3_off, 60);
    }
}

static void test_fragments4(void **state)
{
    struct frame first = {0}, later = {0};

    eth(&first, 0x800);
    ipv4(&first, IPPROTO_UDP, 0x2000, 0);
    udp(&first);
    eth(&later, 0x800);
    ipv4(&later, IPPROTO_UDP, 0x0007, 0);
    udp(&later);
    FOR_EACH_WHERE(w)
    {
        struct info i = run(*state, &first, w);

        assert_int_equal(i.sport, 53);
        assert_int_equal(i.flags, FRAGMENT | HAS_L3 | HAS_L4);
        i = run(*state, &later, w);
        check_addresses(&i, 4);
        assert_int_equal(i.proto, IPPROTO_UDP);
        assert_int_equal(i.sport, 0);
        assert_int_equal(i.dport, 0);
        assert_int_equal(i.flags, FRAGMENT | LATER_FRAGMENT | HAS_L3);
    }
}

/* A fragment header; the rest of the chain is not the first fragment's. */
static void fragment6(struct frame *f, unsigned int next, unsigned int offset)
{
    put8(f, next);
    put8(f, 0);
    put16(f, offset << 3 | 1);
    put32(f, 0xabcd0001);
}

static void test_fragments6(void **state)
{
    struct frame first = {0}, later = {0};

    eth(&first, 0x86dd);
    ipv6(&first, 44);
    fragment6(&first, IPPROTO_UDP, 0);
    udp(&first);
    eth(&later, 0x86dd);
    ipv6(&later, 44);
    fragment6(&later, IPPROTO_UDP, 100);
    udp(&later);
    FOR_EACH_WHERE(w)
    {
        struct info i = run(*state, &first, w);

        check_addresses(&i, 6);
        assert_int_equal(i.proto, IPPROTO_UDP);
        assert_int_equal(i.sport, 53);
        assert_int_equal(i.ip_id, 0xabcd0001);
        assert_int_equal(i.flags, FRAGMENT | HAS_L3 | HAS_L4);
        i = run(*state, &later, w);
        assert_int_equal(i.proto, IPPROTO_UDP);
        assert_int_equal(i.sport, 0);
        assert_int_equal(i.flags, FRAGMENT | LATER_FRAGMENT | HAS_L3);
    }
}

static void extension(struct frame *f, unsigned int next, unsigned int words)
{
    put8(f, next);
    put8(f, words);
    zeros(f, 6 + (size_t)words * 8);
}

static void test_extensions(void **state)
{
    struct frame f = {0};

    eth(&f, 0x86dd);
    ipv6(&f, 0);
    extension(&f, 60, 1);  /* hop-by-hop, 16 bytes */
    extension(&f, 43, 0);  /* destination options */
    extension(&f, 51, 2);  /* routing, 24 bytes */
    put8(&f, IPPROTO_TCP); /* authentication: in words of four, less two */
    put8(&f, 4);
    zeros(&f, 22);
    tcp(&f, 5);
    FOR_EACH_WHERE(w)
    {
        struct info i = run(*state, &f, w);

        check_addresses(&i, 6);
        assert_int_equal(i.proto, IPPROTO_TCP);
        assert_int_equal(i.dport, 443);
        assert_int_equal(i.l4_off - i.l3_off, 40 + 16 + 8 + 24 + 24);
        assert_int_equal(i.flags, HAS_L3 | HAS_L4);
    }
}

/* Longer chains than anybody sends: the addresses are right, no port is. */
static void test_too_many_extensions(void **state)
{
    struct frame f = {0};

    eth(&f, 0x86dd);
    ipv6(&f, 60);
    for (int i = 0; i < 20; i++)
        extension(&f, i == 19 ? IPPROTO_TCP : 60, 0);
    tcp(&f, 5);
    FOR_EACH_WHERE(w)
    {
        struct info i = run(*state, &f, w);

        check_addresses(&i, 6);
        assert_int_equal(i.proto, 60);
        assert_int_equal(i.dport, 0);
        assert_int_equal(i.flags, UNPARSED | HAS_L3);
    }
}

static void test_icmp(void **state)
{
    struct frame v4 = {0}, v6 = {0};

    eth(&v4, 0x800);
    ipv4(&v4, IPPROTO_ICMP, 0, 0);
    put32(&v4, 0x08000000);
    put32(&v4, 0x12345678);
    eth(&v6, 0x86dd);
    ipv6(&v6, IPPROTO_ICMPV6);
    put32(&v6, 0x80000000);
    put32(&v6, 0x12345678);
    FOR_EACH_WHERE(w)
    {
        struct info i = run(*state, &v4, w);

        assert_int_equal(i.proto, IPPROTO_ICMP);
        assert_int_equal(i.sport, 0);
        assert_int_equal(i.flags, HAS_L3 | HAS_L4);
        i = run(*state, &v6, w);
        assert_int_equal(i.proto, IPPROTO_ICMPV6);
        assert_int_equal(i.dport, 0);
        assert_int_equal(i.flags, HAS_L3 | HAS_L4);
    }
}

static void test_tunnels_are_their_own_protocol(void **state)
{
    static const unsigned int protos[] = {4, 41, 47, 50};

    for (size_t p = 0; p < ARRAY_SIZE(protos); p++) {
        struct frame f = {0};

        eth(&f, 0x800);
        ipv4(&f, protos[p], 0, 0);
        ipv4(&f, IPPROTO_TCP, 0, 0);
        tcp(&f, 5);
        FOR_EACH_WHERE(w)
        {
            struct info i = run(*state, &f, w);

            check_addresses(&i, 4);
            assert_int_equal(i.proto, protos[p]);
            assert_int_equal(i.sport, 0);
        }
    }
}

static void test_vlan(void **state)
{
    struct frame one = {0}, two = {0};

    eth(&one, 0x8100);
    put16(&one, 0x2007);
    put16(&one, 0x800);
    ipv4(&one, IPPROTO_UDP, 0, 0);
    udp(&one);
    eth(&two, 0x88a8);
    put16(&two, 5);
    put16(&two, 0x8100);
    put16(&two, 7);
    put16(&two, 0x86dd);
    ipv6(&two, IPPROTO_UDP);
    udp(&two);
    FOR_EACH_WHERE(w)
    {
        struct info i = run(*state, &one, w);

        check_addresses(&i, 4);
        assert_int_equal(i.ethertype, 0x800);
        assert_int_equal(i.vlan_tci, 0x2007);
        assert_int_equal(i.sport, 53);
        assert_int_equal(i.flags, VLAN | HAS_L3 | HAS_L4);
        i = run(*state, &two, w);
        check_addresses(&i, 6);
        assert_int_equal(i.vlan_tci, 5);
        assert_int_equal(i.dport, 5353);
    }
}

static void test_other_ethertypes(void **state)
{
    struct frame arp = {0}, llc = {0};

    eth(&arp, 0x806);
    put32(&arp, 0x00010800);
    zeros(&arp, 42);
    eth(&llc, 0x26); /* a length: 802.2; its first byte looks like IPv4's */
    put32(&llc, 0x42420300);
    zeros(&llc, 42);
    FOR_EACH_WHERE(w)
    {
        struct info i = run(*state, &arp, w);

        assert_int_equal(i.ethertype, 0x806);
        assert_int_equal(i.family, 0);
        assert_int_equal(i.proto, 0);
        assert_int_equal(i.flags, HAS_L3);
        i = run(*state, &llc, w);
        assert_int_equal(i.ethertype, 4);
        assert_int_equal(i.family, 0);
    }
}

/*
 * Each length of a frame: never anything but what stands in the frame. The
 * tag is there because a test run refuses short frames that say IPv6.
 */
static void test_truncated(void **state)
{
    const size_t ip = 14 + 4 + 40, ext = ip + 8, l4 = ext + 8;
    struct frame whole = {0};

    eth(&whole, 0x8100);
    put16(&whole, 7);
    put16(&whole, 0x86dd);
    ipv6(&whole, 60);
    extension(&whole, IPPROTO_TCP, 0);
    tcp(&whole, 5);
    FOR_EACH_WHERE(w)
    {
        for (size_t n = 18; n < whole.n; n++) {
            struct frame f = whole;
            struct info i;
            int proto = n >= ext ? IPPROTO_TCP : n >= ip ? 60 : 0;

            f.n = n;
            i = run(*state, &f, w);
            assert_int_equal(i.ethertype, 0x86dd);
            assert_int_equal(i.family, n >= ip ? 6 : 0);
            assert_int_equal(i.proto, proto);
            assert_int_equal(i.dport, n >= l4 ? 443 : 0);
            assert_int_equal(!!(i.flags & UNPARSED), n < l4);
        }
    }
}

static void test_bad_versions(void **state)
{
    struct frame f = {0}, short_ihl = {0};

    eth(&f, 0x800);
    ipv6(&f, IPPROTO_TCP);
    tcp(&f, 5);
    eth(&short_ihl, 0x800);
    ipv4(&short_ihl, IPPROTO_TCP, 0, 0);
    tcp(&short_ihl, 5);
    short_ihl.bytes[14] = 0x44;
    for (enum where w = TX; w <= RX; w++) {
        struct info i = run(*state, &f, w);

        assert_int_equal(i.family, 0);
        assert_int_equal(i.flags, UNPARSED | HAS_L3);
        i = run(*state, &short_ihl, w);
        assert_int_equal(i.family, 0);
        assert_int_equal(i.flags, UNPARSED | HAS_L3);
    }
}

/* 14 + 40 + 32 bytes of headers are sent with each of the segments. */
static void test_gso(void **state)
{
    struct frame f = {0};
    uint32_t headers = 14 + 40 + 32;

    eth(&f, 0x86dd);
    ipv6(&f, IPPROTO_TCP);
    tcp(&f, 8);
    zeros(&f, 250);
    FOR_EACH_WHERE(w)
    {
        struct info i = run_gso(*state, &f, w, 100, 3);

        assert_int_equal(i.packets, 3);
        assert_int_equal(i.bytes, headers + 250);
        assert_int_equal(i.wire_bytes, 3 * headers + 250);
        /* Without a number it is the payload by the size, rounded up. */
        i = run_gso(*state, &f, w, 100, 0);
        assert_int_equal(i.packets, 3);
        i = run_gso(*state, &f, w, 125, 0);
        assert_int_equal(i.packets, 2);
        assert_int_equal(i.wire_bytes, 2 * headers + 250);
    }
}

/* ---- setup -------------------------------------------------------------- */

/* A namespace of our own with one Ethernet device in it. */
static int setup(void **state)
{
    static struct state s;

    ps_bpf_init();
    if (unshare(CLONE_NEWNET) < 0 ||
        system("ip link add ve0 type veth peer name ve1") != 0)
        return -1;
    s.ifindex = if_nametoindex("ve0");
    s.skel = skb_parse_bpf__open_and_load();
    if (!s.skel || !s.ifindex || ps_netns_self(&s.netns) < 0)
        return -1;
    *state = &s;
    return 0;
}

static int teardown(void **state)
{
    struct state *s = *state;

    skb_parse_bpf__destroy(s->skel);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcp4),
        cmocka_unit_test(test_tcp6),
        cmocka_unit_test(test_ipv4_options),
        cmocka_unit_test(test_fragments4),
        cmocka_unit_test(test_fragments6),
        cmocka_unit_test(test_extensions),
        cmocka_unit_test(test_too_many_extensions),
        cmocka_unit_test(test_icmp),
        cmocka_unit_test(test_tunnels_are_their_own_protocol),
        cmocka_unit_test(test_vlan),
        cmocka_unit_test(test_other_ethertypes),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_bad_versions),
        cmocka_unit_test(test_gso),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
