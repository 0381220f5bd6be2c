/* SPDX-License-Identifier: MIT */
/* Traces from their start to their end. */
#include <sys/random.h>

#include "common/json.h"
#include "tracer/tracer.h"

#define TICK_NS   (10 * PS_NS_PER_MS)
#define ENDING_NS (20 * PS_NS_PER_MS)
/* After so long its last events were taken in, also where other traces fill the
 * ring as fast as it is emptied. */
#define EMPTIED_NS (2 * PS_NS_PER_S)
/* A program tells of a packet so long after it looked at the clock, at most. */
#define TELLING_NS PS_NS_PER_MS
/* Between two tries to write. */
#define UNSAVED_NS PS_NS_PER_S

void ps_tracer_names(const struct tracer *t, const struct ps_trace *trace,
                     struct ps_names *ret_names)
{
    *ret_names = (struct ps_names){
        .calls = trace ? trace->calls : NULL,
        .carry = trace ? trace->carry : NULL,
        .functions_tier = t->functions ? ps_functions_tier(t->functions) : NULL,
        .ksyms = t->ksyms,
        .reasons = t->reasons,
        .tier = t->probes ? ps_probes_tier(t->probes) : NULL,
        .mono_to_unix = t->mono_to_unix,
        .owners = t->owners,
        .rules = trace ? trace->rules : NULL,
    };
}

struct ps_trace *ps_traces_find(struct tracer *t, const char *id)
{
    for (size_t i = 0; i < PS_TRACER_MAX_TRACES; i++)
        if (t->traces[i].phase != PS_TRACE_FREE && !t->traces[i].discard &&
            !strcmp(t->traces[i].msg->id, id))
            return &t->traces[i];
    return NULL;
}

size_t ps_traces_running(const struct tracer *t)
{
    size_t n = 0;

    for (size_t i = 0; i < PS_TRACER_MAX_TRACES; i++)
        n += t->traces[i].phase != PS_TRACE_FREE &&
             t->traces[i].phase <= PS_TRACE_ENDING;
    return n;
}

/* Also those that are only not stored yet. */
static bool any_trace(const struct tracer *t)
{
    for (size_t i = 0; i < PS_TRACER_MAX_TRACES; i++)
        if (t->traces[i].phase != PS_TRACE_FREE)
            return true;
    return false;
}

unsigned int ps_trace_slot(const struct tracer *t, const struct ps_trace *trace)
{
    return (unsigned int)(trace - t->traces);
}

/* ---- end ---------------------------------------------------------------- */

static void finish(struct tracer *t, struct ps_trace *trace)
{
    ps_traces_functions_finish(trace);
    ps_select_tick(t, trace, true, ps_mono_ns());
    ps_account_add_up(t, trace);
    ps_ownership_tick(t, true);
    trace->phase = PS_TRACE_SAVING;
    ps_traces_save(t, trace, ps_mono_ns());
}

static void switch_off(struct tracer *t, struct ps_trace *trace,
                       const char *reason, uint64_t now)
{
    ps_probes_clear_filter(t->probes, ps_trace_slot(t, trace));
    ps_traces_functions_clear(t, trace);
    ps_learn_stop(t, trace);
    trace->end_reason = reason;
    trace->phase = PS_TRACE_ENDING;
    trace->since = now;
}

void ps_traces_discard(struct tracer *t, struct ps_trace *trace)
{
    if (trace->phase < PS_TRACE_ENDING)
        switch_off(t, trace, "deleted", ps_mono_ns());
    trace->discard = true;
}

/* ---- the clock ---------------------------------------------------------- */

static bool is_full(const struct ps_trace *trace)
{
    return ps_join_packets(trace->join) == trace->msg->max_packets;
}

static void on_event(void *arg, struct ps_tracer_event *event,
                     const struct ps_event_more *more)
{
    unsigned int followed = event->flags >> PS_EF_FOLLOWED_SHIFT;
    uint32_t stack = event->stack, bytes = event->bytes;
    uint16_t flags = event->flags & ((1u << PS_EF_FOLLOWED_SHIFT) - 1);
    struct tracer *t = arg;

    t->came = true;
    t->newest = event->time;
    ps_ownership_note(t, event);
    for (size_t i = 0; i < PS_TRACER_MAX_TRACES; i++) {
        struct ps_trace *trace = &t->traces[i];

        /* What came late may be of the trace that had this slot before. */
        if (!(event->traces & (1u << i)) || !trace->join ||
            event->time < trace->started)
            continue;
        trace->delivered[event->station % PS_ST_MAX]++;
        event->flags = flags;
        if (followed & 1u << i)
            event->flags |= PS_EF_FOLLOWED;
        event->stack = ps_carry_put_stack(trace->carry, more->stack, stack);
        event->bytes = is_full(trace)
                           ? 0 /* they are of a packet that is not kept */
                           : ps_carry_put_bytes(trace->carry, more->bytes,
                                                bytes < trace->wish.snap_bytes
                                                    ? bytes
                                                    : trace->wish.snap_bytes);
        ps_drops_join(t, trace, event);
    }
}

