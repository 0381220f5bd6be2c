/* SPDX-License-Identifier: MIT */
#include "common/json_text.h"
#include "common/net.h"

static void put_invalid(char *text)
{
    static const char word[] = "invalid";

    memcpy(text, word, sizeof(word));
}

static int set_bytes(ProtobufCBinaryData *place, const uint8_t *data,
                     size_t len)
{
    uint8_t *copy = malloc(len);

    if (!copy)
        return -ENOMEM;
    memcpy(copy, data, len);
    place->data = copy;
    place->len = len;
    return 0;
}

/* ---- ps.Ip -------------------------------------------------------------- */

static void format_ip(const ProtobufCMessage *msg, char *text)
{
    struct ps_addr addr;

    if (ps_addr_from_pb((const Ps__Ip *)msg, &addr) < 0)
        put_invalid(text);
    else
        ps_addr_format(&addr, text);
}

static int parse_ip(const char *text, ProtobufCMessage *msg)
{
    struct ps_addr addr;

    if (ps_addr_parse(text, &addr) < 0)
        return -EINVAL;
    return set_bytes(&((Ps__Ip *)msg)->addr, addr.bytes,
                     addr.family == 4 ? 4 : 16);
}

/* ---- ps.Prefix ---------------------------------------------------------- */

static void format_prefix(const ProtobufCMessage *msg, char *text)
{
    const Ps__Prefix *prefix = (const Ps__Prefix *)msg;
    Ps__Ip ip = PS__IP__INIT;
    struct ps_addr addr;
    size_t n;

    ip.addr = prefix->addr;
    if (ps_addr_from_pb(&ip, &addr) < 0 || prefix->len > 8 * ip.addr.len) {
        put_invalid(text);
        return;
    }
    n = strlen(ps_addr_format(&addr, text));
    snprintf(text + n, PS_JSON_TEXT - n, "/%u", prefix->len);
}

static int parse_prefix(const char *text, ProtobufCMessage *msg)
{
    Ps__Prefix *prefix = (Ps__Prefix *)msg;
    const char *slash = strchr(text, '/');
    size_t n = slash ? (size_t)(slash - text) : strlen(text);
    char head[PS_ADDR_TEXT];
    struct ps_addr addr;
    uint32_t size, len;

    if (n >= sizeof(head))
        return -EINVAL;
    memcpy(head, text, n);
    head[n] = '\0';
    if (ps_addr_parse(head, &addr) < 0)
        return -EINVAL;
    size = addr.family == 4 ? 4 : 16;
    len = 8 * size;
    if (slash) {
        const char *digits = slash + 1;

        n = strspn(digits, "0123456789");
        if (n == 0 || n > 3 || digits[n] || (n > 1 && digits[0] == '0'))
            return -EINVAL;
        len = (uint32_t)strtoul(digits, NULL, 10);
        if (len > 8 * size)
            return -EINVAL;
    }
    prefix->len = len;
    return set_bytes(&prefix->addr, addr.bytes, size);
}

/* ---- ps.Mac ------------------------------------------------------------- */

static void format_mac(const ProtobufCMessage *msg, char *text)
{
    const Ps__Mac *mac = (const Ps__Mac *)msg;
    const uint8_t *m = mac->addr.data;

    if (mac->addr.len != 6)
        put_invalid(text);
    else
        snprintf(text, PS_JSON_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", m[0],
                 m[1], m[2], m[3], m[4], m[5]);
}

static int parse_mac(const char *text, ProtobufCMessage *msg)
{
    uint8_t bytes[6];

    if (strlen(text) != 17)
        return -EINVAL;
    for (size_t i = 0; i < 6; i++) {
        int high = ps_hex_digit(text[3 * i]),
            low = ps_hex_digit(text[3 * i + 1]);

        if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':'))
            return -EINVAL;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return set_bytes(&((Ps__Mac *)msg)->addr, bytes, sizeof(bytes));
}

/* ---- ps.Time, ps.IpProto, ps.PortRange ---------------------------------- */

