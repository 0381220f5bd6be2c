/* SPDX-License-Identifier: MIT */
#include "common/unpack.h"

#include <malloc.h>

static void *take(void *data, size_t size)
{
    size_t *left = data, real;
    void *p;

    if (size > *left)
        return NULL;
    p = malloc(size);
    if (!p)
        return NULL;
    /* What the heap rounds up to counts: most parts are small. */
    real = malloc_usable_size(p);
    *left -= real < *left ? real : *left;
    return p;
}

static void give_back(void *data, void *p)
{
    size_t *left = data;

    if (p)
        *left += malloc_usable_size(p);
    free(p);
}

ProtobufCMessage *ps_message_unpack(const ProtobufCMessageDescriptor *desc,
                                    const void *data, size_t len, size_t max)
{
    ProtobufCAllocator bounded = {
        .alloc = take,
        .free = give_back,
        .allocator_data = &max,
    };

    return protobuf_c_message_unpack(desc, &bounded, len, data);
}
