/* SPDX-License-Identifier: MIT */
/* Lists of several locators as one. */
#include "gateway/merge.h"

#include "gateway/announce.h"
#include "t.h"

struct made {
    Ps__PathList list;
    Ps__Path paths[8], *pointers[8];
    Ps__Time times[8];
    char ids[8][4];
};

/* "30c 20a": starts and ids, newest first. */
static void make(struct made *made, const char *text, const char *cursor)
{
    ps__path_list__init(&made->list);
    made->list.paths = made->pointers;
    made->list.next_cursor = (char *)(uintptr_t)cursor;
    while (*text) {
        size_t i = made->list.n_paths++;
        char *end;

        ps__path__init(&made->paths[i]);
        ps__time__init(&made->times[i]);
        made->times[i].unix_ns = strtoull(text, &end, 10);
        made->ids[i][0] = *end;
        made->ids[i][1] = '\0';
        made->paths[i].id = made->ids[i];
        made->paths[i].started = &made->times[i];
        made->pointers[i] = &made->paths[i];
        text = end + 1;
        text += *text == ' ';
    }
    made->list.total = made->list.n_paths + (cursor ? 10 : 0);
}

static void expect(const struct ps_merge *merge, const char *ids,
                   const char *cursor)
{
    Ps__PathList *list = NULL;
    char got[64] = "";
    size_t len = 0;

    assert_int_equal(ps_merge_paths(merge, &list), 0);
    for (size_t i = 0; i < list->n_paths; i++)
        len += (size_t)snprintf(got + len, sizeof(got) - len, "%s",
                                list->paths[i]->id);
    assert_string_equal(got, ids);
    if (cursor)
        assert_string_equal(list->next_cursor, cursor);
    else
        assert_null(list->next_cursor);
    ps_merge_free(&list);
}

static void newest_first(void **state _unused_)
{
    struct made a = {0}, b = {0}, c = {0};
    const Ps__PathList *lists[] = {&a.list, &b.list, &c.list};
    struct ps_merge merge = {.lists = lists, .n = 3, .limit = 10};

    make(&a, "90a 50b 10c", NULL);
    make(&b, "80d 50e", NULL);
    make(&c, "", NULL);
    /* Of two that began together the greater id is first. */
    expect(&merge, "adebc", NULL);
    merge.limit = 3;
    expect(&merge, "ade", "t50.e");
    merge.limit = 1;
    expect(&merge, "a", "t90.a");
    merge.n = 0;
    expect(&merge, "", NULL);
}

/* What follows a cut list is not known: nothing older may be given. */
static void ends_where_a_list_was_cut(void **state _unused_)
{
    struct made a = {0}, b = {0};
    const Ps__PathList *lists[] = {&a.list, &b.list};
    struct ps_merge merge = {.lists = lists, .n = 2, .limit = 10};

    make(&a, "90a 80b", "t80.b");
    make(&b, "85c 70d 60e", NULL);
    expect(&merge, "acb", "t80.b");
}

static void totals_and_missing(void **state _unused_)
{
    struct made a = {0}, b = {0};
    const Ps__PathList *lists[] = {&a.list, &b.list};
    const struct ps_merge_missing missing[] = {{"host-3", "It is down."}};
    const struct ps_merge merge = {
        .lists = lists, .n = 2, .limit = 1, .missing = missing, .n_missing = 1};
    Ps__PathList *list = NULL;

    make(&a, "90a 80b", NULL);
    make(&b, "85c", "t85.c");
    assert_int_equal(ps_merge_paths(&merge, &list), 0);
    assert_int_equal(list->total, 2 + 11);
    assert_int_equal(list->n_missing, 1);
    assert_string_equal(list->missing[0]->instance, "host-3");
    assert_string_equal(list->missing[0]->reason, "It is down.");
    ps_merge_free(&list);
    ps_merge_free(&list);
}

/* ---- announcements ------------------------------------------------------ */

static const char *refused(const char *name, const char *instance,
                           const char *rep, const char *pub, uint64_t started)
{
    Ps__Announcement msg = PS__ANNOUNCEMENT__INIT;
    struct ps_announce_problem problem = {0};
    Ps__Time time = PS__TIME__INIT;

    time.unix_ns = started;
    msg.name = (char *)(uintptr_t)name;
    msg.instance = (char *)(uintptr_t)instance;
    msg.rep = (char *)(uintptr_t)rep;
    msg.pub = (char *)(uintptr_t)pub;
    msg.started = &time;
    if (ps_announce_check(&msg, &problem) == 0)
        return NULL;
    assert_true(problem.text[0] != '\0');
    assert_int_equal(problem.status, 400);
    return problem.field;
}

static void announcements_are_checked(void **state _unused_)
{
    static const char url[] = "ipc:///run/packetscope/locator-2.rep";
    char longest[400];

    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_null(refused("locator", "host-2", url, url, 1));
    assert_null(refused("gateway", "h", "tcp://h:1", "tls+tcp://[::1]:2", 1));
    assert_string_equal(refused("", "h", url, url, 1), "name");
    assert_string_equal(refused("locator2", "h", url, url, 1), "name");
    assert_string_equal(refused("locator", "", url, url, 1), "instance");
    assert_string_equal(refused("locator", "a b", url, url, 1), "instance");
    assert_string_equal(refused("locator", "a\n", url, url, 1), "instance");
    assert_string_equal(refused("locator", longest, url, url, 1), "instance");
    assert_string_equal(refused("locator", "h", longest, url, 1), "rep");
    assert_string_equal(refused("locator", "h", "http://h/", url, 1), "rep");
    assert_string_equal(refused("locator", "h", "ipc:///", url, 1), "rep");
    assert_string_equal(refused("locator", "h", "", url, 1), "rep");
    assert_string_equal(refused("locator", "h", url, "ipc://x", 1), "pub");
    assert_string_equal(refused("locator", "h", url, "inproc://x", 1), "pub");
    assert_string_equal(refused("locator", "h", url, url, 0), "started");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(newest_first),
        cmocka_unit_test(ends_where_a_list_was_cut),
        cmocka_unit_test(totals_and_missing),
        cmocka_unit_test(announcements_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
