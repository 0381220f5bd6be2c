/* SPDX-License-Identifier: MIT */
/* What is asked of traces. */
#include "common/json.h"
#include "tracer/tracer.h"

/* ---- create ------------------------------------------------------------- */

/* A process that is not there makes no sockets any more. */
static int check_process(const struct tracer *t, const struct ps_filter *filter,
                         struct ps_call *call)
{
    char path[32];

    if (!ps_filter_asks_process(filter))
        return 0;
    if (!t->scan && !t->ownerprobe) {
        ps_call_fail(call, "trace.no_processes", 501, "filter",
                     "This kernel shows the tracer no process's sockets: %s. "
                     "Ask with other fields than pid, cgroup and container.",
                     t->no_sockets);
        return -EOPNOTSUPP;
    }
    snprintf(path, sizeof(path), "/proc/%u", filter->process.pid);
    if (!filter->process.pid || access(path, F_OK) == 0)
        return 0;
    ps_call_fail(call, "trace.filter", 400, "filter.pid",
                 "No process has the number %u; list the sockets to see which "
                 "have some.",
                 filter->process.pid);
    return -EINVAL;
}

static int check_filter(const struct tracer *t, const Ps__TraceFilter *asked,
                        struct ps_filter *ret_filter, struct ps_call *call)
{
    struct ps_filter_error error;
    bool exprs = !t->probes || ps_probes_exprs(t->probes);
    int r = ps_filter_read(asked, exprs, ret_filter, &error);

    if (r == -EINVAL)
        ps_call_fail(call, "trace.filter", 400, error.field, "%s",
                     error.detail);
    else if (r < 0)
        ps_call_fail(call, "trace.start", 500, NULL,
                     "The trace could not start: %s.", strerror(-r));
    return r < 0 ? r : check_process(t, ret_filter, call);
}

static int check_request(const struct tracer *t,
                         const Ps__CreateTraceRequest *req,
                         struct ps_filter *ret_filter, struct ps_call *call)
{
    int r = check_filter(t, req->filter, ret_filter, call);

    if (r < 0)
        return r;
    if (req->has_max_packets &&
        (req->max_packets == 0 || req->max_packets > PS_JOIN_MAX_PACKETS)) {
        ps_call_fail(call, "trace.max_packets", 400, "max_packets",
                     "Give a number of packets from 1 to %u.",
                     PS_JOIN_MAX_PACKETS);
        return -EINVAL;
    }
    if (req->has_duration_ns &&
        (req->duration_ns == 0 || req->duration_ns > PS_TRACE_MAX_NS)) {
        ps_call_fail(call, "trace.duration", 400, "duration_ns",
                     "Give a duration from 1 ns to one hour "
                     "(3600000000000 ns).");
        return -EINVAL;
    }
    if (req->has_snaplen && req->snaplen > PS_TRACER_SNAP_BYTES) {
        ps_call_fail(call, "trace.snaplen", 400, "snaplen",
                     "Give a number of bytes from 0 (none) to %d.",
                     PS_TRACER_SNAP_BYTES);
        return -EINVAL;
    }
    if (req->comment && strlen(req->comment) > PS_TRACE_COMMENT) {
        ps_call_fail(call, "trace.comment", 400, "comment",
                     "Give a comment of at most %d bytes.", PS_TRACE_COMMENT);
        return -EINVAL;
    }
    return 0;
}

/* The best that the kernel has and that can do the filter, where none is asked
 * for. */
static int check_tier(const struct tracer *t, const char *tier,
                      const struct ps_filter *filter, const char **ret_tier,
                      struct ps_call *call)
{
    bool more = ps_filter_asks_more(filter);

