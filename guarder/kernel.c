/* SPDX-License-Identifier: MIT */
#include "guarder/kernel.h"

#include <sys/mman.h>
#include <sys/random.h>

#include "common/bpf.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include "guarder.skel.h"
#pragma GCC diagnostic pop

struct ps_kernel {
    struct guarder_bpf *skel;
    bool taken_over;
    const char *replaced;
    uint64_t epoch;
    size_t cpus;
    struct ps_gd_hits *hits; /* one for each CPU */
    struct ps_gd_set *sets[2];
    int current; /* in force: index of sets; -1: none yet */
};

/* Not the scratch map, which says nothing from one packet to the next, nor
 * those of drops that are told of: who asks, asks this daemon. */
static const char *const pinned[] = {
    "set_a", "set_b", "active", "hits", "ifaces", "uncounted", "meta",
};

static struct bpf_map *find_map(const struct ps_kernel *k, const char *name)
{
    return bpf_object__find_map_by_name(k->skel->obj, name);
}

/* ---- taking over -------------------------------------------------------- */

static bool same_layout(const struct bpf_map *map, int fd)
{
    struct bpf_map_info info = {0};
    __u32 len = sizeof(info);

    return bpf_map_get_info_by_fd(fd, &info, &len) == 0 &&
           info.type == bpf_map__type(map) &&
           info.key_size == bpf_map__key_size(map) &&
           info.value_size == bpf_map__value_size(map) &&
           info.max_entries == bpf_map__max_entries(map) &&
           info.map_flags == bpf_map__map_flags(map);
}

static void close_all(int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
}

/* 0 with all descriptors; -ENOENT: no pins; -EPROTO: pins of another kind;
 * -ESTALE: of another life. */
static int open_pinned(const struct ps_kernel *k, const struct ps_pins *pins,
                       uint64_t epoch, int *ret_fds)
{
    const size_t n = ARRAY_SIZE(pinned);
    struct ps_gd_meta meta = {0};
    size_t found = 0, fit = 0;
    const __u32 zero = 0;
    char name[32];

    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "map_%s", pinned[i]);
        ret_fds[i] = ps_pins_get(pins, name);
        found += ret_fds[i] >= 0;
        fit += ret_fds[i] >= 0 &&
               same_layout(find_map(k, pinned[i]), ret_fds[i]);
    }
    if (fit != n || bpf_map_lookup_elem(ret_fds[n - 1], &zero, &meta) < 0 ||
        meta.abi != PS_GD_ABI)
        meta.epoch = 0;
    if (meta.epoch && meta.epoch == epoch)
        return 0;
    close_all(ret_fds, n);
    if (meta.epoch)
        return -ESTALE;
    return found ? -EPROTO : -ENOENT;
}

static int reuse_pinned(struct ps_kernel *k, const struct ps_pins *pins,
                        uint64_t epoch)
{
    int fds[ARRAY_SIZE(pinned)];
    int r;

    r = open_pinned(k, pins, epoch, fds);
    if (r == -EPROTO)
        k->replaced = "the pinned maps are of another version or incomplete";
    if (r == -ESTALE)
        k->replaced = "the pinned maps belong to another state directory";
    if (r < 0)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(pinned) && r == 0; i++)
        r = bpf_map__reuse_fd(find_map(k, pinned[i]), fds[i]);
    close_all(fds, ARRAY_SIZE(pinned));
    k->taken_over = r == 0;
    return r;
}

/* ---- loading ------------------------------------------------------------ */

static int load(struct ps_kernel *k, const struct ps_pins *pins, uint64_t epoch,
                bool frags)
{
    int r;

    k->taken_over = false;
    k->replaced = NULL;
    k->skel = guarder_bpf__open();
    if (!k->skel)
        return -errno;
    bpf_program__set_autoload(k->skel->progs.guard_frags, frags);
    r = reuse_pinned(k, pins, epoch);
    if (r == 0)
        r = guarder_bpf__load(k->skel);
    if (r < 0) {
        guarder_bpf__destroy(k->skel);
        k->skel = NULL;
    }
    return r;
}

