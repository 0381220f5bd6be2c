/* SPDX-License-Identifier: MIT */
/* Idempotency keys: the same change twice is done once. */
#include "common/bus_internal.h"

#define MAX_WAITERS 4

struct entry {
    TAILQ_ENTRY(entry) link; /* oldest first */
    char key[129];
    uint64_t request_hash;
    uint64_t since_ns;
    uint8_t *reply; /* NULL: still at work */
    size_t len;
    struct ps_call *waiters[MAX_WAITERS];
    size_t n_waiters;
};
TAILQ_HEAD(entry_list, entry);

struct ps_idem {
    struct entry_list entries;
    size_t n;
    size_t bytes; /* of all replies */
};

int ps_idem_new(struct ps_idem **ret_idem)
{
    struct ps_idem *idem = calloc(1, sizeof(*idem));

    if (!idem)
        return -ENOMEM;
    TAILQ_INIT(&idem->entries);
    *ret_idem = idem;
    return 0;
}

static void drop(struct ps_idem *idem, struct entry *e)
{
    TAILQ_REMOVE(&idem->entries, e, link);
    idem->n--;
    idem->bytes -= e->len;
    free(e->reply);
    free(e);
}

void ps_idem_free(struct ps_idem **idemp)
{
    struct ps_idem *idem = *idemp;

    *idemp = NULL;
    if (!idem)
        return;
    while (!TAILQ_EMPTY(&idem->entries))
        drop(idem, TAILQ_FIRST(&idem->entries));
    free(idem);
}

/* Drops answered entries that are old, and the oldest ones when full. */
static void make_room(struct ps_idem *idem, uint64_t now_ns)
{
    struct entry *e = TAILQ_FIRST(&idem->entries);

    while (e) {
        struct entry *next = TAILQ_NEXT(e, link);
        bool full = idem->n >= PS_IDEM_MAX || idem->bytes > PS_IDEM_BYTES;
        bool old = now_ns - e->since_ns > PS_IDEM_TTL_NS;

        if (e->reply && (old || full))
            drop(idem, e);
        else if (!old && !full)
            return;
        e = next;
    }
}

static struct entry *find(struct ps_idem *idem, const char *key)
{
    struct entry *e;

    TAILQ_FOREACH(e, &idem->entries, link)
    {
        if (strcmp(e->key, key) == 0)
            return e;
    }
    return NULL;
}

static enum ps_idem_result repeat(struct entry *e, uint64_t request_hash,
                                  struct ps_call *call,
                                  const uint8_t **ret_reply, size_t *ret_len)
{
    if (e->request_hash != request_hash)
        return PS_IDEM_CONFLICT;
    if (e->reply) {
        *ret_reply = e->reply;
        *ret_len = e->len;
        return PS_IDEM_ANSWERED;
    }
    if (e->n_waiters == MAX_WAITERS)
        return PS_IDEM_FULL;
    e->waiters[e->n_waiters++] = call;
    return PS_IDEM_WAITING;
}

static struct entry *add(struct ps_idem *idem, const char *key,
                         uint64_t request_hash, uint64_t now_ns)
{
    struct entry *e;

    if (idem->n >= PS_IDEM_MAX)
        return NULL;
    e = calloc(1, sizeof(*e));
    if (!e)
        return NULL;
    snprintf(e->key, sizeof(e->key), "%s", key);
    e->request_hash = request_hash;
    e->since_ns = now_ns;
    TAILQ_INSERT_TAIL(&idem->entries, e, link);
    idem->n++;
    return e;
}

/* Without memory it is forgotten. */
static void keep_reply(struct ps_idem *idem, struct entry *e,
                       const uint8_t *reply, size_t len)
{
    e->reply = malloc(len ? len : 1);
    if (!e->reply) {
        drop(idem, e);
        return;
    }
    memcpy(e->reply, reply, len);
    e->len = len;
    idem->bytes += len;
}

enum ps_idem_result ps_idem_begin(struct ps_idem *idem, const char *key,
                                  uint64_t request_hash, uint64_t now_ns,
                                  struct ps_call *call,
                                  const uint8_t **ret_reply, size_t *ret_len)
{
    struct entry *e;

    make_room(idem, now_ns);
    e = find(idem, key);
    if (e)
        return repeat(e, request_hash, call, ret_reply, ret_len);
    return add(idem, key, request_hash, now_ns) ? PS_IDEM_NEW : PS_IDEM_FULL;
}

void ps_idem_know(struct ps_idem *idem, const char *key, uint64_t request_hash,
                  uint64_t now_ns, const uint8_t *reply, size_t len)
{
    struct entry *e;

    if (find(idem, key))
        return;
    e = add(idem, key, request_hash, now_ns);
    if (e)
        keep_reply(idem, e, reply, len);
}

void ps_idem_finish(struct ps_idem *idem, const char *key, const uint8_t *reply,
                    size_t len, bool keep,
                    void (*fn)(struct ps_call *call, const uint8_t *reply,
                               size_t len))
{
    struct entry *e = find(idem, key);

    if (!e)
        return;
    for (size_t i = 0; i < e->n_waiters; i++)
        fn(e->waiters[i], reply, len);
    e->n_waiters = 0;
    if (keep)
        keep_reply(idem, e, reply, len);
    else
        drop(idem, e);
}
