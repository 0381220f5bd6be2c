/* SPDX-License-Identifier: MIT */
#include "gateway/share.h"

#include <sys/queue.h>

#define BUCKETS 256 /* a power of two */

struct waiter {
    STAILQ_ENTRY(waiter) link;
    struct ps_http_request *req;
};

struct ps_shared {
    LIST_ENTRY(ps_shared) bucket;
    TAILQ_ENTRY(ps_shared) age; /* by the time of the question */
    struct ps_share *share;
    const char *service;
    uint64_t hash, asked_ns;
    uint64_t drops; /* of the service, when it was put */
    bool listed;    /* in a bucket */
    bool open;      /* not ended yet */
    bool due_told;  /* the next one is being asked */
    struct ps_content *content;
    STAILQ_HEAD(, waiter) waiters;
    size_t key_len;
    unsigned char key[];
};

/* How often what a service answered was dropped. */
struct service {
    const char *name;
    uint64_t drops;
};

struct ps_share {
    struct ps_share_limits limits;
    struct ps_share_stats stats;
    LIST_HEAD(, ps_shared) buckets[BUCKETS];
    TAILQ_HEAD(age_list, ps_shared) ages; /* those listed, oldest first */
    size_t n, n_waiters;
    struct service services[PS_SHARE_MAX_SERVICES];
    size_t n_services;
};

static uint64_t hash_key(const unsigned char *key, size_t len)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ key[i]) * UINT64_C(1099511628211);
    return hash ^ hash >> 32;
}

int ps_share_new(const struct ps_share_limits *limits,
                 struct ps_share **ret_share)
{
    struct ps_share *share = calloc(1, sizeof(*share));

    if (!share)
        return -ENOMEM;
    share->limits = *limits;
    TAILQ_INIT(&share->ages);
    *ret_share = share;
    return 0;
}

static void shared_free(struct ps_shared *shared)
{
    ps_content_unref(shared->content);
    free(shared);
}

/* Out of the table; freed, unless its answer is still to come. */
static void unlist(struct ps_shared *shared)
{
    if (!shared->listed)
        return;
    LIST_REMOVE(shared, bucket);
    TAILQ_REMOVE(&shared->share->ages, shared, age);
    shared->listed = false;
    shared->share->n--;
    if (!shared->open)
        shared_free(shared);
}

void ps_share_free(struct ps_share **share)
{
    struct ps_shared *shared;

    if (!*share)
        return;
    while ((shared = TAILQ_FIRST(&(*share)->ages)))
        unlist(shared);
    free(*share);
    *share = NULL;
}

static bool is_old(const struct ps_shared *shared, uint64_t now_ns)
{
    return now_ns - shared->asked_ns >= shared->share->limits.ttl_ns;
}

static struct ps_shared *lookup(struct ps_share *share, uint64_t hash,
                                const void *key, size_t key_len)
{
    struct ps_shared *shared;

    LIST_FOREACH(shared, &share->buckets[hash % BUCKETS], bucket)
    {
        if (shared->hash == hash && shared->key_len == key_len &&
            memcmp(shared->key, key, key_len) == 0)
            return shared;
    }
    return NULL;
}

struct ps_shared *ps_share_find(struct ps_share *share, const void *key,
                                size_t key_len, uint64_t now_ns)
{
    struct ps_shared *shared =
        lookup(share, hash_key(key, key_len), key, key_len);

    if (!shared || !is_old(shared, now_ns))
        return shared;
    unlist(shared);
    return NULL;
}

static size_t bytes_held(const struct ps_share *share)
{
    const struct ps_shared *shared;
    size_t bytes = 0;

    TAILQ_FOREACH(shared, &share->ages, age)
    bytes += sizeof(*shared) + shared->key_len +
             (shared->content ? ps_content_bytes(shared->content) : 0);
    return bytes;
}

/* In the order of the questions, so that the oldest go first. */
static void list(struct ps_share *share, struct ps_shared *shared)
{
    struct ps_shared *after = TAILQ_LAST(&share->ages, age_list);

    while (after && after->asked_ns > shared->asked_ns)
        after = TAILQ_PREV(after, age_list, age);
    if (after)
        TAILQ_INSERT_AFTER(&share->ages, after, shared, age);
    else
        TAILQ_INSERT_HEAD(&share->ages, shared, age);
    LIST_INSERT_HEAD(&share->buckets[shared->hash % BUCKETS], shared, bucket);
    shared->listed = true;
    share->n++;
}

void ps_share_trim(struct ps_share *share, uint64_t now_ns)
{
    struct ps_shared *oldest;

    while ((oldest = TAILQ_FIRST(&share->ages)) &&
           (is_old(oldest, now_ns) || share->n > share->limits.max_entries ||
            bytes_held(share) > share->limits.max_bytes))
        unlist(oldest);
}