    *ret_tier = t->functions && !more ? "function" : "core";
    if (!tier)
        return 0;
    if (!strcmp(tier, "function") && more) {
        ps_call_fail(call, "trace.tier", 400, "tier",
                     "The function tier filters by addresses, ports and "
                     "protocol alone; ask for \"core\".");
        return -EINVAL;
    }
    if (!strcmp(tier, "function") && !t->functions) {
        ps_call_fail(call, "trace.no_functions", 501, "tier",
                     "This kernel has no function tier: %s. Ask for \"core\".",
                     t->no_functions);
        return -EOPNOTSUPP;
    }
    if (strcmp(tier, "core") != 0 && strcmp(tier, "function") != 0) {
        ps_call_fail(call, "trace.tier", 400, "tier",
                     "Give \"core\" or \"function\", or leave it out.");
        return -EINVAL;
    }
    *ret_tier = !strcmp(tier, "core") ? "core" : "function";
    return 0;
}

static int check_sockets(const struct tracer *t, const char *asked,
                         const struct ps_filter *filter, struct ps_call *call)
{
    if (ps_streq(asked, "core") || ps_filter_asks_more(filter)) {
        ps_call_fail(call, "trace.sockets", 400, "sockets",
                     "Calls of sockets are of the function tier, which filters "
                     "by addresses, ports and protocol alone.");
        return -EINVAL;
    }
    if (t->functions && ps_functions_has_sockets(t->functions))
        return 0;
    ps_call_fail(call, "trace.no_functions", 501, "sockets",
                 "This kernel tells of no function that takes a socket alone: "
                 "%s.",
                 t->functions ? "that needs kprobe.multi (5.18 and later, with "
                                "FPROBE)"
                              : t->no_functions);
    return -EOPNOTSUPP;
}

static Ps__Trace *make_trace(const Ps__CreateTraceRequest *req,
                             const char *tier)
{
    Ps__Trace *msg = (Ps__Trace *)ps_message_new(&ps__trace__descriptor);

    if (!msg)
        return NULL;
    msg->has_max_packets = msg->has_duration_ns = 1;
    msg->max_packets = req->has_max_packets ? req->max_packets
                                            : PS_TRACE_DEFAULT_PACKETS;
    msg->duration_ns = req->has_duration_ns ? req->duration_ns
                                            : PS_TRACE_DEFAULT_NS;
    msg->has_stacks = msg->has_snaplen = 1;
    msg->stacks = req->has_stacks && req->stacks;
    msg->has_sockets = req->has_sockets;
    msg->sockets = req->sockets;
    msg->snaplen = req->has_snaplen ? req->snaplen : PS_TRACE_DEFAULT_SNAPLEN;
    msg->filter = ps_filter_copy(req->filter);
    msg->tier = strdup(tier);
    if (req->comment)
        msg->comment = strdup(req->comment);
    if (!msg->filter || !msg->tier || (req->comment && !msg->comment)) {
        ps__trace__free_unpacked(msg, NULL);
        return NULL;
    }
    return msg;
}

static void fail_start(const struct tracer *t, struct ps_call *call, int err)
{
    if (err == -EBUSY)
        ps_call_fail(call, "trace.too_many", 409, NULL,
                     "%d traces run already; wait for one to end or delete "
                     "one.",
                     PS_TRACER_MAX_TRACES);
    else if (err == -EOPNOTSUPP)
        ps_call_fail(call, "trace.unavailable", 501, NULL,
                     "This kernel takes none of the tracer's programs: %s.",
                     t->no_probes);
    else if (err == -ENOSPC)
        ps_call_fail(call, "trace.store", 507, NULL,
                     "The history has no room; free disk space or raise "
                     "history-max.");
    else
        ps_call_fail(call, "trace.start", 500, NULL,
                     "The trace could not start: %s.", ps_bpf_reason(err));
}

static void announce_start(struct tracer *t, const Ps__Trace *now)
{
    ps_publish(t->daemon, "trace", &now->base, false);
    ps_event(t->daemon, PS__EVENT__SEVERITY__info, "tracer.trace_started",
             (const struct ps_event_param[]){{"id", now->id}, {NULL, NULL}},
             "Trace %s started.", now->id);
}

