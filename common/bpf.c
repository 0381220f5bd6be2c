/* SPDX-License-Identifier: MIT */
#include "common/bpf.h"

#include <cap-ng.h>
#include <stdarg.h>
#include <sys/resource.h>

#include "common/log.h"

_printf_(2, 0) static int print_libbpf(enum libbpf_print_level level,
                                       const char *fmt, va_list ap)
{
    char text[768];

    if (level == LIBBPF_DEBUG)
        return 0;
    vsnprintf(text, sizeof(text), fmt, ap);
    text[strcspn(text, "\n")] = 0;
    ps_debug("libbpf", "text=" PS_Q, text);
    return 0;
}

void ps_bpf_init(void)
{
    const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};

    libbpf_set_print(print_libbpf);
    libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
    /* Refused in a container without SYS_RESOURCE; needed only before 5.11,
     * where the load then says so. */
    setrlimit(RLIMIT_MEMLOCK, &all);
}

/* ---- what the running kernel's BTF knows -------------------------------- */

struct btf *ps_bpf_kernel_types(void)
{
    return btf__load_vmlinux_btf();
}

void ps_bpf_types_free(struct btf **kernel)
{
    btf__free(*kernel);
    *kernel = NULL;
}

int ps_bpf_tracepoint_args(const struct btf *kernel, const char *name)
{
    const struct btf_type *type;
    char typedef_name[128];
    int id;
    int n = -ENOENT;

    if (!kernel)
        return -ENOENT;
    snprintf(typedef_name, sizeof(typedef_name), "btf_trace_%s", name);
    id = btf__find_by_name_kind(kernel, typedef_name, BTF_KIND_TYPEDEF);
    if (id >= 0) {
        type =
            btf__type_by_id(kernel, btf__type_by_id(kernel, (__u32)id)->type);
        if (type && btf_is_ptr(type))
            type = btf__type_by_id(kernel, type->type);
        if (type && btf_is_func_proto(type))
            n = btf_vlen(type) - 1;
    }
    return n;
}

bool ps_bpf_has_type(const struct btf *kernel, const char *name)
{
    return kernel && btf__find_by_name(kernel, name) >= 0;
}

bool ps_bpf_has_helper(const struct btf *kernel, const char *name)
{
    int id = kernel
                 ? btf__find_by_name_kind(kernel, "bpf_func_id", BTF_KIND_ENUM)
                 : -ENOENT;
    const struct btf_type *type;

    if (id < 0)
        return false;
    type = btf__type_by_id(kernel, (__u32)id);
    for (unsigned int i = 0; i < btf_vlen(type); i++) {
        const char *have =
            btf__name_by_offset(kernel, btf_enum(type)[i].name_off);

        if (have && !strcmp(have, name))
            return true;
    }
    return false;
}

/* ---- attaching ---------------------------------------------------------- */

/* What bpf() asks for; CAP_SYS_ADMIN is all three. */
static const unsigned int bpf_caps[] = {CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN};

#define WITHOUT(which) "refused by the kernel: without " which
static const char *const without_caps[1u << ARRAY_SIZE(bpf_caps)] = {
    [1] = WITHOUT("CAP_BPF"),
    [2] = WITHOUT("CAP_PERFMON"),
    [3] = WITHOUT("CAP_BPF and CAP_PERFMON"),
    [4] = WITHOUT("CAP_NET_ADMIN"),
    [5] = WITHOUT("CAP_BPF and CAP_NET_ADMIN"),
    [6] = WITHOUT("CAP_PERFMON and CAP_NET_ADMIN"),
    [7] = WITHOUT("CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN"),
};

/* Bit i: bpf_caps[i] is not there. */
static unsigned int missing_caps(void)
{
    unsigned int missing = 0;

    if (capng_get_caps_process() < 0 ||
        capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN))
        return 0;
    for (unsigned int i = 0; i < ARRAY_SIZE(bpf_caps); i++) {
        if (!capng_have_capability(CAPNG_EFFECTIVE, bpf_caps[i]))
            missing |= 1u << i;
    }
    return missing;
}

