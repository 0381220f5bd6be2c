/* SPDX-License-Identifier: MIT */
/* Parser, content and filters on frames of our own; every program loaded and
 * attached. Needs root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/wait.h>

#include "common/bpf.h"
#include "tracer/probes.h"
#include "tracer/sockscan.h"
#include "tracer/station.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#include "tracer.skel.h"
#include "tracer_test.skel.h"
#pragma GCC diagnostic pop

#define ETH 14

struct frame {
    uint8_t data[256];
    uint32_t len;
};

static int load(void **state)
{
    struct tracer_test_bpf *skel;

    ps_bpf_init();
    skel = tracer_test_bpf__open_and_load();
    *state = skel;
    return skel ? 0 : -1;
}

static int unload(void **state)
{
    tracer_test_bpf__destroy(*state);
    return 0;
}

/* Puts the fixed headers in front of l4 of len bytes. */
static void make_frame(struct frame *f, int family, uint8_t proto,
                       const void *l4, size_t len)
{
    struct iphdr v4 = {.version = 4,
                       .ihl = 5,
                       .tot_len = htons((uint16_t)(sizeof(v4) + len)),
                       .id = htons(4711),
                       .ttl = 64,
                       .protocol = proto};
    struct ip6_hdr v6 = {0};
    size_t ip = family == 6 ? sizeof(v6) : sizeof(v4);

    memset(f, 0, sizeof(*f));
    f->data[12] = family == 6 ? 0x86 : 0x08;
    f->data[13] = family == 6 ? 0xdd : 0x00;
    v6.ip6_vfc = 0x60;
    v6.ip6_plen = htons((uint16_t)len);
    v6.ip6_nxt = proto;
    v6.ip6_hlim = 64;
    inet_pton(AF_INET6, "2001:db8::1", &v6.ip6_src);
    inet_pton(AF_INET6, "2001:db8::2", &v6.ip6_dst);
    inet_pton(AF_INET, "192.0.2.1", &v4.saddr);
    inet_pton(AF_INET, "192.0.2.2", &v4.daddr);
    memcpy(f->data + ETH, family == 6 ? (void *)&v6 : (void *)&v4, ip);
    memcpy(f->data + ETH + ip, l4, len);
    f->len = (uint32_t)(ETH + ip + len);
}

static void make_udp(struct frame *f, int family, const char *payload)
{
    uint8_t l4[128] = {0};
    struct udphdr udp = {0};
    size_t len = strlen(payload);

    udp.source = htons(1000);
    udp.dest = htons(2000);
    udp.len = htons((uint16_t)(8 + len));
    memcpy(l4, &udp, sizeof(udp));
    memcpy(l4 + 8, payload, len);
    make_frame(f, family, IPPROTO_UDP, l4, 8 + len);
}

static int run(struct tracer_test_bpf *skel, const struct frame *f)
{
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->data,
                .data_size_in = f->len);

    assert_int_equal(
        bpf_prog_test_run_opts(bpf_program__fd(skel->progs.match), &opts), 0);
    return (int)opts.retval;
}

static void set(struct tracer_test_bpf *skel, unsigned int slot,
                const struct ps_tracer_filter *f)
{
    struct ps_filter filter = {.kernel = *f};

    ps_filter_install(&skel->bss->tracing, slot, &filter);
}

static void set_addr(struct ps_tracer_filter *f, bool source, int family,
                     const char *text)
{
    uint8_t *value = source ? f->value.saddr : f->value.daddr;

    inet_pton(family == 6 ? AF_INET6 : AF_INET, text, value);
    memset(source ? f->mask.saddr : f->mask.daddr, 0xff, 16);
    f->value.family = (uint8_t)family;
    f->mask.family = 0xff;
}

