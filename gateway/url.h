/* SPDX-License-Identifier: MIT */
/*
 * The target of a request: path segments and query parameters, decoded.
 * Only the plain form of a path is taken: no empty, "." or ".." segment, also
 * not written with percents, so that no two spellings name one resource.
 */
#ifndef PS_GATEWAY_URL_H
#define PS_GATEWAY_URL_H

#include "common/util.h"

#define PS_URL_MAX_SEGMENTS 16

struct ps_path {
    size_t n;
    char *segments[PS_URL_MAX_SEGMENTS]; /* in buf */
    char *buf;
};

/*
 * Decodes in place: %XX, and '+' as a space where plus is set. -EINVAL for a
 * broken escape, a control character or text that is not UTF-8.
 */
int ps_url_decode(char *text, bool plus);

/*
 * Splits "/a/b%20c" into decoded segments; "/" has none, one '/' at the end
 * is left out. -EINVAL: not in the plain form; -E2BIG: too many segments.
 */
int ps_path_parse(const char *raw, struct ps_path *ret_path);
void ps_path_clear(struct ps_path *path);

/*
 * Takes the next name=value from *cursor, a text that it writes into.
 * 1: there was one; 0: the end; -EINVAL. The name may be "".
 */
int ps_query_next(char **cursor, char **ret_name, char **ret_value);

#endif
