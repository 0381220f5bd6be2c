/* SPDX-License-Identifier: MIT */
#include "tracer/waiting.h"

void ps_waiting_start(struct ps_waiting *w, bool others, uint64_t now)
{
    *w = (struct ps_waiting){
        .came = others && w->came, .quiet = now, .since = now};
}

static bool shall_wait(const struct ps_waiting *w, double share,
                       uint64_t measured, uint64_t now)
{
    uint64_t enough = w->came ? PS_WAITING_QUIET_NS : PS_WAITING_FIRST_NS;

    return now - w->quiet >= enough && measured > w->since &&
           share > PS_WAITING_ABOVE;
}

bool ps_waiting_tick(struct ps_waiting *w, bool came, bool may, double share,
                     uint64_t measured, uint64_t now)
{
    bool on = w->on;

    if (came) {
        w->came = true;
        w->quiet = now;
    }
    if (came || !may)
        on = false;
    else if (!on)
        on = shall_wait(w, share, measured, now);
    else if (measured > w->since && share < PS_WAITING_BELOW)
        on = false;
    if (on == w->on)
        return false;
    w->on = on;
    w->since = now;
    return true;
}
