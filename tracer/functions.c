/* SPDX-License-Identifier: MIT */
#include <sys/resource.h>

#include "tracer/functions_internal.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#include "functions.skel.h"
#pragma GCC diagnostic pop

/* From Linux 6.10 on; not in every linux/bpf.h. */
#define KPROBE_SESSION 56
/* Each single probe is a descriptor. */
#define WANTED_FILES (PS_FN_MAX + 4096)

static const char *const rung_names[PS_FN_RUNGS] = {
    "kprobe.session",
    "kprobe.multi",
    "kprobe",
};

/* ---- programs ----------------------------------------------------------- */

/* Programs that a rung needs beside read_text(). */
static const struct {
    enum ps_fn_rung rung;
    bool cast;
    const char *call, *ret, *first, *socket, *socket_ret;
} ladder[] = {
    {PS_FN_SESSION, true, "session", NULL, "first", "socket_session", NULL},
    {PS_FN_MULTI, true, "multi_cast", "multi_return", NULL, "socket_multi_cast",
     "socket_multi_return"},
    {PS_FN_MULTI, false, "multi_read", "multi_return", NULL,
     "socket_multi_read", "socket_multi_return"},
    {PS_FN_SINGLE, false, "single", "single_return", NULL, NULL, NULL},
};

static void choose(struct functions_bpf *skel, size_t rung)
{
    struct bpf_program *prog;

    bpf_object__for_each_program(prog, skel->obj) {
        const char *name = bpf_program__name(prog);

        bpf_program__set_autoload(prog,
                                  ps_streq(name, ladder[rung].call) ||
                                      ps_streq(name, ladder[rung].ret) ||
                                      ps_streq(name, ladder[rung].first) ||
                                      ps_streq(name, ladder[rung].socket) ||
                                      ps_streq(name, ladder[rung].socket_ret) ||
                                      ps_streq(name, "read_text"));
    }
    bpf_program__set_expected_attach_type(skel->progs.session,
                                          (enum bpf_attach_type)KPROBE_SESSION);
    bpf_program__set_expected_attach_type(skel->progs.socket_session,
                                          (enum bpf_attach_type)KPROBE_SESSION);
}

static int fd_of(const struct ps_functions *f, const char *name)
{
    return name ? bpf_program__fd(
                      bpf_object__find_program_by_name(f->skel->obj, name))
                : -1;
}

static int load(struct ps_functions *f, size_t rung, uint32_t ring_bytes)
{
    int r;

    f->skel = functions_bpf__open();
    if (!f->skel)
        return -errno;
    choose(f->skel, rung);
    r = bpf_map__set_max_entries(f->skel->maps.calls, ring_bytes);
    if (r == 0 && ladder[rung].rung != PS_FN_SINGLE)
        r = bpf_map__set_max_entries(f->skel->maps.probed, 1);
    if (r == 0)
        r = functions_bpf__load(f->skel);
    if (r < 0)
        return r;
    f->rung = ladder[rung].rung;
    f->progs = (struct ps_fn_progs){
        .call = fd_of(f, ladder[rung].call),
        .ret = fd_of(f, ladder[rung].ret),
        .first = fd_of(f, ladder[rung].first),
        .socket = fd_of(f, ladder[rung].socket),
        .socket_ret = fd_of(f, ladder[rung].socket_ret),
        .text = fd_of(f, "read_text"),
        .probed = bpf_map__fd(f->skel->maps.probed),
    };
    f->text = f->skel->bss->text;
    f->known = f->skel->bss->known;
    f->following = &f->skel->bss->following;
    f->sessions = &f->skel->bss->sessions;
    f->since = f->skel->bss->since;
    return 0;
}

/* Loads and tries: only what was attached once is believed. */
static int climb(struct ps_functions *f, const struct btf *kernel,
                 uint32_t ring_bytes, char *reason, size_t size)
{
    bool cast =
        btf__find_by_name_kind(kernel, "bpf_rdonly_cast", BTF_KIND_FUNC) > 0;
    int r = -ENOENT;

    for (size_t i = 0; i < ARRAY_SIZE(ladder); i++) {
        if ((ladder[i].cast && !cast) || !ps_fn_offers(f, ladder[i].rung))
            continue;
        r = load(f, i, ring_bytes);
        if (r == 0)
            r = ps_fn_try(f);
        if (r == 0)
            return 0;
        functions_bpf__destroy(f->skel);
        f->skel = NULL;
    }
    /* What the plainest of all was refused with. */
    snprintf(reason, size, "probes on functions: %s", ps_bpf_reason(r));
    return r;
}

