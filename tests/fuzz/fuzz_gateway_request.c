/* SPDX-License-Identifier: MIT */
/* Bytes of a connection: head, path, query and body, up to the message that a
 * daemon would be asked with. What was understood must be understood again. */
#include "fuzz.h"

#include "gateway/bind.h"

static void check_path(const struct ps_path *path)
{
    for (size_t i = 0; i < path->n; i++) {
        REQUIRE(path->segments[i][0]);
        REQUIRE(!ps_streq(path->segments[i], "."));
        REQUIRE(!ps_streq(path->segments[i], ".."));
    }
}

static void bind_request(const struct ps_head *head, const char *body,
                         size_t body_len)
{
    char *query = strchr(head->target, '?');
    ProtobufCMessage *msg = NULL;
    struct ps_bind_error error;
    struct ps_route_match match;
    struct ps_path path;
    struct ps_bind_input input;

    if (query)
        *query++ = '\0';
    if (ps_path_parse(head->target, &path) < 0)
        return;
    check_path(&path);
    ps_route_find(head->method, &path, &match);
    if (match.route) {
        input = (struct ps_bind_input){
            .route = match.route,
            .params = match.params,
            .query = query,
            .content_type = ps_head_find(head, "content-type"),
            .body = body,
            .body_len = body_len,
        };
        if (ps_bind(&input, &msg, &error) == -EINVAL)
            REQUIRE(error.status >= 400 && error.id && error.json.detail[0]);
    }
    if (msg) {
        /* It can be sent, and shown. */
        json_t *json = ps_json_from_message(msg);

        REQUIRE(protobuf_c_message_check(msg) && json);
        json_decref(json);
        protobuf_c_message_free_unpacked(msg, NULL);
    }
    ps_path_clear(&path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = memmem(data, size, "\r\n\r\n", 4);
    size_t len = end ? (size_t)(end - data) + 4 : size;
    const char *detail = NULL;
    struct ps_head head;
    char *text = malloc(len + 1), *body = NULL;
    unsigned int status;

    if (!text)
        return 0;
    memcpy(text, data, len);
    text[len] = '\0';
    status = ps_head_parse(text, len, &head, &detail);
    REQUIRE(!status || (status >= 400 && detail));
    if (!status) {
        size_t left = size - len;

        if (left > head.content_length)
            left = (size_t)head.content_length;
        body = malloc(left + 1);
        if (body) {
            memcpy(body, data + len, left);
            body[left] = '\0';
            bind_request(&head, left ? body : NULL, left);
        }
    }
    free(body);
    free(text);
    return 0;
}
