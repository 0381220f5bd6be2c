/* SPDX-License-Identifier: MIT */
/*
 * Putting probes on thousands of functions and taking them off, by what the
 * kernel has: fprobe does all of them at once; otherwise each function is a
 * probe of its own, and what that costs decides how it is done:
 *
 * - by address: by name the kernel searches its whole table (until 6.2);
 * - behind the function's first instruction where that is the nop of ftrace: a
 *   probe on the nop itself goes through ftrace, which walks all of the
 *   kernel's functions for each one. The arguments are still where they were;
 * - what nearly every packet passes first, the rest while packets flow already;
 * - the kernel makes jumps of breakpoints in the background, and nobody can put
 *   a probe while it waits for that: it begins when all probes are there;
 * - a probe that is taken off waits for an RCU grace period, twice: for that
 *   moment they are expedited, as the kernel does by itself while it boots.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <linux/bpf.h>
#include <linux/perf_event.h>

#include "common/log.h"
#include "tracer/functions_internal.h"

#define PMU_TYPE      "/sys/bus/event_source/devices/kprobe/type"
#define RCU_EXPEDITED "/sys/kernel/rcu_expedited"
#define OPTIMIZATION  "/proc/sys/debug/kprobes-optimization"
#define SESSION       56 /* BPF_TRACE_KPROBE_SESSION */
#define MULTI         42 /* BPF_TRACE_KPROBE_MULTI */
#define MULTI_RETURN  1u
/* Probes between two looks at the clock. */
#define BATCH 8

/* ---- set-up ------------------------------------------------------------- */

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

int ps_fn_attach_init(struct ps_functions *f)
{
    f->probes = malloc(f->list.n * sizeof(*f->probes));
    if (!f->probes)
        return -ENOMEM;
    for (size_t i = 0; i < f->list.n; i++)
        f->probes[i] = -1;
    f->pmu = read_number(PMU_TYPE);
    /* Opened with privileges, used later; without them things take long. */
    f->rcu.fd = open(RCU_EXPEDITED, O_RDWR | O_CLOEXEC);
    f->optimize.fd = open(OPTIMIZATION, O_RDWR | O_CLOEXEC);
    return 0;
}

void ps_fn_attach_exit(struct ps_functions *f)
{
    if (f->rcu.fd >= 0)
        close(f->rcu.fd);
    if (f->optimize.fd >= 0)
        close(f->optimize.fd);
    free(f->probes);
    f->probes = NULL;
}

static void turn(struct ps_fn_knob *knob, char value)
{
    char now = value;

    if (knob->fd < 0 || knob->was || pread(knob->fd, &now, 1, 0) != 1 ||
        now == value || pwrite(knob->fd, &value, 1, 0) != 1)
        return;
    knob->was = now;
}

static void turn_back(struct ps_fn_knob *knob, const char *name)
{
    if (knob->was && pwrite(knob->fd, &knob->was, 1, 0) != 1)
        ps_warning("kernel_setting_not_restored", "name=%s error=" PS_Q, name,
                   strerror(errno));
    knob->was = 0;
}

/* ---- fprobe ------------------------------------------------------------- */

struct multi {
    uint64_t *addrs, *cookies;
    uint32_t n;
};

/* Not bpf_link_create(): it does not know sessions everywhere. */
static int link_multi(int prog, unsigned int type, uint32_t flags,
                      const struct multi *m)
{
    union bpf_attr attr;
    long fd;

    memset(&attr, 0, sizeof(attr));
    attr.link_create.prog_fd = (uint32_t)prog;
    attr.link_create.attach_type = type;
    attr.link_create.kprobe_multi.flags = flags;
    attr.link_create.kprobe_multi.cnt = m->n;
    attr.link_create.kprobe_multi.addrs = (uintptr_t)m->addrs;
    attr.link_create.kprobe_multi.cookies = (uintptr_t)m->cookies;
    fd = syscall(__NR_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
    return fd < 0 ? -errno : (int)fd;
}

static uint32_t cookie_of(const struct ps_fn *fn)
{
    return fn->position | (uint32_t)fn->how << PS_FN_HOW_SHIFT;
}

static int attach_fprobe(struct ps_functions *f, size_t n)
{
    _cleanup_free_ uint64_t *addrs = calloc(n, sizeof(*addrs));
    _cleanup_free_ uint64_t *cookies = calloc(n, sizeof(*cookies));
    struct multi m = {addrs, cookies, (uint32_t)n};
    int fd;

    if (!addrs || !cookies)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        addrs[i] = f->list.fns[i].addr;
        cookies[i] = cookie_of(&f->list.fns[i]);
    }
    /* Returns first: a call that is seen has its return. */
    if (f->rung == PS_FN_MULTI) {
        fd = link_multi(f->progs.ret, MULTI, MULTI_RETURN, &m);
        if (fd < 0)
            return fd;
        f->links[1] = fd;
    }
    fd = link_multi(f->progs.call, f->rung == PS_FN_MULTI ? MULTI : SESSION, 0,
                    &m);
    if (fd < 0)
        return fd;
    f->links[0] = fd;
    f->attached = n;
    return 0;
}

