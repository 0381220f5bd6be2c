/* SPDX-License-Identifier: MIT */
/* JSON from messages and back: hostile texts, hostile messages, and every
 * message of every schema with random contents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

#include <math.h>

#include "common/json.h"
#include "common/types.h"
#include "common/utf8.h"

/* Every message of every schema. */
static const ProtobufCMessageDescriptor *const descriptors[] = {
#include "descriptors.inc"
};

/* ---- random messages ---------------------------------------------------- */

/* xorshift64: the same messages in every run. */
static uint64_t next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static char *random_text(uint64_t *seed)
{
    static const char *const pieces[] = {
        "a",    "Z9",       " ",
        "\"",   "\\",       "/",
        "\n",   "\t",       "\x01",
        "%s",   "\xc3\xa9", "\xe2\x82\xac",
        "{",    "]",        "\xf0\x9f\x9b\xa1",
        "\x7f", ",",        "null",
    };
    char text[128] = "";
    size_t n = 0;

    for (uint64_t i = next(seed) % 9; i > 0; i--)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s",
                              pieces[next(seed) % ARRAY_SIZE(pieces)]);
    return strdup(text);
}

static void random_bytes(uint64_t *seed, size_t len, ProtobufCBinaryData *out)
{
    out->data = len ? malloc(len) : NULL;
    out->len = len;
    for (size_t i = 0; i < len; i++)
        out->data[i] = (uint8_t)next(seed);
}

static ProtobufCMessage *random_message(const ProtobufCMessageDescriptor *desc,
                                        uint64_t *seed);

/* Values that the JSON strings can hold. */
static ProtobufCMessage *
random_string_message(const ProtobufCMessageDescriptor *desc, uint64_t *seed)
{
    ProtobufCMessage *msg = ps_message_new(desc);
    Ps__PortRange *ports = (Ps__PortRange *)msg;
    Ps__Prefix *prefix = (Ps__Prefix *)msg;

    if (desc == &ps__ip__descriptor) {
        random_bytes(seed, next(seed) % 2 ? 4 : 16, &((Ps__Ip *)msg)->addr);
    } else if (desc == &ps__prefix__descriptor) {
        random_bytes(seed, next(seed) % 2 ? 4 : 16, &prefix->addr);
        prefix->len = (uint32_t)(next(seed) % (8 * prefix->addr.len + 1));
    } else if (desc == &ps__mac__descriptor) {
        random_bytes(seed, 6, &((Ps__Mac *)msg)->addr);
    } else if (desc == &ps__time__descriptor) {
        ((Ps__Time *)msg)->unix_ns = next(seed);
    } else if (desc == &ps__ip_proto__descriptor) {
        ((Ps__IpProto *)msg)->number = (uint32_t)(next(seed) % 256);
    } else {
        assert_ptr_equal(desc, &ps__port_range__descriptor);
        ports->last = (uint32_t)(next(seed) % 65536);
        ports->first = (uint32_t)(next(seed) % (ports->last + 1));
    }
    return msg;
}

static void random_value(const ProtobufCFieldDescriptor *field, void *place,
                         uint64_t *seed)
{
    const ProtobufCEnumDescriptor *names = field->descriptor;
    uint64_t number = next(seed) >> (next(seed) % 64);

    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)place = (int)(number % 2);
        break;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_UINT32:
        *(uint32_t *)place = (uint32_t)number;
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        *(uint64_t *)place = number & (uint64_t)PS_JSON_MAX_INT;
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        /* As many digits as are printed: it must come back the same. */
        *(double *)place = (double)((int64_t)number >> 24) / 4.0;
        break;
    case PROTOBUF_C_TYPE_ENUM:
        *(int *)place = names->values[number % names->n_values].value;
        break;
    case PROTOBUF_C_TYPE_STRING:
        *(char **)place = random_text(seed);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        random_bytes(seed, number % 20, place);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        *(ProtobufCMessage **)place = random_message(field->descriptor, seed);
        break;
    default:
        fail_msg("%s: a type that this test does not make", field->name);
    }
}

static size_t value_size(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_UINT32:
        return 4;
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return 8;
    }
}

static ProtobufCMessage *random_any(uint64_t *seed)
{
    static const char *const texts[] = {
        "null", "-7", "0.5", "\"x\"", "[]", "{\"a\":[1,{\"b\":true}]}"};
    Ps__Json *any = (Ps__Json *)(void *)ps_message_new(&ps__json__descriptor);

    any->text = strdup(texts[next(seed) % ARRAY_SIZE(texts)]);
    return &any->base;
}

