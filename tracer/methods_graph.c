/* SPDX-License-Identifier: MIT */
/*
 * The graph of a trace, made of its stored ways: some at a time, with the loop
 * in between, for ten thousand of them take most of a second.
 */
#include "tracer/graph.h"
#include "tracer/tracer.h"

#define SLICE 100u

struct ps_graph_job {
    struct tracer *t;
    struct ps_call *call;
    struct ps_graph *graph;
    struct event *timer;
    char *id;
    uint32_t from;
};

static void job_free(struct ps_graph_job *job)
{
    for (size_t i = 0; i < PS_TRACER_GRAPHS; i++)
        if (job->t->graphs[i] == job)
            job->t->graphs[i] = NULL;
    ps_graph_free(&job->graph);
    if (job->timer)
        event_free(job->timer);
    free(job->id);
    free(job);
}

static void answer(struct ps_graph_job *job, int r)
{
    Ps__TraceGraph *msg = NULL;

    if (r == 0)
        r = ps_graph_make(job->graph, &msg);
    if (r < 0)
        ps_tracer_fail_read(job->call, job->id, r);
    else
        ps_call_reply(job->call, &msg->base);
    if (msg)
        ps__trace_graph__free_unpacked(msg, NULL);
    job_free(job);
}

static void on_turn(evutil_socket_t fd _unused_, short what _unused_, void *arg)
{
    _cleanup_(ps_history_page_clear) struct ps_history_page page = {0};
    static const struct timeval soon = {0, 1};
    struct ps_graph_job *job = arg;
    const struct ps_history_want want = {.from = job->from, .limit = SLICE};
    int r = ps_history_ways(job->t->history, job->id, &want, &page);

    for (size_t i = 0; i < page.n && r == 0; i++)
        r = ps_graph_add(job->graph, page.ways[i]);
    job->from = page.next;
    if (r < 0 || page.next == 0)
        answer(job, r);
    else
        event_add(job->timer, &soon);
}

static struct ps_graph_job *job_new(struct tracer *t, struct ps_call *call,
                                    const char *id)
{
    struct ps_graph_job *job = calloc(1, sizeof(*job));

    if (!job)
        return NULL;
    job->t = t;
    job->call = call;
    job->id = strdup(id);
    job->timer = evtimer_new(ps_daemon_base(t->daemon), on_turn, job);
    if (!job->id || !job->timer || ps_graph_new(&job->graph) < 0) {
        job_free(job);
        return NULL;
    }
    return job;
}

void ps_tracer_get_graph(void *arg, const ProtobufCMessage *msg,
                         struct ps_call *call)
{
    const Ps__TraceId *req = (const Ps__TraceId *)msg;
    struct tracer *t = arg;
    size_t slot = 0;

    while (slot < PS_TRACER_GRAPHS && t->graphs[slot])
        slot++;
    if (slot == PS_TRACER_GRAPHS) {
        ps_call_fail(call, "trace.busy", 503, NULL,
                     "%d graphs are being made already; try again in a "
                     "second.",
                     PS_TRACER_GRAPHS);
        return;
    }
    t->graphs[slot] = job_new(t, call, req->id);
    if (!t->graphs[slot])
        ps_tracer_fail_read(call, req->id, -ENOMEM);
    else
        on_turn(-1, 0, t->graphs[slot]);
}

void ps_tracer_graphs_cancel(struct tracer *t)
{
    for (size_t i = 0; i < PS_TRACER_GRAPHS; i++)
        if (t->graphs[i])
            answer(t->graphs[i], -ECANCELED);
}
