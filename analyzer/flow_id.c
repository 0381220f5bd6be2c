/* SPDX-License-Identifier: MIT */
#include "analyzer/flow_id.h"

#define MAX_PACKED ((PS_FLOW_ID_TEXT - 1) / 2)

/* Bytes of an address by family; anything else is no family. */
static size_t addr_size(uint8_t family)
{
    return family == 4 ? 4 : family == 6 ? 16 : 0;
}

/* The key's fields in the order of the id, before the addresses. */
struct packed {
    uint8_t bytes[MAX_PACKED];
    size_t n;
};

static void put(struct packed *p, uint32_t value, size_t size)
{
    while (size--)
        p->bytes[p->n++] = (uint8_t)(value >> (size * 8));
}

static uint32_t get(struct packed *p, size_t size)
{
    uint32_t value = 0;

    while (size--)
        value = value << 8 | p->bytes[p->n++];
    return value;
}

const char *ps_flow_id_format(const struct ps_flow_key *key, char *text)
{
    static const char digits[] = "0123456789abcdef";
    size_t addr = addr_size(key->family);
    struct packed p = {0};

    put(&p, key->family, 1);
    put(&p, key->netns, 4);
    put(&p, key->netns_gen, 4);
    put(&p, key->ifindex, 4);
    put(&p, key->ethertype, 2);
    put(&p, key->proto, 1);
    put(&p, key->lport, 2);
    put(&p, key->rport, 2);
    memcpy(p.bytes + p.n, key->laddr, addr);
    memcpy(p.bytes + p.n + addr, key->raddr, addr);
    p.n += 2 * addr;
    for (size_t i = 0; i < p.n; i++) {
        text[2 * i] = digits[p.bytes[i] >> 4];
        text[2 * i + 1] = digits[p.bytes[i] & 15];
    }
    text[2 * p.n] = 0;
    return text;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int ps_flow_id_parse(const char *text, struct ps_flow_key *ret_key)
{
    size_t len = strnlen(text, PS_FLOW_ID_TEXT);
    struct ps_flow_key key = {0};
    struct packed p = {0};
    size_t addr;

    if (len % 2 || len < 2 || len >= PS_FLOW_ID_TEXT)
        return -EINVAL;
    for (size_t i = 0; i < len / 2; i++) {
        int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return -EINVAL;
        p.bytes[i] = (uint8_t)(high << 4 | low);
    }
    key.family = (uint8_t)get(&p, 1);
    addr = addr_size(key.family);
    if ((key.family && !addr) || len / 2 != 20 + 2 * addr)
        return -EINVAL;
    key.netns = get(&p, 4);
    key.netns_gen = get(&p, 4);
    key.ifindex = get(&p, 4);
    key.ethertype = (uint16_t)get(&p, 2);
    key.proto = (uint8_t)get(&p, 1);
    key.lport = (uint16_t)get(&p, 2);
    key.rport = (uint16_t)get(&p, 2);
    memcpy(key.laddr, p.bytes + p.n, addr);
    memcpy(key.raddr, p.bytes + p.n + addr, addr);
    *ret_key = key;
    return 0;
}
