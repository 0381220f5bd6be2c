/* SPDX-License-Identifier: MIT */
#include "t.h"

#include "gateway/share.h"

#define S PS_NS_PER_S

static const struct ps_share_limits limits = {
    .ttl_ns = S,
    .ahead_ns = 7 * S / 10,
    .max_entries = 4,
    .max_bytes = 1 << 20,
    .max_waiters = 3,
};

/* Requests are only pointers here. */
static struct ps_http_request *request(int n)
{
    static char none[8];

    return (struct ps_http_request *)(void *)&none[n];
}

static struct ps_share *new_share(void)
{
    struct ps_share *share = NULL;

    assert_int_equal(ps_share_new(&limits, &share), 0);
    return share;
}

static struct ps_content *text(const char *what, size_t size)
{
    struct ps_content *content = NULL;
    char *data = calloc(1, size);

    assert_non_null(data);
    snprintf(data, size, "%s", what);
    assert_int_equal(
        ps_content_new(data, size, "text/plain", "no-cache", false, &content),
        0);
    return content;
}

static struct ps_shared *begin(struct ps_share *share, const char *service,
                               const char *key, bool listed, uint64_t now)
{
    struct ps_shared *shared = NULL;

    assert_int_equal(
        ps_share_begin(share, service, key, strlen(key), listed, now, &shared),
        0);
    return shared;
}

static struct ps_shared *find(struct ps_share *share, const char *key,
                              uint64_t now)
{
    return ps_share_find(share, key, strlen(key), now);
}

/* Asked and answered at once. */
static void put(struct ps_share *share, const char *service, const char *key,
                const char *what, uint64_t now)
{
    ps_share_end(share, begin(share, service, key, true, now), text(what, 16));
}

static const char *found(struct ps_share *share, const char *key, uint64_t now)
{
    struct ps_shared *shared = find(share, key, now);
    struct ps_content *content = shared ? ps_shared_content(shared) : NULL;

    return content ? ps_content_form(content, false)->data : NULL;
}

static void test_age(void **state _unused_)
{
    struct ps_share *share = new_share();
    struct ps_shared *shared = begin(share, "a", "k", true, 10 * S);

    /* Answered late: it is as old as the question. */
    ps_share_end(share, shared, text("one", 16));
    assert_string_equal(found(share, "k", 10 * S + S / 2), "one");
    assert_int_equal(
        ps_shared_age_ns(find(share, "k", 10 * S + S / 2), 10 * S + S / 2),
        S / 2);
    assert_null(find(share, "K", 10 * S));
    assert_null(find(share, "k", 11 * S));
    /* It is gone, not hidden. */
    assert_null(find(share, "k", 10 * S));
    ps_share_free(&share);
}

static void test_waiters_in_order(void **state _unused_)
{
    struct ps_share *share = new_share();
    struct ps_shared *shared = begin(share, "a", "k", true, S);

    assert_int_equal(ps_shared_wait(shared, request(0)), 0);
    assert_ptr_equal(find(share, "k", S + S / 2), shared);
    assert_null(ps_shared_content(shared));
    assert_int_equal(ps_shared_wait(shared, request(1)), 0);
    assert_int_equal(ps_shared_wait(shared, request(2)), 0);
    assert_int_equal(ps_shared_wait(shared, request(3)), -EAGAIN);
    for (int i = 0; i < 3; i++)
        assert_ptr_equal(ps_shared_take(shared), request(i));
    assert_null(ps_shared_take(shared));
    assert_int_equal(ps_share_stats(share)->waited, 2);
    assert_int_equal(ps_share_stats(share)->asked, 1);
    ps_share_end(share, shared, NULL);
    ps_share_free(&share);
}

/* A question that is open for long is not waited for, but asked again. */
static void test_slow_question(void **state _unused_)
{
    struct ps_share *share = new_share();
    struct ps_shared *slow = begin(share, "a", "k", true, S), *next;

    assert_null(find(share, "k", 2 * S));
    next = begin(share, "a", "k", true, 2 * S);
    ps_share_end(share, next, text("new", 16));
    /* Its answer comes after all: too old to replace the newer one. */
    ps_share_end(share, slow, text("old", 16));
    assert_string_equal(found(share, "k", 2 * S + 1), "new");
    ps_share_free(&share);
}

static void test_errors_are_not_kept(void **state _unused_)
{
    struct ps_share *share = new_share();

    ps_share_end(share, begin(share, "a", "k", true, S), NULL);
    assert_null(find(share, "k", S));
    /* One that was asked beside leaves the good one. */
    put(share, "a", "k", "good", S);
    ps_share_end(share, begin(share, "a", "k", false, S + 1), NULL);
    assert_string_equal(found(share, "k", S + 2), "good");
    ps_share_free(&share);
}

