/* SPDX-License-Identifier: MIT */
/* Above the budget a packet is followed in all of its buffers, or in none: a
 * station's program, and what the probes of functions share, on buffers of our
 * own. Needs root. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>

#include <linux/bpf.h>

#include "bpf/tracer/functions_abi.h"
#include "tracer/probes_internal.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#include "calls.skel.h"
#pragma GCC diagnostic pop

#define ETH     14
#define PACKETS 400u
#define EVERY   4u
#define PART    40u
#define PARTS   3u

struct state {
    struct ps_probes *p;
    struct calls_bpf *calls;
    struct ring_buffer *ring; /* of the calls */
    bool functions;           /* which of the two is asked */
    unsigned int events;
};

static int on_call(void *arg, void *data _unused_, size_t size)
{
    struct state *s = arg;

    assert_int_equal(size, sizeof(struct ps_fn_call));
    s->events++;
    return 0;
}

/* A kernel that gives such programs no sk_buff has none of the two. */
static void open_calls(struct state *s)
{
    s->calls = s->p->tcx_egress ? calls_bpf__open_and_load() : NULL;
    if (!s->calls)
        return;
    s->ring =
        ring_buffer__new(bpf_map__fd(s->calls->maps.calls), on_call, s, NULL);
    memset(s->calls->bss->protocols, 1, sizeof(s->calls->bss->protocols));
}

static int open_probes(void **state)
{
    struct ps_probe_needs needs = {
        .ring_bytes = PS_TRACER_RING_BYTES, .learned_fd = -1, .owners_fd = -1};
    _cleanup_(ps_bpf_types_free) struct btf *kernel = NULL;
    struct state *s = calloc(1, sizeof(*s));
    char reason[160] = "";
    cpu_set_t one;
    int r;

    ps_bpf_init();
    kernel = ps_bpf_kernel_types();
    needs.kernel = kernel;
    /* What a CPU saw before is known there. */
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof(one), &one);
    r = ps_probes_open(&needs, &s->p, reason, sizeof(reason));
    if (r < 0)
        print_message("no programs: %s\n", reason);
    else
        open_calls(s);
    *state = s;
    return r;
}

static int close_probes(void **state)
{
    struct state *s = *state;

    ring_buffer__free(s->ring);
    calls_bpf__destroy(s->calls);
    ps_probes_free(&s->p);
    free(s);
    return 0;
}

static size_t put_ip(uint8_t *at, int family, uint8_t proto, uint16_t id,
                     size_t len)
{
    struct iphdr v4 = {.version = 4,
                       .ihl = 5,
                       .tot_len = htons((uint16_t)(sizeof(v4) + len)),
                       .id = htons(id),
                       .ttl = 64,
                       .protocol = proto,
                       .saddr = htonl(0xc0000201),
                       .daddr = htonl(0xc0000202)};
    struct ip6_hdr v6 = {
        .ip6_plen = htons((uint16_t)len), .ip6_nxt = proto, .ip6_hlim = 64};

    at[12] = family == 6 ? 0x86 : 0x08;
    at[13] = family == 6 ? 0xdd : 0x00;
    v6.ip6_vfc = 0x60;
    inet_pton(AF_INET6, "2001:db8::1", &v6.ip6_src);
    inet_pton(AF_INET6, "2001:db8::2", &v6.ip6_dst);
    if (family == 6)
        memcpy(at + ETH, &v6, sizeof(v6));
    else
        memcpy(at + ETH, &v4, sizeof(v4));
    return ETH + (family == 6 ? sizeof(v6) : sizeof(v4));
}

/* A new buffer with this packet at the station; whether it was followed. */
static bool see(struct state *s, const uint8_t *frame, size_t len,
                uint32_t gso);

