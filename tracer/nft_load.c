/* SPDX-License-Identifier: MIT */
/* What an expression of nftables loads of a packet, as far as it is known. */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>

#include "tracer/nft_internal.h"

#define HEADER 60u

/* ---- registers ---------------------------------------------------------- */

bool ps_nft_reg_at(uint32_t reg, size_t len, size_t *ret_at)
{
    size_t at = reg <= NFT_REG_4 ? (size_t)reg * 16
                                 : ((size_t)reg - NFT_REG32_00 + 4) * 4;

    if (reg == NFT_REG_VERDICT || reg > NFT_REG32_15 ||
        (reg > NFT_REG_4 && reg < NFT_REG32_00) || len > PS_NFT_REG_BYTES - at)
        return false;
    *ret_at = at;
    return true;
}

/* A load fills words. */
void ps_nft_put(struct ps_nft_asked *v, uint32_t reg, const uint8_t *value,
                const uint8_t *known, size_t len)
{
    size_t at, whole = (len + 3) & ~(size_t)3;

    if (!ps_nft_reg_at(reg, whole, &at))
        return;
    memset(v->regs.value + at, 0, whole);
    memset(v->regs.known + at, 0xff, whole);
    memcpy(v->regs.value + at, value, len);
    memcpy(v->regs.known + at, known, len);
}

void ps_nft_put_unknown(struct ps_nft_asked *v, struct ps_nl_span data,
                        uint16_t dreg)
{
    uint32_t reg;
    size_t at;

    /* How much is written depends on the key: all that may be. */
    if (ps_nl_u32(data, dreg, &reg) && ps_nft_reg_at(reg, 0, &at))
        memset(v->regs.known + at, 0, PS_NFT_REG_BYTES - at);
}

/* ---- loads -------------------------------------------------------------- */

struct header {
    uint8_t value[HEADER], known[HEADER];
};

static void set(struct header *h, size_t at, const void *value, size_t len)
{
    memcpy(h->value + at, value, len);
    memset(h->known + at, 0xff, len);
}

static void set16(struct header *h, size_t at, uint32_t number)
{
    uint16_t be = htons((uint16_t)number);

    set(h, at, &be, sizeof(be));
}

static void set32(struct header *h, size_t at, uint32_t number)
{
    uint32_t be = htonl(number);

    set(h, at, &be, sizeof(be));
}

static void network_header(const struct ps_tracer_event *e, struct header *h)
{
    const struct ps_tracer_tuple *t = &e->tuple;
    uint8_t version = t->family == 6 ? 0x60 : 0x40;

    h->value[0] = version;
    h->known[0] = 0xf0;
    if (t->family == 6) {
        set(h, 8, t->saddr, 16);
        set(h, 24, t->daddr, 16);
    } else {
        set(h, 9, &t->proto, 1);
        set(h, 12, t->saddr, 4);
        set(h, 16, t->daddr, 4);
    }
}

/* The content of the event is of the packet itself, not of one inside. */
static void transport_header(const struct ps_tracer_event *e, struct header *h)
{
    const struct ps_tracer_tuple *t = &e->tuple;
    uint8_t icmp[2] = {(uint8_t)(e->ack >> 8), (uint8_t)e->ack};

    if (e->flags & PS_EF_FRAGMENT)
        return;
    if (t->proto == IPPROTO_TCP || t->proto == IPPROTO_UDP ||
        t->proto == IPPROTO_UDPLITE || t->proto == IPPROTO_SCTP ||
        t->proto == IPPROTO_DCCP) {
        set16(h, 0, t->sport);
        set16(h, 2, t->dport);
    }
    if (e->flags & PS_EF_INNER)
        return;
    if (t->proto == IPPROTO_TCP) {
        set32(h, 4, e->seq);
        set32(h, 8, e->ack);
        set(h, 13, &e->tcp_flags, 1);
    } else if (t->proto == IPPROTO_ICMP || t->proto == IPPROTO_ICMPV6) {
        set(h, 0, icmp, sizeof(icmp));
    }
}

