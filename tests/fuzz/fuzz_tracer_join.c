/* SPDX-License-Identifier: MIT */
/* Any sequence of events, from few different values so that they collide:
 * each is a step or a named loss, and each way is in order of time. */
#include <netinet/in.h>

#include "tracer/join.h"
#include "tracer/station.h"

#define PACKETS 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ps_tracer_event make_event(const uint8_t *d)
{
    struct ps_tracer_event e = {
        .station = d[0] % (PS_ST_MAX + 1),
        .time = (uint64_t)d[1] * PS_NS_PER_MS,
        .skb = d[2] & 3,
        .head = d[2] >> 6,
        .netns = d[3] & 3,
        .ifindex = (d[3] >> 2) & 3,
        .seq = (uint32_t)(d[4] - 128) * 10,
        .payload = (uint32_t)(d[5] & 63) * 10,
        .ip_id = d[6] & 3,
        .reason = d[6] >> 6,
        .flags = d[7],
        .id = d[3] >> 6,
        .packets = (d[5] >> 6) + 1u,
        .other = {.family = 4,
                  .proto = d[7] & 64 ? IPPROTO_TCP : IPPROTO_UDP,
                  .sport = (d[3] >> 4) & 3},
        .tuple = {.family = 4,
                  .proto = d[7] & 64 ? IPPROTO_TCP : IPPROTO_UDP,
                  .sport = d[7] >> 7},
    };

    return e;
}

static void check(const struct ps_join *join, uint64_t events)
{
    const struct ps_way *way;
    uint64_t sum = 0;

    for (int i = 0; i < PS_JOIN_RESULTS; i++)
        sum += ps_join_count(join, (enum ps_join_result)i);
    if (sum != events || ps_join_packets(join) > PACKETS)
        abort();
    for (uint32_t n = 0; (way = ps_join_way(join, n)); n++) {
        const struct ps_step *step = ps_join_step(join, way->steps);
        unsigned int steps = 0;
        uint64_t last = 0;

        for (; step; step = ps_join_step(join, step->next), steps++) {
            if (step->time < last || !ps_station_get(step->station))
                abort();
            last = step->time;
        }
        if (steps != way->n_steps || steps == 0)
            abort();
    }
}

/* Of one that is not listed yet, where there is any. */
static void decide(struct ps_join *join, bool wanted)
{
    uint32_t place = ps_join_candidate(join, 0);

    if ((place == PS_JOIN_NONE) != (ps_join_candidates(join) == 0))
        abort();
    if (place != PS_JOIN_NONE)
        ps_join_want(join, place, wanted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ps_join *join = NULL;
    uint64_t events = 0;

    if (size < 1 || ps_join_new(PACKETS, &join) < 0 ||
        ps_join_select(join, data[0] & 2) < 0) {
        ps_join_free(&join);
        return 0;
    }
    for (size_t at = 1; at + 8 <= size; at += 8, events++) {
        struct ps_tracer_event e = make_event(data + at);

        ps_join_add(join, &e, true);
        if (data[at + 4] & 1)
            decide(join, data[at + 5] & 1);
    }
    check(join, events);
    ps_join_free(&join);
    return 0;
}
