/* SPDX-License-Identifier: MIT */
/* Netlink messages, good and bad, and the choice of interfaces; names of pin
 * directories; compiled sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "guarder/compile.h"
#include "guarder/links.h"
#include "guarder/pins.h"

struct message {
    struct nlmsghdr head;
    struct ifinfomsg info;
    struct rtattr name_head;
    char name[8];
    struct rtattr master_head;
    uint32_t master;
};

static struct message link_message(int index, const char *name, uint32_t master)
{
    struct message m = {
        .head = {.nlmsg_len = sizeof(m), .nlmsg_type = RTM_NEWLINK},
        .info = {.ifi_index = index,
                 .ifi_type = ARPHRD_ETHER,
                 .ifi_flags = IFF_UP},
        .name_head = {.rta_len = sizeof(struct rtattr) + 8,
                      .rta_type = IFLA_IFNAME},
        .master_head = {.rta_len = sizeof(struct rtattr) + 4,
                        .rta_type = IFLA_MASTER},
        .master = master,
    };

    snprintf(m.name, sizeof(m.name), "%s", name);
    return m;
}

static void test_parse(void **state)
{
    _cleanup_(ps_links_free) struct ps_links *links = NULL;
    struct message m[2] = {link_message(7, "eth0", 0),
                           link_message(9, "port", 3)};
    bool done = true;

    (void)state;
    assert_int_equal(ps_links_new(&links), 0);
    assert_int_equal(ps_links_parse(links, m, sizeof(m), &done), 0);
    assert_false(done);
    assert_int_equal(links->n, 2);
    assert_int_equal(ps_links_by_name(links, "eth0")->ifindex, 7);
    assert_true(ps_links_by_index(links, 9)->enslaved);
    assert_null(ps_links_by_name(links, "eth1"));
    m[0].head.nlmsg_type = NLMSG_DONE;
    assert_int_equal(ps_links_parse(links, m, sizeof(m), &done), 0);
    assert_true(done);
}

static void test_parse_bad(void **state)
{
    _cleanup_(ps_links_free) struct ps_links *links = NULL;
    const struct message good = link_message(7, "eth0", 0);
    struct message m;
    bool done;

    (void)state;
    assert_int_equal(ps_links_new(&links), 0);
    m = good;
    m.head.nlmsg_len = sizeof(m) + 1;
    assert_int_equal(ps_links_parse(links, &m, sizeof(m), &done), -EBADMSG);
    m.head.nlmsg_len = 3;
    assert_int_equal(ps_links_parse(links, &m, sizeof(m), &done), -EBADMSG);
    m = good;
    m.name_head.rta_len = 2;
    assert_int_equal(ps_links_parse(links, &m, sizeof(m), &done), -EBADMSG);
    m.name_head.rta_len = 200;
    assert_int_equal(ps_links_parse(links, &m, sizeof(m), &done), -EBADMSG);
    m = good;
    m.info.ifi_index = 0;
    assert_int_equal(ps_links_parse(links, &m, sizeof(m), &done), -EBADMSG);
    m = good;
    m.head.nlmsg_flags = NLM_F_DUMP_INTR;
    assert_int_equal(ps_links_parse(links, &m, sizeof(m), &done), -EINTR);
    m = good;
    m.head.nlmsg_type = NLMSG_ERROR;
    m.info.ifi_family = 0;
    *(int *)(void *)&m.info = -EPERM;
    assert_int_equal(ps_links_parse(links, &m, sizeof(m), &done), -EPERM);
    assert_int_equal(links->n, 0);
    /* A name without its zero is cut, and the room is bounded. */
    m = good;
    memset(m.name, 'x', sizeof(m.name));
    for (size_t i = 0; i < PS_LINKS_MAX + 5; i++)
        assert_int_equal(ps_links_parse(links, &m, sizeof(m), &done), 0);
    assert_int_equal(links->n, PS_LINKS_MAX);
    assert_int_equal(links->left_out, 5);
    assert_string_equal(links->list[0].name, "xxxxxxxx");
}

static void test_wanted(void **state)
{
    static char *automatic[] = {(char *)"auto"};
    static char *named[] = {(char *)"lo", (char *)"eth1"};
    const struct ps_strlist a = {automatic, 1}, b = {named, 2};
    struct ps_netif eth = {2, "eth0", ARPHRD_ETHER, true, false};
    struct ps_netif lo = {1, "lo", ARPHRD_LOOPBACK, true, false};
    struct ps_netif tun = {3, "tun0", ARPHRD_NONE, true, false};

    (void)state;
    assert_true(ps_links_wanted(&eth, &a));
    assert_false(ps_links_wanted(&eth, &b));
    assert_false(ps_links_wanted(&lo, &a));
    assert_true(ps_links_wanted(&lo, &b));
    assert_false(ps_links_wanted(&tun, &a));
    eth.enslaved = true;
    assert_false(ps_links_wanted(&eth, &a));
    eth.enslaved = eth.up = false;
    assert_false(ps_links_wanted(&eth, &a));
    assert_null(ps_links_unfit(&eth));
    assert_null(ps_links_unfit(&lo));
    assert_non_null(ps_links_unfit(&tun));
}

static void test_tag(void **state)
{
    char one[17], same[17], other[17], gone[17];

    (void)state;
    ps_pins_tag("/tmp", one);
    ps_pins_tag("/tmp/../tmp/", same);
    ps_pins_tag("/usr", other);
    ps_pins_tag("/tmp/not-there-at-all", gone);
    assert_string_equal(one, same);
    assert_string_not_equal(one, other);
    ps_pins_tag("/tmp/./not-there-at-all", same);
    assert_string_equal(gone, same);
}

static uint32_t ifindex_of(void *arg, const char *name)
{
    return strcmp(name, arg) == 0 ? 42 : 0;
}

static void test_compile(void **state)
{
    struct ps_gd_set *set = calloc(1, sizeof(*set));
    struct ps_rule rules[4] = {
        {.enabled = true,
         .action = PS__RULE__ACTION__drop,
         .slot = 5,
         .icmp_type = -1,
         .icmp_code = -1},
        {.enabled = false, .icmp_type = -1, .icmp_code = -1},
        {.enabled = true, .ifname = "gone", .icmp_type = -1, .icmp_code = -1},
        {.enabled = true,
         .ifname = "eth0",
         .family = 6,
         .action = PS__RULE__ACTION__pass,
         .icmp_type = -1,
         .icmp_code = -1},
    };
    char name[] = "eth0";
    size_t used;

    (void)state;
    assert_int_equal(ps_compile_rules(rules, 4, ifindex_of, name, set, &used),
                     0);
    assert_int_equal(used, 2);
    assert_int_equal(set->n4, 1);
    assert_int_equal(set->n6, 2);
    assert_int_equal(set->r4[0].m.slot, 5);
    assert_int_equal(set->r4[0].m.action, PS_GD_DROP);
    assert_int_equal(set->r6[1].m.ifindex, 42);
    assert_int_equal(set->r6[1].m.action, PS_GD_PASS);
    free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),   cmocka_unit_test(test_parse_bad),
        cmocka_unit_test(test_wanted),  cmocka_unit_test(test_tag),
        cmocka_unit_test(test_compile),
    };

    return cmocka_run_group_tests_name("guarder links", tests, NULL, NULL);
}
