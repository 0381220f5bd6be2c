/* SPDX-License-Identifier: MIT */
#include "gateway/url.h"

#include "common/utf8.h"

int ps_url_decode(char *text, bool plus)
{
    char *out = text;

    for (const char *in = text; *in; in++) {
        int c = (unsigned char)*in;

        if (c == '%') {
            int high = ps_hex_digit(in[1]);
            int low = high < 0 ? -1 : ps_hex_digit(in[2]);

            if (low < 0)
                return -EINVAL;
            c = high * 16 + low;
            in += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (c < 0x20 || c == 0x7f)
            return -EINVAL;
        *out++ = (char)c;
    }
    *out = '\0';
    return ps_utf8_valid(text, (size_t)(out - text)) ? 0 : -EINVAL;
}

static int add_segment(struct ps_path *path, char *text)
{
    if (path->n == PS_URL_MAX_SEGMENTS)
        return -E2BIG;
    if (ps_url_decode(text, false) < 0)
        return -EINVAL;
    if (!*text || ps_streq(text, ".") || ps_streq(text, ".."))
        return -EINVAL;
    path->segments[path->n++] = text;
    return 0;
}

int ps_path_parse(const char *raw, struct ps_path *ret_path)
{
    _cleanup_(ps_path_clear) struct ps_path path = {0};
    char *next;

    if (raw[0] != '/')
        return -EINVAL;
    path.buf = strdup(raw + 1);
    if (!path.buf)
        return -ENOMEM;
    for (char *s = path.buf; s && *s; s = next) {
        int r;

        next = strchr(s, '/');
        if (next)
            *next++ = '\0';
        r = add_segment(&path, s);
        if (r < 0)
            return r;
    }
    *ret_path = path;
    path = (struct ps_path){0};
    return 0;
}

void ps_path_clear(struct ps_path *path)
{
    free(path->buf);
    *path = (struct ps_path){0};
}

int ps_query_next(char **cursor, char **ret_name, char **ret_value)
{
    char *name = *cursor, *value, *end;

    while (name && *name == '&')
        name++;
    if (!name || !*name)
        return 0;
    end = strchrnul(name, '&');
    *cursor = *end ? end + 1 : end;
    *end = '\0';
    value = strchrnul(name, '=');
    if (*value)
        *value++ = '\0';
    if (ps_url_decode(name, true) < 0 || ps_url_decode(value, true) < 0)
        return -EINVAL;
    *ret_name = name;
    *ret_value = value;
    return 1;
}