static ProtobufCMessage *random_message(const ProtobufCMessageDescriptor *desc,
                                        uint64_t *seed)
{
    ProtobufCMessage *msg;

    if (desc == &ps__json__descriptor)
        return random_any(seed);
    if (ps_json_is_string_type(desc))
        return random_string_message(desc, seed);
    msg = ps_message_new(desc);
    for (unsigned int i = 0; i < desc->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &desc->fields[i];
        char *place = (char *)msg + field->offset;
        size_t n = next(seed) % 4, size = value_size(field->type);

        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            *(size_t *)(void *)((char *)msg + field->quantifier_offset) = n;
            *(char **)(void *)place = n ? calloc(n, size) : NULL;
            for (size_t j = 0; j < n; j++)
                random_value(field, *(char **)(void *)place + j * size, seed);
            continue;
        }
        if (field->label == PROTOBUF_C_LABEL_OPTIONAL && n == 0)
            continue;
        random_value(field, place, seed);
        if (field->label == PROTOBUF_C_LABEL_OPTIONAL &&
            field->type != PROTOBUF_C_TYPE_STRING &&
            field->type != PROTOBUF_C_TYPE_MESSAGE)
            *(protobuf_c_boolean *)(void *)((char *)msg +
                                            field->quantifier_offset) = 1;
    }
    return msg;
}

static uint8_t *pack(const ProtobufCMessage *msg, size_t *ret_len)
{
    uint8_t *data = malloc(protobuf_c_message_get_packed_size(msg) + 1);

    *ret_len = protobuf_c_message_pack(msg, data);
    return data;
}

/* ---- schemas ------------------------------------------------------------ */

static bool is_listed(const ProtobufCMessageDescriptor *desc)
{
    for (size_t i = 0; i < ARRAY_SIZE(descriptors); i++)
        if (descriptors[i] == desc)
            return true;
    return false;
}

static void test_all_descriptors(void **state _unused_)
{
    for (size_t i = 0; i < ARRAY_SIZE(descriptors); i++) {
        const ProtobufCMessageDescriptor *desc = descriptors[i];

        for (unsigned int j = 0; j < desc->n_fields; j++) {
            const ProtobufCFieldDescriptor *field = &desc->fields[j];

            /* Neither is read or written by common/json.c. */
            assert_int_equal(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF, 0);
            assert_null(field->default_value);
            if (field->type == PROTOBUF_C_TYPE_MESSAGE &&
                !is_listed(field->descriptor))
                fail_msg("%s.%s: its type is not tested", desc->name,
                         field->name);
        }
    }
}

static void test_roundtrip(void **state _unused_)
{
    uint64_t seed = 88172645463325252u;

    for (size_t i = 0; i < 20 * ARRAY_SIZE(descriptors); i++) {
        const ProtobufCMessageDescriptor *desc =
            descriptors[i % ARRAY_SIZE(descriptors)];
        ProtobufCMessage *msg = random_message(desc, &seed), *back = NULL;
        uint8_t *packed, *packed_back;
        struct ps_json_error error;
        size_t len, len_back, size;
        char *text = NULL;

        assert_int_equal(ps_json_print(msg, &text, &size), 0);
        assert_int_equal(size, strlen(text));
        if (ps_json_parse(desc, text, size, &back, &error) < 0)
            fail_msg("%s: %s: %s\n%s", desc->name, error.field, error.detail,
                     text);
        packed = pack(msg, &len);
        packed_back = pack(back, &len_back);
        assert_int_equal(len, len_back);
        assert_memory_equal(packed, packed_back, len);
        free(packed);
        free(packed_back);
        free(text);
        protobuf_c_message_free_unpacked(msg, NULL);
        protobuf_c_message_free_unpacked(back, NULL);
    }
}

static void test_schema(void **state _unused_)
{
    for (size_t i = 0; i < ARRAY_SIZE(descriptors); i++) {
        const ProtobufCMessageDescriptor *desc = descriptors[i];
        json_t *schema = ps_json_schema(desc);
        json_t *properties = json_object_get(schema, "properties");

        assert_non_null(schema);
        if (desc == &ps__json__descriptor) {
            assert_null(json_object_get(schema, "type"));
            json_decref(schema);
            continue;
        }
        if (ps_json_is_string_type(desc)) {
            assert_string_equal(
                json_string_value(json_object_get(schema, "type")), "string");
            json_decref(schema);
            continue;
        }
        assert_true(
            json_is_false(json_object_get(schema, "additionalProperties")));
        assert_int_equal(json_object_size(properties), desc->n_fields);
        for (unsigned int j = 0; j < desc->n_fields; j++) {
            const json_t *p = json_object_get(properties, desc->fields[j].name);

            assert_true(json_object_get(p, "type") ||
                        json_object_get(p, "$ref"));
        }
        json_decref(schema);
    }
}

