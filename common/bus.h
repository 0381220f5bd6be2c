/* SPDX-License-Identifier: MIT */
/*
 * The bus: NNG below, protobuf-c envelopes on it, one libevent loop above.
 *
 * NNG's threads only put a finished operation on a list and write an eventfd;
 * everything here, callbacks included, runs on the loop's thread. All of it is
 * bounded: PS_BUS_MAX_MESSAGE for a message, PS_BUS_MAX_CALLS requests in
 * flight for a client, PS_BUS_WORKERS requests held by a server.
 *
 * URLs: ipc:///run/packetscope/tracer.rep, tcp://host:port,
 * tls+tcp://host:port. An ipc socket has mode 0660.
 */
#ifndef PS_COMMON_BUS_H
#define PS_COMMON_BUS_H

#include <event2/event.h>
#include <protobuf-c/protobuf-c.h>

#include "common/types.h"
#include "common/util.h"

#define PS_BUS_MAX_MESSAGE (4u << 20)
#define PS_BUS_MAX_CALLS   256
#define PS_BUS_WORKERS     64
#define PS_BUS_MAX_TOPICS  32
#define PS_BUS_PUB_QUEUE   4096 /* messages, by default */

struct ps_bus;

struct ps_bus_identity {
    const char *publisher; /* borrowed for the life of the bus */
    const char *instance;
    uint64_t epoch;
};

struct ps_bus_tls {
    const char *ca_file, *cert_file, *key_file; /* NULL: none */
};

/* Makes NNG's threads: drop privileges before. */
int ps_bus_new(struct event_base *base, const struct ps_bus_identity *id,
               const struct ps_bus_tls *tls, struct ps_bus **ret_bus);
/* Waits for NNG's operations to end; all clients and subs are freed with it. */
void ps_bus_free(struct ps_bus **bus);

/* What this side of the bus did and lost, since it was made. */
struct ps_bus_stats {
    uint64_t answers;           /* sent */
    uint64_t answers_lost;      /* the asker had gone, or no memory */
    uint64_t answers_too_large; /* an error was sent instead */
    uint64_t changes_refused;   /* no place for another idempotency key */
    uint64_t calls;             /* of ours, put on their way */
    uint64_t calls_refused;     /* more than PS_BUS_MAX_CALLS in flight */
    uint64_t calls_timed_out;
};
/* Borrowed. */
const struct ps_bus_stats *ps_bus_stats(const struct ps_bus *bus);

/* ---- publish ------------------------------------------------------------ */

/* Messages that wait for one slow subscriber before the next is lost to it;
 * before ps_bus_listen_pub(). */
void ps_bus_set_pub_queue(struct ps_bus *bus, int messages);
int ps_bus_listen_pub(struct ps_bus *bus, const char *url);
/*
 * Sends to whoever listens. name: the topic. retain: kept as the topic's last
 * message for snapshots. 0, -EMSGSIZE, -ENOMEM, -ENOSPC (too many topics).
 */
int ps_bus_publish(struct ps_bus *bus, const char *name,
                   const ProtobufCMessage *body, bool retain);
/* Calls fn for each topic published so far with its last sequence number. */
void ps_bus_each_topic(struct ps_bus *bus,
                       void (*fn)(const char *topic, uint64_t seq, void *arg),
                       void *arg);

/* ---- answer ------------------------------------------------------------- */

struct ps_call; /* one request being answered */

struct ps_method {
    const char *name; /* "tracer.list_sockets"; NULL ends a table */
    const ProtobufCMessageDescriptor *request;
    const ProtobufCMessageDescriptor *reply;
    /*
     * Answers by ps_call_reply() or ps_call_fail(), exactly once, now or
     * later. req is borrowed until the answer. arg is that of serve.
     */
    void (*handle)(void *arg, const ProtobufCMessage *req,
                   struct ps_call *call);
    /* Changes something: asks for an idempotency key, answers it again. */
    bool change;
};

/* -ENOSPC: more than four listeners, of both kinds. */
int ps_bus_listen_rep(struct ps_bus *bus, const char *url);
/* Adds a table (at most 8); borrowed. Names must be new. */
int ps_bus_serve(struct ps_bus *bus, const struct ps_method *methods,
                 void *arg);
/*
 * From here on each change is recorded: before it is begun, and again before
 * its answer leaves. Without a log that can be written (NULL), changes are
 * refused. Borrowed for the life of the bus. Changes that the log knows by
 * their keys are answered again and not made twice; -errno where it cannot tell
 * them.
 */