static int name_epoch(struct ps_kernel *k)
{
    int fd = bpf_map__fd(k->skel->maps.meta);
    struct ps_gd_meta meta = {0};
    const __u32 zero = 0;

    if (k->taken_over) {
        if (bpf_map_lookup_elem(fd, &zero, &meta) < 0)
            return -errno;
    } else {
        meta.abi = PS_GD_ABI;
        if (getrandom(&meta.epoch, sizeof(meta.epoch), 0) != sizeof(meta.epoch))
            return -EIO;
        /* Not zero, and positive in the store. */
        meta.epoch = (meta.epoch >> 1) | 1;
        if (bpf_map_update_elem(fd, &zero, &meta, BPF_ANY) < 0)
            return -errno;
    }
    k->epoch = meta.epoch;
    return 0;
}

static int map_id(int fd, __u32 *ret_id)
{
    struct bpf_map_info info = {0};
    __u32 len = sizeof(info);

    if (bpf_map_get_info_by_fd(fd, &info, &len) < 0)
        return -errno;
    *ret_id = info.id;
    return 0;
}

static int find_current(struct ps_kernel *k, const int *fds)
{
    const __u32 zero = 0;
    __u32 active = 0, id = 0;
    int r;

    k->current = -1;
    if (bpf_map_lookup_elem(bpf_map__fd(k->skel->maps.active), &zero, &active) <
        0)
        return errno == ENOENT ? 0 : -errno;
    for (int i = 0; i < 2; i++) {
        r = map_id(fds[i], &id);
        if (r < 0)
            return r;
        if (id == active)
            k->current = i;
    }
    return 0;
}

static int map_sets(struct ps_kernel *k)
{
    const int fds[] = {
        bpf_map__fd(k->skel->maps.set_a),
        bpf_map__fd(k->skel->maps.set_b),
    };
    void *p;

    for (size_t i = 0; i < 2; i++) {
        p = mmap(NULL, sizeof(struct ps_gd_set), PROT_READ | PROT_WRITE,
                 MAP_SHARED, fds[i], 0);
        if (p == MAP_FAILED)
            return -errno;
        k->sets[i] = p;
    }
    return find_current(k, fds);
}

static int prepare(struct ps_kernel *k)
{
    int cpus = libbpf_num_possible_cpus();
    int r;

    if (cpus < 0)
        return cpus;
    k->cpus = (size_t)cpus;
    k->hits = calloc(k->cpus, sizeof(*k->hits));
    if (!k->hits)
        return -ENOMEM;
    r = name_epoch(k);
    return r < 0 ? r : map_sets(k);
}

int ps_kernel_open(const struct ps_pins *pins, uint64_t epoch,
                   struct ps_kernel **ret_kernel, char *reason,
                   size_t reason_size)
{
    _cleanup_(ps_kernel_free) struct ps_kernel *k = calloc(1, sizeof(*k));
    int r;

    if (!k)
        return -ENOMEM;
    ps_bpf_init();
    r = load(k, pins, epoch, true);
    if (r < 0)
        r = load(k, pins, epoch, false);
    if (r == 0)
        r = prepare(k);
    if (r < 0) {
        snprintf(reason, reason_size, "%s", ps_bpf_reason(r));
        return r;
    }
    *ret_kernel = TAKE_PTR(k);
    return 0;
}

void ps_kernel_free(struct ps_kernel **kernel)
{
    struct ps_kernel *k = *kernel;

    if (!k)
        return;
    for (size_t i = 0; i < 2; i++) {
        if (k->sets[i])
            munmap(k->sets[i], sizeof(struct ps_gd_set));
    }
    guarder_bpf__destroy(k->skel);
    free(k->hits);
    free(k);
    *kernel = NULL;
}

/* ---- what it is --------------------------------------------------------- */

bool ps_kernel_taken_over(const struct ps_kernel *k)
{
    return k->taken_over;
}

const char *ps_kernel_replaced(const struct ps_kernel *k)
{
    return k->replaced;
}

uint64_t ps_kernel_epoch(const struct ps_kernel *k)
{
    return k->epoch;
}

int ps_kernel_frags_fd(const struct ps_kernel *k)
{
    int fd = bpf_program__fd(k->skel->progs.guard_frags);

    return fd < 0 ? -1 : fd;
}

int ps_kernel_linear_fd(const struct ps_kernel *k)
{
    return bpf_program__fd(k->skel->progs.guard_linear);
}

uint64_t ps_kernel_memory(const struct ps_kernel *k)
{
    return ps_bpf_object_memory(k->skel->obj);
}

