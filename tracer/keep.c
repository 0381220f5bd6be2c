/* SPDX-License-Identifier: MIT */
#include "tracer/keep.h"

#include <time.h>

#include "tracer/tracer.h"

/* Converted and written in one go; some milliseconds. */
#define SLICE 128u
/* Looked at for that in one go. */
#define LOOKS 4096u

/* Ways that are written together share pages and a wait for the disk. */
#define EVERY_NS (200 * PS_NS_PER_MS)
#define FULL_NS  (50 * PS_NS_PER_MS) /* there are more */
#define RETRY_NS PS_NS_PER_S
/* While traces run, to write them takes this part of the CPU budget at most:
 * what waits for it stands in memory all the same, and what is followed need
 * not become less for it. */
#define BUDGET_PART 4
#define SETTLED_NS  (100 * PS_NS_PER_MS)
#define SILENT_NS   PS_NS_PER_S

/* Ways that are told live: so many in a second, and at once. */
#define LIVE_PER_S 200u
#define LIVE_BURST 400u

int ps_keep_init(struct ps_keep *k, uint32_t max_packets)
{
    *k = (struct ps_keep){.n = max_packets};
    k->steps = calloc(max_packets, sizeof(*k->steps));
    k->cut = calloc(max_packets, sizeof(*k->cut));
    return k->steps && k->cut ? 0 : -ENOMEM;
}

void ps_keep_clear(struct ps_keep *k)
{
    free(k->steps);
    free(k->cut);
    *k = (struct ps_keep){0};
}

/* Of its stations and its functions; and what was learned of them later. */
static uint16_t steps_of(const struct ps_trace *trace, const struct ps_way *way)
{
    uint32_t n = ps_join_index(trace->join, way), calls = 0;

    if (trace->calls)
        calls = ps_calls_of(trace->calls, n) + ps_calls_ended(trace->calls, n);

    return (uint16_t)(way->n_steps + calls + way->rules);
}

bool ps_keep_is_stored(const struct ps_trace *trace, uint32_t n,
                       const struct ps_way *way)
{
    return n < trace->keep.n && way->n_steps > 0 &&
           trace->keep.steps[n] == steps_of(trace, way);
}

uint32_t ps_keep_missing(const struct ps_trace *trace)
{
    uint32_t listed = ps_join_packets(trace->join), missing = 0;

    for (uint32_t n = 0; n < listed && n < trace->keep.n; n++)
        missing += trace->keep.steps[n] == 0;
    return missing;
}

uint32_t ps_keep_cuts(const struct ps_trace *trace)
{
    uint32_t cuts = 0;

    for (uint32_t n = 0; n < trace->keep.n; n++)
        cuts += trace->keep.cut[n] != 0;
    return cuts;
}

uint16_t ps_keep_cut(const struct ps_trace *trace, uint32_t n)
{
    return n < trace->keep.n ? trace->keep.cut[n] : 0;
}

/* ---- which -------------------------------------------------------------- */

static bool is_settled(const struct tracer *t, const struct ps_trace *trace,
                       const struct ps_way *way, uint64_t now)
{
    uint64_t quiet = now > way->last ? now - way->last : 0;
    struct ps_names names;

    if (quiet >= SILENT_NS)
        return true;
    /* Whose sockets they are may not be known yet. */
    if (quiet < SETTLED_NS || ps_owners_pending(t->owners))
        return false;
    ps_tracer_names(t, trace, &names);
    return ps_join_fate(trace->join, way, ps_names_free, &names) != NULL;
}

struct slice {
    uint32_t numbers[SLICE];
    uint16_t steps[SLICE];
    Ps__PacketWay *ways[SLICE];
    size_t n;
};

static void slice_clear(struct slice *slice)
{
    for (size_t i = 0; i < slice->n; i++)
        ps__packet_way__free_unpacked(slice->ways[i], NULL);
    slice->n = 0;
}

static int take(const struct tracer *t, const struct ps_trace *trace,
                uint32_t n, const struct ps_way *way, struct slice *slice)
{
    struct ps_names names;
    Ps__PacketWay *msg;

    ps_tracer_names(t, trace, &names);
    msg = ps_convert_way(trace->join, way, n, &names);
    if (!msg)
        return -ENOMEM;
    free(msg->trace);
    msg->trace = strdup(trace->msg->id);
    msg->has_stored = msg->stored = true;
    slice->numbers[slice->n] = n;
    slice->steps[slice->n] = steps_of(trace, way);
    slice->ways[slice->n++] = msg;
    return msg->trace ? 0 : -ENOMEM;
}

/* all: also those that may still go on. Returns 1 where it stopped before it
 * had looked at every way. */
