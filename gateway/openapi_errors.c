/* SPDX-License-Identifier: MIT */
/*
 * Which errors an operation can answer: rows that apply by what a route is,
 * and rows of the daemons by the operations that meet them.
 */
#include "gateway/openapi_internal.h"

typedef bool (*applies_fn)(const struct ps_route *route);

static bool always(const struct ps_route *route _unused_)
{
    return true;
}

static bool has_query_field(const struct ps_route *route, const char *name)
{
    for (unsigned int i = 0; route->request && i < route->request->n_fields;
         i++)
        if (ps_openapi_in_query(route, &route->request->fields[i]) &&
            (!name || ps_streq(route->request->fields[i].name, name)))
            return true;
    return false;
}

static bool has_query(const struct ps_route *route)
{
    return has_query_field(route, NULL);
}

static bool has_limit(const struct ps_route *route)
{
    return has_query_field(route, "limit");
}

static bool has_cursor(const struct ps_route *route)
{
    return has_query_field(route, "cursor");
}

static bool has_payload(const struct ps_route *route)
{
    return has_query_field(route, "payload");
}

/* A required parameter of the query. */
static bool may_be_incomplete(const struct ps_route *route)
{
    for (unsigned int i = 0; route->request && i < route->request->n_fields;
         i++)
        if (ps_openapi_in_query(route, &route->request->fields[i]) &&
            route->request->fields[i].label == PROTOBUF_C_LABEL_REQUIRED)
            return true;
    return false;
}

static bool takes_body(const struct ps_route *route)
{
    return route->body != NULL;
}

static bool takes_no_body(const struct ps_route *route)
{
    return !route->body;
}

static bool takes_values(const struct ps_route *route)
{
    return (route->request && route->request->n_fields > 0) || route->change ||
           ps_streq(route->type, "text/event-stream");
}

static bool is_change(const struct ps_route *route)
{
    return route->change;
}

/* In the audit log: without it, nothing is changed. */
static bool is_recorded(const struct ps_route *route)
{
    return route->change ||
           (route->role == PS_ROLE_ADMIN && route->method != PS_HTTP_GET);
}

static bool asks_service(const struct ps_route *route)
{
    return route->service != NULL;
}

static bool wants_token(const struct ps_route *route)
{
    return route->role != PS_ROLE_NONE;
}

static bool wants_role(const struct ps_route *route)
{
    return route->role > PS_ROLE_VIEWER;
}

