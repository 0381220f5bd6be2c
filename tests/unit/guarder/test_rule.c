/* SPDX-License-Identifier: MIT */
/* Which rules are taken, which field is named when one is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/json.h"
#include "guarder/convert.h"
#include "guarder/rule.h"
#include "guarder/rule_store.h"

static int parse(const char *text, struct ps_rule *rule,
                 struct ps_rule_error *error)
{
    ProtobufCMessage *msg = NULL;
    struct ps_json_error json_error;
    int r;

    r = ps_json_parse(&ps__rule__descriptor, text, strlen(text), &msg,
                      &json_error);
    if (r < 0)
        fail_msg("%s: %s: %s", text, json_error.field, json_error.detail);
    r = ps_rule_parse((const Ps__Rule *)(const void *)msg, rule, error);
    protobuf_c_message_free_unpacked(msg, NULL);
    return r;
}

static void test_bad_rules(void **state)
{
    static const struct {
        const char *json, *field, *word;
    } table[] = {
        {"{}", "action", "drop or pass"},
        {"{\"action\":\"drop\",\"id\":\"\"}", "id", "1 to 64"},
        {"{\"action\":\"drop\",\"id\":\"a b\"}", "id", "letters"},
        {"{\"action\":\"drop\",\"id\":\"../x\"}", "id", "start"},
        {"{\"action\":\"drop\",\"id\":\"-x\"}", "id", "start"},
        {"{\"action\":\"drop\",\"interface\":\"\"}", "interface", "1 to 15"},
        {"{\"action\":\"drop\",\"interface\":\"0123456789abcdef\"}",
         "interface", "1 to 15"},
        {"{\"action\":\"drop\",\"interface\":\"a/b\"}", "interface", "'/'"},
        {"{\"action\":\"drop\",\"src\":\"10.0.0.1/24\"}", "src", "first 24"},
        {"{\"action\":\"drop\",\"dst\":\"2001:db8::1/64\"}", "dst", "first 64"},
        {"{\"action\":\"drop\",\"src\":\"10.0.0.0/8\",\"dst\":\"::/0\"}", "dst",
         "different families"},
        {"{\"action\":\"drop\",\"src\":\"10.0.0.0/8\",\"family\":6}", "family",
         "IPv4"},
        {"{\"action\":\"drop\",\"family\":5}", "family", "4 or 6"},
        {"{\"action\":\"drop\",\"proto\":\"icmpv6\",\"src\":\"10.0.0.0/8\"}",
         "proto", "IPv6"},
        {"{\"action\":\"drop\",\"proto\":\"icmp\",\"family\":6}", "proto",
         "IPv4"},
        {"{\"action\":\"drop\",\"dport\":\"80\"}", "dport", "tcp, udp"},
        {"{\"action\":\"drop\",\"proto\":\"icmp\",\"sport\":\"80\"}", "sport",
         "tcp, udp"},
        {"{\"action\":\"drop\",\"proto\":\"udp\",\"tcp_flags_set\":[\"syn\"]}",
         "tcp_flags_set", "tcp"},
        {"{\"action\":\"drop\",\"tcp_flags_unset\":[\"syn\"]}",
         "tcp_flags_unset", "tcp"},
        {"{\"action\":\"drop\",\"proto\":\"tcp\",\"tcp_flags_set\":[\"syn\"],"
         "\"tcp_flags_unset\":[\"ack\",\"syn\"]}",
         "tcp_flags_unset", "both"},
        {"{\"action\":\"drop\",\"icmp_type\":8}", "icmp_type", "icmp"},
        {"{\"action\":\"drop\",\"proto\":\"icmp\",\"icmp_type\":256}",
         "icmp_type", "255"},
        {"{\"action\":\"drop\",\"proto\":\"icmp\",\"icmp_code\":1}",
         "icmp_code", "icmp_type"},
        {"{\"action\":\"drop\",\"proto\":\"icmp\",\"icmp_type\":3,"
         "\"icmp_code\":300}",
         "icmp_code", "255"},
    };
    struct ps_rule rule, before;
    struct ps_rule_error error;

    (void)state;
    memset(&rule, 0x5a, sizeof(rule));
    before = rule;
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        assert_int_equal(parse(table[i].json, &rule, &error), -EINVAL);
        assert_string_equal(error.field, table[i].field);
        if (!strstr(error.detail, table[i].word))
            fail_msg("%s: %s", table[i].json, error.detail);
    }
    assert_memory_equal(&rule, &before, sizeof(rule));
}

/* What JSON's own parser would refuse, but a message on the bus can hold. */
static void test_bad_messages(void **state)
{
    Ps__Rule msg = PS__RULE__INIT;
    Ps__PortRange ports = PS__PORT_RANGE__INIT;
    Ps__IpProto proto = PS__IP_PROTO__INIT;
    Ps__Prefix prefix = PS__PREFIX__INIT;
    Ps__TcpFlag flags[1] = {(Ps__TcpFlag)8};
    uint8_t bytes[17] = {0};
    struct ps_rule_error error;
    struct ps_rule rule;

    (void)state;
    msg.has_action = true;
    msg.action = (Ps__Rule__Action)3;
    assert_int_equal(ps_rule_parse(&msg, &rule, &error), -EINVAL);
    assert_string_equal(error.field, "action");
    msg.action = PS__RULE__ACTION__drop;
    msg.src = &prefix;
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        prefix.addr = (ProtobufCBinaryData){.len = len, .data = bytes};
        prefix.len = 0;
        assert_int_equal(ps_rule_parse(&msg, &rule, &error),
                         len == 4 || len == 16 ? 0 : -EINVAL);
    }
    prefix.addr.len = 4;
    prefix.len = 33;
    assert_int_equal(ps_rule_parse(&msg, &rule, &error), -EINVAL);
    assert_string_equal(error.field, "src");
    msg.src = NULL;
    msg.proto = &proto;
    proto.number = 256;
    assert_int_equal(ps_rule_parse(&msg, &rule, &error), -EINVAL);
    assert_string_equal(error.field, "proto");
    proto.number = 6;
    msg.tcp_flags_set = flags;
    msg.n_tcp_flags_set = 1;
    assert_int_equal(ps_rule_parse(&msg, &rule, &error), -EINVAL);
    assert_string_equal(error.field, "tcp_flags_set");
    msg.n_tcp_flags_set = 0;
    msg.dport = &ports;
    ports.first = 2;
    ports.last = 1;
    assert_int_equal(ps_rule_parse(&msg, &rule, &error), -EINVAL);
    ports.last = 65536;
    assert_int_equal(ps_rule_parse(&msg, &rule, &error), -EINVAL);
    assert_string_equal(error.field, "dport");
    msg.dport = NULL;
    msg.comment = calloc(1, 300);
    memset(msg.comment, 'x', 257);
    assert_int_equal(ps_rule_parse(&msg, &rule, &error), -EINVAL);
    assert_string_equal(error.field, "comment");
    free(msg.comment);
}

