/* SPDX-License-Identifier: MIT */
#include "tracer/pcapng.h"

#define BLOCK_SECTION 0x0a0d0d0au
#define BLOCK_IFACE   1u
#define BLOCK_PACKET  6u
#define BYTE_ORDER_ID 0x1a2b3c4du
/* Packets without a link layer, IPv4 or IPv6 by their first digit. */
#define LINKTYPE_RAW 101u

#define OPT_COMMENT     1u
#define OPT_PROGRAM     4u
#define OPT_IF_NAME     2u
#define OPT_IF_TEXT     3u
#define OPT_IF_TSRESOL  9u
#define OPT_PACKET_FLAG 2u

static void put16(FILE *out, unsigned int value)
{
    uint16_t v = (uint16_t)value;

    fwrite(&v, sizeof(v), 1, out);
}

static void put32(FILE *out, uint32_t value)
{
    fwrite(&value, sizeof(value), 1, out);
}

static void pad(FILE *out, size_t len)
{
    static const char zeros[4];

    fwrite(zeros, 1, (4 - len % 4) % 4, out);
}

static size_t padded(size_t len)
{
    return (len + 3) / 4 * 4;
}

/* Length of an option with so many bytes; 0: it is left out. */
static size_t option_size(size_t len)
{
    return len ? 4 + padded(len) : 0;
}

static void put_option(FILE *out, unsigned int code, const void *data,
                       size_t len)
{
    if (!len)
        return;
    put16(out, code);
    put16(out, (unsigned int)len);
    fwrite(data, 1, len, out);
    pad(out, len);
}

/* Never cut inside of a character. */
static size_t text_len(const char *text)
{
    size_t len = text ? strlen(text) : 0;

    if (len <= PS_PCAPNG_COMMENT)
        return len;
    len = PS_PCAPNG_COMMENT;
    while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
        len--;
    return len;
}

void ps_pcapng_section(FILE *out, const char *program, const char *comment)
{
    size_t program_len = text_len(program), comment_len = text_len(comment);
    uint32_t size = (uint32_t)(28 + option_size(program_len) +
                               option_size(comment_len) + 4);

    put32(out, BLOCK_SECTION);
    put32(out, size);
    put32(out, BYTE_ORDER_ID);
    put16(out, 1); /* version 1.0 */
    put16(out, 0);
    put32(out, UINT32_MAX); /* the section's length is not said */
    put32(out, UINT32_MAX);
    put_option(out, OPT_COMMENT, comment, comment_len);
    put_option(out, OPT_PROGRAM, program, program_len);
    put32(out, 0);
    put32(out, size);
}

void ps_pcapng_iface(FILE *out, const char *name, const char *description,
                     uint32_t snaplen)
{
    static const uint8_t nanoseconds = 9;
    size_t name_len = text_len(name), text = text_len(description);
    uint32_t size = (uint32_t)(20 + option_size(name_len) + option_size(text) +
                               option_size(1) + 4);

    put32(out, BLOCK_IFACE);
    put32(out, size);
    put16(out, LINKTYPE_RAW);
    put16(out, 0);
    put32(out, snaplen);
    put_option(out, OPT_IF_NAME, name, name_len);
    put_option(out, OPT_IF_TEXT, description, text);
    put_option(out, OPT_IF_TSRESOL, &nanoseconds, 1);
    put32(out, 0);
    put32(out, size);
}

void ps_pcapng_packet(FILE *out, const struct ps_pcapng_packet *p)
{
    uint32_t flags = ps_streq(p->direction, "in")    ? 1
                     : ps_streq(p->direction, "out") ? 2
                                                     : 0;
    size_t comment_len = text_len(p->comment);
    uint32_t size = (uint32_t)(32 + padded(p->len) + option_size(comment_len) +
                               option_size(sizeof(flags)) + 4);

    put32(out, BLOCK_PACKET);
    put32(out, size);
    put32(out, p->iface);
    put32(out, (uint32_t)(p->unix_ns >> 32));
    put32(out, (uint32_t)p->unix_ns);
    put32(out, p->len);
    put32(out, p->original_len);
    if (p->len)
        fwrite(p->data, 1, p->len, out);
    pad(out, p->len);
    put_option(out, OPT_COMMENT, p->comment, comment_len);
    put_option(out, OPT_PACKET_FLAG, &flags, sizeof(flags));
    put32(out, 0);
    put32(out, size);
}
