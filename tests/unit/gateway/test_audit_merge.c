/* SPDX-License-Identifier: MIT */
/* Logs merged page by page, and how many refusals are recorded. */
#include "t.h"

#include "gateway/audit_limit.h"
#include "gateway/audit_merge.h"

#define LOGS    3
#define ENTRIES 20

/* A log of entries with times, newest first, that gives pages as one does. */
struct log {
    const char *service, *instance;
    uint64_t times[ENTRIES];
    size_t n;
};

static Ps__AuditEntry *entry(const struct log *log, size_t i)
{
    Ps__AuditEntry *e = malloc(sizeof(*e));

    ps__audit_entry__init(e);
    e->time = malloc(sizeof(*e->time));
    ps__time__init(e->time);
    e->time->unix_ns = log->times[i];
    e->seq = log->n - i;
    e->service = strdup(log->service);
    e->instance = strdup("not what counts");
    e->action = strdup("x");
    e->outcome = PS__AUDIT_ENTRY__OUTCOME__done;
    return e;
}

static Ps__AuditList *ask(const struct log *log, const char *cursor,
                          size_t limit)
{
    uint64_t time_ns = INT64_MAX, seq = INT64_MAX;
    Ps__AuditList *list = malloc(sizeof(*list));

    ps__audit_list__init(list);
    list->entries = calloc(ENTRIES, sizeof(Ps__AuditEntry *));
    if (*cursor)
        assert_int_equal(ps_audit_cursor_parse(cursor, &time_ns, &seq), 0);
    for (size_t i = 0; i < log->n; i++) {
        if (log->times[i] > time_ns ||
            (log->times[i] == time_ns && log->n - i >= seq))
            continue;
        if (list->n_entries == limit) {
            list->next_cursor = strdup("more");
            break;
        }
        list->entries[list->n_entries++] = entry(log, i);
    }
    return list;
}

/* All pages of a size; the times as they came. */
static size_t read_all(const struct log *logs, size_t page, uint64_t *times)
{
    char *cursor = NULL;
    size_t n = 0;

    do {
        struct ps_audit_source sources[LOGS];
        Ps__AuditList *lists[LOGS];
        Ps__AuditReport *report = NULL;
        struct ps_audit_place place;

        assert_int_equal(ps_audit_place_parse(cursor, &place), 0);
        for (size_t i = 0; i < LOGS; i++) {
            char own[PS_AUDIT_CURSOR];

            ps_audit_place_of(&place, logs[i].service, logs[i].instance, own);
            lists[i] = ask(&logs[i], own, page);
            sources[i] = (struct ps_audit_source){logs[i].service,
                                                  logs[i].instance, lists[i]};
        }
        assert_int_equal(ps_audit_merge(sources, LOGS, page, &report), 0);
        assert_true(report->n_entries <= page);
        for (size_t i = 0; i < report->n_entries; i++) {
            assert_true(n < LOGS * ENTRIES);
            times[n++] = report->entries[i]->time->unix_ns;
        }
        free(cursor);
        cursor = TAKE_PTR(report->next_cursor);
        ps_audit_merge_free(&report);
        for (size_t i = 0; i < LOGS; i++)
            ps__audit_list__free_unpacked(lists[i], NULL);
    } while (cursor);
    return n;
}

static void test_every_page_size(void **state _unused_)
{
    /* Many of the same time, within a log and between them. */
    const struct log logs[LOGS] = {
        {"guarder", "h", {90, 80, 80, 80, 70, 50, 10}, 7},
        {"locator", "h", {95, 80, 80, 60, 50, 50}, 6},
        {"locator", "h-2", {80, 50, 5}, 3},
    };
    uint64_t times[LOGS * ENTRIES];

    for (size_t page = 1; page < 20; page++) {
        assert_int_equal(read_all(logs, page, times), 16);
        for (size_t i = 1; i < 16; i++)
            assert_true(times[i] <= times[i - 1]);
    }
}

static void test_empty_logs(void **state _unused_)
{
    const struct log logs[LOGS] = {
        {"guarder", "h", {0}, 0}, {"locator", "h", {0}, 0}, {"x", "", {3}, 1}};
    uint64_t times[LOGS * ENTRIES];

    assert_int_equal(read_all(logs, 5, times), 1);
}

static void test_wrong_places(void **state _unused_)
{
    static const char *const wrong[] = {
        "m",
        "m1-2",
        "m1-2.guarder",
        "m1.guarder.h",
        "a1-2.guarder.h",
        "m1-x.guarder.h",
        "m-1-2.guarder.h",
        "m1-2.guarderguarderguarderguarderguarderguarderguarderguarderguarder"
        "gu.h",
        "m1-2.g.hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh"
        "hh"};
    struct ps_audit_place place = {0};

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(ps_audit_place_parse(wrong[i], &place), -EINVAL);
    assert_int_equal(ps_audit_place_parse("m7-8.guarder.a.b-2", &place), 0);
    assert_string_equal(place.service, "guarder");
    assert_string_equal(place.instance, "a.b-2");
    assert_int_equal(place.seq, 8);
}

static void test_flood_is_bounded(void **state _unused_)
{
    struct ps_audit_limit limit = {0};
    uint64_t now = 77 * PS_NS_PER_S;
    size_t taken = 0;

    for (int i = 0; i < 1000; i++)
        taken += ps_audit_limit_take(&limit, now);
    assert_int_equal(taken, PS_AUDIT_BURST);
    assert_int_equal(limit.dropped, 1000 - PS_AUDIT_BURST);
    for (int i = 0; i < 1000; i++)
        taken += ps_audit_limit_take(&limit, now + 2 * PS_NS_PER_S);
    assert_int_equal(taken, PS_AUDIT_BURST + 2 * PS_AUDIT_RATE);
    for (int i = 0; i < 1000; i++)
        taken += ps_audit_limit_take(&limit, now + 3600 * PS_NS_PER_S);
    assert_int_equal(taken, 2 * PS_AUDIT_BURST + 2 * PS_AUDIT_RATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_page_size),
        cmocka_unit_test(test_empty_logs),
        cmocka_unit_test(test_wrong_places),
        cmocka_unit_test(test_flood_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
