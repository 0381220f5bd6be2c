/* SPDX-License-Identifier: MIT */
#include "t.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "gateway/auth.h"

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
    unlink(file);
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

static void test_made_once(void **state _unused_)
{
    struct ps_auth *auth = NULL;
    _cleanup_free_ char *error = NULL;
    char token[256], again[256], header[300];
    const struct ps_identity *who;
    struct stat st;

    assert_int_equal(ps_auth_open(dir, &auth, &error), 0);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    read_file(token, sizeof(token));
    assert_int_equal(strlen(token), 43);
    snprintf(header, sizeof(header), "bearer  %s", token);
    who = ps_auth_find(auth, header);
    assert_non_null(who);
    assert_int_equal(who->role, PS_ROLE_ADMIN);
    ps_auth_free(&auth);

    assert_int_equal(ps_auth_open(dir, &auth, &error), 0);
    read_file(again, sizeof(again));
    assert_string_equal(token, again);
    assert_non_null(ps_auth_find(auth, header));
    ps_auth_free(&auth);
}

static void test_wrong(void **state _unused_)
{
    struct ps_auth *auth = NULL;
    _cleanup_free_ char *error = NULL;
    char token[256], header[300];

    assert_int_equal(ps_auth_open(dir, &auth, &error), 0);
    read_file(token, sizeof(token));
    assert_null(ps_auth_find(auth, NULL));
    assert_null(ps_auth_find(auth, ""));
    assert_null(ps_auth_find(auth, "Bearer "));
    assert_null(ps_auth_find(auth, token));
    snprintf(header, sizeof(header), "Basic %s", token);
    assert_null(ps_auth_find(auth, header));
    snprintf(header, sizeof(header), "Bearer %sx", token);
    assert_null(ps_auth_find(auth, header));
    token[42] ^= 1;
    snprintf(header, sizeof(header), "Bearer %s", token);
    assert_null(ps_auth_find(auth, header));
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
        assert_non_null(strstr(error, file));
    }
}

static void test_roles(void **state _unused_)
{
    struct ps_auth *auth = NULL;
    _cleanup_free_ char *error = NULL;
    const struct ps_identity *who;

    assert_int_equal(ps_auth_open(dir, &auth, &error), 0);
    assert_int_equal(ps_auth_add(auth, "eve", PS_ROLE_VIEWER, "short"),
                     -EINVAL);
    assert_int_equal(ps_auth_add(auth, "eve", PS_ROLE_VIEWER,
                                 "abcdefghijklmnopqrstuvwxyzabcdefgh"),
                     0);
    who = ps_auth_find(auth, "Bearer abcdefghijklmnopqrstuvwxyzabcdefgh");
    assert_string_equal(who->name, "eve");
    assert_int_equal(who->role, PS_ROLE_VIEWER);
    ps_auth_free(&auth);
}

static void test_guessing(void **state _unused_)
{
    struct ps_auth *auth = NULL;
    _cleanup_free_ char *error = NULL;
    uint64_t now = 100 * PS_NS_PER_S;

    assert_int_equal(ps_auth_open(dir, &auth, &error), 0);
    for (int i = 0; i < PS_AUTH_MAX_WRONG; i++)
        assert_false(ps_auth_wrong(auth, "192.0.2.1", now));
    assert_true(ps_auth_wrong(auth, "192.0.2.1", now + 59 * PS_NS_PER_S));
    assert_false(ps_auth_wrong(auth, "192.0.2.1", now + 61 * PS_NS_PER_S));
    ps_auth_free(&auth);
}

static void test_hosts(void **state _unused_)
{
    static char *const allowed[] = {(char *)(uintptr_t)"ps.example"};
    static const struct {
        const char *host;
        bool loopback, any;
    } cases[] = {
        {"localhost", true, true},       {"LOCALHOST:8080", true, true},
        {"127.0.0.1:8080", true, true},  {"[::1]:9", true, true},
        {"evil.example", false, true},   {"evil.example:8080", false, true},
        {"localhost.evil", false, true}, {"127.0.0.1:80:80", false, false},
        {"[::1", false, false},          {"", false, false},
        {"localhost:x", false, false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(
            ps_auth_host_ok(cases[i].host, "127.0.0.1:8080", true, NULL, 0),
            cases[i].loopback);
        assert_int_equal(
            ps_auth_host_ok(cases[i].host, "192.0.2.1:8080", false, NULL, 0),
            cases[i].any);
    }
    assert_true(
        ps_auth_host_ok("ps.example:1", "127.0.0.1:1", true, allowed, 1));
    assert_false(
        ps_auth_host_ok("other.example", "192.0.2.1:80", false, allowed, 1));
    assert_true(
        ps_auth_host_ok("192.0.2.1", "192.0.2.1:80", false, allowed, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_made_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_roles, setup, teardown),
        cmocka_unit_test_setup_teardown(test_guessing, setup, teardown),
        cmocka_unit_test(test_hosts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
