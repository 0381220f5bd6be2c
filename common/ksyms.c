/* SPDX-License-Identifier: MIT */
/* Kernel symbols, compact: sorted addresses and one pool of names. */
#include <fcntl.h>

#include "common/array.h"
#include "common/bpf.h"

#define READ_BYTES  (64u << 10)
#define MAX_SYMBOLS (1u << 20)
#define MAX_POOL    (64u << 20)
#define REREAD_NS   (60 * PS_NS_PER_S)
/* A function is not longer: beyond it the address is of nobody we know. */
#define MAX_FUNCTION (1u << 20)

struct symbol {
    uint64_t addr;
    uint32_t name; /* offset in the pool */
};

struct ps_ksyms {
    FILE *file; /* opened with privileges, read later */
    struct symbol *symbols;
    size_t n;
    uint32_t room;
    char *pool;
    size_t pool_len;
    uint32_t pool_room;
    uint64_t read_ns; /* 0: never */
};

int ps_ksyms_open(struct ps_ksyms **ret_syms)
{
    struct ps_ksyms *syms = calloc(1, sizeof(*syms));

    if (!syms)
        return -ENOMEM;
    syms->file = fopen("/proc/kallsyms", "re");
    if (!syms->file) {
        int r = -errno;

        free(syms);
        return r;
    }
    /* The kernel writes as much at once as it is asked for. */
    setvbuf(syms->file, NULL, _IOFBF, READ_BYTES);
    *ret_syms = syms;
    return 0;
}

void ps_ksyms_free(struct ps_ksyms **symsp)
{
    struct ps_ksyms *syms = *symsp;

    *symsp = NULL;
    if (!syms)
        return;
    fclose(syms->file);
    free(syms->symbols);
    free(syms->pool);
    free(syms);
}

static int add(struct ps_ksyms *syms, uint64_t addr, const char *name)
{
    size_t len = strlen(name) + 1;
    int r = ps_array_reserve(&syms->symbols, &syms->room, syms->n + 1,
                             MAX_SYMBOLS, sizeof(*syms->symbols));

    if (r == 0)
        r = ps_array_reserve(&syms->pool, &syms->pool_room,
                             syms->pool_len + len, MAX_POOL, 1);
    if (r < 0)
        return r;
    memcpy(syms->pool + syms->pool_len, name, len);
    syms->symbols[syms->n++] =
        (struct symbol){.addr = addr, .name = (uint32_t)syms->pool_len};
    syms->pool_len += len;
    return 0;
}

static int by_address(const void *a, const void *b)
{
    const struct symbol *x = a;
    const struct symbol *y = b;

    return (x->addr > y->addr) - (x->addr < y->addr);
}

/* "ffffffff81000000 T name" or "... t name [module]". False: it is no function,
 * or its address is hidden. */
static bool parse(char *line, uint64_t *ret_addr, const char **ret_name)
{
    char *at;

    *ret_addr = strtoull(line, &at, 16);
    if (at == line || *ret_addr == 0 || at[0] != ' ' || !at[1] ||
        !strchr("tTwW", at[1]) || at[2] != ' ')
        return false;
    at += 3;
    at[strcspn(at, " \t\n")] = '\0';
    *ret_name = at;
    return *at != '\0';
}

static void read_symbols(struct ps_ksyms *syms)
{
    const char *name;
    char line[512];
    uint64_t addr;

    syms->n = syms->pool_len = 0;
    syms->read_ns = ps_mono_ns();
    if (fseek(syms->file, 0, SEEK_SET) < 0)
        return;
    while (fgets(line, sizeof(line), syms->file))
        if (parse(line, &addr, &name) && add(syms, addr, name) < 0)
            break;
    if (syms->n > 0)
        qsort(syms->symbols, syms->n, sizeof(struct symbol), by_address);
}

static bool is_named(const char *symbol, const char *name)
{
    size_t len = strlen(name);

    return strncmp(symbol, name, len) == 0 &&
           (symbol[len] == '\0' || symbol[len] == '.') &&
           !strstr(symbol + len, ".cold");
}

/* The last symbol at or before addr, or NULL. */
static const struct symbol *search(const struct ps_ksyms *syms, uint64_t addr)
{
    size_t low = 0;
    size_t high = syms->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (syms->symbols[mid].addr <= addr)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == 0 || addr - syms->symbols[low - 1].addr > MAX_FUNCTION)
        return NULL;
    return &syms->symbols[low - 1];
}

static void read_once(struct ps_ksyms *syms)
{
    if (syms->read_ns == 0)
        read_symbols(syms);
}

int ps_ksyms_places(struct ps_ksyms *syms, struct ps_places *ret_places)
{
    struct ps_places p = {0};
    const struct {
        const char *name;
        unsigned long long *start;
    } wanted[] = {
        {"skb_release_data", &p.release_from},
        {"arch_rethook_trampoline", &p.rethook},
        {"return_to_handler", &p.trampolines[0]},
        {"__kretprobe_trampoline", &p.trampolines[1]},
        {"kretprobe_trampoline", &p.trampolines[1]}, /* until 5.15 */
    };

    *ret_places = p;
    if (!syms)
        return -ENOENT;
    read_once(syms);
    for (size_t k = 0; k < syms->n; k++) {
        const char *name = syms->pool + syms->symbols[k].name;
        uint64_t addr = syms->symbols[k].addr;

        /* A place ends where the next one begins. */
        if (p.release_from && !p.release_to && addr > p.release_from)
            p.release_to = addr;
        for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
            if (!*wanted[i].start && is_named(name, wanted[i].name))
                *wanted[i].start = addr;
    }
    *ret_places = p;
    return 0;
}

const char *ps_ksyms_find(struct ps_ksyms *syms, uint64_t addr,
                          uint32_t *ret_offset)
{
    const struct symbol *found;

    if (!syms || addr == 0)
        return NULL;
    read_once(syms);
    found = search(syms, addr);
    if (!found && ps_mono_ns() - syms->read_ns > REREAD_NS) {
        read_symbols(syms);
        found = search(syms, addr);
    }
    if (!found)
        return NULL;
    if (ret_offset)
        *ret_offset = (uint32_t)(addr - found->addr);
    return syms->pool + found->name;
}
