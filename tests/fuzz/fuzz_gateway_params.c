/* SPDX-License-Identifier: MIT */
/*
 * Each parameter of each route: bytes choose a route, values for its path,
 * fields for its query, and a body of its message; texts fit or do not. What
 * is bound can be sent and shown; what is refused has an id and a sentence.
 */
#include "gateway/bind.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/grow.h"

static const char *value_text(struct grow *g, char *text, size_t size)
{
    static const char *const likely[] = {
        "1",     "100",         "tcp",
        "udp",   "192.0.2.1",   "eth0",
        "true",  "2001:db8::1", "0",
        "-1",    "-rate",       "10.0.0.0/8",
        "65535", "1024-2048",   "2026-01-01T00:00:00Z",
        "event", "a,b",         "4294967296",
    };
    uint8_t kind = grow_u8(g);

    if (kind < 128)
        return likely[kind % ARRAY_SIZE(likely)];
    return grow_text(g, text, size);
}

static void add_encoded(char *query, size_t size, const char *text)
{
    size_t used = strlen(query);

    for (; *text && used + 4 < size; text++)
        used += (size_t)snprintf(query + used, size - used, "%%%02X",
                                 (unsigned int)(unsigned char)*text);
}

static void make_query(struct grow *g, const struct ps_route *route,
                       char *query, size_t size)
{
    const ProtobufCMessageDescriptor *desc = route->request;
    char text[64];

    query[0] = '\0';
    for (unsigned int n = grow_u8(g) % 5; n > 0 && desc && desc->n_fields;
         n--) {
        const char *name = desc->fields[grow_u8(g) % desc->n_fields].name;
        size_t used = strlen(query);

        if (used + 64 > size)
            return;
        snprintf(query + used, size - used, "%s%s=", used ? "&" : "", name);
        add_encoded(query, size, value_text(g, text, sizeof(text)));
    }
}

/* The body as the route wants it, or a text that it is not. */
static char *make_body(struct grow *g, const struct ps_route *route)
{
    const ProtobufCMessageDescriptor *desc = route->request;
    const ProtobufCFieldDescriptor *field = NULL;
    ProtobufCMessage *msg;
    char text[64], *body = NULL;

    if (!route->body || !desc)
        return NULL;
    if (route->body[0]) {
        field =
            protobuf_c_message_descriptor_get_field_by_name(desc, route->body);
        REQUIRE(field);
        desc = field->descriptor;
    }
    if (grow_u8(g) % 8 == 0 || ps_json_is_string_type(desc))
        return strdup(grow_text(g, text, sizeof(text)));
    msg = grow_message(g, desc);
    REQUIRE(ps_json_print(msg, &body, NULL) == 0);
    protobuf_c_message_free_unpacked(msg, NULL);
    return body;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char texts[PS_ROUTE_MAX_PARAMS][64], query[1024], *body;
    const char *params[PS_ROUTE_MAX_PARAMS];
    struct grow g = {data, size};
    ProtobufCMessage *msg = NULL;
    struct ps_bind_error error = {0};
    struct ps_bind_input input;
    size_t n;
    const struct ps_route *routes = ps_routes(&n);
    const struct ps_route *route =
        &routes[(size_t)(grow_u8(&g) << 8 | grow_u8(&g)) % n];

    for (size_t i = 0; i < PS_ROUTE_MAX_PARAMS; i++)
        params[i] = value_text(&g, texts[i], sizeof(texts[i]));
    make_query(&g, route, query, sizeof(query));
    body = make_body(&g, route);
    input = (struct ps_bind_input){
        .route = route,
        .params = params,
        .query = query[0] ? query : NULL,
        .content_type = body ? "application/json" : NULL,
        .body = body,
        .body_len = body ? strlen(body) : 0,
    };
    if (ps_bind(&input, &msg, &error) == -EINVAL)
        REQUIRE(error.status >= 400 && error.id && error.json.detail[0]);
    if (msg) {
        json_t *json = ps_json_from_message(msg);

        REQUIRE(protobuf_c_message_check(msg) && json);
        json_decref(json);
        protobuf_c_message_free_unpacked(msg, NULL);
    }
    free(body);
    return 0;
}