static void format_time(const ProtobufCMessage *msg, char *text)
{
    ps_time_format(((const Ps__Time *)msg)->unix_ns, text);
}

static int parse_time(const char *text, ProtobufCMessage *msg)
{
    return ps_time_parse(text, &((Ps__Time *)msg)->unix_ns);
}

static void format_proto(const ProtobufCMessage *msg, char *text)
{
    uint32_t number = ((const Ps__IpProto *)msg)->number;
    const char *name = ps_ipproto_name(number);

    if (name)
        snprintf(text, PS_JSON_TEXT, "%s", name);
    else
        snprintf(text, PS_JSON_TEXT, "%u", number);
}

static int parse_proto(const char *text, ProtobufCMessage *msg)
{
    return ps_ipproto_parse(text, &((Ps__IpProto *)msg)->number);
}

static void format_ports(const ProtobufCMessage *msg, char *text)
{
    const Ps__PortRange *ports = (const Ps__PortRange *)msg;

    if (ports->first > ports->last || ports->last > UINT16_MAX)
        put_invalid(text);
    else if (ports->first == ports->last)
        snprintf(text, PS_JSON_TEXT, "%u", ports->first);
    else
        snprintf(text, PS_JSON_TEXT, "%u-%u", ports->first, ports->last);
}

/* A port's digits; returns what follows them, NULL: there is no port. */
static const char *take_port(const char *text, uint32_t *ret_port)
{
    size_t n = strspn(text, "0123456789");
    unsigned long port;

    if (n == 0 || n > 5 || (n > 1 && text[0] == '0'))
        return NULL;
    port = strtoul(text, NULL, 10);
    if (port > UINT16_MAX)
        return NULL;
    *ret_port = (uint32_t)port;
    return text + n;
}

static int parse_ports(const char *text, ProtobufCMessage *msg)
{
    Ps__PortRange *ports = (Ps__PortRange *)msg;

    text = take_port(text, &ports->first);
    if (!text)
        return -EINVAL;
    ports->last = ports->first;
    if (*text == '-')
        text = take_port(text + 1, &ports->last);
    if (!text || *text || ports->first > ports->last)
        return -EINVAL;
    return 0;
}

/* ---- the table ---------------------------------------------------------- */

static const struct ps_string_type types[] = {
    {
        .desc = &ps__ip__descriptor,
        .format = format_ip,
        .parse = parse_ip,
        .expected = "an IPv4 or IPv6 address",
        .format_name = "ipv4",
        .format_other = "ipv6",
        .example = "192.0.2.1",
    },
    {
        .desc = &ps__prefix__descriptor,
        .format = format_prefix,
        .parse = parse_prefix,
        .expected = "an address or a prefix like 192.0.2.0/24",
        .pattern = "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$",
        .example = "192.0.2.0/24",
    },
    {
        .desc = &ps__mac__descriptor,
        .format = format_mac,
        .parse = parse_mac,
        .expected = "a MAC address like 00:00:5e:00:53:01",
        .pattern = "^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$",
        .example = "00:00:5e:00:53:01",
    },
    {
        .desc = &ps__time__descriptor,
        .format = format_time,
        .parse = parse_time,
        .expected = "an RFC 3339 time like 2026-01-31T12:00:00Z",
        .format_name = "date-time",
        .example = "2026-01-31T12:00:00.000000000Z",
    },
    {
        .desc = &ps__ip_proto__descriptor,
        .format = format_proto,
        .parse = parse_proto,
        .expected = "an IP protocol's name or number (0 to 255) as a text",
        .pattern = "^([a-z][a-z0-9-]*|[0-9]{1,3})$",
        .example = "tcp",
    },
    {
        .desc = &ps__port_range__descriptor,
        .format = format_ports,
        .parse = parse_ports,
        .expected = "a port or a range like 1024-65535, as a text",
        .pattern = "^[0-9]{1,5}(-[0-9]{1,5})?$",
        .example = "1024-65535",
    },
};

const struct ps_string_type *
ps_string_type(const ProtobufCMessageDescriptor *desc)
{
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (types[i].desc == desc)
            return &types[i];
    return NULL;
}
