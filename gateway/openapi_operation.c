/* SPDX-License-Identifier: MIT */
/* One row of the route table as an operation of the document. */
#include "gateway/openapi_internal.h"

bool ps_openapi_in_path(const struct ps_route *route, const char *name)
{
    char param[64];

    for (size_t i = 0; ps_route_param(route, i, param, sizeof(param)); i++)
        if (ps_streq(param, name))
            return true;
    return false;
}

bool ps_openapi_in_query(const struct ps_route *route,
                         const ProtobufCFieldDescriptor *field)
{
    if (route->body || ps_openapi_in_path(route, field->name))
        return false;
    return field->type != PROTOBUF_C_TYPE_MESSAGE ||
           ps_json_is_string_type(field->descriptor);
}

/* Every whole answer of a GET has an entity tag (content.h): streams and
 * exports are told as they come. */
static bool has_etag(const struct ps_route *route)
{
    return route->method == PS_HTTP_GET &&
           ((route->reply && !route->type) ||
            ps_streq(route->type, "application/json") ||
            ps_streq(route->type, "application/openmetrics-text"));
}

/* ---- parameters --------------------------------------------------------- */

static json_t *parameter(const struct ps_route *route,
                         const ProtobufCFieldDescriptor *field,
                         const json_t *comments, json_t *examples)
{
    bool path = ps_openapi_in_path(route, field->name);
    json_t *schema = ps_openapi_field(route->request, field, comments);
    json_t *text = json_object_get(schema, "description");
    json_t *example = json_object_get(examples, field->name);
    json_t *param = json_pack(
        "{s:s, s:s, s:b}", "name", field->name, "in", path ? "path" : "query",
        "required", path || field->label == PROTOBUF_C_LABEL_REQUIRED);

    if (text)
        json_object_set(param, "description", text);
    json_object_set_new(param, "schema", schema);
    if (example)
        json_object_set(param, "example", example);
    /* a,b,c */
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        json_object_set_new(param, "explode", json_false());
    return param;
}

static json_t *header_parameter(const char *name, const char *description,
                                const char *pattern, int max_length,
                                const char *example)
{
    return json_pack("{s:s, s:s, s:b, s:s, s:{s:s, s:s, s:i}, s:s}", "name",
                     name, "in", "header", "required", 0, "description",
                     description, "schema", "type", "string", "pattern",
                     pattern, "maxLength", max_length, "example", example);
}

static json_t *parameters(const struct ps_route *route, const json_t *comments,
                          json_t *examples)
{
    json_t *list = json_array();

    for (unsigned int i = 0; route->request && i < route->request->n_fields;
         i++) {
        const ProtobufCFieldDescriptor *field = &route->request->fields[i];

        if (ps_openapi_in_path(route, field->name) ||
            ps_openapi_in_query(route, field))
            json_array_append_new(list,
                                  parameter(route, field, comments, examples));
    }
    if (route->change)
        json_array_append_new(
            list,
            header_parameter("Idempotency-Key",
                             "The same key within ten minutes gets the first "
                             "answer again.",
                             "^[!-~]+$", 128, "4f1d0c6be2a94d0f"));
    if (has_etag(route))
        json_array_append_new(
            list, header_parameter("If-None-Match",
                                   "Entity tags of answers that are known.",
                                   "^[ -~]*$", 8192, "\"0\""));
    if (ps_streq(route->type, "text/event-stream"))
        json_array_append_new(
            list,
            header_parameter("Last-Event-ID", "Id of the last event that came.",
                             "^[0-9]+$", 20, "1796115823001024"));
    return list;
}

/* ---- answers ------------------------------------------------------------ */

/* Types of which the request chooses one, divided by a space. */
static json_t *chosen_content(const char *types)
{
    json_t *content = json_object();
    size_t len;

    for (; *types; types += len + (types[len] == ' ')) {
        len = strcspn(types, " ");
        json_object_setn_new(
            content, types, len,
            json_pack("{s:{s:s}}", "schema", "type", "string"));
    }
    return content;
}

static json_t *success_content(const struct ps_route *route, json_t *example)
{
    const char *type = route->type ? route->type : "application/json";
    json_t *media, *schema;

    if (strchr(type, ' '))
        return chosen_content(type);
    if (route->reply)
        schema = ps_openapi_ref(route->reply->short_name);
    else
        schema = json_pack(
            "{s:s}", "type",
            ps_streq(route->type, "application/json") ? "object" : "string");
    media = json_pack("{s:o}", "schema", schema);
    if (example)
        json_object_set(media, "example", example);
    return json_pack("{s:o}", type, media);
}

