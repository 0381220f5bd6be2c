/* SPDX-License-Identifier: MIT */
#include "tracer/budget.h"

/* Fewer packets only once there is clearly room: else it swings. */
#define ROOM 0.5
/* A step up helps where no more than this is used after it. */
#define HELPED 0.9
/* More than so many times the floor is worth another try. */
#define RISEN 1.25

void ps_budget_start(struct ps_budget *b, double share, uint64_t now,
                     uint64_t own_ns)
{
    uint64_t programs = b->programs_ns;

    *b = (struct ps_budget){
        .share = share,
        .throttle = 1,
        .since = now,
        .own_ns = own_ns,
        .own_since = now,
        .programs_ns = programs,
    };
}

/* What is followed is what costs, so the cost goes with the share followed;
 * that it is not all of it only makes the next step a smaller one. */
static uint32_t choose(const struct ps_budget *b)
{
    double times = b->used / b->share;
    double next = b->throttle * times;

    if (times > 1)
        next = next < b->throttle + 1 ? b->throttle + 1 : next;
    else if (times > ROOM)
        return b->throttle;
    else if (next < b->throttle / 2.0)
        next = b->throttle / 2.0;
    if (next < 1)
        return 1;
    return next > PS_BUDGET_MAX_THROTTLE ? PS_BUDGET_MAX_THROTTLE
                                         : (uint32_t)next;
}

static void step(struct ps_budget *b, bool over)
{
    uint32_t from = b->tried_from, next;

    b->tried_from = 0;
    if (from && b->used > b->tried_used * HELPED) {
        b->throttle = from;
        b->floor = b->used;
        return;
    }
    if (!over)
        b->floor = 0;
    if ((over && !b->over) || b->used < b->floor * RISEN)
        return;
    next = choose(b);
    if (next > b->throttle) {
        b->tried_from = b->throttle;
        b->tried_used = b->used;
    }
    b->throttle = next;
}

static void end_window(struct ps_budget *b, uint64_t now, uint64_t run_ns,
                       uint64_t own_ns)
{
    double window = (double)(now - b->since);
    double programs = (double)(run_ns - b->run_ns) / window;
    double stretch = b->last ? (double)(now - b->last) : window;
    bool over;

    b->programs = programs;
    b->used = programs +
              (double)(own_ns - b->own_ns) / (double)(now - b->own_since);
    b->programs_ns += (uint64_t)(programs * stretch);
    over = b->used > b->share;
    step(b, over);
    b->over = over;
    b->own_ns = own_ns;
    b->own_since = now;
    b->measuring = false;
    b->since = b->last = now;
}

bool ps_budget_tick(struct ps_budget *b, uint64_t now, uint64_t run_ns,
                    uint64_t own_ns)
{
    if (!b->measuring) {
        if (b->last && now - b->since < PS_BUDGET_PERIOD_NS)
            return false;
        b->measuring = true;
        b->since = now;
        b->run_ns = run_ns;
        return true;
    }
    if (now - b->since < PS_BUDGET_WINDOW_NS)
        return false;
    end_window(b, now, run_ns, own_ns);
    return true;
}