static void test_filters(void **state)
{
    struct tracer_test_bpf *skel = *state;

    for (int family = 4; family <= 6; family += 2) {
        const char *one = family == 6 ? "2001:db8::1" : "192.0.2.1";
        const char *two = family == 6 ? "2001:db8::2" : "192.0.2.2";
        const char *other = family == 6 ? "2001:db8::3" : "192.0.2.3";
        struct ps_tracer_filter f[PS_TRACER_MAX_TRACES] = {0};
        struct frame frame;

        skel->bss->tracing.word = 0;
        make_udp(&frame, family, "hello");
        assert_int_equal(run(skel, &frame), 0);
        /* 0: everything. 1: as it is. 2: the reverse. 3: another address. */
        set_addr(&f[1], true, family, one);
        set_addr(&f[1], false, family, two);
        f[1].value.sport = 1000;
        f[1].mask.sport = 0xffff;
        set_addr(&f[2], true, family, two);
        f[2].value.dport = 1000;
        f[2].mask.dport = 0xffff;
        set_addr(&f[3], true, family, other);
        /* 4: a port of each end, crossed. 5: another protocol. */
        set_addr(&f[4], true, family, one);
        f[4].value.sport = 2000;
        f[4].mask.sport = 0xffff;
        f[5].value.proto = IPPROTO_TCP;
        f[5].mask.proto = 0xff;
        /* 6: the other family, all of it. 7: only the protocol. */
        f[6].value.family = family == 6 ? 4 : 6;
        f[6].mask.family = 0xff;
        f[7].value.proto = IPPROTO_UDP;
        f[7].mask.proto = 0xff;
        for (unsigned int i = 0; i < PS_TRACER_MAX_TRACES; i++)
            set(skel, i, &f[i]);
        assert_int_equal(run(skel, &frame), 1 << 0 | 1 << 1 | 1 << 2 | 1 << 7);
        for (unsigned int i = 0; i < PS_TRACER_MAX_TRACES; i++)
            if (i != 2 && i != 3)
                ps_filter_remove(&skel->bss->tracing, i);
        assert_int_equal(run(skel, &frame), 1 << 2);
    }
}

/* A frame of the test has the device of this namespace. */
static void test_netns(void **state)
{
    struct ps_tracer_filter f = {0};
    struct tracer_test_bpf *skel = *state;
    struct frame frame;

    skel->bss->tracing.word = 0;
    make_udp(&frame, 4, "hello");
    assert_int_equal(ps_netns_self(&f.netns), 0);
    set(skel, 0, &f);
    f.netns++;
    set(skel, 1, &f);
    assert_int_equal(run(skel, &frame), 1 << 0);
}

/* Of the traces that began a moment before and behind this time. */
static int followers(struct tracer_test_bpf *skel, uint64_t time)
{
    LIBBPF_OPTS(bpf_test_run_opts, opts);
    struct frame frame;

    make_udp(&frame, 4, "hello");
    opts.data_in = frame.data;
    opts.data_size_in = frame.len;
    skel->bss->entry_time = time;
    skel->bss->since[0] = time - 1000;
    skel->bss->since[1] = time + 1000;
    assert_int_equal(
        bpf_prog_test_run_opts(bpf_program__fd(skel->progs.followers), &opts),
        0);
    return (int)opts.retval;
}

/* However long the machine runs; 208 days and 12 hours are 2 to the 54th. */
static void test_long_uptime(void **state)
{
    struct tracer_test_bpf *skel = *state;
    const uint64_t wrap = 1ull << 54;
    struct ps_tracer_filter f = {0};

    skel->bss->tracing.word = 0;
    set(skel, 0, &f);
    set(skel, 1, &f);
    for (uint64_t n = 0; n < 4; n++) {
        assert_int_equal(followers(skel, n * wrap + 5000), 1 << 0);
        assert_int_equal(followers(skel, n * wrap + 500), 1 << 0);
        assert_int_equal(followers(skel, (n + 1) * wrap - 500), 1 << 0);
        assert_int_equal(followers(skel, n * wrap + wrap / 2), 1 << 0);
    }
}

static void test_udp_content(void **state)
{
    struct tracer_test_bpf *skel = *state;
    struct frame frame;
    uint32_t hash;

    for (int family = 4; family <= 6; family += 2) {
        make_udp(&frame, family, "the same 16 bytes, then others");
        run(skel, &frame);
        assert_int_equal(skel->bss->seen.tuple.sport, 1000);
        assert_int_equal(skel->bss->seen.tuple.dport, 2000);
        assert_int_equal(skel->bss->seen.tuple.proto, IPPROTO_UDP);
        assert_int_equal(skel->bss->seen.tuple.family, family);
        assert_int_equal(skel->bss->seen.payload, 30);
        assert_int_equal(skel->bss->seen.ip_id, family == 4 ? 4711 : 0);
        assert_true(skel->bss->seen.flags & PS_EF_HASH);
        hash = skel->bss->seen.hash;
        /* Behind the 16 bytes, and in the checksum: not looked at. */
        frame.data[frame.len - 1] ^= 1;
        frame.data[frame.len - 30 - 2] ^= 1;
        run(skel, &frame);
        assert_int_equal(skel->bss->seen.hash, hash);
        frame.data[frame.len - 30] ^= 1;
        run(skel, &frame);
        assert_int_not_equal(skel->bss->seen.hash, hash);
        /* Ethernet's padding is not payload. */
        make_udp(&frame, family, "x");
        frame.len += 17;
        run(skel, &frame);
        assert_int_equal(skel->bss->seen.payload, 1);
    }
}

