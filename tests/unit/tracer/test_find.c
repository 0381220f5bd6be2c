/* SPDX-License-Identifier: MIT */
/* Ways in the history: whole as they went in, found by their tuples, the
 * newest first, whatever leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "common/json.h"
#include "common/net.h"
#include "tests/unit/tracer/history.h"
#include "tracer/way_body.h"
#include "tracer/way_keys.h"

#define START UINT64_C(1800000000000000000)

static Ps__Ip *make_ip(const char *text)
{
    struct ps_addr addr;

    assert_int_equal(ps_addr_parse(text, &addr), 0);
    return ps_addr_to_pb(&addr);
}

static Ps__Tuple *make_tuple(const char *saddr, uint32_t sport,
                             const char *daddr, uint32_t dport)
{
    Ps__Tuple *t = (Ps__Tuple *)ps_message_new(&ps__tuple__descriptor);

    t->saddr = make_ip(saddr);
    t->daddr = make_ip(daddr);
    t->has_sport = t->has_dport = 1;
    t->sport = sport;
    t->dport = dport;
    t->proto = ps_ipproto_to_pb(IPPROTO_TCP);
    return t;
}

/* At time START + at, with some steps; takes the tuple. */
static Ps__PacketWay *make_way(uint32_t n, uint64_t at, Ps__Tuple *tuple)
{
    Ps__PacketWay *w =
        (Ps__PacketWay *)ps_message_new(&ps__packet_way__descriptor);

    w->id = n;
    w->tuple = tuple;
    w->first = ps_time_to_pb(START + at);
    w->last = ps_time_to_pb(START + at + 300);
    w->steps = calloc(4, sizeof(*w->steps));
    for (uint64_t i = 0; i < 4; i++) {
        Ps__Step *s = (Ps__Step *)ps_message_new(&ps__step__descriptor);

        s->time = ps_time_to_pb(START + at + 100 * i);
        s->has_delta_ns = i > 0;
        s->delta_ns = i > 0 ? 100 : 0;
        s->layer = strdup("driver");
        s->station = strdup("net_dev_queue");
        s->ifname = strdup(i < 2 ? "eth0" : "eth1");
        s->has_ifindex = 1;
        s->ifindex = i < 2 ? 2 : 3;
        w->steps[w->n_steps++] = s;
    }
    return w;
}

static void begin_as(struct ps_history *h, const char *id,
                     Ps__Trace__State state, bool drops_only)
{
    Ps__Trace *t = (Ps__Trace *)ps_message_new(&ps__trace__descriptor);

    t->id = strdup(id);
    t->state = state;
    t->filter =
        (Ps__TraceFilter *)ps_message_new(&ps__trace_filter__descriptor);
    t->filter->has_drops_only = t->filter->drops_only = drops_only;
    t->created = ps_time_to_pb(START);
    assert_int_equal(ps_history_put(h, t), 0);
    ps__trace__free_unpacked(t, NULL);
}

static void begin(struct ps_history *h, const char *id, Ps__Trace__State state)
{
    begin_as(h, id, state, false);
}

/* Takes the way. */
static void add(struct ps_history *h, const char *id, Ps__PacketWay *way)
{
    size_t n = 0;

    assert_int_equal(ps_history_add(h, id, &way, 1, &n), 0);
    assert_int_equal(n, 1);
    ps__packet_way__free_unpacked(way, NULL);
}

static Ps__FindPacketsRequest *question(const char *saddr, uint32_t sport,
                                        const char *daddr, uint32_t dport,
                                        uint32_t proto)
{
    Ps__FindPacketsRequest *q = (Ps__FindPacketsRequest *)ps_message_new(
        &ps__find_packets_request__descriptor);

    q->saddr = saddr ? make_ip(saddr) : NULL;
    q->daddr = daddr ? make_ip(daddr) : NULL;
    q->has_sport = sport != 0;
    q->sport = sport;
    q->has_dport = dport != 0;
    q->dport = dport;
    q->proto = proto ? ps_ipproto_to_pb(proto) : NULL;
    return q;
}

/* Takes the question. The numbers of what is found, as "3 1 0 ". */
static void find(struct ps_history *h, Ps__FindPacketsRequest *q,
                 const char *wanted)
{
    struct ps_history_place from = {0};
    struct ps_history_found found = {0};
    char text[256] = "";
    size_t len = 0;

    assert_int_equal(ps_history_find(h, q, &from, 50, UINT64_MAX, &found), 0);
    assert_false(found.partial);
    for (size_t i = 0; i < found.n; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%d ",
                                (int)found.ways[i]->id);
    assert_string_equal(text, wanted);
    ps_history_found_clear(&found);
    ps__find_packets_request__free_unpacked(q, NULL);
}

