/* SPDX-License-Identifier: MIT */
#include "tracer/capture.h"

#include <netinet/in.h>

#define MAX_EXTENSIONS 8

static unsigned int get16(const uint8_t *p)
{
    return (unsigned int)p[0] << 8 | p[1];
}

/* Length of a L4 header that begins here; 0: not known. */
static size_t l4_header(unsigned int proto, const uint8_t *p, size_t left)
{
    switch (proto) {
    case IPPROTO_TCP:
        return left > 12 && p[12] >> 4 >= 5 ? (size_t)(p[12] >> 4) * 4 : 20;
    case IPPROTO_UDP:
    case IPPROTO_UDPLITE:
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        return 8;
    case IPPROTO_SCTP:
        return 12;
    default:
        return 0;
    }
}

static size_t at_most(size_t n, size_t len)
{
    return n < len ? n : len;
}

static size_t headers4(const uint8_t *p, size_t len)
{
    size_t l3 = (size_t)(p[0] & 15) * 4;

    if (l3 < 20 || len < 20)
        return at_most(20, len);
    if (l3 >= len)
        return len;
    /* Only the first fragment has the header. */
    if (get16(p + 6) & 0x1fff)
        return l3;
    return at_most(l3 + l4_header(p[9], p + l3, len - l3), len);
}

static size_t headers6(const uint8_t *p, size_t len)
{
    size_t at = 40;
    unsigned int next;

    if (len <= at)
        return len;
    next = p[6];
    for (int i = 0; i < MAX_EXTENSIONS; i++) {
        size_t size;

        if (len - at < 8)
            break;
        switch (next) {
        case IPPROTO_HOPOPTS:
        case IPPROTO_ROUTING:
        case IPPROTO_DSTOPTS:
            size = ((size_t)p[at + 1] + 1) * 8;
            break;
        case IPPROTO_FRAGMENT:
            size = 8;
            if (get16(p + at + 2) & 0xfff8)
                return at + size;
            break;
        case IPPROTO_AH:
            size = ((size_t)p[at + 1] + 2) * 4;
            break;
        default:
            return at_most(at + l4_header(next, p + at, len - at), len);
        }
        next = p[at];
        at += size;
        if (at >= len)
            return len;
    }
    return at_most(at, len);
}

/* ARP for Ethernet and IPv4 has no payload. */
static size_t headers_arp(const uint8_t *p, size_t len)
{
    static const uint8_t kind[] = {0, 1, 8, 0, 6, 4};

    return len >= sizeof(kind) && !memcmp(p, kind, sizeof(kind))
               ? at_most(28, len)
               : 0;
}

size_t ps_capture_headers(const uint8_t *bytes, size_t len)
{
    if (len == 0)
        return 0;
    switch (bytes[0] >> 4) {
    case 4:
        return headers4(bytes, len);
    case 6:
        return headers6(bytes, len);
    default:
        return headers_arp(bytes, len);
    }
}

uint32_t ps_capture_length(const uint8_t *bytes, size_t len)
{
    if (len >= 4 && bytes[0] >> 4 == 4)
        return get16(bytes + 2);
    /* 0 with a jumbo's option. */
    if (len >= 6 && bytes[0] >> 4 == 6 && get16(bytes + 4))
        return get16(bytes + 4) + 40;
    return 0;
}

void ps_capture_cut(Ps__PacketWay *way)
{
    if (way->has_bytes)
        way->bytes.len = ps_capture_headers(way->bytes.data, way->bytes.len);
}