static void test_tcp_content(void **state)
{
    struct tracer_test_bpf *skel = *state;
    uint8_t l4[64] = {0};
    struct tcphdr tcp = {0};
    struct frame frame;

    tcp.source = htons(1);
    tcp.dest = htons(65535);
    tcp.seq = htonl(0xdeadbeef);
    tcp.ack_seq = htonl(0x01020304);
    tcp.doff = 8;
    tcp.psh = tcp.ack = 1;
    memcpy(l4, &tcp, sizeof(tcp));
    for (int family = 4; family <= 6; family += 2) {
        make_frame(&frame, family, IPPROTO_TCP, l4, 32 + 9);
        run(skel, &frame);
        assert_int_equal(skel->bss->seen.seq, 0xdeadbeef);
        assert_int_equal(skel->bss->seen.ack, 0x01020304);
        assert_int_equal(skel->bss->seen.payload, 9);
        assert_int_equal(skel->bss->seen.tcp_flags, TH_PUSH | TH_ACK);
        assert_int_equal(skel->bss->seen.tuple.dport, 65535);
    }
}

static void test_icmp_content(void **state)
{
    struct tracer_test_bpf *skel = *state;
    uint8_t l4[24] = {ICMP_ECHO, 0, 0, 0, 0x12, 0x34, 0, 7};
    struct frame frame;

    make_frame(&frame, 4, IPPROTO_ICMP, l4, sizeof(l4));
    run(skel, &frame);
    assert_int_equal(skel->bss->seen.seq, 7);
    assert_int_equal(skel->bss->seen.ack, 0x12340800);
    assert_int_equal(skel->bss->seen.payload, 16);
    l4[0] = ICMP6_ECHO_REPLY;
    make_frame(&frame, 6, IPPROTO_ICMPV6, l4, sizeof(l4));
    run(skel, &frame);
    assert_int_equal(skel->bss->seen.seq, 7);
    assert_int_equal(skel->bss->seen.ack, 0x12348100);
}

static void test_not_ip(void **state)
{
    struct tracer_test_bpf *skel = *state;
    struct ps_tracer_filter all = {0};
    struct frame frame;

    set(skel, 0, &all);
    make_udp(&frame, 4, "hello");
    frame.data[12] = 0x12; /* an unknown Ethernet type */
    assert_int_equal(run(skel, &frame), 0);
    make_udp(&frame, 4, "hello");
    frame.data[ETH] = 0x55; /* version 5 */
    assert_int_equal(run(skel, &frame), 0);
    /* Too short for its ports: they are not made up. */
    make_udp(&frame, 4, "");
    frame.len -= 4;
    assert_int_equal(run(skel, &frame) & 1, 1);
    assert_int_equal(skel->bss->seen.tuple.sport, 0);
}

/* ---- all of them, for real ---------------------------------------------- */

static unsigned int events[PS_ST_MAX];

static unsigned int with_stack, with_bytes, firsts;

static void on_event(void *arg _unused_, struct ps_tracer_event *event,
                     const struct ps_event_more *more)
{
    assert_in_range(event->station, 1, PS_ST_MAX - 1);
    events[event->station]++;
    with_stack += event->stack > 0;
    if (event->bytes > 0) {
        with_bytes++;
        assert_in_range(event->bytes, 1, 64);
        assert_int_equal(more->bytes[0] >> 4, 4);
        assert_int_equal(more->bytes[9], IPPROTO_ICMP);
    }
    firsts += (event->flags & PS_EF_FIRST) != 0;
}

