/* SPDX-License-Identifier: MIT */
/* Places of a search as text. */
#include <inttypes.h>

#include "tracer/history.h"

void ps_history_place_format(const struct ps_history_place *place, char *text)
{
    snprintf(text, PS_HISTORY_PLACE_TEXT, "%" PRIu64 ".%" PRId64 ".%" PRIu32,
             place->first, place->trace, place->n);
}

static int parse_number(const char **text, char end, uint64_t max,
                        uint64_t *ret_number)
{
    uint64_t number = 0;
    const char *p = *text;

    if (*p < '0' || *p > '9')
        return -EINVAL;
    for (; *p >= '0' && *p <= '9'; p++) {
        uint64_t digit = (uint64_t)(*p - '0');

        if (number > (max - digit) / 10)
            return -EINVAL;
        number = number * 10 + digit;
    }
    if (*p != end)
        return -EINVAL;
    *text = end ? p + 1 : p;
    *ret_number = number;
    return 0;
}

int ps_history_place_parse(const char *text, struct ps_history_place *ret_place)
{
    uint64_t first = 0, trace = 0, n = 0;

    if (text && (parse_number(&text, '.', UINT64_MAX, &first) < 0 ||
                 parse_number(&text, '.', INT64_MAX, &trace) < 0 ||
                 parse_number(&text, '\0', UINT32_MAX, &n) < 0 || first == 0))
        return -EINVAL;
    *ret_place = (struct ps_history_place){first, (int64_t)trace, (uint32_t)n};
    return 0;
}