static void test_schema_parts(void **state _unused_)
{
    json_t *schema = ps_json_schema(&ps__rule__descriptor);
    json_t *p = json_object_get(schema, "properties");
    char *flags = json_dumps(json_object_get(p, "tcp_flags_set"), JSON_COMPACT);
    char *prio = json_dumps(json_object_get(p, "priority"), JSON_COMPACT);

    assert_string_equal(flags,
                        "{\"type\":\"array\",\"items\":{\"type\":\"string\","
                        "\"enum\":[\"fin\",\"syn\",\"rst\",\"psh\",\"ack\","
                        "\"urg\",\"ece\",\"cwr\"]}}");
    assert_string_equal(prio, "{\"type\":\"integer\",\"minimum\":0,"
                              "\"maximum\":4294967295}");
    assert_null(json_object_get(schema, "required"));
    free(flags);
    free(prio);
    json_decref(schema);
    schema = ps_json_schema(&ps__create_rule_request__descriptor);
    flags = json_dumps(schema, JSON_COMPACT);
    assert_non_null(strstr(flags, "{\"$ref\":\"#/components/schemas/Rule\"}"));
    free(flags);
    json_decref(schema);
}

/* ---- messages that no honest peer sends --------------------------------- */

static void assert_printed(const void *msg, const char *want)
{
    char *text = NULL;

    assert_int_equal(ps_json_print(msg, &text, NULL), 0);
    assert_string_equal(text, want);
    free(text);
}

static void test_hostile_message(void **state _unused_)
{
    uint8_t bytes[20] = {1, 2, 3};
    Ps__Owner owner = PS__OWNER__INIT;
    Ps__Ip ip = PS__IP__INIT;
    Ps__Prefix prefix = PS__PREFIX__INIT;
    Ps__Mac mac = PS__MAC__INIT;
    Ps__PortRange ports = PS__PORT_RANGE__INIT;
    Ps__IpProto proto = PS__IP_PROTO__INIT;
    Ps__Loss loss = PS__LOSS__INIT;
    Ps__Metric metric = PS__METRIC__INIT;

    owner.comm = (char *)(uintptr_t)"a\xff"
                                    "b\xc0\xaf\n\"";
    assert_printed(&owner, "{\"pid\":0,\"comm\":\"a\xef\xbf\xbd"
                           "b\xef\xbf\xbd\xef\xbf\xbd\\n\\\"\"}");
    ip.addr.data = bytes;
    ip.addr.len = 3;
    assert_printed(&ip, "\"invalid\"");
    ip.addr.data = NULL;
    ip.addr.len = 0;
    assert_printed(&ip, "\"invalid\"");
    prefix.addr.data = bytes;
    prefix.addr.len = 4;
    prefix.len = 33;
    assert_printed(&prefix, "\"invalid\"");
    prefix.addr.len = 16;
    prefix.len = 129;
    assert_printed(&prefix, "\"invalid\"");
    mac.addr.data = bytes;
    mac.addr.len = 20;
    assert_printed(&mac, "\"invalid\"");
    ports.first = 2;
    ports.last = 1;
    assert_printed(&ports, "\"invalid\"");
    ports.last = 65536;
    assert_printed(&ports, "\"invalid\"");
    proto.number = UINT32_MAX;
    assert_printed(&proto, "\"4294967295\"");

    /* A required text that was never set, numbers that JSON does not have. */
    loss.count = UINT64_MAX;
    assert_printed(&loss, "{\"id\":\"\",\"count\":1.84467440737096e19,"
                          "\"unit\":\"\"}");
    metric.kind = (Ps__Metric__Kind)77;
    metric.value = NAN;
    assert_printed(&metric, "{\"name\":\"\",\"kind\":\"77\",\"help\":\"\","
                            "\"labels\":[]}");
    metric.value = -INFINITY;
    metric.kind = PS__METRIC__KIND__gauge;
    assert_printed(&metric, "{\"name\":\"\",\"kind\":\"gauge\",\"help\":\"\","
                            "\"labels\":[]}");
}