static int choose(const struct tracer *t, struct ps_trace *trace, bool all,
                  uint64_t now, struct slice *slice)
{
    uint32_t listed = ps_join_packets(trace->join);
    struct ps_keep *k = &trace->keep;
    uint32_t looks = 0;

    if (listed > k->n)
        listed = k->n;
    /* At the end all are looked at: there is no next time that goes on. */
    for (; looks < listed && (all || looks < LOOKS); looks++) {
        uint32_t n = k->next < listed ? k->next : 0;
        const struct ps_way *way = ps_join_way(trace->join, n);
        int r;

        if (slice->n == SLICE)
            return 1;
        k->next = n + 1;
        if (!way || ps_keep_is_stored(trace, n, way) ||
            (!all && !is_settled(t, trace, way, now)))
            continue;
        r = take(t, trace, n, way, slice);
        if (r < 0)
            return r;
    }
    return looks < listed;
}

/* ---- tell --------------------------------------------------------------- */

/* Payload is private, and stacks are long. */
static void make_public(Ps__PacketWay *way)
{
    if (way->has_bytes) {
        free(way->bytes.data);
        way->bytes = (ProtobufCBinaryData){0};
        way->has_bytes = 0;
    }
    for (size_t i = 0; i < way->n_steps; i++) {
        Ps__Step *step = way->steps[i];

        for (size_t k = 0; k < step->n_stack; k++)
            ps__frame__free_unpacked(step->stack[k], NULL);
        free(step->stack);
        step->stack = NULL;
        step->n_stack = 0;
    }
}

static bool may_tell(struct tracer *t, uint64_t now)
{
    uint64_t gained = (now - t->live_ns) / (PS_NS_PER_S / LIVE_PER_S);

    if (gained > 0) {
        t->live_left += gained > LIVE_BURST ? LIVE_BURST : gained;
        if (t->live_left > LIVE_BURST)
            t->live_left = LIVE_BURST;
        t->live_ns = now;
    }
    if (t->live_left == 0) {
        t->live_left_out++;
        return false;
    }
    t->live_left--;
    return true;
}

static void tell(struct tracer *t, struct slice *slice, size_t n, uint64_t now)
{
    for (size_t i = 0; i < n; i++) {
        if (!may_tell(t, now))
            continue;
        make_public(slice->ways[i]);
        ps_publish(t->daemon, "packet", &slice->ways[i]->base, false);
    }
}

/* ---- write -------------------------------------------------------------- */

/* Once when it begins, once when it is over. */
static void tell_error(struct tracer *t, struct ps_trace *trace, int r)
{
    const struct ps_event_param params[] = {
        {"trace", trace->msg->id}, {"error", strerror(-r)}, {NULL, NULL}};

    if (r < 0 && trace->keep.error == 0) {
        t->history_errors++;
        ps_event(t->daemon, PS__EVENT__SEVERITY__warning,
                 "tracer.history_failed", params,
                 "The packets of trace %s cannot be stored (%s); they are kept "
                 "in memory. Make room on the disk.",
                 trace->msg->id, strerror(-r));
    } else if (r == 0 && trace->keep.error < 0) {
        ps_event(t->daemon, PS__EVENT__SEVERITY__info,
                 "tracer.history_recovered", params,
                 "The packets of trace %s are stored again.", trace->msg->id);
    }
    trace->keep.error = r;
}

static int write_slice(struct tracer *t, struct ps_trace *trace,
                       struct slice *slice, uint64_t now)
{
    size_t done = 0;
    int r;

    if (slice->n == 0)
        return 0;
    r = ps_history_add(t->history, trace->msg->id, slice->ways, slice->n,
                       &done);
    for (size_t i = 0; i < done; i++) {
        trace->keep.steps[slice->numbers[i]] = slice->steps[i];
        trace->keep.cut[slice->numbers[i]] = (uint16_t)slice->ways[i]->cut;
    }
    tell(t, slice, done, now);
    if (r == -EDQUOT) {
        trace->keep.quota = true;
        r = 0;
    }
    tell_error(t, trace, r);
    return r;
}

static int keep_some(struct tracer *t, struct ps_trace *trace, bool all,
                     uint64_t now)
{
    _cleanup_(slice_clear) struct slice slice = {.n = 0};
    int more, r;

    if (trace->keep.quota)
        return 0;
    more = choose(t, trace, all, now, &slice);
    r = more < 0 ? more : write_slice(t, trace, &slice, now);
    return r < 0 ? r : more > 0 && !trace->keep.quota;
}

static uint64_t thread_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * PS_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Until so much was spent rightly. All traces that run share the part. */
static uint64_t pause_for(const struct tracer *t, uint64_t spent)
{
    return spent * ps_traces_running(t) * BUDGET_PART * 100 /
           t->config->cpu_budget;
}

void ps_keep_settled(struct tracer *t, struct ps_trace *trace, uint64_t now)
{
    uint64_t before, pause, due;
    int r;

    if (now < trace->keep.after)
        return;
    before = thread_ns();
    r = keep_some(t, trace, false, now);
    due = pause_for(t, thread_ns() - before);
    pause = r < 0 ? RETRY_NS : r > 0 ? FULL_NS : EVERY_NS;
    trace->keep.after = now + (due > pause ? due : pause);
}

int ps_keep_rest(struct tracer *t, struct ps_trace *trace, uint64_t now)
{
    return keep_some(t, trace, true, now);
}
