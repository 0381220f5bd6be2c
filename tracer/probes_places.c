/* SPDX-License-Identifier: MIT */
/* Attaching what belongs to one network namespace or one interface. */
#include <limits.h>

#include "tracer/probes_internal.h"

/* Another tracer in the same namespace may hold a priority. */
#define PRIORITIES 16

/* ---- in its namespace ---------------------------------------------------- */

static int attach_hook(struct ps_probes *p, uint32_t pf, uint32_t hook,
                       struct bpf_link **ret_link)
{
    LIBBPF_OPTS(bpf_netfilter_opts, opts, .pf = pf, .hooknum = hook);
    struct bpf_link *link = NULL;
    int r = -EBUSY;

    /* First of all in the hook: what it drops was seen to come. */
    for (int i = 0; i < PRIORITIES && (r == -EBUSY || r == -EEXIST); i++) {
        opts.priority = INT_MIN + 1 + i;
        link = bpf_program__attach_netfilter(p->netfilter, &opts);
        r = link ? 0 : -errno;
    }
    *ret_link = link;
    return r;
}

static int attach_hooks(struct ps_probes *p, struct ps_probe_netns *ns)
{
    static const uint32_t families[] = {NFPROTO_IPV4, NFPROTO_IPV6};
    int r;

    for (size_t i = 0; i < PS_PROBES_HOOKS; i++) {
        uint32_t hook = i % NF_INET_NUMHOOKS;

        if (ns->links[i] || (p->waiting && hook != PS_PROBES_ENTRY) ||
            (!p->everywhere && hook != 0))
            continue;
        r = attach_hook(p, families[i / NF_INET_NUMHOOKS], hook, &ns->links[i]);
        if (r < 0) {
            ps_probes_leave_links(ns->links, PS_PROBES_HOOKS);
            return r;
        }
    }
    return p->waiting ? PS_PROBES_PENDING : 0;
}

/* Both directions, before other programs, so that what these drop was seen to
 * come. */
static int attach_device(struct ps_probes *p, struct ps_probe_device *d)
{
    LIBBPF_OPTS(bpf_tcx_opts, opts, .flags = BPF_F_BEFORE);

    d->links[0] =
        bpf_program__attach_tcx(p->tcx_ingress, (int)d->ifindex, &opts);
    if (!d->links[0])
        return -errno;
    if (!p->everywhere)
        return 0;
    d->links[1] =
        bpf_program__attach_tcx(p->tcx_egress, (int)d->ifindex, &opts);
    return d->links[1] ? 0 : -errno;
}

/* ---- all that waits ------------------------------------------------------ */

/* The kernel waits for all CPUs at each tcx link, some 10 to 20 ms where that
 * cannot be made short (expedite.h), at its attaching and at its end; nothing
 * else is done meanwhile. So some wait till the next look. */
struct patience {
    uint64_t until;
    bool any; /* was attached */
};

static void attach_here(struct ps_probes *p, struct ps_probe_netns *ns,
                        struct patience *patience)
{
    if (ps_probes_hooks_wait(p, ns))
        ns->hooks = attach_hooks(p, ns);
    for (size_t i = 0; i < p->n_devices; i++) {
        struct ps_probe_device *d = &p->devices[i];

        if (d->netns != ns->inum || !ps_probes_device_waits(p, d))
            continue;
        if (patience->any && ps_mono_ns() >= patience->until)
            return;
        patience->any = true;
        d->err = attach_device(p, d);
        if (d->err < 0)
            ps_probes_leave_links(d->links, ARRAY_SIZE(d->links));
    }
}

static bool any_waits(const struct ps_probes *p,
                      const struct ps_probe_netns *ns)
{
    bool any = ps_probes_hooks_wait(p, ns);

    for (size_t i = 0; i < p->n_devices; i++)
        any |= p->devices[i].netns == ns->inum &&
               ps_probes_device_waits(p, &p->devices[i]);
    return any;
}

static void attach_waiting(struct ps_probes *p, struct patience *patience)
{
    _cleanup_(ps_netns_visit_close) struct ps_netns_visit visit = {
        .home_fd = -1};

    if (ps_netns_visit_open(&visit) < 0)
        return;
    for (size_t i = 0; i < p->n_netns; i++) {
        struct ps_probe_netns *ns = &p->netns[i];

        if (!any_waits(p, ns))
            continue;
        ns->entered = ps_probes_enter(&visit, ns);
        if (ns->entered == 0) {
            attach_here(p, ns, patience);
            ps_netns_leave(&visit);
        }
    }
}

/* ---- what is said of it ------------------------------------------------- */

/* In how many namespaces it is all there; and the newest error. */
static size_t count_hooks(const struct ps_probes *p, int *ret_last)
{
    size_t done = 0;

    for (size_t i = 0; i < p->n_netns; i++) {
        const struct ps_probe_netns *ns = &p->netns[i];
        int r = ns->hooks == PS_PROBES_PENDING ? ns->entered : ns->hooks;

        if (!ns->listed)
            continue;
        done += ns->hooks == 0;
        if (r < 0)
            *ret_last = r;
    }
    return done;
}

/* 0: all of the namespace's, but those that were taken away meanwhile. */
static int device_error(const struct ps_probes *p,
                        const struct ps_probe_netns *ns)
{
    int r = ns->entered ? ns->entered : ns->more;

    for (size_t i = 0; i < p->n_devices && r == 0; i++) {
        const struct ps_probe_device *d = &p->devices[i];

        if (d->netns == ns->inum && d->err && d->err != -ENODEV)
            r = d->err == PS_PROBES_PENDING ? -ETIME : d->err;
    }
    return r;
}

static size_t count_devices(const struct ps_probes *p, int *ret_last)
{
    size_t done = 0;

    for (size_t i = 0; i < p->n_netns; i++) {
        int r = device_error(p, &p->netns[i]);

        if (!p->netns[i].listed)
            continue;
        done += r == 0;
        if (r < 0)
            *ret_last = r;
    }
    return done;
}

static void tell(struct ps_probes *p, const char *id, size_t done, int last)
{
    char reason[160] = "";

    if (done < p->all_netns)
        snprintf(reason, sizeof(reason),
                 "not in %zu of %zu network namespaces: %s",
                 p->all_netns - done, p->all_netns,
                 last == -ETIME ? "it takes longer, and follows"
                 : last < 0     ? ps_bpf_reason(last)
                                : "more than are watched");
    ps_probes_set_state(p, id, id, done ? 0 : last ? last : -ENOENT, reason);
}

static void tell_states(struct ps_probes *p)
{
    int last = p->look_err;
    size_t done = count_hooks(p, &last);

    if (p->netfilter)
        tell(p, "netfilter", done, last);
    else
        ps_probes_set_state(p, "netfilter", NULL, -ENOENT, p->no_netfilter);
    last = p->look_err;
    done = count_devices(p, &last);
    if (ps_probes_has_tcx(p))
        tell(p, "tcx", done, last);
    else
        ps_probes_set_state(p, "tcx", NULL, -ENOENT, p->no_cgroup);
}

void ps_probes_attach_places(struct ps_probes *p, uint64_t max_ns)
{
    struct patience patience = {.until = ps_mono_ns() + max_ns};

    ps_probes_leave_gone(p);
    attach_waiting(p, &patience);
    /* While it waits they stay what they are when it does not. */
    if (!p->waiting)
        tell_states(p);
}
