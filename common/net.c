/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>

#include "common/net.h"

static const struct {
    uint32_t number;
    const char *name;
} protocols[] = {
    {1, "icmp"},      {2, "igmp"},   {4, "ipip"},    {6, "tcp"},
    {17, "udp"},      {33, "dccp"},  {41, "ipv6"},   {47, "gre"},
    {50, "esp"},      {51, "ah"},    {58, "icmpv6"}, {89, "ospf"},
    {103, "pim"},     {112, "vrrp"}, {115, "l2tp"},  {132, "sctp"},
    {136, "udplite"}, {255, "raw"},  {262, "mptcp"},
};

static size_t addr_size(const struct ps_addr *addr)
{
    return addr->family == 4 ? 4 : addr->family == 6 ? 16 : 0;
}

int ps_addr_parse(const char *text, struct ps_addr *ret_addr)
{
    struct ps_addr addr = {0};

    if (!text)
        return -EINVAL;
    if (inet_pton(AF_INET, text, addr.bytes) == 1) {
        addr.family = 4;
    } else if (inet_pton(AF_INET6, text, addr.bytes) == 1) {
        addr.family = 6;
    } else {
        return -EINVAL;
    }
    *ret_addr = addr;
    return 0;
}

const char *ps_addr_format(const struct ps_addr *addr, char *text)
{
    text[0] = '\0';
    if (addr->family == 4 || addr->family == 6)
        inet_ntop(addr->family == 4 ? AF_INET : AF_INET6, addr->bytes, text,
                  PS_ADDR_TEXT);
    return text;
}

bool ps_addr_equal(const struct ps_addr *a, const struct ps_addr *b)
{
    return a->family == b->family &&
           memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool ps_addr_in_prefix(const struct ps_addr *addr, const struct ps_addr *net,
                       unsigned int len)
{
    size_t whole = len / 8;
    unsigned int rest = len % 8;
    uint8_t mask;

    if (addr->family != net->family || len > 8 * addr_size(net))
        return false;
    if (addr_size(net) == 0 || memcmp(addr->bytes, net->bytes, whole) != 0)
        return false;
    if (rest == 0)
        return true;
    mask = (uint8_t)(0xff << (8 - rest));
    return ((addr->bytes[whole] ^ net->bytes[whole]) & mask) == 0;
}

int ps_addr_from_pb(const Ps__Ip *ip, struct ps_addr *ret_addr)
{
    struct ps_addr addr = {0};

    if (!ip || !ip->addr.data || (ip->addr.len != 4 && ip->addr.len != 16))
        return -EINVAL;
    addr.family = ip->addr.len == 4 ? 4 : 6;
    memcpy(addr.bytes, ip->addr.data, ip->addr.len);
    *ret_addr = addr;
    return 0;
}

Ps__Ip *ps_addr_to_pb(const struct ps_addr *addr)
{
    _cleanup_free_ Ps__Ip *ip = NULL;
    size_t size = addr_size(addr);

    if (size == 0)
        return NULL;
    ip = malloc(sizeof(*ip));
    if (!ip)
        return NULL;
    ps__ip__init(ip);
    ip->addr.data = malloc(size);
    if (!ip->addr.data)
        return NULL;
    memcpy(ip->addr.data, addr->bytes, size);
    ip->addr.len = size;
    return TAKE_PTR(ip);
}

Ps__Time *ps_time_to_pb(uint64_t unix_ns)
{
    Ps__Time *time = malloc(sizeof(*time));

    if (!time)
        return NULL;
    ps__time__init(time);
    time->unix_ns = unix_ns;
    return time;
}

Ps__IpProto *ps_ipproto_to_pb(uint32_t number)
{
    Ps__IpProto *proto = malloc(sizeof(*proto));

    if (!proto)
        return NULL;
    ps__ip_proto__init(proto);
    proto->number = number;
    return proto;
}

const char *ps_ipproto_name(uint32_t number)
{
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
        if (protocols[i].number == number)
            return protocols[i].name;
    return NULL;
}

int ps_ipproto_parse(const char *text, uint32_t *ret_number)
{
    uint32_t number = 0;

    if (!text || !*text)
        return -EINVAL;
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
        if (strcmp(protocols[i].name, text) == 0) {
            *ret_number = protocols[i].number;
            return 0;
        }
    }
    for (size_t i = 0; text[i]; i++) {
        if (text[i] < '0' || text[i] > '9' || i > 2)
            return -EINVAL;
        number = 10 * number + (uint32_t)(text[i] - '0');
    }
    /* 262 stands for a kind of socket (MPTCP), no header holds it. */
    if (number > 255 && !ps_ipproto_name(number))
        return -EINVAL;
    *ret_number = number;
    return 0;
}
