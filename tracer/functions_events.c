/* SPDX-License-Identifier: MIT */
/*
 * Many probes as one event (tracefs, kprobe_events). Probes of one name and
 * different arguments are one event, which is switched on and off at once: in
 * milliseconds for hundreds of probes, where one descriptor for each takes
 * minutes.
 *
 * A group of functions is an event. What is defined and switched off costs no
 * packet anything, so definitions stay until the tracer ends; those that a
 * killed one left are taken away by the next that starts. The first of each
 * group is defined with privileges: only so its event's number can be read.
 */
#include <fcntl.h>

#include <linux/bpf.h>
#include <linux/perf_event.h>

#include "tracer/functions_internal.h"

#define GROUP "packetscope"
/* The first ones, so that steps come at once; then more in each. */
#define FIRST_GROUP 24u
#define NEXT_GROUP  128u
#define MORE_GROUP  256u
/* Of returns, each of which takes long. */
#define RETURNS_GROUP 3u
/* Longer than this for one of them, and there are none. */
#define RETURNS_NS (200 * PS_NS_PER_MS)
#define MAX_GROUPS (PS_FN_MAX / MORE_GROUP + PS_FN_TIMED / RETURNS_GROUP + 4)
/* Events of others that are taken away in one start. */
#define MAX_LEFT 1024u

static const char *const tracefs[] = {
    "/sys/kernel/tracing",
    "/sys/kernel/debug/tracing",
};

struct group {
    bool ret;        /* of returns: from and to are of f->timed */
    size_t from, to; /* of the list */
    size_t next;     /* to be defined */
    size_t n;        /* that are */
    uint32_t id;     /* of the event; 0: none */
    int fd;          /* runs the program; -1: switched off */
};

struct ps_fn_events {
    const char *dir;
    int fd; /* kprobe_events */
    struct group groups[MAX_GROUPS];
    size_t n;
    size_t at; /* the group that is put now */
};

/* ---- definitions -------------------------------------------------------- */

static int say(const struct ps_fn_events *e, const char *line)
{
    size_t len = strlen(line);

    return write(e->fd, line, len) == (ssize_t)len ? 0 : -errno;
}

static void name_of(char name[32], size_t group)
{
    snprintf(name, 32, "p%d_%zu", (int)getpid(), group);
}

/* The argument makes each probe another one to the kernel, which compares no
 * addresses. */
static int define_at(const struct ps_fn_events *e, size_t group, uint64_t addr)
{
    const struct group *g = &e->groups[group];
    char line[128], name[32];

    name_of(name, group);
    snprintf(line, sizeof(line), "%c:" GROUP "/%s 0x%llx a=\\%zu\n",
             g->ret ? 'r' : 'p', name, (unsigned long long)addr, g->next);
    return say(e, line);
}

static int define_call(const struct ps_functions *f, size_t group, size_t i)
{
    const struct ps_fn *fn = &f->list.fns[i];
    uint32_t skip = ps_fn_skip(f, fn->addr);
    uint64_t addr = fn->addr + skip;
    int r;

    r = define_at(f->events, group, addr);
    if (r < 0 && skip) {
        addr = fn->addr;
        r = define_at(f->events, group, addr);
    }
    return r < 0 ? r : ps_fn_know(f, addr, ps_fn_cookie(fn, false), BPF_ANY);
}

/* The group's next one. */
static int define_next(struct ps_functions *f, size_t group)
{
    struct group *g = &f->events->groups[group];
    size_t i = g->next;
    int r;

    if (g->ret)
        r = define_at(f->events, group, f->list.fns[f->timed[i]].addr);
    else
        r = define_call(f, group, i);
    g->next++;
    g->n += r == 0;
    return r;
}

static void undefine(const struct ps_fn_events *e, const char *name)
{
    char line[64];

    snprintf(line, sizeof(line), "-:" GROUP "/%s\n", name);
    say(e, line);
}

/* The groups from this one on are taken away. */
static void drop_groups(struct ps_fn_events *e, size_t from)
{
    char name[32];

    for (size_t i = from; i < e->n; i++) {
        name_of(name, i);
        if (e->groups[i].n)
            undefine(e, name);
    }
    e->n = from;
}

