/* SPDX-License-Identifier: MIT */
/* What a trace of the function tier does beside that of the core tier. */
#include "common/json.h"
#include "tracer/tracer.h"

/* Of each tick, for probes that are still to be put. */
#define STEP_NS (8 * PS_NS_PER_MS)
/* Before the answer to who asked for the trace. */
#define FIRST_NS (40 * PS_NS_PER_MS)

static unsigned int slot_of(const struct tracer *t,
                            const struct ps_trace *trace)
{
    return (unsigned int)(trace - t->traces);
}

int ps_traces_functions_start(struct tracer *t, struct ps_trace *trace,
                              const struct ps_filter *filter)
{
    const struct ps_functions_wish wish = {
        .stacks = trace->wish.stacks,
        .sockets = trace->msg->has_sockets && trace->msg->sockets,
    };
    uint64_t last;
    int r;

    if (!ps_streq(trace->msg->tier, "function"))
        return 0;
    trace->missed_before = ps_functions_missed(t->functions);
    r = ps_calls_new(ps_join_max_ways(trace->join), &trace->calls);
    if (r == 0 && wish.sockets)
        r = ps_sockcalls_new(trace->calls, &trace->sockcalls);
    if (r == 0 && wish.sockets)
        trace->untold = ps_functions_untold(t->functions, &last);
    /* The filter first: what is attached sees packets at once. */
    if (r == 0)
        r = ps_functions_set_filter(t->functions, slot_of(t, trace), filter,
                                    &wish);
    if (r == 0)
        r = ps_functions_attach(t->functions, FIRST_NS);
    if (r == 0 && wish.sockets)
        r = ps_functions_attach_sockets(t->functions);
    return r;
}

void ps_traces_functions_change(struct tracer *t, const struct ps_trace *trace,
                                const struct ps_filter *filter)
{
    if (trace->calls)
        ps_functions_change_filter(t->functions, slot_of(t, trace), filter);
}

void ps_traces_functions_clear(struct tracer *t, const struct ps_trace *trace)
{
    if (trace->calls)
        ps_functions_clear_filter(t->functions, slot_of(t, trace));
}

static void on_call(const struct ps_trace *trace, const struct ps_fn_call *call,
                    const uint64_t *frames)
{
    uint32_t way, stack = 0;
    struct ps_tracer_event event;
    enum ps_join_result result;

    if (call->packet & PS_FN_NEW) {
        ps_calls_event(call, &event);
        /* Only packets of IP fit; of this one the header could not be read. */
        way = PS_CALLS_NONE;
        result = event.tuple.family
                     ? ps_join_sight(trace->join, &event, true, &way)
                     : PS_JOIN_NO_PACKET;
        ps_calls_name(trace->calls, call->packet & PS_FN_ID_MASK, way, result);
    }
    if (trace->wish.stacks)
        stack = ps_carry_put_stack(trace->carry, frames, call->frames);
    if (trace->sockcalls)
        ps_sockcalls_packet(trace->sockcalls, call);
    ps_calls_add(trace->calls, call, stack);
}

/* A return; or a call of a socket, or its return. */
static void on_return(const struct ps_trace *trace,
                      const struct ps_fn_return *ret)
{
    if (ret->kind == PS_FN_RETURN)
        ps_calls_return(trace->calls, ret);
    if (!trace->sockcalls)
        return;
    if (ret->kind == PS_FN_SOCKET)
        ps_sockcalls_add(trace->sockcalls, ret);
    else
        ps_sockcalls_return(trace->sockcalls, ret);
}

/* Of calls that seem to be open some may have returned, until what was told
 * behind the last return that was not. */
static void forget_untold(const struct tracer *t, struct ps_trace *trace,
                          uint64_t time)
{
    uint64_t last, untold = ps_functions_untold(t->functions, &last);

    if (untold == trace->untold)
        return;
    ps_sockcalls_forget(trace->sockcalls);
    if (time > last)
        trace->untold = untold;
}

static void on_record(void *arg, const struct ps_fn_call *call,
                      const uint64_t *stack, const struct ps_fn_return *ret)
{
    struct tracer *t = arg;
    unsigned int traces = call ? call->traces : ret->traces;
    uint64_t time = call ? call->time : ret->time;

    t->came = true;
    for (size_t i = 0; i < PS_TRACER_MAX_TRACES; i++) {
        if (!(traces & (1u << i)) || !t->traces[i].calls ||
            time < t->traces[i].started)
            continue;
        if (t->traces[i].sockcalls)
            forget_untold(t, &t->traces[i], time);
        if (call)
            on_call(&t->traces[i], call, stack);
        else
            on_return(&t->traces[i], ret);
    }
}

