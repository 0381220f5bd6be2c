/* SPDX-License-Identifier: MIT */
/* Names, filters and orders of sockets. */
#include <arpa/inet.h>
#include <sys/socket.h>

#include "tracer/socktable.h"

/* By the kernel's numbers (include/net/tcp_states.h). 12, NEW_SYN_RECV, is
 * how a half-open connection is kept since 4.4. */
static const char *const state_names[] = {
    NULL,         "ESTAB",     "SYN-SENT", "SYN-RECV",   "FIN-WAIT-1",
    "FIN-WAIT-2", "TIME-WAIT", "UNCONN",   "CLOSE-WAIT", "LAST-ACK",
    "LISTEN",     "CLOSING",   "SYN-RECV",
};

static const char *const type_names[] = {
    [SOCK_STREAM] = "stream",
    [SOCK_DGRAM] = "dgram",
    [SOCK_RAW] = "raw",
    [SOCK_SEQPACKET] = "seqpacket",
};

const char *ps_sock_state_name(unsigned int state)
{
    return state < ARRAY_SIZE(state_names) ? state_names[state] : NULL;
}

const char *ps_sock_type_name(unsigned int type)
{
    return type < ARRAY_SIZE(type_names) ? type_names[type] : NULL;
}

int ps_sock_parse_state(const char *name, uint8_t *ret_state)
{
    for (size_t i = 0; i < ARRAY_SIZE(state_names); i++) {
        if (state_names[i] && !strcasecmp(state_names[i], name)) {
            *ret_state = (uint8_t)i;
            return 0;
        }
    }
    return -EINVAL;
}

/* Eight hexadecimal digits are four bytes as this machine reads a word. */
static int parse_hex_addr(const char *text, unsigned int family,
                          uint8_t *ret_addr)
{
    size_t words = family == 6 ? 4 : 1;

    if (strlen(text) != 8 * words)
        return -EINVAL;
    for (size_t i = 0; i < words; i++) {
        char word[9], *end;
        uint32_t value;

        memcpy(word, text + 8 * i, 8);
        word[8] = '\0';
        value = (uint32_t)strtoul(word, &end, 16);
        if (*end)
            return -EINVAL;
        memcpy(ret_addr + 4 * i, &value, 4);
    }
    return 0;
}

int ps_sock_parse_proc(const char *line, unsigned int family,
                       struct ps_tracer_sock *ret_rec)
{
    struct ps_tracer_sock rec = {.family = (uint8_t)family};
    char laddr[33], raddr[33];
    unsigned int lport, rport, state, tx, rx, uid;
    unsigned long inode;

    if (sscanf(line,
               " %*u: %32[0-9A-Fa-f]:%4x %32[0-9A-Fa-f]:%4x %2x %8x:%8x "
               "%*x:%*x %*x %u %*d %lu",
               laddr, &lport, raddr, &rport, &state, &tx, &rx, &uid,
               &inode) != 9 ||
        parse_hex_addr(laddr, family, rec.laddr) < 0 ||
        parse_hex_addr(raddr, family, rec.raddr) < 0)
        return -EINVAL;
    rec.lport = (uint16_t)lport;
    rec.rport = (uint16_t)rport;
    rec.state = (uint8_t)state;
    rec.send_queue = tx;
    rec.recv_queue = rx;
    rec.uid = uid;
    rec.inode = inode;
    rec.has = PS_SOCK_QUEUES | PS_SOCK_UID;
    *ret_rec = rec;
    return 0;
}

/* ---- filter ------------------------------------------------------------- */

static bool has_addr(const struct ps_tracer_sock *rec,
                     const struct ps_addr *addr)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    size_t len = addr->family == 6 ? 16 : 4;

    if (addr->family == rec->family)
        return !memcmp(rec->laddr, addr->bytes, len) ||
               !memcmp(rec->raddr, addr->bytes, len);
    /* An IPv4 address on an IPv6 socket. */
    if (addr->family != 4)
        return false;
    return (!memcmp(rec->laddr, mapped, 12) &&
            !memcmp(rec->laddr + 12, addr->bytes, 4)) ||
           (!memcmp(rec->raddr, mapped, 12) &&
            !memcmp(rec->raddr + 12, addr->bytes, 4));
}

static bool state_equal(uint8_t a, uint8_t b)
{
    const char *x = ps_sock_state_name(a), *y = ps_sock_state_name(b);

    return x && y && !strcmp(x, y);
}

static bool owner_matches(const struct ps_sock_owner *owner,
                          const struct ps_sock_filter *f,
                          void (*cgroup_of)(uint32_t, struct ps_cgroup *))
{
    const char *id;

    if (f->has_pid && owner->pid != f->pid)
        return false;
    if (f->comm && strcmp(owner->comm, f->comm) != 0)
        return false;
    if (!f->container)
        return true;
    if (f->cache->pid != owner->pid) {
        cgroup_of(owner->pid, &f->cache->cgroup);
        f->cache->pid = owner->pid;
    }
    id = f->cache->cgroup.container;
    /* The short form that engines print is enough. */
    return !strncmp(id, f->container, strlen(f->container));
}