/* ---- what others left --------------------------------------------------- */

/* One of another tracer that runs stays; so do those that are switched on,
 * which the kernel does not let go. */
static bool is_left(int pid)
{
    char path[32], name[16] = "";
    FILE *file;

    if (pid == getpid())
        return true;
    snprintf(path, sizeof(path), "/proc/%d/comm", pid);
    file = fopen(path, "re");
    if (!file)
        return true;
    if (!fgets(name, sizeof(name), file))
        name[0] = '\0';
    fclose(file);
    return strcmp(name, "ps-tracer\n") != 0;
}

/* Probes of one event follow each other. */
static size_t find_left(const char *path, char (*ret_names)[32])
{
    FILE *file = fopen(path, "re");
    char line[256], name[32] = "";
    int pid, group;
    size_t n = 0;

    if (!file)
        return 0;
    while (n < MAX_LEFT && fgets(line, sizeof(line), file)) {
        if (sscanf(line, "%*[^:]:" GROUP "/p%9d_%9d ", &pid, &group) != 2)
            continue;
        snprintf(name, sizeof(name), "p%d_%d", pid, group);
        if ((n && !strcmp(ret_names[n - 1], name)) || !is_left(pid))
            continue;
        memcpy(ret_names[n++], name, sizeof(name));
    }
    fclose(file);
    return n;
}

static int take_left(const struct ps_functions *f, const char *path)
{
    _cleanup_free_ void *room = malloc((size_t)MAX_LEFT * 32);
    char(*names)[32] = room;
    size_t n;

    if (!room)
        return -ENOMEM;
    n = find_left(path, names);
    if (n)
        ps_expedite_begin(f->expedite);
    for (size_t i = 0; i < n; i++)
        undefine(f->events, names[i]);
    ps_expedite_end(f->expedite);
    return 0;
}

/* ---- set-up ------------------------------------------------------------- */

static void add_group(struct ps_fn_events *e, bool ret, size_t from, size_t to)
{
    if (from < to)
        e->groups[e->n++] = (struct group){
            .ret = ret, .from = from, .to = to, .next = from, .fd = -1};
}

static void make_groups(const struct ps_functions *f, struct ps_fn_events *e)
{
    size_t size = FIRST_GROUP, to;

    for (size_t from = 0; from < f->list.n; from = to) {
        to = from + size < f->list.n ? from + size : f->list.n;
        add_group(e, false, from, to);
        size = size == FIRST_GROUP ? NEXT_GROUP : MORE_GROUP;
    }
    for (size_t from = 0; from < f->n_timed; from = to) {
        to = from + RETURNS_GROUP < f->n_timed ? from + RETURNS_GROUP
                                               : f->n_timed;
        add_group(e, true, from, to);
    }
}

static uint32_t read_id(const struct ps_fn_events *e, size_t group)
{
    char path[128], name[32];
    unsigned int id = 0;
    FILE *file;

    name_of(name, group);
    snprintf(path, sizeof(path), "%s/events/" GROUP "/%s/id", e->dir, name);
    file = fopen(path, "re");
    if (!file)
        return 0;
    if (fscanf(file, "%u", &id) != 1)
        id = 0;
    fclose(file);
    return id;
}

/* The first of the group that the kernel takes makes its event. */
static int seed(struct ps_functions *f, size_t group)
{
    struct group *g = &f->events->groups[group];
    int r = -ENOENT;

    while (g->next < g->to && !g->n)
        r = define_next(f, group);
    if (!g->n)
        return r;
    g->id = read_id(f->events, group);
    return g->id ? 0 : -EACCES;
}

static int open_events(struct ps_fn_events *e, char path[64])
{
    for (size_t i = 0; i < ARRAY_SIZE(tracefs) && e->fd < 0; i++) {
        e->dir = tracefs[i];
        snprintf(path, 64, "%s/kprobe_events", e->dir);
        e->fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    }
    return e->fd < 0 ? -errno : 0;
}

