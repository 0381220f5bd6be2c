/* SPDX-License-Identifier: MIT */
/*
 * Fills a tracer's history for tests/bench/tracer_store.py, by the daemon's own
 * history: fill-history DIR MAX_BYTES STEPS. Traces of 10,000 ways of 20 steps;
 * most of one busy service and its clients, some of pairs that are seen once.
 */
#include <netinet/in.h>

#include "common/json.h"
#include "common/net.h"
#include "common/options.h"
#include "tracer/history.h"

#define WAYS  10000u
#define STEPS 20u
#define BATCH 500u
#define START UINT64_C(1800000000000000000)

static const struct {
    const char *layer, *station, *direction;
} places[STEPS] = {
    {"socket", "sock_send", "out"},
    {"netfilter", "netfilter:output", "out"},
    {"netfilter", "netfilter:postrouting", "out"},
    {"network", "cgroup_skb:egress", "out"},
    {"qdisc", "net_dev_queue", "out"},
    {"driver", "net_dev_start_xmit", "out"},
    {"driver", "net_dev_xmit", "out"},
    {"driver", "netif_rx", "in"},
    {"driver", "napi_gro_receive_entry", "in"},
    {"network", "netif_receive_skb", "in"},
    {"netfilter", "netfilter:prerouting", "in"},
    {"netfilter", "netfilter:forward", NULL},
    {"netfilter", "netfilter:postrouting", "out"},
    {"qdisc", "net_dev_queue", "out"},
    {"driver", "net_dev_start_xmit", "out"},
    {"network", "netif_receive_skb", "in"},
    {"netfilter", "netfilter:input", "in"},
    {"socket", "cgroup_skb:ingress", "in"},
    {"application", "skb_copy_datagram_iovec", "in"},
    {"free", "consume_skb", NULL},
};

static uint32_t random_number(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(*state >> 33);
}

static Ps__Tuple *make_tuple(uint32_t client, uint32_t port, bool back)
{
    Ps__Tuple *t = (Ps__Tuple *)ps_message_new(&ps__tuple__descriptor);
    struct ps_addr a = {
        4,
        {10, (uint8_t)(client >> 16), (uint8_t)(client >> 8), (uint8_t)client}};
    struct ps_addr b = {4, {192, 168, 0, 1}};

    if (!t)
        return NULL;
    t->saddr = ps_addr_to_pb(back ? &b : &a);
    t->daddr = ps_addr_to_pb(back ? &a : &b);
    t->has_sport = t->has_dport = 1;
    t->sport = back ? 443 : port;
    t->dport = back ? port : 443;
    t->proto = ps_ipproto_to_pb(IPPROTO_TCP);
    return t;
}

static int fill_step(Ps__Step *s, size_t i, uint64_t time, uint32_t delta)
{
    s->time = ps_time_to_pb(time);
    s->has_delta_ns = i > 0;
    s->delta_ns = delta;
    s->layer = strdup(places[i].layer);
    s->station = strdup(places[i].station);
    s->direction = places[i].direction ? strdup(places[i].direction) : NULL;
    s->hook = strdup("tp_btf");
    s->ifname = strdup(i < 7 ? "eth0" : "eth1");
    s->has_cpu = s->has_netns = s->has_ifindex = s->has_len = 1;
    s->cpu = (uint32_t)i % 4;
    s->netns = i < 7 ? 4026531840 : 4026532999;
    s->ifindex = i < 7 ? 2 : 3;
    s->len = 1500;
    s->has_packets = s->has_mark = s->has_inferred = 1;
    s->packets = 1;
    return s->time && s->layer && s->station && s->hook && s->ifname ? 0
                                                                     : -ENOMEM;
}

