/* SPDX-License-Identifier: MIT */
/*
 * A message of every type that holds what it may: packed, unpacked, printed
 * and parsed it stays the same. With bytes changed on the way it is refused,
 * or can be printed.
 */
#include "common/json.h"
#include "common/unpack.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/grow.h"

static const ProtobufCMessageDescriptor *const descriptors[] = {
#include "descriptors.inc"
};

static uint8_t *pack(const ProtobufCMessage *msg, size_t *ret_len)
{
    size_t len = protobuf_c_message_get_packed_size(msg);
    uint8_t *packed = malloc(len + 1);

    REQUIRE(packed);
    *ret_len = protobuf_c_message_pack(msg, packed);
    return packed;
}

static void require_same(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
    size_t n, m;
    uint8_t *x = pack(a, &n), *y = pack(b, &m);

    REQUIRE(n == m && memcmp(x, y, n) == 0);
    free(x);
    free(y);
}

static void check_wire(const ProtobufCMessage *msg)
{
    ProtobufCMessage *back;
    size_t len;
    uint8_t *packed = pack(msg, &len);

    back = ps_message_unpack(msg->descriptor, packed, len, PS_UNPACK_MAX);
    REQUIRE(back);
    require_same(msg, back);
    protobuf_c_message_free_unpacked(back, NULL);
    free(packed);
}

static void check_json(const ProtobufCMessage *msg)
{
    ProtobufCMessage *back = NULL;
    struct ps_json_error error;
    char *text = NULL;
    size_t len;

    REQUIRE(ps_json_print(msg, &text, &len) == 0);
    if (len <= PS_JSON_MAX_BYTES) {
        if (ps_json_parse(msg->descriptor, text, len, &back, &error) < 0) {
            fprintf(stderr, "%s: %s: %s\n", text, error.field, error.detail);
            abort();
        }
        require_same(msg, back);
        protobuf_c_message_free_unpacked(back, NULL);
    }
    free(text);
}

static void check_hostile(struct grow *g,
                          const ProtobufCMessageDescriptor *desc)
{
    size_t len;
    uint8_t *packed = grow_packed(g, desc, &len);
    ProtobufCMessage *msg = ps_message_unpack(desc, packed, len, PS_UNPACK_MAX);
    json_t *json;
    char *text = NULL;

    free(packed);
    if (!msg)
        return;
    REQUIRE(ps_json_print(msg, &text, &len) == 0);
    json =
        json_loadb(text, len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    REQUIRE(json);
    json_decref(json);
    free(text);
    protobuf_c_message_free_unpacked(msg, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct grow g = {data, size};
    const ProtobufCMessageDescriptor *desc =
        descriptors[grow_u8(&g) % ARRAY_SIZE(descriptors)];
    bool hostile = grow_u8(&g) & 1;
    ProtobufCMessage *msg;

    if (hostile) {
        check_hostile(&g, desc);
        return 0;
    }
    msg = grow_message(&g, desc);
    check_wire(msg);
    /* A bare string is no body. */
    if (!ps_json_is_string_type(desc) && desc != &ps__json__descriptor)
        check_json(msg);
    protobuf_c_message_free_unpacked(msg, NULL);
    return 0;
}
