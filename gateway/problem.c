/* SPDX-License-Identifier: MIT */
#include "gateway/problem.h"

#include <stdarg.h>

#include "common/utf8.h"
#include "gateway/content.h"

#define MAX_FIELDS 8

/* A daemon's text may hold bytes of the network: made valid first. */
static json_t *text_json(const char *text)
{
    _cleanup_free_ char *valid = ps_utf8_repair(text, strlen(text), NULL);

    return valid ? json_string(valid) : NULL;
}

static json_t *params_json(const struct ps_problem *problem)
{
    json_t *params = json_array();

    for (size_t i = 0; params && i < problem->n_params; i++)
        json_array_append_new(
            params,
            json_pack("{s:o, s:o}", "name", text_json(problem->params[i]->name),
                      "value", text_json(problem->params[i]->value)));
    return params;
}

json_t *ps_problem_json(const struct ps_problem *problem)
{
    char type[160];
    json_t *json = json_object();

    if (!json)
        return NULL;
    snprintf(type, sizeof(type), "/problems/%s", problem->id);
    json_object_set_new(json, "type", text_json(type));
    json_object_set_new(json, "title",
                        json_string(ps_http_reason(problem->status)));
    json_object_set_new(json, "status", json_integer(problem->status));
    json_object_set_new(json, "detail", text_json(problem->detail));
    json_object_set_new(json, "id", text_json(problem->id));
    if (problem->field)
        json_object_set_new(json, "field", text_json(problem->field));
    if (problem->n_params > 0)
        json_object_set_new(json, "params", params_json(problem));
    return json;
}

static void free_text(const void *data, size_t len _unused_, void *arg _unused_)
{
    free((void *)(uintptr_t)data);
}

/* Takes text; NULL without memory. */
static struct evbuffer *text_body(char *text)
{
    struct evbuffer *body = text ? evbuffer_new() : NULL;

    if (!body) {
        free(text);
        return NULL;
    }
    evbuffer_add_reference(body, text, strlen(text), free_text, NULL);
    return body;
}

static struct evbuffer *json_body(const json_t *json)
{
    return text_body(json ? json_dumps(json, JSON_COMPACT) : NULL);
}

void ps_problem_reply(struct ps_http_request *req,
                      const struct ps_problem *problem,
                      const struct ps_http_field *fields)
{
    struct ps_http_field all[MAX_FIELDS + 1] = {
        {"Content-Type", "application/problem+json"}};
    json_t *json = ps_problem_json(problem);

    for (size_t n = 1; fields && fields->name && n < MAX_FIELDS; n++)
        all[n] = *fields++;
    ps_http_reply(req, problem->status, all, json_body(json));
    json_decref(json);
}

void ps_problem_fail(struct ps_http_request *req, unsigned int status,
                     const char *id, const char *field, const char *fmt, ...)
{
    char detail[512];
    struct ps_problem problem = {
        .id = id, .status = status, .detail = detail, .field = field};
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(detail, sizeof(detail), fmt, ap);
    va_end(ap);
    ps_problem_reply(req, &problem, NULL);
}

void ps_json_reply(struct ps_http_request *req, unsigned int status,
                   const char *type, json_t *json)
{
    const struct ps_http_field fields[] = {{"Content-Type", type},
                                           {NULL, NULL}};
    bool get = req->head.method & (PS_HTTP_GET | PS_HTTP_HEAD);
    _cleanup_(ps_content_unrefp) struct ps_content *content = NULL;
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    struct evbuffer *body = NULL;

    json_decref(json);
    if (status != 200 || !get) {
        body = text_body(text);
    } else if (text && ps_content_new(text, strlen(text), type, "no-store",
                                      true, &content) == 0) {
        ps_http_reply_content(req, content, NULL);
        return;
    }
    if (!body) {
        ps_problem_fail(req, 500, "gateway.no_memory", NULL,
                        "There is no memory for this answer; ask for less.");
        return;
    }
    ps_http_reply(req, status, fields, body);
}
