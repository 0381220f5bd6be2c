/* SPDX-License-Identifier: MIT */
#include "common/bus.h"
#include "common/unpack.h"

#define MAX_NAME   64
#define MAX_KEY    128
#define MAX_ACTOR  128
#define MAX_CLIENT 64

static bool text_ok(const char *text, size_t max)
{
    return !text || strnlen(text, max + 1) <= max;
}

static bool texts_ok(const Ps__Envelope *env)
{
    return text_ok(env->publisher, MAX_NAME) && env->publisher[0] &&
           text_ok(env->instance, MAX_NAME) && text_ok(env->topic, MAX_NAME) &&
           text_ok(env->type, MAX_NAME) && text_ok(env->method, MAX_NAME) &&
           text_ok(env->idempotency_key, MAX_KEY) &&
           text_ok(env->actor, MAX_ACTOR) && text_ok(env->client, MAX_CLIENT);
}

int ps_envelope_unpack(const uint8_t *data, size_t len, Ps__Envelope **ret_env)
{
    Ps__Envelope *env;

    if (len == 0 || len > PS_BUS_MAX_MESSAGE)
        return -EBADMSG;
    env = (Ps__Envelope *)ps_message_unpack(&ps__envelope__descriptor, data,
                                            len, PS_UNPACK_MAX);
    if (!env)
        return -EBADMSG;
    if (env->schema > PS_SCHEMA || env->schema == 0) {
        ps__envelope__free_unpacked(env, NULL);
        return -EPROTONOSUPPORT;
    }
    if (!texts_ok(env)) {
        ps__envelope__free_unpacked(env, NULL);
        return -EBADMSG;
    }
    *ret_env = env;
    return 0;
}
