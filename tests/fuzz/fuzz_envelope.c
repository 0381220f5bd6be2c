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

static void check_body(const Ps__Envelope *env)
{
    for (size_t i = 0; i < ARRAY_SIZE(descriptors); i++) {
        ProtobufCMessage *body;

        if (!ps_streq(descriptors[i]->name, env->type))
            continue;
        body = protobuf_c_message_unpack(descriptors[i], NULL, env->body.len,
                                         env->body.data);
        if (body)
            check_json(body);
        protobuf_c_message_free_unpacked(body, NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Ps__Envelope *env = NULL;

    if (ps_envelope_unpack(data, size, &env) < 0) {
        REQUIRE(!env);
        return 0;
    }
    REQUIRE(env->publisher && env->instance);
    check_json(&env->base);
    check_body(env);
    ps__envelope__free_unpacked(env, NULL);
    return 0;
}
