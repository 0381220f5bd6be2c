/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "locator/special.h"

static const struct {
    const char *address;
    const char *name; /* NULL: global */
} cases[] = {
    {"0.0.0.0", "unspecified"},
    {"0.0.0.1", "this_network"},
    {"1.0.0.0", NULL},
    {"9.255.255.255", NULL},
    {"10.0.0.0", "private"},
    {"10.255.255.255", "private"},
    {"11.0.0.0", NULL},
    {"100.63.255.255", NULL},
    {"100.64.0.0", "shared"},
    {"100.127.255.255", "shared"},
    {"100.128.0.0", NULL},
    {"127.0.0.1", "loopback"},
    {"169.254.0.1", "link_local"},
    {"172.15.255.255", NULL},
    {"172.16.0.0", "private"},
    {"172.31.255.255", "private"},
    {"172.32.0.0", NULL},
    {"192.0.0.1", "reserved"},
    {"192.0.0.9", NULL},
    {"192.0.2.1", "documentation"},
    {"192.168.1.1", "private"},
    {"198.17.255.255", NULL},
    {"198.18.0.0", "benchmarking"},
    {"198.19.255.255", "benchmarking"},
    {"198.51.100.1", "documentation"},
    {"203.0.113.1", "documentation"},
    {"223.255.255.255", NULL},
    {"224.0.0.1", "multicast"},
    {"239.255.255.255", "multicast"},
    {"240.0.0.1", "reserved"},
    {"255.255.255.254", "reserved"},
    {"255.255.255.255", "broadcast"},
    {"::", "unspecified"},
    {"::1", "loopback"},
    {"::2", "reserved"},
    {"::ffff:10.0.0.1", "ipv4_mapped"},
    {"64:ff9b::8.8.8.8", "nat64"},
    {"100::1", "discard"},
    {"1fff::1", "reserved"},
    {"2000::1", NULL},
    {"2001::1", "teredo"},
    {"2001:1::1", NULL},
    {"2001:1::4", "reserved"},
    {"2001:2::1", "benchmarking"},
    {"2001:20::1", NULL},
    {"2001:100::1", "reserved"},
    {"2001:200::1", NULL},
    {"2001:db8::1", "documentation"},
    {"2001:db9::1", NULL},
    {"2002:a00::1", "6to4"},
    {"2606:4700::1111", NULL},
    {"3fff:fff::1", "documentation"},
    {"3fff:1000::1", NULL},
    {"5f00::1", "reserved"},
    {"fc00::1", "private"},
    {"fdff::1", "private"},
    {"fe80::1", "link_local"},
    {"febf::1", "link_local"},
    {"fec0::1", "reserved"},
    {"ff02::1", "multicast"},
};

static void names_each_block(void **state _unused_)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct ps_addr addr;
        const char *name;

        assert_int_equal(ps_addr_parse(cases[i].address, &addr), 0);
        name = ps_special_name(&addr);
        if (cases[i].name ? !ps_streq(name, cases[i].name) : name != NULL)
            fail_msg("%s is %s", cases[i].address, name ? name : "global");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_each_block),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
