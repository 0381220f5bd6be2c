/* SPDX-License-Identifier: MIT */
#include "tracer/ownerprobe.h"

#include "bpf/tracer/process_abi.h"
#include "common/bpf.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#include "tracer_owners.skel.h"
#pragma GCC diagnostic pop

#define MAX_PROGS 16

struct ps_ownerprobe {
    struct tracer_owners_bpf *skel;
    struct bpf_link *links[MAX_PROGS];
    size_t n_links;
    unsigned int attached; /* kinds */
    const char *tier;
};

enum { TRACEPOINTS = 1, CGROUP = 2 };

/* The best first; each is tried as a whole. */
static const struct {
    const char *tier;
    unsigned int kinds;
} ladder[] = {
    {"tracepoints", TRACEPOINTS | CGROUP},
    {"cgroup", CGROUP},
};

static unsigned int kind_of(const struct bpf_program *prog)
{
    return bpf_program__type(prog) == BPF_PROG_TYPE_TRACING ? TRACEPOINTS
                                                            : CGROUP;
}

static int load(struct ps_ownerprobe *p, unsigned int kinds)
{
    struct bpf_program *prog;
    int r;

    p->skel = tracer_owners_bpf__open();
    if (!p->skel)
        return -errno;
    bpf_object__for_each_program(prog, p->skel->obj)
        bpf_program__set_autoload(prog, kinds & kind_of(prog));
    r = tracer_owners_bpf__load(p->skel);
    if (r < 0) {
        tracer_owners_bpf__destroy(p->skel);
        p->skel = NULL;
    }
    return r;
}

int ps_ownerprobe_open(struct ps_ownerprobe **ret_probe, char *reason,
                       size_t reason_size)
{
    _cleanup_(ps_ownerprobe_free) struct ps_ownerprobe *p = NULL;
    int r = -ENOENT;

    p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    for (size_t i = 0; i < ARRAY_SIZE(ladder) && r < 0; i++) {
        r = load(p, ladder[i].kinds);
        p->tier = ladder[i].tier;
    }
    if (r < 0) {
        snprintf(reason, reason_size, "%s", ps_bpf_reason(r));
        return r;
    }
    *ret_probe = TAKE_PTR(p);
    return 0;
}

void ps_ownerprobe_free(struct ps_ownerprobe **probe)
{
    if (!*probe)
        return;
    ps_ownerprobe_detach(*probe);
    tracer_owners_bpf__destroy((*probe)->skel);
    free(*probe);
    *probe = NULL;
}

int ps_ownerprobe_learned_fd(const struct ps_ownerprobe *p)
{
    return bpf_map__fd(p->skel->maps.learned_socks);
}

int ps_ownerprobe_owners_fd(const struct ps_ownerprobe *p)
{
    return bpf_map__fd(p->skel->maps.owners);
}

uint64_t ps_ownerprobe_memory(const struct ps_ownerprobe *p)
{
    return ps_bpf_object_memory(p->skel->obj);
}

uint64_t ps_ownerprobe_run_ns(const struct ps_ownerprobe *p)
{
    return ps_bpf_object_run_ns(p->skel->obj);
}

static void attach(struct ps_ownerprobe *p, unsigned int kind, int cgroup_fd)
{
    struct bpf_program *prog;
    struct bpf_link *link;

    bpf_object__for_each_program(prog, p->skel->obj) {
        if (!bpf_program__autoload(prog) || p->n_links == MAX_PROGS ||
            kind_of(prog) != kind)
            continue;
        if (kind == TRACEPOINTS)
            link = bpf_program__attach(prog);
        else
            link = cgroup_fd < 0 ? NULL
                                 : bpf_program__attach_cgroup(prog, cgroup_fd);
        if (link)
            p->links[p->n_links++] = link;
    }
    p->attached |= kind;
}

void ps_ownerprobe_attach(struct ps_ownerprobe *p, int cgroup_fd)
{
    if (!(p->attached & CGROUP))
        attach(p, CGROUP, cgroup_fd);
}

void ps_ownerprobe_attach_calls(struct ps_ownerprobe *p)
{
    if (!(p->attached & TRACEPOINTS))
        attach(p, TRACEPOINTS, -1);
}

void ps_ownerprobe_detach(struct ps_ownerprobe *p)
{
    while (p->n_links)
        bpf_link__destroy(p->links[--p->n_links]);
    p->attached = 0;
}

const char *ps_ownerprobe_tier(const struct ps_ownerprobe *p)
{
    return p->tier;
}

static bool find_bare(int map, const struct ps_sock_key *key, uint16_t rport,
                      struct ps_tracer_owner *owner)
{
    uint64_t id = PS_TRACER_OWNER_KEY(key->sk, key->lport, rport);

    return bpf_map_lookup_elem(map, &id, owner) == 0 &&
           owner->lport == key->lport && owner->rport == rport;
}

int ps_ownerprobe_find(const struct ps_ownerprobe *p,
                       const struct ps_sock_key *key,
                       struct ps_tracer_owner *ret_owner)
{
    int map = bpf_map__fd(p->skel->maps.owners);
    struct ps_tracer_owner owner;
    bool known = key->cookie &&
                 bpf_map_lookup_elem(map, &key->cookie, &owner) == 0;

    /* One that is not connected has no other port. */
    if (!known && key->lport)
        known = find_bare(map, key, key->rport, &owner) ||
                find_bare(map, key, 0, &owner);
    if (!known)
        return -ENOENT;
    owner.comm[sizeof(owner.comm) - 1] = '\0';
    *ret_owner = owner;
    return 0;
}

uint64_t ps_ownerprobe_lost(const struct ps_ownerprobe *p)
{
    return p->skel->bss->owners_lost;
}

/* ---- processes that are asked for --------------------------------------- */

/* NOLINTNEXTLINE(readability-non-const-parameter): it is stored to */
static void set_bits(unsigned int *word, uint32_t bits, bool on)
{
    __atomic_store_n(word, on ? *word | bits : *word & ~bits, __ATOMIC_SEQ_CST);
}

void ps_ownerprobe_ask_none(struct ps_ownerprobe *p, unsigned int slot)
{
    struct ps_tracer_processes *all = &p->skel->bss->processes;

    set_bits(&all->asked, 1u << slot, false);
    set_bits(&all->by_cgroup, 1u << slot, false);
}

void ps_ownerprobe_ask(struct ps_ownerprobe *p, unsigned int slot,
                       uint64_t cgroup, uint32_t level)
{
    struct ps_tracer_processes *all = &p->skel->bss->processes;
    struct ps_tracer_process *of = &all->slots[slot];

    if (of->cgroup != cgroup || of->level != level)
        set_bits(&all->by_cgroup, 1u << slot, false);
    of->cgroup = cgroup;
    of->level = level;
    set_bits(&all->by_cgroup, 1u << slot, cgroup != 0);
    set_bits(&all->asked, 1u << slot, true);
}

int ps_ownerprobe_set_member(struct ps_ownerprobe *p, uint32_t pid,
                             uint32_t slots)
{
    int map = bpf_map__fd(p->skel->maps.members);
    int r = slots ? bpf_map_update_elem(map, &pid, &slots, BPF_ANY)
                  : bpf_map_delete_elem(map, &pid);

    return r < 0 ? -errno : 0;
}

uint64_t ps_ownerprobe_unlearned(const struct ps_ownerprobe *p)
{
    return p->skel->bss->unlearned;
}
