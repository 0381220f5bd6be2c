/* SPDX-License-Identifier: MIT */
/* The calls of a packet's way become steps among those of the stations. */
#include "common/json.h"
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

static int fill_call(Ps__Step *step, const struct ps_call *call,
                     const struct ps_names *names)
{
    const char *name = NULL;
    char address[24];

    if (names->ksyms)
        name = ps_ksyms_find(names->ksyms, call->ip, NULL);
    if (!name) {
        snprintf(address, sizeof(address), "0x%llx",
                 (unsigned long long)call->ip);
        name = address;
    }
    step->time = ps_time_to_pb(call->time + names->mono_to_unix);
    step->layer = strdup(ps_fn_layer(name));
    step->station = strdup(name);
    if (!step->time || !step->layer || !step->station)
        return -ENOMEM;
    step->has_cpu = step->has_depth = step->has_inferred = 1;
    step->cpu = call->cpu;
    step->depth = call->depth;
    step->has_duration_ns = call->duration != PS_CALLS_NO_TIME;
    step->duration_ns = step->has_duration_ns ? call->duration : 0;
    if (set_text(&step->hook, names->functions_tier) < 0)
        return -ENOMEM;
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

static void put_step(Ps__PacketWay *msg, const struct timed *t,
                     uint64_t *before)
{
    t->step->has_delta_ns = msg->n_steps != 0;
    t->step->delta_ns = msg->n_steps ? t->time - *before : 0;
    *before = t->time;
    msg->steps[msg->n_steps++] = t->step;
}

int ps_convert_calls(Ps__PacketWay *msg, const struct ps_join *join,
                     const struct ps_way *way, const struct ps_names *names)
{
    uint32_t index = ps_join_index(join, way);
    const struct ps_call *call = ps_calls_first(names->calls, index);
    size_t calls = ps_calls_of(names->calls, index), n, i = 0;
    const struct ps_step *sight = ps_join_step(join, way->steps);
    _cleanup_free_ struct timed *steps = NULL;
    uint64_t before = 0;
    Ps__Step **all;
    int r = 0;

    if (!call)
        return 0;
    steps = calloc(msg->n_steps + 1, sizeof(*steps));
    all = realloc(msg->steps, (msg->n_steps + calls) * sizeof(*all));
    if (all)
        msg->steps = all;
    if (!steps || !all)
        return -ENOMEM;
    n = take_steps(msg, join, way, steps);
    for (; call && r == 0; call = ps_calls_next(names->calls, call)) {
        struct timed t = {call->time,
                          (Ps__Step *)ps_message_new(&ps__step__descriptor)};

        while (i < n && steps[i].time <= call->time)
            put_step(msg, &steps[i++], &before);
        if (!t.step) {
            r = -ENOMEM;
            break;
        }
        r = fill_call(t.step, call, names);
        /* Nothing was before the first one. */
        t.step->inferred = is_inferred(join, call, &sight) && msg->n_steps;
        put_step(msg, &t, &before);
    }
    while (i < n)
        put_step(msg, &steps[i++], &before);
    return r;
}
