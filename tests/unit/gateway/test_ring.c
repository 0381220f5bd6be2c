/* SPDX-License-Identifier: MIT */
#include "t.h"

#include "gateway/ring.h"

#define BASE 1000

static void add(struct ps_ring *ring, uint32_t topic, size_t times)
{
    for (size_t i = 0; i < times; i++)
        assert_non_null(ps_ring_add(ring, topic, "t", "{}"));
}

static void test_text(void **state _unused_)
{
    struct ps_ring *ring = NULL;
    const struct ps_ring_event *event;

    assert_int_equal(ps_ring_new(BASE, 4096, &ring), 0);
    event = ps_ring_add(ring, 2, "trace", "{\"id\":\"t1\"}");
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

    assert_int_equal(ps_ring_new(BASE, 10 * one, &ring), 0);
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

    assert_int_equal(ps_ring_new(BASE, 64 << 20, &ring), 0);
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

    assert_int_equal(ps_ring_new(BASE, 2 * one, &ring), 0);
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

static void test_lost_beyond_memory(void **state _unused_)
{
    struct ps_ring *ring = NULL;
    size_t one = strlen("id: 10000000\nevent: t\ndata: {}\n\n");
    bool exact = true;

    assert_int_equal(ps_ring_new(10000000, one, &ring), 0);
    add(ring, 3, PS_RING_HISTORY + 100);
    assert_int_equal(ps_ring_lost(ring, 10000000, 1u << 3, &exact),
                     PS_RING_HISTORY - 1);
    assert_false(exact);
    assert_int_equal(ps_ring_lost(ring, 10000100, 1u << 3, &exact),
                     PS_RING_HISTORY - 1);
    assert_true(exact);
    ps_ring_free(&ring);
}

/* What a stream still has to send outlives the ring's hold. */
static void test_references(void **state _unused_)
{
    struct ps_ring *ring = NULL;
    struct ps_ring_event *event;

    assert_int_equal(ps_ring_new(BASE, 64, &ring), 0);
    event = ps_ring_ref(ps_ring_add(ring, 0, "t", "{\"first\":1}"));
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
        cmocka_unit_test(test_lost_beyond_memory),
        cmocka_unit_test(test_references),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