bool ps_sock_matches(const struct ps_socktable *table,
                     const struct ps_sock *sock, const struct ps_sock_filter *f,
                     void (*cgroup_of)(uint32_t, struct ps_cgroup *))
{
    const struct ps_tracer_sock *rec = &sock->rec;
    const struct ps_sock_owner *owner;

    if ((f->has_proto && rec->proto != f->proto) ||
        (f->family && rec->family != f->family) ||
        (f->has_state && !state_equal(rec->state, f->state)) ||
        (f->has_netns && rec->netns != f->netns) ||
        (f->has_port && rec->lport != f->port && rec->rport != f->port) ||
        (f->addr.family && !has_addr(rec, &f->addr)))
        return false;
    if (!f->has_pid && !f->comm && !f->container)
        return true;
    for (uint32_t i = sock->owners;
         (owner = ps_socktable_owner(table, i)) != NULL; i = owner->next)
        if (owner_matches(owner, f, cgroup_of))
            return true;
    return false;
}

/* ---- order -------------------------------------------------------------- */

#define KEY(name, expr)                                        \
    static uint64_t key_##name(const struct ps_tracer_sock *r) \
    {                                                          \
        return (uint64_t)(expr);                               \
    }
KEY(lport, r->lport)
KEY(rport, r->rport)
KEY(recv_queue, r->recv_queue)
KEY(send_queue, r->send_queue)
KEY(netns, r->netns)
KEY(uid, r->uid)
KEY(proto, r->proto)
KEY(state, r->state)
KEY(inode, r->inode)
KEY(rtt, r->has &PS_SOCK_TCP_INFO ? r->srtt_us : 0)
KEY(retransmits, r->has &PS_SOCK_TCP_INFO ? r->retransmits : 0)

static const struct sort_key {
    const char *name;
    uint64_t (*key)(const struct ps_tracer_sock *rec);
} sort_keys[] = {
    {"lport", key_lport},
    {"rport", key_rport},
    {"recv_queue", key_recv_queue},
    {"send_queue", key_send_queue},
    {"netns", key_netns},
    {"uid", key_uid},
    {"proto", key_proto},
    {"state", key_state},
    {"inode", key_inode},
    {"rtt_ns", key_rtt},
    {"retransmits", key_retransmits},
};

const char ps_sock_sort_names[] =
    "lport, rport, recv_queue, send_queue, netns, uid, proto, state, inode, "
    "rtt_ns, retransmits";

struct sort_order {
    const struct sort_key *key; /* NULL: only the natural order */
    bool descending;
};

static int compare(const void *a, const void *b, void *arg)
{
    const struct ps_sock *x = *(const struct ps_sock *const *)a;
    const struct ps_sock *y = *(const struct ps_sock *const *)b;
    const struct sort_order *order = arg;
    int r;

    if (order->key) {
        uint64_t i = order->key->key(&x->rec), j = order->key->key(&y->rec);

        if (i != j)
            return (i < j) == order->descending ? 1 : -1;
    }
    /* So that pages of a list that does not change do not overlap. */
    if (x->rec.netns != y->rec.netns)
        return x->rec.netns < y->rec.netns ? -1 : 1;
    r = (int)x->rec.proto - (int)y->rec.proto;
    if (r)
        return r;
    r = (int)x->rec.lport - (int)y->rec.lport;
    if (r)
        return r;
    r = memcmp(x->rec.laddr, y->rec.laddr, sizeof(x->rec.laddr));
    if (r)
        return r;
    r = memcmp(x->rec.raddr, y->rec.raddr, sizeof(x->rec.raddr));
    if (r)
        return r;
    r = (int)x->rec.rport - (int)y->rec.rport;
    if (r)
        return r;
    if (x->rec.addr != y->rec.addr)
        return x->rec.addr < y->rec.addr ? -1 : 1;
    return x->rec.inode < y->rec.inode ? -1 : x->rec.inode > y->rec.inode;
}

static void swap(const struct ps_sock **a, const struct ps_sock **b)
{
    const struct ps_sock *c = *a;

    *a = *b;
    *b = c;
}

/* The median of the first, the middle and the last, put at the end. */
static void choose_pivot(const struct ps_sock **socks, size_t n,
                         struct sort_order *order)
{
    const struct ps_sock **mid = &socks[n / 2], **last = &socks[n - 1];

    if (compare(mid, &socks[0], order) < 0)
        swap(mid, &socks[0]);
    if (compare(last, &socks[0], order) < 0)
        swap(last, &socks[0]);
    if (compare(mid, last, order) < 0)
        swap(mid, last);
}

/* Moves the `first` that come first to the front, in any order: a page is a
 * small part of all sockets. */
static void select_first(const struct ps_sock **socks, size_t n, size_t first,
                         struct sort_order *order)
{
    while (first && first < n) {
        size_t split = 0;

        choose_pivot(socks, n, order);
        for (size_t i = 0; i + 1 < n; i++)
            if (compare(&socks[i], &socks[n - 1], order) < 0)
                swap(&socks[i], &socks[split++]);
        swap(&socks[split], &socks[n - 1]);
        if (first <= split) {
            n = split;
        } else {
            socks += split + 1;
            n -= split + 1;
            first -= split + 1;
        }
    }
}

int ps_sock_sort(const struct ps_sock **socks, size_t n, const char *sort,
                 size_t first)
{
    struct sort_order order = {0};

    if (sort && *sort) {
        order.descending = sort[0] == '-';
        sort += order.descending;
        for (size_t i = 0; i < ARRAY_SIZE(sort_keys) && !order.key; i++)
            if (!strcmp(sort_keys[i].name, sort))
                order.key = &sort_keys[i];
        if (!order.key)
            return -EINVAL;
    }
    select_first(socks, n, first, &order);
    if (n)
        qsort_r(socks, first < n ? first : n, sizeof(const struct ps_sock *),
                compare, &order);
    return 0;
}
