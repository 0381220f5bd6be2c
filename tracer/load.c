/* SPDX-License-Identifier: MIT */
/* What the daemon reads of the kernel and loads into it at its start. */
#include <pthread.h>

#include "common/bpf.h"
#include "tracer/tracer.h"

/* Beside what the thread that starts it does; where there is none, before. It
 * ends before privileges are dropped. */
struct beside {
    pthread_t thread;
    bool runs;
};

static struct beside begin(void *(*fn)(void *), struct tracer *t)
{
    struct beside b;

    b.runs = !pthread_create(&b.thread, NULL, fn, t);
    if (!b.runs)
        fn(t);
    return b;
}

static void await(const struct beside *b)
{
    if (b->runs)
        pthread_join(b->thread, NULL);
}

static void *read_symbols(void *arg)
{
    struct tracer *t = arg;
    struct ps_places places;

    if (ps_ksyms_open(&t->ksyms) < 0)
        t->ksyms = NULL;
    ps_ksyms_places(t->ksyms, &places);
    return NULL;
}

static void *open_scan(void *arg)
{
    struct tracer *t = arg;

    ps_sockscan_open(&t->scan, t->no_sockets, sizeof(t->no_sockets));
    return NULL;
}

static void open_probes(struct tracer *t, const struct btf *kernel)
{
    const struct ps_probe_needs needs = {
        .kernel = kernel,
        .syms = t->ksyms,
        .ring_bytes = (uint32_t)t->config->ring_size,
        .learned_fd = t->ownerprobe ? ps_ownerprobe_learned_fd(t->ownerprobe)
                                    : -1,
        .owners_fd = t->ownerprobe ? ps_ownerprobe_owners_fd(t->ownerprobe)
                                   : -1,
    };

    ps_probes_open(&needs, &t->probes, t->no_probes, sizeof(t->no_probes));
}

int ps_tracer_load(struct tracer *t, struct btf **ret_kernel)
{
    struct beside beside;
    struct btf *kernel;
    int r;

    ps_bpf_init();
    beside = begin(read_symbols, t);
    kernel = ps_bpf_kernel_types();
    if (ps_drop_reasons_load(kernel, &t->reasons) < 0)
        t->reasons = NULL;
    r = ps_ownership_open(t);
    await(&beside);
    if (r < 0) {
        ps_bpf_types_free(&kernel);
        return r;
    }
    /* Half of the start: the kernel's verifier looks at the stations. */
    beside = begin(open_scan, t);
    open_probes(t, kernel);
    await(&beside);
    *ret_kernel = kernel;
    return 0;
}