bool ps_nft_load_payload(struct ps_nft_asked *v, struct ps_nl_span data)
{
    uint32_t reg = 0, base = 0, offset = 0, len = 0;
    struct header h = {0};

    if (!ps_nl_u32(data, NFTA_PAYLOAD_DREG, &reg) ||
        !ps_nl_u32(data, NFTA_PAYLOAD_BASE, &base) ||
        !ps_nl_u32(data, NFTA_PAYLOAD_OFFSET, &offset) ||
        !ps_nl_u32(data, NFTA_PAYLOAD_LEN, &len))
        return false;
    if (v->rules->sets_bytes || len > HEADER || offset > HEADER - len)
        base = NFT_PAYLOAD_LL_HEADER;
    if (base == NFT_PAYLOAD_NETWORK_HEADER)
        network_header(v->packet->event, &h);
    else if (base == NFT_PAYLOAD_TRANSPORT_HEADER)
        transport_header(v->packet->event, &h);
    else
        offset = 0;
    if (len > HEADER)
        ps_nft_put_unknown(v, data, NFTA_PAYLOAD_DREG);
    else
        ps_nft_put(v, reg, h.value + offset, h.known + offset, len);
    for (uint32_t i = 0; i < len && len <= HEADER; i++)
        if (!h.known[offset + i])
            return false;
    return len > 0 && len <= HEADER;
}

static void put_host(struct ps_nft_asked *v, uint32_t reg, uint32_t number)
{
    static const uint8_t all[4] = {0xff, 0xff, 0xff, 0xff};
    uint8_t value[4];

    memcpy(value, &number, sizeof(value));
    ps_nft_put(v, reg, value, all, sizeof(value));
}

static void put_name(struct ps_nft_asked *v, uint32_t reg, const char *name)
{
    uint8_t value[16] = {0}, all[16];

    memset(all, 0xff, sizeof(all));
    memcpy(value, name, strnlen(name, sizeof(value) - 1));
    ps_nft_put(v, reg, value, all, sizeof(value));
}

/* The interface that is asked for is the one that the hook was called with. */
static bool is_ours(const struct ps_nft_packet *p, bool in)
{
    return p->ifindex && (p->hook <= NF_INET_FORWARD) == in;
}

void ps_nft_load_meta(struct ps_nft_asked *v, struct ps_nl_span data)
{
    const struct ps_nft_packet *p = v->packet;
    const struct ps_tracer_tuple *t = &p->event->tuple;
    uint8_t all[4] = {0xff, 0xff, 0xff, 0xff};
    uint32_t reg = 0, key = UINT32_MAX;
    uint8_t family = t->family == 6 ? NFPROTO_IPV6 : NFPROTO_IPV4;
    uint16_t ethertype = htons(t->family == 6 ? ETH_P_IPV6 : ETH_P_IP);

    ps_nft_put_unknown(v, data, NFTA_META_DREG);
    if (!ps_nl_u32(data, NFTA_META_DREG, &reg) ||
        !ps_nl_u32(data, NFTA_META_KEY, &key))
        return;
    if (key == NFT_META_NFPROTO)
        ps_nft_put(v, reg, &family, all, 1);
    else if (key == NFT_META_PROTOCOL)
        ps_nft_put(v, reg, (const uint8_t *)&ethertype, all, 2);
    else if (key == NFT_META_L4PROTO && !(p->event->flags & PS_EF_FRAGMENT))
        ps_nft_put(v, reg, &t->proto, all, 1);
    else if (key == NFT_META_MARK && !v->rules->sets_mark)
        put_host(v, reg, p->event->mark);
    else if ((key == NFT_META_IIF && is_ours(p, true)) ||
             (key == NFT_META_OIF && is_ours(p, false)))
        put_host(v, reg, p->ifindex);
    else if (p->ifname[0] && ((key == NFT_META_IIFNAME && is_ours(p, true)) ||
                              (key == NFT_META_OIFNAME && is_ours(p, false))))
        put_name(v, reg, p->ifname);
}

/* Of a tracked packet it is known what its state is not. */
void ps_nft_load_ct(struct ps_nft_asked *v, struct ps_nl_span data)
{
    const uint32_t open = NF_CT_STATE_BIT(IP_CT_ESTABLISHED) |
                          NF_CT_STATE_BIT(IP_CT_RELATED) |
                          NF_CT_STATE_BIT(IP_CT_NEW);
    uint32_t reg = 0, key = UINT32_MAX, known = ~open;
    uint8_t none[4] = {0}, bits[4];

    ps_nft_put_unknown(v, data, NFTA_CT_DREG);
    if (!ps_nl_u32(data, NFTA_CT_DREG, &reg) ||
        !ps_nl_u32(data, NFTA_CT_KEY, &key) || key != NFT_CT_STATE ||
        !v->packet->event->ct)
        return;
    memcpy(bits, &known, sizeof(bits));
    ps_nft_put(v, reg, none, bits, sizeof(bits));
}
