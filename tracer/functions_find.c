/* SPDX-License-Identifier: MIT */
#include "tracer/functions_find.h"

#include <dirent.h>

#include "bpf/tracer/functions_abi.h"
#include "common/bpf.h"

#define NONE UINT32_MAX

static const char *const available_at[] = {
    "/sys/kernel/tracing/available_filter_functions",
    "/sys/kernel/debug/tracing/available_filter_functions",
};

void ps_fn_list_free(struct ps_fn_list *list)
{
    free(list->fns);
    free(list->buckets);
    *list = (struct ps_fn_list){0};
}

/* ---- by name ------------------------------------------------------------ */

static uint32_t hash_name(const char *name, size_t len)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (uint8_t)name[i]) * 16777619u;
    return hash;
}

/* Bucket of the name, or the empty one where it would go. */
static uint32_t *bucket(const struct ps_fn_list *list, const char *name,
                        size_t len)
{
    size_t at = hash_name(name, len) & list->mask;
    const char *other;

    for (;; at = (at + 1) & list->mask) {
        if (list->buckets[at] == NONE)
            return &list->buckets[at];
        other = list->fns[list->buckets[at]].name;
        /* What a bucket names is set.
         * NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Branch) */
        if (!strncmp(other, name, len) && !other[len])
            return &list->buckets[at];
    }
}

/* For one more, with a packet or with the socket alone. */
static int make_room(struct ps_fn_list *list, bool socket)
{
    size_t room = list->room ? 2 * list->room : 2048;
    struct ps_fn *fns;

    if ((socket ? list->sockets : list->n - list->sockets) >= PS_FN_MAX)
        return -E2BIG;
    if (list->n < list->room)
        return 0;
    fns = realloc(list->fns, room * sizeof(*fns));
    if (!fns)
        return -ENOMEM;
    list->fns = fns;
    list->room = room;
    if (list->buckets)
        return 0;
    list->mask = 8 * (size_t)PS_FN_MAX - 1;
    list->buckets = malloc((list->mask + 1) * sizeof(*list->buckets));
    if (!list->buckets)
        return -ENOMEM;
    memset(list->buckets, 0xff, (list->mask + 1) * sizeof(*list->buckets));
    return 0;
}

/* ---- types -------------------------------------------------------------- */

/* Of which struct it is a pointer, constant or not; NULL: of none. */
static const char *points_to(const struct btf *btf, uint32_t type)
{
    const struct btf_type *t = btf__type_by_id(btf, type);

    while (t && (btf_is_mod(t) || btf_is_typedef(t)))
        t = btf__type_by_id(btf, t->type);
    if (!t || !btf_is_ptr(t))
        return NULL;
    t = btf__type_by_id(btf, t->type);
    while (t && (btf_is_mod(t) || btf_is_typedef(t)))
        t = btf__type_by_id(btf, t->type);
    return t && btf_is_struct(t) ? btf__name_by_offset(btf, t->name_off) : NULL;
}

/* From 1; 0: neither a packet nor a socket among the arguments that are looked
 * at. */
static uint8_t position_of(const struct btf *btf, const struct btf_type *func,
                           bool *ret_socket)
{
    const struct btf_type *proto = btf__type_by_id(btf, func->type);
    const struct btf_param *params;
    uint8_t socket = 0;

    if (!proto || !btf_is_func_proto(proto))
        return 0;
    params = btf_params(proto);
    for (uint8_t i = 0; i < btf_vlen(proto) && i < PS_FN_ARGS; i++) {
        const char *of = points_to(btf, params[i].type);

        *ret_socket = !ps_streq(of, "sk_buff");
        if (!*ret_socket)
            return (uint8_t)(i + 1);
        if (!socket && ps_streq(of, "sock"))
            socket = (uint8_t)(i + 1);
    }
    return socket;
}

