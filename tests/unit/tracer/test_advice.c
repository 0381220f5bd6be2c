/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tracer/advice.h"

static void test_find(void **state _unused_)
{
    static const struct {
        const char *subsystem, *reason, *function, *id;
    } cases[] = {
        {"core", "NO_SOCKET", "__udp4_lib_rcv", "no_socket"},
        {NULL, "NO_SOCKET", NULL, "no_socket"},
        {"core", "IP_INHDR", "ip_rcv_core", "ip_inhdr"},
        {"core", "IP_INHDR", "ip_forward", "ttl_expired"},
        {"core", "IP_INHDR", "ip_forward.isra.0", "ttl_expired"},
        {"core", "IP_INHDR", "ip_forward_finish", "ip_inhdr"},
        {"core", "IP_INHDR", "ip6_forward", "hop_limit_expired"},
        {"core", "XDP", NULL, "xdp"},
        /* The kernel does not say it, or cannot. */
        {"core", "NOT_SPECIFIED", "do_xdp_generic", "xdp"},
        {NULL, NULL, "nf_hook_slow", "netfilter_drop"},
        {"core", "NOT_SPECIFIED", "udp_rcv", "not_specified"},
        {"core", "NO_SOCKET", "nf_hook_slow", "no_socket"},
        {"openvswitch", "LAST_ACTION", NULL, "openvswitch"},
        {"openvswitch", NULL, NULL, "openvswitch"},
        /* Names of another subsystem are others. */
        {"mac80211_unusable", "NO_SOCKET", NULL, "mac80211"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct ps_advice *a = ps_advice_find(
            cases[i].subsystem, cases[i].reason, cases[i].function);

        assert_non_null(a);
        assert_string_equal(a->id, cases[i].id);
    }
    assert_null(ps_advice_find("core", "NO_SUCH_REASON", NULL));
    assert_null(ps_advice_find("core", NULL, "ip_forward"));
    assert_null(ps_advice_find("no_such", "NO_SOCKET", NULL));
    assert_null(ps_advice_find(NULL, NULL, NULL));
}

static void check(const struct ps_advice *a)
{
    size_t len = strlen(a->text);

    assert_true(a->reason || a->subsystem);
    assert_true(len > 40 && len < 300);
    assert_int_equal(a->text[len - 1], '.');
    assert_true(strlen(a->source) > 5);
    for (const char *c = a->id; *c; c++)
        assert_true((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') ||
                    *c == '_');
}

/* Each is one sentence with its source, and is found by what it is for. */
static void test_tables(void **state _unused_)
{
    const struct ps_advice *const tables[] = {ps_advice_sock, ps_advice_net};
    const size_t sizes[] = {ps_advice_sock_n, ps_advice_net_n};
    size_t n = 0;

    for (size_t t = 0; t < ARRAY_SIZE(tables); t++) {
        for (size_t i = 0; i < sizes[t]; i++, n++) {
            const struct ps_advice *a = &tables[t][i];

            check(a);
            assert_ptr_equal(
                ps_advice_find(a->subsystem, a->reason, a->function), a);
        }
    }
    assert_true(n >= 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
