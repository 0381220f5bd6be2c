/* SPDX-License-Identifier: MIT */
/* What the files of the bus share; nobody else includes it. */
#ifndef PS_COMMON_BUS_INTERNAL_H
#define PS_COMMON_BUS_INTERNAL_H

#include <jansson.h>
#include <nng/nng.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "common/audit.h"
#include "common/bus.h"

#define PS_BUS_MAX_LISTENERS 4
/* nng_aio_set_timeout takes milliseconds in an int32. */
#define PS_BUS_MAX_TIMEOUT_MS 3600000
/* Longest between two attempts to connect; shorter than a tick of the watch. */
#define PS_BUS_RECONNECT_MAX_MS 200

/*
 * One thing that NNG may finish on its own thread. op_done() puts it on the
 * bus's list and wakes the loop; finish() then runs on the loop's thread.
 */
struct ps_op {
    TAILQ_ENTRY(ps_op) link;
    bool queued; /* under the list's lock */
    struct ps_bus *bus;
    nng_aio *aio; /* NULL: a notification without an operation */
    void (*finish)(struct ps_op *op);
};
TAILQ_HEAD(ps_op_list, ps_op);

int ps_op_init(struct ps_op *op, struct ps_bus *bus,
               void (*finish)(struct ps_op *op), bool with_aio);
/* Stops the operation, waits for NNG's thread, takes it off the list. */
void ps_op_clear(struct ps_op *op);
/* From any thread. */
void ps_op_post(struct ps_op *op);

struct ps_topic {
    char name[32];
    uint64_t seq;
    uint8_t *retained; /* the packed envelope, or NULL */
    size_t retained_len;
};

struct ps_serve {
    const struct ps_method *methods;
    void *arg;
};

/* Protocol numbers of nanomsg's SP, as its greeting carries them. */
#define PS_SP_SUB0 0x21
#define PS_SP_REQ0 0x30

enum ps_call_state {
    CALL_RECEIVING,
    CALL_OPEN,
    CALL_SENDING,
    CALL_CLOSED,
};

struct ps_call {
    struct ps_op op; /* first: finish() gets it */
    nng_ctx ctx;
    bool has_ctx;
    enum ps_call_state state;
    Ps__Envelope *env;         /* the request */
    ProtobufCMessage *request; /* its body */
    const struct ps_method *method;
    bool keyed;         /* its answer is kept by the idempotency key */
    bool made;          /* the change was made, whatever the answer says */
    uint64_t audit_seq; /* of its entry; 0: none is open */
    json_t *before;     /* what the change changes; NULL: not said */
};

/* Where we listen; see bus_watch.c. */
struct ps_listener {
    char *url; /* NULL: a free place */
    nng_socket socket;
    nng_listener nng;
    bool started;
    uint16_t peer;     /* SP protocol number of who may connect */
    uint64_t failed;   /* NNG's count of failed accepts, as known */
    uint64_t accepted; /* and of good ones, when the check began */
    int check_fd;      /* -1: no check is on */
    bool greeted;
    unsigned int ticks_left;
};

/* A connection that NNG makes again whenever it is lost; see bus_watch.c. */
struct ps_dialer {
    LIST_ENTRY(ps_dialer) link;
    char *url; /* NULL: not dialed */
    nng_socket socket;
    nng_dialer nng;
    bool started;
    uint64_t failed;   /* NNG's counts at the last look */
    uint64_t attempts; /* failed and good ones */
    bool suspect;      /* a failure came then, after which NNG may give up */
    atomic_int pipe;   /* 0: none */
    void (*on_connect)(
        struct ps_dialer *dialer); /* NNG's thread; may be NULL */
};

struct ps_idem;

LIST_HEAD(ps_dialer_list, ps_dialer);
LIST_HEAD(ps_client_list, ps_client);
LIST_HEAD(ps_sub_list, ps_sub);

struct ps_bus {
    struct event_base *base;
    struct ps_bus_identity id;
    char *tls_ca, *tls_cert, *tls_key; /* PEM texts, or NULL */

    int wake_fd;
    struct event *wake_event;
    pthread_mutex_t lock;
    struct ps_op_list done; /* under lock */

    int pub_queue;
    nng_socket pub;
    bool has_pub;
    struct ps_topic topics[PS_BUS_MAX_TOPICS];
    size_t n_topics;

