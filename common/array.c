/* SPDX-License-Identifier: MIT */
#include "common/array.h"

#define FIRST 64u

int ps_array_reserve(void *list, uint32_t *cap, uint64_t need, uint32_t max,
                     size_t item)
{
    uint64_t room = *cap ? *cap : FIRST;
    void *items;

    if (need <= *cap)
        return 0;
    if (need > max)
        return -ENOSPC;
    while (room < need)
        room *= 2;
    if (room > max)
        room = max;
    /* A pointer of any type is read as what it is. */
    memcpy(&items, list, sizeof(items));
    items = reallocarray(items, room, item);
    if (!items)
        return -ENOMEM;
    memcpy(list, &items, sizeof(items));
    *cap = (uint32_t)room;
    return 0;
}