/* ---- single probes ------------------------------------------------------ */

/* Where the first instruction is that a probe does not share with ftrace; 0
 * where the begin does not look as expected. */
static uint32_t skip_nop(const struct ps_functions *f, uint64_t addr)
{
    static const uint8_t endbr[] = {0xf3, 0x0f, 0x1e, 0xfa};
    static const uint8_t nop5[] = {0x0f, 0x1f, 0x44, 0x00, 0x00};
    LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &addr,
                .ctx_size_in = sizeof(addr));
    uint32_t skip = 0;

    if (f->progs.text < 0 || bpf_prog_test_run_opts(f->progs.text, &opts) < 0 ||
        opts.retval)
        return 0;
    if (!memcmp(f->text, endbr, sizeof(endbr)))
        skip = sizeof(endbr);
    if (!memcmp(f->text + skip, nop5, sizeof(nop5)) || f->text[skip] == 0xe8)
        return skip + (uint32_t)sizeof(nop5);
    return 0;
}

static int open_probe(const struct ps_functions *f, uint64_t addr, int prog)
{
    struct perf_event_attr attr = {
        .type = (uint32_t)f->pmu,
        .size = sizeof(attr),
        .config2 = addr, /* config1, a name, is empty */
        .sample_period = 1,
        .wakeup_events = 1,
    };
    _cleanup_close_ int fd = -1;

    fd = (int)syscall(__NR_perf_event_open, &attr, -1, 0, -1,
                      PERF_FLAG_FD_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, prog) < 0 ||
        ioctl(fd, PERF_EVENT_IOC_ENABLE, 0) < 0)
        return -errno;
    return TAKE_FD(fd);
}

static int probe_at(struct ps_functions *f, uint64_t addr, uint32_t cookie)
{
    if (bpf_map_update_elem(f->progs.probed, &addr, &cookie, BPF_ANY) < 0)
        return -errno;
    return open_probe(f, addr, f->progs.call);
}

static int attach_one(struct ps_functions *f, size_t i)
{
    const struct ps_fn *fn = &f->list.fns[i];
    uint32_t skip = skip_nop(f, fn->addr);
    int fd;

    fd = probe_at(f, fn->addr + skip, cookie_of(fn));
    if (fd < 0 && skip)
        fd = probe_at(f, fn->addr, cookie_of(fn));
    if (fd < 0)
        return fd;
    f->probes[i] = fd;
    return 0;
}

/* The next ones, until the time is over; the first always. */
static int attach_single(struct ps_functions *f, uint64_t budget_ns)
{
    uint64_t end = ps_mono_ns() + budget_ns;
    int r, last = 0;

    turn(&f->optimize, '0');
    while (f->next < f->list.n) {
        r = attach_one(f, f->next++);
        if (r == 0)
            f->attached++;
        else {
            f->refused++;
            last = r;
        }
        if (f->next % BATCH == 0 && ps_mono_ns() >= end)
            break;
    }
    if (f->next == f->list.n)
        turn_back(&f->optimize, OPTIMIZATION);
    return f->attached ? 0 : last;
}

/* ---- all ---------------------------------------------------------------- */

int ps_fn_try(struct ps_functions *f)
{
    int r;

    if (f->rung != PS_FN_SINGLE) {
        r = attach_fprobe(f, 1);
    } else if (f->pmu < 0) {
        return -EOPNOTSUPP;
    } else {
        f->next = f->list.n - 1;
        r = attach_single(f, 0);
    }
    if (r == 0 && !f->attached)
        r = -ENOENT;
    ps_functions_detach(f);
    return r;
}

int ps_functions_attach(struct ps_functions *f, uint64_t budget_ns)
{
    int r;

    if (f->attached)
        return 0;
    f->next = f->refused = 0;
    r = f->rung == PS_FN_SINGLE ? attach_single(f, budget_ns)
                                : attach_fprobe(f, f->list.n);
    if (r < 0)
        ps_functions_detach(f);
    return r;
}

bool ps_functions_step(struct ps_functions *f, uint64_t budget_ns)
{
    if (f->rung != PS_FN_SINGLE || !f->attached || f->next == f->list.n)
        return false;
    attach_single(f, budget_ns);
    return f->next < f->list.n;
}

void ps_functions_detach(struct ps_functions *f)
{
    if (!f->skel)
        return;
    turn(&f->rcu, '1');
    if (f->rung == PS_FN_SINGLE && f->attached)
        turn(&f->optimize, '0');
    for (size_t i = 0; i < PS_FN_LINKS; i++) {
        if (f->links[i] >= 0)
            close(f->links[i]);
        f->links[i] = -1;
    }
    for (size_t i = 0; f->probes && i < f->list.n; i++) {
        if (f->probes[i] >= 0)
            close(f->probes[i]);
        f->probes[i] = -1;
    }
    turn_back(&f->rcu, RCU_EXPEDITED);
    turn_back(&f->optimize, OPTIMIZATION);
    f->attached = f->next = 0;
}
