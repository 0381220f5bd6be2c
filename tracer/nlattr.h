/* SPDX-License-Identifier: MIT */
/* Netlink messages and their attributes, which may be anything. */
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

/* The next message of `in`, taken off it; ret_body: what follows its head.
 * 1, or 0 where there is none; -EBADMSG: what is left is no message. */
static inline int ps_nl_next_message(struct ps_nl_span *in,
                                     struct nlmsghdr *ret_head,
                                     struct ps_nl_span *ret_body)
{
    size_t whole;

    if (!in->size)
        return 0;
    if (in->size < sizeof(*ret_head))
        return -EBADMSG;
    memcpy(ret_head, in->data, sizeof(*ret_head));
    if (ret_head->nlmsg_len < sizeof(*ret_head) ||
        ret_head->nlmsg_len > in->size)
        return -EBADMSG;
    *ret_body = (struct ps_nl_span){in->data + sizeof(*ret_head),
                                    ret_head->nlmsg_len - sizeof(*ret_head)};
    whole = PS_NL_ALIGN(ret_head->nlmsg_len);
    if (whole > in->size)
        whole = in->size;
    *in = (struct ps_nl_span){in->data + whole, in->size - whole};
    return 1;
}

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

/* What a message NLMSG_ERROR says, which nobody asked for who wants answers
 * alone: -errno. */
static inline int ps_nl_error(const struct ps_nl_span *body)
{
    int error;

    if (!ps_nl_take(body, &error, sizeof(error)))
        return -EBADMSG;
    return error < 0 && error >= -4095 ? error : -EBADMSG;
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