static bool see_tcp(struct state *s, int family, uint32_t seq, uint32_t payload,
                    uint32_t gso)
{
    uint8_t frame[512] = {0};
    struct tcphdr tcp = {.source = htons(1),
                         .dest = htons(2),
                         .seq = htonl(seq),
                         .ack_seq = htonl(99),
                         .doff = 5,
                         .ack = 1};
    size_t at = put_ip(frame, family, IPPROTO_TCP, 0, sizeof(tcp) + payload);

    memcpy(frame + at, &tcp, sizeof(tcp));
    return see(s, frame, at + sizeof(tcp) + payload, gso);
}

static bool see_udp(struct state *s, uint16_t id)
{
    uint8_t frame[512] = {0};
    struct udphdr udp = {
        .source = htons(1), .dest = htons(2), .len = htons(sizeof(udp) + 32)};
    size_t at = put_ip(frame, 4, IPPROTO_UDP, id, sizeof(udp) + 32);

    memcpy(frame + at, &udp, sizeof(udp));
    return see(s, frame, at + sizeof(udp) + 32, 0);
}

static void on_event(void *arg, struct ps_tracer_event *event _unused_,
                     const struct ps_event_more *more _unused_)
{
    struct state *s = arg;

    s->events++;
}

static bool see(struct state *s, const uint8_t *frame, size_t len, uint32_t gso)
{
    struct __sk_buff ctx = {.gso_size = gso, .gso_segs = gso ? PARTS : 0};
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame,
                .data_size_in = (uint32_t)len, .ctx_in = &ctx,
                .ctx_size_in = sizeof(ctx));

    const struct bpf_program *prog = s->functions ? s->calls->progs.call
                                                  : s->p->tcx_egress;

    s->events = 0;
    assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(prog), &opts), 0);
    if (s->functions)
        assert_true(ring_buffer__consume(s->ring) >= 0);
    else
        assert_true(ps_probes_consume(s->p, on_event, s) >= 0);
    assert_in_range(s->events, 0, 1);
    return s->events == 1;
}

static void begin(struct state *s, bool functions, uint32_t every)
{
    const struct ps_filter all = {0};
    const struct ps_probe_wish wish = {0};
    struct ps_fn_count zero[128] = {0};
    uint32_t slot = 0;

    s->functions = functions;
    if (!functions) {
        ps_probes_throttle(s->p, every);
        assert_int_equal(ps_probes_set_filter(s->p, 0, &all, &wish), 0);
        return;
    }
    assert_in_range(libbpf_num_possible_cpus(), 1, ARRAY_SIZE(zero));
    assert_int_equal(bpf_map_update_elem(bpf_map__fd(s->calls->maps.fn_counts),
                                         &slot, zero, BPF_ANY),
                     0);
    s->calls->bss->throttle = every;
    ps_filter_install(&s->calls->bss->tracing, 0, &all);
    s->calls->bss->since[0] = ps_mono_ns();
    s->calls->bss->active = 1;
}

/* What was seen is what the counters say. */
static void end(struct state *s, unsigned int seen, unsigned int taken)
{
    struct ps_probe_count counts[PS_ST_MAX];
    struct ps_fn_count calls = {0};
    uint32_t slot = 0;

    if (s->functions) {
        assert_int_equal(
            ps_bpf_percpu_sum(bpf_map__fd(s->calls->maps.fn_counts), &slot,
                              (uint64_t *)&calls, sizeof(calls) / 8),
            0);
        assert_int_equal(calls.hits, seen);
        assert_int_equal(calls.throttled, seen - taken);
        s->calls->bss->active = 0;
        return;
    }
    assert_int_equal(ps_probes_counts(s->p, 0, counts), 0);
    assert_int_equal(counts[PS_ST_TCX_EGRESS].count.hits, seen);
    assert_int_equal(counts[PS_ST_TCX_EGRESS].count.throttled, seen - taken);
    ps_probes_clear_filter(s->p, 0);
}

/* In both tiers. */
static void check(struct state *s,
                  void (*test)(struct state *s, bool functions))
{
    if (!s->p->tcx_egress) {
        print_message("skip: %s\n", s->p->no_cgroup);
        skip();
    }
    assert_non_null(s->calls);
    test(s, false);
    test(s, true);
}

