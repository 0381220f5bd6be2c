/* SPDX-License-Identifier: MIT */
/* Every program of the analyzer loads and attaches; the maps count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <sched.h>
#include <sys/socket.h>

#include "bpf/lib/place_abi.h"

#include "analyzer.skel.h"
#include "analyzer/probe.h"
#include "common/bpf.h"
#include "common/net.h"

static const struct ps_probe_sizes sizes = {
    .flows = 64, .flow_drops = 32, .ifaces = 32};

static int open_probe(struct ps_probe **ret_probe)
{
    _cleanup_(ps_bpf_types_free) struct btf *kernel = ps_bpf_kernel_types();

    return ps_probe_open(kernel, NULL, &sizes, ret_probe);
}

static void test_every_program_attaches(void **state _unused_)
{
    struct btf *kernel = ps_bpf_kernel_types();
    int args = ps_bpf_tracepoint_args(kernel, "kfree_skb");
    struct bpf_program *prog;
    struct analyzer_bpf *skel = analyzer_bpf__open();
    size_t n = 0;

    ps_bpf_types_free(&kernel);
    assert_non_null(skel);
    assert_in_range(args, 2, 4);
    skel->rodata->kfree_skb_args = (uint32_t)args;
    assert_int_equal(analyzer_bpf__load(skel), 0);
    bpf_object__for_each_program(prog, skel->obj) {
        struct bpf_link *link = bpf_program__attach(prog);

        assert_non_null(link);
        assert_int_equal(bpf_link__destroy(link), 0);
        n++;
    }
    assert_int_equal(n, 6);
    analyzer_bpf__destroy(skel);
}

static void test_core_tier(void **state _unused_)
{
    struct ps_probe *probe;

    assert_int_equal(open_probe(&probe), 0);
    for (int i = 0; i < PS_PROBE_HOOKS; i++) {
        const struct ps_probe_status *s =
            ps_probe_status(probe, (enum ps_probe_hook)i);

        assert_true(s->attached);
        assert_string_equal(s->tier, "tp_btf");
    }
    assert_true(ps_probe_memory(probe) > 0);
    ps_probe_free(&probe);
    assert_null(probe);
}

/* ---- counting over a loopback of our own -------------------------------- */

/* Sends n datagrams of 10 bytes to 127.0.0.1:9 from a port. */
static void send_udp(uint16_t from, int n)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    addr.sin_port = htons(from);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    addr.sin_port = htons(9);
    while (n--)
        assert_int_equal(sendto(fd, "0123456789", 10, 0,
                                (struct sockaddr *)&addr, sizeof(addr)),
                         10);
    close(fd);
}

struct sums {
    uint32_t netns;
    size_t n;
    struct ps_counters rx, tx;
    uint64_t drops;
};

static int add_flow(void *arg, const void *key, const void *value)
{
    const struct ps_flow_value v = ps_flow_read(value);
    const struct ps_flow_key *k = key;
    struct sums *sums = arg;

    if (k->netns != sums->netns)
        return 0;
    sums->n++;
    ps_counters_add(&sums->rx, &v.rx);
    ps_counters_add(&sums->tx, &v.tx);
    return 0;
}

static int add_drop(void *arg, const void *key, const void *value)
{
    const struct ps_flow_drop_key *k = key;
    struct sums *sums = arg;

    if (k->flow.netns == sums->netns && k->flow.lport == 9)
        sums->drops += ((const struct ps_drop_value *)value)->packets;
    return 0;
}

/* lo's own counters are without a link-layer header: 20 + 8 + 10 bytes. */
static void test_counts(void **state)
{
    const struct ps_flow_key lost = {.netns = 1};
    struct sums sums = {.netns = *(uint32_t *)*state};
    struct ps_flow_value value;
    struct ps_flow_key key;
    struct ps_probe *probe;

    assert_int_equal(open_probe(&probe), 0);
    send_udp(7001, 100);
    assert_int_equal(ps_map_read(ps_probe_flows(probe), add_flow, &sums), 0);
    assert_int_equal(ps_map_read(ps_probe_flow_drops(probe), add_drop, &sums),
                     0);
    /* Each datagram leaves as 7001 > 9 and comes in as 9 < 7001; the port
     * unreachable messages are rate limited. */
    assert_int_equal(sums.drops, 100);
    assert_true(sums.rx.skbs >= 100);
    assert_int_equal(sums.rx.skbs, sums.tx.skbs);
    assert_int_equal(sums.rx.bytes, sums.tx.bytes);

    /* Taking an entry gives what it held, once. */
    assert_int_equal(ps_map_take(ps_probe_flows(probe), &lost, &value),
                     -ENOENT);
    assert_int_equal(
        bpf_map_get_next_key(ps_probe_flows(probe)->fd, NULL, &key), 0);
    assert_int_equal(ps_map_take(ps_probe_flows(probe), &key, &value), 0);
    assert_true(value.rx.skbs + value.tx.skbs > 0);
    assert_int_equal(ps_map_take(ps_probe_flows(probe), &key, &value), -ENOENT);
    ps_probe_free(&probe);
}

/* More flows than the map holds: seen = sum(flows) + lost. */
static void test_full_map_is_counted(void **state)
{
    struct sums sums = {.netns = *(uint32_t *)*state};
    struct ps_analyzer_losses losses;
    struct ps_probe *probe;
    uint64_t counted;

    assert_int_equal(open_probe(&probe), 0);
    for (uint16_t port = 8000; port < 8200; port++)
        send_udp(port, 1);
    assert_int_equal(ps_map_read(ps_probe_flows(probe), add_flow, &sums), 0);
    assert_int_equal(ps_probe_losses(probe, &losses), 0);
    assert_true(sums.n <= sizes.flows);
    assert_true(losses.flow_full_skbs > 0);
    assert_int_equal(losses.flow_full_skbs, losses.flow_full_packets);
    assert_true(losses.flow_full_bytes >= 38 * losses.flow_full_skbs);
    assert_true(losses.flow_drop_full_skbs > 0);
    /* 200 sent and 200 received, and the answers; others may be counted by
     * the losses too, but not ours be missed. */
    counted = sums.rx.skbs + sums.tx.skbs + losses.flow_full_skbs;
    assert_true(counted >= 400);
    ps_probe_free(&probe);
}

static int setup(void **state)
{
    static uint32_t netns;

    ps_bpf_init();
    if (unshare(CLONE_NEWNET) < 0 || system("ip link set lo up") != 0 ||
        ps_netns_self(&netns) < 0)
        return -1;
    *state = &netns;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_program_attaches),
        cmocka_unit_test(test_core_tier),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_full_map_is_counted),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
