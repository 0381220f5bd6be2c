/* SPDX-License-Identifier: MIT */
/*
 * A text as a message of any type (the first byte says which). What is taken
 * must print, and read back as the same message.
 */
#include "common/json.h"
#include "common/types.h"
#include "common/utf8.h"
#include "tests/fuzz/fuzz.h"

static const ProtobufCMessageDescriptor *const descriptors[] = {
#include "descriptors.inc"
};

static void check_same(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
    size_t len = protobuf_c_message_get_packed_size(a);
    uint8_t *x = malloc(len + 1), *y = malloc(len + 1);

    REQUIRE(x && y);
    REQUIRE(protobuf_c_message_get_packed_size(b) == len);
    protobuf_c_message_pack(a, x);
    protobuf_c_message_pack(b, y);
    REQUIRE(memcmp(x, y, len) == 0);
    free(x);
    free(y);
}

static void check_roundtrip(const ProtobufCMessage *msg)
{
    ProtobufCMessage *back = NULL;
    struct ps_json_error error;
    char *text = NULL;
    size_t len;

    REQUIRE(ps_json_print(msg, &text, &len) == 0);
    REQUIRE(len == strlen(text));
    /* What is printed may be longer than what may be read: times and
     * repeated fields are written in full. */
    if (len <= PS_JSON_MAX_BYTES) {
        REQUIRE(ps_json_parse(msg->descriptor, text, len, &back, &error) == 0);
        check_same(msg, back);
        protobuf_c_message_free_unpacked(back, NULL);
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const ProtobufCMessageDescriptor *desc;
    ProtobufCMessage *msg = NULL;
    struct ps_json_error error;

    if (size == 0)
        return 0;
    desc = descriptors[data[0] % ARRAY_SIZE(descriptors)];
    if (ps_json_parse(desc, (const char *)data + 1, size - 1, &msg, &error) <
        0) {
        REQUIRE(!msg);
        REQUIRE(error.detail[0]);
        REQUIRE(ps_utf8_valid(error.detail, strlen(error.detail)));
        REQUIRE(ps_utf8_valid(error.field, strlen(error.field)));
        return 0;
    }
    check_roundtrip(msg);
    protobuf_c_message_free_unpacked(msg, NULL);
    return 0;
}
