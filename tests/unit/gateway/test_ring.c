/* SPDX-License-Identifier: MIT */
#include "t.h"

#include "gateway/ring.h"

#define BASE 1000

#define KEEP (60 * PS_NS_PER_S)

static void add_at(struct ps_ring *ring, uint64_t now_ns, uint32_t topic,
                   size_t times)
{
    for (size_t i = 0; i < times; i++)
        assert_non_null(ps_ring_add(ring, now_ns, topic, "t", "{}"));
}

static void add(struct ps_ring *ring, uint32_t topic, size_t times)
{
    add_at(ring, 1, topic, times);
}

static void test_text(void **state _unused_)
{
    struct ps_ring *ring = NULL;
    const struct ps_ring_event *event;

    assert_int_equal(ps_ring_new(BASE, 4096, KEEP, &ring), 0);
    event = ps_ring_add(ring, 1, 2, "trace", "{\"id\":\"t1\"}");
    assert_string_equal(event->text,
                        "id: 1000\nevent: trace\ndata: {\"id\":\"t1\"}\n\n");
    assert_int_equal(event->len, strlen(event->text));
    assert_ptr_equal(ps_ring_get(ring, BASE), event);
    assert_null(ps_ring_get(ring, BASE + 1));
    assert_null(ps_ring_get(ring, BASE - 1));
    assert_int_equal(ps_ring_next(ring), BASE + 1);
    ps_ring_free(&ring);
}

static void test_bytes_bound(void **state _unused_)
{
    struct ps_ring *ring = NULL;
    size_t one = strlen("id: 1000\nevent: t\ndata: {}\n\n"), bytes = 0;

    assert_int_equal(ps_ring_new(BASE, 10 * one, KEEP, &ring), 0);
    add(ring, 0, 25);
    assert_int_equal(ps_ring_next(ring), BASE + 25);
    assert_int_equal(ps_ring_first(ring), BASE + 15);
    for (uint64_t seq = ps_ring_first(ring); seq < ps_ring_next(ring); seq++)
        bytes += ps_ring_get(ring, seq)->len;
    assert_true(bytes <= 10 * one);
    ps_ring_free(&ring);
}

static void test_number_bound(void **state _unused_)
{
    struct ps_ring *ring = NULL;

    assert_int_equal(ps_ring_new(BASE, 64 << 20, KEEP, &ring), 0);
    add(ring, 1, PS_RING_EVENTS + 7);
    assert_int_equal(ps_ring_first(ring), BASE + 7);
    assert_int_equal(ps_ring_next(ring) - ps_ring_first(ring), PS_RING_EVENTS);
    ps_ring_free(&ring);
}

static void test_lost_by_topic(void **state _unused_)
{
    struct ps_ring *ring = NULL;
    size_t one = strlen("id: 1000\nevent: t\ndata: {}\n\n");
    bool exact = false;

    assert_int_equal(ps_ring_new(BASE, 2 * one, KEEP, &ring), 0);
    add(ring, 0, 3);
    add(ring, 1, 5);
    add(ring, 0, 2);
    /* Eight are gone: 0 0 0 1 1 1 1 1; two of topic 0 are held. */
    assert_int_equal(ps_ring_lost(ring, BASE, 1u << 0, &exact), 3);
    assert_true(exact);
    assert_int_equal(ps_ring_lost(ring, BASE, 1u << 1, &exact), 5);
    assert_int_equal(ps_ring_lost(ring, BASE + 2, 3, &exact), 6);
    assert_int_equal(ps_ring_lost(ring, BASE + 8, 3, &exact), 0);
    assert_int_equal(ps_ring_lost(ring, BASE, 1u << 2, &exact), 0);
    assert_true(exact);
    ps_ring_free(&ring);
}

/* A minute is kept while the bytes suffice, however much comes; what is older
 * goes once a quarter is used. */
static void test_keeps_by_time(void **state _unused_)
{
    struct ps_ring *ring = NULL;
    size_t one = strlen("id: 1000\nevent: t\ndata: {}\n\n");
    uint64_t start = 5 * PS_NS_PER_S;

    assert_int_equal(ps_ring_new(BASE, 400 * one, KEEP, &ring), 0);
    /* Ten in a second, for 30 s. */
    for (uint64_t s = 0; s < 30; s++)
        add_at(ring, start + s * PS_NS_PER_S, 0, 10);
    assert_int_equal(ps_ring_first(ring), BASE);
    add_at(ring, start + KEEP, 0, 1);
    assert_int_equal(ps_ring_first(ring), BASE);
    /* Those of the first ten seconds are too old, and more than a quarter is
     * used. */
    add_at(ring, start + KEEP + 9 * PS_NS_PER_S + 1, 0, 1);
    assert_int_equal(ps_ring_first(ring), BASE + 100);
    /* All are: a quarter may stay, for longer breaks. */
    add_at(ring, start + 1000 * PS_NS_PER_S, 0, 1);
    assert_int_equal(ps_ring_next(ring) - ps_ring_first(ring), 100);
    ps_ring_free(&ring);
}