int ps_kernel_pin(struct ps_kernel *k, const struct ps_pins *pins)
{
    char name[32];
    int r = 0;

    if (k->taken_over)
        return 0;
    /* meta goes first and comes last: maps of two lives are never mixed. */
    ps_pins_remove(pins, "map_meta");
    for (size_t i = 0; i < ARRAY_SIZE(pinned) && r == 0; i++) {
        snprintf(name, sizeof(name), "map_%s", pinned[i]);
        r = ps_pins_put(pins, name, bpf_map__fd(find_map(k, pinned[i])));
    }
    return r;
}

/* ---- rules -------------------------------------------------------------- */

int ps_kernel_swap(struct ps_kernel *k, const struct ps_gd_set *set)
{
    const int next = k->current == 0 ? 1 : 0;
    const __u32 zero = 0;
    int fd;

    if (k->current >= 0 && memcmp(k->sets[k->current], set, sizeof(*set)) == 0)
        return 0;
    memcpy(k->sets[next], set, sizeof(*set));
    fd = bpf_map__fd(next == 0 ? k->skel->maps.set_a : k->skel->maps.set_b);
    /* Returns after a grace period: see maybe_wait_bpf_programs(). */
    if (bpf_map_update_elem(bpf_map__fd(k->skel->maps.active), &zero, &fd,
                            BPF_ANY) < 0)
        return -errno;
    k->current = next;
    return 0;
}

/* ---- counters ----------------------------------------------------------- */

static void add(struct ps_gd_count *sum, const struct ps_gd_count *c)
{
    sum->packets += c->packets;
    sum->bytes += c->bytes;
}

int ps_kernel_hits(struct ps_kernel *k, struct ps_gd_count *ret_hits)
{
    const __u32 zero = 0;

    if (bpf_map_lookup_elem(bpf_map__fd(k->skel->maps.hits), &zero, k->hits) <
        0)
        return -errno;
    memset(ret_hits, 0, PS_GD_SLOTS * sizeof(*ret_hits));
    for (size_t cpu = 0; cpu < k->cpus; cpu++) {
        for (size_t i = 0; i < PS_GD_SLOTS; i++)
            add(&ret_hits[i], &k->hits[cpu].slot[i]);
    }
    return 0;
}

int ps_kernel_iface_add(struct ps_kernel *k, uint32_t ifindex)
{
    _cleanup_free_ struct ps_gd_iface *zeros = calloc(k->cpus, sizeof(*zeros));

    if (!zeros)
        return -ENOMEM;
    if (bpf_map_update_elem(bpf_map__fd(k->skel->maps.ifaces), &ifindex, zeros,
                            BPF_NOEXIST) < 0 &&
        errno != EEXIST)
        return -errno;
    return 0;
}

void ps_kernel_iface_remove(struct ps_kernel *k, uint32_t ifindex)
{
    bpf_map_delete_elem(bpf_map__fd(k->skel->maps.ifaces), &ifindex);
}

int ps_kernel_iface_read(struct ps_kernel *k, uint32_t ifindex,
                         struct ps_gd_iface *ret_counts)
{
    _cleanup_free_ struct ps_gd_iface *all = calloc(k->cpus, sizeof(*all));
    struct ps_gd_iface sum = {0};

    if (!all)
        return -ENOMEM;
    if (bpf_map_lookup_elem(bpf_map__fd(k->skel->maps.ifaces), &ifindex, all) <
        0)
        return -errno;
    for (size_t cpu = 0; cpu < k->cpus; cpu++) {
        add(&sum.passed, &all[cpu].passed);
        add(&sum.dropped, &all[cpu].dropped);
        add(&sum.unparsed, &all[cpu].unparsed);
    }
    *ret_counts = sum;
    return 0;
}

uint64_t ps_kernel_uncounted(struct ps_kernel *k)
{
    uint64_t sum[2] = {0};
    const __u32 zero = 0;

    if (ps_bpf_percpu_sum(bpf_map__fd(k->skel->maps.uncounted), &zero, sum, 2) <
        0)
        return 0;
    return sum[0];
}

/* ---- drops that are told of --------------------------------------------- */

void ps_kernel_watch(const struct ps_kernel *k,
                     struct ps_kernel_watch *ret_watch)
{
    *ret_watch = (struct ps_kernel_watch){
        .watch_fd = bpf_map__fd(k->skel->maps.watch),
        .ring_fd = bpf_map__fd(k->skel->maps.dropped),
        .until = (volatile uint64_t *)&k->skel->bss->watch_until,
        .untold = (uint64_t *)&k->skel->bss->watch_untold,
    };
}