static void test_presence(void **state _unused_)
{
    Ps__TraceFilter filter = PS__TRACE_FILTER__INIT;
    Ps__Rule rule = PS__RULE__INIT;
    Ps__Empty empty = PS__EMPTY__INIT;

    assert_printed(&empty, "{}");
    assert_printed(&filter, "{}");
    filter.has_sport = 1;
    assert_printed(&filter, "{\"sport\":0}");
    assert_printed(&rule, "{\"tcp_flags_set\":[],\"tcp_flags_unset\":[]}");
    rule.comment = (char *)(uintptr_t)"";
    rule.has_enabled = 1;
    assert_printed(&rule, "{\"enabled\":false,\"comment\":\"\","
                          "\"tcp_flags_set\":[],\"tcp_flags_unset\":[]}");
}

/* ---- texts -------------------------------------------------------------- */

static void test_time(void **state _unused_)
{
    static const struct {
        const char *text, *shown;
    } good[] = {
        {"1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000000Z"},
        {"2026-11-23T10:00:00.123456789Z", "2026-11-23T10:00:00.123456789Z"},
        {"2026-11-23t10:00:00.5z", "2026-11-23T10:00:00.500000000Z"},
        {"2026-11-23 10:00:00Z", "2026-11-23T10:00:00.000000000Z"},
        {"2026-11-23T10:00:00+02:00", "2026-11-23T08:00:00.000000000Z"},
        {"2026-11-23T23:30:00-01:30", "2026-11-24T01:00:00.000000000Z"},
        {"1969-12-31T23:00:00-01:00", "1970-01-01T00:00:00.000000000Z"},
        {"2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000000Z"},
        {"2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000000000Z"},
        {"2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000000000Z"},
        {"2026-01-01T00:00:00-00:00", "2026-01-01T00:00:00.000000000Z"},
        {"2554-07-21T23:34:33.709551615Z", "2554-07-21T23:34:33.709551615Z"},
    };
    static const char *const bad[] = {
        "",
        "now",
        "2026-11-23",
        "2026-11-23T10:00Z",
        "2026-11-23T10:00:00",
        "2026-11-23T10:00:00ZZ",
        "2026-11-23T10:00:00.Z",
        "2026-11-23T10:00:00.1234567891Z",
        "2026-11-23T10:00:00,5Z",
        "2026-11-23T10:00:00+2:00",
        "2026-11-23T10:00:00+0200",
        "2026-11-23T10:00:00+24:00",
        "2026-11-23T10:00:00+02:60",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:61Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01",
        "2554-07-21T23:34:33.709551616Z",
        "9999-12-31T23:59:59Z",
        "0000-00-00T00:00:00Z",
        " 2026-11-23T10:00:00Z",
        "2026-11-23T10:00:00Z ",
        "+026-11-23T10:00:00Z",
        "1795420800",
    };
    struct ps_json_error error;
    char text[128];

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        ProtobufCMessage *msg = NULL;

        snprintf(text, sizeof(text), "\"%s\"", good[i].text);
        if (ps_json_parse(&ps__time__descriptor, text, strlen(text), &msg,
                          &error) < 0)
            fail_msg("%s: %s", good[i].text, error.detail);
        snprintf(text, sizeof(text), "\"%s\"", good[i].shown);
        assert_printed(msg, text);
        protobuf_c_message_free_unpacked(msg, NULL);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        ProtobufCMessage *msg = NULL;

        snprintf(text, sizeof(text), "\"%s\"", bad[i]);
        if (ps_json_parse(&ps__time__descriptor, text, strlen(text), &msg,
                          &error) != -EINVAL)
            fail_msg("%s was taken", bad[i]);
        assert_non_null(strstr(error.detail, "RFC 3339"));
    }
}