static void test_drop(void **state _unused_)
{
    struct ps_share *share = new_share();
    struct ps_shared *open, *beside;

    put(share, "a", "one", "1", S);
    put(share, "b", "two", "2", S);
    open = begin(share, "a", "open", true, S);
    beside = begin(share, "a", "beside", false, S);
    ps_share_drop(share, "a");
    assert_null(find(share, "one", S));
    assert_string_equal(found(share, "two", S), "2");
    /* What was asked before the drop is given to nobody who comes after. */
    assert_null(find(share, "open", S));
    ps_share_end(share, open, text("old", 16));
    ps_share_end(share, beside, text("old", 16));
    assert_null(find(share, "open", S));
    assert_null(find(share, "beside", S));
    put(share, "a", "open", "new", S + 1);
    assert_string_equal(found(share, "open", S + 1), "new");
    ps_share_drop(share, NULL);
    assert_null(find(share, "open", S + 1));
    assert_null(find(share, "two", S + 1));
    ps_share_free(&share);
}

static void test_asked_ahead(void **state _unused_)
{
    struct ps_share *share = new_share();
    struct ps_shared *next;

    put(share, "a", "k", "old", S);
    assert_false(ps_shared_is_due(find(share, "k", S), S + S / 2));
    assert_true(ps_shared_is_due(find(share, "k", S), S + 8 * S / 10));
    /* Only once. */
    assert_false(ps_shared_is_due(find(share, "k", S), S + 9 * S / 10));
    next = begin(share, "a", "k", false, S + 8 * S / 10);
    assert_string_equal(found(share, "k", S + 9 * S / 10), "old");
    ps_share_end(share, next, text("next", 16));
    assert_string_equal(found(share, "k", S + 9 * S / 10), "next");
    assert_string_equal(found(share, "k", 2 * S + S / 2), "next");
    assert_null(find(share, "k", 2 * S + 8 * S / 10));
    ps_share_free(&share);
}

static void test_bounds(void **state _unused_)
{
    struct ps_share *share = new_share();
    char key[8];

    for (uint64_t i = 0; i < 10; i++) {
        snprintf(key, sizeof(key), "%d", (int)i);
        put(share, "a", key, key, S + i);
    }
    for (int i = 0; i < 10; i++) {
        snprintf(key, sizeof(key), "%d", i);
        if (i < 6)
            assert_null(find(share, key, S + 10));
        else
            assert_string_equal(found(share, key, S + 10), key);
    }
    /* Larger than all together may be: given to who waited, not kept. */
    ps_share_end(share, begin(share, "a", "big", true, S + 20),
                 text("big", 2 << 20));
    assert_null(find(share, "big", S + 20));
    put(share, "a", "fits", "fits", S + 21);
    assert_string_equal(found(share, "fits", S + 21), "fits");
    ps_share_trim(share, 3 * S);
    assert_null(find(share, "fits", S + 21));
    ps_share_free(&share);
}

/* A full table forgets a question; who waits for it gets the answer. */
static void test_open_ones_pushed_out(void **state _unused_)
{
    struct ps_share *share = new_share();
    struct ps_shared *open = begin(share, "a", "open", true, S);
    char key[8];

    assert_int_equal(ps_shared_wait(open, request(0)), 0);
    for (uint64_t i = 0; i < 5; i++) {
        snprintf(key, sizeof(key), "%d", (int)i);
        put(share, "a", key, key, S + 1 + i);
    }
    assert_null(find(share, "open", S + 6));
    assert_ptr_equal(ps_shared_take(open), request(0));
    ps_share_end(share, open, text("late", 16));
    ps_share_free(&share);
}

static void test_services_are_few(void **state _unused_)
{
    static const char *const names[] = {"a", "b", "c", "d", "e",
                                        "f", "g", "h", "i"};
    struct ps_share *share = new_share();
    struct ps_shared *shared = NULL;

    for (size_t i = 0; i < PS_SHARE_MAX_SERVICES; i++)
        put(share, names[i], "k", "v", S);
    assert_int_equal(ps_share_begin(share, names[PS_SHARE_MAX_SERVICES], "k", 1,
                                    true, S, &shared),
                     -ENOMEM);
    ps_share_free(&share);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_age),
        cmocka_unit_test(test_waiters_in_order),
        cmocka_unit_test(test_slow_question),
        cmocka_unit_test(test_errors_are_not_kept),
        cmocka_unit_test(test_drop),
        cmocka_unit_test(test_asked_ahead),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_open_ones_pushed_out),
        cmocka_unit_test(test_services_are_few),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