static struct service *find_service(struct ps_share *share, const char *name)
{
    for (size_t i = 0; i < share->n_services; i++)
        if (ps_streq(share->services[i].name, name))
            return &share->services[i];
    if (share->n_services == PS_SHARE_MAX_SERVICES)
        return NULL;
    share->services[share->n_services].name = name;
    return &share->services[share->n_services++];
}

int ps_share_begin(struct ps_share *share, const char *service, const void *key,
                   size_t key_len, bool listed, uint64_t now_ns,
                   struct ps_shared **ret_shared)
{
    const struct service *of = find_service(share, service);
    struct ps_shared *shared = of ? calloc(1, sizeof(*shared) + key_len) : NULL;
    struct ps_shared *old;

    if (!shared)
        return -ENOMEM;
    memcpy(shared->key, key, key_len);
    shared->key_len = key_len;
    shared->hash = hash_key(key, key_len);
    shared->share = share;
    shared->service = of->name;
    shared->drops = of->drops;
    shared->asked_ns = now_ns;
    shared->open = true;
    STAILQ_INIT(&shared->waiters);
    share->stats.asked++;
    if (listed) {
        old = lookup(share, shared->hash, key, key_len);
        if (old)
            unlist(old);
        list(share, shared);
        ps_share_trim(share, now_ns);
    }
    *ret_shared = shared;
    return 0;
}

/* Whether the answer may be given to others from now on. */
static bool may_list(struct ps_share *share, struct ps_shared *shared)
{
    const struct service *of = find_service(share, shared->service);
    struct ps_shared *old;

    if (!of || of->drops != shared->drops)
        return false;
    old = lookup(share, shared->hash, shared->key, shared->key_len);
    if (old && old->asked_ns > shared->asked_ns)
        return false;
    if (old)
        unlist(old);
    return true;
}

void ps_share_end(struct ps_share *share, struct ps_shared *shared,
                  struct ps_content *content)
{
    shared->open = false;
    shared->content = content;
    if (shared->listed && content) {
        ps_share_trim(share, shared->asked_ns);
        return;
    }
    if (shared->listed) {
        unlist(shared);
        return;
    }
    if (!content || !may_list(share, shared)) {
        shared_free(shared);
        return;
    }
    list(share, shared);
    ps_share_trim(share, shared->asked_ns);
}

void ps_share_drop(struct ps_share *share, const char *service)
{
    struct ps_shared *shared, *next;

    for (size_t i = 0; i < share->n_services; i++)
        if (!service || ps_streq(share->services[i].name, service))
            share->services[i].drops++;
    for (shared = TAILQ_FIRST(&share->ages); shared; shared = next) {
        next = TAILQ_NEXT(shared, age);
        if (service && !ps_streq(shared->service, service))
            continue;
        share->stats.dropped++;
        unlist(shared);
    }
}

int ps_shared_wait(struct ps_shared *shared, struct ps_http_request *req)
{
    struct ps_share *share = shared->share;
    struct waiter *waiter;

    if (share->n_waiters >= share->limits.max_waiters)
        return -EAGAIN;
    waiter = malloc(sizeof(*waiter));
    if (!waiter)
        return -ENOMEM;
    waiter->req = req;
    /* The first is who asked. */
    if (!STAILQ_EMPTY(&shared->waiters))
        share->stats.waited++;
    STAILQ_INSERT_TAIL(&shared->waiters, waiter, link);
    share->n_waiters++;
    return 0;
}

struct ps_http_request *ps_shared_take(struct ps_shared *shared)
{
    struct waiter *waiter = STAILQ_FIRST(&shared->waiters);
    struct ps_http_request *req;

    if (!waiter)
        return NULL;
    STAILQ_REMOVE_HEAD(&shared->waiters, link);
    shared->share->n_waiters--;
    req = waiter->req;
    free(waiter);
    return req;
}

struct ps_content *ps_shared_content(struct ps_shared *shared)
{
    if (shared->content)
        shared->share->stats.shared++;
    return shared->content;
}

uint64_t ps_shared_age_ns(const struct ps_shared *shared, uint64_t now_ns)
{
    return now_ns - shared->asked_ns;
}

bool ps_shared_is_due(struct ps_shared *shared, uint64_t now_ns)
{
    if (shared->due_told || !shared->content ||
        ps_shared_age_ns(shared, now_ns) < shared->share->limits.ahead_ns)
        return false;
    shared->due_told = true;
    return true;
}

const struct ps_share_stats *ps_share_stats(const struct ps_share *share)
{
    return &share->stats;
}
