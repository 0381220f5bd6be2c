/* SPDX-License-Identifier: MIT */
/* A request becomes a call on the bus, and its reply the answer. */
#include <sys/random.h>

#include "common/json.h"
#include "gateway/ask.h"
#include "gateway/bind.h"
#include "gateway/content.h"

#define MAX_KEY 128

/* ---- errors ------------------------------------------------------------- */

void ps_api_reason(const char *service, int result, const Ps__Error *error,
                   char *text, size_t size)
{
    switch (result) {
    case -EREMOTEIO:
        snprintf(text, size, "%s", error ? error->detail : "");
        break;
    case -ETIMEDOUT:
        snprintf(text, size,
                 "The %s did not answer in time. Try again; if it stays so, "
                 "look at its log.",
                 service);
        break;
    case -ENOTCONN:
        snprintf(text, size,
                 "The %s is not running, or not reachable. Start it "
                 "(deploy/up starts what does not run) and look at its log.",
                 service);
        break;
    case -EAGAIN:
        snprintf(text, size,
                 "Too many requests wait for the %s; try again in a second.",
                 service);
        break;
    case -ECANCELED:
        snprintf(text, size,
                 "The gateway is ending. Whether the %s did what was asked "
                 "is not known; ask again with the same Idempotency-Key.",
                 service);
        break;
    case -EMSGSIZE:
        snprintf(text, size, "The request is too large for the %s.", service);
        break;
    default:
        snprintf(text, size, "The %s gave no answer that can be read (%s).",
                 service, strerror(-result));
    }
}

void ps_ask_fail(struct ps_http_request *req, const struct ps_route *route,
                 int result, const Ps__Error *error)
{
    static const struct {
        int result;
        unsigned int status;
        const char *id;
    } kinds[] = {
        {-ETIMEDOUT, 504, "service.timeout"},
        {-ENOTCONN, 503, "service.unavailable"},
        {-EAGAIN, 503, "service.busy"},
        {-ECANCELED, 503, "gateway.ending"},
        {-EMSGSIZE, 413, "request.too_large"},
        {-EBADMSG, 502, "service.bad_answer"},
    };
    static const struct ps_http_field retry[] = {{"Retry-After", "1"},
                                                 {NULL, NULL}};
    Ps__Param param = PS__PARAM__INIT, *params[] = {&param};
    char text[512];
    struct ps_problem problem = {
        .id = "service.failed", .status = 502, .detail = text};

    param.name = (char *)(uintptr_t)"service";
    param.value = (char *)(uintptr_t)route->service;
    problem.params = params;
    problem.n_params = 1;
    ps_api_reason(route->service, result, error, text, sizeof(text));
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (kinds[i].result != result)
            continue;
        problem.status = kinds[i].status;
        problem.id = kinds[i].id;
    }
    if (error) {
        problem = (struct ps_problem){
            .id = error->id,
            .status = error->status,
            .detail = error->detail,
            .field = ps_bind_field(route, error->field),
            .n_params = error->n_params,
            .params = error->params,
        };
        if (problem.status < 400 || problem.status > 599)
            problem.status = 502;
    }
    ps_problem_reply(req, &problem, problem.status == 503 ? retry : NULL);
}

/* ---- asking ------------------------------------------------------------- */

struct question {
    struct ps_gateway *gateway;
    struct ps_http_request *req;
    const struct ps_route *route;
    char *target; /* of the request, without query */
};

static void question_free(struct question *q)
{
    free(q->target);
    free(q);
}

static void free_text(const void *data, size_t len _unused_, void *arg _unused_)
{
    free((void *)(uintptr_t)data);
}