static const struct error_row {
    unsigned int status;
    const char *id;
    const char *when;
    /* Either is enough. */
    applies_fn applies; /* NULL: by ops */
    const char *ops;    /* operations, divided by spaces; NULL: none */
} rows[] = {
    {400, "request.malformed",
     "The path or the query is not in its plain form.", always, NULL},
    {400, "request.unknown_parameter", "No such parameter here.", always, NULL},
    {400, "request.duplicate_parameter", "A parameter stands twice.", has_query,
     NULL},
    {400, "request.incomplete", "A required parameter is missing.",
     may_be_incomplete, NULL},
    {400, "request.invalid", "A value does not fit; `field` names it.",
     takes_values, NULL},
    {400, "request.limit", "limit is out of its bounds.", has_limit, NULL},
    {400, "request.cursor", "The cursor is not of this list.", has_cursor,
     NULL},
    {400, "request.body_missing", "There is no body.", takes_body, NULL},
    {400, "request.body_unexpected", "There is a body, and none is taken.",
     takes_no_body, NULL},
    {400, "request.sort", "No such order.", NULL,
     "listSockets listTracePackets"},
    {400, "sockets.filter", "A filter does not fit.", NULL, "listSockets"},
    {400, "trace.filter", "The filter is missing, or does not fit.", NULL,
     "createTrace setTraceFilter"},
    {400, "trace.max_packets", "max_packets is out of its bounds.", NULL,
     "createTrace"},
    {400, "trace.duration", "duration_ns is out of its bounds.", NULL,
     "createTrace"},
    {400, "trace.snaplen", "snaplen is out of its bounds.", NULL,
     "createTrace"},
    {400, "trace.sockets", "Calls of sockets are not of the core tier.", NULL,
     "createTrace"},
    {400, "trace.comment", "The comment is too long.", NULL, "createTrace"},
    {400, "trace.tier", "No such tier.", NULL, "createTrace"},
    {400, "trace.format", "No such format.", NULL, "exportTrace"},
    {400, "packets.filter", "A filter does not fit.", NULL, "findPackets"},
    {400, "path.target_missing", "There is no target.", NULL, "measurePath"},
    {400, "path.target_invalid", "Nobody answers from such an address.", NULL,
     "measurePath"},
    {400, "path.out_of_range", "A number is out of its bounds.", NULL,
     "measurePath"},
    {400, "rule.too_many", "More rules than can be kept.", NULL, "putRuleset"},
    {401, "auth.no_token", "The request has no token.", wants_token, NULL},
    {401, "auth.wrong_token", "The token is not known, or has expired.",
     wants_token, "logIn"},
    {401, "auth.session_ended", "The cookie's login has ended.", wants_token,
     NULL},
    {403, "auth.foreign_page", "A cookie, from another site's page.",
     wants_token, "logIn logOut"},
    {403, "auth.role", "The token's role is too low.", wants_role, NULL},
    {403, "auth.payload", "The token may not see what packets carry.",
     has_payload, NULL},
    {403, "auth.role", "The topic audit needs the role admin.", NULL,
     "streamEvents"},
    {404, "flow.not_found", "No such flow.", NULL, "getFlow"},
    {404, "path.not_found", "No such path.", NULL, "getPath"},
    {404, "rule.not_found", "No such rule.", NULL,
     "getRule updateRule deleteRule"},
    {404, "token.not_found", "No such token.", NULL, "deleteToken"},
    {404, "trace.not_found", "No such trace.", NULL,
     "getTrace deleteTrace listTracePackets getTraceGraph exportTrace "
     "setTraceFilter"},
    {409, "rule.exists", "There is a rule of this id.", NULL, "createRule"},
    {409, "rule.too_many", "There are as many rules as can be kept.", NULL,
     "createRule"},
    {409, "ruleset.generation_conflict",
     "Somebody changed a rule since if_generation.", NULL, "putRuleset"},
    {409, "token.name_taken", "There is a token of this name.", NULL,
     "createToken"},
    {409, "token.too_many", "There are as many tokens as can be kept.", NULL,
     "createToken"},
    {409, "token.file", "It is the token of the file admin.token.", NULL,
     "deleteToken"},
    {409, "trace.tier", "A trace of the function tier filters by tuple alone.",
     NULL, "setTraceFilter"},
    {409, "trace.ended", "The trace does not run any more.", NULL,
     "setTraceFilter"},
    {409, "trace.too_many", "As many traces run as can.", NULL, "createTrace"},
    {413, "request.too_large", "The body is too large.", takes_body, NULL},
    {415, "request.content_type", "The body is not said to be JSON.",
     takes_body, NULL},
    {421, "request.wrong_host", "The gateway does not know this Host.", always,
     NULL},
    {422, "request.idempotency_conflict",
     "The key was used for another request.", is_change, NULL},
    {429, "auth.too_many", "Too many wrong tokens of this client.", wants_token,
     "logIn"},
    {429, "request.rate", "Too many requests of this client.", always, NULL},
    {429, "stream.too_many_of_client", "Too many streams of this client.", NULL,
     "streamEvents"},
    {429, "path.too_many", "As many measurements wait as can.", NULL,
     "measurePath"},
    {500, "sockets.failed", "The kernel's sockets cannot be read.", NULL,
     "listSockets"},
    {500, "trace.start", "The kernel refused a program.", NULL,
     "createTrace setTraceFilter"},
    {500, "trace.store", "The history cannot be read.", NULL,
     "listTraces getTrace deleteTrace listTracePackets getTraceGraph "
     "setTraceFilter "
     "exportTrace findPackets"},
    {500, "locator.history_failed", "The history cannot be read.", NULL,
     "listPaths getPath"},
    {500, "store.failed", "The rules cannot be stored; nothing was changed.",
     NULL, "createRule updateRule deleteRule putRuleset"},
    {500, "guarder.not_in_force", "The kernel refused what is stored.", NULL,
     "createRule updateRule deleteRule putRuleset"},
    {500, "request.outcome_unknown",
     "The daemon ended in the middle of the change.", is_change, NULL},
    {500, "request.answer_lost",
     "The change was made before the daemon's restart, its answer is lost.",
     is_change, NULL},
    {500, "audit.not_recorded",
     "The change was made; what came of it is not in the audit log.",
     is_recorded, NULL},
    {501, "sockets.unavailable", "This kernel has no socket iterators.", NULL,
     "listSockets"},
    {501, "trace.no_functions",
     "This kernel has no function tier, or none with calls of sockets.", NULL,
     "createTrace"},
    {501, "trace.no_processes", "This kernel shows no process's sockets.", NULL,
     "createTrace setTraceFilter"},
    {501, "trace.unavailable", "This kernel takes no program of the tracer's.",
     NULL, "createTrace"},
    {502, "service.bad_answer", "The daemon's answer cannot be read.",
     asks_service, NULL},
    {502, "service.failed", "The daemon could not be asked.", asks_service,
     NULL},
    {503, "service.unavailable", "The daemon is not running.", asks_service,
     NULL},
    {503, "service.busy", "Too many requests wait for the daemon.",
     asks_service, NULL},
    {503, "trace.busy", "As many graphs are made as can be.", NULL,
     "getTraceGraph"},
    {503, "service.no_memory", "The daemon has no memory left.", asks_service,
     NULL},
    {503, "gateway.ending", "The gateway ends.", asks_service, NULL},
    {503, "gateway.no_memory", "The gateway has no memory left.", always, NULL},
    {503, "audit.not_writable",
     "The audit log cannot be written; nothing was changed.", is_recorded,
     NULL},
    {503, "stream.too_many", "As many streams are open as may be.", NULL,
     "streamEvents"},
    {503, "gateway.store", "gateway.db cannot be written.", NULL,
     "logIn logOut createToken deleteToken"},
    {503, "path.unavailable", "This host cannot send such probes.", NULL,
     "measurePath"},
    {503, "guarder.cannot_enforce", "This host cannot enforce rules.", NULL,
     "createRule updateRule deleteRule putRuleset"},
    {504, "service.timeout", "The daemon did not answer in time.", asks_service,
     NULL},
    {507, "trace.store", "The history has no room.", NULL, "createTrace"},
    {507, "gateway.store", "The disk is full; nothing was changed.", NULL,
     "logIn logOut createToken deleteToken"},
    {507, "audit.not_writable", "The disk is full; nothing was changed.",
     is_recorded, NULL},
    {507, "store.full", "The disk is full; nothing was changed.", NULL,
     "createRule updateRule deleteRule putRuleset"},
};