static void assert_same(const Ps__PacketWay *a, const Ps__PacketWay *b)
{
    char *x = NULL, *y = NULL;

    assert_int_equal(ps_json_print(&a->base, &x, NULL), 0);
    assert_int_equal(ps_json_print(&b->base, &y, NULL), 0);
    assert_string_equal(x, y);
    free(x);
    free(y);
}

static void test_whole(void **state _unused_)
{
    struct ps_history *h = open_history(8 * MIB);
    struct ps_history_iface ifaces[PS_HISTORY_MAX_IFACES];
    const struct ps_history_want all = {.limit = 100};
    struct ps_history_page page = {0};
    size_t n = 0;

    begin(h, "a", PS__TRACE__STATE__running);
    for (uint32_t i = 0; i < 20; i++)
        add(h, "a",
            make_way(i, i * 1000,
                     make_tuple("10.0.0.1", 1000 + i, "10.0.0.2", 80)));
    ps_history_free(&h);
    h = open_history(8 * MIB);
    assert_int_equal(ps_history_ways(h, "a", &all, &page), 0);
    assert_int_equal(page.n, 20);
    for (uint32_t i = 0; i < 20; i++) {
        Ps__PacketWay *way = make_way(
            i, i * 1000, make_tuple("10.0.0.1", 1000 + i, "10.0.0.2", 80));

        way->has_stored = way->stored = true;
        assert_same(page.ways[i], way);
        ps__packet_way__free_unpacked(way, NULL);
    }
    ps_history_page_clear(&page);
    assert_int_equal(ps_history_ifaces(h, "a", ifaces, &n), 0);
    assert_int_equal(n, 2);
    assert_string_equal(ifaces[0].name, "eth0");
    assert_string_equal(ifaces[1].name, "eth1");
    assert_int_equal(ifaces[1].ifindex, 3);
    ps_history_free(&h);
}

static void test_bodies_are_small(void **state _unused_)
{
    struct ps_way_codec *codec = NULL;
    Ps__PacketWay *way =
                      make_way(0, 0, make_tuple("10.0.0.1", 1, "10.0.0.2", 80)),
                  *got = NULL;
    struct ps_way_plain sample = {0}, plain = {0};
    uint8_t *body = NULL;
    size_t len;

    assert_int_equal(ps_way_codec_new(&codec), 0);
    assert_int_equal(ps_way_pack(way, &sample), 0);
    way->id = 4711;
    assert_int_equal(ps_way_pack(way, &plain), 0);
    assert_int_equal(
        ps_way_deflate(codec, sample.data, sample.len, &plain, &body, &len), 0);
    assert_true(len < plain.len / 4);
    assert_int_equal(
        ps_way_unpack(codec, sample.data, sample.len, body, len, &got), 0);
    assert_same(way, got);
    ps__packet_way__free_unpacked(got, NULL);
    /* Cut: an error. */
    for (size_t i = 0; i < len; i++)
        assert_int_equal(
            ps_way_unpack(codec, sample.data, sample.len, body, i, &got),
            -EBADMSG);
    free(sample.data);
    free(plain.data);
    free(body);
    ps__packet_way__free_unpacked(way, NULL);
    ps_way_codec_free(&codec);
}