int ps_fn_events_init(struct ps_functions *f)
{
    struct ps_fn_events *e = calloc(1, sizeof(*e));
    char path[64];
    int r;

    if (!e)
        return -ENOMEM;
    f->events = e;
    e->fd = -1;
    r = open_events(e, path);
    if (r == 0)
        r = take_left(f, path);
    if (r < 0)
        return r;
    make_groups(f, e);
    for (size_t i = 0; i < e->n; i++) {
        r = seed(f, i);
        /* Returns are worth having, not needed. */
        if (r < 0 && !e->groups[i].ret)
            return r;
    }
    return 0;
}

void ps_fn_events_exit(struct ps_functions *f)
{
    struct ps_fn_events *e = f->events;

    if (!e)
        return;
    ps_fn_events_off(f);
    if (f->expedite)
        ps_expedite_begin(f->expedite);
    if (e->fd >= 0)
        drop_groups(e, 0);
    if (f->expedite)
        ps_expedite_end(f->expedite);
    if (e->fd >= 0)
        close(e->fd);
    free(e);
    f->events = NULL;
}

/* ---- on and off --------------------------------------------------------- */

static int switch_on(struct ps_functions *f, struct group *g)
{
    struct perf_event_attr attr = {.type = PERF_TYPE_TRACEPOINT,
                                   .config = g->id};
    int fd;

    if (!g->id)
        return -ENOENT;
    fd = ps_fn_run_on(f, &attr, g->ret);
    if (fd < 0)
        return fd;
    g->fd = fd;
    for (size_t i = g->from; g->ret && i < g->to; i++)
        ps_fn_say_returns(f, i, true);
    return 0;
}

static void switch_off(const struct ps_functions *f, struct group *g)
{
    if (g->fd < 0)
        return;
    close(g->fd);
    g->fd = -1;
    for (size_t i = g->from; g->ret && i < g->to; i++)
        ps_fn_say_returns(f, i, false);
}

/* A return's probe goes through ftrace, which on old kernels walks over all
 * functions of the kernel and waits. */
static bool is_cheap(struct ps_functions *f, struct group *g)
{
    for (int i = 0; i < 2; i++) {
        uint64_t begin = ps_mono_ns();

        if (switch_on(f, g) < 0)
            return false;
        switch_off(f, g);
        if (ps_mono_ns() - begin < RETURNS_NS)
            return true;
    }
    return false;
}

int ps_fn_events_try(struct ps_functions *f)
{
    struct ps_fn_events *e = f->events;
    size_t returns = 0;
    int r = switch_on(f, &e->groups[0]);

    f->attached = r == 0;
    while (returns < e->n && !e->groups[returns].ret)
        returns++;
    if (r == 0 && returns < e->n && !is_cheap(f, &e->groups[returns]))
        drop_groups(e, returns);
    return r;
}

/* Defines what is left of the group; false: not all within the time. */
static bool define_group(struct ps_functions *f, size_t group, uint64_t end_ns)
{
    const struct group *g = &f->events->groups[group];

    while (g->next < g->to) {
        define_next(f, group);
        /* Of the first group all: nothing is seen before. */
        if (group && ps_mono_ns() >= end_ns)
            return g->next == g->to;
    }
    return true;
}

int ps_fn_events_put(struct ps_functions *f, uint64_t end_ns)
{
    struct ps_fn_events *e = f->events;
    int r = 0, last = 0;

    while (ps_fn_events_pending(f)) {
        struct group *g = &e->groups[e->at];

        if (!define_group(f, e->at, end_ns))
            break;
        r = switch_on(f, g);
        if (r < 0)
            last = r;
        if (!g->ret) {
            f->attached += r == 0 ? g->n : 0;
            f->refused += g->to - g->from - (r == 0 ? g->n : 0);
        }
        e->at++;
        if (ps_mono_ns() >= end_ns)
            break;
    }
    return f->attached ? 0 : last;
}

bool ps_fn_events_pending(const struct ps_functions *f)
{
    return f->events->at < f->events->n;
}

void ps_fn_events_off(struct ps_functions *f)
{
    struct ps_fn_events *e = f->events;

    if (!e)
        return;
    for (size_t i = 0; i < e->n; i++)
        switch_off(f, &e->groups[i]);
    e->at = 0;
}
