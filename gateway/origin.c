/* SPDX-License-Identifier: MIT */
#include "gateway/origin.h"

#include <strings.h>

#define MAX_ORIGIN 256

struct ps_origins {
    bool any; /* "*" */
    size_t n;
    struct {
        char *origin;
        char *lines; /* for an answer to it */
    } list[PS_ORIGINS_MAX];
    char *other; /* lines for an answer to anybody else */
};

/* ---- who is asked ------------------------------------------------------- */

/* Length of the host part of "host:port" or "[::1]:port"; -1: malformed. */
static ssize_t host_length(const char *host)
{
    const char *end = *host == '[' ? strchr(host, ']') : NULL;
    const char *colon;

    if (*host == '[' && !end)
        return -1;
    colon = strchr(end ? end : host, ':');
    if (!colon)
        return (ssize_t)strlen(host);
    if (colon[1 + strspn(colon + 1, "0123456789")] != '\0')
        return -1;
    return colon - host;
}

static bool same_host(const char *host, size_t len, const char *name)
{
    return strlen(name) == len && strncasecmp(host, name, len) == 0;
}

bool ps_origin_host_ok(const char *host, const char *bound, bool loopback,
                       char *const *allowed, size_t n_allowed)
{
    static const char *const own[] = {"localhost", "127.0.0.1", "[::1]"};
    ssize_t len = host ? host_length(host) : -1;
    ssize_t bound_len = host_length(bound);

    /* HTTP/1.0 may come without: no browser does. */
    if (!host)
        return true;
    if (len <= 0)
        return false;
    if (!loopback && n_allowed == 0)
        return true;
    for (size_t i = 0; loopback && i < ARRAY_SIZE(own); i++)
        if (same_host(host, (size_t)len, own[i]))
            return true;
    for (size_t i = 0; i < n_allowed; i++)
        if (same_host(host, (size_t)len, allowed[i]))
            return true;
    return len == bound_len && strncasecmp(host, bound, (size_t)len) == 0;
}

/* ---- who asks ----------------------------------------------------------- */

/* "host:port" of "http://host:port"; NULL: not such a text ("null"). */
static const char *authority(const char *origin, bool *ret_secure)
{
    *ret_secure = strncasecmp(origin, "https://", 8) == 0;
    if (*ret_secure)
        return origin + 8;
    return strncasecmp(origin, "http://", 7) == 0 ? origin + 7 : NULL;
}

static bool is_own(const char *origin, const char *host)
{
    bool secure;
    const char *name = authority(origin, &secure);

    return name && host && strcasecmp(name, host) == 0;
}

static size_t count_fields(const struct ps_head *head, const char *name)
{
    size_t n = 0;

    for (size_t i = 0; i < head->n; i++)
        n += strcasecmp(head->fields[i].name, name) == 0;
    return n;
}

bool ps_origin_foreign(const struct ps_head *head)
{
    const char *site = ps_head_find(head, "sec-fetch-site");
    const char *origin = ps_head_find(head, "origin");

    /* No browser says it twice; who does wants to be read in two ways. */
    if (count_fields(head, "sec-fetch-site") > 1 ||
        count_fields(head, "origin") > 1)
        return true;
    /* A proxy may have changed Host, but it leaves this. */
    if (site)
        return strcasecmp(site, "same-origin") != 0 &&
               strcasecmp(site, "none") != 0;
    return origin && !is_own(origin, head->host);
}

bool ps_origin_simple(const struct ps_head *head)
{
    static const char json[] = "application/json";
    const char *type = ps_head_find(head, "content-type");
    size_t len = type ? strcspn(type, "; \t") : 0;

    if (head->method & (PS_HTTP_PUT | PS_HTTP_DELETE | PS_HTTP_PATCH))
        return false;
    return !(len == sizeof(json) - 1 && strncasecmp(type, json, len) == 0) &&
           !ps_head_find(head, "idempotency-key");
}

