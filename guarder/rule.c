/* SPDX-License-Identifier: MIT */
#include "guarder/rule.h"

#include <stdarg.h>

static int _printf_(3, 4)
    fail(struct ps_rule_error *error, const char *field, const char *fmt, ...)
{
    va_list ap;

    snprintf(error->field, sizeof(error->field), "%s", field);
    va_start(ap, fmt);
    vsnprintf(error->detail, sizeof(error->detail), fmt, ap);
    va_end(ap);
    return -EINVAL;
}

bool ps_rule_id_valid(const char *id)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t n = strlen(id);

    return n > 0 && n <= PS_RULE_ID_MAX && strspn(id, allowed) == n &&
           id[0] != '.' && id[0] != '-';
}

/* ---- texts -------------------------------------------------------------- */

static int parse_texts(const Ps__Rule *msg, struct ps_rule *rule,
                       struct ps_rule_error *error)
{
    if (msg->id && !ps_rule_id_valid(msg->id))
        return fail(error, "id",
                    "An id has 1 to %d letters, digits, '.', '_' or '-', and "
                    "does not start with '.' or '-'.",
                    PS_RULE_ID_MAX);
    if (msg->id)
        snprintf(rule->id, sizeof(rule->id), "%s", msg->id);
    if (msg->comment) {
        if (strlen(msg->comment) > PS_RULE_COMMENT_MAX)
            return fail(error, "comment",
                        "The comment is too long: at most %d bytes.",
                        PS_RULE_COMMENT_MAX);
        snprintf(rule->comment, sizeof(rule->comment), "%s", msg->comment);
        rule->has_comment = true;
    }
    if (msg->interface) {
        size_t n = strlen(msg->interface);

        if (n == 0 || n > PS_RULE_IFNAME_MAX ||
            strpbrk(msg->interface, "/ \t\n:"))
            return fail(error, "interface",
                        "An interface's name has 1 to %d characters without "
                        "space, '/' or ':'.",
                        PS_RULE_IFNAME_MAX);
        snprintf(rule->ifname, sizeof(rule->ifname), "%s", msg->interface);
    }
    return 0;
}

/* ---- addresses ---------------------------------------------------------- */

static int parse_prefix(const Ps__Prefix *msg, const char *field,
                        struct ps_addr *ret_addr, uint8_t *ret_len,
                        struct ps_rule_error *error)
{
    unsigned int bits = (unsigned int)msg->addr.len * 8;
    struct ps_addr addr = {0};

    if (bits != 32 && bits != 128)
        return fail(error, field, "A prefix is an IPv4 or IPv6 address.");
    if (msg->len > bits)
        return fail(error, field,
                    "The prefix length is %u; this family has at most %u.",
                    msg->len, bits);
    addr.family = bits == 32 ? 4 : 6;
    memcpy(addr.bytes, msg->addr.data, msg->addr.len);
    for (unsigned int i = msg->len; i < bits; i++) {
        if (addr.bytes[i / 8] & (0x80u >> (i % 8)))
            return fail(error, field,
                        "The address has bits set after its first %u: write "
                        "the network's address, or a longer prefix.",
                        msg->len);
    }
    *ret_addr = addr;
    *ret_len = (uint8_t)msg->len;
    return 0;
}

static int parse_addresses(const Ps__Rule *msg, struct ps_rule *rule,
                           struct ps_rule_error *error)
{
    int r = 0;

    if (msg->src)
        r = parse_prefix(msg->src, "src", &rule->src, &rule->src_len, error);
    if (r == 0 && msg->dst)
        r = parse_prefix(msg->dst, "dst", &rule->dst, &rule->dst_len, error);
    if (r < 0)
        return r;
    if (msg->src && msg->dst && rule->src.family != rule->dst.family)
        return fail(error, "dst",
                    "src and dst are of different families: make it two "
                    "rules.");
    rule->family = msg->src ? rule->src.family : rule->dst.family;
    if (!msg->has_family)
        return 0;
    if (msg->family != 4 && msg->family != 6)
        return fail(error, "family", "The family is 4 or 6, not %u.",
                    msg->family);
    if (rule->family && rule->family != msg->family)
        return fail(error, "family",
                    "The family is %u, but the prefix is IPv%u.", msg->family,
                    rule->family);
    rule->family = (uint8_t)msg->family;
    return 0;
}