/* Where what was made can be found: by the reply's field "id". */
static void make_location(const struct question *q,
                          const ProtobufCMessage *reply, char *text,
                          size_t size)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(reply->descriptor,
                                                        "id");
    const char *id;

    text[0] = '\0';
    if (!field || field->type != PROTOBUF_C_TYPE_STRING)
        return;
    id = *(char *const *)((const char *)reply + field->offset);
    if (id &&
        id[strspn(id, "abcdefghijklmnopqrstuvwxyz"
                      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")] == '\0')
        snprintf(text, size, "%s/%s", q->target, id);
}

void ps_ask_no_memory(struct ps_http_request *req)
{
    ps_problem_fail(req, 503, "gateway.no_memory", NULL,
                    "There is no memory for this answer; ask for less.");
}

int ps_ask_content(const ProtobufCMessage *reply, const char *cache_control,
                   struct ps_content **ret_content)
{
    char *text = NULL;
    size_t len = 0;
    int r = ps_json_print(reply, &text, &len);

    if (r < 0)
        return r;
    return ps_content_new(text, len, "application/json", cache_control, true,
                          ret_content);
}

/* What was made or changed. It may hold a secret that is shown once, beside
 * text of the caller: never compressed (see content.h). */
static void reply_changed(const struct question *q,
                          const ProtobufCMessage *reply)
{
    char location[256];
    struct ps_http_field fields[] = {
        {"Content-Type", "application/json"}, {NULL, NULL}, {NULL, NULL}};
    struct evbuffer *body = evbuffer_new();
    char *text = NULL;
    size_t len = 0;

    if (!body || ps_json_print(reply, &text, &len) < 0) {
        if (body)
            evbuffer_free(body);
        ps_ask_no_memory(q->req);
        return;
    }
    evbuffer_add_reference(body, text, len, free_text, NULL);
    if (q->route->status == 201 || q->route->status == 202) {
        make_location(q, reply, location, sizeof(location));
        if (location[0])
            fields[1] = (struct ps_http_field){"Location", location};
    }
    ps_http_reply(q->req, q->route->status, fields, body);
}

static void reply_read(const struct question *q, const ProtobufCMessage *reply)
{
    _cleanup_(ps_content_unrefp) struct ps_content *content = NULL;

    if (ps_ask_content(reply, "no-store", &content) < 0)
        ps_ask_no_memory(q->req);
    else
        ps_http_reply_content(q->req, content, NULL);
}

static void on_reply(void *arg, int result, const ProtobufCMessage *reply,
                     const Ps__Error *error)
{
    struct question *q = arg;

    /* Also after an error: it may have been done. Before the answer: who has
     * that reads what he wrote. */
    if (q->route->change)
        ps_share_drop(q->gateway->share, q->route->service);
    if (result < 0)
        ps_ask_fail(q->req, q->route, result, error);
    else if (q->route->status == 204)
        ps_http_reply(q->req, 204, NULL, NULL);
    else if (q->route->change)
        reply_changed(q, reply);
    else
        reply_read(q, reply);
    question_free(q);
}

/* The client's, or a new one: the bus may send a change twice. */
static int take_key(struct ps_http_request *req, char *key, size_t size)
{
    const char *given = ps_head_find(&req->head, "idempotency-key");
    unsigned char bytes[16];

    if (given) {
        size_t len = strlen(given);

        for (size_t i = 0; i < len; i++)
            if (given[i] < 0x21 || given[i] > 0x7e)
                return -EINVAL;
        if (len == 0 || len > MAX_KEY)
            return -EINVAL;
        snprintf(key, size, "%s", given);
        return 0;
    }
    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return -EIO;
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(key + 2 * i, size - 2 * i, "%02x", bytes[i]);
    return 0;
}

int ps_ask_send(struct ps_gateway *gateway, const struct ps_http_request *req,
                const struct ps_route *route, const ProtobufCMessage *msg,
                const char *key, ps_reply_fn fn, void *arg)
{
    const struct ps_ask ask = {
        .method = route->bus_method,
        .request = msg,
        .reply = route->reply,
        .timeout_ns = gateway->config->request_timeout,
        .idempotency_key = key,
        .actor = req->who ? req->who->name : NULL,
        .client = req->client,
    };

    return ps_spread_call(gateway->peers, route->spread, route->service, &ask,
                          fn, arg);
}

static void ask_alone(struct ps_gateway *gateway, struct ps_http_request *req,
                      const struct ps_route *route, const ProtobufCMessage *msg)
{
    struct question *q;
    char key[MAX_KEY + 1];
    int r = -ENOMEM;

    if (route->change && take_key(req, key, sizeof(key)) < 0) {
        ps_problem_fail(req, 400, "request.invalid", "Idempotency-Key",
                        "Idempotency-Key must have 1 to 128 visible "
                        "characters.");
        return;
    }
    q = calloc(1, sizeof(*q));
    if (q) {
        *q = (struct question){
            gateway, req, route,
            strndup(req->head.target, strcspn(req->head.target, "?"))};
        if (q->target)
            r = ps_ask_send(gateway, req, route, msg,
                            route->change ? key : NULL, on_reply, q);
    }
    if (r < 0) {
        if (q)
            question_free(q);
        ps_ask_fail(req, route, r, NULL);
    }
}

void ps_api_ask(struct ps_gateway *gateway, struct ps_http_request *req,
                const struct ps_route *route, const ProtobufCMessage *msg)
{
    if (route->share)
        ps_ask_shared(gateway, req, route, msg);
    else
        ask_alone(gateway, req, route, msg);
}
