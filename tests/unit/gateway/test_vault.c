/* SPDX-License-Identifier: MIT */
#include "t.h"

#include "common/store.h"
#include "gateway/vault.h"

#define NOW    (UINT64_C(1800000000) * PS_NS_PER_S)
#define HOUR   (3600 * PS_NS_PER_S)
#define MINUTE (60 * PS_NS_PER_S)

static char dir[64];

static int setup(void **state _unused_)
{
    snprintf(dir, sizeof(dir), "/tmp/ps-test-vault-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state _unused_)
{
    char path[96];

    snprintf(path, sizeof(path), "%s/gateway.db", dir);
    unlink(path);
    /* Fails, and so tells, if anything else was left behind. */
    return rmdir(dir);
}

static struct ps_vault *open_vault(void)
{
    struct ps_vault *vault = NULL;
    _cleanup_free_ char *error = NULL;

    assert_int_equal(ps_vault_open(dir, HOUR, 24 * HOUR, &vault, &error), 0);
    return vault;
}

/* Each number is another's hash. */
static void make_hash(unsigned int n, uint8_t *hash)
{
    memset(hash, 0, PS_SECRET_HASH);
    memcpy(hash, &n, sizeof(n));
}

static int add(struct ps_vault *vault, unsigned int n, uint64_t expires_ns)
{
    struct ps_vault_token token = {
        .role = PS_ROLE_VIEWER, .created_ns = NOW, .expires_ns = expires_ns};

    snprintf(token.name, sizeof(token.name), "t%u", n);
    make_hash(n, token.hash);
    return ps_vault_token_add(vault, &token);
}

static bool has_token(const struct ps_vault *vault, unsigned int n,
                      uint64_t now_ns)
{
    uint8_t hash[PS_SECRET_HASH];

    make_hash(n, hash);
    return ps_vault_token_find(vault, hash, now_ns);
}

static int add_session(struct ps_vault *vault, unsigned int n,
                       unsigned int token, uint64_t now_ns)
{
    uint8_t hash[PS_SECRET_HASH], of[PS_SECRET_HASH];

    make_hash(n, hash);
    make_hash(token, of);
    return ps_vault_session_add(vault, hash, of, 0, now_ns);
}

static bool has_session(const struct ps_vault *vault, unsigned int n,
                        uint64_t now_ns)
{
    uint8_t hash[PS_SECRET_HASH];

    make_hash(n, hash);
    return ps_vault_session_find(vault, hash, now_ns);
}

static void test_full_of_tokens(void **state _unused_)
{
    struct ps_vault *vault = open_vault();
    size_t n;

    assert_int_equal(add(vault, 0, NOW + HOUR), 0);
    for (unsigned int i = 1; i < PS_VAULT_MAX_TOKENS; i++)
        assert_int_equal(add(vault, i, 0), 0);
    assert_int_equal(add(vault, 100, 0), -EDQUOT);
    assert_int_equal(add(vault, 5, 0), -EDQUOT);
    ps_vault_tokens(vault, &n);
    assert_int_equal(n, PS_VAULT_MAX_TOKENS);
    assert_int_equal(ps_vault_token_remove(vault, "no-such"), -ENOENT);
    assert_int_equal(
        ps_vault_token_remove(vault, ps_vault_tokens(vault, &n)[9].id), 0);
    assert_int_equal(add(vault, 5, 0), -EEXIST);
    assert_int_equal(add(vault, 100, 0), 0);
    ps_vault_free(&vault);
}

static void test_expired_token_makes_room(void **state _unused_)
{
    struct ps_vault *vault = open_vault();
    struct ps_vault_token late = {
        .role = PS_ROLE_ADMIN, .name = "late", .created_ns = NOW + 2 * HOUR};

    assert_int_equal(add(vault, 0, NOW + HOUR), 0);
    for (unsigned int i = 1; i < PS_VAULT_MAX_TOKENS; i++)
        assert_int_equal(add(vault, i, 0), 0);
    assert_true(has_token(vault, 0, NOW + HOUR - 1));
    assert_false(has_token(vault, 0, NOW + HOUR));
    make_hash(1000, late.hash);
    assert_int_equal(ps_vault_token_add(vault, &late), 0);
    assert_false(has_token(vault, 0, NOW));
    assert_true(has_token(vault, 1, NOW));
    ps_vault_free(&vault);
}

/* Two processes on one file. */
static void test_shared(void **state _unused_)
{
    struct ps_vault *a = open_vault(), *b = open_vault();
    size_t n;

    assert_false(ps_vault_tick(b));
    assert_int_equal(add(a, 1, 0), 0);
    assert_int_equal(add_session(a, 2, 1, NOW), 0);
    assert_false(ps_vault_tick(a));
    assert_true(ps_vault_tick(b));
    assert_true(has_token(b, 1, NOW));
    assert_true(has_session(b, 2, NOW));
    assert_int_equal(add(b, 1, 0), -EEXIST);
    assert_int_equal(ps_vault_token_remove(b, ps_vault_tokens(b, &n)[0].id), 0);
    assert_true(ps_vault_tick(a));
    assert_false(has_token(a, 1, NOW));
    assert_false(has_session(a, 2, NOW));
    ps_vault_free(&a);
    ps_vault_free(&b);
}

static void test_last_used(void **state _unused_)
{
    struct ps_vault *vault = open_vault();
    uint8_t hash[PS_SECRET_HASH];

    make_hash(1, hash);
    assert_int_equal(add(vault, 1, 0), 0);
    assert_int_equal(ps_vault_token_last_used(vault, hash), 0);
    ps_vault_token_used(vault, hash, NOW);
    ps_vault_token_used(vault, hash, NOW + MINUTE - 1);
    assert_true(ps_vault_token_last_used(vault, hash) == NOW);
    ps_vault_token_used(vault, hash, NOW + MINUTE);
    assert_true(ps_vault_token_last_used(vault, hash) == NOW + MINUTE);
    ps_vault_tick(vault);
    ps_vault_free(&vault);
    vault = open_vault();
    assert_true(ps_vault_token_last_used(vault, hash) == NOW + MINUTE);
    ps_vault_free(&vault);
}

static void test_many_sessions(void **state _unused_)
{
    struct ps_vault *vault = open_vault();
    uint8_t first[PS_SECRET_HASH];

    make_hash(100, first);
    assert_int_equal(add_session(vault, 1, 8, NOW), 0);
    for (unsigned int i = 0; i < PS_VAULT_TOKEN_SESSIONS; i++)
        assert_int_equal(add_session(vault, 100 + i, 9, NOW + i), 0);
    /* Used, it is no longer the one that was idle longest. */
    ps_vault_session_used(vault, first, NOW + 10 * MINUTE);
    assert_int_equal(add_session(vault, 500, 9, NOW + 11 * MINUTE), 0);
    assert_true(has_session(vault, 100, NOW + 11 * MINUTE));
    assert_false(has_session(vault, 101, NOW + 11 * MINUTE));
    assert_true(has_session(vault, 102, NOW + 11 * MINUTE));
    assert_true(has_session(vault, 500, NOW + 11 * MINUTE));
    assert_true(has_session(vault, 1, NOW + 11 * MINUTE));
    ps_vault_free(&vault);
}

/* Rows that we did not write are left out, and do no harm. */
static void test_hostile_rows(void **state _unused_)
{
    static const char rows[] =
        "INSERT INTO tokens VALUES ('a', 'short hash', x'00', 3, 1, 0, 0, '');"
        "INSERT INTO tokens VALUES ('b', 'role 0', zeroblob(32), 0, 1, 0, 0,"
        " '');"
        "INSERT INTO tokens VALUES ('c', 'role 9', randomblob(32), 9, 1, 0, 0,"
        " '');"
        "INSERT INTO tokens VALUES ('d', 'time', randomblob(32), 3, 1, -1, 0,"
        " '');"
        "INSERT INTO tokens VALUES ('e', 'expiry', randomblob(32), 3, 1, 0, -1,"
        " '');"
        "INSERT INTO tokens VALUES ('f', hex(zeroblob(500)), randomblob(32), 3,"
        " 1, 0, 0, '');"
        "INSERT INTO tokens VALUES (hex(zeroblob(500)), 'id', randomblob(32),"
        " 3, 1, 0, 0, '');"
        "INSERT INTO tokens VALUES ('g', 'by', randomblob(32), 3, 1, 0, 0,"
        " hex(zeroblob(500)));"
        "INSERT INTO uses VALUES (x'00', 1);"
        "INSERT INTO sessions VALUES (x'00', randomblob(32), 1, 1);"
        "INSERT INTO sessions VALUES (randomblob(32), x'00', 1, 1);"
        "INSERT INTO sessions VALUES (randomblob(32), randomblob(32), -1, 1);"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
        " WHERE i < 9000) INSERT INTO sessions SELECT randomblob(32),"
        " randomblob(32), 9000000000000000000, 9000000000000000000 FROM n;"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
        " WHERE i < 500) INSERT INTO uses SELECT randomblob(32), i FROM n;";
    static const char *const same[] = {"SELECT 1", NULL};
    struct ps_vault *vault = open_vault();
    struct ps_store *store = NULL;
    char *error = NULL;
    size_t n;

    assert_int_equal(add(vault, 1, 0), 0);
    assert_int_equal(ps_store_open(dir, "gateway", same, 0, &store, &error), 0);
    assert_int_equal(ps_store_exec(store, rows), 0);
    ps_store_free(&store);
    assert_true(ps_vault_tick(vault));
    ps_vault_tokens(vault, &n);
    assert_int_equal(n, 1);
    assert_true(has_token(vault, 1, NOW));
    /* And the next login finds its place. */
    assert_int_equal(add_session(vault, 2, 1, NOW), 0);
    assert_true(has_token(vault, 1, NOW));
    ps_vault_free(&vault);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(test_full_of_tokens), TEST(test_expired_token_makes_room),
        TEST(test_shared),         TEST(test_last_used),
        TEST(test_many_sessions),  TEST(test_hostile_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
