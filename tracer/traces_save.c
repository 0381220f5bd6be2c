/* SPDX-License-Identifier: MIT */
/* The end of a trace: its last ways, then itself, into the history. */
#include "common/json.h"
#include "tracer/tracer.h"

void ps_traces_free(struct ps_trace *trace)
{
    free(trace->filter);
    ps_join_free(&trace->join);
    ps_sockcalls_free(&trace->sockcalls);
    ps_calls_free(&trace->calls);
    ps_carry_free(&trace->carry);
    ps_rules_free(&trace->rules);
    ps_keep_clear(&trace->keep);
    if (trace->msg)
        ps__trace__free_unpacked(trace->msg, NULL);
    *trace = (struct ps_trace){0};
}

static void announce_end(struct tracer *t, const Ps__Trace *msg)
{
    char packets[24], drops[24];

    snprintf(packets, sizeof(packets), "%llu",
             (unsigned long long)msg->packets);
    snprintf(drops, sizeof(drops), "%llu", (unsigned long long)msg->drops);
    ps_publish(t->daemon, "trace", &msg->base, false);
    ps_event(t->daemon, PS__EVENT__SEVERITY__info, "tracer.trace_done",
             (const struct ps_event_param[]){{"id", msg->id},
                                             {"reason", msg->end_reason},
                                             {"packets", packets},
                                             {"drops", drops},
                                             {NULL, NULL}},
             "Trace %s ended (%s): %s packets, %s dropped.", msg->id,
             msg->end_reason, packets, drops);
}

static bool has_loss(const Ps__Trace *msg, const char *id)
{
    for (size_t i = 0; i < msg->n_losses; i++)
        if (ps_streq(msg->losses[i]->id, id))
            return true;
    return false;
}

/* Its ways are stored, or cannot be. */
static int put_end(struct tracer *t, struct ps_trace *trace, int error)
{
    Ps__Trace *msg = ps_traces_describe(t, trace);
    int r;

    if (!msg)
        return -ENOMEM;
    if (trace->phase == PS_TRACE_SAVING) {
        msg->end_reason = strdup(trace->end_reason);
        msg->ended = ps_time_to_pb(ps_now_ns());
    }
    msg->state = error < 0 ? PS__TRACE__STATE__failed : PS__TRACE__STATE__done;
    /* What only its last ways tell. */
    if (error == 0 && trace->keep.quota && !has_loss(msg, "history_full"))
        ps_losses_add(&msg->losses, &msg->n_losses, "history_full", "packets",
                      ps_keep_missing(trace));
    if (!has_loss(msg, "way_cut"))
        ps_losses_add(&msg->losses, &msg->n_losses, "way_cut", "packets",
                      ps_keep_cuts(trace));
    r = error < 0 ? error : ps_history_put(t->history, msg);
    if (r < 0)
        msg->state = PS__TRACE__STATE__failed;
    if (r == 0 || trace->phase == PS_TRACE_SAVING)
        announce_end(t, msg);
    ps__trace__free_unpacked(trace->msg, NULL);
    trace->msg = msg;
    return r;
}

void ps_traces_save(struct tracer *t, struct ps_trace *trace, uint64_t now)
{
    int r;

    if (trace->discard) {
        ps_traces_free(trace);
        return;
    }
    r = ps_keep_rest(t, trace, now);
    if (r > 0)
        return;
    if (r == 0 || trace->phase == PS_TRACE_SAVING)
        r = put_end(t, trace, r);
    if (r == 0) {
        ps_traces_free(trace);
        return;
    }
    if (trace->phase == PS_TRACE_SAVING)
        ps_error("history_write_failed", "trace=%s error=" PS_Q, trace->msg->id,
                 strerror(-r));
    trace->phase = PS_TRACE_UNSAVED;
    trace->since = now;
}

/* ---- a place for another one -------------------------------------------- */

static uint64_t ended_at(const struct ps_trace *trace)
{
    return trace->msg->ended ? trace->msg->ended->unix_ns : 0;
}

/* The one that waits for room longest. */
static struct ps_trace *longest_unsaved(struct tracer *t)
{
    struct ps_trace *longest = NULL;

    for (size_t i = 0; i < PS_TRACER_MAX_TRACES; i++) {
        struct ps_trace *trace = &t->traces[i];

        if (trace->phase == PS_TRACE_UNSAVED &&
            (!longest || ended_at(trace) < ended_at(longest)))
            longest = trace;
    }
    return longest;
}

int ps_traces_place(struct tracer *t, const Ps__Trace *msg,
                    struct ps_trace **ret_trace)
{
    struct ps_trace *trace;
    int r;

    for (size_t i = 0; i < PS_TRACER_MAX_TRACES; i++)
        if (t->traces[i].phase == PS_TRACE_FREE) {
            *ret_trace = &t->traces[i];
            return 0;
        }
    trace = longest_unsaved(t);
    if (!trace)
        return -EBUSY;
    r = ps_history_put(t->history, msg);
    if (r < 0)
        return r;
    t->unsaved++;
    ps_traces_free(trace);
    *ret_trace = trace;
    return 0;
}
