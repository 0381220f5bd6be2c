/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>

#include "locator/convert.h"
#include "locator/history.h"
#include "locator/locator.h"

static char dir[32];

static int make_dir(void **state _unused_)
{
    snprintf(dir, sizeof(dir), "/tmp/ps-test-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state _unused_)
{
    char command[64];

    snprintf(command, sizeof(command), "rm -r %s", dir);
    return system(command);
}

static struct ps_history *open_history(uint64_t max_bytes)
{
    struct ps_history *history = NULL;
    char *error = NULL;

    if (ps_history_open(dir, "locator", max_bytes, &history, &error) < 0)
        fail_msg("%s", error);
    return history;
}

static Ps__Path *make(const char *id, const char *target, uint64_t started)
{
    struct ps_addr addr;

    assert_int_equal(ps_addr_parse(target, &addr), 0);
    return ps_path_message(id, &addr, 10, 30, started);
}

static void put(struct ps_history *history, const char *id, const char *target,
                uint64_t started, bool done)
{
    Ps__Path *path = make(id, target, started);

    if (done)
        assert_int_equal(ps_path_end(path, started + 1, NULL), 0);
    assert_int_equal(ps_history_put(history, path), 0);
    ps__path__free_unpacked(path, NULL);
}

struct seen {
    char ids[256];
    size_t n, max; /* max: after so many it ends; 0: never */
};

static int see(void *arg, Ps__Path *path)
{
    struct seen *seen = arg;

    size_t used = strlen(seen->ids);

    snprintf(seen->ids + used, sizeof(seen->ids) - used, "%s", path->id);
    seen->n++;
    ps__path__free_unpacked(path, NULL);
    return seen->n == seen->max;
}

static void keeps_and_lists(void **state _unused_)
{
    struct ps_history *history = open_history(64 << 20);
    struct ps_addr target;
    struct ps_history_place after = {30, "c"};
    struct seen seen = {};
    Ps__Path *path = NULL;
    uint64_t n = 0;

    put(history, "a", "192.0.2.1", 10, true);
    put(history, "b", "2001:db8::1", 20, true);
    put(history, "c", "192.0.2.1", 30, false);
    put(history, "c", "192.0.2.1", 30, true); /* replaces */
    assert_int_equal(ps_history_count(history, NULL, &n), 0);
    assert_int_equal(n, 3);
    assert_int_equal(ps_history_list(history, NULL, NULL, see, &seen), 0);
    assert_string_equal(seen.ids, "cba");
    seen = (struct seen){.max = 1};
    assert_int_equal(ps_history_list(history, NULL, &after, see, &seen), 0);
    assert_string_equal(seen.ids, "b");
    seen = (struct seen){};
    /* A place that nobody holds is one all the same. */
    after = (struct ps_history_place){20, "bb"};
    assert_int_equal(ps_history_list(history, NULL, &after, see, &seen), 0);
    assert_string_equal(seen.ids, "ba");
    memset(&seen, 0, sizeof(seen));
    ps_addr_parse("192.0.2.1", &target);
    assert_int_equal(ps_history_list(history, &target, NULL, see, &seen), 0);
    assert_string_equal(seen.ids, "ca");
    assert_int_equal(ps_history_count(history, &target, &n), 0);
    assert_int_equal(n, 2);
    assert_int_equal(ps_history_get(history, "nope", &path), -ENOENT);
    assert_int_equal(ps_history_get(history, "b' OR 1=1 --", &path), -ENOENT);
    ps_history_free(&history);

    history = open_history(64 << 20);
    assert_int_equal(ps_history_get(history, "b", &path), 0);
    assert_int_equal(path->target->addr.len, 16);
    assert_int_equal(path->state, PS__PATH__STATE__done);
    ps__path__free_unpacked(path, NULL);
    ps_history_free(&history);
}

static void closes_what_was_cut(void **state _unused_)
{
    struct ps_history *history = open_history(64 << 20);
    Ps__Path *path = NULL;
    size_t n = 0;

    put(history, "r1", "192.0.2.7", 100, false);
    put(history, "r2", "192.0.2.7", 101, false);
    assert_int_equal(ps_history_close_running(history, 500, &n), 0);
    assert_int_equal(n, 2);
    assert_int_equal(ps_history_get(history, "r1", &path), 0);
    assert_int_equal(path->state, PS__PATH__STATE__failed);
    assert_string_equal(path->failure, "restart");
    assert_int_equal(path->ended->unix_ns, 500);
    ps__path__free_unpacked(path, NULL);
    assert_int_equal(ps_history_close_running(history, 600, &n), 0);
    assert_int_equal(n, 0);
    ps_history_free(&history);
}

/* A row that says another id than its body: it ends, with an error. */
static void refuses_a_row_of_another(void **state _unused_)
{
    struct ps_history *history = open_history(64 << 20);
    char path[64];
    size_t n = 0;
    sqlite3 *db;

    put(history, "x1", "192.0.2.7", 100, false);
    ps_history_free(&history);
    snprintf(path, sizeof(path), "%s/locator.db", dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "UPDATE paths SET id = 'x2'"
                                  " WHERE id = 'x1'",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    history = open_history(64 << 20);
    assert_int_equal(ps_history_close_running(history, 500, &n), -EBADMSG);
    ps_history_free(&history);
    assert_int_equal(unlink(path), 0);
}

/* Far more than fits: the newest stay, the file does not grow. */
static void stays_within_its_bound(void **state _unused_)
{
    struct ps_history *history = NULL;
    char *error = NULL, sub[64], id[16], filler[4000];
    uint64_t n = 0, used = 0;
    Ps__Path *path;

    snprintf(sub, sizeof(sub), "%s/small", dir);
    assert_int_equal(mkdir(sub, 0700), 0);
    assert_int_equal(ps_history_open(sub, "locator", 1 << 20, &history, &error),
                     0);
    memset(filler, 'x', sizeof(filler) - 1);
    filler[sizeof(filler) - 1] = '\0';
    for (uint64_t i = 0; i < 1000; i++) {
        snprintf(id, sizeof(id), "p%llu", (unsigned long long)i);
        path = make(id, "192.0.2.1", i);
        assert_int_equal(ps_path_end(path, i + 1, filler), 0);
        assert_int_equal(ps_history_put(history, path), 0);
        ps__path__free_unpacked(path, NULL);
    }
    assert_int_equal(ps_history_count(history, NULL, &n), 0);
    assert_in_range(n, 50, 260);
    assert_int_equal(ps_history_get(history, "p999", &path), 0);
    ps__path__free_unpacked(path, NULL);
    assert_int_equal(ps_history_get(history, "p0", &path), -ENOENT);
    ps_history_free(&history);
    snprintf(sub, sizeof(sub), "%s/small/locator.db", dir);
    FILE *file = fopen(sub, "re");

    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    used = (uint64_t)ftell(file);
    fclose(file);
    assert_in_range(used, 1, 1 << 20);
}

/* ---- requests ----------------------------------------------------------- */

static void checks_requests(void **state _unused_)
{
    static const struct {
        const char *target;
        uint32_t hops, probes;
        uint64_t interval, timeout;
        const char *id, *field; /* NULL: fine */
    } cases[] = {
        {"192.0.2.1", 0, 0, 0, 0, NULL, NULL},
        {"2001:db8::1", 64, 100, 20000000, 10000000000, NULL, NULL},
        {"127.0.0.1", 1, 1, 60000000000, 10000000, NULL, NULL},
        {NULL, 0, 0, 0, 0, "path.target_missing", "target"},
        {"0.0.0.0", 0, 0, 0, 0, "path.target_invalid", "target"},
        {"0.1.2.3", 0, 0, 0, 0, "path.target_invalid", "target"},
        {"224.0.0.1", 0, 0, 0, 0, "path.target_invalid", "target"},
        {"255.255.255.255", 0, 0, 0, 0, "path.target_invalid", "target"},
        {"::", 0, 0, 0, 0, "path.target_invalid", "target"},
        {"ff02::1", 0, 0, 0, 0, "path.target_invalid", "target"},
        {"fe80::1", 0, 0, 0, 0, "path.target_invalid", "target"},
        {"::ffff:1.2.3.4", 0, 0, 0, 0, "path.target_invalid", "target"},
        {"192.0.2.1", 65, 0, 0, 0, "path.out_of_range", "max_hops"},
        {"192.0.2.1", 0, 101, 0, 0, "path.out_of_range", "probes"},
        {"192.0.2.1", 0, 0, 19999999, 0, "path.out_of_range", "interval_ns"},
        {"192.0.2.1", 0, 0, 60000000001, 0, "path.out_of_range", "interval_ns"},
        {"192.0.2.1", 0, 0, 0, 9999999, "path.out_of_range", "timeout_ns"},
        {"192.0.2.1", 0, 0, 0, 10000000001, "path.out_of_range", "timeout_ns"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        Ps__MeasureRequest request = PS__MEASURE_REQUEST__INIT;
        struct ps_request_problem problem = {};
        struct ps_engine_request out;
        struct ps_addr addr = {};
        int r;

        if (cases[i].target) {
            assert_int_equal(ps_addr_parse(cases[i].target, &addr), 0);
            request.target = ps_addr_to_pb(&addr);
        }
        request.has_max_hops = cases[i].hops != 0;
        request.max_hops = cases[i].hops;
        request.has_probes = cases[i].probes != 0;
        request.probes = cases[i].probes;
        request.has_interval_ns = cases[i].interval != 0;
        request.interval_ns = cases[i].interval;
        request.has_timeout_ns = cases[i].timeout != 0;
        request.timeout_ns = cases[i].timeout;
        r = ps_locator_check_request(&request, &out, &problem);
        if (cases[i].id) {
            assert_int_equal(r, -EINVAL);
            assert_string_equal(problem.id, cases[i].id);
            assert_string_equal(problem.field, cases[i].field);
            assert_true(problem.text[0] != '\0');
        } else {
            assert_int_equal(r, 0);
            assert_int_equal(out.max_hops, cases[i].hops ? cases[i].hops : 30);
        }
        if (request.target)
            ps__ip__free_unpacked(request.target, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_and_lists),
        cmocka_unit_test(closes_what_was_cut),
        cmocka_unit_test(refuses_a_row_of_another),
        cmocka_unit_test(stays_within_its_bound),
        cmocka_unit_test(checks_requests),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
