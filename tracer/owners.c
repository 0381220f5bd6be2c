/* SPDX-License-Identifier: MIT */
#include "tracer/owners.h"

#include "common/array.h"

#define BUCKETS   65536u
#define NONE      UINT32_MAX
#define MAX_TRIES 5u
#define FIRST     64u
/* Processes and their cgroups. */
#define MAX_PROCESSES 4096u

struct entry {
    struct ps_sock_key key;
    uint32_t next;    /* same bucket */
    uint32_t process; /* NONE: not known */
    uint32_t holder;  /* of this look: pid; 0: none */
    uint8_t tries;
    bool several; /* processes hold it */
};

struct ps_owners {
    struct ps_owner_source source;
    struct entry *entries;
    uint32_t n, cap;
    uint32_t *buckets;
    uint32_t *pending;           /* as big as entries */
    uint32_t n_pending, n_asked; /* those asked for by use */
    struct ps_owner *processes;
    uint32_t n_processes, cap_processes;
    uint64_t lost;
};

int ps_owners_new(const struct ps_owner_source *source,
                  struct ps_owners **ret_owners)
{
    _cleanup_(ps_owners_free) struct ps_owners *o = calloc(1, sizeof(*o));

    if (!o)
        return -ENOMEM;
    o->source = *source;
    o->buckets = malloc(BUCKETS * sizeof(*o->buckets));
    if (!o->buckets)
        return -ENOMEM;
    memset(o->buckets, 0xff, BUCKETS * sizeof(*o->buckets));
    *ret_owners = TAKE_PTR(o);
    return 0;
}

void ps_owners_free(struct ps_owners **owners)
{
    struct ps_owners *o = *owners;

    if (!o)
        return;
    free(o->entries);
    free(o->pending);
    free(o->buckets);
    free(o->processes);
    free(o);
    *owners = NULL;
}

void ps_owners_clear(struct ps_owners *o)
{
    o->n = o->n_pending = o->n_asked = o->n_processes = 0;
    memset(o->buckets, 0xff, BUCKETS * sizeof(*o->buckets));
}

/* ---- sockets ------------------------------------------------------------ */

static uint32_t *bucket(const struct ps_owners *o,
                        const struct ps_sock_key *key)
{
    uint64_t hash = key->cookie ? key->cookie : key->sk;

    return &o->buckets[(hash * UINT64_C(0x9E3779B97F4A7C15)) >> 48];
}

static bool same_key(const struct ps_sock_key *a, const struct ps_sock_key *b)
{
    if (a->cookie || b->cookie)
        return a->cookie == b->cookie;
    return a->sk == b->sk && a->lport == b->lport && a->rport == b->rport;
}

static struct entry *find(const struct ps_owners *o,
                          const struct ps_sock_key *key)
{
    for (uint32_t i = *bucket(o, key); i != NONE; i = o->entries[i].next)
        if (same_key(&o->entries[i].key, key))
            return &o->entries[i];
    return NULL;
}

static int grow(struct ps_owners *o)
{
    uint32_t cap = o->cap ? 2 * o->cap : FIRST, *pending;
    struct entry *entries;

    if (cap > PS_OWNERS_MAX)
        return -ENOSPC;
    entries = realloc(o->entries, cap * sizeof(*entries));
    if (!entries)
        return -ENOMEM;
    o->entries = entries;
    pending = realloc(o->pending, cap * sizeof(*pending));
    if (!pending)
        return -ENOMEM;
    o->pending = pending;
    o->cap = cap;
    return 0;
}

void ps_owners_note(struct ps_owners *o, const struct ps_sock_key *key)
{
    uint32_t *at;

    if (!key->sk || find(o, key))
        return;
    if (o->n == o->cap && grow(o) < 0) {
        o->lost++;
        return;
    }
    o->entries[o->n] = (struct entry){.key = *key, .process = NONE};
    at = bucket(o, key);
    o->entries[o->n].next = *at;
    *at = o->n;
    o->pending[o->n_pending++] = o->n++;
}

/* ---- processes ---------------------------------------------------------- */