static void all_are_followed(struct state *s, bool functions)
{
    begin(s, functions, 1);
    for (uint16_t i = 0; i < 20; i++)
        assert_true(see_udp(s, (uint16_t)(1 + i)));
    end(s, 20, 20);
}

static void test_all_are_followed(void **state)
{
    check(*state, all_are_followed);
}

static void copies_go_with_their_packet(struct state *s, bool functions)
{
    unsigned int taken = 0;

    begin(s, functions, EVERY);
    /* The same memory is another buffer once another packet was in it. */
    for (uint32_t i = 0; i < PACKETS; i += 2) {
        bool udp = see_udp(s, (uint16_t)(1 + i));
        bool tcp = see_tcp(s, i % 4 ? 4 : 6, i * 1000, PART, 0);

        assert_true(see_udp(s, (uint16_t)(1 + i)) == udp);
        assert_true(see_tcp(s, i % 4 ? 4 : 6, i * 1000, PART, 0) == tcp);
        taken += 2 * (udp + tcp);
    }
    /* One of four: 200 of 800, and never by chance half or twice that. */
    assert_in_range(taken, PACKETS / EVERY, 4 * PACKETS / EVERY);
    end(s, 2 * PACKETS, taken);
}

static void test_copies_go_with_their_packet(void **state)
{
    check(*state, copies_go_with_their_packet);
}

/* What the one tier leaves out the other one does not follow. */
static void test_both_tiers_choose_the_same(void **state)
{
    bool core[PACKETS];
    unsigned int taken = 0;
    struct state *s = *state;

    if (!s->p->tcx_egress)
        skip();
    assert_non_null(s->calls);
    begin(s, false, EVERY);
    for (uint32_t i = 0; i < PACKETS; i++)
        core[i] = see_tcp(s, i % 2 ? 4 : 6, 77 * i, PART, 0);
    ps_probes_clear_filter(s->p, 0);
    begin(s, true, EVERY);
    for (uint32_t i = 0; i < PACKETS; i++) {
        assert_true(see_tcp(s, i % 2 ? 4 : 6, 77 * i, PART, 0) == core[i]);
        taken += core[i];
    }
    end(s, PACKETS, taken);
}

/* Parts come right behind the packet that they were cut from; their copies
 * later. */
static void parts_go_with_their_packet(struct state *s, bool functions)
{
    unsigned int taken = 0, seen = 0, tried = 0, whole[2] = {0};

    begin(s, functions, EVERY);
    for (uint32_t i = 0; i < PACKETS; i++) {
        uint32_t seq = i * 1000000;
        uint64_t before = ps_mono_ns();
        bool first = see_tcp(s, i % 2 ? 4 : 6, seq, PARTS * PART, PART);
        bool part[PARTS];

        for (uint32_t k = 0; k < PARTS; k++) {
            part[k] = see_tcp(s, i % 2 ? 4 : 6, seq + k * PART, PART, 0);
            taken += part[k];
        }
        seen += 1 + PARTS;
        taken += first;
        /* It was interrupted for too long: they are taken for others. */
        if (ps_mono_ns() - before > PS_NS_PER_MS)
            continue;
        tried++;
        whole[first]++;
        for (uint32_t k = 0; k < PARTS; k++) {
            assert_true(part[k] == first);
            assert_true(see_tcp(s, i % 2 ? 4 : 6, seq + k * PART, PART, 0) ==
                        first);
            taken += first;
            seen++;
        }
    }
    assert_true(tried > 0);
    print_message("%u tried, %u followed\n", tried, whole[1]);
    end(s, seen, taken);
}

static void test_parts_go_with_their_packet(void **state)
{
    check(*state, parts_go_with_their_packet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_are_followed),
        cmocka_unit_test(test_copies_go_with_their_packet),
        cmocka_unit_test(test_both_tiers_choose_the_same),
        cmocka_unit_test(test_parts_go_with_their_packet),
    };

    return cmocka_run_group_tests(tests, open_probes, close_probes);
}