const char *ps_bpf_reason(int err)
{
    static const struct {
        int err;
        const char *text;
    } reasons[] = {
        {EPERM, "refused by the kernel: compiled out or locked down, or a "
                "security module forbids it"},
        {EACCES, "refused by the kernel's verifier or by a security module"},
        {EINVAL, "this kernel does not know this kind of program"},
        {EOPNOTSUPP, "this kernel does not support it"},
        {ENOENT, "this kernel has no such hook"},
        {ESRCH, "this kernel has no such function in its BTF"},
        {EBUSY, "another program holds this hook"},
        {EEXIST, "another program holds this hook"},
        {ENOMEM, "no memory, or the memlock limit is too small"},
        {E2BIG, "too large for this kernel's verifier or hook"},
        {ENODEV, "no such interface"},
    };

    if (err < 0)
        err = -err;
    if ((err == EPERM || err == EACCES) && missing_caps() > 0)
        return without_caps[missing_caps()];
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
        if (reasons[i].err == err)
            return reasons[i].text;
    }
    return strerror(err);
}

int ps_bpf_try_attach(struct bpf_program *prog, struct bpf_link **ret_link,
                      char *reason, size_t reason_size)
{
    struct bpf_link *link;
    int r;

    link = bpf_program__attach(prog);
    if (!link) {
        r = errno ? -errno : -EINVAL;
        if (reason)
            snprintf(reason, reason_size, "%s", ps_bpf_reason(r));
        return r;
    }
    *ret_link = link;
    return 0;
}

/* ---- maps --------------------------------------------------------------- */

uint64_t ps_bpf_map_memory(int map_fd)
{
    _cleanup_fclose_ FILE *f = NULL;
    unsigned long long bytes = 0;
    char path[64];
    char line[128];

    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", map_fd);
    f = fopen(path, "re");
    while (f && fgets(line, sizeof(line), f)) {
        if (sscanf(line, "memlock: %llu", &bytes) == 1)
            break;
    }
    return bytes;
}

uint64_t ps_bpf_object_memory(const struct bpf_object *obj)
{
    struct bpf_map *map;
    uint64_t sum = 0;

    bpf_object__for_each_map(map, obj) {
        if (bpf_map__fd(map) >= 0)
            sum += ps_bpf_map_memory(bpf_map__fd(map));
    }
    return sum;
}

/* 0 where the kernel does not say. */
static struct bpf_prog_info prog_info(int fd)
{
    struct bpf_prog_info info = {0};
    uint32_t len = sizeof(info);

    if (fd < 0 || bpf_prog_get_info_by_fd(fd, &info, &len) < 0)
        info = (struct bpf_prog_info){0};
    return info;
}

uint64_t ps_bpf_program_misses(const struct bpf_program *prog)
{
    return ps_bpf_prog_misses(bpf_program__fd(prog));
}

uint64_t ps_bpf_prog_misses(int fd)
{
    return prog_info(fd).recursion_misses;
}

uint64_t ps_bpf_object_run_ns(const struct bpf_object *obj)
{
    struct bpf_program *prog;
    uint64_t sum = 0;

    bpf_object__for_each_program(prog, obj)
        sum += prog_info(bpf_program__fd(prog)).run_time_ns;
    return sum;
}

int ps_bpf_percpu_sum(int map_fd, const void *key, uint64_t *values, size_t n)
{
    int cpus = libbpf_num_possible_cpus();
    _cleanup_free_ uint64_t *all = NULL;

    if (cpus < 0)
        return cpus;
    all = calloc((size_t)cpus * n, sizeof(*all));
    if (!all)
        return -ENOMEM;
    if (bpf_map_lookup_elem(map_fd, key, all) < 0)
        return -errno;
    memset(values, 0, n * sizeof(*values));
    for (size_t cpu = 0; cpu < (size_t)cpus; cpu++) {
        for (size_t i = 0; i < n; i++)
            values[i] += all[cpu * n + i];
    }
    return 0;
}