static void raise_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= WANTED_FILES)
        return;
    limit.rlim_cur = WANTED_FILES;
    if (limit.rlim_max < WANTED_FILES) {
        struct rlimit more = {WANTED_FILES, WANTED_FILES};

        if (setrlimit(RLIMIT_NOFILE, &more) == 0)
            return;
        limit.rlim_cur = limit.rlim_max;
    }
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* A record of the ring, which may be anything. */
static void give(const struct ps_functions *f, const void *data, size_t size)
{
    struct ps_fn_call call;
    struct ps_fn_return ret;
    uint64_t stack[PS_FN_FRAMES];
    size_t room;

    if (size >= sizeof(call)) {
        memcpy(&call, data, sizeof(call));
        room = size - sizeof(call);
        if (call.frames > PS_FN_FRAMES || call.frames > room / sizeof(*stack))
            call.frames = 0;
        memcpy(stack, (const char *)data + sizeof(call),
               call.frames * sizeof(*stack));
        f->fn(f->arg, &call, stack, NULL);
    } else if (size >= sizeof(ret)) {
        memcpy(&ret, data, sizeof(ret));
        f->fn(f->arg, NULL, NULL, &ret);
    }
}

static bool is_late(const struct ps_functions *f, const void *data, size_t size)
{
    struct ps_fn_call call;
    struct ps_fn_return ret;

    if (size >= sizeof(call)) {
        memcpy(&call, data, sizeof(call));
        return call.time > f->until;
    }
    if (size < sizeof(ret))
        return false;
    memcpy(&ret, data, sizeof(ret));
    return ret.time > f->until;
}

int ps_fn_sample(void *ctx, void *data, size_t size)
{
    struct ps_functions *f = ctx;

    if (size <= sizeof(f->late) && is_late(f, data, size)) {
        memcpy(f->late, data, size);
        f->n_late = size;
        return -EAGAIN;
    }
    give(f, data, size);
    return ++f->consumed < PS_FUNCTIONS_AT_ONCE ? 0 : -EAGAIN;
}

int ps_functions_open(const struct btf *kernel, const char *state_dir,
                      uint32_t ring_bytes, struct ps_functions **ret_functions,
                      char *reason, size_t reason_size)
{
    _cleanup_(ps_functions_free) struct ps_functions *f = NULL;
    int r;

    f = calloc(1, sizeof(*f));
    if (!f)
        return -ENOMEM;
    for (size_t i = 0; i < PS_FN_LINKS; i++)
        f->links[i] = -1;
    /* First: what was left is put back also where there is no tier. */
    r = ps_expedite_open("", state_dir, &f->expedite);
    if (r < 0) {
        snprintf(reason, reason_size, "%s", strerror(-r));
        return r;
    }
    r = ps_fn_find(kernel, &f->list, reason, reason_size);
    if (r < 0)
        return r;
    raise_files();
    r = ps_fn_attach_init(f);
    if (r < 0) {
        snprintf(reason, reason_size, "%s", strerror(-r));
        return r;
    }
    r = climb(f, kernel, ring_bytes, reason, reason_size);
    if (r < 0)
        return r;
    /* Of single probes it does not count all reasons. */
    f->counts_misses = f->rung != PS_FN_SINGLE && ps_fn_counts_misses(kernel);
    f->ring = ring_buffer__new(bpf_map__fd(f->skel->maps.calls), ps_fn_sample,
                               f, NULL);
    if (!f->ring) {
        r = -errno;
        snprintf(reason, reason_size, "no ring buffer: %s", strerror(-r));
        return r;
    }
    *ret_functions = TAKE_PTR(f);
    return 0;
}

void ps_functions_free(struct ps_functions **functions)
{
    struct ps_functions *f = *functions;

    if (!f)
        return;
    ps_functions_detach(f);
    ps_fn_attach_exit(f);
    ring_buffer__free(f->ring);
    if (f->skel)
        functions_bpf__destroy(f->skel);
    ps_fn_list_free(&f->list);
    ps_expedite_free(&f->expedite);
    free(f);
    *functions = NULL;
}

/* ---- what it is --------------------------------------------------------- */

const char *ps_functions_tier(const struct ps_functions *f)
{
    return rung_names[f->rung];
}

size_t ps_functions_found(const struct ps_functions *f)
{
    return f->list.n;
}

size_t ps_functions_attached(const struct ps_functions *f)
{
    return f->attached;
}

size_t ps_functions_refused(const struct ps_functions *f)
{
    return f->refused;
}

uint64_t ps_functions_memory(const struct ps_functions *f)
{
    return ps_bpf_object_memory(f->skel->obj);
}

/* ---- filters and records ------------------------------------------------ */

/* Adds the slot to the protocols that the filter takes, or leaves only these.
 */