static void test_string_types(void **state _unused_)
{
    static const struct {
        const ProtobufCMessageDescriptor *desc;
        const char *text, *shown; /* NULL: refused */
    } cases[] = {
        {&ps__ip__descriptor, "2001:DB8::0:1", "2001:db8::1"},
        {&ps__ip__descriptor, "1.2.3.4/32", NULL},
        {&ps__ip__descriptor, "invalid", NULL},
        {&ps__prefix__descriptor, "192.0.2.7/24", "192.0.2.7/24"},
        {&ps__prefix__descriptor, "192.0.2.7", "192.0.2.7/32"},
        {&ps__prefix__descriptor, "::", "::/128"},
        {&ps__prefix__descriptor, "::/0", "::/0"},
        {&ps__prefix__descriptor, "1.2.3.4/33", NULL},
        {&ps__prefix__descriptor, "::/129", NULL},
        {&ps__prefix__descriptor, "::/", NULL},
        {&ps__prefix__descriptor, "::/-1", NULL},
        {&ps__prefix__descriptor, "::/064", NULL},
        {&ps__prefix__descriptor, "::/64/64", NULL},
        {&ps__prefix__descriptor, "1.2.3.4/4294967320", NULL},
        {&ps__prefix__descriptor, "/24", NULL},
        {&ps__mac__descriptor, "00:00:5E:00:53:01", "00:00:5e:00:53:01"},
        {&ps__mac__descriptor, "00:00:5e:00:53", NULL},
        {&ps__mac__descriptor, "00:00:5e:00:53:01:02", NULL},
        {&ps__mac__descriptor, "00-00-5e-00-53-01", NULL},
        {&ps__mac__descriptor, "00:00:5g:00:53:01", NULL},
        {&ps__ip_proto__descriptor, "tcp", "tcp"},
        {&ps__ip_proto__descriptor, "6", "tcp"},
        {&ps__ip_proto__descriptor, "200", "200"},
        {&ps__ip_proto__descriptor, "256", NULL},
        {&ps__ip_proto__descriptor, "TCP", NULL},
        {&ps__port_range__descriptor, "443", "443"},
        {&ps__port_range__descriptor, "443-443", "443"},
        {&ps__port_range__descriptor, "0-65535", "0-65535"},
        {&ps__port_range__descriptor, "65536", NULL},
        {&ps__port_range__descriptor, "2-1", NULL},
        {&ps__port_range__descriptor, "1-", NULL},
        {&ps__port_range__descriptor, "-1", NULL},
        {&ps__port_range__descriptor, "1-2-3", NULL},
        {&ps__port_range__descriptor, "1 - 2", NULL},
        {&ps__port_range__descriptor, "", NULL},
        {&ps__port_range__descriptor, "080", NULL},
    };
    struct ps_json_error error;
    char text[128];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        ProtobufCMessage *msg = NULL;
        int r;

        snprintf(text, sizeof(text), "\"%s\"", cases[i].text);
        r = ps_json_parse(cases[i].desc, text, strlen(text), &msg, &error);
        if (!cases[i].shown) {
            if (r != -EINVAL)
                fail_msg("%s was taken", text);
            assert_non_null(strstr(error.detail, "expected "));
            continue;
        }
        assert_int_equal(r, 0);
        snprintf(text, sizeof(text), "\"%s\"", cases[i].shown);
        assert_printed(msg, text);
        protobuf_c_message_free_unpacked(msg, NULL);
    }
}

static void test_base64(void **state _unused_)
{
    static const struct {
        const char *text;
        int len; /* -1: refused */
    } cases[] = {
        {"", 0},         {"AA==", 1},      {"AAA=", 2},    {"AAAA", 3},
        {"+/+/", 3},     {"AB==", -1},     {"AAB=", -1},   {"A", -1},
        {"AA", -1},      {"AAA", -1},      {"====", -1},   {"A===", -1},
        {"AA=A", -1},    {"AA==AA==", -1}, {"A\\nA=", -1}, {"-_-_", -1},
        {"AAAAAA==", 4},
    };
    struct ps_json_error error;
    char text[256];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        Ps__Snapshot *snapshot = NULL;
        int r;

        snprintf(text, sizeof(text), "{\"envelopes\":[\"%s\"]}", cases[i].text);
        r = ps_json_parse(&ps__snapshot__descriptor, text, strlen(text),
                          (ProtobufCMessage **)&snapshot, &error);
        if (cases[i].len < 0) {
            assert_int_equal(r, -EINVAL);
            assert_string_equal(error.field, "envelopes[0]");
            continue;
        }
        assert_int_equal(r, 0);
        assert_int_equal(snapshot->envelopes[0].len, cases[i].len);
        assert_printed(snapshot, text);
        ps__snapshot__free_unpacked(snapshot, NULL);
    }
}

/* ---- refused ------------------------------------------------------------ */

static void assert_refused(const ProtobufCMessageDescriptor *desc,
                           const char *text, size_t len, const char *field,
                           const char *detail)
{
    ProtobufCMessage *msg = NULL;
    struct ps_json_error error;

    if (ps_json_parse(desc, text, len, &msg, &error) != -EINVAL)
        fail_msg("%s was taken", text);
    assert_null(msg);
    assert_string_equal(error.field, field);
    if (!strstr(error.detail, detail))
        fail_msg("\"%s\" lacks \"%s\"", error.detail, detail);
    assert_true(ps_utf8_valid(error.detail, strlen(error.detail)));
    assert_true(ps_utf8_valid(error.field, strlen(error.field)));
}