/* Of what nobody will read the last events are not waited for. */
static bool is_over(const struct tracer *t, const struct ps_trace *trace,
                    uint64_t now)
{
    uint64_t since = now - trace->since;

    if (trace->discard)
        return since >= ENDING_NS;
    return since >= (t->emptied ? ENDING_NS : EMPTIED_NS) &&
           ps_guard_is_past(t->guard, trace->since);
}

static void advance(struct tracer *t, struct ps_trace *trace, uint64_t now)
{
    switch (trace->phase) {
    case PS_TRACE_FREE:
        return;
    case PS_TRACE_RUNNING:
        ps_select_tick(t, trace, false, now);
        ps_keep_settled(t, trace, now);
        if (now >= trace->deadline)
            switch_off(t, trace, "duration", now);
        else if (is_full(trace) && ps_account_is_quiet(t, trace, now))
            switch_off(t, trace, "packets", now);
        return;
    case PS_TRACE_ENDING:
        if (is_over(t, trace, now))
            finish(t, trace);
        return;
    case PS_TRACE_SAVING:
        ps_traces_save(t, trace, now);
        return;
    case PS_TRACE_UNSAVED:
        if (now - trace->since >= UNSAVED_NS)
            ps_traces_save(t, trace, now);
        return;
    }
}

bool ps_traces_consume(struct tracer *t)
{
    uint64_t until = ps_mono_ns() - TELLING_NS;
    bool functions;
    int n;

    ps_nft_tick(t->nft);
    n = ps_probes_consume(t->probes, on_event, t);
    /* The stations go before: a packet begins where they show it. */
    if (n >= (int)PS_PROBES_AT_ONCE && t->newest < until)
        until = t->newest;
    functions = ps_traces_functions_consume(t, until);
    return functions && n < (int)PS_PROBES_AT_ONCE;
}

void ps_traces_ring(evutil_socket_t fd _unused_, short what _unused_, void *arg)
{
    struct tracer *t = arg;

    if (ps_traces_running(t))
        ps_traces_consume(t);
}

void ps_traces_tick(evutil_socket_t fd _unused_, short what _unused_, void *arg)
{
    struct tracer *t = arg;
    uint64_t now = ps_mono_ns();

    t->emptied = ps_traces_consume(t);
    if (ps_traces_running(t))
        ps_guard_tick(t->guard, now);
    ps_ownership_tick(t, false);
    ps_learn_tick(t, now);
    ps_traces_renew(t, now);
    ps_account_tick(t, now);
    for (size_t i = 0; i < PS_TRACER_MAX_TRACES; i++)
        advance(t, &t->traces[i], now);
    if (!ps_traces_running(t)) {
        ps_traces_detach(t);
        ps_account_rest(t);
        ps_nft_rest(t->nft);
    }
    /* Last: once functions are as they were, the kernel lets this thread wait
     * for all tasks. */
    ps_traces_functions_tick(t);
    if (!any_trace(t)) {
        ps_ownership_forget(t);
        event_del(t->tick);
    }
}

/* All of it: there is no later. */
static void end_now(struct tracer *t, struct ps_trace *trace)
{
    if (trace->phase == PS_TRACE_ENDING)
        finish(t, trace);
    while (trace->phase == PS_TRACE_SAVING)
        ps_traces_save(t, trace, ps_mono_ns());
    if (trace->phase == PS_TRACE_UNSAVED) {
        ps_traces_save(t, trace, ps_mono_ns());
        if (trace->phase == PS_TRACE_UNSAVED)
            ps_traces_free(trace);
    }
}

void ps_traces_end_all(struct tracer *t, const char *reason)
{
    bool any = false;

    for (size_t i = 0; i < PS_TRACER_MAX_TRACES; i++) {
        if (t->traces[i].phase == PS_TRACE_FREE)
            continue;
        any = true;
        if (t->traces[i].phase < PS_TRACE_ENDING)
            switch_off(t, &t->traces[i], reason, ps_mono_ns());
    }
    if (!any)
        return;
    usleep(ENDING_NS / 1000);
    /* No program fills it any more. */
    while (!ps_traces_consume(t))
        ;
    for (size_t i = 0; i < PS_TRACER_MAX_TRACES; i++)
        end_now(t, &t->traces[i]);
    ps_traces_functions_tick(t);
    ps_traces_detach(t);
    ps_account_rest(t);
    ps_nft_rest(t->nft);
    ps_ownership_forget(t);
}