bool ps_origin_secure(const struct ps_head *head)
{
    const char *origin = ps_head_find(head, "origin");
    bool secure = false;

    return origin && authority(origin, &secure) && secure;
}

/* ---- CORS --------------------------------------------------------------- */

#define ALLOW                                                        \
    "Access-Control-Expose-Headers: ETag, Link, Location, "          \
    "Retry-After\r\n"                                                \
    "Access-Control-Allow-Methods: GET, HEAD, POST, PUT, DELETE\r\n" \
    "Access-Control-Allow-Headers: Authorization, Content-Type, "    \
    "Idempotency-Key, If-Match, If-None-Match, Last-Event-ID\r\n"    \
    "Access-Control-Max-Age: 600\r\n"

/* As browsers write it: "scheme://host" or "scheme://host:port". */
static bool is_origin(const char *text)
{
    bool secure;
    const char *name = authority(text, &secure);
    ssize_t len = name ? host_length(name) : -1;

    return len > 0 && strlen(text) < MAX_ORIGIN &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789"
                             "-._[]:")] == '\0';
}

static int add_origin(struct ps_origins *origins, const char *text,
                      char **ret_error)
{
    size_t i = origins->n;

    if (!is_origin(text) || i == PS_ORIGINS_MAX) {
        if (asprintf(ret_error,
                     "cors-origins: \"%.100s\" is not an origin; write "
                     "https://name or http://name:port in small letters, "
                     "without a path, or * alone",
                     text) < 0)
            *ret_error = NULL;
        return -EINVAL;
    }
    origins->n++;
    origins->list[i].origin = strdup(text);
    if (!origins->list[i].origin ||
        asprintf(&origins->list[i].lines,
                 "Vary: Origin\r\nAccess-Control-Allow-Origin: %s\r\n" ALLOW,
                 text) < 0) {
        origins->list[i].lines = NULL;
        return -ENOMEM;
    }
    return 0;
}

int ps_origins_new(const struct ps_strlist *list,
                   struct ps_origins **ret_origins, char **ret_error)
{
    _cleanup_(ps_origins_free) struct ps_origins *origins =
        calloc(1, sizeof(*origins));
    int r = 0;

    if (!origins)
        return -ENOMEM;
    origins->any = list->n == 1 && ps_streq(list->items[0], "*");
    for (size_t i = 0; r == 0 && !origins->any && i < list->n; i++)
        r = add_origin(origins, list->items[i], ret_error);
    if (r < 0)
        return r;
    if (origins->any)
        origins->other = strdup("Access-Control-Allow-Origin: *\r\n" ALLOW);
    else
        origins->other = strdup(list->n > 0 ? "Vary: Origin\r\n" : "");
    if (!origins->other)
        return -ENOMEM;
    *ret_origins = TAKE_PTR(origins);
    return 0;
}

void ps_origins_free(struct ps_origins **origins)
{
    if (!*origins)
        return;
    for (size_t i = 0; i < (*origins)->n; i++) {
        free((*origins)->list[i].origin);
        free((*origins)->list[i].lines);
    }
    free((*origins)->other);
    free(*origins);
    *origins = NULL;
}

static ssize_t find_origin(const struct ps_origins *origins,
                           const struct ps_head *head)
{
    const char *origin = ps_head_find(head, "origin");

    if (count_fields(head, "origin") != 1)
        return -1;
    for (size_t i = 0; i < origins->n; i++)
        if (ps_streq(origins->list[i].origin, origin))
            return (ssize_t)i;
    return -1;
}

const char *ps_origins_lines(const struct ps_origins *origins,
                             const struct ps_head *head)
{
    ssize_t i = find_origin(origins, head);

    return i >= 0 ? origins->list[i].lines : origins->other;
}

bool ps_origins_preflight(const struct ps_origins *origins,
                          const struct ps_head *head)
{
    return head->method == PS_HTTP_OPTIONS && ps_head_find(head, "origin") &&
           ps_head_find(head, "access-control-request-method") &&
           (origins->any || find_origin(origins, head) >= 0);
}