static void set_protocols(struct ps_functions *f, unsigned int slot,
                          const struct ps_filter *filter, bool only)
{
    uint8_t bit = (uint8_t)(1u << slot);

    for (unsigned int i = 0; i < ARRAY_SIZE(f->skel->bss->protocols); i++) {
        uint8_t *protocol = &f->skel->bss->protocols[i];

        if (!filter->kernel.mask.proto || filter->kernel.value.proto == i)
            __atomic_or_fetch(protocol, bit, __ATOMIC_RELAXED);
        else if (only)
            __atomic_and_fetch(protocol, (uint8_t)~bit, __ATOMIC_RELAXED);
    }
}

static void ask(volatile uint32_t *traces, unsigned int slot, bool wanted)
{
    *traces = (*traces & ~(1u << slot)) | (uint32_t)wanted << slot;
}

int ps_functions_set_filter(struct ps_functions *f, unsigned int slot,
                            const struct ps_filter *filter,
                            const struct ps_functions_wish *wish)
{
    struct functions_bpf__bss *bss = f->skel->bss;
    int cpus = libbpf_num_possible_cpus();
    _cleanup_free_ struct ps_fn_count *zero = NULL;
    uint32_t key = slot;

    if (slot >= PS_TRACER_MAX_TRACES)
        return -EINVAL;
    if (cpus < 0)
        return cpus;
    zero = calloc((size_t)cpus, sizeof(*zero));
    if (!zero)
        return -ENOMEM;
    if (bpf_map_update_elem(bpf_map__fd(f->skel->maps.fn_counts), &key, zero,
                            BPF_ANY) < 0)
        return -errno;
    if (!bss->active)
        bss->following = 0;
    set_protocols(f, slot, filter, true);
    ps_filter_install(&bss->tracing, slot, filter);
    bss->since[slot] = ps_mono_ns();
    ask(&bss->stack_traces, slot, wish->stacks);
    ask(&bss->socket_traces, slot, wish->sockets);
    __atomic_or_fetch(&bss->active, 1u << slot, __ATOMIC_SEQ_CST);
    return 0;
}

void ps_functions_change_filter(struct ps_functions *f, unsigned int slot,
                                const struct ps_filter *filter)
{
    set_protocols(f, slot, filter, false);
    ps_filter_install(&f->skel->bss->tracing, slot, filter);
    set_protocols(f, slot, filter, true);
}

void ps_functions_clear_filter(struct ps_functions *f, unsigned int slot)
{
    ps_filter_remove(&f->skel->bss->tracing, slot);
    ask(&f->skel->bss->socket_traces, slot, false);
    __atomic_and_fetch(&f->skel->bss->active, ~(1u << slot), __ATOMIC_SEQ_CST);
}

int ps_functions_counts(const struct ps_functions *f, unsigned int slot,
                        struct ps_fn_count *ret_count)
{
    uint64_t values[sizeof(struct ps_fn_count) / sizeof(uint64_t)];
    uint32_t key = slot;
    int r;

    r = ps_bpf_percpu_sum(bpf_map__fd(f->skel->maps.fn_counts), &key, values,
                          ARRAY_SIZE(values));
    if (r < 0)
        return r;
    *ret_count = (struct ps_fn_count){
        .hits = values[0],
        .ring_full = values[1],
        .returns_lost = values[2],
        .throttled = values[3],
    };
    return 0;
}

void ps_functions_throttle(struct ps_functions *f, uint32_t n)
{
    __atomic_store_n(&f->skel->bss->throttle, n, __ATOMIC_SEQ_CST);
}

uint64_t ps_functions_run_ns(const struct ps_functions *f)
{
    return ps_bpf_object_run_ns(f->skel->obj);
}

uint64_t ps_functions_untold(const struct ps_functions *f, uint64_t *ret_last)
{
    uint64_t n = __atomic_load_n(&f->skel->bss->untold, __ATOMIC_SEQ_CST);

    *ret_last = f->skel->bss->untold_at;
    return n;
}

uint64_t ps_functions_evicted(const struct ps_functions *f)
{
    return f->skel->bss->evicted;
}

int ps_functions_consume(struct ps_functions *f, uint64_t until,
                         ps_functions_fn fn, void *arg)
{
    size_t n_late = f->n_late;
    int r;

    f->fn = fn;
    f->arg = arg;
    f->until = until;
    f->consumed = 0;
    if (n_late && is_late(f, f->late, n_late))
        return 0;
    f->n_late = 0;
    if (n_late) {
        give(f, f->late, n_late);
        f->consumed++;
    }
    r = ring_buffer__consume(f->ring);
    return r < 0 && r != -EAGAIN ? r : (int)f->consumed;
}