struct ps_audit;
int ps_bus_audit(struct ps_bus *bus, struct ps_audit *audit);
void ps_call_reply(struct ps_call *call, const ProtobufCMessage *msg);
/* field may be NULL. The sentence should say what to do. */
void ps_call_fail(struct ps_call *call, const char *id, uint32_t status,
                  const char *field, const char *fmt, ...) _printf_(5, 6);
/* Who asks (token's name), "" where not said. Borrowed until the answer. */
const char *ps_call_actor(const struct ps_call *call);
/* From which address, as text, "" where not said. Borrowed likewise. */
const char *ps_call_client(const struct ps_call *call);
/*
 * The state that this change is about to change, for the audit log; what is
 * replied with is the state after it. Read before return.
 */
void ps_call_before(struct ps_call *call, const ProtobufCMessage *msg);
/* Requests taken in and not answered yet. */
size_t ps_bus_open_calls(const struct ps_bus *bus);

/* ---- ask ---------------------------------------------------------------- */

struct ps_client; /* one peer's rep socket; connects by itself, again */

int ps_client_new(struct ps_bus *bus, const char *url,
                  struct ps_client **ret_client);
/* Calls in flight end with -ECANCELED before it returns. */
void ps_client_free(struct ps_client **client);

/*
 * result: 0 with reply set (borrowed, of the descriptor asked for);
 * -EREMOTEIO with error set (borrowed); -ETIMEDOUT; -EBADMSG; -ECANCELED.
 */
typedef void (*ps_reply_fn)(void *arg, int result,
                            const ProtobufCMessage *reply,
                            const Ps__Error *error);

struct ps_ask {
    const char *method;
    const ProtobufCMessage *request; /* packed before return */
    const ProtobufCMessageDescriptor *reply;
    uint64_t timeout_ns;
    const char *idempotency_key; /* NULL for reads */
    const char *actor;           /* NULL: not said */
    const char *client;          /* its address; NULL: not said */
};
/* 0: fn is called once, later. Otherwise fn is not called: -EAGAIN (too many
 * in flight), -EMSGSIZE, -ENOMEM, -ECANCELED (the client is being freed). */
int ps_client_call(struct ps_client *client, const struct ps_ask *ask,
                   ps_reply_fn fn, void *arg);
/* True while a connection stands. */
bool ps_client_connected(const struct ps_client *client);

/* ---- subscribe ---------------------------------------------------------- */

struct ps_sub;

/* env and its body are borrowed. snapshot: it came by a snapshot. Must not
 * free the sub. */
typedef void (*ps_message_fn)(void *arg, const Ps__Envelope *env,
                              bool snapshot);

/*
 * Subscribes to topics (NULL-ended array; an empty array: all) at a publisher,
 * and asks `snapshot` (may be NULL: none), the same daemon's client, for the
 * retained messages at each (re)connect; that client must live as long. A
 * message that came by both ways is
 * given once.
 */
int ps_sub_new(struct ps_bus *bus, const char *url, const char *const *topics,
               struct ps_client *snapshot, ps_message_fn fn, void *arg,
               struct ps_sub **ret_sub);
void ps_sub_free(struct ps_sub **sub);
/*
 * For each topic of each life of a publisher, its last sequence number is
 * received + gaps + late + before; what comes last may be on its way.
 */
struct ps_sub_stats {
    uint64_t received;  /* given on, by a snapshot too */
    uint64_t gaps;      /* missed, by sequence numbers or by a heartbeat */
    uint64_t late;      /* before the connection to one that came again */
    uint64_t before;    /* before the first connection: nobody's loss */
    uint64_t malformed; /* no envelope, or of a newer schema */
    uint64_t untracked; /* given on, but gaps of their topic are not seen */
    uint64_t snapshots_failed;
};
void ps_sub_stats(const struct ps_sub *sub, struct ps_sub_stats *ret_stats);
uint64_t ps_sub_gaps(const struct ps_sub *sub);
uint64_t ps_sub_malformed(const struct ps_sub *sub);
bool ps_sub_connected(const struct ps_sub *sub);

/* ---- envelopes, for tests and fuzzing ----------------------------------- */

/*
 * Reads and checks an envelope: size, schema, and the bounds of its texts.
 * 0, -EBADMSG, -EPROTONOSUPPORT. Freed with ps__envelope__free_unpacked().
 */
int ps_envelope_unpack(const uint8_t *data, size_t len, Ps__Envelope **ret_env);

#endif
