/* SPDX-License-Identifier: MIT */
#include "tracer/callers.h"

/* Threads of a packet that are known at once; the one that was not used for
 * longest leaves. */
#define THREADS 8u
#define DEEP    PS_CALLS_MAX_OPEN

/* The last call at a depth of the calls' own. */
struct level {
    uint64_t function;
    uint32_t serial;
    uint16_t shown; /* its depth with its callers */
};

/* Callers that were shown last. */
struct shown {
    uint32_t within; /* this call; 0: they are outermost */
    uint16_t depth;
    uint64_t functions[PS_CARRY_FRAMES];
    size_t n;
};

struct thread {
    bool used;
    uint32_t pid;
    uint16_t cpu; /* of the idle threads: all are thread 0 */
    uint32_t last;
    struct level levels[DEEP];
    size_t n_levels;
    uint16_t outer; /* depth of the last outermost call */
    /* The last call with a stack: those without have its callers. */
    uint16_t base, base_shown;
    struct shown outermost, inner;
};

struct ps_callers {
    struct thread threads[THREADS];
    uint32_t serial; /* of calls, from 1 on */
};

int ps_callers_new(struct ps_callers **ret_callers)
{
    *ret_callers = calloc(1, sizeof(**ret_callers));
    return *ret_callers ? 0 : -ENOMEM;
}

void ps_callers_free(struct ps_callers **callers)
{
    free(*callers);
    *callers = NULL;
}

static struct thread *thread_of(struct ps_callers *c,
                                const struct ps_call *call)
{
    struct thread *oldest = &c->threads[0];

    for (size_t i = 0; i < THREADS; i++) {
        struct thread *t = &c->threads[i];

        if (t->used && t->pid == call->pid &&
            (call->pid || t->cpu == call->cpu))
            return t;
        if (t->last < oldest->last)
            oldest = t;
    }
    *oldest = (struct thread){.used = true, .pid = call->pid, .cpu = call->cpu};
    return oldest;
}

/* Calls that the stack shows: how many of its functions come before the end of
 * the innermost of them; that one, or NULL. */
static const struct level *within(const struct thread *t, const uint64_t *stack,
                                  size_t n, size_t *ret_passed)
{
    const struct level *found = NULL;
    size_t next = 0;

    *ret_passed = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = next; k < t->n_levels; k++) {
            if (t->levels[k].function != stack[i])
                continue;
            found = &t->levels[k];
            next = k + 1;
            *ret_passed = i + 1;
            break;
        }
    }
    return found;
}

static struct ps_callers_shown place(struct thread *t, const uint64_t *stack,
                                     size_t n, size_t passed,
                                     const struct level *call)
{
    struct shown *s = call ? &t->inner : &t->outermost;
    uint32_t serial = call ? call->serial : 0;
    uint16_t depth = call ? (uint16_t)(call->shown + 1) : 0;
    size_t same = 0, left = n - passed;

    if (s->within == serial && s->depth == depth)
        while (same < left && same < s->n &&
               s->functions[same] == stack[passed + same])
            same++;
    s->within = serial;
    s->depth = depth;
    s->n = left;
    memcpy(s->functions, stack + passed, left * sizeof(*stack));
    return (struct ps_callers_shown){
        .first = passed + same,
        .depth = (uint16_t)(depth + same),
        .call_depth = (uint16_t)(depth + left),
    };
}

/* Of a call without a stack of its own. */
static uint16_t depth_of(const struct thread *t)
{
    if (t->n_levels && t->n_levels == t->base)
        return t->base_shown;
    return t->n_levels ? (uint16_t)(t->levels[t->n_levels - 1].shown + 1)
                       : t->outer;
}

void ps_callers_add(struct ps_callers *c, const struct ps_call *call,
                    uint64_t function, const uint64_t *stack, size_t n,
                    bool cut, struct ps_callers_shown *ret_shown)
{
    struct thread *t = thread_of(c, call);
    const struct level *in = NULL;
    size_t passed = 0;

    t->last = ++c->serial;
    if (call->depth < t->n_levels)
        t->n_levels = call->depth;
    if (n)
        in = within(t, stack, n, &passed);
    /* Where the stack ends before the calls begin it says nothing of them. */
    if (n && (in || !cut || !t->n_levels)) {
        *ret_shown = place(t, stack, n, passed, in);
        t->base = (uint16_t)t->n_levels;
        t->base_shown = ret_shown->call_depth;
    } else {
        uint16_t depth = depth_of(t);

        *ret_shown = (struct ps_callers_shown){n, depth, depth};
    }
    if (!t->n_levels)
        t->outer = ret_shown->call_depth;
    if (t->n_levels < DEEP)
        t->levels[t->n_levels++] =
            (struct level){function, c->serial, ret_shown->call_depth};
}
