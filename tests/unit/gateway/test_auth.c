/* SPDX-License-Identifier: MIT */
#include "t.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "gateway/auth.h"

#define NOW  (UINT64_C(1800000000) * PS_NS_PER_S)
#define HOUR (3600 * PS_NS_PER_S)

static char dir[64], file[96];

static int setup(void **state _unused_)
{
    snprintf(dir, sizeof(dir), "/tmp/ps-test-auth-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(file, sizeof(file), "%s/admin.token", dir);
    return 0;
}

static int teardown(void **state _unused_)
{
    char store[96];

    unlink(file);
    snprintf(store, sizeof(store), "%s/gateway.db", dir);
    unlink(store);
    /* Fails, and so tells, if anything else was left behind. */
    return rmdir(dir);
}

static void read_file(char *text, size_t size)
{
    _cleanup_fclose_ FILE *f = fopen(file, "re");

    assert_non_null(f);
    assert_non_null(fgets(text, (int)size, f));
    text[strcspn(text, "\n")] = '\0';
}

static void write_file(const char *text, mode_t mode)
{
    _cleanup_close_ int fd = -1;

    unlink(file);
    fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, mode);
    assert_true(fd >= 0);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static struct ps_auth *open_auth(void)
{
    struct ps_auth *auth = NULL;
    _cleanup_free_ char *error = NULL;

    assert_int_equal(ps_auth_open(dir, &auth, &error), 0);
    assert_int_equal(ps_auth_start(auth, HOUR, 24 * HOUR, &error), 0);
    return auth;
}

static void tick(struct ps_auth *auth)
{
    char *error = NULL;

    ps_auth_tick(auth, &error);
    assert_null(error);
}

/* Asks with one header field, or two. */
static enum ps_auth_result ask2(const struct ps_auth *auth, const char *name,
                                const char *value, const char *name2,
                                const char *value2, uint64_t now_ns,
                                struct ps_identity *ret_who)
{
    struct ps_head head = {.fields = {{name, value}, {name2, value2}},
                           .n = name2 ? 2 : 1};
    struct ps_credential credential;

    if (!value)
        head.n = 0;
    ps_auth_read(&head, &credential);
    return ps_auth_find(auth, &credential, now_ns, ret_who);
}

static enum ps_auth_result ask(const struct ps_auth *auth, const char *name,
                               const char *value)
{
    struct ps_identity who;

    return ask2(auth, name, value, NULL, NULL, NOW, &who);
}

static enum ps_auth_result bearer(const struct ps_auth *auth, const char *token)
{
    char value[300];

    snprintf(value, sizeof(value), "Bearer %s", token);
    return ask(auth, "Authorization", value);
}

static enum ps_auth_result cookie(const struct ps_auth *auth, const char *value,
                                  uint64_t now_ns)
{
    char text[300];
    struct ps_identity who;

    snprintf(text, sizeof(text), "a=b; packetscope_session=%s; c=d", value);
    return ask2(auth, "cookie", text, NULL, NULL, now_ns, &who);
}

static void add_token(struct ps_auth *auth, const char *name, enum ps_role role,
                      uint64_t expires_ns, char *secret)
{
    struct ps_vault_token token = {
        .role = role, .created_ns = NOW, .expires_ns = expires_ns};

    assert_int_equal(ps_secret_make(secret), 0);
    ps_secret_hash(secret, token.hash);
    snprintf(token.name, sizeof(token.name), "%s", name);
    assert_int_equal(ps_vault_token_add(ps_auth_vault(auth), &token), 0);
}

/* ---- the file ----------------------------------------------------------- */

static void test_made_once(void **state _unused_)
{
    struct ps_auth *auth = open_auth();
    char token[256], again[256], value[300];
    struct ps_identity who;
    struct stat st;

    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    read_file(token, sizeof(token));
    assert_int_equal(strlen(token), 43);
    snprintf(value, sizeof(value), "bearer  %s", token);
    assert_int_equal(ask2(auth, "authorization", value, NULL, NULL, NOW, &who),
                     PS_AUTH_KNOWN);
    assert_string_equal(who.name, "admin");
    assert_int_equal(who.role, PS_ROLE_ADMIN);
    assert_true(who.payload);
    assert_int_equal(who.by, PS_ACCESS_BEARER);
    ps_auth_free(&auth);

    auth = open_auth();
    read_file(again, sizeof(again));
    assert_string_equal(token, again);
    assert_int_equal(bearer(auth, token), PS_AUTH_KNOWN);
    ps_auth_free(&auth);
}

static void test_wrong(void **state _unused_)
{
    struct ps_auth *auth = open_auth();
    char token[256], value[300];

    read_file(token, sizeof(token));
    assert_int_equal(ask(auth, "authorization", NULL), PS_AUTH_NOBODY);
    assert_int_equal(ask(auth, "authorization", ""), PS_AUTH_WRONG_TOKEN);
    assert_int_equal(ask(auth, "authorization", "Bearer "),
                     PS_AUTH_WRONG_TOKEN);
    assert_int_equal(ask(auth, "authorization", token), PS_AUTH_WRONG_TOKEN);
    snprintf(value, sizeof(value), "Basic %s", token);
    assert_int_equal(ask(auth, "authorization", value), PS_AUTH_WRONG_TOKEN);
    snprintf(value, sizeof(value), "%sx", token);
    assert_int_equal(bearer(auth, value), PS_AUTH_WRONG_TOKEN);
    memset(value, 'x', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    assert_int_equal(bearer(auth, value), PS_AUTH_WRONG_TOKEN);
    token[42] ^= 1;
    assert_int_equal(bearer(auth, token), PS_AUTH_WRONG_TOKEN);
    ps_auth_free(&auth);
}

static void test_given_twice(void **state _unused_)
{
    struct ps_auth *auth = open_auth();
    char token[256], value[300];
    struct ps_identity who;

    read_file(token, sizeof(token));
    snprintf(value, sizeof(value), "Bearer %s", token);
    assert_int_equal(ask2(auth, "authorization", value, "Authorization",
                          "Bearer x", NOW, &who),
                     PS_AUTH_WRONG_TOKEN);
    assert_int_equal(ask2(auth, "authorization", "Bearer x", "Authorization",
                          value, NOW, &who),
                     PS_AUTH_WRONG_TOKEN);
    assert_int_equal(
        ask2(auth, "authorization", value, "authorization", value, NOW, &who),
        PS_AUTH_WRONG_TOKEN);
    ps_auth_free(&auth);
}

static void test_bad_files(void **state _unused_)
{
    static const struct {
        const char *text;
        mode_t mode;
        int result;
    } cases[] = {
        {"", 0600, -EBADMSG},
        {"short\n", 0600, -EBADMSG},
        {"0123456789 0123456789 0123456789 01\n", 0600, -EBADMSG},
        {"0123456789012345678901234567890123456789\n", 0644, -EPERM},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct ps_auth *auth = NULL;
        _cleanup_free_ char *error = NULL;

        write_file(cases[i].text, cases[i].mode);
        assert_int_equal(ps_auth_open(dir, &auth, &error), cases[i].result);
        assert_null(auth);
        assert_non_null(strstr(error, "admin.token"));
    }
}

static void test_file_deleted(void **state _unused_)
{
    struct ps_auth *auth = open_auth();
    char token[256], next[256];

    read_file(token, sizeof(token));
    tick(auth);
    assert_int_equal(bearer(auth, token), PS_AUTH_KNOWN);
    assert_int_equal(unlink(file), 0);
    tick(auth);
    read_file(next, sizeof(next));
    assert_string_not_equal(token, next);
    assert_int_equal(bearer(auth, token), PS_AUTH_WRONG_TOKEN);
    assert_int_equal(bearer(auth, next), PS_AUTH_KNOWN);
    ps_auth_free(&auth);
}

static void test_file_replaced(void **state _unused_)
{
    static const char chosen[] = "0123456789012345678901234567890123456789";
    struct ps_auth *auth = open_auth();
    struct ps_vault_token row;
    char token[256];
    char *error = NULL;

    read_file(token, sizeof(token));
    write_file("too short\n", 0600);
    ps_auth_tick(auth, &error);
    assert_non_null(strstr(error, "admin.token"));
    free(error);
    /* Neither the old nor the weak one; said once. */
    assert_int_equal(bearer(auth, token), PS_AUTH_WRONG_TOKEN);
    assert_int_equal(bearer(auth, "too short"), PS_AUTH_WRONG_TOKEN);
    assert_false(ps_auth_file_token(auth, &row));
    tick(auth);
    write_file(chosen, 0600);
    tick(auth);
    assert_int_equal(bearer(auth, chosen), PS_AUTH_KNOWN);
    assert_true(ps_auth_file_token(auth, &row));
    ps_auth_free(&auth);
}

/* ---- tokens ------------------------------------------------------------- */

static void test_roles(void **state _unused_)
{
    struct ps_auth *auth = open_auth();
    char secret[PS_SECRET_TEXT], value[300];
    struct ps_identity who;

    add_token(auth, "eve", PS_ROLE_VIEWER, NOW + HOUR, secret);
    snprintf(value, sizeof(value), "Bearer %s", secret);
    assert_int_equal(ask2(auth, "authorization", value, NULL, NULL, NOW, &who),
                     PS_AUTH_KNOWN);
    assert_string_equal(who.name, "eve");
    assert_int_equal(who.role, PS_ROLE_VIEWER);
    assert_false(who.payload);
    assert_true(who.expires_ns == NOW + HOUR);
    assert_true(ps_auth_holds(auth, &who, NOW + HOUR - 1));
    assert_false(ps_auth_holds(auth, &who, NOW + HOUR));
    assert_int_equal(
        ask2(auth, "authorization", value, NULL, NULL, NOW + HOUR, &who),
        PS_AUTH_WRONG_TOKEN);
    ps_auth_free(&auth);
}

static void test_revoked(void **state _unused_)
{
    struct ps_auth *auth = open_auth();
    const struct ps_vault_token *tokens;
    char secret[PS_SECRET_TEXT], session[PS_SECRET_TEXT];
    struct ps_identity who;
    size_t n;

    add_token(auth, "eve", PS_ROLE_OPERATOR, 0, secret);
    assert_int_equal(ps_auth_token(auth, secret, NOW, &who), PS_AUTH_KNOWN);
    assert_int_equal(ps_auth_login(auth, &who, NOW, session), 0);
    assert_int_equal(cookie(auth, session, NOW), PS_AUTH_KNOWN);
    tokens = ps_vault_tokens(ps_auth_vault(auth), &n);
    assert_int_equal(n, 1);
    assert_int_equal(ps_vault_token_remove(ps_auth_vault(auth), tokens[0].id),
                     0);
    assert_int_equal(bearer(auth, secret), PS_AUTH_WRONG_TOKEN);
    assert_int_equal(cookie(auth, session, NOW), PS_AUTH_WRONG_COOKIE);
    assert_false(ps_auth_holds(auth, &who, NOW));
    ps_auth_free(&auth);
}

/* ---- logins ------------------------------------------------------------- */

static void test_login(void **state _unused_)
{
    struct ps_auth *auth = open_auth();
    char token[256], session[PS_SECRET_TEXT], second[PS_SECRET_TEXT];
    struct ps_identity who, other;
    struct ps_head head = {.n = 1};
    char value[300];

    read_file(token, sizeof(token));
    assert_int_equal(ps_auth_token(auth, "x", NOW, &who), PS_AUTH_WRONG_TOKEN);
    assert_int_equal(ps_auth_token(auth, token, NOW, &who), PS_AUTH_KNOWN);
    other = who;
    assert_int_equal(ps_auth_login(auth, &who, NOW, session), 0);
    assert_int_equal(who.by, PS_ACCESS_COOKIE);
    assert_true(who.expires_ns == NOW + 24 * HOUR);
    assert_int_equal(ps_auth_login(auth, &other, NOW, second), 0);
    assert_string_not_equal(session, second);
    assert_int_equal(cookie(auth, session, NOW), PS_AUTH_KNOWN);
    /* A token is no cookie, and a cookie is no token. */
    assert_int_equal(cookie(auth, token, NOW), PS_AUTH_WRONG_COOKIE);
    assert_int_equal(bearer(auth, session), PS_AUTH_WRONG_TOKEN);

    snprintf(value, sizeof(value), "packetscope_session=%s", session);
    head.fields[0] = (struct ps_head_field){"cookie", value};
    assert_int_equal(ps_auth_logout(auth, &head), 0);
    assert_int_equal(ps_auth_logout(auth, &head), 0);
    assert_int_equal(cookie(auth, session, NOW), PS_AUTH_WRONG_COOKIE);
    assert_int_equal(cookie(auth, second, NOW), PS_AUTH_KNOWN);
    ps_auth_free(&auth);

    /* It outlives the process; the next file's token ends it. */
    auth = open_auth();
    assert_int_equal(cookie(auth, second, NOW), PS_AUTH_KNOWN);
    unlink(file);
    tick(auth);
    assert_int_equal(cookie(auth, second, NOW), PS_AUTH_WRONG_COOKIE);
    ps_auth_free(&auth);
}

static void test_login_ends(void **state _unused_)
{
    struct ps_auth *auth = open_auth();
    char token[256], session[PS_SECRET_TEXT];
    struct ps_identity who;
    uint64_t now = NOW;

    read_file(token, sizeof(token));
    assert_int_equal(ps_auth_token(auth, token, now, &who), PS_AUTH_KNOWN);
    assert_int_equal(ps_auth_login(auth, &who, now, session), 0);
    assert_int_equal(cookie(auth, session, now + HOUR), PS_AUTH_KNOWN);
    assert_int_equal(cookie(auth, session, now + HOUR + 1),
                     PS_AUTH_WRONG_COOKIE);
    for (; now < NOW + 24 * HOUR; now += HOUR / 2) {
        assert_int_equal(cookie(auth, session, now), PS_AUTH_KNOWN);
        ps_auth_used(auth, &who, now);
        tick(auth);
    }
    assert_int_equal(cookie(auth, session, now), PS_AUTH_WRONG_COOKIE);
    ps_auth_free(&auth);
}

static void test_hostile_cookies(void **state _unused_)
{
    struct ps_auth *auth = open_auth();
    char token[256], session[PS_SECRET_TEXT], value[2048], long_one[1024];
    struct ps_identity who;
    static const struct {
        const char *text; /* %s: the session */
        enum ps_auth_result result;
    } cases[] = {
        {"packetscope_session=%s", PS_AUTH_KNOWN},
        {";; packetscope_session=%s;", PS_AUTH_KNOWN},
        {"x=1;packetscope_session=%s", PS_AUTH_KNOWN},
        {"packetscope_session=%s; packetscope_session=x", PS_AUTH_WRONG_COOKIE},
        {"packetscope_session=x; packetscope_session=%s", PS_AUTH_WRONG_COOKIE},
        {"packetscope_session= %s", PS_AUTH_WRONG_COOKIE},
        {"packetscope_session=\"%s\"", PS_AUTH_WRONG_COOKIE},
        {"packetscope_session=%s%00", PS_AUTH_WRONG_COOKIE},
        {"packetscope_session=%s,x", PS_AUTH_WRONG_COOKIE},
        {"Packetscope_Session=%s", PS_AUTH_NOBODY},
        {"xpacketscope_session=%s", PS_AUTH_NOBODY},
        {"x=packetscope_session=%s", PS_AUTH_NOBODY},
    };

    read_file(token, sizeof(token));
    assert_int_equal(ps_auth_token(auth, token, NOW, &who), PS_AUTH_KNOWN);
    assert_int_equal(ps_auth_login(auth, &who, NOW, session), 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *at = strstr(cases[i].text, "%s");

        snprintf(value, sizeof(value), "%.*s%s%s", (int)(at - cases[i].text),
                 cases[i].text, session, at + 2);
        assert_int_equal(ask(auth, "cookie", value), cases[i].result);
    }
    memset(long_one, 'a', sizeof(long_one) - 1);
    long_one[sizeof(long_one) - 1] = '\0';
    snprintf(value, sizeof(value), "packetscope_session=%s", long_one);
    assert_int_equal(ask(auth, "cookie", value), PS_AUTH_WRONG_COOKIE);
    assert_int_equal(ask(auth, "cookie", "packetscope_session="),
                     PS_AUTH_WRONG_COOKIE);
    /* Also over two fields. */
    snprintf(value, sizeof(value), "packetscope_session=%s", session);
    assert_int_equal(ask2(auth, "cookie", value, "cookie",
                          "packetscope_session=b", NOW, &who),
                     PS_AUTH_WRONG_COOKIE);
    /* A header counts before it, right or wrong. */
    assert_int_equal(
        ask2(auth, "cookie", value, "authorization", "Bearer x", NOW, &who),
        PS_AUTH_WRONG_TOKEN);
    ps_auth_free(&auth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(test_made_once),       TEST(test_wrong),
        TEST(test_given_twice),     TEST(test_bad_files),
        TEST(test_file_deleted),    TEST(test_file_replaced),
        TEST(test_roles),           TEST(test_revoked),
        TEST(test_login),           TEST(test_login_ends),
        TEST(test_hostile_cookies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