    nng_socket rep;
    bool has_rep;
    struct ps_call *workers; /* PS_BUS_WORKERS */
    size_t n_workers;
    size_t open_calls;
    struct ps_serve serves[8];
    size_t n_serves;
    struct ps_idem *idem;
    struct ps_audit *audit;
    bool audited;

    struct ps_listener listeners[PS_BUS_MAX_LISTENERS];
    struct ps_dialer_list dialers;
    struct event *watch_event;

    struct ps_client_list clients;
    struct ps_sub_list subs;
    struct ps_bus_stats stats;
};

/*
 * Listens, and watches that connections are taken. peer: the SP protocol
 * number of those who may connect.
 */
int ps_bus_listen(struct ps_bus *bus, nng_socket socket, const char *url,
                  uint16_t peer);
/*
 * Connects a socket, without waiting, and watches that it goes on trying.
 * on_connect is set by the caller before.
 */
int ps_bus_dial(struct ps_bus *bus, struct ps_dialer *dialer, nng_socket socket,
                const char *url);
/* Before its memory goes, after its socket was closed. */
void ps_bus_dial_end(struct ps_dialer *dialer);
bool ps_bus_dial_connected(const struct ps_dialer *dialer);
void ps_bus_watch_free(struct ps_bus *bus);

int ps_bus_listener_start(struct ps_bus *bus, nng_socket socket,
                          const char *url, nng_listener *ret_listener);
/* Starts a non-blocking, reconnecting dialer of a socket. */
int ps_bus_dialer_start(struct ps_bus *bus, nng_socket socket, const char *url,
                        nng_dialer *ret_dialer);
/* NNG's error as -errno. */
int ps_bus_errno(int nng_rc);

/* Drops the calls made with this arg; their fn is not called. */
void ps_client_forget(struct ps_client *client, const void *arg);

void ps_bus_pub_free(struct ps_bus *bus);
void ps_bus_rep_free(struct ps_bus *bus);
/* Answers "bus.snapshot" from the retained messages. */
void ps_bus_snapshot(struct ps_bus *bus, const Ps__SnapshotRequest *request,
                     struct ps_call *call);

/*
 * Fills an envelope's identity and time; texts are borrowed from the bus, so
 * it is packed and forgotten, never freed.
 */
void ps_envelope_init(const struct ps_bus *bus, Ps__Envelope *ret_env);
/* prefix (may be NULL) and its zero byte, then the packed envelope. */
int ps_envelope_to_msg(const Ps__Envelope *env, const char *prefix,
                       nng_msg **ret_msg);

/* ---- changes in the audit log (bus_audit.c) ----------------------------- */

/* False: the log cannot be written, and the call was answered so. */
bool ps_bus_audit_begin(struct ps_call *call, uint64_t request_hash);
/* error or after is NULL. 0, or -errno: what came of it is not recorded. */
int ps_bus_audit_end(struct ps_call *call, const Ps__Error *error,
                     const ProtobufCMessage *after);

/* ---- answers kept for a change that comes twice ------------------------- */

#define PS_IDEM_MAX    1024
#define PS_IDEM_BYTES  (16u << 20)
#define PS_IDEM_TTL_NS PS_AUDIT_REPEAT_NS /* as over a restart */

enum ps_idem_result {
    PS_IDEM_NEW,      /* do it, then ps_idem_finish() */
    PS_IDEM_ANSWERED, /* ret_reply holds the first answer */
    PS_IDEM_WAITING,  /* the first is still at work; the call waits with it */
    PS_IDEM_CONFLICT, /* same key, another request */
    PS_IDEM_FULL,
};

int ps_idem_new(struct ps_idem **ret_idem);
void ps_idem_free(struct ps_idem **idem);
/* call is kept as a waiter for PS_IDEM_WAITING, borrowed. */
enum ps_idem_result ps_idem_begin(struct ps_idem *idem, const char *key,
                                  uint64_t request_hash, uint64_t now_ns,
                                  struct ps_call *call,
                                  const uint8_t **ret_reply, size_t *ret_len);
/* An answer of an earlier process; a key that is known stays as it is. */
void ps_idem_know(struct ps_idem *idem, const char *key, uint64_t request_hash,
                  uint64_t now_ns, const uint8_t *reply, size_t len);
/* Gives the reply to each waiter by fn; keep: and to who asks again later. */
void ps_idem_finish(struct ps_idem *idem, const char *key, const uint8_t *reply,
                    size_t len, bool keep,
                    void (*fn)(struct ps_call *call, const uint8_t *reply,
                               size_t len));

#endif
