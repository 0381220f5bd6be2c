/* SPDX-License-Identifier: MIT */
/*
 * Putting probes on thousands of functions and taking them off: with fprobe all
 * of them at once, otherwise each function has a probe of its own
 * (functions_events.c, functions_single.c).
 */
#include <sys/syscall.h>

#include <linux/bpf.h>

#include "tracer/functions_internal.h"

#define SESSION      56 /* BPF_TRACE_KPROBE_SESSION */
#define MULTI        42 /* BPF_TRACE_KPROBE_MULTI */
#define MULTI_RETURN 1u

int ps_fn_attach_init(struct ps_functions *f)
{
    for (size_t i = 0; i < f->list.n && f->n_timed < PS_FN_TIMED; i++)
        if (f->list.fns[i].timed)
            f->timed[f->n_timed++] = i;
    return ps_fn_single_init(f);
}

void ps_fn_attach_exit(struct ps_functions *f)
{
    ps_fn_events_exit(f);
    ps_fn_single_exit(f);
}

/* ---- fprobe ------------------------------------------------------------- */

void ps_fn_multi_free(struct ps_fn_multi *m)
{
    free(m->addrs);
    free(m->cookies);
}

/* Not bpf_link_create(): it does not know sessions everywhere. */
static int link_multi(int prog, unsigned int type, uint32_t flags,
                      const struct ps_fn_multi *m)
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

/* Who finds no place is asked of the kernel. */
static void know(struct ps_fn_known *known, uint64_t addr, uint64_t cookie)
{
    unsigned int at = ps_fn_known_at((uint32_t)addr);

    for (unsigned int i = 0; i < PS_FN_KNOWN_NEAR; i++) {
        struct ps_fn_known *k = &known[(at + i) & (PS_FN_KNOWN - 1)];

        if (k->cookie && k->ip != (uint32_t)addr)
            continue;
        *k = (struct ps_fn_known){(uint32_t)addr, (uint32_t)cookie};
        return;
    }
}

int ps_fn_multi_make(struct ps_functions *f, size_t from, size_t n,
                     struct ps_fn_multi *ret_multi)
{
    struct ps_fn_multi m = {.n = (uint32_t)n};

    m.addrs = calloc(n, sizeof(*m.addrs));
    m.cookies = calloc(n, sizeof(*m.cookies));
    if (!m.addrs || !m.cookies) {
        ps_fn_multi_free(&m);
        return -ENOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        const struct ps_fn *fn = &f->list.fns[from + i];

        m.addrs[i] = fn->addr;
        m.cookies[i] = ps_fn_cookie(fn, !fn->one_way);
        know(f->known, m.addrs[i], m.cookies[i]);
    }
    *ret_multi = m;
    return 0;
}

int ps_fn_multi_put(struct ps_functions *f, size_t place, int prog,
                    uint32_t flags, const struct ps_fn_multi *m)
{
    bool session = prog == f->progs.call || prog == f->progs.socket;
    unsigned int type = session && f->rung == PS_FN_SESSION ? SESSION : MULTI;
    int fd = link_multi(prog, type, flags, m);

    if (fd < 0)
        return fd;
    f->links[place] = fd;
    return 0;
}

static int attach_fprobe(struct ps_functions *f, size_t n)
{
    _cleanup_(ps_fn_multi_free) struct ps_fn_multi m = {0};
    int r = ps_fn_multi_make(f, 0, n, &m);

    if (r == 0 && f->progs.first >= 0 && *f->following &&
        ps_fn_multi_put(f, 0, f->progs.call, 0, &m) == 0) {
        f->asked_returns = true;
        *f->sessions = 1;
        f->attached = n;
        return 0;
    }
    /* Returns first: a call that is seen has its return. */
    if (r == 0 && f->progs.first >= 0)
        r = ps_fn_multi_put(f, 1, f->progs.first, 0, &m);
    else if (r == 0)
        r = ps_fn_multi_put(f, 1, f->progs.ret, MULTI_RETURN, &m);
    if (r == 0 && f->progs.first < 0)
        r = ps_fn_multi_put(f, 0, f->progs.call, 0, &m);
    if (r == 0)
        f->attached = n;
    return r;
}

/* From the first wanted packet on, calls that tell of their returns take the
 * place of those that do not; without them, these stay. */
