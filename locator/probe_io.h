/* SPDX-License-Identifier: MIT */
/*
 * The raw ICMP sockets: opened with CAP_NET_RAW, used without it.
 *
 * Times are the kernel's own (SO_TIMESTAMPING, software): when an answer came
 * in, and, a moment after a send, when the probe went to the driver.
 */
#ifndef PS_LOCATOR_PROBE_IO_H
#define PS_LOCATOR_PROBE_IO_H

#include "locator/icmp.h"

/* Sends whose time of sending may still be told. */
#define PS_PROBE_PENDING 1024

struct ps_probe_id {
    uint16_t id, seq;
};

struct ps_probe_socket {
    int fd; /* -1: not open */
    unsigned int family;
    bool listening;
    bool stamps;       /* the kernel tells times of sending */
    uint32_t next_key; /* of the next send, as the kernel counts */
    uint32_t overflow; /* datagrams lost in the socket's queue, so far */
    struct ps_probe_id pending[PS_PROBE_PENDING];
};

/* ret_step: what failed, a constant. The socket does not listen yet. */
int ps_probe_open(unsigned int family, struct ps_probe_socket *ret_sock,
                  const char **ret_step);
void ps_probe_close(struct ps_probe_socket *sock);
/*
 * Off: the kernel drops everything before it is queued, so that a host that
 * measures nothing does not wake for the ICMP of others.
 */
int ps_probe_listen(struct ps_probe_socket *sock, bool on);

/* The source address that the kernel chooses for a target now. */
int ps_probe_source(const struct ps_addr *target, struct ps_addr *ret_source);

/* Sends the probe with this hop limit. 0 or -errno. */
int ps_probe_send(struct ps_probe_socket *sock, const struct ps_icmp_flow *flow,
                  uint16_t seq, uint8_t ttl);

struct ps_probe_datagram {
    struct ps_addr from;
    uint64_t rx_real; /* CLOCK_REALTIME, 0: not told */
    size_t len;
    uint8_t bytes[PS_ICMP_ANSWER_BYTES];
};

/* -EAGAIN: nothing more. */
int ps_probe_receive(struct ps_probe_socket *sock,
                     struct ps_probe_datagram *ret_datagram);
/* Time of sending of an earlier probe; -EAGAIN: nothing more. */
int ps_probe_sent_time(struct ps_probe_socket *sock, struct ps_probe_id *ret_id,
                       uint64_t *ret_real);

#endif
