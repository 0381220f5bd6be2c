/* SPDX-License-Identifier: MIT */
#include "tracer/calls.h"

#include "common/array.h"

/* Kernel stacks are of this size and aligned to it. */
#define STACK_SHIFT 14
/* Where a return finds its call's stack pointer: the address was taken off. */
#define SP_SLACK 16u
/* Places of a number in the table. */
#define NAME_WAYS 8u

struct name {
    uint64_t packet; /* 0: empty */
    uint32_t way;
    uint32_t why;
};

struct call_way {
    uint32_t first, last, open, n;
    uint32_t place; /* of the last call that has one */
    uint32_t ended;
};

struct ps_calls {
    struct ps_call *calls;
    uint32_t n_calls, cap_calls;
    struct ps_call_place *places;
    uint32_t n_places, cap_places;
    struct call_way *ways;
    uint32_t max_ways;
    struct name *names;
    size_t mask;
    uint64_t results[PS_JOIN_RESULTS];
};

int ps_calls_new(uint32_t max_ways, struct ps_calls **ret_calls)
{
    _cleanup_(ps_calls_free) struct ps_calls *c = calloc(1, sizeof(*c));
    size_t names = 1024;

    if (!c)
        return -ENOMEM;
    while (names < 8 * (size_t)max_ways)
        names *= 2;
    c->max_ways = max_ways;
    c->mask = names - 1;
    c->names = calloc(names, sizeof(*c->names));
    c->ways = malloc(max_ways * sizeof(*c->ways));
    if (!c->names || !c->ways)
        return -ENOMEM;
    for (uint32_t i = 0; i < max_ways; i++)
        c->ways[i] = (struct call_way){
            .first = PS_CALLS_NONE,
            .last = PS_CALLS_NONE,
            .open = PS_CALLS_NONE,
            .place = PS_CALLS_NONE,
        };
    *ret_calls = TAKE_PTR(c);
    return 0;
}

void ps_calls_free(struct ps_calls **calls)
{
    struct ps_calls *c = *calls;

    if (!c)
        return;
    free(c->calls);
    free(c->places);
    free(c->ways);
    free(c->names);
    free(c);
    *calls = NULL;
}

/* ---- names -------------------------------------------------------------- */

static struct name *find_name(const struct ps_calls *c, uint64_t packet)
{
    uint64_t hash = packet * UINT64_C(0x9E3779B97F4A7C15);
    struct name *oldest = NULL;

    for (size_t i = 0; i < NAME_WAYS; i++) {
        struct name *name = &c->names[((hash >> 20) + i) & c->mask];

        if (name->packet == packet || !name->packet)
            return name;
        /* Numbers are times. */
        if (!oldest || name->packet < oldest->packet)
            oldest = name;
    }
    return oldest;
}

void ps_calls_name(struct ps_calls *c, uint64_t packet, uint32_t way,
                   enum ps_join_result why)
{
    if (way != PS_CALLS_NONE && way >= c->max_ways)
        return;
    *find_name(c, packet) = (struct name){packet, way, (uint32_t)why};
}

/* ---- places ------------------------------------------------------------- */

static int place_of(struct ps_calls *c, struct call_way *w,
                    const struct ps_fn_call *call, uint32_t *ret_place)
{
    struct ps_call_place place = {
        .tuple = call->tuple,
        .netns = call->netns,
        .ifindex = call->ifindex,
        .len = call->len,
        .packets = call->packets,
        .mark = call->mark,
        .flags = call->flags,
    };
    int r;

    memcpy(place.ifname, call->ifname, sizeof(place.ifname));
    place.ifname[sizeof(place.ifname) - 1] = '\0';
    if (w->place != PS_CALLS_NONE &&
        !memcmp(&c->places[w->place], &place, sizeof(place))) {
        *ret_place = w->place;
        return 0;
    }
    r = ps_array_reserve(&c->places, &c->cap_places, c->n_places + 1,
                         PS_CALLS_PLACES, sizeof(*c->places));
    if (r < 0)
        return r;
    memcpy(&c->places[c->n_places], &place, sizeof(place));
    *ret_place = w->place = c->n_places++;
    return 0;
}

/* ---- the tree ----------------------------------------------------------- */

/* The idle threads of all CPUs are thread 0. */
static bool same_thread(const struct ps_call *a, uint32_t pid, uint16_t cpu)
{
    return a->pid == pid && (pid || a->cpu == cpu);
}

