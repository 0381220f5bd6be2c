/* SPDX-License-Identifier: MIT */
/*
 * Packets that are kept by what became of them: min_latency_ns and drops_only.
 * Decided once a way has ended: what became of it is known and nothing new came
 * for a while, or nothing came for as long as a packet is believed to live.
 */
#include "tracer/tracer.h"

#define SETTLED_NS (100 * PS_NS_PER_MS)
/* Looked at in one go. */
#define LOOKS 2048u

static bool is_wanted(const struct ps_trace *trace, const struct ps_way *way,
                      const char *fate)
{
    const struct ps_filter *f = trace->filter;
    const struct ps_step *first = ps_join_step(trace->join, way->steps);

    if (f->drops_only && !ps_streq(fate, "dropped"))
        return false;
    return !f->min_latency_ns ||
           (first && way->last - first->time >= f->min_latency_ns);
}

/* For so long nothing comes of a packet whose fate is not known, before it is
 * taken for gone: the shorter, the less room is left for others. */
static uint64_t patience(const struct ps_trace *trace)
{
    const uint32_t few = PS_JOIN_CANDIDATES / 4, many = 3 * few;
    uint32_t n = ps_join_candidates(trace->join);

    if (n <= few)
        return PS_JOIN_WINDOW_NS;
    return n >= many ? 0 : PS_JOIN_WINDOW_NS / (many - few) * (many - n);
}

/* quiet: for so long nothing came. */
static bool is_over(const struct ps_trace *trace, const char *fate,
                    uint64_t quiet)
{
    return quiet >= SETTLED_NS && (fate || quiet >= patience(trace));
}

struct recarry {
    const struct ps_carry *from;
    struct ps_carry *to;
};

static void move_carried(void *arg, uint32_t *stack, uint32_t *bytes)
{
    struct recarry *r = arg;
    const uint64_t *frames;
    const uint8_t *data;
    uint32_t n;

    frames = ps_carry_stack(r->from, *stack, &n);
    *stack = ps_carry_put_stack(r->to, frames, n);
    data = ps_carry_bytes(r->from, *bytes, &n);
    *bytes = ps_carry_put_bytes(r->to, data, n);
}

static void tidy(struct ps_trace *trace)
{
    struct recarry r = {.from = trace->carry};

    if (!ps_join_tidy(trace->join) || ps_carry_new(&r.to) < 0)
        return;
    ps_carry_add_lost(r.to, ps_carry_lost(r.from));
    ps_join_carried(trace->join, move_carried, &r);
    ps_carry_free(&trace->carry);
    trace->carry = r.to;
}

void ps_select_tick(struct tracer *t, struct ps_trace *trace, bool all,
                    uint64_t now)
{
    uint32_t place = all ? 0 : trace->select_next, looks = 0;
    struct ps_names names;

    ps_tracer_names(t, trace, &names);
    for (; ps_join_candidates(trace->join) && (all || looks < LOOKS); looks++) {
        const struct ps_way *way;
        const char *fate;
        uint64_t quiet;

        place = ps_join_candidate(trace->join, place);
        if (place == PS_JOIN_NONE)
            break;
        way = ps_join_at(trace->join, place);
        quiet = now > way->last ? now - way->last : 0;
        fate = all || quiet >= SETTLED_NS
                   ? ps_join_fate(trace->join, way, ps_names_free, &names)
                   : NULL;
        if (all || is_over(trace, fate, quiet))
            ps_join_want(trace->join, place, is_wanted(trace, way, fate));
        place++;
    }
    trace->select_next = looks == LOOKS && place != PS_JOIN_NONE ? place : 0;
    if (trace->select_next == 0)
        tidy(trace);
}
