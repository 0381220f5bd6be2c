/* SPDX-License-Identifier: MIT */
/*
 * One question for all who ask the same within a second. What it depends on is
 * the method and the message, as it goes to the daemon: two spellings of a
 * target that mean the same share one answer. It does not depend on who asks:
 * a route whose answer does must not be marked as shareable.
 */
#include "gateway/ask.h"
#include "gateway/content.h"
#include "gateway/negotiate.h"

#define MAX_KEY_ON_STACK 512

struct question {
    struct ps_gateway *gateway;
    const struct ps_route *route;
    struct ps_shared *shared;
};

void ps_ask_give(struct ps_http_request *req, struct ps_content *content,
                 uint64_t age_ns)
{
    char lines[96];

    snprintf(lines, sizeof(lines), "Age: %llu\r\nPacketscope-Age-Ms: %llu\r\n",
             (unsigned long long)(age_ns / PS_NS_PER_S),
             (unsigned long long)(age_ns / PS_NS_PER_MS));
    ps_http_reply_content(req, content, lines);
}

static void end_question(struct question *q, int result,
                         const ProtobufCMessage *reply, const Ps__Error *error)
{
    struct ps_content *content = NULL;
    uint64_t age = ps_shared_age_ns(q->shared, ps_mono_ns());
    struct ps_http_request *req;
    int r = result;

    if (r == 0)
        r = ps_ask_content(reply, "private, no-cache", &content);
    while ((req = ps_shared_take(q->shared))) {
        if (r == 0)
            ps_ask_give(req, content, age);
        else if (result == 0)
            ps_ask_no_memory(req);
        else
            ps_ask_fail(req, q->route, result, error);
    }
    ps_share_end(q->gateway->share, q->shared, content);
    free(q);
}

static void on_reply(void *arg, int result, const ProtobufCMessage *reply,
                     const Ps__Error *error)
{
    end_question(arg, result, reply, error);
}

struct key {
    const void *data;
    size_t len;
};

/* req is who asks. waits: and waits for the answer. */
static void ask(struct ps_gateway *gateway, struct ps_http_request *req,
                const struct ps_route *route, const ProtobufCMessage *msg,
                const struct key *key, bool waits, bool listed)
{
    struct question *q = calloc(1, sizeof(*q));
    int r = -ENOMEM;

    if (q)
        r = ps_share_begin(gateway->share, route->service, key->data, key->len,
                           listed, ps_mono_ns(), &q->shared);
    if (r < 0) {
        free(q);
        if (waits)
            ps_ask_fail(req, route, r, NULL);
        return;
    }
    q->gateway = gateway;
    q->route = route;
    if (waits)
        r = ps_shared_wait(q->shared, req);
    if (r < 0)
        ps_ask_fail(req, route, r, NULL);
    else
        r = ps_ask_send(gateway, req, route, msg, NULL, on_reply, q);
    if (r < 0)
        end_question(q, r, NULL, NULL);
}

static void answer(struct ps_gateway *gateway, struct ps_http_request *req,
                   const struct ps_route *route, const ProtobufCMessage *msg,
                   const struct key *key)
{
    uint64_t now = ps_mono_ns(), max_age = ps_takes_age_ms(&req->head);
    struct ps_shared *shared =
        ps_share_find(gateway->share, key->data, key->len, now);
    struct ps_content *content;
    uint64_t age;
    int r;

    if (!shared || max_age == 0) {
        /* Who wants it new does not make others wait for it. */
        ask(gateway, req, route, msg, key, true, !shared);
        return;
    }
    content = ps_shared_content(shared);
    if (!content) {
        r = ps_shared_wait(shared, req);
        if (r < 0)
            ps_ask_fail(req, route, r, NULL);
        return;
    }
    age = ps_shared_age_ns(shared, now);
    ps_content_ref(content);
    if (ps_shared_is_due(shared, now))
        ask(gateway, req, route, msg, key, false, false);
    ps_ask_give(req, content, age);
    ps_content_unref(content);
}

void ps_ask_shared(struct ps_gateway *gateway, struct ps_http_request *req,
                   const struct ps_route *route, const ProtobufCMessage *msg)
{
    size_t name = strlen(route->bus_method) + 1;
    size_t len = name + protobuf_c_message_get_packed_size(msg);
    unsigned char on_stack[MAX_KEY_ON_STACK];
    _cleanup_free_ unsigned char *on_heap = len > sizeof(on_stack) ? malloc(len)
                                                                   : NULL;
    unsigned char *data = len > sizeof(on_stack) ? on_heap : on_stack;

    if (!data) {
        ps_ask_no_memory(req);
        return;
    }
    memcpy(data, route->bus_method, name);
    protobuf_c_message_pack(msg, data + name);
    answer(gateway, req, route, msg, &(struct key){data, len});
}