/* Room for a function with this name; NULL in *ret_fn: it needs none. */
static int add_name(struct ps_fn_list *list, const char *name, bool socket,
                    struct ps_fn **ret_fn)
{
    uint32_t *at;
    int r;

    *ret_fn = NULL;
    if (!name || strlen(name) >= PS_FN_NAME || (socket && ps_fn_is_shell(name)))
        return 0;
    r = make_room(list, socket);
    if (r < 0)
        return r == -E2BIG && socket ? 0 : r;
    at = bucket(list, name, strlen(name));
    /* One of two with the same name may have a packet. */
    if (*at != NONE && (socket || !list->fns[*at].socket))
        return 0;
    if (*at == NONE) {
        *at = (uint32_t)list->n++;
        list->sockets += socket;
    } else {
        list->sockets--;
    }
    *ret_fn = &list->fns[*at];
    return 0;
}

int ps_fn_add_types(struct ps_fn_list *list, const struct btf *btf,
                    uint32_t base)
{
    uint32_t n = btf__type_cnt(btf);
    int r;

    for (uint32_t i = base; i < n; i++) {
        const struct btf_type *t = btf__type_by_id(btf, i);
        bool socket = false;
        uint8_t position = t && btf_is_func(t) ? position_of(btf, t, &socket)
                                               : 0;
        struct ps_fn *fn;
        const char *name;

        if (!position)
            continue;
        name = btf__name_by_offset(btf, t->name_off);
        r = add_name(list, name, socket, &fn);
        if (r < 0)
            return r;
        if (!fn)
            continue;
        *fn = (struct ps_fn){.position = position,
                             .socket = socket,
                             .rank = ps_fn_rank(name),
                             .timed = ps_fn_timed(name),
                             .how = ps_fn_how(name)};
        snprintf(fn->name, PS_FN_NAME, "%s", name);
    }
    list->named = list->n;
    return 0;
}

/* ---- symbols ------------------------------------------------------------ */

/* "ffffffff81000000 T name" or "... t name\t[module]". */
static bool split_symbol(char *line, uint64_t *ret_addr, char **ret_name,
                         size_t *ret_len)
{
    char *end;

    *ret_addr = strtoull(line, &end, 16);
    if (end == line || end[0] != ' ' || (end[1] != 't' && end[1] != 'T') ||
        end[2] != ' ' || !*ret_addr)
        return false;
    *ret_name = end + 3;
    *ret_len = strcspn(*ret_name, "\t \n");
    return *ret_len != 0;
}

int ps_fn_add_symbols(struct ps_fn_list *list, FILE *symbols)
{
    _cleanup_free_ char *line = NULL;
    size_t size = 0, len;
    uint64_t addr;
    char *name;
    int r;

    if (!list->n)
        return 0;
    while (getline(&line, &size, symbols) > 0) {
        uint32_t at;

        if (!split_symbol(line, &addr, &name, &len))
            continue;
        at = *bucket(list, name, len);
        if (at == NONE)
            continue;
        if (!list->fns[at].addr) {
            list->fns[at].addr = addr;
            continue;
        }
        r = make_room(list, list->fns[at].socket);
        if (r == -E2BIG && list->fns[at].socket)
            continue;
        if (r < 0)
            return r;
        /* Another one of the same name: static functions of several files. */
        list->fns[list->n] = list->fns[at];
        list->fns[list->n++].addr = addr;
        list->sockets += list->fns[at].socket;
    }
    return 0;
}

void ps_fn_add_available(struct ps_fn_list *list, FILE *available)
{
    _cleanup_free_ char *line = NULL;
    size_t size = 0;
    uint32_t at;

    if (!list->n)
        return;
    while (getline(&line, &size, available) > 0) {
        at = *bucket(list, line, strcspn(line, "\t \n"));
        if (at != NONE)
            list->fns[at].probed = true;
    }
    /* The others of a name come behind those that types gave. */
    for (size_t i = list->named; i < list->n; i++) {
        const char *name = list->fns[i].name;

        at = *bucket(list, name, strlen(name));
        list->fns[i].probed = at != NONE && list->fns[at].probed;
    }
}