void ps_tracer_create_trace(void *arg, const ProtobufCMessage *msg,
                            struct ps_call *call)
{
    const Ps__CreateTraceRequest *req = (const Ps__CreateTraceRequest *)msg;
    struct tracer *t = arg;
    struct ps_filter filter;
    struct ps_trace *trace;
    Ps__Trace *made, *now;
    const char *tier;
    int r;

    if (check_request(t, req, &filter, call) < 0 ||
        check_tier(t, req->tier, &filter, &tier, call) < 0 ||
        (req->has_sockets && req->sockets &&
         check_sockets(t, req->tier, &filter, call) < 0))
        return;
    made = make_trace(req, tier);
    r = made ? ps_traces_start(t, made, &filter) : -ENOMEM;
    if (r < 0) {
        fail_start(t, call, r);
        return;
    }
    /* It belongs to the running trace now. */
    trace = ps_traces_find(t, made->id);
    now = trace ? ps_traces_describe(t, trace) : NULL;
    if (!now) {
        fail_start(t, call, -ENOMEM);
        return;
    }
    announce_start(t, now);
    ps_guard_reply(t->guard, call, &now->base);
}

int ps_tracer_start_alerted(struct tracer *t, const Ps__CreateTraceRequest *req,
                            const char *alert, char id[PS_TRACE_ID])
{
    struct ps_filter_error error;
    struct ps_filter filter;
    const struct ps_trace *trace;
    Ps__Trace *made, *now;
    int r;

    r = ps_filter_read(req->filter, t->probes && ps_probes_exprs(t->probes),
                       &filter, &error);
    if (r < 0)
        return r;
    /* Nobody waits for it: what costs least. */
    made = make_trace(req, "core");
    if (!made)
        return -ENOMEM;
    made->alert = strdup(alert);
    r = ps_traces_start(t, made, &filter);
    if (r < 0)
        return r;
    snprintf(id, PS_TRACE_ID, "%s", made->id);
    trace = ps_traces_find(t, id);
    now = trace ? ps_traces_describe(t, trace) : NULL;
    if (now) {
        announce_start(t, now);
        ps__trace__free_unpacked(now, NULL);
    }
    return 0;
}

/* ---- get, list, delete -------------------------------------------------- */

void ps_tracer_fail_read(struct ps_call *call, const char *id, int err)
{
    if (err == -ENOENT)
        ps_call_fail(call, "trace.not_found", 404, "id",
                     "There is no trace \"%.64s\"; list the traces to see "
                     "which are kept.",
                     id);
    else
        ps_call_fail(call, "trace.store", 500, NULL,
                     "The history could not be read: %s.", strerror(-err));
}

void ps_tracer_get_trace(void *arg, const ProtobufCMessage *msg,
                         struct ps_call *call)
{
    const Ps__TraceId *req = (const Ps__TraceId *)msg;
    struct tracer *t = arg;
    struct ps_trace *trace = ps_traces_find(t, req->id);
    Ps__Trace *now = NULL;
    int r = 0;

    if (trace) {
        now = ps_traces_describe(t, trace);
        r = now ? 0 : -ENOMEM;
    } else {
        r = ps_history_get(t->history, req->id, &now);
    }
    if (r < 0) {
        ps_tracer_fail_read(call, req->id, r);
        return;
    }
    ps_call_reply(call, &now->base);
    ps__trace__free_unpacked(now, NULL);
}

void ps_tracer_delete_trace(void *arg, const ProtobufCMessage *msg,
                            struct ps_call *call)
{
    const Ps__TraceId *req = (const Ps__TraceId *)msg;
    struct tracer *t = arg;
    struct ps_trace *trace = ps_traces_find(t, req->id);
    Ps__Trace *kept = NULL;
    Ps__Empty empty = PS__EMPTY__INIT;
    int r;

    r = ps_history_get(t->history, req->id, &kept);
    if (r == 0) {
        ps_call_before(call, &kept->base);
        ps__trace__free_unpacked(kept, NULL);
        r = ps_history_delete(t->history, req->id);
    }
    if (r < 0) {
        ps_tracer_fail_read(call, req->id, r);
        return;
    }
    if (trace)
        ps_traces_discard(t, trace);
    ps_call_reply(call, &empty.base);
}

