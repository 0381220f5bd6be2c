/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/bpf.h"

struct value {
    const char *name;
    int64_t code;
};

static void add_enum(struct btf *btf, const char *name,
                     const struct value *values, size_t n)
{
    assert_true(btf__add_enum(btf, name, 4) > 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(
            btf__add_enum_value(btf, values[i].name, values[i].code), 0);
}

static struct ps_drop_reasons *load(struct btf *btf)
{
    struct ps_drop_reasons *reasons = NULL;

    assert_int_equal(ps_drop_reasons_load(btf, &reasons), 0);
    return reasons;
}

static void test_core(void **state _unused_)
{
    static const struct value core[] = {
        {"SKB_NOT_DROPPED_YET", 0},
        {"SKB_DROP_REASON_NO_SOCKET", 3},
        {"SKB_DROP_REASON_MAX", 90},
    };
    struct btf *btf = btf__new_empty();
    struct ps_drop_reasons *reasons;

    add_enum(btf, "skb_drop_reason", core, ARRAY_SIZE(core));
    reasons = load(btf);
    assert_string_equal(ps_drop_reason_name(reasons, 3), "NO_SOCKET");
    assert_null(ps_drop_reason_name(reasons, 90));
    assert_null(ps_drop_reason_name(reasons, 4));
    /* Such a kernel has no subsystems. */
    assert_string_equal(ps_drop_reason_subsystem(reasons, 3), "core");
    assert_null(ps_drop_reason_subsystem(reasons, 2u << 16));
    ps_drop_reasons_free(&reasons);
    btf__free(btf);
}

static void test_subsystems(void **state _unused_)
{
    static const struct value core[] = {{"SKB_DROP_REASON_NO_SOCKET", 3}};
    static const struct value subsystems[] = {
        {"SKB_DROP_REASON_SUBSYS_CORE", 0},
        {"SKB_DROP_REASON_SUBSYS_MAC80211_UNUSABLE", 1},
        {"SKB_DROP_REASON_SUBSYS_OPENVSWITCH", 2},
        {"SKB_DROP_REASON_SUBSYS_NUM", 3},
    };
    static const struct value ovs[] = {
        {"__OVS_DROP_REASON", 0x20000},
        {"OVS_DROP_LAST_ACTION", 0x20001},
        {"OVS_DROP_MAX", 0x20002},
    };
    static const struct value wireless[] = {
        {"RX_CONTINUE", 3}, /* a verdict, not a drop */
        {"RX_DROP_U_REPLAY", 0x10002},
    };
    struct btf *btf = btf__new_empty();
    struct ps_drop_reasons *reasons;

    add_enum(btf, "skb_drop_reason", core, ARRAY_SIZE(core));
    add_enum(btf, "skb_drop_reason_subsys", subsystems, ARRAY_SIZE(subsystems));
    add_enum(btf, "ovs_drop_reason", ovs, ARRAY_SIZE(ovs));
    add_enum(btf, "mac80211_drop_reason", wireless, ARRAY_SIZE(wireless));
    reasons = load(btf);
    assert_string_equal(ps_drop_reason_name(reasons, 3), "NO_SOCKET");
    assert_string_equal(ps_drop_reason_name(reasons, 0x20001), "LAST_ACTION");
    assert_string_equal(ps_drop_reason_name(reasons, 0x10002), "U_REPLAY");
    assert_null(ps_drop_reason_name(reasons, 0x20000));
    assert_null(ps_drop_reason_name(reasons, 0x20002));
    assert_string_equal(ps_drop_reason_subsystem(reasons, 3), "core");
    assert_string_equal(ps_drop_reason_subsystem(reasons, 0x20001),
                        "openvswitch");
    assert_string_equal(ps_drop_reason_subsystem(reasons, 0x10002),
                        "mac80211_unusable");
    assert_null(ps_drop_reason_subsystem(reasons, 0x30001));
    assert_null(ps_drop_reason_subsystem(reasons, 0xffff0001));
    assert_null(ps_drop_reason_subsystem(NULL, 3));
    ps_drop_reasons_free(&reasons);
    btf__free(btf);
}

static void test_none(void **state _unused_)
{
    struct btf *btf = btf__new_empty();
    struct ps_drop_reasons *reasons = NULL;

    assert_int_equal(ps_drop_reasons_load(btf, &reasons), -ENOENT);
    assert_int_equal(ps_drop_reasons_load(NULL, &reasons), -ENOENT);
    assert_null(reasons);
    btf__free(btf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_core),
        cmocka_unit_test(test_subsystems),
        cmocka_unit_test(test_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
