/* SPDX-License-Identifier: MIT */
#include "tracer/process.h"

#include "common/array.h"

bool ps_process_asks_cgroup(const struct ps_process *asked)
{
    return asked->cgroup[0] || asked->container[0];
}

bool ps_process_asked(const struct ps_process *asked)
{
    return asked->pid || ps_process_asks_cgroup(asked);
}

/* The cgroup itself, or one below it. */
static bool is_below(const char *path, const char *above)
{
    size_t len = strlen(above);

    return !strncmp(path, above, len) && (!path[len] || path[len] == '/');
}

bool ps_process_fits(const struct ps_process *asked, uint32_t pid,
                     const struct ps_cgroup *cgroup)
{
    if (asked->pid && asked->pid != pid)
        return false;
    if (asked->cgroup[0] && !is_below(cgroup->path, asked->cgroup))
        return false;
    return !asked->container[0] || !strncmp(cgroup->container, asked->container,
                                            strlen(asked->container));
}

bool ps_process_cgroup(const struct ps_process *asked,
                       const struct ps_cgroup *member, char *ret_path)
{
    const char *id;
    size_t len;

    /* One of its processes is less than a cgroup. */
    if (asked->pid || !ps_process_asks_cgroup(asked))
        return false;
    if (!asked->container[0]) {
        snprintf(ret_path, PS_CGROUP_PATH, "%s", asked->cgroup);
        return true;
    }
    id = member ? strstr(member->path, member->container) : NULL;
    if (!id || !member->container[0])
        return false;
    len = (size_t)(id - member->path);
    len += strcspn(id, "/");
    snprintf(ret_path, PS_CGROUP_PATH, "%.*s", (int)len, member->path);
    return true;
}

/* ---- members ------------------------------------------------------------ */

int ps_members_add(struct ps_members *m, uint32_t pid, uint32_t slots)
{
    int r = ps_array_reserve(&m->list, &m->cap, m->n + 1, PS_MEMBERS_MAX,
                             sizeof(*m->list));

    if (r < 0)
        return r;
    m->list[m->n++] = (struct ps_member){.pid = pid, .slots = slots};
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct ps_member *x = a, *y = b;

    return x->pid < y->pid ? -1 : x->pid > y->pid;
}

void ps_members_sort(struct ps_members *m)
{
    uint32_t kept = 0;

    if (m->n)
        qsort(m->list, m->n, sizeof(*m->list), compare);
    for (size_t i = 0; i < m->n; i++) {
        if (kept && m->list[kept - 1].pid == m->list[i].pid)
            m->list[kept - 1].slots |= m->list[i].slots;
        else
            m->list[kept++] = m->list[i];
    }
    m->n = kept;
}

uint32_t ps_members_slots(const struct ps_members *m, uint32_t pid)
{
    const struct ps_member key = {.pid = pid}, *found;

    found = m->n ? bsearch(&key, m->list, m->n, sizeof(key), compare) : NULL;
    return found ? found->slots : 0;
}

void ps_members_clear(struct ps_members *m)
{
    free(m->list);
    *m = (struct ps_members){0};
}
