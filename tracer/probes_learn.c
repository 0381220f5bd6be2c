/* SPDX-License-Identifier: MIT */
/* Sockets of processes that traces ask for: bpf/tracer/learned.h. */
#include "tracer/probes_internal.h"

#define BATCH 256u

static int learned_fd(const struct ps_probes *p)
{
    return bpf_object__find_map_fd_by_name(p->obj, "learned_socks");
}

int ps_probes_learn_sock(struct ps_probes *p, uint64_t cookie, uint32_t traces)
{
    struct ps_tracer_alias known = {0};
    int fd = learned_fd(p);

    if (fd < 0 || !cookie)
        return -ENOENT;
    /* A program that adds a trace at this moment does so again when the socket
     * is used next. */
    bpf_map_lookup_elem(fd, &cookie, &known);
    if ((known.traces & traces) == traces)
        return 0;
    known.traces |= traces;
    return bpf_map_update_elem(fd, &cookie, &known, BPF_ANY) < 0 ? -errno : 0;
}

static void forget(int fd, uint64_t cookie, struct ps_tracer_alias known,
                   uint32_t traces)
{
    known.traces &= ~traces;
    if (known.traces)
        bpf_map_update_elem(fd, &cookie, &known, BPF_EXIST);
    else
        bpf_map_delete_elem(fd, &cookie);
}

int ps_probes_forget_socks(struct ps_probes *p, uint32_t traces)
{
    _cleanup_free_ struct ps_tracer_alias *values = NULL;
    _cleanup_free_ uint64_t *cookies = NULL;
    LIBBPF_OPTS(bpf_map_batch_opts, opts);
    int fd = learned_fd(p), r = 0;
    uint32_t place = 0, n, seen = 0;
    bool first = true;

    if (fd < 0)
        return 0;
    cookies = calloc(BATCH, sizeof(*cookies));
    values = calloc(BATCH, sizeof(*values));
    if (!cookies || !values)
        return -ENOMEM;
    while (r == 0 && seen < 2 * PS_TRACER_MAX_LEARNED) {
        n = BATCH;
        r = bpf_map_lookup_batch(fd, first ? NULL : &place, &place, cookies,
                                 values, &n, &opts);
        r = r < 0 ? -errno : 0;
        if (r < 0 && r != -ENOENT)
            return r;
        for (uint32_t i = 0; i < n; i++)
            if (values[i].traces & traces)
                forget(fd, cookies[i], values[i], traces);
        first = false;
        seen += n;
    }
    return 0;
}

void ps_probes_local_ends(struct ps_probes *p, bool any)
{
    int fd = bpf_object__find_map_fd_by_name(p->obj, "local_ends");
    uint32_t key = 0, value = any;

    if (fd >= 0)
        bpf_map_update_elem(fd, &key, &value, BPF_ANY);
}
