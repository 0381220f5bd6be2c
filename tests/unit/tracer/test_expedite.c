/* SPDX-License-Identifier: MIT */
/* The kernel's setting, also one that a killed daemon left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>

#include "tracer/expedite.h"

#define RCU   "/sys/kernel/rcu_expedited"
#define BOOT  "/proc/sys/kernel/random/boot_id"
#define NOTE  "/state/tracer.expedited"
#define ID    "01234567-89ab-cdef-0123-456789abcdef"
#define OTHER "f1234567-89ab-cdef-0123-456789abcdef"

static char root[] = "/tmp/ps-expedite-XXXXXX";

static const char *const dirs[] = {
    "/sys",      "/sys/kernel",      "/proc",
    "/proc/sys", "/proc/sys/kernel", "/proc/sys/kernel/random",
    "/state",
};

static const char *at(const char *path)
{
    static char full[256];

    snprintf(full, sizeof(full), "%s%s", root, path);
    return full;
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(at(path), "we");

    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static char setting(void)
{
    FILE *file = fopen(at(RCU), "re");
    int c;

    assert_non_null(file);
    c = fgetc(file);
    fclose(file);
    return (char)c;
}

static bool noted(void)
{
    struct stat st;

    return lstat(at(NOTE), &st) == 0;
}

static struct ps_expedite *open_it(void)
{
    struct ps_expedite *e = NULL;
    char state[64];

    snprintf(state, sizeof(state), "%s/state", root);
    assert_int_equal(ps_expedite_open(root, state, &e), 0);
    return e;
}

static int setup(void **state _unused_)
{
    if (!mkdtemp(root))
        return -1;
    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
        if (mkdir(at(dirs[i]), 0700) < 0)
            return -1;
    return 0;
}

static int teardown(void **state _unused_)
{
    unlink(at(RCU));
    unlink(at(BOOT));
    for (size_t i = ARRAY_SIZE(dirs); i-- > 0;)
        if (rmdir(at(dirs[i])) < 0)
            return -1;
    return rmdir(root);
}

static int as_booted(void **state _unused_)
{
    put(RCU, "0\n");
    put(BOOT, ID "\n");
    return 0;
}

static void begins_and_ends(void **state _unused_)
{
    struct ps_expedite *e = open_it();

    for (int i = 0; i < 2; i++) {
        ps_expedite_begin(e);
        ps_expedite_begin(e);
        assert_int_equal(setting(), '1');
        assert_true(noted());
        ps_expedite_end(e);
        assert_int_equal(setting(), '0');
        assert_false(noted());
    }
    ps_expedite_begin(e);
    ps_expedite_free(&e);
    assert_int_equal(setting(), '0');
    assert_false(noted());
}

/* As after kill -9: the note and the setting stay. */
static void next_start_puts_it_right(void **state _unused_)
{
    struct ps_expedite *e;

    put(RCU, "1\n");
    put(NOTE, ID);
    e = open_it();
    assert_int_equal(setting(), '0');
    assert_false(noted());
    ps_expedite_free(&e);
    assert_int_equal(setting(), '0');
}

/* Set by somebody else, in another boot, or meanwhile: it stays. */
static void others_value_stays(void **state _unused_)
{
    struct ps_expedite *e;

    put(RCU, "1\n");
    put(NOTE, OTHER);
    e = open_it();
    assert_int_equal(setting(), '1');
    assert_false(noted());
    ps_expedite_begin(e);
    assert_false(noted());
    ps_expedite_end(e);
    assert_int_equal(setting(), '1');
    put(RCU, "0\n");
    ps_expedite_begin(e);
    assert_int_equal(setting(), '1');
    put(RCU, "0\n");
    ps_expedite_end(e);
    assert_int_equal(setting(), '0');
    ps_expedite_free(&e);
}

static void garbage_is_thrown_away(void **state _unused_)
{
    static const char *const notes[] = {"", "1", "\1\2\3", "0123456"};
    struct ps_expedite *e;

    for (size_t i = 0; i < ARRAY_SIZE(notes); i++) {
        put(RCU, "1\n");
        put(NOTE, notes[i]);
        e = open_it();
        assert_int_equal(setting(), '1');
        assert_false(noted());
        ps_expedite_free(&e);
    }
    /* Not through a link. */
    put("/state/elsewhere", ID);
    assert_int_equal(symlink("elsewhere", at(NOTE)), 0);
    e = open_it();
    assert_int_equal(setting(), '1');
    assert_false(noted());
    assert_int_equal(unlink(at("/state/elsewhere")), 0);
    ps_expedite_free(&e);
}

static void without_a_note_no_change(void **state _unused_)
{
    struct ps_expedite *e;

    assert_int_equal(mkdir(at(NOTE), 0700), 0);
    e = open_it();
    ps_expedite_begin(e);
    assert_int_equal(setting(), '0');
    ps_expedite_free(&e);
    assert_int_equal(rmdir(at(NOTE)), 0);
    put(BOOT, "");
    e = open_it();
    ps_expedite_begin(e);
    assert_int_equal(setting(), '0');
    ps_expedite_free(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(begins_and_ends, as_booted),
        cmocka_unit_test_setup(next_start_puts_it_right, as_booted),
        cmocka_unit_test_setup(others_value_stays, as_booted),
        cmocka_unit_test_setup(garbage_is_thrown_away, as_booted),
        cmocka_unit_test_setup(without_a_note_no_change, as_booted),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
