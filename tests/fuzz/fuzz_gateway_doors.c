/* SPDX-License-Identifier: MIT */
/* Who a head says it is from, and from whose page: whatever it holds, nobody
 * is known by halves, and no page is let in that was not named. */
#include "fuzz.h"

#include <strings.h>

#include "gateway/auth.h"
#include "gateway/origin.h"

static const char *const named[] = {"https://a.example", "http://b.example:8"};

static size_t count(const struct ps_head *head, const char *name)
{
    size_t n = 0;

    for (size_t i = 0; i < head->n; i++)
        n += strcasecmp(head->fields[i].name, name) == 0;
    return n;
}

static void check_credential(const struct ps_head *head)
{
    static const uint8_t zero[PS_SECRET_HASH];
    struct ps_credential credential;

    ps_auth_read(head, &credential);
    REQUIRE(credential.given || !credential.malformed);
    /* Whatever stands in it: a header Authorization hides the cookie. */
    if (count(head, "authorization") > 0)
        REQUIRE(credential.given && credential.by == PS_ACCESS_BEARER);
    if (count(head, "authorization") > 1)
        REQUIRE(credential.malformed);
    if (credential.given && credential.by == PS_ACCESS_COOKIE)
        REQUIRE(count(head, "cookie") > 0);
    if (credential.given && !credential.malformed)
        REQUIRE(!ps_secret_equal(credential.hash, zero));
}

static void check_origins(const struct ps_origins *origins,
                          const struct ps_head *head)
{
    const char *lines = ps_origins_lines(origins, head);
    const char *origin = ps_head_find(head, "origin");
    bool let_in = strstr(lines, "Allow-Origin");

    REQUIRE(!strstr(lines, "Credentials"));
    REQUIRE(!let_in || (origin && (ps_streq(origin, named[0]) ||
                                   ps_streq(origin, named[1]))));
    REQUIRE(let_in || !ps_origins_preflight(origins, head));
    if (count(head, "origin") > 1 || count(head, "sec-fetch-site") > 1)
        REQUIRE(ps_origin_foreign(head));
    (void)ps_origin_simple(head);
    (void)ps_origin_secure(head);
    (void)ps_origin_host_ok(head->host, "127.0.0.1:1", true, NULL, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct ps_strlist list = {.items = (char **)(uintptr_t)named,
                                    .n = ARRAY_SIZE(named)};
    struct ps_origins *origins = NULL;
    char *error = NULL, *text = malloc(size + 1);
    const char *detail = NULL;
    struct ps_head head;

    if (text && ps_origins_new(&list, &origins, &error) == 0) {
        memcpy(text, data, size);
        text[size] = '\0';
        if (ps_head_parse(text, size, &head, &detail) == 0) {
            check_credential(&head);
            check_origins(origins, &head);
        }
    }
    ps_origins_free(&origins);
    free(text);
    return 0;
}