static int by_rank(const void *a, const void *b)
{
    const struct ps_fn *x = a, *y = b;

    if (x->socket != y->socket)
        return x->socket ? 1 : -1;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return x->addr < y->addr ? -1 : x->addr > y->addr;
}

void ps_fn_finish(struct ps_fn_list *list)
{
    size_t n = 0;

    for (size_t i = 0; i < list->n; i++)
        if (list->fns[i].addr && list->fns[i].probed)
            list->fns[n++] = list->fns[i];
    free(list->buckets);
    list->buckets = NULL;
    if (n)
        qsort(list->fns, n, sizeof(*list->fns), by_rank);
    list->n = 0;
    while (list->n < n && !list->fns[list->n].socket)
        list->n++;
    list->sockets = n - list->n;
}

/* ---- the running kernel ------------------------------------------------- */

/* Modules whose types cannot be read are left out: their functions are not
 * shown, and nothing else depends on them. */
static int add_modules(struct ps_fn_list *list, const struct btf *kernel)
{
    DIR *dir = opendir("/sys/kernel/btf");
    const struct dirent *entry;
    int r = 0;

    if (!dir)
        return 0;
    while (r == 0 && (entry = readdir(dir))) {
        struct btf *btf;

        if (entry->d_name[0] == '.' || !strcmp(entry->d_name, "vmlinux"))
            continue;
        btf = btf__load_module_btf(entry->d_name, (struct btf *)kernel);
        if (!btf)
            continue;
        r = ps_fn_add_types(list, btf, btf__type_cnt(kernel));
        btf__free(btf);
    }
    closedir(dir);
    return r;
}

/* From 6.14 on fprobe leaves what it takes the place of elsewhere. */
static void mark_one_way(struct ps_fn_list *list, const struct btf *kernel)
{
    bool walked = !ps_bpf_has_type(kernel, "fprobe_hlist_node");

    for (size_t i = 0; i < list->n; i++)
        list->fns[i].one_way = ps_fn_one_way(list->fns[i].name, walked);
}

static FILE *open_available(void)
{
    FILE *file = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(available_at) && !file; i++)
        file = fopen(available_at[i], "re");
    return file;
}

static int find_all(struct ps_fn_list *list, const struct btf *kernel,
                    FILE *symbols, FILE *available)
{
    int r;

    r = ps_fn_add_types(list, kernel, 1);
    if (r == 0)
        r = add_modules(list, kernel);
    if (r == 0)
        r = ps_fn_add_symbols(list, symbols);
    if (r < 0)
        return r;
    ps_fn_add_available(list, available);
    ps_fn_finish(list);
    mark_one_way(list, kernel);
    return list->n ? 0 : -ENOENT;
}

int ps_fn_find(const struct btf *kernel, struct ps_fn_list *ret_list,
               char *reason, size_t reason_size)
{
    struct ps_fn_list list = {0};
    FILE *symbols, *available;
    int r = -ENOENT;

    if (!kernel) {
        snprintf(reason, reason_size, "the kernel has no types (BTF)");
        return r;
    }
    available = open_available();
    if (!available) {
        snprintf(reason, reason_size,
                 "no list of functions that may be probed: the kernel is built "
                 "without ftrace, or tracefs is not at /sys/kernel/tracing");
        return r;
    }
    symbols = fopen("/proc/kallsyms", "re");
    if (symbols) {
        r = find_all(&list, kernel, symbols, available);
        fclose(symbols);
    }
    fclose(available);
    if (r < 0) {
        snprintf(reason, reason_size, "%s",
                 r == -ENOENT ? "no function can be probed: symbols are hidden "
                                "(kernel.kptr_restrict), or probes compiled out"
                              : strerror(-r));
        ps_fn_list_free(&list);
        return r;
    }
    *ret_list = list;
    return 0;
}
