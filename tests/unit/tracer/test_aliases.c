/* SPDX-License-Identifier: MIT */
/* Connections that are there when a trace begins: what could not be learned is
 * counted. The kernel's part is played here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "tracer/aliases.h"
#include "tracer/conntrack.h"
#include "tracer/filter.h"
#include "tracer/join.h"
#include "tracer/netns_enter.h"
#include "tracer/probes.h"

#define TABLES 4

static struct {
    int list, read[TABLES], enter[TABLES]; /* what they return */
    uint32_t room;                         /* for tuples */
    size_t missed, here;
    unsigned int added;
} kernel;

int ps_netns_visit_open(struct ps_netns_visit *ret_visit _unused_)
{
    return 0;
}

void ps_netns_visit_close(struct ps_netns_visit *visit _unused_)
{
}

int ps_netns_enter(struct ps_netns_visit *visit _unused_,
                   const struct ps_netns *ns)
{
    kernel.here = ns->inum;
    return kernel.enter[ns->inum];
}

void ps_netns_leave(struct ps_netns_visit *visit _unused_)
{
}

int ps_netns_all(struct ps_netns **ret_list, size_t *ret_n, size_t *ret_missed)
{
    if (kernel.list < 0)
        return kernel.list;
    *ret_list = calloc(TABLES, sizeof(**ret_list));
    assert_non_null(*ret_list);
    for (uint32_t i = 0; i < TABLES; i++)
        (*ret_list)[i].inum = i;
    *ret_n = TABLES;
    *ret_missed = kernel.missed;
    return 0;
}

/* One connection in each, translated to port 81. */
int ps_conntrack_read(ps_conntrack_fn fn, void *arg)
{
    struct ps_tracer_tuple before = {.family = 4,
                                     .proto = IPPROTO_TCP,
                                     .sport = (uint16_t)(1000 + kernel.here),
                                     .dport = 80};
    struct ps_tracer_tuple behind = before;

    behind.dport = 81;
    fn(arg, &before, &behind);
    return kernel.read[kernel.here];
}

int ps_probes_add_alias(struct ps_probes *probes _unused_, unsigned int slot,
                        const struct ps_tracer_tuple *tuple)
{
    assert_int_equal(slot, 3);
    assert_int_equal(tuple->dport, 81);
    if (kernel.added == kernel.room)
        return -E2BIG;
    kernel.added++;
    return 0;
}

static struct ps_aliases_left seed(void)
{
    const struct ps_filter filter = {.kernel.value.dport = 80,
                                     .kernel.mask.dport = 0xffff};
    struct ps_aliases_left left = {0};
    struct ps_join *join = NULL;

    kernel.added = 0;
    assert_int_equal(ps_join_new(1, &join), 0);
    ps_aliases_seed(NULL, 3, &filter, join, &left);
    ps_join_free(&join);
    return left;
}

static int begin(void **state _unused_)
{
    memset(&kernel, 0, sizeof(kernel));
    kernel.room = 100;
    return 0;
}

static void test_all_is_read(void **state _unused_)
{
    struct ps_aliases_left left = seed();

    assert_int_equal(left.tables, 0);
    assert_int_equal(left.tuples, 0);
    assert_int_equal(kernel.added, TABLES);
}

static void test_large_tables(void **state _unused_)
{
    struct ps_aliases_left left;

    kernel.read[0] = -ETIME;
    kernel.read[2] = -ENOBUFS;
    kernel.missed = 5;
    left = seed();
    assert_int_equal(left.tables, 7);
    assert_int_equal(left.tuples, 0);
    /* What was read of them, and the others, is known. */
    assert_int_equal(kernel.added, TABLES);
}

static void test_namespaces_that_go(void **state _unused_)
{
    kernel.enter[1] = -ESRCH;
    assert_int_equal(seed().tables, 0);
    assert_int_equal(kernel.added, TABLES - 1);
    kernel.list = -ENOMEM;
    assert_int_equal(seed().tables, 1);
}

static void test_no_room(void **state _unused_)
{
    kernel.room = 1;
    assert_int_equal(seed().tuples, TABLES - 1);
}

/* That there is no table is no loss. */
static void test_no_table(void **state _unused_)
{
    kernel.read[0] = -EPROTONOSUPPORT;
    assert_int_equal(seed().tables, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_all_is_read, begin),
        cmocka_unit_test_setup(test_large_tables, begin),
        cmocka_unit_test_setup(test_namespaces_that_go, begin),
        cmocka_unit_test_setup(test_no_room, begin),
        cmocka_unit_test_setup(test_no_table, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