/* Of HTTP itself, before a route is known: the response "default". */
static const struct error_row http_rows[] = {
    {400, "request.malformed", "This is not HTTP/1.1.", always, NULL},
    {408, "request.timeout", "The request did not come in time.", always, NULL},
    {411, "request.length_needed", "A body needs Content-Length.", always,
     NULL},
    {414, "request.target_too_long", "The URL is too long.", always, NULL},
    {417, "request.expectation", "Only 100-continue is known.", always, NULL},
    {431, "request.head_too_large", "The headers are too long.", always, NULL},
    {501, "request.method_unknown", "No such method.", always, NULL},
    {505, "request.version", "No such version of HTTP.", always, NULL},
};

static bool among(const char *ops, const char *id)
{
    size_t len = strlen(id);

    for (const char *p = ops; (p = strstr(p, id)); p += len)
        if ((p == ops || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\0'))
            return true;
    return false;
}

static bool row_applies(const struct error_row *row,
                        const struct ps_route *route)
{
    return (row->applies && row->applies(route)) ||
           (row->ops && among(row->ops, route->id));
}

/* ---- responses ---------------------------------------------------------- */

json_t *ps_openapi_header(const char *description, const char *type)
{
    return json_pack("{s:s, s:{s:s}}", "description", description, "schema",
                     "type", type);
}

static json_t *error_headers(unsigned int status)
{
    if (status == 401)
        return json_pack("{s:o}", "WWW-Authenticate",
                         ps_openapi_header("How to send a token.", "string"));
    if (status == 429 || status == 503)
        return json_pack(
            "{s:o}", "Retry-After",
            ps_openapi_header("Seconds after which to try again.", "integer"));
    return NULL;
}

/* A problem whose id is one of ids; takes the reference. */
static json_t *problem_content(json_t *ids)
{
    return json_pack("{s:{s:{s:[{s:s}, {s:{s:{s:o}}}]}}}",
                     "application/problem+json", "schema", "allOf", "$ref",
                     "#/components/schemas/Problem", "properties", "id", "enum",
                     ids);
}

/* Adds the row to the response of its status. */
static void add_row(json_t *responses, const struct error_row *row)
{
    char status[16], line[256];
    json_t *response, *ids, *headers;
    const char *before;

    snprintf(status, sizeof(status), "%u", row->status);
    response = json_object_get(responses, status);
    if (!response) {
        ids = json_array();
        response = json_pack("{s:s, s:o}", "description", "", "content",
                             problem_content(ids));
        json_object_set_new(responses, status, response);
        headers = error_headers(row->status);
        if (headers)
            json_object_set_new(response, "headers", headers);
    } else {
        ids = json_object_get(json_object_get(response, "content"),
                              "application/problem+json");
        ids = json_array_get(
            json_object_get(json_object_get(ids, "schema"), "allOf"), 1);
        ids = json_object_get(
            json_object_get(json_object_get(ids, "properties"), "id"), "enum");
    }
    json_array_append_new(ids, json_string(row->id));
    before = json_string_value(json_object_get(response, "description"));
    snprintf(line, sizeof(line), "%s`%s`: %s", before && *before ? "\n" : "",
             row->id, row->when);
    json_object_set_new(response, "description",
                        json_sprintf("%s%s", before ? before : "", line));
}

void ps_openapi_errors(const struct ps_route *route, json_t *responses)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (row_applies(&rows[i], route))
            add_row(responses, &rows[i]);
    json_object_set_new(
        responses, "default",
        json_pack("{s:s}", "$ref", "#/components/responses/Http"));
}

json_t *ps_openapi_responses(void)
{
    json_t *ids = json_array();
    json_t *text = json_string("An error of HTTP itself:");

    for (size_t i = 0; i < ARRAY_SIZE(http_rows); i++) {
        json_t *longer = json_sprintf(
            "%s\n%u `%s`: %s", text ? json_string_value(text) : "",
            http_rows[i].status, http_rows[i].id, http_rows[i].when);

        json_array_append_new(ids, json_string(http_rows[i].id));
        json_decref(text);
        text = longer;
    }
    return json_pack("{s:{s:o, s:o}}", "Http", "description", text, "content",
                     problem_content(ids));
}

json_t *ps_openapi_problem_schema(void)
{
    return json_pack(
        "{s:s, s:s, s:{s:{s:s, s:s}, s:{s:s}, s:{s:s, s:i, s:i}, s:{s:s, s:s},"
        " s:{s:s, s:s}, s:{s:s, s:s}, s:{s:s, s:o}}, s:[sssss], s:b,"
        " s:[{s:s, s:s, s:i, s:s, s:s, s:s}]}",
        "type", "object", "description", "An error (RFC 9457).", "properties",
        "type", "type", "string", "format", "uri-reference", "title", "type",
        "string", "status", "type", "integer", "minimum", 400, "maximum", 599,
        "detail", "type", "string", "description",
        "An English sentence that says what to do.", "id", "type", "string",
        "description", "Stable; texts are translated by it.", "field", "type",
        "string", "description", "The field or parameter at fault, as a path.",
        "params", "type", "array", "items", ps_openapi_ref("Param"), "required",
        "type", "title", "status", "detail", "id", "additionalProperties", 0,
        "examples", "type", "/problems/request.limit", "title", "Bad Request",
        "status", 400, "detail", "limit is 0; give a number from 1 to 1000.",
        "id", "request.limit", "field", "limit");
}
