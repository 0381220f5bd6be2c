/* SPDX-License-Identifier: MIT */
/*
 * Request line and headers of HTTP/1.x, strictly (RFC 9110, 9112): what two
 * readers could understand in two ways is refused. Pure: no I/O.
 */
#ifndef PS_GATEWAY_HEAD_H
#define PS_GATEWAY_HEAD_H

#include "common/util.h"

#define PS_HEAD_MAX_FIELDS 64
#define PS_HEAD_MAX_TARGET 8192

enum ps_http_method {
    PS_HTTP_GET = 1,
    PS_HTTP_HEAD = 2,
    PS_HTTP_POST = 4,
    PS_HTTP_PUT = 8,
    PS_HTTP_DELETE = 16,
    PS_HTTP_PATCH = 32,
    PS_HTTP_OPTIONS = 64,
};

struct ps_head_field {
    const char *name, *value;
};

struct ps_head {
    enum ps_http_method method;
    char *target; /* origin form: "/path?query" */
    unsigned int minor;
    struct ps_head_field fields[PS_HEAD_MAX_FIELDS];
    size_t n;
    /* The authority of the target or else the Host field; NULL: none. */
    const char *host;
    uint64_t content_length;
    bool keep_alive;
    bool expect_continue;
};

/* "GET" for PS_HTTP_GET; a constant. */
const char *ps_http_method_name(enum ps_http_method method);

/*
 * text is a head with its empty line, len bytes and a NUL; it is written into
 * and must outlive the result. 0, or the HTTP status to answer with a
 * sentence in ret_detail (a constant).
 */
unsigned int ps_head_parse(char *text, size_t len, struct ps_head *ret_head,
                           const char **ret_detail);

/* The value of the first field of this name (any case), or NULL. */
const char *ps_head_find(const struct ps_head *head, const char *name);

#endif
