/* SPDX-License-Identifier: MIT */
/* What is attached while traces run, and what is said of it. */
#include "common/json.h"
#include "tracer/tracer.h"

/* How often new namespaces and interfaces are looked for; less often where that
 * takes more than a hundredth of a core. */
#define LOOK_NS    PS_NS_PER_S
#define LOOK_SHARE 100

static void free_stations(Ps__Capability **stations, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ps__capability__free_unpacked(stations[i], NULL);
    free(stations);
}

static int add(Ps__Trace *msg, Ps__Capability **ret_capability)
{
    Ps__Capability *c =
        (Ps__Capability *)ps_message_new(&ps__capability__descriptor);

    if (!c)
        return -ENOMEM;
    msg->stations[msg->n_stations++] = c;
    *ret_capability = c;
    return 0;
}

static int add_state(Ps__Trace *msg, const struct ps_probe_state *state)
{
    Ps__Capability *c;
    int r = add(msg, &c);

    if (r < 0)
        return r;
    c->id = strdup(state->id);
    c->available = state->available;
    c->tier = state->tier ? strdup(state->tier) : NULL;
    c->reason = state->reason[0] ? strdup(state->reason) : NULL;
    return c->id ? 0 : -ENOMEM;
}

int ps_traces_stations(const struct tracer *t, Ps__Trace *msg)
{
    const struct ps_probe_state *states;
    Ps__Trace made = PS__TRACE__INIT;
    Ps__Capability *c;
    size_t n;
    int r = 0;

    states = ps_probes_states(t->probes, &n);
    made.stations = calloc(n + 1, sizeof(*made.stations));
    if (!made.stations)
        return -ENOMEM;
    for (size_t i = 0; i < n && r == 0; i++)
        r = add_state(&made, &states[i]);
    if (r == 0 && ps_streq(msg->tier, "function")) {
        r = add(&made, &c);
        if (r == 0)
            r = ps_traces_functions_state(t, c);
    }
    if (r < 0) {
        free_stations(made.stations, made.n_stations);
        return r;
    }
    free_stations(msg->stations, msg->n_stations);
    msg->stations = made.stations;
    msg->n_stations = made.n_stations;
    return 0;
}

/* Without memory a trace says what there was before. */
static void tell_stations(struct tracer *t)
{
    for (size_t i = 0; i < PS_TRACER_MAX_TRACES; i++)
        if (t->traces[i].phase == PS_TRACE_RUNNING)
            ps_traces_stations(t, t->traces[i].msg);
}

static void renew(struct tracer *t)
{
    uint64_t before = ps_mono_ns(), took;

    if (ps_probes_is_behind(t->probes)) {
        ps_expedite_begin(t->expedite);
        ps_probes_renew(t->probes);
        ps_expedite_end(t->expedite);
        tell_stations(t);
    }
    took = ps_mono_ns() - before;
    t->next_renewal =
        before + (took * LOOK_SHARE < LOOK_NS ? LOOK_NS : took * LOOK_SHARE);
}

static int attach_all(struct tracer *t)
{
    int r;

    /* The kernel waits for all CPUs at nearly each link, when it is made and at
     * its end; this thread does nothing else meanwhile. */
    ps_expedite_begin(t->expedite);
    r = ps_probes_attach(t->probes, true);
    if (r == 0)
        ps_ownership_start(t);
    ps_expedite_end(t->expedite);
    t->next_renewal = ps_mono_ns() + LOOK_NS;
    return r;
}

/* ---- waiting ------------------------------------------------------------ */

static void tell_complete(struct tracer *t, bool functions, uint64_t since)
{
    for (size_t i = 0; i < PS_TRACER_MAX_TRACES; i++)
        if (t->traces[i].join && (functions || !t->traces[i].calls))
            ps_join_complete_since(t->traces[i].join, since);
}

/* What comes by a socket that was learned has no tuple that an entry knows; and
 * probes that are still to be put, one by one, are not taken off meanwhile. */
static bool may_wait(const struct tracer *t)
{
    for (size_t i = 0; i < PS_TRACER_MAX_TRACES; i++)
        if (t->traces[i].phase == PS_TRACE_RUNNING &&
            ps_filter_asks_process(t->traces[i].filter))
            return false;
    return t->waiting.on || ps_traces_functions_all(t);
}

/* came: something did that a trace asks for. */
static void stop_waiting(struct tracer *t, bool came)
{
    t->waiting.on = false;
    t->waiting.returning = true;
    attach_all(t);
    ps_traces_functions_resume(t, came);
    tell_stations(t);
    tell_complete(t, false, ps_mono_ns());
}

static void start_waiting(struct tracer *t)
{
    tell_complete(t, true, UINT64_MAX);
    ps_traces_functions_rest(t);
    ps_expedite_begin(t->expedite);
    ps_probes_wait(t->probes);
    ps_ownership_end(t);
    ps_expedite_end(t->expedite);
}

void ps_traces_await(struct tracer *t)
{
    bool others = false;

    for (size_t i = 0; i < PS_TRACER_MAX_TRACES; i++)
        others |= t->traces[i].phase == PS_TRACE_RUNNING;
    ps_waiting_start(&t->waiting, others, ps_mono_ns());
}

static void wait_or_not(struct tracer *t, uint64_t now)
{
    bool came = t->came;

    t->came = false;
    if (ps_waiting_returned(&t->waiting, ps_traces_functions_all(t)))
        tell_complete(t, true, now);
    if (!ps_waiting_tick(&t->waiting, came, may_wait(t),
                         t->budget.programs / t->budget.share, t->budget.last,
                         now))
        return;
    if (t->waiting.on)
        start_waiting(t);
    else
        stop_waiting(t, came);
}

/* ---- all ---------------------------------------------------------------- */

int ps_traces_attach(struct tracer *t)
{
    if (!ps_probes_attached(t->probes))
        return attach_all(t);
    if (t->waiting.on)
        stop_waiting(t, false);
    else
        renew(t);
    return 0;
}

void ps_traces_renew(struct tracer *t, uint64_t now)
{
    if (!ps_probes_attached(t->probes))
        return;
    wait_or_not(t, now);
    if (now >= t->next_renewal && ps_traces_running(t))
        renew(t);
}

void ps_traces_detach(struct tracer *t)
{
    if (!ps_probes_attached(t->probes))
        return;
    ps_expedite_begin(t->expedite);
    ps_probes_detach(t->probes);
    ps_ownership_end(t);
    ps_expedite_end(t->expedite);
}
