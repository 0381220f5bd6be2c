/* SPDX-License-Identifier: MIT */
/*
 * Programs that belong to one network namespace or one interface: which of
 * these there are is looked at again while traces run.
 */
#include <net/if.h>

#include "tracer/probes_internal.h"

/* An open netfilter link keeps a namespace alive that nobody else has any more.
 * Its last process may end while the next one is not listed yet: two looks. */
#define ABSENT 2

/* ---- what there is ------------------------------------------------------ */

static struct ps_probe_netns *find_netns(struct ps_probes *p, uint32_t inum)
{
    for (size_t i = 0; i < p->n_netns; i++)
        if (p->netns[i].inum == inum)
            return &p->netns[i];
    return NULL;
}

static struct ps_probe_device *find_device(struct ps_probes *p, uint32_t netns,
                                           uint32_t ifindex)
{
    for (size_t i = 0; i < p->n_devices; i++)
        if (p->devices[i].netns == netns && p->devices[i].ifindex == ifindex)
            return &p->devices[i];
    return NULL;
}

/* It was taken away, and perhaps another one has its number. */
static bool is_dead(const struct ps_probe_device *d)
{
    struct bpf_link_info info = {0};
    uint32_t len = sizeof(info);

    return d->links[0] &&
           bpf_link_get_info_by_fd(bpf_link__fd(d->links[0]), &info, &len) ==
               0 &&
           !info.tcx.ifindex;
}

void ps_probes_leave_links(struct bpf_link **links, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bpf_link__destroy(links[i]);
        links[i] = NULL;
    }
}

static void see_device(struct ps_probes *p, struct ps_probe_netns *ns,
                       uint32_t ifindex)
{
    struct ps_probe_device *d = find_device(p, ns->inum, ifindex);

    if (!d && p->n_devices == PS_PROBES_MAX_DEVICES) {
        ns->more = -ENOSPC;
        return;
    }
    if (!d) {
        d = &p->devices[p->n_devices++];
        *d = (struct ps_probe_device){
            .netns = ns->inum, .ifindex = ifindex, .err = PS_PROBES_PENDING};
    } else if (is_dead(d)) {
        ps_probes_leave_links(d->links, ARRAY_SIZE(d->links));
        d->err = PS_PROBES_PENDING;
    }
    d->listed = true;
}

/* The interfaces of the namespace that this thread is in; for a trial one. */
static void see_devices(struct ps_probes *p, struct ps_probe_netns *ns)
{
    struct if_nameindex *list = if_nameindex();

    ns->entered = list ? 0 : -errno;
    ns->more = 0;
    for (size_t i = 0; list && list[i].if_index; i++) {
        see_device(p, ns, list[i].if_index);
        if (!p->everywhere)
            break;
    }
    if_freenameindex(list);
}

static void see_netns(struct ps_probes *p, const struct ps_netns *seen)
{
    struct ps_probe_netns *ns = find_netns(p, seen->inum);

    if (!ns && p->n_netns == PS_PROBES_MAX_NETNS)
        return;
    if (!ns) {
        ns = &p->netns[p->n_netns++];
        *ns = (struct ps_probe_netns){.inum = seen->inum,
                                      .hooks = PS_PROBES_PENDING};
    }
    memcpy(ns->path, seen->path, sizeof(ns->path));
    ns->listed = true;
}

/* All namespaces; for a trial the own one. */
static int list_netns(struct ps_probes *p, const struct ps_netns_visit *visit)
{
    const struct ps_netns own = {.inum = visit->home};
    _cleanup_free_ struct ps_netns *list = NULL;
    size_t n = 0, missed = 0;
    int r;

    p->all_netns = 1;
    if (!p->everywhere) {
        see_netns(p, &own);
        return 0;
    }
    r = ps_netns_all(&list, &n, &missed);
    if (r < 0)
        return r;
    p->all_netns = n + missed;
    for (size_t i = 0; i < p->n_netns; i++)
        p->netns[i].listed = missed > 0;
    for (size_t i = 0; i < n; i++)
        see_netns(p, &list[i]);
    for (size_t i = 0; i < p->n_netns; i++)
        p->netns[i].absent =
            p->netns[i].listed ? 0 : (uint8_t)(p->netns[i].absent + 1);
    return 0;
}

int ps_probes_enter(struct ps_netns_visit *visit,
                    const struct ps_probe_netns *ns)
{
    struct ps_netns to = {.inum = ns->inum};

    memcpy(to.path, ns->path, sizeof(to.path));
    return ps_netns_enter(visit, &to);
}

