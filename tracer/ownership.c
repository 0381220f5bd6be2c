/* SPDX-License-Identifier: MIT */
/* Where the owners of packets come from; see owners.h. */
#include "common/bpf.h"
#include "tracer/tracer.h"

#define LOOK_NS (200 * PS_NS_PER_MS)
/* A look at all open files may take so much of one CPU at most: 1/20. */
#define LOOK_SHARE 20

static int find_used(void *arg, const struct ps_sock_key *key,
                     struct ps_tracer_owner *ret)
{
    const struct tracer *t = arg;

    return t->ownerprobe ? ps_ownerprobe_find(t->ownerprobe, key, ret)
                         : -ENOENT;
}

static int find_held(void *arg,
                     void (*fn)(void *to, const struct ps_tracer_sock *rec),
                     void *to)
{
    static const struct ps_sock_holder anybody = {0};
    _cleanup_free_ struct ps_tracer_sock *socks = NULL;
    const struct tracer *t = arg;
    size_t n = 0;
    int r;

    if (!t->scan)
        return -ENOENT;
    r = ps_sockscan_held(t->scan, &anybody, &socks, &n);
    for (size_t i = 0; i < n; i++)
        fn(to, &socks[i]);
    return r;
}

static const char no_use[] = "owners of sockets that are gone at once";

int ps_ownership_open(struct tracer *t)
{
    const struct ps_owner_source source = {
        .arg = t,
        .used = find_used,
        .held = find_held,
        .cgroup_of = ps_cgroup_of,
    };
    char reason[160] = "";
    int r;

    r = ps_ownerprobe_open(&t->ownerprobe, reason, sizeof(reason));
    ps_capability(t->daemon, "tracer.owners", r == 0,
                  r == 0 ? ps_ownerprobe_tier(t->ownerprobe) : NULL,
                  r == 0 ? NULL : reason, r == 0 ? NULL : no_use);
    return ps_owners_new(&source, &t->owners);
}

void ps_ownership_close(struct tracer *t)
{
    ps_owners_free(&t->owners);
    ps_ownerprobe_free(&t->ownerprobe);
}

void ps_ownership_start(struct tracer *t)
{
    _cleanup_close_ int fd = -1;

    if (!t->ownerprobe)
        return;
    fd = ps_cgroup_open_root();
    ps_ownerprobe_attach(t->ownerprobe, fd);
}

void ps_ownership_end(struct tracer *t)
{
    if (t->ownerprobe)
        ps_ownerprobe_detach(t->ownerprobe);
}

void ps_ownership_forget(struct tracer *t)
{
    ps_owners_clear(t->owners);
}

void ps_ownership_note(struct tracer *t, const struct ps_tracer_event *event)
{
    struct ps_sock_key key;

    if (ps_station_sender(event, &key) || ps_station_receiver(event, &key))
        ps_owners_note(t->owners, &key);
}

void ps_ownership_tick(struct tracer *t, bool last)
{
    uint64_t before, took;

    ps_owners_resolve(t->owners, false);
    if (!ps_owners_pending(t->owners))
        return;
    before = ps_mono_ns();
    if (!last && before < t->next_look)
        return;
    ps_owners_resolve(t->owners, true);
    took = ps_mono_ns() - before;
    t->next_look = before + took * LOOK_SHARE;
    if (took * LOOK_SHARE < LOOK_NS)
        t->next_look = before + LOOK_NS;
}
