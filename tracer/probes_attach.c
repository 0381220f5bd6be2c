/* SPDX-License-Identifier: MIT */
/* Attaching all stations of a trace, and giving them back. */
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>

#include <linux/netfilter.h>

#include "tracer/cgroup.h"
#include "tracer/probes_internal.h"
#include "tracer/station.h"

/* Another tracer in the same namespace may hold a priority. */
#define PRIORITIES 16
/* The kernel waits for all CPUs at each tcx link, some 10 to 20 ms where that
 * cannot be made short (expedite.h), at its attaching and at its end; nothing
 * else is done meanwhile. What is not attached within this time is left out,
 * and said. */
#define TCX_NS (400 * PS_NS_PER_MS)

static void set_state(struct ps_probes *p, const char *id, const char *tier,
                      int err, const char *reason)
{
    struct ps_probe_state *state;

    if (p->n_states == PS_PROBES_MAX)
        return;
    state = &p->states[p->n_states++];
    *state =
        (struct ps_probe_state){.id = id, .tier = tier, .available = err == 0};
    if (reason && *reason)
        snprintf(state->reason, sizeof(state->reason), "%s", reason);
    else if (err)
        snprintf(state->reason, sizeof(state->reason), "%s",
                 ps_bpf_reason(err));
}

static int keep(struct ps_probes *p, struct bpf_link *link)
{
    if (!link)
        return errno ? -errno : -EINVAL;
    if (p->n_links == p->max_links) {
        bpf_link__destroy(link);
        return -ENOSPC;
    }
    p->links[p->n_links++] = link;
    return 0;
}

/* Of two programs for one tracepoint only one fits the kernel. */
static bool has_twin(const struct ps_probes *p, size_t i)
{
    for (size_t k = 0; k < ps_probe_points_n; k++)
        if (k != i && p->points[k] &&
            ps_probe_points[k].station == ps_probe_points[i].station)
            return true;
    return i && ps_probe_points[i - 1].station == ps_probe_points[i].station;
}

static void attach_points(struct ps_probes *p)
{
    for (size_t i = 0; i < ps_probe_points_n; i++) {
        const char *name = ps_station_get(ps_probe_points[i].station)->name;
        struct bpf_link *link = NULL;
        char reason[128] = "";
        int r = -ENOENT;

        if (!p->points[i]) {
            if (!has_twin(p, i))
                set_state(p, name, NULL, r, p->not_loaded[i]);
            continue;
        }
        r = ps_bpf_try_attach(p->points[i], &link, reason, sizeof(reason));
        if (r == 0)
            r = keep(p, link);
        set_state(p, name, p->tier, r, r ? reason : NULL);
    }
}

/* ---- netfilter ---------------------------------------------------------- */

static int attach_hook(struct ps_probes *p, uint32_t pf, uint32_t hook)
{
    LIBBPF_OPTS(bpf_netfilter_opts, opts, .pf = pf, .hooknum = hook);
    int r = -EBUSY;

    /* First of all in the hook: what it drops was seen to come. */
    for (int i = 0; i < PRIORITIES && (r == -EBUSY || r == -EEXIST); i++) {
        opts.priority = INT_MIN + 1 + i;
        errno = 0;
        r = keep(p, bpf_program__attach_netfilter(p->netfilter, &opts));
    }
    return r;
}

static int attach_hooks(struct ps_probes *p)
{
    static const uint32_t families[] = {NFPROTO_IPV4, NFPROTO_IPV6};
    int r;

    for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
        for (uint32_t hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
            r = attach_hook(p, families[i], hook);
            if (r < 0)
                return r;
            if (!p->everywhere)
                break;
        }
    }
    return 0;
}

/* ---- tcx ---------------------------------------------------------------- */

/* Both directions of every interface of the namespace that this thread is in,
 * before other programs, so that what these drop was seen to come. For a trial
 * one of the first. */
static int attach_devices(struct ps_probes *p)
{
    LIBBPF_OPTS(bpf_tcx_opts, opts, .flags = BPF_F_BEFORE);
    struct if_nameindex *list = if_nameindex();
    int r = list ? 0 : -errno;

    for (size_t i = 0; list && list[i].if_index && r == 0; i++) {
        if (p->n_tcx + 2 > PS_PROBES_MAX_TCX ||
            ps_mono_ns() - p->attach_mono_ns > TCX_NS) {
            r = p->n_tcx + 2 > PS_PROBES_MAX_TCX ? -ENOSPC : -ETIME;
            break;
        }
        errno = 0;
        r = keep(p, bpf_program__attach_tcx(p->tcx_ingress,
                                            (int)list[i].if_index, &opts));
        p->n_tcx += r == 0;
        if (!p->everywhere)
            break;
        if (r == 0)
            r = keep(p, bpf_program__attach_tcx(p->tcx_egress,
                                                (int)list[i].if_index, &opts));
        p->n_tcx += r == 0;
        /* It was taken away meanwhile. */
        if (r == -ENODEV)
            r = 0;
    }
    if_freenameindex(list);
    return r;
}