static void test_defaults(void **state)
{
    struct ps_rule rule;
    struct ps_rule_error error;

    (void)state;
    assert_int_equal(parse("{\"action\":\"pass\"}", &rule, &error), 0);
    assert_int_equal(rule.priority, 1000);
    assert_true(rule.enabled);
    assert_int_equal(rule.family, 0);
    assert_int_equal(rule.icmp_type, -1);
    assert_string_equal(rule.id, "");
    assert_int_equal(
        parse("{\"action\":\"drop\",\"proto\":\"icmpv6\"}", &rule, &error), 0);
    assert_int_equal(rule.family, 6);
    assert_int_equal(
        parse("{\"action\":\"drop\",\"dst\":\"192.0.2.7\"}", &rule, &error), 0);
    assert_int_equal(rule.family, 4);
    assert_int_equal(rule.dst_len, 32);
}

static const char *const whole[] = {
    "{\"id\":\"a.B-9_\",\"action\":\"drop\",\"priority\":0,\"enabled\":false,"
    "\"comment\":\"\",\"src\":\"10.0.0.0/8\",\"dst\":\"192.0.2.1/32\","
    "\"family\":4,\"proto\":\"tcp\",\"sport\":\"0-65535\",\"dport\":\"22\","
    "\"tcp_flags_set\":[\"syn\",\"cwr\"],\"tcp_flags_unset\":[\"ack\"],"
    "\"interface\":\"eth0\"}",
    "{\"id\":\"six\",\"action\":\"pass\",\"priority\":4294967295,"
    "\"enabled\":true,\"comment\":\"x\",\"src\":\"2001:db8::/127\","
    "\"proto\":\"icmpv6\",\"icmp_type\":0,\"icmp_code\":255}",
    "{\"id\":\"any\",\"action\":\"pass\",\"proto\":\"253\"}",
};

/* Message, rule, message, disk, rule: nothing is lost on the way. */
static void test_round_trip(void **state)
{
    struct ps_rule rule, again, stored;
    struct ps_rule_error error;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(whole); i++) {
        uint8_t packed[4096];
        Ps__Rule *msg;
        size_t len;

        assert_int_equal(parse(whole[i], &rule, &error), 0);
        msg = ps_rule_to_pb(&rule, NULL);
        assert_non_null(msg);
        assert_int_equal(ps_rule_parse(msg, &again, &error), 0);
        assert_true(ps_rule_same(&rule, &again));
        len = ps__rule__pack(msg, packed);
        ps__rule__free_unpacked(msg, NULL);
        assert_int_equal(ps_rule_unpack(packed, len, &stored, &error), 0);
        assert_true(ps_rule_same(&rule, &stored));
        /* No shorter form of it is taken for it. */
        for (size_t cut = 0; cut < len; cut++) {
            if (ps_rule_unpack(packed, cut, &stored, &error) == 0)
                assert_false(ps_rule_same(&rule, &stored));
        }
    }
}

static void test_order_and_concern(void **state)
{
    struct ps_rule a = {.id = "b", .priority = 1};
    struct ps_rule b = {.id = "a", .priority = 2};
    struct ps_addr addr;
    struct ps_rule_error error;
    struct ps_rule rule;

    (void)state;
    assert_true(ps_rule_compare(&a, &b) < 0);
    b.priority = 1;
    assert_true(ps_rule_compare(&a, &b) > 0);
    assert_true(ps_rule_compare(&b, &b) == 0);
    ps_addr_parse("10.1.2.3", &addr);
    parse("{\"action\":\"drop\"}", &rule, &error);
    assert_true(ps_rule_concerns(&rule, &addr));
    parse("{\"action\":\"drop\",\"family\":6}", &rule, &error);
    assert_false(ps_rule_concerns(&rule, &addr));
    parse("{\"action\":\"drop\",\"dst\":\"10.1.0.0/16\"}", &rule, &error);
    assert_true(ps_rule_concerns(&rule, &addr));
    parse("{\"action\":\"drop\",\"src\":\"10.2.0.0/16\"}", &rule, &error);
    assert_false(ps_rule_concerns(&rule, &addr));
    parse("{\"action\":\"drop\",\"src\":\"::/0\"}", &rule, &error);
    assert_false(ps_rule_concerns(&rule, &addr));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_rules),
        cmocka_unit_test(test_bad_messages),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_order_and_concern),
    };

    return cmocka_run_group_tests_name("guarder rule", tests, NULL, NULL);
}