bool ps_traces_functions_consume(struct tracer *t, uint64_t until)
{
    if (!t->functions)
        return true;
    return ps_functions_consume(t->functions, until, on_record, t) <
           (int)PS_FUNCTIONS_AT_ONCE;
}

void ps_traces_functions_finish(struct ps_trace *trace)
{
    if (trace->sockcalls)
        ps_sockcalls_forget(trace->sockcalls);
}

static bool is_wanted(const struct ps_trace *trace)
{
    return trace->calls && trace->phase <= PS_TRACE_ENDING;
}

static bool sockets_wanted(const struct tracer *t)
{
    for (size_t i = 0; i < PS_TRACER_MAX_TRACES; i++)
        if (t->traces[i].sockcalls && is_wanted(&t->traces[i]))
            return true;
    return false;
}

bool ps_traces_functions_wanted(const struct tracer *t)
{
    for (size_t i = 0; i < PS_TRACER_MAX_TRACES; i++)
        if (is_wanted(&t->traces[i]))
            return true;
    return false;
}

void ps_traces_functions_tick(struct tracer *t)
{
    if (!t->functions || !ps_functions_attached(t->functions))
        return;
    if (!ps_traces_functions_wanted(t)) {
        ps_functions_detach(t->functions);
        return;
    }
    ps_functions_step(t->functions, STEP_NS);
    /* Also when all came back after a time without a packet. */
    if (sockets_wanted(t))
        ps_functions_attach_sockets(t->functions);
    else
        ps_functions_detach_sockets(t->functions);
}

/* ---- while nothing comes: waiting.h ------------------------------------- */

bool ps_traces_functions_all(const struct tracer *t)
{
    return !ps_traces_functions_wanted(t) ||
           (ps_functions_attached(t->functions) &&
            !ps_functions_pending(t->functions));
}

void ps_traces_functions_rest(struct tracer *t)
{
    if (t->functions && ps_functions_attached(t->functions))
        ps_functions_detach(t->functions);
}

void ps_traces_functions_resume(struct tracer *t, bool came)
{
    if (!ps_traces_functions_wanted(t))
        return;
    if (came)
        ps_functions_resume(t->functions, FIRST_NS);
    else
        ps_functions_attach(t->functions, FIRST_NS);
}

/* ---- as it is now ------------------------------------------------------- */

uint64_t ps_traces_functions_count(const struct tracer *t,
                                   const struct ps_trace *trace,
                                   enum ps_join_result result)
{
    uint64_t n = 0;

    if (t->functions && trace->calls)
        n = ps_calls_count(trace->calls, result);
    if (trace->sockcalls)
        n += ps_sockcalls_count(trace->sockcalls, result);
    return n;
}

void ps_traces_functions_hits(const struct tracer *t,
                              const struct ps_trace *trace,
                              struct ps_fn_count *ret_count)
{
    *ret_count = (struct ps_fn_count){0};
    if (trace->calls)
        ps_functions_counts(t->functions, slot_of(t, trace), ret_count);
}

uint64_t ps_traces_functions_missed(const struct tracer *t,
                                    const struct ps_trace *trace)
{
    return trace->calls
               ? ps_functions_missed(t->functions) - trace->missed_before
               : 0;
}

int ps_traces_functions_state(const struct tracer *t, Ps__Capability *s)
{
    size_t found = ps_functions_found(t->functions);
    size_t refused = ps_functions_refused(t->functions);
    size_t attached = ps_functions_attached(t->functions);

    s->available = true;
    s->id = strdup("functions");
    s->tier = strdup(ps_functions_tier(t->functions));
    if (!s->id || !s->tier)
        return -ENOMEM;
    if (!ps_functions_pending(t->functions) && attached == found)
        return 0;
    if ((t->waiting.on
             ? asprintf(&s->reason,
                        "it waits at the entries: the %zu functions have a "
                        "probe again once a packet came",
                        found)
             : asprintf(&s->reason,
                        "%zu of %zu functions have a probe, %zu were refused",
                        attached, found, refused)) < 0) {
        s->reason = NULL;
        return -ENOMEM;
    }
    return 0;
}