static void test_refused(void **state _unused_)
{
    static const char zero[] = "{\"rule\":{\"comment\":\"a\0b\"}}";
    static const struct {
        const ProtobufCMessageDescriptor *desc;
        const char *text, *field, *detail;
    } others[] = {
        {&ps__rule_id__descriptor, "{}", "id", "is required"},
        {&ps__update_rule_request__descriptor, "{\"rule\":{}}", "id",
         "is required"},
        {&ps__ruleset__descriptor, "{\"rules\":[{},{\"dst\":\"x\"}]}",
         "rules[1].dst", "prefix"},
        {&ps__socket_list__descriptor,
         "{\"total\":1,\"losses\":[{\"id\":\"a\",\"unit\":\"b\"}]}",
         "losses[0].count", "is required"},
    };
    static const struct {
        const char *text, *field, *detail;
    } cases[] = {
        {"", "", "not JSON"},
        {"{", "", "not JSON, at line 1"},
        {"{}x", "", "not JSON"},
        {"{\"rule\":{}}{", "", "not JSON"},
        {"{'rule':{}}", "", "not JSON"},
        {"{\"rule\":{},}", "", "not JSON"},
        {"{\"rule\":{},\"rule\":{}}", "", "duplicate"},
        {"[]", "", "expected an object, found a list"},
        {"null", "", "expected an object, found null"},
        {"\"x\"", "", "expected an object, found a text"},
        {"{\"rules\":{}}", "rules", "no such field"},
        {"{\"\":{}}", "", "no such field"},
        {"{\"rule\":[]}", "rule", "expected an object, found a list"},
        {"{\"rule\":null}", "rule", "leave out"},
        {"{\"rule\":{\"x\":1}}", "rule.x", "no such field"},
        {"{\"rule\":{\"priority\":\"1\"}}", "rule.priority", "found a text"},
        {"{\"rule\":{\"priority\":1.0}}", "rule.priority", "whole number"},
        {"{\"rule\":{\"priority\":1e3}}", "rule.priority", "whole number"},
        {"{\"rule\":{\"priority\":-1}}", "rule.priority", "found -1"},
        {"{\"rule\":{\"priority\":4294967296}}", "rule.priority",
         "from 0 to 4294967295"},
        {"{\"rule\":{\"priority\":true}}", "rule.priority", "found true"},
        {"{\"rule\":{\"hit_bytes\":-1}}", "rule.hit_bytes", "found -1"},
        {"{\"rule\":{\"hit_bytes\":9223372036854775808}}", "", "too big"},
        {"{\"rule\":{\"enabled\":1}}", "rule.enabled", "true or false"},
        {"{\"rule\":{\"enabled\":\"true\"}}", "rule.enabled", "found a text"},
        {"{\"rule\":{\"comment\":1}}", "rule.comment", "found a number"},
        {"{\"rule\":{\"comment\":\"a\\u0000b\"}}", "", "not JSON"},
        {"{\"rule\":{\"comment\":\"\\ud800\"}}", "", "not JSON"},
        {"{\"rule\":{\"comment\":\"\xff\"}}", "", "not JSON"},
        {"{\"rule\":{\"comment\":\"\xed\xa0\x80\"}}", "", "not JSON"},
        {"{\"rule\":{\"action\":\"DROP\"}}", "rule.action",
         "expected one of drop, pass; found \"DROP\""},
        {"{\"rule\":{\"action\":1}}", "rule.action", "found a number"},
        {"{\"rule\":{\"action\":\"\"}}", "rule.action", "drop, pass"},
        {"{\"rule\":{\"tcp_flags_set\":\"syn\"}}", "rule.tcp_flags_set",
         "expected a list"},
        {"{\"rule\":{\"tcp_flags_set\":[\"syn\",\"foo\"]}}",
         "rule.tcp_flags_set[1]", "fin, syn"},
        {"{\"rule\":{\"tcp_flags_set\":[null]}}", "rule.tcp_flags_set[0]",
         "found null"},
        {"{\"rule\":{\"src\":\"300.0.0.1\"}}", "rule.src", "prefix"},
        {"{\"rule\":{\"src\":{\"addr\":\"AAAA\"}}}", "rule.src",
         "found an object"},
        {"{\"rule\":{\"sport\":80}}", "rule.sport", "found a number"},
        {"{\"rule\":{\"sport\":\"80,81\"}}", "rule.sport", "a range"},
        {"{\"rule\":{\"created\":0}}", "rule.created", "found a number"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_refused(&ps__create_rule_request__descriptor, cases[i].text,
                       strlen(cases[i].text), cases[i].field, cases[i].detail);
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        assert_refused(others[i].desc, others[i].text, strlen(others[i].text),
                       others[i].field, others[i].detail);
    assert_refused(&ps__create_rule_request__descriptor, zero, sizeof(zero) - 1,
                   "", "not JSON");
}

/* A json_t made by a program can hold what a text cannot. */
static void test_refused_zero_byte(void **state _unused_)
{
    json_t *json = json_pack("{s:o}", "id", json_stringn("a\0b", 3));
    ProtobufCMessage *msg = NULL;
    struct ps_json_error error;

    assert_int_equal(
        ps_json_to_message(&ps__rule_id__descriptor, json, &msg, &error),
        -EINVAL);
    assert_string_equal(error.field, "id");
    assert_non_null(strstr(error.detail, "zero bytes"));
    json_decref(json);
}

static void test_bounds(void **state _unused_)
{
    const size_t size = PS_JSON_MAX_BYTES + 1;
    char *text = malloc(size + 1);
    ProtobufCMessage *msg = NULL;
    struct ps_json_error error;

    memset(text, ' ', size);
    text[size] = '\0';
    memcpy(text, "{}", 2);
    assert_int_equal(
        ps_json_parse(&ps__rule__descriptor, text, size - 1, &msg, &error), 0);
    protobuf_c_message_free_unpacked(msg, NULL);
    assert_refused(&ps__rule__descriptor, text, size, "", "longer than");

    memset(text, '[', size);
    assert_refused(&ps__rule__descriptor, text, size - 1, "", "nested");
    assert_refused(&ps__rule__descriptor, text, PS_JSON_MAX_DEPTH + 1, "",
                   "nested");
    assert_refused(&ps__rule__descriptor, text, PS_JSON_MAX_DEPTH, "",
                   "not JSON");
    /* Brackets in a text are none. */
    memcpy(text, "{\"id\":\"\\\"", 9);
    memcpy(text + 1000, "\"}", 2);
    assert_int_equal(
        ps_json_parse(&ps__rule_id__descriptor, text, 1002, &msg, &error), 0);
    protobuf_c_message_free_unpacked(msg, NULL);

    /* Long names and values are cut in messages, not in the middle of what
     * makes a sentence. */
    memset(text, 'k', 2000);
    memcpy(text, "{\"", 2);
    memcpy(text + 1990, "\":1}", 4);
    msg = NULL;
    assert_int_equal(
        ps_json_parse(&ps__rule__descriptor, text, 1994, &msg, &error),
        -EINVAL);
    assert_int_equal(strspn(error.field, "k"), strlen(error.field));
    assert_string_equal(error.detail, "there is no such field");
    free(text);
}

/* Errors cut a value where a character may be long. */
static void test_error_is_utf8(void **state _unused_)
{
    char text[1024];

    for (int shift = 0; shift < 4; shift++) {
        size_t n = (size_t)snprintf(text, sizeof(text), "{\"src\":\"%.*s",
                                    shift, "xxx");

        for (int i = 0; i < 100; i++)
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s",
                                  "\xf0\x9f\x9b\xa1");
        n += (size_t)snprintf(text + n, sizeof(text) - n, "\"}");
        assert_refused(&ps__rule__descriptor, text, n, "src", "expected");
        n = (size_t)snprintf(text, sizeof(text), "{\"%.*s", shift, "xxx");
        for (int i = 0; i < 100; i++)
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s",
                                  "\xf0\x9f\x9b\xa1");
        n += (size_t)snprintf(text + n, sizeof(text) - n, "\":1}");
        {
            ProtobufCMessage *msg = NULL;
            struct ps_json_error error;

            assert_int_equal(
                ps_json_parse(&ps__rule__descriptor, text, n, &msg, &error),
                -EINVAL);
            assert_true(ps_utf8_valid(error.field, strlen(error.field)));
        }
    }
}