static void test_by_tuple(void **state _unused_)
{
    struct ps_history *h = open_history(8 * MIB);
    Ps__PacketWay *way;

    begin(h, "a", PS__TRACE__STATE__running);
    begin(h, "b", PS__TRACE__STATE__running);
    add(h, "a", make_way(0, 10, make_tuple("10.0.0.1", 1000, "10.0.0.2", 80)));
    add(h, "b", make_way(1, 20, make_tuple("10.0.0.2", 80, "10.0.0.1", 1000)));
    add(h, "a", make_way(2, 30, make_tuple("10.0.0.3", 1000, "10.0.0.2", 81)));
    add(h, "b", make_way(3, 40, make_tuple("fe80::1", 1000, "fe80::2", 80)));
    way = make_way(4, 50, make_tuple("10.0.0.9", 7, "10.0.0.8", 8));
    /* Before NAT, and inside of a tunnel. */
    way->tuples = calloc(1, sizeof(*way->tuples));
    way->tuples[way->n_tuples++] = make_tuple("192.168.1.1", 70, "10.0.0.8", 8);
    way->steps[3]->inner = make_tuple("172.16.0.1", 71, "172.16.0.2", 72);
    add(h, "a", way);

    find(h, question(NULL, 0, NULL, 0, 0), "4 3 2 1 0 ");
    find(h, question("10.0.0.1", 1000, "10.0.0.2", 80, IPPROTO_TCP), "1 0 ");
    find(h, question("10.0.0.2", 80, "10.0.0.1", 1000, IPPROTO_TCP), "1 0 ");
    find(h, question("10.0.0.1", 1000, "10.0.0.2", 80, IPPROTO_UDP), "");
    find(h, question("10.0.0.2", 0, NULL, 0, 0), "2 1 0 ");
    find(h, question(NULL, 0, "10.0.0.2", 0, 0), "2 1 0 ");
    find(h, question(NULL, 0, NULL, 80, 0), "3 1 0 ");
    find(h, question(NULL, 1000, NULL, 81, 0), "2 ");
    find(h, question("10.0.0.2", 1000, NULL, 0, 0), "");
    find(h, question("10.0.0.2", 0, NULL, 1000, 0), "2 1 0 ");
    find(h, question("192.168.1.1", 0, "10.0.0.8", 0, 0), "4 ");
    find(h, question("172.16.0.2", 72, "172.16.0.1", 71, IPPROTO_TCP), "4 ");
    find(h, question("10.0.0.9", 0, NULL, 0, IPPROTO_TCP), "4 ");
    find(h, question("fe80::2", 80, NULL, 0, 0), "3 ");
    find(h, question("10.1.1.1", 0, NULL, 0, 0), "");
    find(h, question(NULL, 0, NULL, 0, IPPROTO_TCP), "4 3 2 1 0 ");
    find(h, question(NULL, 0, NULL, 0, IPPROTO_UDP), "");
    /* A trace that goes takes them along. */
    assert_int_equal(ps_history_delete(h, "a"), 0);
    find(h, question("10.0.0.1", 1000, "10.0.0.2", 80, IPPROTO_TCP), "1 ");
    find(h, question("192.168.1.1", 0, NULL, 0, 0), "");
    find(h, question(NULL, 0, NULL, 0, 0), "3 1 ");
    ps_history_free(&h);
}

/* Every page in turn is every way, newest first, though the traces overlap. */
static void test_find_pages(void **state _unused_)
{
    struct ps_history *h = open_history(8 * MIB);
    Ps__FindPacketsRequest *q = question("10.0.0.1", 0, "10.0.0.2", 0, 0);
    struct ps_history_place place = {0};
    char text[PS_HISTORY_PLACE_TEXT];
    uint64_t before = UINT64_MAX;
    size_t seen = 0;
    bool more = true;

    for (uint32_t k = 0; k < 3; k++) {
        char id[2] = {(char)('a' + k), '\0'};

        begin(h, id, PS__TRACE__STATE__done);
        for (uint32_t i = 0; i < 50; i++)
            add(h, id,
                make_way(i, i * 10 * PS_NS_PER_MS + k,
                         make_tuple(i % 5 ? "10.0.0.1" : "10.0.0.7", 1,
                                    "10.0.0.2", 80)));
    }
    while (more) {
        struct ps_history_found found = {0};

        assert_int_equal(ps_history_find(h, q, &place, 7, UINT64_MAX, &found),
                         0);
        for (size_t i = 0; i < found.n; i++) {
            uint64_t first = found.ways[i]->first->unix_ns;

            assert_true(first < before);
            before = first;
            seen++;
        }
        more = found.more;
        assert_true(found.n == 7 || !more);
        ps_history_place_format(&found.next, text);
        assert_int_equal(ps_history_place_parse(text, &place), 0);
        ps_history_found_clear(&found);
    }
    assert_int_equal(seen, 120);
    ps__find_packets_request__free_unpacked(q, NULL);
    ps_history_free(&h);
}

/* A search without time comes to its end in pages, and misses nothing. */
static void test_find_late(void **state _unused_)
{
    struct ps_history *h = open_history(8 * MIB);
    Ps__FindPacketsRequest *q = question("10.0.0.1", 0, NULL, 81, 0);
    struct ps_history_place place = {0};
    uint64_t before = UINT64_MAX;
    size_t seen = 0, late = 0;
    char text[PS_HISTORY_PLACE_TEXT];
    bool more = true;

    for (uint32_t k = 0; k < 3; k++) {
        char id[2] = {(char)('a' + k), '\0'};

        begin(h, id, PS__TRACE__STATE__done);
        for (uint32_t i = 0; i < 200; i++) {
            bool fits = i % 50 == 7;
            const char *from = fits || i % 2 ? "10.0.0.1" : "10.0.0.3";

            add(h, id,
                make_way(i, i * PS_NS_PER_MS / 4 + k,
                         make_tuple(from, 1, "10.0.0.2",
                                    fits || i % 2 == 0 ? 81 : 80)));
        }
    }
    while (more) {
        struct ps_history_found found = {0};

        assert_int_equal(ps_history_find(h, q, &place, 3, 1, &found), 0);
        for (size_t i = 0; i < found.n; i++) {
            assert_true(found.ways[i]->first->unix_ns < before);
            before = found.ways[i]->first->unix_ns;
            assert_int_equal(found.ways[i]->id % 50, 7);
            seen++;
        }
        late += found.partial;
        assert_true(!found.partial || found.more);
        more = found.more;
        ps_history_place_format(&found.next, text);
        assert_int_equal(!more || ps_history_place_parse(text, &place) == 0, 1);
        ps_history_found_clear(&found);
    }
    assert_int_equal(seen, 12);
    assert_true(late > 3);
    ps__find_packets_request__free_unpacked(q, NULL);
    ps_history_free(&h);
}

