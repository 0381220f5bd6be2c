/* SPDX-License-Identifier: MIT */
/*
 * Echo requests and what comes back for them: bytes only, no I/O.
 *
 * All probes of a measurement have the same ICMP id and the same checksum
 * (the payload balances the sequence number), so that routers that divide
 * traffic by the first bytes after the IP header keep them on one way.
 */
#ifndef PS_LOCATOR_ICMP_H
#define PS_LOCATOR_ICMP_H

#include "common/net.h"
#include "common/util.h"

#define PS_ICMP_PROBE_BYTES 24
/* What is read of an answer at most; a quote never needs more. */
#define PS_ICMP_ANSWER_BYTES 576

/* What all probes of one measurement share. */
struct ps_icmp_flow {
    struct ps_addr source; /* part of the checksum with IPv6 */
    struct ps_addr target;
    uint16_t id;
    uint64_t nonce; /* random: an echo reply must bring it back */
};

/* The checksum that every probe of this flow carries, as a number. */
uint16_t ps_icmp_checksum(const struct ps_icmp_flow *flow);
void ps_icmp_build(const struct ps_icmp_flow *flow, uint16_t seq,
                   uint8_t buf[PS_ICMP_PROBE_BYTES]);

enum ps_icmp_kind {
    PS_ICMP_ECHO_REPLY,
    PS_ICMP_TIME_EXCEEDED,
    PS_ICMP_UNREACHABLE,
};

struct ps_icmp_answer {
    enum ps_icmp_kind kind;
    uint16_t id;
    uint16_t seq;
    /* Echo replies: the payload's nonce. */
    uint64_t nonce;
    /* The others: what they quote of the probe. */
    uint16_t checksum;
    struct ps_addr quoted_target;
    /* PS_ICMP_UNREACHABLE: its name, a constant ("host_unreachable"). */
    const char *unreachable;
};

/*
 * Reads what a raw socket gave: with the IP header for family 4, from the
 * ICMPv6 header on for family 6. -ENOMSG: well formed but no answer to an
 * echo request; -EBADMSG: short, or its checksum (IPv4) or quote is wrong.
 */
int ps_icmp_parse(unsigned int family, const uint8_t *buf, size_t len,
                  struct ps_icmp_answer *ret_answer);

/* Whether it is an answer to a probe of this flow; the id is the same. */
bool ps_icmp_answers(const struct ps_icmp_flow *flow,
                     const struct ps_icmp_answer *answer);

#endif
