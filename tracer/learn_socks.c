/* SPDX-License-Identifier: MIT */
/* The sockets that processes hold, made known to the programs. */
#include <ifaddrs.h>
#include <netinet/in.h>

#include "common/array.h"
#include "tracer/aliases.h"
#include "tracer/learn_internal.h"
#include "tracer/netns_enter.h"
#include "tracer/tracer.h"

struct look {
    struct tracer *t;
    const struct ps_members *members;
    struct ps_tracer_sock *socks; /* those of one socket stand together */
    size_t n;
    struct ps_local_ends ends;
};

void ps_learn_ends_clear(struct ps_local_ends *ends)
{
    free(ends->list);
    *ends = (struct ps_local_ends){0};
}

/* ---- local ends --------------------------------------------------------- */

static int compare_ends(const void *a, const void *b)
{
    const struct ps_local_end *x = a, *y = b;

    return memcmp(&x->tuple, &y->tuple, sizeof(x->tuple));
}

static const struct ps_local_end *find_end(const struct ps_local_ends *ends,
                                           const struct ps_local_end *end)
{
    return ends->n
               ? bsearch(end, ends->list, ends->n, sizeof(*end), compare_ends)
               : NULL;
}

static int add_end(struct ps_local_ends *ends,
                   const struct ps_tracer_tuple *tuple, uint32_t slots)
{
    int r = ps_array_reserve(&ends->list, &ends->cap, ends->n + 1,
                             PS_LEARN_MAX_ENDS, sizeof(*ends->list));

    if (r < 0)
        return r;
    ends->list[ends->n++] =
        (struct ps_local_end){.tuple = *tuple, .slots = slots};
    return 0;
}

static void note_end(struct look *l, const struct ps_tracer_sock *s,
                     unsigned int family, const uint8_t *addr, uint32_t slots)
{
    struct ps_tracer_tuple end;

    ps_learn_end(s, family, addr, &end);
    if (add_end(&l->ends, &end, slots) < 0)
        l->t->learn.full++;
}

/* Two sockets may share an end: whose packet it is nobody knows beforehand,
 * but that it is one of theirs. */
static void merge_ends(struct ps_local_ends *ends)
{
    uint32_t kept = 0;

    if (ends->n)
        qsort(ends->list, ends->n, sizeof(*ends->list), compare_ends);
    for (size_t i = 0; i < ends->n; i++) {
        if (kept && !compare_ends(&ends->list[kept - 1], &ends->list[i]))
            ends->list[kept - 1].slots |= ends->list[i].slots;
        else
            ends->list[kept++] = ends->list[i];
    }
    ends->n = kept;
}

static void add_alias(struct look *l, const struct ps_tracer_tuple *tuple,
                      uint32_t slots)
{
    for (unsigned int i = 0; i < PS_TRACER_MAX_TRACES; i++)
        if (slots & 1u << i && ps_probes_add_alias(l->t->probes, i, tuple) < 0)
            l->t->learn.full++;
}

/* What is bound no more is nobody's. */
static void tell_ends(struct look *l)
{
    struct ps_local_ends *old = &l->t->learn.ends;

    merge_ends(&l->ends);
    for (size_t i = 0; i < old->n; i++) {
        const struct ps_local_end *now = find_end(&l->ends, &old->list[i]);
        uint32_t gone = old->list[i].slots & ~(now ? now->slots : 0);

        if (gone)
            ps_probes_drop_alias(l->t->probes, &old->list[i].tuple, gone);
    }
    for (size_t i = 0; i < l->ends.n; i++)
        add_alias(l, &l->ends.list[i].tuple, l->ends.list[i].slots);
    ps_probes_local_ends(l->t->probes, l->ends.n > 0);
    ps_learn_ends_clear(old);
    *old = l->ends;
    l->ends = (struct ps_local_ends){0};
}

/* ---- sockets ------------------------------------------------------------ */

static void reverse(const struct ps_tracer_tuple *t, struct ps_tracer_tuple *r)
{
    *r = *t;
    memcpy(r->saddr, t->daddr, sizeof(r->saddr));
    memcpy(r->daddr, t->saddr, sizeof(r->daddr));
    r->sport = t->dport;
    r->dport = t->sport;
}

struct holders {
    uint32_t any; /* slots that ask for one of them */
    uint32_t all; /* for each */
};

static size_t read_holders(const struct look *l, size_t from,
                           struct holders *ret_holders)
{
    struct holders h = {0, UINT32_MAX};
    size_t i = from;

    for (; i < l->n && l->socks[i].addr == l->socks[from].addr; i++) {
        uint32_t slots = ps_members_slots(l->members, l->socks[i].pid);

        h.any |= slots;
        h.all &= slots;
    }
    *ret_holders = h;
    return i;
}

/* What else is asked of a packet the programs ask of each. */
static uint32_t fitting(const struct look *l,
                        const struct ps_tracer_tuple *tuple, uint32_t slots)
{
    for (unsigned int i = 0; i < PS_TRACER_MAX_TRACES; i++)
        if (slots & 1u << i &&
            !ps_aliases_match(&l->t->traces[i].filter->kernel, tuple))
            slots &= ~(1u << i);
    return slots;
}

