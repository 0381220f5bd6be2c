/* SPDX-License-Identifier: MIT */
/* Bounds and cursors of list requests. */
#include "common/service.h"

#define DEFAULT_LIMIT 100
#define MAX_LIMIT     1000

int ps_list_limit(struct ps_call *call, bool has, uint32_t limit,
                  uint32_t *ret_limit)
{
    if (has && (limit == 0 || limit > MAX_LIMIT)) {
        ps_call_fail(call, "request.limit", 400, "limit",
                     "limit is %u; give a number from 1 to %d.", limit,
                     MAX_LIMIT);
        return -EINVAL;
    }
    *ret_limit = has ? limit : DEFAULT_LIMIT;
    return 0;
}

int ps_list_offset(struct ps_call *call, const char *cursor, size_t *ret_offset)
{
    uint64_t offset = 0;

    if (cursor && *cursor &&
        (cursor[0] != 'o' ||
         ps_parse_uint(cursor + 1, 0, UINT32_MAX, &offset) < 0)) {
        ps_call_fail(call, "request.cursor", 400, "cursor",
                     "This cursor was not given by this list; leave it out "
                     "to start from the first entry.");
        return -EINVAL;
    }
    *ret_offset = (size_t)offset;
    return 0;
}

char *ps_list_cursor(size_t next_offset)
{
    char *text = NULL;

    if (asprintf(&text, "o%zu", next_offset) < 0)
        return NULL;
    return text;
}
