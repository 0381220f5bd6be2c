/* SPDX-License-Identifier: MIT */
/* What became of a packet, by its steps. */
#include "tracer/join_internal.h"

const char *ps_join_fate(const struct ps_join *j, const struct ps_way *way,
                         ps_free_fn freed, const void *arg)
{
    bool delivered = false, dropped = false, forwarded = false, sent = false;
    const struct ps_step *s;

    for (uint32_t i = way->steps; i != PS_JOIN_NONE; i = s->next) {
        s = &j->steps[i];
        if (s->station == PS_ST_COPY_DATAGRAM || freed(arg, s) == PS_FREE_READ)
            delivered = true;
        dropped |= freed(arg, s) == PS_FREE_LOSS;
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
