/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <sys/stat.h>

#include "locator/asn_file.h"
#include "locator/asn_index.h"

#define NO_NAME UINT32_MAX
/* Most AS have one name: where the last ones were put, by AS number. */
#define NAME_SLOTS 65536

struct array {
    void *items;
    size_t n, room, item_bytes;
};

struct seen_name {
    uint32_t asn, name;
};

struct import {
    struct array ranges4, ranges6, names;
    struct seen_name *seen;
    uint64_t overlaps;
};

static void import_clear(struct import *import)
{
    free(import->ranges4.items);
    free(import->ranges6.items);
    free(import->names.items);
    free(import->seen);
}

static int append(struct array *array, const void *items, size_t n)
{
    if (array->n + n > array->room) {
        size_t room = 2 * array->room + n + 4096;
        void *grown = reallocarray(array->items, room, array->item_bytes);

        if (!grown)
            return -ENOMEM;
        array->items = grown;
        array->room = room;
    }
    memcpy((char *)array->items + array->n * array->item_bytes, items,
           n * array->item_bytes);
    array->n += n;
    return 0;
}

static bool name_is(const struct import *import, uint32_t at, const char *name)
{
    const char *names = import->names.items;
    size_t len = (uint8_t)names[at];

    return len == strlen(name) && memcmp(names + at + 1, name, len) == 0;
}

static int add_name(struct import *import, const struct ps_asn_range *range,
                    uint32_t *ret_name)
{
    struct seen_name *seen = &import->seen[range->asn % NAME_SLOTS];
    uint8_t len = (uint8_t)strlen(range->name);
    uint32_t at = (uint32_t)import->names.n;
    int r;

    *ret_name = NO_NAME;
    if (!len)
        return 0;
    if (seen->asn == range->asn && seen->name != NO_NAME &&
        name_is(import, seen->name, range->name)) {
        *ret_name = seen->name;
        return 0;
    }
    if (at + len + 1 > PS_ASN_MAX_NAME_BYTES)
        return -EFBIG;
    r = append(&import->names, &len, 1);
    if (r == 0)
        r = append(&import->names, range->name, len);
    if (r < 0)
        return r;
    *seen = (struct seen_name){.asn = range->asn, .name = at};
    *ret_name = at;
    return 0;
}

static uint32_t host32(const struct ps_addr *addr)
{
    uint32_t net;

    memcpy(&net, addr->bytes, sizeof(net));
    return ntohl(net);
}

/*
 * Published tables hold some ranges that overlap. The one that begins later
 * is taken as the more specific; what the other covered behind it is then
 * unknown rather than guessed.
 */
static int add_range4(struct import *import, const struct ps_asn_range *range,
                      uint32_t name)
{
    struct ps_asn_range4 *all = import->ranges4.items;
    size_t n = import->ranges4.n;
    struct ps_asn_range4 item = {
        .first = host32(&range->first),
        .last = host32(&range->last),
        .asn = range->asn,
        .name = name,
    };

    if (n && item.first <= all[n - 1].first)
        return -EINVAL;
    if (n && item.first <= all[n - 1].last) {
        all[n - 1].last = item.first - 1;
        import->overlaps++;
    }
    return append(&import->ranges4, &item, 1);
}

/* The address before this one, which is not the first of all. */
static void before(const uint8_t addr[16], uint8_t *ret_addr)
{
    memcpy(ret_addr, addr, 16);
    for (size_t i = 16; i-- > 0;) {
        if (ret_addr[i]--)
            return;
    }
}

static int add_range6(struct import *import, const struct ps_asn_range *range,
                      uint32_t name)
{
    struct ps_asn_range6 *all = import->ranges6.items;
    size_t n = import->ranges6.n;
    struct ps_asn_range6 item = {.asn = range->asn, .name = name};

    memcpy(item.first, range->first.bytes, 16);
    memcpy(item.last, range->last.bytes, 16);
    if (n && memcmp(item.first, all[n - 1].first, 16) <= 0)
        return -EINVAL;
    if (n && memcmp(item.first, all[n - 1].last, 16) <= 0) {
        before(item.first, all[n - 1].last);
        import->overlaps++;
    }
    return append(&import->ranges6, &item, 1);
}

