/* SPDX-License-Identifier: MIT */
/*
 * One path measurement: which probe is next, what an answer means, when it is
 * over, and the figures. No I/O and no clock: times are given.
 *
 * A round sends one probe for each hop limit; `probes` rounds are sent,
 * `interval_ns` apart (later where the pacer held the last one up). From the
 * hop on where the target answered, or where an answer said that the way
 * ends, nothing more is sent.
 */
#ifndef PS_LOCATOR_MEASURE_H
#define PS_LOCATOR_MEASURE_H

#include "locator/icmp.h"

#define PS_MEASURE_MAX_HOPS   64
#define PS_MEASURE_MAX_PROBES 100
/* Different addresses kept for a hop; more are counted as overflow. */
#define PS_MEASURE_MAX_ADDRESSES 16

struct ps_measure_config {
    struct ps_icmp_flow flow;
    uint16_t seq_base;
    uint32_t max_hops; /* 1..PS_MEASURE_MAX_HOPS */
    uint32_t probes;   /* 1..PS_MEASURE_MAX_PROBES */
    uint64_t interval_ns;
    uint64_t timeout_ns;
};

struct ps_measure;

/* mono: CLOCK_MONOTONIC; the first round is due at once. */
int ps_measure_new(const struct ps_measure_config *config, uint64_t mono,
                   struct ps_measure **ret_measure);
void ps_measure_free(struct ps_measure **measure);
const struct ps_icmp_flow *ps_measure_flow(const struct ps_measure *m);

/* ---- sending ------------------------------------------------------------ */

struct ps_measure_probe {
    uint16_t seq;
    uint8_t ttl;
    bool delayed; /* due more than an interval ago: the pacer held it up */
};

/* False: none is due. The same one again until sent() or failed(). */
bool ps_measure_next(struct ps_measure *m, uint64_t mono,
                     struct ps_measure_probe *ret_probe);
/* real: CLOCK_REALTIME, both taken just before the send. */
void ps_measure_sent(struct ps_measure *m, uint64_t mono, uint64_t real);
void ps_measure_failed(struct ps_measure *m, int error);
/* The kernel's own time of sending, where it tells. Ignored when it cannot
 * be: earlier than the send, or later than now. */
void ps_measure_stamp(struct ps_measure *m, uint16_t seq, uint64_t real,
                      uint64_t now_real);

/* ---- answers ------------------------------------------------------------ */

enum ps_measure_match {
    PS_MEASURE_MATCHED,
    PS_MEASURE_DUPLICATE, /* of an answer that was counted */
    PS_MEASURE_LATE,      /* after its time: counted as lost */
    PS_MEASURE_UNMATCHED, /* id fits, the rest does not: not believed */
};

/*
 * rx_real: the kernel's time of arrival, 0: not known. now: CLOCK_MONOTONIC
 * of reading, bounds the round trip when the wall clock was set meanwhile.
 */
enum ps_measure_match ps_measure_answer(struct ps_measure *m,
                                        const struct ps_icmp_answer *answer,
                                        const struct ps_addr *from,
                                        uint64_t rx_real, uint64_t now);

/* Gives up the probes whose time is over. Read all answers first. */
void ps_measure_expire(struct ps_measure *m, uint64_t now);
/* When next() or expire() have something to do; UINT64_MAX: never. */
uint64_t ps_measure_wakeup(const struct ps_measure *m);
/* All is sent, and answered or given up. */
bool ps_measure_done(const struct ps_measure *m);

/* ---- figures ------------------------------------------------------------ */

struct ps_measure_address {
    struct ps_addr ip;
    uint32_t received;
};

struct ps_measure_hop {
    uint32_t sent;
    uint32_t received;
    uint32_t expired;
    /* Over received ones; all 0 when there is none. */
    uint64_t min_ns, avg_ns, p50_ns, max_ns, stddev_ns;
    struct ps_measure_address addresses[PS_MEASURE_MAX_ADDRESSES];
    uint32_t n_addresses;
    const char *unreachable; /* constant; NULL: none */
};

/* Hops of the result: up to the last answer's hop, and to max_hops while
 * the end was not found. */
uint32_t ps_measure_hops(const struct ps_measure *m);
/* ttl: 1..ps_measure_hops(). */
void ps_measure_hop(const struct ps_measure *m, uint32_t ttl,
                    struct ps_measure_hop *ret_hop);
bool ps_measure_reached(const struct ps_measure *m);
uint32_t ps_measure_total_sent(const struct ps_measure *m);
/* errno (positive) of the last send that failed, 0: none. */
int ps_measure_send_error(const struct ps_measure *m);
/* Answers from addresses beyond PS_MEASURE_MAX_ADDRESSES of a hop. */
uint32_t ps_measure_overflow(const struct ps_measure *m);

#endif
