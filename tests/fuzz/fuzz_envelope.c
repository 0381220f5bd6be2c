/* SPDX-License-Identifier: MIT */
/*
 * Bytes from the bus: an envelope, then its body as the message that it names,
 * then that as JSON, which must be JSON whatever a peer sends.
 */
#include "common/bus.h"
#include "common/json.h"
#include "tests/fuzz/fuzz.h"

static const ProtobufCMessageDescriptor *const descriptors[] = {
#include "descriptors.inc"
};

static void check_json(const ProtobufCMessage *msg)
{
    char *text = NULL;
    size_t len;
    json_t *json;

    REQUIRE(ps_json_print(msg, &text, &len) == 0);
    json =
        json_loadb(text, len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    REQUIRE(json);
    json_decref(json);
    free(text);
}

static void check_body(const ProtobufCMessageDescriptor *desc,
                       const uint8_t *data, size_t len)
{
    ProtobufCMessage *body = protobuf_c_message_unpack(desc, NULL, len, data);

    if (!body)
        return;
    check_json(body);
    protobuf_c_message_free_unpacked(body, NULL);
}

static void check_named_body(const Ps__Envelope *env)
{
    for (size_t i = 0; i < ARRAY_SIZE(descriptors); i++)
        if (ps_streq(descriptors[i]->name, env->type))
            check_body(descriptors[i], env->body.data, env->body.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Ps__Envelope *env = NULL;

    /* As a body without an envelope: the first byte says of which type. */
    if (size > 0)
        check_body(descriptors[data[0] % ARRAY_SIZE(descriptors)], data + 1,
                   size - 1);
    if (ps_envelope_unpack(data, size, &env) < 0) {
        REQUIRE(!env);
        return 0;
    }
    REQUIRE(env->publisher && env->instance);
    check_json(&env->base);
    check_named_body(env);
    ps__envelope__free_unpacked(env, NULL);
    return 0;
}
