/* SPDX-License-Identifier: MIT */
/* How a request finds its row. */
#include "gateway/routes.h"

/* Compares one segment of a template with one of a path. */
static bool segment_matches(const char *want, size_t len, const char *have,
                            bool *ret_param)
{
    *ret_param = len > 2 && want[0] == '{' && want[len - 1] == '}';
    if (*ret_param)
        return true;
    return strncmp(want, have, len) == 0 && have[len] == '\0';
}

static bool route_matches(const struct ps_route *route,
                          const struct ps_path *path, const char **params)
{
    const char *want = route->path;
    size_t n = 0, n_params = 0;

    while (*want == '/' && want[1]) {
        size_t len = strcspn(want + 1, "/");
        bool param;

        if (n == path->n ||
            !segment_matches(want + 1, len, path->segments[n], &param))
            return false;
        if (param && n_params < PS_ROUTE_MAX_PARAMS)
            params[n_params++] = path->segments[n];
        n++;
        want += 1 + len;
    }
    return n == path->n;
}

void ps_route_find(enum ps_http_method method, const struct ps_path *path,
                   struct ps_route_match *ret_match)
{
    size_t n;
    const struct ps_route *routes = ps_routes(&n);
    struct ps_route_match match = {0};

    for (size_t i = 0; i < n; i++) {
        const char *params[PS_ROUTE_MAX_PARAMS] = {NULL};
        unsigned int serves = routes[i].method;

        if (!route_matches(&routes[i], path, params))
            continue;
        if (serves == PS_HTTP_GET)
            serves |= PS_HTTP_HEAD;
        match.allowed |= serves;
        if (!(serves & method) || match.route)
            continue;
        match.route = &routes[i];
        memcpy(match.params, params, sizeof(params));
    }
    *ret_match = match;
}

bool ps_route_param(const struct ps_route *route, size_t n, char *name,
                    size_t size)
{
    const char *p = route->path;

    for (size_t i = 0; (p = strchr(p, '{')); i++) {
        size_t len = strcspn(++p, "}");

        if (i == n) {
            snprintf(name, size, "%.*s", (int)len, p);
            return true;
        }
    }
    return false;
}

void ps_route_allow(unsigned int methods, char *text, size_t size)
{
    size_t len = 0;

    text[0] = '\0';
    for (unsigned int bit = 1; bit <= PS_HTTP_OPTIONS; bit <<= 1) {
        int n;

        if (!(methods & bit) || len >= size)
            continue;
        n = snprintf(text + len, size - len, "%s%s", len ? ", " : "",
                     ps_http_method_name(bit));
        len += (size_t)n;
    }
}
