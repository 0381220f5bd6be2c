/* SPDX-License-Identifier: MIT */
/* Attributes of netlink messages, which may be anything. */
#ifndef PS_TRACER_NLATTR_H
#define PS_TRACER_NLATTR_H

#include <linux/netlink.h>

#include "common/util.h"

/* Netlink's alignment; its own macros are of a signed type. */
#define PS_NL_ALIGN(n) (((n) + 3u) & ~(size_t)3)
/* Of an attribute's type; the rest says how it is written. */
#define PS_NL_TYPE 0x3fffu

struct ps_nl_span {
    const uint8_t *data;
    size_t size;
};

/* The next attribute of `in`, taken off it. False: there is none. */
static inline bool ps_nl_next(struct ps_nl_span *in, uint16_t *ret_type,
                              struct ps_nl_span *ret_value)
{
    struct nlattr attr;
    size_t whole;

    if (in->size < sizeof(attr))
        return false;
    memcpy(&attr, in->data, sizeof(attr));
    if (attr.nla_len < sizeof(attr) || attr.nla_len > in->size)
        return false;
    *ret_type = (uint16_t)(attr.nla_type & PS_NL_TYPE);
    *ret_value = (struct ps_nl_span){in->data + sizeof(attr),
                                     attr.nla_len - sizeof(attr)};
    whole = PS_NL_ALIGN(attr.nla_len);
    if (whole > in->size)
        whole = in->size;
    *in = (struct ps_nl_span){in->data + whole, in->size - whole};
    return true;
}

/* The first of this type. False: there is none. */
static inline bool ps_nl_find(struct ps_nl_span in, uint16_t type,
                              struct ps_nl_span *ret_value)
{
    uint16_t found;

    while (ps_nl_next(&in, &found, ret_value))
        if (found == type)
            return true;
    return false;
}

static inline bool ps_nl_take(const struct ps_nl_span *value, void *to,
                              size_t size)
{
    if (value->size < size)
        return false;
    memcpy(to, value->data, size);
    return true;
}

/* A number of four bytes in network order. False: there is none. */
static inline bool ps_nl_u32(struct ps_nl_span in, uint16_t type,
                             uint32_t *ret_number)
{
    struct ps_nl_span value;
    uint8_t b[4];

    if (!ps_nl_find(in, type, &value) || !ps_nl_take(&value, b, sizeof(b)))
        return false;
    *ret_number = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 |
                  (uint32_t)b[2] << 8 | b[3];
    return true;
}

/* A text that ends in it, and fits. False: there is none. */
static inline bool ps_nl_text(struct ps_nl_span in, uint16_t type, char *text,
                              size_t size)
{
    struct ps_nl_span value;
    size_t len;

    if (!ps_nl_find(in, type, &value))
        return false;
    len = strnlen((const char *)value.data, value.size);
    if (len == value.size || len >= size)
        return false;
    memcpy(text, value.data, len + 1);
    return true;
}

#endif
