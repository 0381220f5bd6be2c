/* SPDX-License-Identifier: MIT */
/* Steps of packets on their way from namespace 1 to namespace 2. */
#ifndef PS_TESTS_UNIT_JOIN_H
#define PS_TESTS_UNIT_JOIN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "tracer/join.h"
#include "tracer/station.h"

static inline bool is_in(uint8_t station)
{
    const char *dir = ps_station_get(station)->direction;

    return dir && !strcmp(dir, "in");
}

static inline struct ps_tracer_event udp(uint8_t station, uint64_t time,
                                         uint64_t skb, uint16_t id)
{
    struct ps_tracer_event e = {
        .time = time,
        .skb = skb,
        .head = skb + 1,
        .netns = is_in(station) ? 2 : 1,
        .ifindex = is_in(station) ? 20 : 10,
        .len = 128,
        .packets = 1,
        .payload = 100,
        .hash = 77,
        .flags = PS_EF_HASH,
        .ip_id = id,
        .station = station,
        .tuple = {.saddr = {10, 0, 0, 1},
                  .daddr = {10, 0, 0, 2},
                  .sport = 1000,
                  .dport = 2000,
                  .family = 4,
                  .proto = IPPROTO_UDP},
    };

    return e;
}

static inline struct ps_tracer_event
tcp(uint8_t station, uint64_t time, uint64_t skb, uint32_t seq, uint32_t len)
{
    struct ps_tracer_event e = udp(station, time, skb, 0);

    e.tuple.proto = IPPROTO_TCP;
    e.flags = 0;
    e.seq = seq;
    e.payload = len;
    return e;
}

static inline struct ps_tracer_event reader(uint64_t time, uint32_t seq,
                                            uint32_t len)
{
    struct ps_tracer_event e = tcp(PS_ST_COPY_DATAGRAM, time, 99, seq, len);

    e.flags = PS_EF_RANGE;
    return e;
}

static inline struct ps_join *new_join(uint32_t max)
{
    struct ps_join *j = NULL;

    assert_int_equal(ps_join_new(max, &j), 0);
    return j;
}

static inline enum ps_join_result add(struct ps_join *j,
                                      struct ps_tracer_event e)
{
    return ps_join_add(j, &e, true);
}

static inline const struct ps_step *nth(const struct ps_join *j, uint32_t way,
                                        unsigned int n)
{
    const struct ps_step *s = ps_join_step(j, ps_join_way(j, way)->steps);

    while (s && n--)
        s = ps_join_step(j, s->next);
    return s;
}

#endif
