/* SPDX-License-Identifier: MIT */
#include "t.h"

#include "gateway/batch.h"

#define BASE 100

static struct ps_ring *ring_with(size_t events)
{
    struct ps_ring *ring = NULL;
    char data[16];

    assert_int_equal(ps_ring_new(BASE, 8 << 20, PS_NS_PER_S, &ring), 0);
    for (size_t i = 0; i < events; i++) {
        snprintf(data, sizeof(data), "%zu", i);
        assert_non_null(ps_ring_add(ring, 1, i % 2, "t", data));
    }
    return ring;
}

static void test_same_place_is_shared(void **state _unused_)
{
    struct ps_ring *ring = ring_with(4);
    struct ps_batches batches = {0};
    struct ps_batch *a = ps_batch_get(&batches, ring, BASE, 1);

    assert_int_equal(a->next, BASE + 4);
    assert_int_equal(a->len, 2 * strlen("id: 100\nevent: t\ndata: 0\n\n"));
    assert_memory_equal(a->text,
                        "id: 100\nevent: t\ndata: 0\n\n"
                        "id: 102\nevent: t\ndata: 2\n\n",
                        a->len);
    assert_ptr_equal(ps_batch_get(&batches, ring, BASE, 1), a);
    assert_ptr_not_equal(ps_batch_get(&batches, ring, BASE, 2), a);
    assert_ptr_not_equal(ps_batch_get(&batches, ring, BASE + 1, 1), a);
    ps_batches_clear(&batches);
    ps_ring_free(&ring);
}

static void test_topic_without_events(void **state _unused_)
{
    struct ps_ring *ring = ring_with(4);
    struct ps_batches batches = {0};
    const struct ps_batch *a = ps_batch_get(&batches, ring, BASE, 4);

    assert_int_equal(a->len, 0);
    assert_int_equal(a->next, BASE + 4);
    ps_batches_clear(&batches);
    ps_ring_free(&ring);
}

/* Portion by portion, all of them and none twice. */
static void test_many_are_several(void **state _unused_)
{
    struct ps_ring *ring = ring_with(20000);
    struct ps_batches batches = {0};
    uint64_t at = BASE;
    size_t portions = 0, bytes = 0, want = 0;

    for (uint64_t seq = BASE; seq < ps_ring_next(ring); seq++)
        want += ps_ring_get(ring, seq)->len;
    while (at < ps_ring_next(ring)) {
        const struct ps_batch *batch = ps_batch_get(&batches, ring, at, 3);

        assert_int_equal(batch->from, at);
        assert_true(batch->next > at);
        assert_true(batch->len < PS_BATCH_BYTES + 100);
        bytes += batch->len;
        at = batch->next;
        portions++;
    }
    assert_int_equal(bytes, want);
    assert_true(portions > 5);
    ps_batches_clear(&batches);
    ps_ring_free(&ring);
}

static void test_outlives_all(void **state _unused_)
{
    struct ps_ring *ring = ring_with(2);
    struct ps_batches batches = {0};
    struct ps_batch *held = ps_batch_ref(ps_batch_get(&batches, ring, BASE, 3));

    for (uint32_t topics = 4; topics < 20; topics++)
        assert_non_null(ps_batch_get(&batches, ring, BASE, topics));
    ps_batches_clear(&batches);
    ps_ring_free(&ring);
    assert_memory_equal(held->text, "id: 100\n", 8);
    ps_batch_unref(held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_place_is_shared),
        cmocka_unit_test(test_topic_without_events),
        cmocka_unit_test(test_many_are_several),
        cmocka_unit_test(test_outlives_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