static void test_stations_attach(void **state _unused_)
{
    const struct ps_probe_state *states;
    struct ps_filter icmp = {.kernel.value.proto = IPPROTO_ICMP,
                             .kernel.mask.proto = 0xff};
    _cleanup_(ps_bpf_types_free) struct btf *kernel = ps_bpf_kernel_types();
    const struct ps_probe_needs needs = {.kernel = kernel,
                                         .ring_bytes = PS_TRACER_RING_BYTES,
                                         .learned_fd = -1,
                                         .owners_fd = -1};
    const struct ps_probe_wish wish = {.stacks = true, .snap_bytes = 64};
    struct ps_probe_count counts[PS_ST_MAX];
    struct ps_probes *p = NULL;
    char reason[160] = "";
    size_t n;

    assert_int_equal(ps_probes_open(&needs, &p, reason, sizeof(reason)), 0);
    assert_false(ps_probes_attached(p));
    assert_int_equal(ps_probes_attach(p, true), 0);
    states = ps_probes_states(p, &n);
    assert_true(n >= 12);
    for (size_t i = 0; i < n; i++) {
        if (!states[i].available)
            print_message("%s: %s\n", states[i].id, states[i].reason);
        /* Netfilter links and the cast for cgroup programs are newer. */
        if (strcmp(states[i].id, "netfilter") != 0 &&
            strcmp(states[i].id, "tcx") != 0 &&
            strcmp(states[i].id, "cgroup_skb") != 0)
            assert_true(states[i].available);
    }
    assert_int_equal(ps_probes_set_filter(p, 3, &icmp, &wish), 0);
    assert_int_equal(
        ps_probes_set_filter(p, PS_TRACER_MAX_TRACES, &icmp, &wish), -EINVAL);
    memset(events, 0, sizeof(events));
    assert_int_equal(system("ping -c 2 -i 0.2 -W 1 127.0.0.1 >/dev/null 2>&1"),
                     0);
    ps_probes_clear_filter(p, 3);
    usleep(20000);
    assert_true(ps_probes_consume(p, on_event, NULL) > 0);
    assert_int_equal(ps_probes_counts(p, 3, counts), 0);
    /* Nothing is lost that is not counted, at any station. */
    for (size_t i = 0; i < PS_ST_MAX; i++)
        assert_int_equal(
            counts[i].count.hits,
            events[i] + counts[i].count.ring_full + counts[i].count.throttled +
                counts[i].count.map_full + counts[i].recursion_missed);
    /* Two requests and two answers, each with its bytes once. */
    assert_true(firsts >= 4);
    assert_int_equal(with_bytes, firsts);
    assert_true(with_stack >= events[PS_ST_NET_DEV_QUEUE]);
    assert_true(events[PS_ST_NET_DEV_QUEUE] >= 4);
    assert_true(events[PS_ST_NETIF_RECEIVE_SKB] >= 4);
    ps_probes_detach(p);
    assert_false(ps_probes_attached(p));
    /* Again, as the next trace does it. */
    assert_int_equal(ps_probes_attach(p, true), 0);
    assert_int_equal(ps_probes_set_filter(p, 3, &icmp, &wish), 0);
    assert_int_equal(ps_probes_counts(p, 3, counts), 0);
    ps_probes_clear_filter(p, 3);
    ps_probes_free(&p);
}

static void ignore(void *arg _unused_, struct ps_tracer_event *event _unused_,
                   const struct ps_event_more *more _unused_)
{
}

/* How often the slot's programs were hit by a datagram from port 7 to port 9 of
 * this machine. */
static uint64_t hits_of_datagram(struct ps_probes *p, unsigned int slot)
{
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                               .sin_port = htons(7)};
    struct sockaddr_in to = from;
    struct ps_probe_count counts[PS_ST_MAX];
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    uint64_t hits = 0;

    to.sin_port = htons(9);
    assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
    assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)),
                     1);
    close(fd);
    usleep(20000);
    ps_probes_consume(p, ignore, NULL);
    assert_int_equal(ps_probes_counts(p, slot, counts), 0);
    for (size_t i = 0; i < PS_ST_MAX; i++)
        hits += counts[i].count.hits;
    return hits;
}

/* Other names of what a trace followed are not the next one's in its slot,
 * whatever began between. */
static void test_names_end_with_their_trace(void **state _unused_)
{
    struct ps_filter other = {.kernel.value.sport = 1,
                              .kernel.mask.sport = 0xffff};
    struct ps_tracer_tuple known = {.family = 4,
                                    .proto = IPPROTO_UDP,
                                    .saddr = {127, 0, 0, 1},
                                    .daddr = {127, 0, 0, 1},
                                    .sport = 7,
                                    .dport = 9};
    struct ps_tracer_tuple unknown = known;
    _cleanup_(ps_bpf_types_free) struct btf *kernel = ps_bpf_kernel_types();
    const struct ps_probe_needs needs = {.kernel = kernel,
                                         .ring_bytes = PS_TRACER_RING_BYTES,
                                         .learned_fd = -1,
                                         .owners_fd = -1};
    const struct ps_probe_wish wish = {0};
    struct ps_probes *p = NULL;
    char reason[160] = "";

    unknown.sport = 11;
    assert_int_equal(ps_probes_open(&needs, &p, reason, sizeof(reason)), 0);
    assert_int_equal(ps_probes_attach(p, true), 0);
    assert_int_equal(ps_probes_set_filter(p, 1, &other, &wish), 0);
    assert_int_equal(ps_probes_add_alias(p, 1, &known), 0);
    assert_true(hits_of_datagram(p, 1) > 0);
    ps_probes_clear_filter(p, 1);
    /* Another one begins, in another slot; then one in this. */
    assert_int_equal(ps_probes_forget_aliases(p, 1 << 0), 0);
    assert_int_equal(ps_probes_forget_aliases(p, 1 << 1), 0);
    assert_int_equal(ps_probes_set_filter(p, 1, &other, &wish), 0);
    assert_int_equal(ps_probes_add_alias(p, 1, &unknown), 0);
    assert_int_equal(hits_of_datagram(p, 1), 0);
    ps_probes_free(&p);
}

