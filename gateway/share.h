/* SPDX-License-Identifier: MIT */
/*
 * Answers of the last moment, which other requests may have too. A question
 * is asked once: who asks the same while it is open waits for that answer.
 *
 * Age counts from when the question was put: the answer is never older than
 * it says. What a question was put for is the caller's; a drop makes sure
 * that no answer to a question put before it is given afterwards.
 *
 * No I/O and no clock. Bounded by entries, bytes and waiters.
 */
#ifndef PS_GATEWAY_SHARE_H
#define PS_GATEWAY_SHARE_H

#include "gateway/content.h"

#define PS_SHARE_MAX_SERVICES 8

struct ps_http_request;
struct ps_share;
struct ps_shared; /* a question and, later, its answer */

struct ps_share_limits {
    uint64_t ttl_ns;
    /* From this age on the next answer is asked for ahead, once. */
    uint64_t ahead_ns;
    size_t max_entries, max_bytes, max_waiters;
};

struct ps_share_stats {
    uint64_t asked, shared, waited, dropped;
};

int ps_share_new(const struct ps_share_limits *limits,
                 struct ps_share **ret_share);
/* All questions must have been ended. */
void ps_share_free(struct ps_share **share);

/*
 * The question that may be shared now, answered or open; NULL: none that is
 * young enough. Borrowed until the next call.
 */
struct ps_shared *ps_share_find(struct ps_share *share, const void *key,
                                size_t key_len, uint64_t now_ns);
/* Forgets what is too old to be given. */
void ps_share_trim(struct ps_share *share, uint64_t now_ns);
/*
 * A new question of a service (a constant). listed: others may wait for it;
 * else its answer is shared once it is there. It must be ended.
 */
int ps_share_begin(struct ps_share *share, const char *service, const void *key,
                   size_t key_len, bool listed, uint64_t now_ns,
                   struct ps_shared **ret_shared);
/*
 * Its answer (NULL: an error, which is not kept): shared from now on, unless
 * a drop came in between or a younger one is there. All waiters must have
 * been taken. Takes the reference to content.
 */
void ps_share_end(struct ps_share *share, struct ps_shared *shared,
                  struct ps_content *content);
/* Forgets all that a service (NULL: every service) answered, and will answer
 * to questions put before. */
void ps_share_drop(struct ps_share *share, const char *service);

/* -EAGAIN: too many wait. */
int ps_shared_wait(struct ps_shared *shared, struct ps_http_request *req);
/* The next that waits, oldest first; NULL: none. */
struct ps_http_request *ps_shared_take(struct ps_shared *shared);
/* NULL: it is open. Counts as given. */
struct ps_content *ps_shared_content(struct ps_shared *shared);
uint64_t ps_shared_age_ns(const struct ps_shared *shared, uint64_t now_ns);
/* True once, when the answer gets old: ask for the next one now. */
bool ps_shared_is_due(struct ps_shared *shared, uint64_t now_ns);

const struct ps_share_stats *ps_share_stats(const struct ps_share *share);

#endif
