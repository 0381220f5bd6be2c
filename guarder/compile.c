/* SPDX-License-Identifier: MIT */
#include "guarder/compile.h"

static void compile_ports(const struct ps_rule_ports *ports,
                          struct ps_gd_match *m, __u16 *ret_first,
                          __u16 *ret_span)
{
    *ret_first = 0;
    *ret_span = 0xffff;
    if (!ports->set)
        return;
    *ret_first = ports->first;
    *ret_span = (__u16)(ports->last - ports->first);
    m->bits.f.have |= PS_HAVE_PORTS;
}

static void compile_match(const struct ps_rule *rule, uint32_t ifindex,
                          struct ps_gd_match *m)
{
    memset(m, 0, sizeof(*m));
    m->action = rule->action == PS__RULE__ACTION__drop ? PS_GD_DROP
                                                       : PS_GD_PASS;
    m->slot = rule->slot;
    if (ifindex) {
        m->ifindex = ifindex;
        m->ifindex_mask = UINT32_MAX;
    }
    if (rule->has_proto) {
        m->bits.f.proto = rule->proto;
        m->mask.f.proto = 0xff;
        m->bits.f.have |= PS_HAVE_PROTO;
    }
    compile_ports(&rule->sport, m, &m->sport_first, &m->sport_span);
    compile_ports(&rule->dport, m, &m->dport_first, &m->dport_span);
    if (rule->flags_set | rule->flags_unset) {
        m->bits.f.tcp_flags = rule->flags_set;
        m->mask.f.tcp_flags = rule->flags_set | rule->flags_unset;
        m->bits.f.have |= PS_HAVE_FLAGS;
    }
    if (rule->icmp_type >= 0) {
        m->bits.f.icmp_type = (__u8)rule->icmp_type;
        m->mask.f.icmp_type = 0xff;
        m->bits.f.have |= PS_HAVE_ICMP;
    }
    if (rule->icmp_code >= 0) {
        m->bits.f.icmp_code = (__u8)rule->icmp_code;
        m->mask.f.icmp_code = 0xff;
    }
    /* What is needed must be known; more does no harm. */
    m->mask.f.have = m->bits.f.have;
}

/* An address and its mask in network order; none: 0/0. */
static void compile_prefix(const struct ps_addr *addr, unsigned int len,
                           void *ret_addr, void *ret_mask, size_t size)
{
    uint8_t mask[16] = {0};

    for (unsigned int i = 0; addr->family && i < len; i++)
        mask[i / 8] |= (uint8_t)(0x80u >> (i % 8));
    memcpy(ret_addr, addr->bytes, size);
    memcpy(ret_mask, mask, size);
}

static void add4(struct ps_gd_set *set, const struct ps_rule *rule,
                 const struct ps_gd_match *m)
{
    struct ps_gd_rule4 *r = &set->r4[set->n4++];

    compile_prefix(&rule->src, rule->src_len, &r->saddr, &r->smask, 4);
    compile_prefix(&rule->dst, rule->dst_len, &r->daddr, &r->dmask, 4);
    r->m = *m;
}

static void add6(struct ps_gd_set *set, const struct ps_rule *rule,
                 const struct ps_gd_match *m)
{
    struct ps_gd_rule6 *r = &set->r6[set->n6++];

    compile_prefix(&rule->src, rule->src_len, r->saddr, r->smask, 16);
    compile_prefix(&rule->dst, rule->dst_len, r->daddr, r->dmask, 16);
    r->m = *m;
}

int ps_compile_rules(const struct ps_rule *rules, size_t n,
                     ps_ifindex_fn ifindex, void *arg, struct ps_gd_set *set,
                     size_t *ret_used)
{
    size_t used = 0;

    if (n > PS_GD_MAX_RULES)
        return -E2BIG;
    set->n4 = set->n6 = 0;
    for (size_t i = 0; i < n; i++) {
        const struct ps_rule *rule = &rules[i];
        struct ps_gd_match m;
        uint32_t index = 0;

        if (!rule->enabled)
            continue;
        if (rule->ifname[0]) {
            index = ifindex(arg, rule->ifname);
            if (index == 0)
                continue;
        }
        compile_match(rule, index, &m);
        if (rule->family != 6)
            add4(set, rule, &m);
        if (rule->family != 4)
            add6(set, rule, &m);
        used++;
    }
    *ret_used = used;
    return 0;
}