static int add_line(struct import *import, const char *line,
                    const char **ret_problem)
{
    struct ps_asn_range range;
    uint32_t name;
    int r;

    r = ps_asn_csv_parse(line, &range, ret_problem);
    if (r < 0)
        return r;
    *ret_problem = "there are too many entries";
    if (import->ranges4.n + import->ranges6.n >= PS_ASN_MAX_RANGES)
        return -EFBIG;
    /* AS 0: not routed. */
    if (range.asn == 0)
        return 0;
    r = add_name(import, &range, &name);
    if (r < 0)
        return r;
    *ret_problem = "the ranges are not sorted";
    return range.first.family == 6 ? add_range6(import, &range, name)
                                   : add_range4(import, &range, name);
}

static int read_csv(FILE *csv, struct import *import, char **ret_reason)
{
    char line[PS_ASN_CSV_LINE];
    const char *problem = "the line is too long";
    size_t number = 0;
    int r = 0;

    while (r == 0 && fgets(line, sizeof(line), csv)) {
        size_t len = strlen(line);

        number++;
        if (len + 1 == sizeof(line) && line[len - 1] != '\n') {
            r = -EINVAL;
            break;
        }
        while (len && (line[len - 1] == '\n' || line[len - 1] == '\r'))
            line[--len] = '\0';
        if (len)
            r = add_line(import, line, &problem);
    }
    if (r == -ENOMEM)
        return r;
    if (r == 0 && ferror(csv)) {
        problem = "it cannot be read";
        r = -EIO;
    }
    if (r == 0 && !import->ranges4.n && !import->ranges6.n) {
        problem = "it has no entry";
        r = -EINVAL;
    }
    if (r < 0 && asprintf(ret_reason, "not a usable ASN table: line %zu: %s",
                          number, problem) < 0)
        return -ENOMEM;
    return r;
}

static bool put(FILE *file, const struct array *array)
{
    return fwrite(array->items, array->item_bytes, array->n, file) == array->n;
}

static int write_file(const struct import *import,
                      const struct ps_asn_source *source, const char *path)
{
    struct ps_asn_header header = {
        .magic = PS_ASN_MAGIC,
        .source_size = source->size,
        .source_changed_ns = source->changed_ns,
        .n_ranges4 = import->ranges4.n,
        .n_ranges6 = import->ranges6.n,
        .name_bytes = import->names.n,
        .overlaps = import->overlaps,
    };
    _cleanup_fclose_ FILE *file = fopen(path, "wxe");

    if (!file)
        return -errno;
    /* Public data: the user that we become must read what root wrote. */
    if (fchmod(fileno(file), 0644) < 0)
        return -errno;
    errno = 0;
    if (fwrite(&header, sizeof(header), 1, file) != 1 ||
        !put(file, &import->ranges4) || !put(file, &import->ranges6) ||
        !put(file, &import->names) || fflush(file) != 0)
        /* NOLINTNEXTLINE(clang-analyzer-unix.Errno): else it stays 0 */
        return errno ? -errno : -EIO;
    return fsync(fileno(file)) < 0 ? -errno : 0;
}

int ps_asn_import(FILE *csv, const struct ps_asn_source *source,
                  const char *index_path, char **ret_reason)
{
    _cleanup_(import_clear) struct import import = {
        .ranges4.item_bytes = sizeof(struct ps_asn_range4),
        .ranges6.item_bytes = sizeof(struct ps_asn_range6),
        .names.item_bytes = 1,
        .seen = malloc(NAME_SLOTS * sizeof(struct seen_name)),
    };
    _cleanup_free_ char *temporary = NULL;
    int r;

    if (!import.seen)
        return -ENOMEM;
    for (size_t i = 0; i < NAME_SLOTS; i++)
        import.seen[i] = (struct seen_name){.name = NO_NAME};
    r = read_csv(csv, &import, ret_reason);
    if (r < 0)
        return r;
    if (asprintf(&temporary, "%s.%d.new", index_path, (int)getpid()) < 0)
        return -ENOMEM;
    r = write_file(&import, source, temporary);
    if (r == 0 && rename(temporary, index_path) < 0)
        r = -errno;
    if (r < 0) {
        unlink(temporary);
        if (asprintf(ret_reason, "cannot write its index %s: %s", index_path,
                     strerror(-r)) < 0)
            return -ENOMEM;
    }
    return r;
}
