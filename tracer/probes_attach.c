/* SPDX-License-Identifier: MIT */
/* Attaching all stations of a trace, and giving them back. */
#include <fcntl.h>

#include "tracer/cgroup.h"
#include "tracer/probes_internal.h"
#include "tracer/station.h"

/* What could be attached within so long blocks whoever waits for the trace; the
 * rest comes with the next look. */
#define FIRST_NS (400 * PS_NS_PER_MS)
#define LATER_NS (50 * PS_NS_PER_MS)

static struct ps_probe_state *state_of(struct ps_probes *p, const char *id)
{
    for (size_t i = 0; i < p->n_states; i++)
        if (!strcmp(p->states[i].id, id))
            return &p->states[i];
    return p->n_states < PS_PROBES_MAX ? &p->states[p->n_states++] : NULL;
}

void ps_probes_set_state(struct ps_probes *p, const char *id, const char *tier,
                         int err, const char *reason)
{
    struct ps_probe_state *state = state_of(p, id);

    if (!state)
        return;
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

static bool is_entry(uint8_t station)
{
    return station == PS_ST_NET_DEV_QUEUE ||
           station == PS_ST_NETIF_RECEIVE_SKB || station == PS_ST_KFREE_SKB;
}

static void attach_points(struct ps_probes *p, bool entries)
{
    for (size_t i = 0; i < ps_probe_points_n; i++) {
        uint8_t station = ps_probe_points[i].station;
        const char *name = ps_station_get(station)->name;
        struct bpf_link *link = NULL;
        char reason[128] = "";
        int r = -ENOENT;

        if (is_entry(station) != entries)
            continue;
        if (!p->points[i]) {
            if (!has_twin(p, i))
                ps_probes_set_state(p, name, NULL, r, p->not_loaded[i]);
            continue;
        }
        r = ps_bpf_try_attach(p->points[i], &link, reason, sizeof(reason));
        if (r == 0)
            r = keep(p, link);
        ps_probes_set_state(p, name, p->tier, r, r ? reason : NULL);
    }
}

/* ---- cgroup ------------------------------------------------------------- */

static void attach_cgroup(struct ps_probes *p)
{
    _cleanup_close_ int fd = -1;
    int r;

    if (!p->ingress || !p->egress) {
        ps_probes_set_state(p, "cgroup_skb", NULL, -ENOENT, p->no_cgroup);
        return;
    }
    fd = ps_cgroup_open_root();
    if (fd < 0) {
        ps_probes_set_state(p, "cgroup_skb", NULL, fd,
                            "cgroup v2 is not mounted");
        return;
    }
    errno = 0;
    r = keep(p, bpf_program__attach_cgroup(p->ingress, fd));
    if (r == 0)
        r = keep(p, bpf_program__attach_cgroup(p->egress, fd));
    ps_probes_set_state(p, "cgroup_skb", "cgroup_skb", r, NULL);
}

/* ---- all ---------------------------------------------------------------- */

int ps_probes_attach(struct ps_probes *p, bool everywhere)
{
    if (p->attached && !p->waiting)
        return 0;
    if (!p->waiting) {
        p->n_states = 0;
        attach_points(p, true);
        p->n_entries = p->n_links;
    }
    p->waiting = false;
    p->everywhere = everywhere;
    attach_points(p, false);
    ps_probes_look_places(p);
    ps_probes_attach_places(p, FIRST_NS);
    attach_cgroup(p);
    p->attached = p->n_links || ps_probes_any_place(p);
    if (!p->attached)
        ps_probes_leave_places(p);
    return p->attached ? 0 : -ENOENT;
}

bool ps_probes_is_behind(struct ps_probes *p)
{
    return p->attached && ps_probes_look_places(p) > 0;
}

void ps_probes_renew(struct ps_probes *p)
{
    ps_probes_attach_places(p, LATER_NS);
}

static void leave_links(struct ps_probes *p, size_t from)
{
    while (p->n_links > from)
        bpf_link__destroy(p->links[--p->n_links]);
}

void ps_probes_wait(struct ps_probes *p)
{
    leave_links(p, p->n_entries);
    ps_probes_thin_places(p);
    p->waiting = true;
    /* No packet is followed: nobody has to look whether one is. */
    __atomic_store_n(p->vars.live_used, 0, __ATOMIC_SEQ_CST);
}

void ps_probes_detach(struct ps_probes *p)
{
    leave_links(p, 0);
    ps_probes_leave_places(p);
    p->attached = p->waiting = false;
}

bool ps_probes_attached(const struct ps_probes *p)
{
    return p->attached;
}

const struct ps_probe_state *ps_probes_states(const struct ps_probes *p,
                                              size_t *ret_n)
{
    *ret_n = p->n_states;
    return p->states;
}
