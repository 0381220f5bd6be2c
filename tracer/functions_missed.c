/* SPDX-License-Identifier: MIT */
/* Calls that the kernel left out, where it counts them. */
#include "tracer/functions_internal.h"

/* What is nested so deep in the kernel's struct holds what is looked for. */
#define MAX_DEPTH 4

/* What the kernel says of a kprobe.multi link from 6.7 on; not in every
 * linux/bpf.h. */
struct link_info {
    uint32_t type, id, prog_id, pad;
    uint64_t addrs;
    uint32_t count, flags;
    uint64_t missed;
    uint64_t more[8];
};

static bool has_member(const struct btf *kernel, const struct btf_type *t,
                       const char *name, int depth)
{
    const struct btf_member *m = btf_members(t);

    for (uint16_t i = 0; i < btf_vlen(t); i++, m++) {
        const struct btf_type *inner = btf__type_by_id(kernel, m->type);

        if (ps_streq(btf__name_by_offset(kernel, m->name_off), name))
            return true;
        if (inner && btf_is_composite(inner) && depth < MAX_DEPTH &&
            has_member(kernel, inner, name, depth + 1))
            return true;
    }
    return false;
}

bool ps_fn_counts_misses(const struct btf *kernel)
{
    int id = btf__find_by_name_kind(kernel, "bpf_link_info", BTF_KIND_STRUCT);

    return id > 0 && has_member(kernel, btf__type_by_id(kernel, (uint32_t)id),
                                "missed", 0);
}

/* Of ftrace, before it called a program at all; not of returns alone. */
static uint64_t missed_by(const struct ps_functions *f, size_t place)
{
    struct link_info info = {0};
    uint32_t len = sizeof(info);
    int link = f->links[place];

    if (link < 0 || place == PS_FN_LINK_SOCKET_RET ||
        (place == 1 && f->progs.first < 0))
        return 0;
    return bpf_obj_get_info_by_fd(link, &info, &len) < 0 ? 0 : info.missed;
}

void ps_fn_close_link(struct ps_functions *f, size_t place)
{
    if (f->links[place] < 0)
        return;
    if (f->counts_misses)
        f->missed += missed_by(f, place);
    close(f->links[place]);
    f->links[place] = -1;
}

bool ps_functions_counts_misses(const struct ps_functions *f)
{
    return f->counts_misses;
}

uint64_t ps_functions_missed(const struct ps_functions *f)
{
    const int progs[] = {f->progs.call, f->progs.first, f->progs.socket};
    uint64_t sum = f->missed;

    if (!f->counts_misses)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(progs); i++)
        if (progs[i] >= 0)
            sum += ps_bpf_prog_misses(progs[i]);
    for (size_t i = 0; i < PS_FN_LINKS; i++)
        sum += missed_by(f, i);
    return sum;
}
