/* SPDX-License-Identifier: MIT */
#include "common/bus_internal.h"

#include <nng/protocol/pubsub0/pub.h>

#define PUB_MAX_HEARD 64

void ps_bus_set_pub_queue(struct ps_bus *bus, int messages)
{
    bus->pub_queue = messages;
}

int ps_bus_listen_pub(struct ps_bus *bus, const char *url)
{
    int rc;

    if (!bus->has_pub) {
        rc = nng_pub0_open(&bus->pub);
        if (rc)
            return ps_bus_errno(rc);
        bus->has_pub = true;
        nng_socket_set_int(bus->pub, NNG_OPT_SENDBUF, bus->pub_queue);
        /* A subscriber says nothing; NNG allocates whatever size one claims,
         * without a bound by default. */
        nng_socket_set_size(bus->pub, NNG_OPT_RECVMAXSZ, PUB_MAX_HEARD);
    }
    return ps_bus_listen(bus, bus->pub, url, PS_SP_SUB0);
}

static struct ps_topic *topic_get(struct ps_bus *bus, const char *name)
{
    struct ps_topic *topic;

    for (size_t i = 0; i < bus->n_topics; i++) {
        if (strcmp(bus->topics[i].name, name) == 0)
            return &bus->topics[i];
    }
    if (bus->n_topics == PS_BUS_MAX_TOPICS ||
        strlen(name) >= sizeof(topic->name))
        return NULL;
    topic = &bus->topics[bus->n_topics++];
    snprintf(topic->name, sizeof(topic->name), "%s", name);
    return topic;
}

/* Keeps the packed envelope, which stands in msg after the topic. */
static int retain_msg(struct ps_topic *topic, nng_msg *msg)
{
    size_t skip = strlen(topic->name) + 1;
    size_t len = nng_msg_len(msg) - skip;
    uint8_t *copy = malloc(len);

    if (!copy)
        return -ENOMEM;
    memcpy(copy, (uint8_t *)nng_msg_body(msg) + skip, len);
    free(topic->retained);
    topic->retained = copy;
    topic->retained_len = len;
    return 0;
}

int ps_bus_publish(struct ps_bus *bus, const char *name,
                   const ProtobufCMessage *body, bool retain)
{
    struct ps_topic *topic = topic_get(bus, name);
    _cleanup_free_ uint8_t *packed = NULL;
    Ps__Envelope env;
    nng_msg *msg;
    int r;

    if (!topic)
        return -ENOSPC;
    ps_envelope_init(bus, &env);
    env.topic = topic->name;
    env.has_seq = 1;
    env.seq = topic->seq + 1;
    env.type = (char *)(uintptr_t)body->descriptor->name;
    env.has_body = 1;
    env.body.len = protobuf_c_message_get_packed_size(body);
    if (env.body.len > PS_BUS_MAX_MESSAGE)
        return -EMSGSIZE;
    packed = malloc(env.body.len + 1);
    if (!packed)
        return -ENOMEM;
    env.body.data = packed;
    protobuf_c_message_pack(body, packed);
    r = ps_envelope_to_msg(&env, topic->name, &msg);
    if (r < 0)
        return r;
    if (retain)
        r = retain_msg(topic, msg);
    if (r < 0) {
        nng_msg_free(msg);
        return r;
    }
    topic->seq = env.seq;
    /* Without a subscriber NNG drops the message, which is right. */
    if (!bus->has_pub || nng_sendmsg(bus->pub, msg, NNG_FLAG_NONBLOCK) != 0)
        nng_msg_free(msg);
    return 0;
}

void ps_bus_each_topic(struct ps_bus *bus,
                       void (*fn)(const char *topic, uint64_t seq, void *arg),
                       void *arg)
{
    for (size_t i = 0; i < bus->n_topics; i++)
        fn(bus->topics[i].name, bus->topics[i].seq, arg);
}

void ps_bus_snapshot(struct ps_bus *bus, const Ps__SnapshotRequest *request,
                     struct ps_call *call)
{
    ProtobufCBinaryData envelopes[PS_BUS_MAX_TOPICS];
    Ps__Snapshot reply = PS__SNAPSHOT__INIT;

    reply.envelopes = envelopes;
    for (size_t i = 0; i < bus->n_topics; i++) {
        struct ps_topic *topic = &bus->topics[i];

        if (!topic->retained)
            continue;
        if (request->topic && strcmp(request->topic, topic->name) != 0)
            continue;
        envelopes[reply.n_envelopes++] = (ProtobufCBinaryData){
            .data = topic->retained, .len = topic->retained_len};
    }
    ps_call_reply(call, &reply.base);
}

void ps_bus_pub_free(struct ps_bus *bus)
{
    if (bus->has_pub)
        nng_close(bus->pub);
    bus->has_pub = false;
    for (size_t i = 0; i < bus->n_topics; i++)
        free(bus->topics[i].retained);
    bus->n_topics = 0;
}