static uint32_t process_of(struct ps_owners *o, uint32_t pid, const char *comm)
{
    struct ps_owner *p;

    /* A process may call itself otherwise, and numbers come again. */
    for (uint32_t i = o->n_processes; i-- > 0;)
        if (o->processes[i].pid == pid && !strcmp(o->processes[i].comm, comm))
            return i;
    if (ps_array_reserve(&o->processes, &o->cap_processes, o->n_processes + 1,
                         MAX_PROCESSES, sizeof(*p)) < 0)
        return NONE;
    p = &o->processes[o->n_processes];
    *p = (struct ps_owner){.pid = pid};
    snprintf(p->comm, sizeof(p->comm), "%s", comm);
    o->source.cgroup_of(pid, &p->cgroup);
    return o->n_processes++;
}

static bool ask_use(struct ps_owners *o, struct entry *e,
                    const struct ps_sock_key *key)
{
    struct ps_tracer_owner used;

    if (o->source.used(o->source.arg, key, &used))
        return false;
    e->process = process_of(o, used.pid, used.comm);
    return e->process != NONE;
}

/* ---- looks -------------------------------------------------------------- */

static void saw_held(struct ps_owners *o, struct entry *e,
                     const struct ps_tracer_sock *rec)
{
    if (e->holder && e->holder != rec->pid)
        e->several = true;
    e->holder = rec->pid;
    if (e->process == NONE && !e->several)
        e->process = process_of(o, rec->pid, rec->comm);
    else if (e->several && e->process != NONE)
        e->process = NONE;
}

/* A socket whose cookie was made by this very look was noted without one. */
static void on_held(void *arg, const struct ps_tracer_sock *rec)
{
    struct ps_owners *o = arg;
    struct ps_sock_key key = {.sk = rec->addr, .cookie = rec->cookie};
    const struct ps_sock_key bare = {.sk = rec->addr};
    struct entry *e;

    e = rec->cookie ? find(o, &key) : NULL;
    if (e && (e->process == NONE || e->holder))
        saw_held(o, e, rec);
    for (uint32_t i = *bucket(o, &bare); i != NONE; i = e->next) {
        e = &o->entries[i];
        if (e->key.cookie || e->key.sk != rec->addr ||
            e->key.lport != rec->lport ||
            (rec->rport && e->key.rport != rec->rport))
            continue;
        if (e->process != NONE && !e->holder)
            continue;
        /* The first use may have been before it was noted. */
        if (!key.cookie || e->holder || !ask_use(o, e, &key))
            saw_held(o, e, rec);
    }
}

static void look_at_files(struct ps_owners *o)
{
    for (uint32_t i = 0; i < o->n; i++) {
        o->entries[i].holder = 0;
        o->entries[i].several = false;
    }
    o->source.held(o->source.arg, on_held, o);
}

void ps_owners_resolve(struct ps_owners *o, bool look)
{
    uint32_t kept = 0;

    /* Those that nobody asked for yet; with a look, all. */
    for (uint32_t i = look ? 0 : o->n_asked; i < o->n_pending; i++)
        ask_use(o, &o->entries[o->pending[i]], &o->entries[o->pending[i]].key);
    if (look && o->n_pending)
        look_at_files(o);
    for (uint32_t i = 0; i < o->n_pending; i++) {
        struct entry *e = &o->entries[o->pending[i]];

        e->tries = (uint8_t)(e->tries + look);
        if (e->process == NONE && e->tries < MAX_TRIES)
            o->pending[kept++] = o->pending[i];
    }
    o->n_pending = o->n_asked = kept;
}

size_t ps_owners_pending(const struct ps_owners *o)
{
    return o->n_pending;
}

const struct ps_owner *ps_owners_find(struct ps_owners *o,
                                      const struct ps_sock_key *key)
{
    struct entry *e = key->sk ? find(o, key) : NULL;

    if (!e || (e->process == NONE && !ask_use(o, e, &e->key)))
        return NULL;
    return &o->processes[e->process];
}

uint64_t ps_owners_lost(const struct ps_owners *o)
{
    return o->lost;
}
