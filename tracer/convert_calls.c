/* SPDX-License-Identifier: MIT */
/* The calls of a packet's way become steps among those of the stations. */
#include "common/array.h"
#include "common/json.h"
#include "tracer/callers.h"
#include "tracer/convert.h"
#include "tracer/functions_find.h"

struct timed {
    uint64_t time;
    Ps__Step *step;
};

static int set_text(char **field, const char *text)
{
    if (!text || !*text)
        return 0;
    *field = strdup(text);
    return *field ? 0 : -ENOMEM;
}

static int fill_place(Ps__Step *step, const struct ps_call_place *place)
{
    if (place->tuple.family) {
        step->tuple =
            ps_convert_tuple(&place->tuple, place->flags & PS_EF_FRAGMENT);
        if (!step->tuple)
            return -ENOMEM;
    }
    step->has_len = step->has_mark = 1;
    step->has_packets = place->packets != 0;
    step->len = place->len;
    step->packets = place->packets;
    step->mark = place->mark;
    step->has_netns = place->netns != 0;
    step->netns = place->netns;
    step->has_ifindex = place->ifindex != 0;
    step->ifindex = place->ifindex;
    return set_text(&step->ifname, place->ifname);
}

/* What a call has in common with those that called it. */
static int fill_function(Ps__Step *step, const struct ps_call *call,
                         uint64_t function, uint16_t depth,
                         const struct ps_names *names)
{
    const char *name = NULL;
    char address[24];

    if (names->ksyms)
        name = ps_ksyms_find(names->ksyms, function, NULL);
    if (!name) {
        snprintf(address, sizeof(address), "0x%llx",
                 (unsigned long long)function);
        name = address;
    }
    step->time = ps_time_to_pb(call->time + names->mono_to_unix);
    step->layer = strdup(ps_fn_layer(name));
    step->station = strdup(name);
    if (!step->time || !step->layer || !step->station)
        return -ENOMEM;
    step->has_cpu = step->has_depth = step->has_inferred = 1;
    step->cpu = call->cpu;
    step->depth = depth;
    return 0;
}

static int fill_call(Ps__Step *step, const struct ps_call *call, uint16_t depth,
                     const struct ps_names *names)
{
    if (fill_function(step, call, call->ip, depth, names) < 0)
        return -ENOMEM;
    step->has_duration_ns = call->duration != PS_CALLS_NO_TIME;
    step->duration_ns = step->has_duration_ns ? call->duration : 0;
    step->has_by_socket = step->by_socket = call->by_socket;
    if (set_text(&step->hook, names->functions_tier) < 0)
        return -ENOMEM;
    if (call->by_socket)
        return 0;
    return fill_place(step, ps_calls_place(names->calls, call));
}

/* The stations' steps without the first sights, which are calls too. */
static size_t take_steps(Ps__PacketWay *msg, const struct ps_join *join,
                         const struct ps_way *way, struct timed *out)
{
    const struct ps_step *s = ps_join_step(join, way->steps);
    size_t n = 0;

    for (size_t i = 0; i < msg->n_steps && s; i++) {
        if (s->station == PS_ST_FUNCTION)
            protobuf_c_message_free_unpacked(&msg->steps[i]->base, NULL);
        else
            out[n++] = (struct timed){s->time, msg->steps[i]};
        s = ps_join_step(join, s->next);
    }
    msg->n_steps = 0;
    return n;
}

/* Was this call the first sight of a buffer that was joined by content? Asked
 * in the order of time: sight goes along. */
static bool is_inferred(const struct ps_join *join, const struct ps_call *call,
                        const struct ps_step **sight)
{
    const struct ps_step *s = *sight;

    while (s && (s->time < call->time || s->station != PS_ST_FUNCTION))
        s = ps_join_step(join, s->next);
    *sight = s;
    return s && s->time == call->time && s->inferred;
}

/* ---- the steps, one after the other ------------------------------------- */

/* More callers than this of a way are left out. */
#define CALLERS_MAX PS_CALLS_PER_WAY
/* Steps of stations, calls, callers. */
#define STEPS_MAX (UINT16_MAX + PS_CALLS_PER_WAY + CALLERS_MAX)

struct writer {
    Ps__PacketWay *msg;
    const struct ps_names *names;
    struct ps_callers *callers;
    uint32_t room;
    uint32_t n_callers;
    uint64_t before; /* time of the last step that has one of its own */
    bool any;
};

static int put_step(struct writer *w, Ps__Step *step, uint64_t time)
{
    Ps__PacketWay *msg = w->msg;
    int r = ps_array_reserve(&msg->steps, &w->room, msg->n_steps + 1, STEPS_MAX,
                             sizeof(Ps__Step *));

    if (r < 0) {
        protobuf_c_message_free_unpacked(&step->base, NULL);
        return r;
    }
    msg->steps[msg->n_steps++] = step;
    if (step->from_stack || step->by_socket)
        return 0;
    step->has_delta_ns = w->any;
    step->delta_ns = w->any ? time - w->before : 0;
    w->before = time;
    w->any = true;
    return 0;
}

/* Of a stack: where its functions begin, outermost first, without the call's
 * own and what is in it. */
