/* SPDX-License-Identifier: MIT */
/* What became of a packet, by its steps. */
#include "tracer/join_internal.h"

/* Whether it is at a socket after this step, which it was before or not. */
static bool has_come(const struct ps_step *s, bool before)
{
    const char *direction = ps_station_get(s->station)->direction;

    if (s->station == PS_ST_NF_INPUT || s->station == PS_ST_CGROUP_INGRESS ||
        s->station == PS_ST_TCP_PROBE)
        return true;
    /* The driver's return may be told of when it is there already. */
    return before &&
           (s->station == PS_ST_NET_DEV_XMIT || !ps_streq(direction, "out"));
}

const char *ps_join_fate(const struct ps_join *j, const struct ps_way *way,
                         ps_free_fn freed, const void *arg)
{
    bool delivered = false, dropped = false, forwarded = false, sent = false;
    const struct ps_step *s;
    bool came = false;
    enum ps_free end;

    for (uint32_t i = way->steps; i != PS_JOIN_NONE; i = s->next) {
        s = &j->steps[i];
        end = freed(arg, s);
        if (s->station == PS_ST_COPY_DATAGRAM ||
            s->station == PS_ST_SOCK_RECV || end == PS_FREE_READ ||
            (end == PS_FREE_LATER && came))
            delivered = true;
        dropped |= end == PS_FREE_LOSS;
        came = has_come(s, came);
        forwarded |= s->station == PS_ST_NF_FORWARD;
        /* Received again after it was sent: it is not known to have left. */
        if (s->station == PS_ST_NET_DEV_XMIT)
            sent = s->reason == 0;
        else if (s->station == PS_ST_NETIF_RECEIVE_SKB)
            sent = false;
    }
    if (delivered)
        return "delivered";
    if (dropped)
        return "dropped";
    if (sent)
        return forwarded ? "forwarded" : "sent";
    return NULL;
}

uint32_t ps_join_drops(const struct ps_join *j, ps_free_fn freed,
                       const void *arg)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < j->n_ways; i++) {
        const struct ps_way *way = &j->ways[i];

        if (way->number != PS_JOIN_NONE && way->dropped)
            n += ps_streq(ps_join_fate(j, way, freed, arg), "dropped");
    }
    return n;
}
