/* SPDX-License-Identifier: MIT */
#include "tracer/sockcalls.h"

/* Places of a thread in the table. */
#define NEAR 8u
/* Where a return finds its call's stack pointer: the address was taken off. */
#define SP_SLACK 16u

/* A call that has not returned. */
struct frame {
    struct ps_fn_return call;
    bool socket;
    bool counted;
    /* Of a packet's: its way, or why it has none. */
    uint32_t way;
    enum ps_join_result why;
    /* Of a socket's: where it stands, PS_CALLS_NONE where there was no room. */
    struct {
        uint32_t way, call;
    } in[PS_SOCKCALLS_WAYS];
    uint32_t n;
};

struct thread {
    uint32_t pid;
    uint16_t cpu; /* of the idle threads: all are thread 0 */
    uint64_t last;
    uint32_t n;
    struct frame frames[PS_SOCKCALLS_DEEP];
};

struct ps_sockcalls {
    struct ps_calls *calls;
    uint64_t serial;
    uint64_t results[PS_JOIN_RESULTS];
    uint32_t open; /* calls of all threads */
    struct thread threads[PS_SOCKCALLS_THREADS];
};

int ps_sockcalls_new(struct ps_calls *calls, struct ps_sockcalls **ret_socks)
{
    struct ps_sockcalls *s = calloc(1, sizeof(*s));

    if (!s)
        return -ENOMEM;
    s->calls = calls;
    *ret_socks = s;
    return 0;
}

void ps_sockcalls_free(struct ps_sockcalls **socks)
{
    free(*socks);
    *socks = NULL;
}

uint64_t ps_sockcalls_count(const struct ps_sockcalls *s,
                            enum ps_join_result result)
{
    return s->results[result];
}

/* ---- threads ------------------------------------------------------------ */

static void count(struct ps_sockcalls *s, struct frame *f,
                  enum ps_join_result result)
{
    if (!f->counted)
        s->results[result]++;
    f->counted = true;
}

/* Those further in than the first n are over. */
static void leave_open(struct ps_sockcalls *s, struct thread *t, uint32_t n)
{
    for (; t->n > n; t->n--) {
        s->open--;
        if (t->frames[t->n - 1].socket)
            count(s, &t->frames[t->n - 1], PS_JOIN_NO_CALL);
    }
}

static void put(struct ps_sockcalls *s, struct thread *t, const struct frame *f)
{
    t->frames[t->n++] = *f;
    s->open++;
}

/* One that is known, or NULL; *ret_free: where it would go. */
static struct thread *find_thread(struct ps_sockcalls *s,
                                  const struct ps_fn_return *call,
                                  struct thread **ret_free)
{
    uint32_t key = call->pid ? call->pid : UINT32_MAX - call->cpu;
    uint32_t at = key * 0x9E3779B1u >> 24;

    *ret_free = NULL;
    for (uint32_t i = 0; i < NEAR; i++) {
        struct thread *t = &s->threads[(at + i) % PS_SOCKCALLS_THREADS];

        if (t->n && t->pid == call->pid && (t->pid || t->cpu == call->cpu))
            return t;
        if (!*ret_free ||
            ((*ret_free)->n && (!t->n || t->last < (*ret_free)->last)))
            *ret_free = t;
    }
    return NULL;
}

/* With those calls that are open when this one begins. */
static struct thread *thread_of(struct ps_sockcalls *s,
                                const struct ps_fn_return *call)
{
    struct thread *free_one, *t = find_thread(s, call, &free_one);

    if (!t) {
        t = free_one;
        leave_open(s, t, 0);
        t->pid = call->pid;
        t->cpu = call->cpu;
    }
    t->last = ++s->serial;
    for (uint32_t i = 0; i < t->n; i++)
        if (ps_calls_is_over(t->frames[i].call.sp, call->sp))
            leave_open(s, t, i);
    return t;
}

/* ---- where it stands ---------------------------------------------------- */

static void stand_in(struct ps_sockcalls *s, struct frame *f, uint32_t way)
{
    uint32_t n = f->n;

    for (uint32_t i = 0; i < n; i++)
        if (f->in[i].way == way)
            return;
    if (n == PS_SOCKCALLS_WAYS)
        return;
    f->in[n].way = way;
    f->in[n].call = ps_calls_add_socket(s->calls, way, &f->call);
    f->n++;
    count(s, f,
          f->in[n].call == PS_CALLS_NONE ? PS_JOIN_STEP_LIMIT : PS_JOIN_STEP);
}

void ps_sockcalls_packet(struct ps_sockcalls *s, const struct ps_fn_call *call)
{
    struct frame f = {
        .call = {.pid = call->pid,
                 .cpu = call->cpu,
                 .time = call->time,
                 .packet = call->packet & PS_FN_ID_MASK,
                 .ip = call->ip,
                 .sp = call->sp},
    };
    struct thread *t = thread_of(s, &f.call);
    uint32_t first = t->n;

    f.way = ps_calls_way(s->calls, f.call.packet, &f.why);
    while (first &&
           (t->frames[first - 1].socket || t->frames[first - 1].way == f.way))
        first--;
    for (uint32_t i = first; i < t->n; i++) {
        if (!t->frames[i].socket)
            continue;
        if (f.way != PS_CALLS_NONE)
            stand_in(s, &t->frames[i], f.way);
        else
            count(s, &t->frames[i], f.why);
    }
    if (call->returns && t->n < PS_SOCKCALLS_DEEP)
        put(s, t, &f);
}

void ps_sockcalls_add(struct ps_sockcalls *s, const struct ps_fn_return *call)
{
    struct thread *t = thread_of(s, call);
    struct frame f = {.call = *call, .socket = true};
    uint32_t i = t->n;

    if (t->n == PS_SOCKCALLS_DEEP) {
        s->results[PS_JOIN_STEP_LIMIT]++;
        return;
    }
    while (i && t->frames[i - 1].socket)
        i--;
    if (i && t->frames[i - 1].way != PS_CALLS_NONE)
        stand_in(s, &f, t->frames[i - 1].way);
    else if (i)
        count(s, &f, t->frames[i - 1].why);
    put(s, t, &f);
}

/* ---- its end ------------------------------------------------------------ */

static bool is_call_of(const struct frame *f, const struct ps_fn_return *ret)
{
    uint64_t a = f->call.sp, b = ret->sp;

    return f->socket == (ret->kind == PS_FN_SOCKET_RETURN) &&
           f->call.packet == ret->packet && ret->time >= f->call.time &&
           (!ret->ip || ret->ip == f->call.ip) &&
           (a > b ? a - b : b - a) <= SP_SLACK;
}

void ps_sockcalls_return(struct ps_sockcalls *s, const struct ps_fn_return *ret)
{
    struct thread *unused, *t = find_thread(s, ret, &unused);
    const struct frame *f;
    uint32_t i = t ? t->n : 0;

    while (i && !is_call_of(&t->frames[i - 1], ret))
        i--;
    if (!i)
        return;
    f = &t->frames[i - 1];
    for (uint32_t k = 0; k < f->n; k++)
        if (f->in[k].call != PS_CALLS_NONE)
            ps_calls_end_socket(s->calls, f->in[k].way, f->in[k].call,
                                ret->time);
    leave_open(s, t, i - 1);
}

void ps_sockcalls_forget(struct ps_sockcalls *s)
{
    for (size_t i = 0; i < PS_SOCKCALLS_THREADS && s->open; i++)
        leave_open(s, &s->threads[i], 0);
}