static json_t *success_headers(const struct ps_route *route)
{
    json_t *headers = json_object();

    if (ps_streq(route->id, "logIn") || ps_streq(route->id, "logOut"))
        json_object_set_new(headers, "Set-Cookie",
                            ps_openapi_header("The login's cookie.", "string"));
    if (ps_streq(route->id, "exportTrace"))
        json_object_set_new(headers, "Content-Disposition",
                            ps_openapi_header("The file's name.", "string"));
    if (route->status == 201 || route->status == 202)
        json_object_set_new(
            headers, "Location",
            ps_openapi_header("Where what was made can be found.", "string"));
    if (has_etag(route))
        json_object_set_new(
            headers, "ETag",
            ps_openapi_header("Of these bytes: with it as If-None-Match, the "
                              "same answer is only a 304.",
                              "string"));
    if (route->share) {
        json_object_set_new(
            headers, "Age",
            ps_openapi_header("Whole seconds since the daemon was asked: an "
                              "answer may be given again for one. Ask with "
                              "\"Cache-Control: no-cache\" for a new one.",
                              "integer"));
        json_object_set_new(
            headers, "Packetscope-Age-Ms",
            ps_openapi_header("The same in milliseconds.", "integer"));
    }
    return headers;
}

static json_t *success(const struct ps_route *route, json_t *example)
{
    json_t *response, *headers;

    if (route->status == 204)
        response = json_pack("{s:s}", "description", "Done; there is no body.");
    else
        response = json_pack("{s:s, s:o}", "description", route->summary,
                             "content", success_content(route, example));
    headers = success_headers(route);
    if (json_object_size(headers) > 0)
        json_object_set(response, "headers", headers);
    json_decref(headers);
    return response;
}

static json_t *responses(const struct ps_route *route, json_t *examples)
{
    char status[16];
    json_t *list = json_object();
    json_t *example = json_object_get(examples, "response");

    snprintf(status, sizeof(status), "%u", route->status);
    json_object_set_new(list, status, success(route, example));
    if (has_etag(route))
        json_object_set_new(list, "304",
                            json_pack("{s:s, s:o}", "description",
                                      "What If-None-Match named still holds; "
                                      "there is no body.",
                                      "headers", success_headers(route)));
    ps_openapi_errors(route, list);
    /* Its answer is the same when a daemon is not ready. */
    if (ps_streq(route->id, "getReadiness"))
        json_object_set_new(list, "503", success(route, NULL));
    return list;
}

/* What a stream's events are, by name: data is JSON of these. */
static json_t *streamed_events(void)
{
    static const struct {
        const char *topic, *schema;
    } topics[] = {
        {"event", "Event"},      {"service", "ServiceStatus"},
        {"trace", "Trace"},      {"packet", "PacketWay"},
        {"path", "Path"},        {"ruleset", "GuarderStats"},
        {"audit", "AuditEntry"}, {"lost", "Lost"},
    };
    json_t *list = json_object();

    for (size_t i = 0; i < ARRAY_SIZE(topics); i++)
        json_object_set_new(list, topics[i].topic,
                            ps_openapi_ref(topics[i].schema));
    return list;
}

json_t *ps_openapi_operation(const struct ps_route *route,
                             const json_t *comments, const json_t *examples)
{
    const ProtobufCMessageDescriptor *body = ps_openapi_body(route);
    json_t *own = json_object_get(examples, route->id);
    json_t *sent = json_object_get(own, "request");
    json_t *op = json_pack(
        "{s:s, s:s, s:[s], s:s, s:o, s:o}", "operationId", route->id, "summary",
        route->summary, "tags", route->service ? route->service : "gateway",
        "x-role", ps_role_name(route->role), "parameters",
        parameters(route, comments, json_object_get(own, "parameters")),
        "responses", responses(route, own));

    if (route->description)
        json_object_set_new(op, "description", json_string(route->description));
    if (body) {
        json_t *media =
            json_pack("{s:o}", "schema", ps_openapi_ref(body->short_name));

        if (sent)
            json_object_set(media, "example", sent);
        json_object_set_new(op, "requestBody",
                            json_pack("{s:b, s:{s:o}}", "required", 1,
                                      "content", "application/json", media));
    }
    if (ps_streq(route->type, "text/event-stream"))
        json_object_set_new(op, "x-events", streamed_events());
    /* An empty list says: no token. */
    if (route->role == PS_ROLE_NONE)
        json_object_set_new(op, "security", json_array());
    return op;
}