/* ---- fields from URLs --------------------------------------------------- */

static void test_set_field(void **state _unused_)
{
    static const struct {
        const char *name, *text;
        int r;
    } cases[] = {
        {"priority", "0", 0},
        {"priority", "4294967295", 0},
        {"priority", "4294967296", -EINVAL},
        {"priority", "-1", -EINVAL},
        {"priority", "", -EINVAL},
        {"priority", " 1", -EINVAL},
        {"priority", "1 ", -EINVAL},
        {"priority", "+1", -EINVAL},
        {"priority", "0x1", -EINVAL},
        {"priority", "99999999999999999999", -EINVAL},
        {"hit_packets", "9007199254740991", 0},
        {"hit_packets", "9007199254740992", -EINVAL},
        {"hit_packets", "9223372036854775808", -EINVAL},
        {"hit_packets", "-5", -EINVAL},
        {"enabled", "true", 0},
        {"enabled", "1", -EINVAL},
        {"comment", "h\xc3\xa9", 0},
        {"comment", "", 0},
        {"comment", "\xff", -EINVAL},
        {"action", "drop", 0},
        {"action", "deny", -EINVAL},
        {"action", "\xff", -EINVAL},
        {"action", "", -EINVAL},
        {"src", "2001:db8::/32", 0},
        {"src", "2001:db8::/32x", -EINVAL},
        {"src", "\xff\xfe", -EINVAL},
        {"proto", "udp", 0},
        {"sport", "1-2", 0},
        {"created", "2026-01-01T00:00:00Z", 0},
        {"tcp_flags_set", "", 0},
        {"tcp_flags_set", "syn,ack", 0},
        {"tcp_flags_set", "syn,", -EINVAL},
        {"tcp_flags_set", "syn,nak", -EINVAL},
        {"nothing", "1", -ENOENT},
        {"", "1", -ENOENT},
    };
    Ps__Rule *rule = (Ps__Rule *)ps_message_new(&ps__rule__descriptor);
    struct ps_json_error error;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *text = NULL;
        int r = ps_json_set_field(&rule->base, cases[i].name, cases[i].text,
                                  &error);

        if (r != cases[i].r)
            fail_msg("%s=%s: %d %s", cases[i].name, cases[i].text, r,
                     error.detail);
        if (r < 0) {
            assert_string_equal(error.field, cases[i].name);
            assert_int_not_equal(error.detail[0], '\0');
            assert_true(ps_utf8_valid(error.detail, strlen(error.detail)));
        }
        /* Still a whole message, whatever was put in. */
        assert_int_equal(ps_json_print(&rule->base, &text, NULL), 0);
        free(text);
    }
    ps__rule__free_unpacked(rule, NULL);
}

