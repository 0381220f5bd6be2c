/* SPDX-License-Identifier: MIT */
#include "tracer/learn.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "tracer/aliases.h"
#include "tracer/learn_internal.h"
#include "tracer/tracer.h"

#define LOOK_NS (250 * PS_NS_PER_MS)
/* Looks may take so much of one CPU at most: 1/20. */
#define LOOK_SHARE 20

static bool asks(const struct ps_trace *trace)
{
    /* One that starts is not running yet, but has its filter. */
    return trace->filter && trace->phase <= PS_TRACE_RUNNING &&
           ps_filter_asks_process(trace->filter);
}

/* ---- processes ---------------------------------------------------------- */

/* A cgroup that stands for all that a trace asks for. */
struct whole {
    char path[PS_CGROUP_PATH]; /* "": not found */
};

static void add_process(struct tracer *t, uint32_t pid,
                        struct ps_members *members, struct whole *wholes)
{
    struct ps_cgroup cgroup;
    uint32_t slots = 0;

    ps_cgroup_of(pid, &cgroup);
    for (size_t i = 0; i < PS_TRACER_MAX_TRACES; i++) {
        const struct ps_trace *trace = &t->traces[i];

        if (!asks(trace) || !ps_process_asks_cgroup(&trace->filter->process) ||
            !ps_process_fits(&trace->filter->process, pid, &cgroup))
            continue;
        slots |= 1u << i;
        ps_process_cgroup(&trace->filter->process, &cgroup, wholes[i].path);
    }
    if (slots && ps_members_add(members, pid, slots) < 0)
        t->learn.full++;
}

static void add_all_processes(struct tracer *t, struct ps_members *members,
                              struct whole *wholes)
{
    DIR *dir = opendir("/proc");
    const struct dirent *entry;
    uint64_t pid;

    if (!dir)
        return;
    while ((entry = readdir(dir)))
        if (ps_parse_uint(entry->d_name, 1, INT32_MAX, &pid) == 0)
            add_process(t, (uint32_t)pid, members, wholes);
    closedir(dir);
}

static void find_members(struct tracer *t, struct ps_members *members,
                         struct whole *wholes)
{
    bool all = false;

    for (size_t i = 0; i < PS_TRACER_MAX_TRACES; i++) {
        const struct ps_trace *trace = &t->traces[i];

        if (!asks(trace))
            continue;
        ps_process_cgroup(&trace->filter->process, NULL, wholes[i].path);
        if (ps_process_asks_cgroup(&trace->filter->process))
            all = true;
        else if (ps_members_add(members, trace->filter->process.pid, 1u << i) <
                 0)
            t->learn.full++;
    }
    if (all)
        add_all_processes(t, members, wholes);
    ps_members_sort(members);
}

/* ---- what the programs compare ------------------------------------------ */

/* In v2 a directory's inode number is its cgroup's id. False: it is none. */
static bool find_cgroup(const char *path, uint64_t *ret_id, uint32_t *ret_level)
{
    _cleanup_close_ int root = -1;
    struct stat here, found;
    uint32_t level = 0;

    if (path[0] != '/' || strstr(path, "/.."))
        return false;
    root = ps_cgroup_open_root();
    if (root < 0 || fstat(root, &here) < 0 ||
        fstatat(root, path + 1, &found, AT_SYMLINK_NOFOLLOW) < 0 ||
        !S_ISDIR(found.st_mode) || found.st_dev != here.st_dev)
        return false;
    for (const char *at = path; *at; at++)
        level += *at == '/' && at[1] && at[1] != '/';
    *ret_id = found.st_ino;
    *ret_level = level;
    return true;
}

static void tell_members(struct tracer *t, const struct ps_members *members)
{
    struct ps_learn *l = &t->learn;

    for (size_t i = 0; i < members->n; i++) {
        const struct ps_member *m = &members->list[i];

        if (ps_members_slots(&l->members, m->pid) != m->slots &&
            ps_ownerprobe_set_member(t->ownerprobe, m->pid, m->slots) < 0)
            l->full++;
    }
    for (size_t i = 0; i < l->members.n; i++)
        if (!ps_members_slots(members, l->members.list[i].pid))
            ps_ownerprobe_set_member(t->ownerprobe, l->members.list[i].pid, 0);
}

static void tell_programs(struct tracer *t, const struct ps_members *members,
                          const struct whole *wholes)
{
    if (!t->ownerprobe)
        return;
    tell_members(t, members);
    for (unsigned int i = 0; i < PS_TRACER_MAX_TRACES; i++) {
        uint64_t id = 0;
        uint32_t level = 0;

        if (!asks(&t->traces[i]))
            continue;
        if (wholes[i].path[0] && !find_cgroup(wholes[i].path, &id, &level))
            id = level = 0;
        ps_ownerprobe_ask(t->ownerprobe, i, id, level);
    }
}

/* ---- looks -------------------------------------------------------------- */

static void look(struct tracer *t)
{
    _cleanup_(ps_members_clear) struct ps_members members = {0};
    struct whole wholes[PS_TRACER_MAX_TRACES] = {0};
    uint64_t before = ps_mono_ns(), took;

    find_members(t, &members, wholes);
    /* First the programs, then what is there: no socket is made between. */
    tell_programs(t, &members, wholes);
    ps_learn_look_socks(t, &members);
    ps_members_clear(&t->learn.members);
    t->learn.members = members;
    members = (struct ps_members){0};
    took = ps_mono_ns() - before;
    t->learn.next = before +
                    (took * LOOK_SHARE < LOOK_NS ? LOOK_NS : took * LOOK_SHARE);
}

/* They are no aliases any more: where they are wanted, they are put anew. */
static void forget_ends(struct ps_local_ends *ends, uint32_t slots)
{
    for (size_t i = 0; i < ends->n; i++)
        ends->list[i].slots &= ~slots;
}

void ps_learn_ask(struct tracer *t, struct ps_trace *trace)
{
    unsigned int slot = ps_trace_slot(t, trace);
    struct ps_aliases_left left = {0};

    ps_learn_stop(t, trace);
    ps_probes_forget_aliases(t->probes, 1u << slot);
    ps_probes_forget_socks(t->probes, 1u << slot);
    forget_ends(&t->learn.ends, 1u << slot);
    /* The stations at these calls know only who has a tuple that is asked for.
     */
    if (t->ownerprobe && ps_filter_asks_more(trace->filter))
        ps_ownerprobe_attach_calls(t->ownerprobe);
    if (asks(trace))
        look(t);
    ps_aliases_seed(t->probes, slot, trace->filter, trace->join, &left);
    trace->unread += left.tables;
    t->learn.unread += left.tables;
    t->learn.aliases_full += left.tuples;
}

void ps_learn_stop(struct tracer *t, const struct ps_trace *trace)
{
    if (t->ownerprobe)
        ps_ownerprobe_ask_none(t->ownerprobe, ps_trace_slot(t, trace));
}

void ps_learn_tick(struct tracer *t, uint64_t now)
{
    bool any = false;

    for (size_t i = 0; i < PS_TRACER_MAX_TRACES; i++)
        any |= asks(&t->traces[i]);
    if (any && now >= t->learn.next)
        look(t);
}

void ps_learn_close(struct tracer *t)
{
    ps_members_clear(&t->learn.members);
    ps_learn_ends_clear(&t->learn.ends);
}

uint64_t ps_learn_full(const struct tracer *t)
{
    return t->learn.full +
           (t->ownerprobe ? ps_ownerprobe_unlearned(t->ownerprobe) : 0);
}
