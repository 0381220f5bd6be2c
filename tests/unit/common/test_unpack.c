/* SPDX-License-Identifier: MIT */
/* Messages of peers, with more in them than their bytes show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

#include "common/bus.h"
#include "common/json.h"
#include "common/unpack.h"

/* As many entries of a field as fit in size bytes; returns their length. */
static size_t repeat(unsigned int field, const uint8_t *entry, size_t entry_len,
                     size_t size, uint8_t *ret_data)
{
    const size_t head = entry_len < 128 ? 2 : 3;
    size_t at = 0;

    assert_true(entry_len < 1 << 14 && field < 16);
    for (; at + head + entry_len <= size; at += head + entry_len) {
        ret_data[at] = (uint8_t)(field << 3 | 2);
        ret_data[at + 1] = (uint8_t)(entry_len | (head == 3 ? 128 : 0));
        if (head == 3)
            ret_data[at + 2] = (uint8_t)(entry_len >> 7);
        if (entry_len > 0)
            memcpy(ret_data + at + head, entry, entry_len);
    }
    return at;
}

/* Rules of two bytes each. */
static ProtobufCMessage *unpack_empty(size_t size, size_t max)
{
    ProtobufCMessage *msg;
    uint8_t *data = malloc(size);

    assert_non_null(data);
    size = repeat(1, NULL, 0, size, data);
    msg = ps_message_unpack(&ps__ruleset__descriptor, data, size, max);
    free(data);
    return msg;
}

static void test_empty_entries(void **state _unused_)
{
    ProtobufCMessage *msg;

    msg = unpack_empty(2000, PS_UNPACK_MAX_REQUEST);
    assert_non_null(msg);
    assert_int_equal(((Ps__Ruleset *)msg)->n_rules, 1000);
    protobuf_c_message_free_unpacked(msg, NULL);
    assert_null(unpack_empty(PS_BUS_MAX_MESSAGE, PS_UNPACK_MAX));
    assert_null(unpack_empty(1 << 20, PS_UNPACK_MAX_REQUEST));
}

/* The bound is of what is held, not of what was ever asked for. */
static void test_bound_is_exact_enough(void **state _unused_)
{
    const size_t one = sizeof(Ps__Rule) + sizeof(void *);
    ProtobufCMessage *msg;

    assert_null(unpack_empty(2000, 1000 * one));
    msg = unpack_empty(2000, 1000 * (one + 100));
    assert_non_null(msg);
    protobuf_c_message_free_unpacked(msg, NULL);
}

static void test_not_a_message(void **state _unused_)
{
    static const uint8_t wrong[] = {1 << 3 | 2, 5, 0};
    ProtobufCMessage *msg;

    assert_null(ps_message_unpack(&ps__ruleset__descriptor, wrong,
                                  sizeof(wrong), PS_UNPACK_MAX));
    /* Without the required fields. */
    assert_null(
        ps_message_unpack(&ps__flow__descriptor, NULL, 0, PS_UNPACK_MAX));
    msg = ps_message_unpack(&ps__rule__descriptor, NULL, 0, PS_UNPACK_MAX);
    assert_non_null(msg);
    protobuf_c_message_free_unpacked(msg, NULL);
}

/* ---- what our daemons say, as much of it as one message can hold -------- */