static void test_set_field_values(void **state _unused_)
{
    Ps__Rule *rule = (Ps__Rule *)ps_message_new(&ps__rule__descriptor);
    Ps__Place *place = (Ps__Place *)ps_message_new(&ps__place__descriptor);
    static const char *const wrong[] = {"",    "x",     "1x", "inf", "nan",
                                        "0x1", "1e999", " 1", "--1", "1,2"};
    struct ps_json_error error;
    char many[600];

    /* Set again: the old value goes. */
    assert_int_equal(ps_json_set_field(&rule->base, "src", "1.2.3.4", &error),
                     0);
    assert_int_equal(ps_json_set_field(&rule->base, "src", "::1/64", &error),
                     0);
    assert_int_equal(
        ps_json_set_field(&rule->base, "tcp_flags_set", "syn,ack", &error), 0);
    assert_int_equal(
        ps_json_set_field(&rule->base, "tcp_flags_set", "fin", &error), 0);
    assert_int_equal(ps_json_set_field(&rule->base, "enabled", "true", &error),
                     0);
    assert_printed(rule, "{\"enabled\":true,\"src\":\"::1/64\","
                         "\"tcp_flags_set\":[\"fin\"],"
                         "\"tcp_flags_unset\":[]}");
    memset(many, ',', 256);
    many[256] = '\0';
    assert_int_equal(
        ps_json_set_field(&rule->base, "tcp_flags_set", many, &error), -EINVAL);
    assert_non_null(strstr(error.detail, "256"));
    ps__rule__free_unpacked(rule, NULL);

    assert_int_equal(
        ps_json_set_field(&place->base, "sources", "a,b,,c", &error), 0);
    assert_int_equal(
        ps_json_set_field(&place->base, "latitude", "-1.5e1", &error), 0);
    assert_int_equal(place->n_sources, 4);
    assert_true(place->latitude == -15.0);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(
            ps_json_set_field(&place->base, "latitude", wrong[i], &error),
            -EINVAL);
    assert_false(place->has_latitude);
    ps__place__free_unpacked(place, NULL);
}

/* An object has no form in a URL. */
static void test_set_field_object(void **state _unused_)
{
    ProtobufCMessage *msg =
        ps_message_new(&ps__create_rule_request__descriptor);
    struct ps_json_error error;

    assert_int_equal(ps_json_set_field(msg, "rule", "{}", &error), -EINVAL);
    assert_string_equal(error.field, "rule");
    protobuf_c_message_free_unpacked(msg, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_descriptors),
        cmocka_unit_test(test_roundtrip),
        cmocka_unit_test(test_schema),
        cmocka_unit_test(test_schema_parts),
        cmocka_unit_test(test_hostile_message),
        cmocka_unit_test(test_presence),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_string_types),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_refused_zero_byte),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_error_is_utf8),
        cmocka_unit_test(test_set_field),
        cmocka_unit_test(test_set_field_values),
        cmocka_unit_test(test_set_field_object),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
