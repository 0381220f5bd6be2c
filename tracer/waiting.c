/* SPDX-License-Identifier: MIT */
#include "tracer/waiting.h"

void ps_waiting_start(struct ps_waiting *w, bool others, uint64_t now)
{
    *w = (struct ps_waiting){.came = others && w->came,
                             .quiet = now,
                             .measured = now,
                             .returning = w->returning};
}

/* How many measurements after each other were so. */
static void count(struct ps_waiting *w, double share, uint64_t measured)
{
    if (measured <= w->measured)
        return;
    w->measured = measured;
    w->busy = share > PS_WAITING_ABOVE ? w->busy + 1 : 0;
    w->idle = share < PS_WAITING_BELOW ? w->idle + 1 : 0;
}

static bool shall_wait(const struct ps_waiting *w, uint64_t now)
{
    return w->busy >= PS_WAITING_WINDOWS &&
           (!w->came || now - w->quiet >= PS_WAITING_QUIET_NS);
}

bool ps_waiting_tick(struct ps_waiting *w, bool came, bool may, double share,
                     uint64_t measured, uint64_t now)
{
    bool on = w->on;

    count(w, share, measured);
    if (came) {
        w->came = true;
        w->quiet = now;
    }
    if (came || !may)
        on = false;
    else
        on = on ? w->idle < PS_WAITING_WINDOWS : shall_wait(w, now);
    if (on == w->on)
        return false;
    w->on = on;
    w->returning = !on;
    w->busy = w->idle = 0;
    /* What was measured across the change says nothing. */
    w->measured = now;
    return true;
}

bool ps_waiting_returned(struct ps_waiting *w, bool all)
{
    if (w->on || !w->returning || !all)
        return false;
    w->returning = false;
    return true;
}