/* ---- protocol ----------------------------------------------------------- */

static int parse_proto(const Ps__Rule *msg, struct ps_rule *rule,
                       struct ps_rule_error *error)
{
    uint8_t family = 0;

    if (!msg->proto)
        return 0;
    if (msg->proto->number > 255)
        return fail(error, "proto", "A protocol number is 0 to 255, not %u.",
                    msg->proto->number);
    rule->has_proto = true;
    rule->proto = (uint8_t)msg->proto->number;
    if (rule->proto == IPPROTO_ICMP)
        family = 4;
    if (rule->proto == IPPROTO_ICMPV6)
        family = 6;
    if (family && rule->family && family != rule->family)
        return fail(error, "proto", "%s is IPv%u, but the rule is for IPv%u.",
                    family == 4 ? "icmp" : "icmpv6", family, rule->family);
    if (family)
        rule->family = family;
    return 0;
}

static bool has_ports(const struct ps_rule *rule)
{
    return rule->has_proto &&
           (rule->proto == IPPROTO_TCP || rule->proto == IPPROTO_UDP ||
            rule->proto == IPPROTO_SCTP);
}

static int parse_ports(const Ps__PortRange *msg, const char *field,
                       const struct ps_rule *rule,
                       struct ps_rule_ports *ret_ports,
                       struct ps_rule_error *error)
{
    if (!msg)
        return 0;
    if (!has_ports(rule))
        return fail(error, field, "Ports need proto to be tcp, udp or sctp.");
    if (msg->first > 65535 || msg->last > 65535)
        return fail(error, field, "A port is 0 to 65535, not %u.",
                    msg->first > 65535 ? msg->first : msg->last);
    if (msg->first > msg->last)
        return fail(error, field, "The range %u-%u is empty: turn it round.",
                    msg->first, msg->last);
    ret_ports->set = true;
    ret_ports->first = (uint16_t)msg->first;
    ret_ports->last = (uint16_t)msg->last;
    return 0;
}

static int parse_flags(const Ps__TcpFlag *flags, size_t n, const char *field,
                       const struct ps_rule *rule, uint8_t *ret_bits,
                       struct ps_rule_error *error)
{
    uint8_t bits = 0;

    if (n && (!rule->has_proto || rule->proto != IPPROTO_TCP))
        return fail(error, field, "TCP flags need proto to be tcp.");
    for (size_t i = 0; i < n; i++) {
        /* Signed or not as the compiler likes: compare as unsigned. */
        if ((unsigned int)flags[i] > PS__TCP_FLAG__cwr)
            return fail(error, field, "There is no TCP flag %u.",
                        (unsigned int)flags[i]);
        bits = (uint8_t)(bits | 1u << flags[i]);
    }
    *ret_bits = bits;
    return 0;
}

static int parse_icmp(const Ps__Rule *msg, struct ps_rule *rule,
                      struct ps_rule_error *error)
{
    bool icmp = rule->has_proto &&
                (rule->proto == IPPROTO_ICMP || rule->proto == IPPROTO_ICMPV6);

    rule->icmp_type = rule->icmp_code = -1;
    if (msg->has_icmp_type) {
        if (!icmp)
            return fail(error, "icmp_type",
                        "An ICMP type needs proto to be icmp or icmpv6.");
        if (msg->icmp_type > 255)
            return fail(error, "icmp_type", "An ICMP type is 0 to 255, not %u.",
                        msg->icmp_type);
        rule->icmp_type = (int16_t)msg->icmp_type;
    }
    if (msg->has_icmp_code) {
        if (!msg->has_icmp_type)
            return fail(error, "icmp_code",
                        "An ICMP code means something only with icmp_type.");
        if (msg->icmp_code > 255)
            return fail(error, "icmp_code", "An ICMP code is 0 to 255, not %u.",
                        msg->icmp_code);
        rule->icmp_code = (int16_t)msg->icmp_code;
    }
    return 0;
}