static size_t read_stack(const struct ps_names *names,
                         const struct ps_call *call, uint64_t own,
                         uint64_t ret_functions[PS_CARRY_FRAMES], bool *ret_cut)
{
    const uint64_t *frames;
    uint32_t n, offset;
    size_t out = 0;

    frames = ps_carry_stack(names->carry, call->stack, &n);
    *ret_cut = n == PS_CARRY_FRAMES;
    if (!names->ksyms)
        return 0;
    for (uint32_t i = n; i-- > 0;) {
        /* Behind a call that never returns another function may begin. */
        uint64_t at = frames[i] - (i > 0);

        if (!ps_ksyms_find(names->ksyms, at, &offset))
            continue;
        if (i < 2 && at - offset == own)
            break;
        ret_functions[out++] = at - offset;
    }
    return out;
}

/* Where the function begins: its probe may stand a few bytes behind. */
static uint64_t begin_of(const struct ps_names *names, uint64_t ip)
{
    uint32_t offset = 0;

    if (!names->ksyms || !ps_ksyms_find(names->ksyms, ip, &offset))
        return ip;
    return ip - offset;
}

static int put_caller(struct writer *w, const struct ps_call *call,
                      uint64_t function, size_t depth)
{
    Ps__Step *step;

    if (w->n_callers++ >= CALLERS_MAX)
        return 0;
    step = (Ps__Step *)ps_message_new(&ps__step__descriptor);
    if (!step)
        return -ENOMEM;
    step->has_from_stack = step->from_stack = 1;
    if (fill_function(step, call, function, (uint16_t)depth, w->names) < 0) {
        protobuf_c_message_free_unpacked(&step->base, NULL);
        return -ENOMEM;
    }
    return put_step(w, step, call->time);
}

/* Who called a socket's function is in the stack of the next call that carries
 * one: further out than it. */
static size_t read_around(const struct ps_names *names,
                          const struct ps_call *call, uint64_t own,
                          uint64_t ret_functions[PS_CARRY_FRAMES],
                          bool *ret_cut)
{
    const struct ps_call *next = call;
    size_t n, i = 0;

    *ret_cut = false;
    if (call->depth)
        return 0;
    do {
        next = ps_calls_next(names->calls, next);
    } while (next && (next->pid != call->pid || !next->stack));
    if (!next || next->time - call->time > call->duration)
        return 0;
    n = read_stack(names, next, begin_of(names, next->ip), ret_functions,
                   ret_cut);
    while (i < n && ret_functions[i] != own)
        i++;
    return i < n ? i : 0;
}

/* Those that the call's stack shows for the first time. */
static int put_callers(struct writer *w, const struct ps_call *call,
                       uint16_t *ret_depth)
{
    uint64_t own = begin_of(w->names, call->ip);
    uint64_t functions[PS_CARRY_FRAMES];
    struct ps_callers_shown shown;
    bool cut;
    size_t n = call->by_socket
                   ? read_around(w->names, call, own, functions, &cut)
                   : read_stack(w->names, call, own, functions, &cut);
    int r = 0;

    ps_callers_add(w->callers, call, own, functions, n, cut, &shown);
    for (size_t i = shown.first; i < n && r == 0; i++)
        r = put_caller(w, call, functions[i], shown.depth + i - shown.first);
    *ret_depth = shown.call_depth;
    return r;
}

static int put_call(struct writer *w, const struct ps_call *call,
                    const struct ps_join *join, const struct ps_step **sight)
{
    uint16_t depth = call->depth;
    Ps__Step *step;
    int r;

    r = w->callers ? put_callers(w, call, &depth) : 0;
    if (r < 0)
        return r;
    step = (Ps__Step *)ps_message_new(&ps__step__descriptor);
    if (!step)
        return -ENOMEM;
    r = fill_call(step, call, depth, w->names);
    /* Nothing was before the first one. */
    if (!call->by_socket)
        step->inferred = is_inferred(join, call, sight) && w->any;
    if (r < 0) {
        protobuf_c_message_free_unpacked(&step->base, NULL);
        return r;
    }
    return put_step(w, step, call->time);
}

/* Whether any of the calls carries a stack. */
static bool any_stack(const struct ps_calls *calls, const struct ps_call *call)
{
    while (call && !call->stack)
        call = ps_calls_next(calls, call);
    return call != NULL;
}

int ps_convert_calls(Ps__PacketWay *msg, const struct ps_join *join,
                     const struct ps_way *way, const struct ps_names *names)
{
    const struct ps_call *call =
        ps_calls_first(names->calls, ps_join_index(join, way));
    _cleanup_(ps_callers_free) struct ps_callers *callers = NULL;
    const struct ps_step *sight = ps_join_step(join, way->steps);
    struct writer w = {.msg = msg, .names = names};
    _cleanup_free_ struct timed *steps = NULL;
    size_t n, i = 0;
    int r = 0;

    if (!call)
        return 0;
    steps = calloc(msg->n_steps + 1, sizeof(*steps));
    if (!steps)
        return -ENOMEM;
    if (any_stack(names->calls, call) && ps_callers_new(&callers) < 0)
        return -ENOMEM;
    w.callers = callers;
    w.room = (uint32_t)msg->n_steps;
    n = take_steps(msg, join, way, steps);
    for (; call && r == 0; call = ps_calls_next(names->calls, call)) {
        while (i < n && steps[i].time <= call->time && r == 0) {
            r = put_step(&w, steps[i].step, steps[i].time);
            i++;
        }
        if (r == 0)
            r = put_call(&w, call, join, &sight);
    }
    for (; i < n; i++) {
        if (r == 0)
            r = put_step(&w, steps[i].step, steps[i].time);
        else
            protobuf_c_message_free_unpacked(&steps[i].step->base, NULL);
    }
    return r;
}