static void tell_returns(struct ps_functions *f, size_t n)
{
    _cleanup_(ps_fn_multi_free) struct ps_fn_multi m = {0};

    f->asked_returns = true;
    if (ps_fn_multi_make(f, 0, n, &m) < 0 ||
        ps_fn_multi_put(f, 0, f->progs.call, 0, &m) < 0)
        return;
    *f->sessions = 1;
    ps_expedite_begin(f->expedite);
    ps_fn_close_link(f, 1);
    ps_expedite_end(f->expedite);
}

bool ps_fn_offers(const struct ps_functions *f, enum ps_fn_rung rung)
{
    static const struct bpf_insn nothing[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
        {.code = BPF_JMP | BPF_EXIT},
    };
    unsigned int type = rung == PS_FN_SESSION ? SESSION : MULTI;
    LIBBPF_OPTS(bpf_prog_load_opts, opts,
                .expected_attach_type = (enum bpf_attach_type)type);
    uint64_t addr = f->list.fns[0].addr, cookie = 0;
    const struct ps_fn_multi one = {&addr, &cookie, 1};
    _cleanup_close_ int prog = -1, link = -1;

    if (rung == PS_FN_SINGLE)
        return true;
    prog = bpf_prog_load(BPF_PROG_TYPE_KPROBE, NULL, "Dual MIT/GPL", nothing,
                         ARRAY_SIZE(nothing), &opts);
    if (prog >= 0)
        link = link_multi(prog, type, 0, &one);
    return link >= 0;
}

/* ---- all ---------------------------------------------------------------- */

int ps_fn_try(struct ps_functions *f)
{
    int r;

    if (f->rung != PS_FN_SINGLE) {
        r = attach_fprobe(f, 1);
        if (r == 0 && f->progs.first >= 0) {
            tell_returns(f, 1);
            r = f->links[0] < 0 ? -EOPNOTSUPP : 0;
        }
    } else {
        /* Without leave to write to tracefs there is the slow way. */
        r = ps_fn_events_init(f);
        if (r == 0)
            r = ps_fn_events_try(f);
        if (r < 0) {
            ps_fn_events_exit(f);
            r = ps_fn_single_try(f);
        }
    }
    if (r == 0 && !f->attached)
        r = -ENOENT;
    ps_functions_detach(f);
    return r;
}

static int attach_single(struct ps_functions *f, uint64_t budget_ns)
{
    uint64_t end = ps_mono_ns() + budget_ns;

    return f->events ? ps_fn_events_put(f, end) : ps_fn_single_put(f, end);
}

int ps_functions_attach(struct ps_functions *f, uint64_t budget_ns)
{
    int r;

    if (f->attached)
        return 0;
    f->refused = 0;
    r = f->rung == PS_FN_SINGLE ? attach_single(f, budget_ns)
                                : attach_fprobe(f, f->list.n);
    if (r < 0)
        ps_functions_detach(f);
    return r;
}

int ps_functions_resume(struct ps_functions *f, uint64_t budget_ns)
{
    *f->following = 1;
    return ps_functions_attach(f, budget_ns);
}

bool ps_functions_pending(const struct ps_functions *f)
{
    if (f->rung != PS_FN_SINGLE || !f->attached)
        return false;
    return f->events ? ps_fn_events_pending(f) : ps_fn_single_pending(f);
}

bool ps_functions_step(struct ps_functions *f, uint64_t budget_ns)
{
    if (f->attached && f->progs.first >= 0 && !f->asked_returns &&
        *f->following)
        tell_returns(f, f->attached);
    if (!ps_functions_pending(f))
        return false;
    attach_single(f, budget_ns);
    return ps_functions_pending(f);
}

/* The kernel waits for all CPUs at each link, too. */
static void take_off(struct ps_functions *f)
{
    for (size_t i = 0; i < PS_FN_LINKS; i++)
        ps_fn_close_link(f, i);
    if (f->rung == PS_FN_SINGLE) {
        ps_fn_events_off(f);
        ps_fn_single_off(f);
    }
}

void ps_functions_detach(struct ps_functions *f)
{
    if (!f->skel)
        return;
    ps_expedite_begin(f->expedite);
    take_off(f);
    ps_expedite_end(f->expedite);
    *f->sessions = *f->following = 0;
    f->asked_returns = false;
    f->attached = 0;
    /* Their buffers are other packets' when it goes on. */
    for (size_t i = 0; i < PS_TRACER_MAX_TRACES; i++)
        f->since[i] = ps_mono_ns();
}
