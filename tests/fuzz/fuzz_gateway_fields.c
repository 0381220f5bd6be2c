/* SPDX-License-Identifier: MIT */
/*
 * Fields of a head that say who asks, and from where: credentials, origins. The
 * first byte chooses a field's name, the rest is its value.
 */
#include "gateway/auth.h"
#include "gateway/origin.h"
#include "tests/fuzz/fuzz.h"

static const char *const names[] = {
    "Origin",        "Sec-Fetch-Site",
    "Authorization", "Cookie",
    "Content-Type",  "X-Forwarded-Proto",
    "Last-Event-ID", "Access-Control-Request-Method",
};

static void ask_all(const struct ps_head *head)
{
    struct ps_credential credential = {0};

    ps_origin_foreign(head);
    ps_origin_simple(head);
    ps_origin_secure(head);
    ps_auth_read(head, &credential);
    REQUIRE(credential.given || !credential.malformed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *detail = NULL;
    struct ps_head head;
    char *text;
    int len;

    if (size < 1)
        return 0;
    len = asprintf(&text, "GET / HTTP/1.1\r\nHost: h\r\n%s: %.*s\r\n\r\n",
                   names[data[0] % ARRAY_SIZE(names)], (int)(size - 1),
                   (const char *)data + 1);
    REQUIRE(len > 0);
    if (!ps_head_parse(text, (size_t)len, &head, &detail))
        ask_all(&head);
    free(text);
    return 0;
}