/* A trace that is kept, or is about to be, cannot follow anything else. */
static void fail_ended(struct tracer *t, const char *id, struct ps_call *call)
{
    Ps__Trace *kept = NULL;
    int r = ps_history_get(t->history, id, &kept);

    if (r < 0) {
        ps_tracer_fail_read(call, id, r);
        return;
    }
    ps__trace__free_unpacked(kept, NULL);
    ps_call_fail(call, "trace.ended", 409, NULL,
                 "The trace has ended; start another one.");
}

void ps_tracer_set_filter(void *arg, const ProtobufCMessage *msg,
                          struct ps_call *call)
{
    const Ps__SetFilterRequest *req = (const Ps__SetFilterRequest *)msg;
    struct tracer *t = arg;
    struct ps_trace *trace = ps_traces_find(t, req->id);
    Ps__Trace *before = NULL, *now = NULL;
    struct ps_filter filter;
    int r;

    if (!trace || trace->phase != PS_TRACE_RUNNING) {
        fail_ended(t, req->id, call);
        return;
    }
    if (check_filter(t, req->filter, &filter, call) < 0)
        return;
    if (trace->calls && ps_filter_asks_more(&filter)) {
        ps_call_fail(
            call, "trace.tier", 409, NULL,
            "A trace of the function tier filters by addresses, ports and "
            "protocol alone; start one of the tier \"core\" for this "
            "filter.");
        return;
    }
    before = ps_traces_describe(t, trace);
    r = ps_traces_change(t, trace, req->filter, &filter);
    if (r == 0)
        now = ps_traces_describe(t, trace);
    if (!before || !now) {
        fail_start(t, call, -ENOMEM);
    } else {
        ps_call_before(call, &before->base);
        ps_publish(t->daemon, "trace", &now->base, false);
        ps_guard_reply(t->guard, call, &TAKE_PTR(now)->base);
    }
    if (before)
        ps__trace__free_unpacked(before, NULL);
    if (now)
        ps__trace__free_unpacked(now, NULL);
}

/* What the history keeps of a running trace is its beginning. */
static int make_live(struct tracer *t, Ps__TraceList *list)
{
    for (size_t i = 0; i < list->n_traces; i++) {
        struct ps_trace *trace = ps_traces_find(t, list->traces[i]->id);
        Ps__Trace *now;

        if (!trace)
            continue;
        now = ps_traces_describe(t, trace);
        if (!now)
            return -ENOMEM;
        ps__trace__free_unpacked(list->traces[i], NULL);
        list->traces[i] = now;
    }
    return 0;
}

void ps_tracer_list_traces(void *arg, const ProtobufCMessage *msg,
                           struct ps_call *call)
{
    const Ps__ListTracesRequest *req = (const Ps__ListTracesRequest *)msg;
    struct tracer *t = arg;
    Ps__TraceList *list;
    uint32_t limit;
    size_t offset;
    int r;

    if (ps_list_limit(call, req->has_limit, req->limit, &limit) < 0 ||
        ps_list_offset(call, req->cursor, &offset) < 0)
        return;
    list = (Ps__TraceList *)ps_message_new(&ps__trace_list__descriptor);
    if (!list) {
        ps_tracer_fail_read(call, "", -ENOMEM);
        return;
    }
    r = ps_history_list(t->history, req->alert, offset, limit, &list->traces,
                        &list->n_traces, &list->total);
    if (r == 0)
        r = make_live(t, list);
    if (r < 0) {
        ps_tracer_fail_read(call, "", r);
    } else {
        if (offset + list->n_traces < list->total)
            list->next_cursor = ps_list_cursor(offset + list->n_traces);
        ps_call_reply(call, &list->base);
    }
    ps__trace_list__free_unpacked(list, NULL);
}