static void learn_sock(struct look *l, const struct ps_tracer_sock *s,
                       const struct holders *h)
{
    struct ps_tracer_tuple tuple, back;
    unsigned int family;
    uint8_t addr[16];
    uint32_t slots;

    if (s->cookie && ps_probes_learn_sock(l->t->probes, s->cookie, h->any) < 0)
        l->t->learn.full++;
    if (ps_learn_tuple(s, &tuple)) {
        reverse(&tuple, &back);
        slots = fitting(l, &tuple, h->any);
        add_alias(l, &tuple, slots);
        add_alias(l, &back, slots);
        return;
    }
    if (!h->all || !ps_learn_has_end(s))
        return;
    family = ps_learn_bound(s, addr);
    if (family)
        note_end(l, s, family, addr, h->all);
}

/* ---- sockets that are bound to no address ------------------------------- */

static bool is_open(const struct ps_tracer_sock *s)
{
    uint8_t addr[16];

    return ps_learn_has_end(s) && !ps_learn_bound(s, addr);
}

/* An IPv6 socket takes IPv4's packets too, if no other one does. */
static bool takes_family(const struct look *l, const struct ps_tracer_sock *s,
                         unsigned int family)
{
    if (s->family == family)
        return true;
    if (s->family == 4)
        return false;
    for (size_t i = 0; i < l->n; i++) {
        const struct ps_tracer_sock *o = &l->socks[i];

        if (o->family == 4 && o->netns == s->netns && o->proto == s->proto &&
            o->lport == s->lport && is_open(o))
            return false;
    }
    return true;
}

static void note_address(struct look *l, const struct ps_tracer_sock *s,
                         const struct sockaddr *address, uint32_t slots)
{
    uint8_t addr[16] = {0};

    if (address->sa_family == AF_INET && takes_family(l, s, 4)) {
        const struct sockaddr_in *in = (const void *)address;

        memcpy(addr, &in->sin_addr, 4);
        note_end(l, s, 4, addr, slots);
    } else if (address->sa_family == AF_INET6 && takes_family(l, s, 6)) {
        const struct sockaddr_in6 *in = (const void *)address;

        memcpy(addr, &in->sin6_addr, 16);
        note_end(l, s, 6, addr, slots);
    }
}

/* The calling thread is in the namespace. */
static void note_open(struct look *l, uint32_t netns)
{
    struct ifaddrs *addresses = NULL;
    struct holders h;
    size_t next;

    if (getifaddrs(&addresses) < 0)
        return;
    for (size_t i = 0; i < l->n; i = next) {
        next = read_holders(l, i, &h);
        if (!h.all || l->socks[i].netns != netns || !is_open(&l->socks[i]))
            continue;
        for (const struct ifaddrs *a = addresses; a; a = a->ifa_next)
            if (a->ifa_addr)
                note_address(l, &l->socks[i], a->ifa_addr, h.all);
    }
    freeifaddrs(addresses);
}

static bool has_open(const struct look *l, uint32_t netns)
{
    struct holders h;
    size_t next;

    for (size_t i = 0; i < l->n; i = next) {
        next = read_holders(l, i, &h);
        if (h.all && (!netns || l->socks[i].netns == netns) &&
            is_open(&l->socks[i]))
            return true;
    }
    return false;
}

static void visit_namespaces(struct look *l)
{
    _cleanup_(ps_netns_visit_close) struct ps_netns_visit visit = {
        .home_fd = -1};
    _cleanup_free_ struct ps_netns *list = NULL;
    size_t n = 0, missed = 0;

    if (!has_open(l, 0) || ps_netns_visit_open(&visit) < 0 ||
        ps_netns_all(&list, &n, &missed) < 0)
        return;
    for (size_t i = 0; i < n; i++) {
        if (!has_open(l, list[i].inum) || ps_netns_enter(&visit, &list[i]) < 0)
            continue;
        note_open(l, list[i].inum);
        ps_netns_leave(&visit);
    }
}

/* ---- all of it ---------------------------------------------------------- */

static int compare_socks(const void *a, const void *b)
{
    const struct ps_tracer_sock *x = a, *y = b;

    return x->addr < y->addr ? -1 : x->addr > y->addr;
}

void ps_learn_look_socks(struct tracer *t, const struct ps_members *members)
{
    static const struct ps_sock_holder anybody = {0};
    struct look l = {.t = t, .members = members};
    struct holders h;
    size_t next;

    if (!t->scan || ps_sockscan_held(t->scan, &anybody, &l.socks, &l.n) < 0)
        return;
    if (l.n)
        qsort(l.socks, l.n, sizeof(*l.socks), compare_socks);
    for (size_t i = 0; i < l.n; i = next) {
        next = read_holders(&l, i, &h);
        if (h.any)
            learn_sock(&l, &l.socks[i], &h);
    }
    visit_namespaces(&l);
    tell_ends(&l);
    free(l.socks);
}