/* Where ways are chosen by what became of them, the last number is not that
 * of the newest. */
static void test_find_chosen(void **state _unused_)
{
    struct ps_history *h = open_history(8 * MIB);
    Ps__FindPacketsRequest *q = question("10.0.0.1", 0, NULL, 0, 0);
    struct ps_history_place place = {0};
    uint64_t before = UINT64_MAX;
    size_t seen = 0;
    bool more = true;

    begin_as(h, "a", PS__TRACE__STATE__done, true);
    begin_as(h, "b", PS__TRACE__STATE__done, false);
    for (uint32_t i = 0; i < 60; i++) {
        add(h, "a",
            make_way(i, i * 37 % 60 * 100 * PS_NS_PER_MS,
                     make_tuple("10.0.0.1", 1, "10.0.0.2", 80)));
        add(h, "b",
            make_way(i, i * 100 * PS_NS_PER_MS + 50,
                     make_tuple("10.0.0.1", 1, "10.0.0.2", 80)));
    }
    while (more) {
        struct ps_history_found found = {0};

        assert_int_equal(ps_history_find(h, q, &place, 7, 1, &found), 0);
        for (size_t i = 0; i < found.n; i++, seen++) {
            assert_true(found.ways[i]->first->unix_ns < before);
            before = found.ways[i]->first->unix_ns;
        }
        more = found.more;
        place = found.next;
        ps_history_found_clear(&found);
    }
    assert_int_equal(seen, 120);
    ps__find_packets_request__free_unpacked(q, NULL);
    ps_history_free(&h);
}

static void test_places(void **state _unused_)
{
    static const char *const wrong[] = {"",
                                        "0",
                                        "1",
                                        "1.2",
                                        "1.2.",
                                        "1.2.3.4",
                                        "a.2.3",
                                        "0.1.2",
                                        "1.2.-3",
                                        "1.2.4294967296",
                                        "1.9223372036854775808.3",
                                        "18446744073709551616.1.1",
                                        " 1.2.3",
                                        "1.2.3 "};
    struct ps_history_place place;

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(ps_history_place_parse(wrong[i], &place), -EINVAL);
    assert_int_equal(ps_history_place_parse("18446744073709551615.7.9", &place),
                     0);
    assert_true(place.first == UINT64_MAX && place.trace == 7 && place.n == 9);
}

/* What was added to a trace that ran when the daemon died is what it has. */
static void test_restart_counts(void **state _unused_)
{
    struct ps_history *h = open_history(8 * MIB);
    Ps__Trace *t = NULL;
    Ps__PacketWay *way;

    begin(h, "a", PS__TRACE__STATE__running);
    for (uint32_t i = 0; i < 5; i++) {
        way = make_way(i, i, make_tuple("10.0.0.1", 1, "10.0.0.2", 80));
        way->fate = strdup(i == 3 ? "dropped" : "sent");
        add(h, "a", way);
    }
    ps_history_free(&h);
    h = open_history(8 * MIB);
    assert_int_equal(ps_history_recover(h, START), 0);
    assert_int_equal(ps_history_get(h, "a", &t), 0);
    assert_int_equal(t->packets, 5);
    assert_int_equal(t->drops, 1);
    assert_int_equal(t->steps, 20);
    assert_int_equal(t->state, PS__TRACE__STATE__done);
    ps__trace__free_unpacked(t, NULL);
    ps_history_free(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole, make_dir, remove_dir),
        cmocka_unit_test(test_bodies_are_small),
        cmocka_unit_test_setup_teardown(test_by_tuple, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_find_pages, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_find_late, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_find_chosen, make_dir, remove_dir),
        cmocka_unit_test(test_places),
        cmocka_unit_test_setup_teardown(test_restart_counts, make_dir,
                                        remove_dir),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