static const struct {
    const ProtobufCMessageDescriptor *list, *entry;
    const char *list_text, *text;
} ordinary[] = {
    {&ps__flow_list__descriptor, &ps__flow__descriptor,
     "{\"total\":1,\"time\":\"2026-01-01T00:00:00Z\","
     "\"rx\":{\"skbs\":1,\"packets\":1,\"bytes\":1,\"wire_bytes\":1},"
     "\"tx\":{\"skbs\":1,\"packets\":1,\"bytes\":1,\"wire_bytes\":1}}",
     "{\"id\":\"tcp-10.0.0.1-1024-10.0.0.2-53-if2-ns1\",\"ethertype\":2048,"
     "\"proto\":\"tcp\",\"laddr\":\"10.0.0.1\",\"lport\":1024,"
     "\"raddr\":\"10.0.0.2\",\"rport\":53,\"ifindex\":2,\"netns\":1,"
     "\"rx\":{\"skbs\":1,\"packets\":1,\"bytes\":1,\"wire_bytes\":1},"
     "\"tx\":{\"skbs\":1,\"packets\":1,\"bytes\":1,\"wire_bytes\":1},"
     "\"first\":\"2026-01-01T00:00:00Z\",\"last\":\"2026-01-01T00:00:00Z\","
     "\"dropped_packets\":0}"},
    {&ps__metric_list__descriptor, &ps__metric__descriptor, "{}",
     "{\"name\":\"a\",\"help\":\"b\",\"kind\":\"counter\",\"value\":1,"
     "\"labels\":[{\"name\":\"c\",\"value\":\"d\"}]}"},
    {&ps__ruleset__descriptor, &ps__rule__descriptor, "{}",
     "{\"action\":\"drop\",\"priority\":1,\"enabled\":true,"
     "\"src\":\"10.0.0.0/8\",\"dport\":\"53\"}"},
    {&ps__packet_way__descriptor, &ps__step__descriptor,
     "{\"id\":1,\"tuple\":{},\"first\":\"2026-01-01T00:00:00Z\","
     "\"last\":\"2026-01-01T00:00:00Z\"}",
     "{\"time\":\"2026-01-01T00:00:00Z\",\"layer\":\"qdisc\","
     "\"station\":\"qdisc\",\"ifindex\":2}"},
};

static size_t pack_text(const ProtobufCMessageDescriptor *desc,
                        const char *text, uint8_t *ret_packed, size_t size)
{
    struct ps_json_error error;
    ProtobufCMessage *msg = NULL;
    size_t len;

    if (ps_json_parse(desc, text, strlen(text), &msg, &error) < 0)
        fail_msg("%s: %s: %s", desc->name, error.field, error.detail);
    len = protobuf_c_message_get_packed_size(msg);
    assert_true(len <= size);
    protobuf_c_message_pack(msg, ret_packed);
    protobuf_c_message_free_unpacked(msg, NULL);
    return len;
}

/* The number of the field that holds the entries. */
static unsigned int entries_field(const ProtobufCMessageDescriptor *list,
                                  const ProtobufCMessageDescriptor *entry)
{
    for (unsigned int i = 0; i < list->n_fields; i++)
        if (list->fields[i].descriptor == entry)
            return list->fields[i].id;
    fail_msg("%s has no %s", list->name, entry->name);
    return 0;
}

static void test_ordinary_lists_fit(void **state _unused_)
{
    for (size_t i = 0; i < ARRAY_SIZE(ordinary); i++) {
        const ProtobufCMessageDescriptor *desc = ordinary[i].list;
        uint8_t *data = malloc(PS_BUS_MAX_MESSAGE);
        ProtobufCMessage *list;
        uint8_t entry[1024];
        size_t at, len;

        assert_non_null(data);
        at = pack_text(desc, ordinary[i].list_text, data, 1024);
        len = pack_text(ordinary[i].entry, ordinary[i].text, entry,
                        sizeof(entry));
        at += repeat(entries_field(desc, ordinary[i].entry), entry, len,
                     PS_BUS_MAX_MESSAGE - at, data + at);
        list = ps_message_unpack(desc, data, at, PS_UNPACK_MAX);
        if (!list)
            fail_msg("%s, entries of %zu bytes", desc->name, len);
        protobuf_c_message_free_unpacked(list, NULL);
        free(data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_entries),
        cmocka_unit_test(test_bound_is_exact_enough),
        cmocka_unit_test(test_not_a_message),
        cmocka_unit_test(test_ordinary_lists_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