static int parse_l4(const Ps__Rule *msg, struct ps_rule *rule,
                    struct ps_rule_error *error)
{
    int r;

    r = parse_proto(msg, rule, error);
    if (r == 0)
        r = parse_ports(msg->sport, "sport", rule, &rule->sport, error);
    if (r == 0)
        r = parse_ports(msg->dport, "dport", rule, &rule->dport, error);
    if (r == 0)
        r = parse_flags(msg->tcp_flags_set, msg->n_tcp_flags_set,
                        "tcp_flags_set", rule, &rule->flags_set, error);
    if (r == 0)
        r = parse_flags(msg->tcp_flags_unset, msg->n_tcp_flags_unset,
                        "tcp_flags_unset", rule, &rule->flags_unset, error);
    if (r < 0)
        return r;
    if (rule->flags_set & rule->flags_unset)
        return fail(error, "tcp_flags_unset",
                    "A flag is in both tcp_flags_set and tcp_flags_unset: no "
                    "packet would match.");
    return parse_icmp(msg, rule, error);
}

int ps_rule_parse(const Ps__Rule *msg, struct ps_rule *ret_rule,
                  struct ps_rule_error *error)
{
    struct ps_rule rule = {
        .priority = msg->has_priority ? msg->priority
                                      : PS_RULE_PRIORITY_DEFAULT,
        .enabled = msg->has_enabled ? msg->enabled : true,
    };
    int r;

    memset(error, 0, sizeof(*error));
    if (!msg->has_action || (msg->action != PS__RULE__ACTION__drop &&
                             msg->action != PS__RULE__ACTION__pass))
        return fail(error, "action", "Say what to do: drop or pass.");
    rule.action = msg->action;
    r = parse_texts(msg, &rule, error);
    if (r == 0)
        r = parse_addresses(msg, &rule, error);
    if (r == 0)
        r = parse_l4(msg, &rule, error);
    if (r < 0)
        return r;
    *ret_rule = rule;
    return 0;
}

/* ---- comparing ---------------------------------------------------------- */

int ps_rule_compare(const struct ps_rule *a, const struct ps_rule *b)
{
    if (a->priority != b->priority)
        return a->priority < b->priority ? -1 : 1;
    return strcmp(a->id, b->id);
}

static bool same_ports(const struct ps_rule_ports *a,
                       const struct ps_rule_ports *b)
{
    return a->set == b->set && a->first == b->first && a->last == b->last;
}

bool ps_rule_same(const struct ps_rule *a, const struct ps_rule *b)
{
    return ps_streq(a->id, b->id) && ps_streq(a->comment, b->comment) &&
           ps_streq(a->ifname, b->ifname) && a->enabled == b->enabled &&
           a->has_comment == b->has_comment && a->action == b->action &&
           a->priority == b->priority && ps_addr_equal(&a->src, &b->src) &&
           ps_addr_equal(&a->dst, &b->dst) && a->src_len == b->src_len &&
           a->dst_len == b->dst_len && a->family == b->family &&
           a->has_proto == b->has_proto && a->proto == b->proto &&
           same_ports(&a->sport, &b->sport) &&
           same_ports(&a->dport, &b->dport) && a->flags_set == b->flags_set &&
           a->flags_unset == b->flags_unset && a->icmp_type == b->icmp_type &&
           a->icmp_code == b->icmp_code;
}

bool ps_rule_concerns(const struct ps_rule *rule, const struct ps_addr *addr)
{
    if (rule->family && rule->family != addr->family)
        return false;
    if (!rule->src.family && !rule->dst.family)
        return true;
    return (rule->src.family &&
            ps_addr_in_prefix(addr, &rule->src, rule->src_len)) ||
           (rule->dst.family &&
            ps_addr_in_prefix(addr, &rule->dst, rule->dst_len));
}
