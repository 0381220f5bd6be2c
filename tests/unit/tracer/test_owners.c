/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tracer/owners.h"

/* What the kernel would say. */
struct world {
    struct ps_tracer_sock held[8];
    size_t n_held;
    uint64_t used_cookie; /* 0: none */
    uint32_t used_pid;
    unsigned int looks;
};

static int used(void *arg, const struct ps_sock_key *key,
                struct ps_tracer_owner *ret)
{
    const struct world *w = arg;

    if (!w->used_cookie || key->cookie != w->used_cookie)
        return -ENOENT;
    *ret = (struct ps_tracer_owner){.pid = w->used_pid, .comm = "user"};
    return 0;
}

static int held(void *arg,
                void (*fn)(void *to, const struct ps_tracer_sock *rec),
                void *to)
{
    struct world *w = arg;

    w->looks++;
    for (size_t i = 0; i < w->n_held; i++)
        fn(to, &w->held[i]);
    return 0;
}

static void cgroup_of(uint32_t pid, struct ps_cgroup *ret)
{
    *ret = (struct ps_cgroup){0};
    snprintf(ret->path, sizeof(ret->path), "/of/%u", pid);
}

static struct ps_owners *new_owners(struct world *w)
{
    const struct ps_owner_source source = {
        .arg = w, .used = used, .held = held, .cgroup_of = cgroup_of};
    struct ps_owners *o = NULL;

    assert_int_equal(ps_owners_new(&source, &o), 0);
    return o;
}

static void hold(struct world *w, uint64_t sk, uint64_t cookie, uint32_t pid)
{
    w->held[w->n_held++] = (struct ps_tracer_sock){
        .addr = sk, .cookie = cookie, .lport = 80, .pid = pid, .comm = "some"};
}

static void expect(struct ps_owners *o, const struct ps_sock_key *key,
                   uint32_t pid)
{
    const struct ps_owner *owner = ps_owners_find(o, key);

    if (!pid) {
        assert_null(owner);
        return;
    }
    assert_non_null(owner);
    assert_int_equal(owner->pid, pid);
}

/* The socket is older than the daemon: its open file tells. */
static void test_held(void **state _unused_)
{
    const struct ps_sock_key key = {.sk = 1, .cookie = 7};
    struct world w = {0};
    struct ps_owners *o = new_owners(&w);

    hold(&w, 1, 7, 100);
    hold(&w, 2, 8, 200);
    ps_owners_note(o, &key);
    ps_owners_note(o, &key);
    assert_int_equal(ps_owners_pending(o), 1);
    ps_owners_resolve(o, false);
    assert_int_equal(w.looks, 0);
    expect(o, &key, 0);
    ps_owners_resolve(o, true);
    expect(o, &key, 100);
    assert_string_equal(ps_owners_find(o, &key)->cgroup.path, "/of/100");
    assert_int_equal(ps_owners_pending(o), 0);
    /* It is gone, and still known. */
    w.n_held = 0;
    ps_owners_resolve(o, true);
    expect(o, &key, 100);
    ps_owners_clear(o);
    expect(o, &key, 0);
    ps_owners_free(&o);
}

/* A task was seen to use it: no look is needed, and no other holder counts. */
static void test_used(void **state _unused_)
{
    const struct ps_sock_key key = {.sk = 1, .cookie = 7};
    struct world w = {.used_cookie = 7, .used_pid = 300};
    struct ps_owners *o = new_owners(&w);

    hold(&w, 1, 7, 100);
    ps_owners_note(o, &key);
    ps_owners_resolve(o, false);
    expect(o, &key, 300);
    ps_owners_resolve(o, true);
    expect(o, &key, 300);
    ps_owners_free(&o);
}

/* Two processes hold it, and none was seen to use it: not guessed. */
static void test_several(void **state _unused_)
{
    const struct ps_sock_key key = {.sk = 1, .cookie = 7};
    struct world w = {0};
    struct ps_owners *o = new_owners(&w);

    hold(&w, 1, 7, 100);
    hold(&w, 1, 7, 101);
    hold(&w, 1, 7, 100);
    ps_owners_note(o, &key);
    ps_owners_resolve(o, true);
    expect(o, &key, 0);
    w.used_cookie = 7;
    w.used_pid = 101;
    expect(o, &key, 101);
    ps_owners_free(&o);
}

/* One process, by two descriptors. */
static void test_twice(void **state _unused_)
{
    const struct ps_sock_key key = {.sk = 1, .cookie = 7};
    struct world w = {0};
    struct ps_owners *o = new_owners(&w);

    hold(&w, 1, 7, 100);
    hold(&w, 1, 7, 100);
    ps_owners_note(o, &key);
    ps_owners_resolve(o, true);
    expect(o, &key, 100);
    ps_owners_free(&o);
}

/* Noted before it had a cookie: by address, and only with its ports. */
static void test_without_cookie(void **state _unused_)
{
    const struct ps_sock_key key = {.sk = 1, .lport = 80, .rport = 5};
    const struct ps_sock_key other = {.sk = 1, .lport = 81, .rport = 5};
    struct world w = {0};
    struct ps_owners *o = new_owners(&w);

    ps_owners_note(o, &key);
    ps_owners_note(o, &other);
    hold(&w, 1, 7, 100);
    ps_owners_resolve(o, true);
    expect(o, &key, 100);
    expect(o, &other, 0);
    ps_owners_free(&o);
}

/* A parent holds it, its child, gone by now, used it. */
static void test_used_before_noted(void **state _unused_)
{
    const struct ps_sock_key key = {.sk = 1, .lport = 80, .rport = 5};
    struct world w = {.used_cookie = 7, .used_pid = 300};
    struct ps_owners *o = new_owners(&w);

    ps_owners_note(o, &key);
    hold(&w, 1, 7, 100);
    hold(&w, 1, 7, 101);
    ps_owners_resolve(o, true);
    expect(o, &key, 300);
    ps_owners_free(&o);
}

/* What nobody holds is not looked for again and again. */
static void test_gives_up(void **state _unused_)
{
    const struct ps_sock_key key = {.sk = 1, .cookie = 7}, none = {0};
    struct world w = {0};
    struct ps_owners *o = new_owners(&w);

    ps_owners_note(o, &none);
    assert_int_equal(ps_owners_pending(o), 0);
    ps_owners_note(o, &key);
    for (int i = 0; i < 100; i++)
        ps_owners_resolve(o, true);
    assert_int_equal(ps_owners_pending(o), 0);
    assert_true(w.looks > 1 && w.looks < 10);
    expect(o, &key, 0);
    ps_owners_free(&o);
}

static void test_bound(void **state _unused_)
{
    struct world w = {0};
    struct ps_owners *o = new_owners(&w);

    for (uint64_t i = 1; i <= PS_OWNERS_MAX + 10; i++)
        ps_owners_note(o, &(struct ps_sock_key){.sk = i, .cookie = i});
    assert_int_equal(ps_owners_lost(o), 10);
    ps_owners_clear(o);
    ps_owners_note(o, &(struct ps_sock_key){.sk = 1, .cookie = 1});
    assert_int_equal(ps_owners_pending(o), 1);
    ps_owners_free(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_held),
        cmocka_unit_test(test_used),
        cmocka_unit_test(test_several),
        cmocka_unit_test(test_twice),
        cmocka_unit_test(test_without_cookie),
        cmocka_unit_test(test_used_before_noted),
        cmocka_unit_test(test_gives_up),
        cmocka_unit_test(test_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