/* What is attached in each namespace. */
struct everywhere {
    const char *id, *tier;
    int (*attach)(struct ps_probes *p); /* in the namespace of this thread */
    const char *missing;                /* why it is not there; else NULL */
    size_t done;
    int last; /* the newest error */
};

static void attach_here(struct ps_probes *p, struct everywhere *what,
                        size_t kinds)
{
    for (size_t k = 0; k < kinds; k++) {
        int r = what[k].missing ? 0 : what[k].attach(p);

        if (r < 0)
            what[k].last = r;
        what[k].done += r == 0;
    }
}

static void visit_all(struct ps_probes *p, struct everywhere *what,
                      size_t kinds, size_t *ret_n)
{
    _cleanup_(ps_netns_visit_close) struct ps_netns_visit visit = {
        .home_fd = -1};
    _cleanup_free_ struct ps_netns *list = NULL;
    size_t n = 0, missed = 0;
    int r;

    r = ps_netns_visit_open(&visit);
    if (r == 0)
        r = ps_netns_all(&list, &n, &missed);
    for (size_t k = 0; k < kinds && r < 0; k++)
        what[k].last = r;
    for (size_t i = 0; i < n && i < PS_PROBES_MAX_NETNS; i++) {
        r = ps_netns_enter(&visit, &list[i]);
        if (r < 0) {
            for (size_t k = 0; k < kinds; k++)
                what[k].last = r;
            continue;
        }
        attach_here(p, what, kinds);
        ps_netns_leave(&visit);
    }
    *ret_n = n + missed;
}

static void attach_namespaces(struct ps_probes *p)
{
    struct everywhere what[] = {
        {"netfilter", "netfilter", attach_hooks,
         p->netfilter ? NULL : p->no_netfilter, 0, 0},
        {"tcx", "tcx", attach_devices,
         p->tcx_ingress && p->tcx_egress ? NULL : p->no_cgroup, 0, 0},
    };
    size_t n = 1;

    if (p->everywhere)
        visit_all(p, what, ARRAY_SIZE(what), &n);
    else
        attach_here(p, what, ARRAY_SIZE(what));
    for (size_t k = 0; k < ARRAY_SIZE(what); k++) {
        const struct everywhere *w = &what[k];
        char reason[160] = "";

        if (w->missing) {
            set_state(p, w->id, NULL, -ENOENT, w->missing);
            continue;
        }
        if (w->done < n)
            snprintf(reason, sizeof(reason),
                     "not in %zu of %zu network namespaces: %s", n - w->done, n,
                     w->last == -ETIME ? "it would take too long"
                     : w->last < 0     ? ps_bpf_reason(w->last)
                                       : "more than are watched");
        set_state(p, w->id, w->tier,
                  w->done   ? 0
                  : w->last ? w->last
                            : -ENOENT,
                  reason);
    }
}

/* ---- cgroup ------------------------------------------------------------- */

static void attach_cgroup(struct ps_probes *p)
{
    _cleanup_close_ int fd = -1;
    int r;

    if (!p->ingress || !p->egress) {
        set_state(p, "cgroup_skb", NULL, -ENOENT, p->no_cgroup);
        return;
    }
    fd = ps_cgroup_open_root();
    if (fd < 0) {
        set_state(p, "cgroup_skb", NULL, fd, "cgroup v2 is not mounted");
        return;
    }
    errno = 0;
    r = keep(p, bpf_program__attach_cgroup(p->ingress, fd));
    if (r == 0)
        r = keep(p, bpf_program__attach_cgroup(p->egress, fd));
    set_state(p, "cgroup_skb", "cgroup_skb", r, NULL);
}

/* ---- all ---------------------------------------------------------------- */

int ps_probes_attach(struct ps_probes *p, bool everywhere)
{
    if (p->n_links)
        return 0;
    p->n_states = 0;
    p->n_tcx = 0;
    p->everywhere = everywhere;
    p->attach_mono_ns = ps_mono_ns();
    attach_points(p);
    attach_namespaces(p);
    attach_cgroup(p);
    return p->n_links ? 0 : -ENOENT;
}

void ps_probes_detach(struct ps_probes *p)
{
    while (p->n_links)
        bpf_link__destroy(p->links[--p->n_links]);
}

bool ps_probes_attached(const struct ps_probes *p)
{
    return p->n_links != 0;
}

const struct ps_probe_state *ps_probes_states(const struct ps_probes *p,
                                              size_t *ret_n)
{
    *ret_n = p->n_states;
    return p->states;
}