static void list_devices(struct ps_probes *p, struct ps_netns_visit *visit)
{
    for (size_t i = 0; i < p->n_netns; i++) {
        struct ps_probe_netns *ns = &p->netns[i];

        ns->entered = ns->listed ? ps_probes_enter(visit, ns) : -ENOENT;
        if (ns->entered == 0) {
            for (size_t k = 0; k < p->n_devices; k++)
                if (p->devices[k].netns == ns->inum)
                    p->devices[k].listed = false;
            if (ps_probes_has_tcx(p))
                see_devices(p, ns);
            ps_netns_leave(visit);
        }
    }
}

static bool is_gone(const struct ps_probe_netns *ns)
{
    return ns->absent >= ABSENT;
}

bool ps_probes_has_tcx(const struct ps_probes *p)
{
    return p->tcx_ingress && p->tcx_egress;
}

bool ps_probes_hooks_wait(const struct ps_probes *p,
                          const struct ps_probe_netns *ns)
{
    return p->netfilter && ns->entered == 0 && ns->hooks == PS_PROBES_PENDING &&
           !(p->waiting && ns->links[PS_PROBES_ENTRY]);
}

bool ps_probes_device_waits(const struct ps_probes *p,
                            const struct ps_probe_device *d)
{
    return ps_probes_has_tcx(p) && d->listed && !p->waiting &&
           d->err == PS_PROBES_PENDING;
}

size_t ps_probes_look_places(struct ps_probes *p)
{
    _cleanup_(ps_netns_visit_close) struct ps_netns_visit visit = {
        .home_fd = -1};
    size_t n = 0;

    if (!p->netfilter && !ps_probes_has_tcx(p))
        return 0;
    p->look_err = ps_netns_visit_open(&visit);
    if (p->look_err == 0)
        p->look_err = list_netns(p, &visit);
    if (p->look_err < 0)
        return 0;
    list_devices(p, &visit);
    for (size_t i = 0; i < p->n_netns; i++)
        n += is_gone(&p->netns[i]) || ps_probes_hooks_wait(p, &p->netns[i]);
    for (size_t i = 0; i < p->n_devices; i++)
        n += !p->devices[i].listed || ps_probes_device_waits(p, &p->devices[i]);
    return n;
}

/* ---- what went ---------------------------------------------------------- */

static void leave_device(struct ps_probes *p, size_t i)
{
    ps_probes_leave_links(p->devices[i].links, ARRAY_SIZE(p->devices[i].links));
    p->devices[i] = p->devices[--p->n_devices];
}

static void leave_netns(struct ps_probes *p, size_t i)
{
    struct ps_probe_netns *ns = &p->netns[i];

    for (size_t k = p->n_devices; k-- > 0;)
        if (p->devices[k].netns == ns->inum)
            leave_device(p, k);
    ps_probes_leave_links(ns->links, ARRAY_SIZE(ns->links));
    *ns = p->netns[--p->n_netns];
}

void ps_probes_leave_gone(struct ps_probes *p)
{
    for (size_t i = p->n_devices; i-- > 0;)
        if (!p->devices[i].listed)
            leave_device(p, i);
    for (size_t i = p->n_netns; i-- > 0;)
        if (is_gone(&p->netns[i]))
            leave_netns(p, i);
}

void ps_probes_leave_places(struct ps_probes *p)
{
    while (p->n_netns)
        leave_netns(p, p->n_netns - 1);
}

void ps_probes_thin_places(struct ps_probes *p)
{
    for (size_t i = 0; i < p->n_netns; i++) {
        struct ps_probe_netns *ns = &p->netns[i];

        for (size_t k = 0; k < PS_PROBES_HOOKS; k++)
            if (k % NF_INET_NUMHOOKS != PS_PROBES_ENTRY)
                ps_probes_leave_links(&ns->links[k], 1);
        if (ns->hooks == 0)
            ns->hooks = PS_PROBES_PENDING;
    }
    for (size_t i = 0; i < p->n_devices; i++) {
        struct ps_probe_device *d = &p->devices[i];

        ps_probes_leave_links(d->links, ARRAY_SIZE(d->links));
        d->err = PS_PROBES_PENDING;
    }
}

bool ps_probes_any_place(const struct ps_probes *p)
{
    bool any = false;

    for (size_t i = 0; i < p->n_netns; i++)
        any |= p->netns[i].links[0] != NULL;
    for (size_t i = 0; i < p->n_devices; i++)
        any |= p->devices[i].links[0] != NULL;
    return any;
}