static bool same_stack(uint64_t a, uint64_t b)
{
    return a >> STACK_SHIFT == b >> STACK_SHIFT;
}

bool ps_calls_is_over(uint64_t open_sp, uint64_t sp)
{
    return same_stack(open_sp, sp) && open_sp < sp;
}

/* Has the open call returned when one begins here? */
static bool is_over(const struct ps_call *open, uint64_t sp)
{
    /* One at the same place was jumped to by the other. */
    return ps_calls_is_over(open->sp, sp) || (!open->returns && open->sp == sp);
}

static uint16_t close_and_count(const struct ps_calls *c, struct call_way *w,
                                const struct ps_call *call)
{
    uint32_t *at = &w->open;
    uint16_t depth = 0;

    for (uint32_t i = 0; *at != PS_CALLS_NONE && i < PS_CALLS_MAX_OPEN; i++) {
        struct ps_call *open = &c->calls[*at];

        if (!same_thread(open, call->pid, call->cpu)) {
            at = &open->outer;
        } else if (is_over(open, call->sp)) {
            *at = open->outer;
        } else {
            /* Without its return nothing is known of it on another stack. */
            depth += open->returns || same_stack(open->sp, call->sp);
            at = &open->outer;
        }
    }
    return depth;
}

static void link_by_time(struct ps_calls *c, struct call_way *w, uint32_t n)
{
    struct ps_call *call = &c->calls[n];
    uint32_t *at = &w->first;

    if (w->last != PS_CALLS_NONE && c->calls[w->last].time <= call->time)
        at = &c->calls[w->last].next;
    while (*at != PS_CALLS_NONE && c->calls[*at].time <= call->time)
        at = &c->calls[*at].next;
    call->next = *at;
    *at = n;
    if (call->next == PS_CALLS_NONE)
        w->last = n;
}

static bool has_room(struct ps_calls *c, const struct call_way *w)
{
    return w->n < PS_CALLS_PER_WAY &&
           ps_array_reserve(&c->calls, &c->cap_calls, c->n_calls + 1,
                            PS_CALLS_MAX, sizeof(*c->calls)) == 0;
}

/* There is room. */
static void put(struct ps_calls *c, struct call_way *w, struct ps_call call)
{
    call.duration = PS_CALLS_NO_TIME;
    call.depth = close_and_count(c, w, &call);
    call.outer = w->open;
    c->calls[c->n_calls] = call;
    w->open = c->n_calls;
    w->n++;
    link_by_time(c, w, c->n_calls++);
}

static enum ps_join_result add(struct ps_calls *c,
                               const struct ps_fn_call *call, uint32_t stack)
{
    enum ps_join_result why;
    uint32_t way = ps_calls_way(c, call->packet, &why), place;
    struct call_way *w;

    if (way == PS_CALLS_NONE)
        return why;
    w = &c->ways[way];
    if (!has_room(c, w) || place_of(c, w, call, &place) < 0)
        return PS_JOIN_STEP_LIMIT;
    put(c, w,
        (struct ps_call){
            .time = call->time,
            .ip = call->ip,
            .sp = call->sp,
            .place = place,
            .pid = call->pid,
            .stack = stack,
            .cpu = call->cpu,
            .returns = call->returns != 0,
        });
    return PS_JOIN_STEP;
}

enum ps_join_result ps_calls_add(struct ps_calls *c,
                                 const struct ps_fn_call *call, uint32_t stack)
{
    enum ps_join_result result = add(c, call, stack);

    c->results[result]++;
    return result;
}

void ps_calls_return(struct ps_calls *c, const struct ps_fn_return *ret)
{
    const struct name *name = find_name(c, ret->packet);
    uint32_t *at;

    if (name->packet != ret->packet || name->way == PS_CALLS_NONE)
        return;
    at = &c->ways[name->way].open;
    for (uint32_t i = 0; *at != PS_CALLS_NONE && i < PS_CALLS_MAX_OPEN; i++) {
        struct ps_call *open = &c->calls[*at];
        uint64_t apart = open->sp > ret->sp ? open->sp - ret->sp
                                            : ret->sp - open->sp;

        /* It was called in the one that returns. */
        if (!open->returns && same_thread(open, ret->pid, ret->cpu) &&
            same_stack(open->sp, ret->sp) && open->sp <= ret->sp) {
            *at = open->outer;
            continue;
        }
        if (!open->returns || !same_thread(open, ret->pid, ret->cpu) ||
            apart > SP_SLACK || (ret->ip && ret->ip != open->ip) ||
            ret->time < open->time) {
            at = &open->outer;
            continue;
        }
        open->duration = ret->time - open->time;
        *at = open->outer;
        return;
    }
}

