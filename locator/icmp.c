/* SPDX-License-Identifier: MIT */
#include "locator/icmp.h"

#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>

#define ICMP_HEADER_BYTES 8
#define IP6_HEADER_BYTES  40

/* Where things stand in a probe. */
#define AT_CHECKSUM 2
#define AT_ID       4
#define AT_SEQ      6
#define AT_NONCE    8
#define AT_BALANCE  16

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint16_t value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

static uint64_t get64(const uint8_t *p)
{
    uint64_t value = 0;

    for (size_t i = 0; i < 8; i++)
        value = value << 8 | p[i];
    return value;
}

static void put64(uint8_t *p, uint64_t value)
{
    for (size_t i = 8; i-- > 0; value >>= 8)
        p[i] = (uint8_t)value;
}

/* Sum of 16-bit words (RFC 1071), not yet folded. */
static uint64_t add_words(uint64_t sum, const uint8_t *p, size_t len)
{
    for (; len > 1; p += 2, len -= 2)
        sum += get16(p);
    if (len)
        sum += (uint64_t)*p << 8;
    return sum;
}

static uint16_t fold(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void build(const struct ps_icmp_flow *flow, uint16_t seq, uint8_t *buf)
{
    memset(buf, 0, PS_ICMP_PROBE_BYTES);
    buf[0] = flow->target.family == 6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
    put16(buf + AT_ID, flow->id);
    put16(buf + AT_SEQ, seq);
    put64(buf + AT_NONCE, flow->nonce);
    put16(buf + AT_BALANCE, (uint16_t)~seq);
}

uint16_t ps_icmp_checksum(const struct ps_icmp_flow *flow)
{
    uint8_t buf[PS_ICMP_PROBE_BYTES];
    uint64_t sum = 0;

    build(flow, 0, buf);
    if (flow->target.family == 6) {
        sum = add_words(sum, flow->source.bytes, 16);
        sum = add_words(sum, flow->target.bytes, 16);
        sum += PS_ICMP_PROBE_BYTES + IPPROTO_ICMPV6;
    }
    return fold(add_words(sum, buf, sizeof(buf)));
}

void ps_icmp_build(const struct ps_icmp_flow *flow, uint16_t seq,
                   uint8_t buf[PS_ICMP_PROBE_BYTES])
{
    build(flow, seq, buf);
    put16(buf + AT_CHECKSUM, ps_icmp_checksum(flow));
}

/* ---- answers ------------------------------------------------------------ */

static const char *const unreachable4[] = {
    "net_unreachable",      "host_unreachable",     "protocol_unreachable",
    "port_unreachable",     "fragmentation_needed", "source_route_failed",
    "net_unknown",          "host_unknown",         "source_isolated",
    "net_prohibited",       "host_prohibited",      "net_tos_unreachable",
    "host_tos_unreachable", "admin_prohibited",     "precedence_violation",
    "precedence_cutoff",
};

static const char *const unreachable6[] = {
    "net_unreachable",  "admin_prohibited",    "beyond_scope",
    "host_unreachable", "port_unreachable",    "source_policy_failed",
    "route_rejected",   "source_route_failed",
};

static const struct family {
    uint8_t version;
    uint8_t request, reply, exceeded, unreachable;
    const char *const *names;
    size_t n_names;
} families[] = {
    {4, ICMP_ECHO, ICMP_ECHOREPLY, ICMP_TIME_EXCEEDED, ICMP_UNREACH,
     unreachable4, ARRAY_SIZE(unreachable4)},
    {6, ICMP6_ECHO_REQUEST, ICMP6_ECHO_REPLY, ICMP6_TIME_EXCEEDED,
     ICMP6_DST_UNREACH, unreachable6, ARRAY_SIZE(unreachable6)},
};

/* Length of an IPv4 header that carries ICMP; 0 where it does not. */
static size_t header4(const uint8_t *buf, size_t len)
{
    size_t bytes;

    if (len < sizeof(struct ip) || buf[0] >> 4 != 4)
        return 0;
    bytes = (size_t)(buf[0] & 15) * 4;
    if (bytes < sizeof(struct ip) || bytes > len || buf[9] != IPPROTO_ICMP)
        return 0;
    return bytes;
}

static size_t header6(const uint8_t *buf, size_t len)
{
    if (len < IP6_HEADER_BYTES || buf[0] >> 4 != 6 || buf[6] != IPPROTO_ICMPV6)
        return 0;
    return IP6_HEADER_BYTES;
}

static int parse_quote(const struct family *family, const uint8_t *buf,
                       size_t len, struct ps_icmp_answer *answer)
{
    bool six = family->version == 6;
    size_t header = six ? header6(buf, len) : header4(buf, len);
    const uint8_t *probe = buf + header;

    if (!header || len - header < ICMP_HEADER_BYTES)
        return -EBADMSG;
    if (probe[0] != family->request || probe[1] != 0)
        return -ENOMSG;
    answer->quoted_target.family = family->version;
    memcpy(answer->quoted_target.bytes, buf + (six ? 24 : 16), six ? 16 : 4);
    answer->checksum = get16(probe + AT_CHECKSUM);
    answer->id = get16(probe + AT_ID);
    answer->seq = get16(probe + AT_SEQ);
    return 0;
}

static int parse_reply(const uint8_t *buf, size_t len,
                       struct ps_icmp_answer *answer)
{
    if (buf[1] != 0 || len < AT_NONCE + 8)
        return -ENOMSG;
    answer->kind = PS_ICMP_ECHO_REPLY;
    answer->id = get16(buf + AT_ID);
    answer->seq = get16(buf + AT_SEQ);
    answer->nonce = get64(buf + AT_NONCE);
    return 0;
}

static int parse_icmp(const struct family *family, const uint8_t *buf,
                      size_t len, struct ps_icmp_answer *answer)
{
    if (len < ICMP_HEADER_BYTES)
        return -EBADMSG;
    if (buf[0] == family->reply)
        return parse_reply(buf, len, answer);
    if (buf[0] == family->exceeded && buf[1] == 0) {
        answer->kind = PS_ICMP_TIME_EXCEEDED;
    } else if (buf[0] == family->unreachable) {
        answer->kind = PS_ICMP_UNREACHABLE;
        answer->unreachable = buf[1] < family->n_names ? family->names[buf[1]]
                                                       : "unreachable";
    } else {
        return -ENOMSG;
    }
    return parse_quote(family, buf + ICMP_HEADER_BYTES, len - ICMP_HEADER_BYTES,
                       answer);
}

int ps_icmp_parse(unsigned int family, const uint8_t *buf, size_t len,
                  struct ps_icmp_answer *ret_answer)
{
    struct ps_icmp_answer answer = {};
    size_t header = 0, total;
    int r;

    if (family == 4) {
        header = header4(buf, len);
        if (!header)
            return -EBADMSG;
        total = get16(buf + 2);
        /* A longer packet was cut when it was read: no sum to check. */
        if (total < header)
            return -EBADMSG;
        if (total <= len) {
            len = total;
            if (fold(add_words(0, buf + header, len - header)) != 0)
                return -EBADMSG;
        }
    } else if (family != 6) {
        return -EBADMSG;
    }
    r = parse_icmp(&families[family == 6], buf + header, len - header, &answer);
    if (r < 0)
        return r;
    *ret_answer = answer;
    return 0;
}

bool ps_icmp_answers(const struct ps_icmp_flow *flow,
                     const struct ps_icmp_answer *answer)
{
    if (answer->id != flow->id)
        return false;
    if (answer->kind == PS_ICMP_ECHO_REPLY)
        return answer->nonce == flow->nonce;
    return answer->checksum == ps_icmp_checksum(flow) &&
           ps_addr_equal(&answer->quoted_target, &flow->target);
}
