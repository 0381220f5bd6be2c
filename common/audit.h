/* SPDX-License-Identifier: MIT */
/*
 * The audit log of a service: who asked for which change, from where, and
 * what came of it. An SQLite file (common/store.h) of a bounded size.
 *
 * An entry is written before the change is begun, so a log that cannot be
 * written refuses changes, and one that ends in the middle of a change still
 * names it (outcome unknown). What came of it is on disk before the answer
 * leaves. Entries leave when the log is full, the oldest first; those of
 * refused changes may take a quarter of it, so that requests that change
 * nothing cannot push out what was changed.
 *
 * No secret belongs in a state: what is given here is shown to each
 * administrator.
 */
#ifndef PS_COMMON_AUDIT_H
#define PS_COMMON_AUDIT_H

#include <jansson.h>

#include "common/types.h"
#include "common/util.h"

/* Of before, and of after, as compact JSON. */
#define PS_AUDIT_MAX_STATE (16u << 10)
/* Of an actor, a client, an action, a target, an error: longer is cut. */
#define PS_AUDIT_MAX_TEXT 128
#define PS_AUDIT_MIN_SIZE (1u << 20)
/* Changes that are known by their keys over a restart, for so long. */
#define PS_AUDIT_REPEATS      256
#define PS_AUDIT_REPEAT_NS    (600 * PS_NS_PER_S)
#define PS_AUDIT_REPEAT_BYTES 4096u /* of a reply that is kept */

struct ps_audit;

/* Texts may be NULL. */
struct ps_audit_start {
    uint64_t time_ns;
    const char *actor, *client;
    const char *action; /* required */
    const char *target;
    /* By which the change would be known if it came again; NULL: by none. */
    const char *key;
    uint64_t request_hash;
};

/* status and error: of an error; 0 and NULL: the change was made. */
struct ps_audit_end {
    uint32_t status;
    const char *error;
    const char *target;            /* NULL: as it was at the start */
    json_t *before;                /* borrowed; NULL: none */
    const ProtobufCMessage *after; /* NULL: none */
};

struct ps_audit_stats {
    uint64_t evicted; /* entries, by this process */
    uint64_t failed;  /* entries or outcomes that could not be written */
};

/*
 * DIR/NAME.audit.db of a service's instance, at most max_bytes. Several
 * processes may share a file. Errors as of ps_store_open().
 */
int ps_audit_open(const char *dir, const char *name, const char *service,
                  const char *instance, uint64_t max_bytes,
                  struct ps_audit **ret_audit, char **ret_error);
void ps_audit_free(struct ps_audit **audit);

/* Calls fn with each entry that is complete, without its states; borrowed. */
void ps_audit_watch(struct ps_audit *audit,
                    void (*fn)(void *arg, const Ps__AuditEntry *entry),
                    void *arg);

/* On error nothing may be changed. 0 or -errno; -ENOSPC: the disk is full. */
int ps_audit_begin(struct ps_audit *audit, const struct ps_audit_start *start,
                   uint64_t *ret_seq);
/* On error the entry stays, with an unknown outcome; counted. */
int ps_audit_end(struct ps_audit *audit, uint64_t seq,
                 const struct ps_audit_end *end);
/* A change that was begun by a key; borrowed. */
struct ps_audit_repeat {
    const char *key;
    uint64_t request_hash;
    bool done;        /* else the process ended in the middle of it */
    const char *type; /* of the reply; NULL: it was too long to be kept */
    const uint8_t *body;
    size_t len;
};

/*
 * Calls fn with the changes of the last PS_AUDIT_REPEAT_NS that were begun and
 * not refused, at most PS_AUDIT_REPEATS, the oldest first. 0 or -errno.
 */
int ps_audit_repeats(struct ps_audit *audit, uint64_t now_ns,
                     void (*fn)(void *arg,
                                const struct ps_audit_repeat *repeat),
                     void *arg);

/* Both at once, for what needs no time. */
int ps_audit_add(struct ps_audit *audit, const struct ps_audit_start *start,
                 const struct ps_audit_end *end);

/*
 * What the log holds, freed by ps__audit_list__free_unpacked(). limit: at
 * most so many; less where they are large. -EINVAL: not a cursor of ours.
 */
int ps_audit_list(struct ps_audit *audit, const Ps__ListAuditRequest *request,
                  uint32_t limit, Ps__AuditList **ret_list);

/*
 * A cursor: entries that are older than time_ns, or of that time with a seq
 * below this one. text has PS_AUDIT_CURSOR bytes.
 */
#define PS_AUDIT_CURSOR 48
void ps_audit_cursor(uint64_t time_ns, uint64_t seq, char *text);
/* -EINVAL: it is none. */
int ps_audit_cursor_parse(const char *text, uint64_t *ret_time_ns,
                          uint64_t *ret_seq);

const struct ps_audit_stats *ps_audit_stats(const struct ps_audit *audit);

#endif