static int fill_way(Ps__PacketWay *w, uint64_t at, uint64_t *state)
{
    /* One of ten is of a pair that hardly comes again. */
    uint32_t client = random_number(state) % 10
                          ? random_number(state) % 200
                          : 1000 + random_number(state) % (1u << 23);
    uint32_t port = 1024 + random_number(state) % 60000;
    bool back = random_number(state) % 2;
    uint64_t time = at;

    w->tuple = make_tuple(client, port, back);
    w->first = ps_time_to_pb(at);
    w->has_len = w->has_ip_id = w->has_tcp_seq = 1;
    w->len = 1500;
    w->ip_id = random_number(state) & 0xffff;
    w->tcp_seq = random_number(state);
    w->fate = strdup("delivered");
    w->steps = calloc(STEPS, sizeof(*w->steps));
    if (!w->tuple || !w->first || !w->fate || !w->steps)
        return -ENOMEM;
    for (size_t i = 0; i < STEPS; i++) {
        uint32_t delta = i ? 200 + random_number(state) % 20000 : 0;
        Ps__Step *s = (Ps__Step *)ps_message_new(&ps__step__descriptor);

        if (!s)
            return -ENOMEM;
        w->steps[w->n_steps++] = s;
        time += delta;
        s->tuple = make_tuple(client, port, back);
        if (!s->tuple || fill_step(s, i, time, delta) < 0)
            return -ENOMEM;
    }
    w->last = ps_time_to_pb(time);
    return w->last ? 0 : -ENOMEM;
}

static int add_batch(struct ps_history *h, const char *id, uint32_t first,
                     uint64_t *at, uint64_t *state)
{
    Ps__PacketWay *ways[BATCH] = {NULL};
    size_t n = 0, done = 0;
    int r = 0;

    for (; n < BATCH && r == 0; n++) {
        ways[n] = (Ps__PacketWay *)ps_message_new(&ps__packet_way__descriptor);
        if (!ways[n])
            return -ENOMEM;
        ways[n]->id = first + n;
        *at += 1000 + random_number(state) % 100000;
        r = fill_way(ways[n], *at, state);
        ways[n]->trace = strdup(id);
    }
    if (r == 0)
        r = ps_history_add(h, id, ways, n, &done);
    for (size_t i = 0; i < n; i++)
        ps__packet_way__free_unpacked(ways[i], NULL);
    return r;
}

static int add_trace(struct ps_history *h, uint32_t number, uint32_t ways,
                     uint64_t *at, uint64_t *state)
{
    Ps__Trace *t = (Ps__Trace *)ps_message_new(&ps__trace__descriptor);
    char id[32];
    int r = t ? 0 : -ENOMEM;

    if (r == 0) {
        snprintf(id, sizeof(id), "bench%07u", number);
        t->id = strdup(id);
        t->state = PS__TRACE__STATE__done;
        t->filter =
            (Ps__TraceFilter *)ps_message_new(&ps__trace_filter__descriptor);
        t->created = ps_time_to_pb(*at);
        t->packets = ways;
        t->steps = t->hits = (uint64_t)ways * STEPS;
        r = t->id && t->filter && t->created ? ps_history_put(h, t) : -ENOMEM;
        ps__trace__free_unpacked(t, NULL);
    }
    for (uint32_t n = 0; n < ways && r == 0; n += BATCH)
        r = add_batch(h, id, n, at, state);
    return r;
}

int main(int argc, char **argv)
{
    uint64_t max_bytes, steps, at = START, state = 1;
    struct ps_history *h = NULL;
    char *error = NULL;
    int r;

    if (argc != 4 || ps_parse_size(argv[2], &max_bytes) < 0 ||
        ps_parse_uint(argv[3], STEPS * BATCH, UINT64_MAX, &steps) < 0) {
        fprintf(stderr, "usage: fill-history DIR MAX_BYTES STEPS\n");
        return 2;
    }
    r = ps_history_open(argv[1], max_bytes, &h, &error);
    for (uint32_t i = 0; steps > 0 && r == 0; i++) {
        uint64_t ways = steps / STEPS < WAYS ? steps / STEPS : WAYS;

        ways -= ways % BATCH;
        if (ways == 0)
            break;
        r = add_trace(h, i, (uint32_t)ways, &at, &state);
        steps -= ways * STEPS;
    }
    if (r < 0)
        fprintf(stderr, "fill-history: %s\n", error ? error : strerror(-r));
    free(error);
    ps_history_free(&h);
    return r < 0;
}
