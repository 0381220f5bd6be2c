/* SPDX-License-Identifier: MIT */
#include "gateway/limits.h"

#include <sys/queue.h>
#include <sys/random.h>

#define N_BUCKETS 4096 /* a power of two */

struct client {
    LIST_ENTRY(client) link;  /* of its bucket */
    TAILQ_ENTRY(client) away; /* where it has no connection */
    struct ps_addr key;
    uint64_t conns;
    uint64_t allowed_ns; /* when its next request would be on time */
    uint64_t wrong_since_ns;
    unsigned int wrong;
};
LIST_HEAD(client_list, client);
TAILQ_HEAD(client_queue, client);

struct ps_limits {
    const struct ps_limits_config *config;
    uint64_t seed;
    struct client_list buckets[N_BUCKETS];
    struct client_queue away; /* who left first, first */
    size_t n_away;
    struct ps_limits_stats stats;
};

/* ---- who ---------------------------------------------------------------- */

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

/* The address that stands for the client. */
static struct ps_addr client_key(const struct ps_addr *addr)
{
    struct ps_addr key = *addr;

    if (addr->family == 6 && memcmp(addr->bytes, mapped, sizeof(mapped)) == 0) {
        key = (struct ps_addr){.family = 4};
        memcpy(key.bytes, addr->bytes + sizeof(mapped), 4);
    } else if (addr->family == 6 && !ps_limits_loopback(addr)) {
        memset(key.bytes + 8, 0, 8);
    }
    return key;
}

bool ps_limits_loopback(const struct ps_addr *addr)
{
    static const uint8_t one[16] = {[15] = 1};

    if (addr->family == 4)
        return addr->bytes[0] == 127;
    return addr->family == 6 &&
           (memcmp(addr->bytes, one, sizeof(one)) == 0 ||
            (memcmp(addr->bytes, mapped, sizeof(mapped)) == 0 &&
             addr->bytes[12] == 127));
}

bool ps_limits_same(const struct ps_addr *a, const struct ps_addr *b)
{
    const struct ps_addr key_a = client_key(a), key_b = client_key(b);

    return ps_addr_equal(&key_a, &key_b);
}

/* FNV-1a from a secret start: nobody can choose addresses of one bucket. */
static struct client_list *find_bucket(struct ps_limits *limits,
                                       const struct ps_addr *key)
{
    uint64_t hash = limits->seed ^ key->family;

    for (size_t i = 0; i < sizeof(key->bytes); i++)
        hash = (hash ^ key->bytes[i]) * UINT64_C(0x100000001b3);
    return &limits->buckets[(hash ^ hash >> 32) % N_BUCKETS];
}

static struct client *find_client(struct ps_limits *limits,
                                  const struct ps_addr *addr)
{
    const struct ps_addr key = client_key(addr);
    struct client *client;

    LIST_FOREACH(client, find_bucket(limits, &key), link)
    {
        if (ps_addr_equal(&client->key, &key))
            return client;
    }
    return NULL;
}

static void forget_oldest(struct ps_limits *limits)
{
    struct client *client = TAILQ_FIRST(&limits->away);

    TAILQ_REMOVE(&limits->away, client, away);
    limits->n_away--;
    LIST_REMOVE(client, link);
    free(client);
}

/* NULL without memory. */
static struct client *get_client(struct ps_limits *limits,
                                 const struct ps_addr *addr)
{
    struct client *client = find_client(limits, addr);

    if (client)
        return client;
    client = calloc(1, sizeof(*client));
    if (!client)
        return NULL;
    client->key = client_key(addr);
    LIST_INSERT_HEAD(find_bucket(limits, &client->key), client, link);
    TAILQ_INSERT_TAIL(&limits->away, client, away);
    if (++limits->n_away > PS_LIMITS_REMEMBERED)
        forget_oldest(limits);
    return client;
}

/* ---- connections -------------------------------------------------------- */