/* ---- calls of sockets --------------------------------------------------- */

uint32_t ps_calls_way(const struct ps_calls *c, uint64_t packet,
                      enum ps_join_result *ret_why)
{
    const struct name *name = find_name(c, packet & PS_FN_ID_MASK);

    if (!name->packet || name->packet != (packet & PS_FN_ID_MASK)) {
        *ret_why = PS_JOIN_NO_PACKET;
        return PS_CALLS_NONE;
    }
    *ret_why = (enum ps_join_result)name->why;
    return name->way;
}

uint32_t ps_calls_add_socket(struct ps_calls *c, uint32_t way,
                             const struct ps_fn_return *call)
{
    if (way >= c->max_ways || !has_room(c, &c->ways[way]))
        return PS_CALLS_NONE;
    put(c, &c->ways[way],
        (struct ps_call){
            .time = call->time,
            .ip = call->ip,
            .sp = call->sp,
            .place = PS_CALLS_NONE,
            .pid = call->pid,
            .cpu = call->cpu,
            .returns = true,
            .by_socket = true,
        });
    return c->n_calls - 1;
}

void ps_calls_end_socket(struct ps_calls *c, uint32_t way, uint32_t number,
                         uint64_t time)
{
    struct call_way *w;
    uint32_t *at;

    if (way >= c->max_ways || number >= c->n_calls ||
        !c->calls[number].by_socket || time < c->calls[number].time)
        return;
    w = &c->ways[way];
    c->calls[number].duration = time - c->calls[number].time;
    w->ended++;
    at = &w->open;
    for (uint32_t i = 0; *at != PS_CALLS_NONE && i < PS_CALLS_MAX_OPEN; i++) {
        if (*at == number) {
            *at = c->calls[number].outer;
            return;
        }
        at = &c->calls[*at].outer;
    }
}

/* ---- what came of it ---------------------------------------------------- */

uint64_t ps_calls_count(const struct ps_calls *c, enum ps_join_result result)
{
    return c->results[result];
}

uint32_t ps_calls_of(const struct ps_calls *c, uint32_t way)
{
    return way < c->max_ways ? c->ways[way].n : 0;
}

uint32_t ps_calls_ended(const struct ps_calls *c, uint32_t way)
{
    return way < c->max_ways ? c->ways[way].ended : 0;
}

const struct ps_call *ps_calls_first(const struct ps_calls *c, uint32_t way)
{
    if (way >= c->max_ways || c->ways[way].first == PS_CALLS_NONE)
        return NULL;
    return &c->calls[c->ways[way].first];
}

const struct ps_call *ps_calls_next(const struct ps_calls *c,
                                    const struct ps_call *call)
{
    return call->next == PS_CALLS_NONE ? NULL : &c->calls[call->next];
}

const struct ps_call_place *ps_calls_place(const struct ps_calls *c,
                                           const struct ps_call *call)
{
    return call->place == PS_CALLS_NONE ? NULL : &c->places[call->place];
}

void ps_calls_event(const struct ps_fn_call *call,
                    struct ps_tracer_event *ret_event)
{
    struct ps_tracer_event e = {
        .time = call->time,
        .skb = call->skb,
        .head = call->head,
        .location = call->ip,
        .tuple = call->tuple,
        .netns = call->netns,
        .ifindex = call->ifindex,
        .len = call->len,
        .packets = call->packets,
        .mark = call->mark,
        .seq = call->seq,
        .ack = call->ack,
        .payload = call->payload,
        .hash = call->hash,
        .ip_id = call->ip_id,
        .cpu = call->cpu,
        .station = PS_ST_FUNCTION,
        .traces = call->traces,
        .flags = (uint8_t)call->flags,
        .tcp_flags = call->tcp_flags,
    };

    memcpy(e.ifname, call->ifname, sizeof(e.ifname));
    *ret_event = e;
}
