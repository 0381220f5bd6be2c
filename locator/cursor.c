/* SPDX-License-Identifier: MIT */
#include "locator/cursor.h"

#include "common/options.h"

#include <inttypes.h>

#define ID_CHARACTERS \
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

char *ps_path_cursor(uint64_t started, const char *id)
{
    char *text;

    if (asprintf(&text, "t%" PRIu64 ".%s", started, id) < 0)
        return NULL;
    return text;
}

int ps_path_cursor_read(const char *text, struct ps_history_place *ret_place)
{
    struct ps_history_place place;
    const char *dot = strchr(text, '.');
    char number[24];
    size_t digits, len;

    if (text[0] != 't' || !dot)
        return -EINVAL;
    digits = (size_t)(dot - text) - 1;
    len = strlen(dot + 1);
    if (digits == 0 || digits >= sizeof(number) || len == 0 ||
        len >= sizeof(place.id) || strspn(dot + 1, ID_CHARACTERS) != len)
        return -EINVAL;
    memcpy(number, text + 1, digits);
    number[digits] = '\0';
    if (ps_parse_uint(number, 0, INT64_MAX, &place.started) < 0)
        return -EINVAL;
    memcpy(place.id, dot + 1, len + 1);
    *ret_place = place;
    return 0;
}
