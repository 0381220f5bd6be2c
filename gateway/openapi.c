/* SPDX-License-Identifier: MIT */
#include "gateway/openapi.h"

#include "gateway/auth.h"
#include "gateway/comments.h"
#include "gateway/openapi_internal.h"

/* gateway/examples.json */
extern const unsigned char ps_openapi_examples[];
extern const size_t ps_openapi_examples_size;

static const struct {
    const char *name, *description;
} tags[] = {
    {"gateway", "The door itself: health, sessions, services, events."},
    {"tracer", "The way of packets through this host's kernel."},
    {"analyzer", "Flows, interfaces and drops, counted in the kernel."},
    {"locator", "Paths through the world, and where addresses are."},
    {"guarder", "Rules, enforced before the stack sees a packet."},
};

json_t *ps_openapi_ref(const char *name)
{
    return json_pack("{s:s+}", "$ref", "#/components/schemas/", name);
}

const ProtobufCMessageDescriptor *ps_openapi_body(const struct ps_route *route)
{
    const ProtobufCFieldDescriptor *field;

    if (!route->body)
        return NULL;
    if (!*route->body)
        return route->request;
    field = protobuf_c_message_descriptor_get_field_by_name(route->request,
                                                            route->body);
    return field ? field->descriptor : NULL;
}

static json_t *components(const json_t *comments)
{
    return json_pack(
        "{s:o, s:o, s:{s:{s:s, s:s, s:s}, s:{s:s, s:s, s:s, s:s}}}", "schemas",
        ps_openapi_schemas(comments), "responses", ps_openapi_responses(),
        "securitySchemes", "bearer", "type", "http", "scheme", "bearer",
        "description",
        "A token. The first administrator's is in admin.token in the state "
        "directory.",
        "cookie", "type", "apiKey", "in", "cookie", "name", PS_AUTH_COOKIE,
        "description",
        "A login, from the gateway's own pages alone: see POST session.");
}

static json_t *paths(const json_t *comments, const json_t *examples)
{
    size_t n;
    const struct ps_route *routes = ps_routes(&n);
    json_t *all = json_object();

    for (size_t i = 0; i < n; i++) {
        json_t *item = json_object_get(all, routes[i].path);
        char method[16];
        size_t k = 0;

        if (!item) {
            item = json_object();
            json_object_set_new(all, routes[i].path, item);
        }
        for (const char *p = ps_http_method_name(routes[i].method);
             *p && k < sizeof(method) - 1; p++)
            method[k++] = (char)(*p | 0x20);
        method[k] = '\0';
        json_object_set_new(
            item, method, ps_openapi_operation(&routes[i], comments, examples));
    }
    return all;
}

static json_t *tag_list(void)
{
    json_t *list = json_array();

    for (size_t i = 0; i < ARRAY_SIZE(tags); i++)
        json_array_append_new(list,
                              json_pack("{s:s, s:s}", "name", tags[i].name,
                                        "description", tags[i].description));
    return list;
}

static json_t *info(void)
{
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:{s:s, s:s}}", "title", "PacketScope", "version",
        PS_VERSION, "summary", "The one HTTP door of PacketScope.",
        "description",
        "Integers stay below 2^53; times are RFC 3339 with nanoseconds, "
        "durations end in _ns; unknown values are absent. Errors are "
        "application/problem+json: `id` is stable, `field` names what is at "
        "fault. x-role is the least role that a token needs. HEAD works "
        "where GET does.",
        "license", "name", "MIT", "identifier", "MIT");
}

json_t *ps_openapi_document(void)
{
    json_t *comments = ps_comments_load();
    json_t *examples = json_loadb((const char *)ps_openapi_examples,
                                  ps_openapi_examples_size, 0, NULL);
    json_t *document = NULL;

    if (comments && examples)
        document = json_pack("{s:s, s:o, s:[{s:s, s:s}], s:o,"
                             " s:[{s:[]}, {s:[]}], s:o, s:o}",
                             "openapi", "3.1.0", "info", info(), "servers",
                             "url", "/", "description", "this gateway", "tags",
                             tag_list(), "security", "bearer", "cookie",
                             "paths", paths(comments, examples), "components",
                             components(comments));
    json_decref(comments);
    json_decref(examples);
    return document;
}
