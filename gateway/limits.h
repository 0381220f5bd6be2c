/* SPDX-License-Identifier: MIT */
/*
 * What one client may: connections, requests in a second, wrong tokens in a
 * minute. A client is an IPv4 address, or the /64 that an IPv6 address is of,
 * since whoever has one has all of them. No I/O, no clock; times are
 * monotonic nanoseconds.
 *
 * Memory: one entry for each client with a connection, and
 * PS_LIMITS_REMEMBERED others; who was away longest is forgotten.
 */
#ifndef PS_GATEWAY_LIMITS_H
#define PS_GATEWAY_LIMITS_H

#include "common/net.h"

#define PS_LIMITS_REMEMBERED 4096
/* Wrong tokens in a minute that are answered as such. */
#define PS_LIMITS_WRONG    20
#define PS_LIMITS_WRONG_NS (60 * PS_NS_PER_S)
/* A client of this host may so many times as much: a proxy stands for all
 * who come by it. */
#define PS_LIMITS_LOOPBACK 100

struct ps_limits;

struct ps_limits_config {
    uint64_t conns; /* of one client; those of this host are not bounded */
    uint64_t rate;  /* requests in a second; twice as many at once */
};

struct ps_limits_stats {
    uint64_t conns_refused, requests_refused;
    uint64_t wrong, blocked; /* tokens */
};

/* config is borrowed. */
int ps_limits_new(const struct ps_limits_config *config,
                  struct ps_limits **ret_limits);
void ps_limits_free(struct ps_limits **limits);

/* A new connection; false: it has enough, and nothing is noted. */
bool ps_limits_connect(struct ps_limits *limits, const struct ps_addr *addr);
/* One that was let in has ended. */
void ps_limits_disconnect(struct ps_limits *limits, const struct ps_addr *addr);

/* A request; false: too many, ret_wait_ns is when to come again. */
bool ps_limits_request(struct ps_limits *limits, const struct ps_addr *addr,
                       uint64_t now_ns, uint64_t *ret_wait_ns);

/*
 * Whether the client sent too many wrong tokens to be told of one more that it
 * is wrong, and for how long. Ask it of wrong tokens alone: who comes from the
 * same address, behind a proxy or on this host, with a right one is let in.
 * A token is too long to be guessed; this bounds what guessing costs us.
 */
bool ps_limits_blocked(struct ps_limits *limits, const struct ps_addr *addr,
                       uint64_t now_ns, uint64_t *ret_wait_ns);
void ps_limits_wrong(struct ps_limits *limits, const struct ps_addr *addr,
                     uint64_t now_ns);

/* Whether two addresses are one client's. */
bool ps_limits_same(const struct ps_addr *a, const struct ps_addr *b);
/* 127.0.0.0/8, ::1, and the former mapped into IPv6. */
bool ps_limits_loopback(const struct ps_addr *addr);
const struct ps_limits_stats *ps_limits_stats(const struct ps_limits *limits);

#endif
