/* SPDX-License-Identifier: MIT */
#include "tracer/way_keys.h"

/* Of six bytes, as SQLite keeps them. */
#define KEY_MASK ((UINT64_C(1) << 47) - 1)

enum kind {
    KIND_TUPLE = 1, /* both ends and the protocol */
    KIND_ADDRS,     /* both addresses */
    KIND_ADDR,
    KIND_PORT,
    KIND_PROTO,
};

static uint64_t mix(uint64_t hash, const void *data, size_t len)
{
    const uint8_t *bytes = data;

    /* FNV-1a. */
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t begin(enum kind kind)
{
    uint8_t byte = (uint8_t)kind;

    return mix(UINT64_C(0xcbf29ce484222325), &byte, 1);
}

static uint64_t end(uint64_t hash)
{
    return (hash ^ (hash >> 47)) & KEY_MASK;
}

static uint64_t mix_ip(uint64_t hash, const Ps__Ip *ip)
{
    uint8_t len = (uint8_t)ip->addr.len;

    return mix(mix(hash, &len, 1), ip->addr.data, ip->addr.len);
}

static uint64_t mix_number(uint64_t hash, uint32_t number)
{
    const uint8_t bytes[] = {(uint8_t)number, (uint8_t)(number >> 8),
                             (uint8_t)(number >> 16), (uint8_t)(number >> 24)};

    return mix(hash, bytes, sizeof(bytes));
}

static int compare_ip(const Ps__Ip *a, const Ps__Ip *b)
{
    if (a->addr.len != b->addr.len)
        return a->addr.len < b->addr.len ? -1 : 1;
    return a->addr.len ? memcmp(a->addr.data, b->addr.data, a->addr.len) : 0;
}

static uint64_t key_addr(const Ps__Ip *ip)
{
    return end(mix_ip(begin(KIND_ADDR), ip));
}

static uint64_t key_addrs(const Ps__Ip *a, const Ps__Ip *b)
{
    bool swap = compare_ip(a, b) > 0;

    return end(mix_ip(mix_ip(begin(KIND_ADDRS), swap ? b : a), swap ? a : b));
}

static uint64_t key_number(enum kind kind, uint32_t number)
{
    return end(mix_number(begin(kind), number));
}

/* Everything is there. */
static uint64_t key_tuple(const Ps__Ip *saddr, uint32_t sport,
                          const Ps__Ip *daddr, uint32_t dport, uint32_t proto)
{
    int order = compare_ip(saddr, daddr);
    uint64_t hash = mix_number(begin(KIND_TUPLE), proto);

    if (order > 0 || (order == 0 && sport > dport)) {
        hash = mix_number(mix_ip(hash, daddr), dport);
        hash = mix_number(mix_ip(hash, saddr), sport);
    } else {
        hash = mix_number(mix_ip(hash, saddr), sport);
        hash = mix_number(mix_ip(hash, daddr), dport);
    }
    return end(hash);
}

/* ---- of a way ----------------------------------------------------------- */

struct key_set {
    uint64_t *keys;
    size_t n;
};

static void add_key(struct key_set *set, uint64_t key)
{
    for (size_t i = 0; i < set->n; i++)
        if (set->keys[i] == key)
            return;
    if (set->n < PS_WAY_KEYS)
        set->keys[set->n++] = key;
}

static bool same_ip(const Ps__Ip *a, const Ps__Ip *b)
{
    return (!a && !b) || (a && b && compare_ip(a, b) == 0);
}

static bool same_tuple(const Ps__Tuple *a, const Ps__Tuple *b)
{
    return same_ip(a->saddr, b->saddr) && same_ip(a->daddr, b->daddr) &&
           a->has_sport == b->has_sport && a->sport == b->sport &&
           a->has_dport == b->has_dport && a->dport == b->dport &&
           !a->proto == !b->proto &&
           (!a->proto || a->proto->number == b->proto->number);
}

/* before: one whose keys are in already, or NULL. */
static void add_tuple(struct key_set *set, const Ps__Tuple *t,
                      const Ps__Tuple *before)
{
    if (!t || (before && same_tuple(t, before)))
        return;
    if (t->saddr && t->daddr) {
        if (t->has_sport && t->has_dport && t->proto)
            add_key(set, key_tuple(t->saddr, t->sport, t->daddr, t->dport,
                                   t->proto->number));
        add_key(set, key_addrs(t->saddr, t->daddr));
    }
    if (t->saddr)
        add_key(set, key_addr(t->saddr));
    if (t->daddr)
        add_key(set, key_addr(t->daddr));
    if (t->has_sport)
        add_key(set, key_number(KIND_PORT, t->sport));
    if (t->has_dport)
        add_key(set, key_number(KIND_PORT, t->dport));
    if (t->proto)
        add_key(set, key_number(KIND_PROTO, t->proto->number));
}

size_t ps_way_keys(const Ps__PacketWay *way, uint64_t keys[PS_WAY_KEYS])
{
    struct key_set set = {.keys = keys};
    const Ps__Tuple *before = way->tuple;

    add_tuple(&set, way->tuple, NULL);
    for (size_t i = 0; i < way->n_tuples; i++)
        add_tuple(&set, way->tuples[i], NULL);
    for (size_t i = 0; i < way->n_steps; i++) {
        add_tuple(&set, way->steps[i]->tuple, before);
        add_tuple(&set, way->steps[i]->inner, NULL);
        if (way->steps[i]->tuple)
            before = way->steps[i]->tuple;
    }
    return set.n;
}

/* ---- of a question ------------------------------------------------------ */

size_t ps_find_keys(const Ps__FindPacketsRequest *req,
                    uint64_t keys[PS_FIND_KEYS])
{
    struct key_set set = {.keys = keys};

    if (req->saddr && req->daddr && req->has_sport && req->has_dport &&
        req->proto) {
        keys[0] = key_tuple(req->saddr, req->sport, req->daddr, req->dport,
                            req->proto->number);
        return 1;
    }
    if (req->saddr && req->daddr)
        add_key(&set, key_addrs(req->saddr, req->daddr));
    else if (req->saddr || req->daddr)
        add_key(&set, key_addr(req->saddr ? req->saddr : req->daddr));
    if (req->has_sport)
        add_key(&set, key_number(KIND_PORT, req->sport));
    if (req->has_dport)
        add_key(&set, key_number(KIND_PORT, req->dport));
    if (set.n == 0 && req->proto)
        add_key(&set, key_number(KIND_PROTO, req->proto->number));
    return set.n;
}

static bool fits_end(const Ps__Ip *want, bool has_port, uint32_t port,
                     const Ps__Ip *ip, bool has, uint32_t number)
{
    return (!want || (ip && compare_ip(want, ip) == 0)) &&
           (!has_port || (has && port == number));
}

static bool fits_tuple(const Ps__Tuple *t, const Ps__FindPacketsRequest *req)
{
    if (!t ||
        (req->proto && (!t->proto || t->proto->number != req->proto->number)))
        return false;
    return (fits_end(req->saddr, req->has_sport, req->sport, t->saddr,
                     t->has_sport, t->sport) &&
            fits_end(req->daddr, req->has_dport, req->dport, t->daddr,
                     t->has_dport, t->dport)) ||
           (fits_end(req->saddr, req->has_sport, req->sport, t->daddr,
                     t->has_dport, t->dport) &&
            fits_end(req->daddr, req->has_dport, req->dport, t->saddr,
                     t->has_sport, t->sport));
}

bool ps_way_fits(const Ps__PacketWay *way, const Ps__FindPacketsRequest *req)
{
    if (fits_tuple(way->tuple, req))
        return true;
    for (size_t i = 0; i < way->n_tuples; i++)
        if (fits_tuple(way->tuples[i], req))
            return true;
    for (size_t i = 0; i < way->n_steps; i++)
        if (fits_tuple(way->steps[i]->tuple, req) ||
            fits_tuple(way->steps[i]->inner, req))
            return true;
    return false;
}

bool ps_way_passed(const Ps__PacketWay *way, const char *station)
{
    for (size_t i = 0; i < way->n_steps; i++)
        if (ps_streq(way->steps[i]->station, station))
            return true;
    return false;
}