/* ---- start -------------------------------------------------------------- */

static int set_identity(Ps__Trace *msg)
{
    uint64_t number;

    if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
        return -EIO;
    free(msg->id);
    if (asprintf(&msg->id, "%012llx",
                 (unsigned long long)(number & 0xffffffffffff)) < 0) {
        msg->id = NULL;
        return -ENOMEM;
    }
    msg->state = PS__TRACE__STATE__running;
    msg->created = ps_time_to_pb(ps_now_ns());
    return msg->created ? 0 : -ENOMEM;
}

/* Everything that can fail, with nothing switched on yet. */
static int prepare(struct tracer *t, struct ps_trace *trace,
                   const struct ps_filter *filter)
{
    int r;

    trace->filter = malloc(sizeof(*filter));
    if (!trace->filter)
        return -ENOMEM;
    *trace->filter = *filter;
    r = ps_join_new(trace->msg->max_packets, &trace->join);
    if (r == 0)
        r = ps_join_select(trace->join, ps_filter_selects(filter));
    if (r == 0)
        r = ps_carry_new(&trace->carry);
    if (r == 0)
        r = ps_rules_new(&trace->rules);
    if (r == 0)
        r = ps_keep_init(&trace->keep, trace->msg->max_packets);
    if (r == 0)
        r = ps_traces_functions_start(t, trace, filter);
    if (r == 0)
        r = ps_traces_attach(t);
    if (r == 0)
        r = ps_traces_stations(t, trace->msg);
    if (r == 0)
        r = ps_history_put(t->history, trace->msg);
    return r;
}

int ps_traces_start(struct tracer *t, Ps__Trace *msg,
                    const struct ps_filter *filter)
{
    struct timeval tick = {0, (suseconds_t)(TICK_NS / 1000)};
    struct ps_trace *trace = NULL;
    int r = t->probes ? set_identity(msg) : -EOPNOTSUPP;

    if (r == 0)
        r = ps_traces_place(t, msg, &trace);
    if (r < 0) {
        ps__trace__free_unpacked(msg, NULL);
        return r;
    }
    trace->msg = msg;
    trace->started = ps_mono_ns();
    trace->wish = (struct ps_probe_wish){
        .stacks = msg->has_stacks && msg->stacks,
        .snap_bytes = msg->has_snaplen ? msg->snaplen : 0,
    };
    r = prepare(t, trace, filter);
    if (r == 0) {
        /* Once for all that run together: their times stay comparable. */
        if (!any_trace(t))
            t->mono_to_unix = ps_now_ns() - ps_mono_ns();
        trace->since = trace->changed = ps_mono_ns();
        trace->deadline = trace->since + msg->duration_ns;
        ps_learn_ask(t, trace);
        r = ps_probes_set_filter(t->probes, ps_trace_slot(t, trace), filter,
                                 &trace->wish);
    }
    if (r < 0) {
        ps_history_delete(t->history, msg->id);
        ps_learn_stop(t, trace);
        ps_traces_functions_clear(t, trace);
        ps_traces_free(trace);
        ps_traces_functions_tick(t);
        if (!ps_traces_running(t))
            ps_traces_detach(t);
        return r;
    }
    ps_traces_await(t);
    trace->phase = PS_TRACE_RUNNING;
    ps_account_start(t, trace);
    t->traces_started++;
    event_add(t->tick, &tick);
    return 0;
}

/* ---- change ------------------------------------------------------------- */

int ps_traces_change(struct tracer *t, struct ps_trace *trace,
                     const Ps__TraceFilter *asked,
                     const struct ps_filter *filter)
{
    Ps__TraceFilter *copy = ps_filter_copy(asked);
    uint64_t since = ps_mono_ns() - trace->changed;

    if (!copy || ps_join_select(trace->join, ps_filter_selects(filter)) < 0) {
        if (copy)
            ps__trace_filter__free_unpacked(copy, NULL);
        return -ENOMEM;
    }
    if (since < PS_FILTER_CHANGE_NS)
        usleep((useconds_t)((PS_FILTER_CHANGE_NS - since) / 1000));
    *trace->filter = *filter;
    ps_learn_stop(t, trace);
    ps_probes_change_filter(t->probes, ps_trace_slot(t, trace), filter);
    ps_traces_functions_change(t, trace, filter);
    trace->changed = ps_mono_ns();
    ps_learn_ask(t, trace);
    ps__trace_filter__free_unpacked(trace->msg->filter, NULL);
    trace->msg->filter = copy;
    return 0;
}