/* The bound of bytes is met within the minute: what goes is counted. */
static void test_bound_within_the_minute(void **state _unused_)
{
    struct ps_ring *ring = NULL;
    size_t one = strlen("id: 1000\nevent: t\ndata: {}\n\n");
    bool exact = false;

    assert_int_equal(ps_ring_new(BASE, 100 * one, KEEP, &ring), 0);
    add_at(ring, 1, 0, 100);
    add_at(ring, 2, 1, 30);
    assert_int_equal(ps_ring_first(ring), BASE + 30);
    assert_int_equal(ps_ring_lost(ring, BASE, 3, &exact), 30);
    assert_true(exact);
    ps_ring_free(&ring);
}

/* From any number on, over many blocks, it is what was counted one by one. */
static void test_lost_is_exact(void **state _unused_)
{
    enum { BEFORE = 5000, HELD = 10 };
    static uint8_t topics[BEFORE + HELD];
    struct ps_ring *ring = NULL;
    size_t one = strlen("id: 10000\nevent: t\ndata: {}\n\n");
    uint32_t seed = 12345;

    assert_int_equal(ps_ring_new(10007, HELD * one, KEEP, &ring), 0);
    for (size_t i = 0; i < ARRAY_SIZE(topics); i++) {
        seed = seed * 1103515245 + 12345;
        topics[i] = (uint8_t)(seed >> 16) % PS_RING_TOPICS;
        add(ring, topics[i], 1);
    }
    assert_int_equal(ps_ring_first(ring), 10007 + BEFORE);
    for (size_t from = 0; from <= BEFORE; from += 7) {
        uint32_t mask = (uint32_t)from % 256;
        uint64_t want = 0;
        bool exact = false;

        for (size_t i = from; i < BEFORE; i++)
            want += mask >> topics[i] & 1;
        assert_int_equal(ps_ring_lost(ring, 10007 + from, mask, &exact), want);
        assert_true(exact);
    }
    ps_ring_free(&ring);
}

static void test_lost_beyond_memory(void **state _unused_)
{
    struct ps_ring *ring = NULL;
    size_t one = strlen("id: 10000000\nevent: t\ndata: {}\n\n");
    const uint64_t base = 10000000, all = PS_RING_HISTORY + 5000;
    bool exact = true;
    uint64_t lost;

    assert_int_equal(ps_ring_new(base, one, KEEP, &ring), 0);
    add(ring, 3, all);
    lost = ps_ring_lost(ring, base, 1u << 3, &exact);
    assert_false(exact);
    assert_true(lost > PS_RING_HISTORY - 2048 && lost < PS_RING_HISTORY);
    /* Where it is exact, all of them. */
    assert_int_equal(ps_ring_lost(ring, base + 7000, 1u << 3, &exact),
                     all - 7000 - 1);
    assert_true(exact);
    assert_int_equal(ps_ring_lost(ring, base + 7000, 1u << 2, &exact), 0);
    ps_ring_free(&ring);
}

/* What a stream still has to send outlives the ring's hold. */
static void test_references(void **state _unused_)
{
    struct ps_ring *ring = NULL;
    struct ps_ring_event *event;

    assert_int_equal(ps_ring_new(BASE, 64, KEEP, &ring), 0);
    event = ps_ring_ref(ps_ring_add(ring, 1, 0, "t", "{\"first\":1}"));
    add(ring, 0, 5);
    assert_null(ps_ring_get(ring, BASE));
    assert_non_null(strstr(event->text, "first"));
    ps_ring_free(&ring);
    assert_non_null(strstr(event->text, "first"));
    ps_ring_unref(event);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_bytes_bound),
        cmocka_unit_test(test_number_bound),
        cmocka_unit_test(test_lost_by_topic),
        cmocka_unit_test(test_keeps_by_time),
        cmocka_unit_test(test_bound_within_the_minute),
        cmocka_unit_test(test_lost_is_exact),
        cmocka_unit_test(test_lost_beyond_memory),
        cmocka_unit_test(test_references),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