/* The lower rung, which the ladder takes only where it must. */
static void test_raw_programs_attach(void **state _unused_)
{
    _cleanup_(ps_bpf_types_free) struct btf *kernel = ps_bpf_kernel_types();
    bool reason = ps_bpf_tracepoint_args(kernel, "kfree_skb") > 2;
    bool location = ps_bpf_tracepoint_args(kernel, "consume_skb") > 1;
    struct tracer_bpf *skel = tracer_bpf__open();
    struct bpf_link *links[16] = {NULL};
    struct bpf_program *prog;
    size_t n = 0;

    assert_non_null(skel);
    bpf_object__for_each_program(prog, skel->obj) {
        const char *name = bpf_program__name(prog);

        bpf_program__set_autoload(
            prog, !strncmp(name, "raw_", 4) &&
                      strcmp(name, reason ? "raw_kfree_skb2"
                                          : "raw_kfree_skb3") != 0 &&
                      strcmp(name, location ? "raw_consume_skb1"
                                            : "raw_consume_skb2") != 0);
    }
    assert_int_equal(tracer_bpf__load(skel), 0);
    bpf_object__for_each_program(prog, skel->obj) {
        char text[128] = "";

        if (!bpf_program__autoload(prog))
            continue;
        assert_int_equal(ps_bpf_try_attach(prog, &links[n], text, sizeof(text)),
                         0);
        n++;
    }
    assert_int_equal(n, 14);
    while (n)
        bpf_link__destroy(links[--n]);
    tracer_bpf__destroy(skel);
}

static void test_sockets(void **state _unused_)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct ps_sockscan_result result;
    struct ps_sockscan *scan = NULL;
    socklen_t len = sizeof(addr);
    char reason[160] = "";
    bool found = false;
    uint32_t before, after;
    int fd;

    fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(listen(fd, 7), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    assert_int_equal(ps_netns_self(&before), 0);
    assert_int_equal(ps_sockscan_open(&scan, reason, sizeof(reason)), 0);
    assert_int_equal(ps_sockscan_run(scan, &result), 0);
    assert_int_equal(ps_netns_self(&after), 0);
    assert_int_equal(before, after);
    for (size_t i = 0; i < ps_socktable_len(result.table); i++) {
        const struct ps_sock *s = ps_socktable_get(result.table, i);

        if (s->rec.lport != ntohs(addr.sin_port) || s->rec.netns != before)
            continue;
        found = true;
        assert_int_equal(s->n_owners, 1);
        assert_int_equal(ps_socktable_owner(result.table, s->owners)->pid,
                         getpid());
        assert_int_equal(ps_socktable_owner(result.table, s->owners)->fd, fd);
        assert_int_equal(s->rec.send_queue, 7);
        assert_string_equal(ps_sock_state_name(s->rec.state), "LISTEN");
    }
    assert_true(found);
    ps_sockscan_result_free(&result);
    ps_sockscan_free(&scan);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_filters, load, unload),
        cmocka_unit_test_setup_teardown(test_netns, load, unload),
        cmocka_unit_test_setup_teardown(test_long_uptime, load, unload),
        cmocka_unit_test_setup_teardown(test_udp_content, load, unload),
        cmocka_unit_test_setup_teardown(test_tcp_content, load, unload),
        cmocka_unit_test_setup_teardown(test_icmp_content, load, unload),
        cmocka_unit_test_setup_teardown(test_not_ip, load, unload),
        cmocka_unit_test(test_stations_attach),
        cmocka_unit_test(test_names_end_with_their_trace),
        cmocka_unit_test(test_raw_programs_attach),
        cmocka_unit_test(test_sockets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
