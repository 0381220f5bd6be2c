/* SPDX-License-Identifier: MIT */
/*
 * One probe for each function, as descriptors (the kprobe PMU): it needs no
 * leave to write anywhere, and is slow: while the kernel makes jumps of
 * breakpoints nobody can put a probe, and each that is taken off waits for an
 * RCU grace period. What functions_events.c needs too stands here.
 *
 * - By address: by name the kernel searches its whole table (until 6.2).
 * - Behind the function's first instruction where that is the nop of ftrace: a
 *   probe on the nop itself goes through ftrace, which walks all of the
 *   kernel's functions for each one. The arguments are still where they were.
 * - A return's probe must stand on the nop: only few get one, at the end.
 */
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <linux/bpf.h>
#include <linux/perf_event.h>

#include "tracer/functions_internal.h"

#define PMU_TYPE "/sys/bus/event_source/devices/kprobe/type"
/* In a probe's config, as the PMU's format/retprobe says. */
#define RETPROBE 1u
/* Probes between two looks at the clock. */
#define BATCH 8

static int read_number(const char *path)
{
    FILE *file = fopen(path, "re");
    int number = -1;

    if (!file)
        return -1;
    if (fscanf(file, "%d", &number) != 1)
        number = -1;
    fclose(file);
    return number;
}

/* ---- what probes have in common ----------------------------------------- */

/* Where the first instruction is that a probe does not share with ftrace; 0
 * where the begin does not look as expected. */
uint32_t ps_fn_skip(const struct ps_functions *f, uint64_t addr)
{
    static const uint8_t endbr[] = {0xf3, 0x0f, 0x1e, 0xfa};
    /* Before 5.13 it is another one on AMD's older processors. */
    static const uint8_t nop5[] = {0x0f, 0x1f, 0x44, 0x00, 0x00};
    static const uint8_t k8_nop5[] = {0x66, 0x66, 0x66, 0x66, 0x90};
    LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &addr,
                .ctx_size_in = sizeof(addr));
    uint32_t skip = 0;

    if (f->progs.text < 0 || bpf_prog_test_run_opts(f->progs.text, &opts) < 0 ||
        opts.retval)
        return 0;
    if (!memcmp(f->text, endbr, sizeof(endbr)))
        skip = sizeof(endbr);
    if (!memcmp(f->text + skip, nop5, sizeof(nop5)) ||
        !memcmp(f->text + skip, k8_nop5, sizeof(k8_nop5)) ||
        f->text[skip] == 0xe8)
        return skip + (uint32_t)sizeof(nop5);
    return 0;
}

int ps_fn_run_on(const struct ps_functions *f, struct perf_event_attr *attr,
                 bool ret)
{
    _cleanup_close_ int fd = -1;

    attr->size = sizeof(*attr);
    attr->sample_period = 1;
    attr->wakeup_events = 1;
    fd = (int)syscall(__NR_perf_event_open, attr, -1, 0, -1,
                      PERF_FLAG_FD_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, ret ? f->progs.ret : f->progs.call) <
            0 ||
        ioctl(fd, PERF_EVENT_IOC_ENABLE, 0) < 0)
        return -errno;
    return TAKE_FD(fd);
}

uint32_t ps_fn_cookie(const struct ps_fn *fn, bool returns)
{
    uint32_t how = fn->how | (returns ? PS_FN_RETURNS : 0);

    return fn->position | how << PS_FN_HOW_SHIFT;
}

int ps_fn_know(const struct ps_functions *f, uint64_t addr, uint32_t cookie,
               uint64_t flags)
{
    return bpf_map_update_elem(f->progs.probed, &addr, &cookie, flags) < 0
               ? -errno
               : 0;
}

void ps_fn_say_returns(const struct ps_functions *f, size_t i, bool returns)
{
    const struct ps_fn *fn = &f->list.fns[f->timed[i]];
    uint32_t cookie = ps_fn_cookie(fn, returns);

    if (ps_fn_know(f, fn->addr + ps_fn_skip(f, fn->addr), cookie, BPF_EXIST) <
        0)
        ps_fn_know(f, fn->addr, cookie, BPF_EXIST);
}

/* ---- a probe by itself -------------------------------------------------- */

static int open_probe(const struct ps_functions *f, uint64_t addr, bool ret)
{
    struct perf_event_attr attr = {
        .type = (uint32_t)f->pmu,
        .config = ret ? RETPROBE : 0,
        .config2 = addr, /* config1, a name, is empty */
    };

    return ps_fn_run_on(f, &attr, ret);
}

static int probe_at(const struct ps_functions *f, uint64_t addr,
                    uint32_t cookie)
{
    int r = ps_fn_know(f, addr, cookie, BPF_ANY);

    return r < 0 ? r : open_probe(f, addr, false);
}

static int attach_call(struct ps_functions *f, size_t i)
{
    const struct ps_fn *fn = &f->list.fns[i];
    uint32_t skip = ps_fn_skip(f, fn->addr);
    int fd;

    fd = probe_at(f, fn->addr + skip, ps_fn_cookie(fn, false));
    if (fd < 0 && skip)
        fd = probe_at(f, fn->addr, ps_fn_cookie(fn, false));
    if (fd < 0)
        return fd;
    f->probes[i] = fd;
    return 0;
}

/* The return first: a call that says so has its return. */
static void attach_return(struct ps_functions *f, size_t i)
{
    int fd;

    if (f->probes[f->timed[i]] < 0)
        return;
    fd = open_probe(f, f->list.fns[f->timed[i]].addr, true);
    if (fd < 0)
        return;
    f->probes[f->list.n + i] = fd;
    ps_fn_say_returns(f, i, true);
}

/* Calls, then returns. */
static int attach_next(struct ps_functions *f)
{
    size_t i = f->next++;
    int r;

    if (i >= f->list.n) {
        attach_return(f, i - f->list.n);
        return 0;
    }
    r = attach_call(f, i);
    if (r == 0)
        f->attached++;
    else
        f->refused++;
    return r;
}

int ps_fn_single_put(struct ps_functions *f, uint64_t end_ns)
{
    int r, last = 0;

    while (ps_fn_single_pending(f)) {
        r = attach_next(f);
        if (r < 0)
            last = r;
        if (f->next % BATCH == 0 && ps_mono_ns() >= end_ns)
            break;
    }
    return f->attached ? 0 : last;
}

bool ps_fn_single_pending(const struct ps_functions *f)
{
    return f->next < f->list.n + f->n_timed;
}

int ps_fn_single_try(struct ps_functions *f)
{
    if (f->pmu < 0)
        return -EOPNOTSUPP;
    f->next = f->list.n - 1;
    return attach_next(f);
}

void ps_fn_single_off(struct ps_functions *f)
{
    for (size_t i = 0; f->probes && i < f->list.n + f->n_timed; i++) {
        if (f->probes[i] >= 0)
            close(f->probes[i]);
        f->probes[i] = -1;
    }
    f->next = 0;
}

int ps_fn_single_init(struct ps_functions *f)
{
    size_t n = f->list.n + f->n_timed;

    f->probes = malloc(n * sizeof(*f->probes));
    if (!f->probes)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        f->probes[i] = -1;
    f->pmu = read_number(PMU_TYPE);
    return 0;
}

void ps_fn_single_exit(struct ps_functions *f)
{
    free(f->probes);
    f->probes = NULL;
}