bool ps_limits_connect(struct ps_limits *limits, const struct ps_addr *addr)
{
    struct client *client = get_client(limits, addr);

    if (!client ||
        (client->conns >= limits->config->conns && !ps_limits_loopback(addr))) {
        limits->stats.conns_refused++;
        return false;
    }
    if (client->conns++ == 0) {
        TAILQ_REMOVE(&limits->away, client, away);
        limits->n_away--;
    }
    return true;
}

void ps_limits_disconnect(struct ps_limits *limits, const struct ps_addr *addr)
{
    struct client *client = find_client(limits, addr);

    if (!client || client->conns == 0)
        return;
    client->conns--;
    if (client->conns > 0)
        return;
    TAILQ_INSERT_TAIL(&limits->away, client, away);
    if (++limits->n_away > PS_LIMITS_REMEMBERED)
        forget_oldest(limits);
}

/* ---- requests ----------------------------------------------------------- */

/* A bucket of two seconds' requests, as the time at which it would be full. */
bool ps_limits_request(struct ps_limits *limits, const struct ps_addr *addr,
                       uint64_t now_ns, uint64_t *ret_wait_ns)
{
    struct client *client = get_client(limits, addr);
    uint64_t rate = limits->config->rate, at;

    if (!client)
        return true;
    if (ps_limits_loopback(addr))
        rate *= PS_LIMITS_LOOPBACK;
    at = client->allowed_ns > now_ns ? client->allowed_ns : now_ns;
    at += PS_NS_PER_S / rate;
    if (at > now_ns + 2 * PS_NS_PER_S) {
        limits->stats.requests_refused++;
        *ret_wait_ns = at - now_ns - 2 * PS_NS_PER_S;
        return false;
    }
    client->allowed_ns = at;
    return true;
}

/* ---- tokens ------------------------------------------------------------- */

bool ps_limits_blocked(struct ps_limits *limits, const struct ps_addr *addr,
                       uint64_t now_ns, uint64_t *ret_wait_ns)
{
    const struct client *client = find_client(limits, addr);

    if (!client || client->wrong < PS_LIMITS_WRONG ||
        now_ns - client->wrong_since_ns >= PS_LIMITS_WRONG_NS)
        return false;
    limits->stats.blocked++;
    *ret_wait_ns = client->wrong_since_ns + PS_LIMITS_WRONG_NS - now_ns;
    return true;
}

void ps_limits_wrong(struct ps_limits *limits, const struct ps_addr *addr,
                     uint64_t now_ns)
{
    struct client *client = get_client(limits, addr);

    limits->stats.wrong++;
    if (!client)
        return;
    if (now_ns - client->wrong_since_ns >= PS_LIMITS_WRONG_NS) {
        client->wrong_since_ns = now_ns;
        client->wrong = 0;
    }
    if (client->wrong < PS_LIMITS_WRONG)
        client->wrong++;
}

/* ---- life --------------------------------------------------------------- */

int ps_limits_new(const struct ps_limits_config *config,
                  struct ps_limits **ret_limits)
{
    _cleanup_(ps_limits_free) struct ps_limits *limits =
        calloc(1, sizeof(*limits));

    if (!limits)
        return -ENOMEM;
    limits->config = config;
    TAILQ_INIT(&limits->away);
    if (getrandom(&limits->seed, sizeof(limits->seed), 0) !=
        (ssize_t)sizeof(limits->seed))
        return -EIO;
    *ret_limits = TAKE_PTR(limits);
    return 0;
}

void ps_limits_free(struct ps_limits **limits)
{
    struct client *client;

    if (!*limits)
        return;
    for (size_t i = 0; i < N_BUCKETS; i++)
        while ((client = LIST_FIRST(&(*limits)->buckets[i]))) {
            LIST_REMOVE(client, link);
            free(client);
        }
    free(*limits);
    *limits = NULL;
}

const struct ps_limits_stats *ps_limits_stats(const struct ps_limits *limits)
{
    return &limits->stats;
}
