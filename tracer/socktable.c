/* SPDX-License-Identifier: MIT */
#include "tracer/socktable.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include "common/array.h"

#define BUCKETS     65536u
#define FIRST_SOCKS 256u

struct ps_socktable {
    struct ps_sock *socks;
    struct ps_sock_owner *owners;
    uint32_t n_socks, cap_socks, n_owners, cap_owners;
    uint64_t cut_owners;
    uint32_t *by_addr, *by_inode;
    uint32_t *next_inode; /* of each socket, as big as socks */
};

int ps_socktable_new(struct ps_socktable **ret_table)
{
    _cleanup_(ps_socktable_free) struct ps_socktable *t = NULL;

    t = calloc(1, sizeof(*t));
    if (!t)
        return -ENOMEM;
    t->by_addr = malloc(BUCKETS * sizeof(uint32_t));
    t->by_inode = malloc(BUCKETS * sizeof(uint32_t));
    if (!t->by_addr || !t->by_inode)
        return -ENOMEM;
    memset(t->by_addr, 0xff, BUCKETS * sizeof(uint32_t));
    memset(t->by_inode, 0xff, BUCKETS * sizeof(uint32_t));
    *ret_table = TAKE_PTR(t);
    return 0;
}

void ps_socktable_free(struct ps_socktable **table)
{
    struct ps_socktable *t = *table;

    if (!t)
        return;
    free(t->socks);
    free(t->owners);
    free(t->by_addr);
    free(t->by_inode);
    free(t->next_inode);
    free(t);
    *table = NULL;
}

static uint32_t *bucket(uint32_t *buckets, uint64_t key)
{
    return &buckets[(key * UINT64_C(0x9E3779B97F4A7C15)) >> 48];
}

static bool is_shown(const struct ps_tracer_sock *rec)
{
    if (rec->family != 4 && rec->family != 6)
        return false;
    if (rec->type == SOCK_STREAM)
        return rec->state != TCP_CLOSE;
    return rec->type == SOCK_RAW || rec->lport != 0;
}

static struct ps_sock *find(struct ps_socktable *t,
                            const struct ps_tracer_sock *rec)
{
    uint32_t i;

    if (rec->addr) {
        for (i = *bucket(t->by_addr, rec->addr); i != PS_SOCKTABLE_NONE;
             i = t->socks[i].next)
            if (t->socks[i].rec.addr == rec->addr &&
                t->socks[i].rec.lport == rec->lport &&
                t->socks[i].rec.rport == rec->rport)
                return &t->socks[i];
    } else if (rec->inode) {
        for (i = *bucket(t->by_inode, rec->inode); i != PS_SOCKTABLE_NONE;
             i = t->next_inode[i])
            if (t->socks[i].rec.inode == rec->inode)
                return &t->socks[i];
    }
    return NULL;
}

static int grow_socks(struct ps_socktable *t)
{
    uint32_t cap = t->cap_socks ? 2 * t->cap_socks : FIRST_SOCKS;
    struct ps_sock *socks;
    uint32_t *next_inode;

    if (cap > PS_SOCKTABLE_MAX)
        return -ENOSPC;
    socks = realloc(t->socks, cap * sizeof(*socks));
    if (!socks)
        return -ENOMEM;
    t->socks = socks;
    next_inode = realloc(t->next_inode, cap * sizeof(*next_inode));
    if (!next_inode)
        return -ENOMEM;
    t->next_inode = next_inode;
    t->cap_socks = cap;
    return 0;
}

static int insert(struct ps_socktable *t, const struct ps_tracer_sock *rec,
                  struct ps_sock **ret_sock)
{
    uint32_t i = t->n_socks, *at;
    int r;

    if (i == t->cap_socks) {
        r = grow_socks(t);
        if (r < 0)
            return r;
    }
    t->n_socks++;
    t->socks[i] = (struct ps_sock){
        .rec = *rec, .owners = PS_SOCKTABLE_NONE, .next = PS_SOCKTABLE_NONE};
    if (rec->addr) {
        at = bucket(t->by_addr, rec->addr);
        t->socks[i].next = *at;
        *at = i;
    }
    t->next_inode[i] = PS_SOCKTABLE_NONE;
    if (rec->inode) {
        at = bucket(t->by_inode, rec->inode);
        t->next_inode[i] = *at;
        *at = i;
    }
    *ret_sock = &t->socks[i];
    return 0;
}

static int add_owner(struct ps_socktable *t, struct ps_sock *sock,
                     const struct ps_tracer_sock *rec)
{
    struct ps_sock_owner *owner;
    int r;

    if (sock->n_owners >= PS_SOCK_MAX_OWNERS) {
        t->cut_owners++;
        return 0;
    }
    r = ps_array_reserve(&t->owners, &t->cap_owners, t->n_owners + 1,
                         2 * PS_SOCKTABLE_MAX, sizeof(*t->owners));
    if (r < 0)
        return r;
    owner = &t->owners[t->n_owners];
    *owner = (struct ps_sock_owner){
        .pid = rec->pid, .fd = rec->fd, .next = sock->owners};
    memcpy(owner->comm, rec->comm, sizeof(owner->comm));
    owner->comm[sizeof(owner->comm) - 1] = '\0';
    sock->owners = t->n_owners++;
    sock->n_owners++;
    return 0;
}

int ps_socktable_add(struct ps_socktable *t, const struct ps_tracer_sock *rec)
{
    struct ps_sock *sock;
    int r;

    if (!is_shown(rec))
        return 0;
    sock = find(t, rec);
    if (!sock) {
        r = insert(t, rec, &sock);
        if (r < 0)
            return r;
    }
    return rec->pid ? add_owner(t, sock, rec) : 0;
}

size_t ps_socktable_len(const struct ps_socktable *t)
{
    return t->n_socks;
}

const struct ps_sock *ps_socktable_get(const struct ps_socktable *t, size_t i)
{
    return &t->socks[i];
}

const struct ps_sock_owner *ps_socktable_owner(const struct ps_socktable *t,
                                               uint32_t i)
{
    return i < t->n_owners ? &t->owners[i] : NULL;
}

uint64_t ps_socktable_cut_owners(const struct ps_socktable *t)
{
    return t->cut_owners;
}
