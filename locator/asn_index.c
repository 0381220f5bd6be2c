/* SPDX-License-Identifier: MIT */
#include "locator/asn_index.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "locator/asn_file.h"
#include "locator/source_file.h"

struct ps_asn_index {
    void *map;
    size_t map_bytes;
    const struct ps_asn_header *header;
    const struct ps_asn_range4 *ranges4;
    const struct ps_asn_range6 *ranges6;
    const uint8_t *names;
};

static bool is_sound(const struct ps_asn_header *header, size_t bytes)
{
    return header->magic == PS_ASN_MAGIC &&
           header->n_ranges4 <= PS_ASN_MAX_RANGES &&
           header->n_ranges6 <= PS_ASN_MAX_RANGES &&
           header->name_bytes <= PS_ASN_MAX_NAME_BYTES &&
           sizeof(*header) + header->n_ranges4 * sizeof(struct ps_asn_range4) +
                   header->n_ranges6 * sizeof(struct ps_asn_range6) +
                   header->name_bytes ==
               bytes;
}

int ps_asn_map(const char *path, struct ps_asn_index **ret_index)
{
    _cleanup_(ps_asn_free) struct ps_asn_index *index =
        calloc(1, sizeof(*index));
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;

    if (!index)
        return -ENOMEM;
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) ||
        st.st_size < (off_t)sizeof(struct ps_asn_header))
        return -EBADMSG;
    index->map_bytes = (size_t)st.st_size;
    index->map = mmap(NULL, index->map_bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (index->map == MAP_FAILED) {
        index->map = NULL;
        return -errno;
    }
    (void)madvise(index->map, index->map_bytes, MADV_RANDOM);
    index->header = index->map;
    if (!is_sound(index->header, index->map_bytes))
        return -EBADMSG;
    index->ranges4 = (const void *)(index->header + 1);
    index->ranges6 = (const void *)(index->ranges4 + index->header->n_ranges4);
    index->names = (const void *)(index->ranges6 + index->header->n_ranges6);
    *ret_index = TAKE_PTR(index);
    return 0;
}

void ps_asn_free(struct ps_asn_index **index)
{
    if (!*index)
        return;
    if ((*index)->map)
        munmap((*index)->map, (*index)->map_bytes);
    free(*index);
    *index = NULL;
}

/* ---- opening ------------------------------------------------------------ */

static uint64_t hash(const char *text)
{
    uint64_t value = UINT64_C(0xcbf29ce484222325);

    for (; *text; text++)
        value = (value ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
    return value;
}

static bool is_of(const struct ps_asn_index *index,
                  const struct ps_asn_source *source)
{
    return index->header->source_size == source->size &&
           index->header->source_changed_ns == source->changed_ns;
}

/* The index of an earlier start, if it is of this very CSV. */
static int map_existing(const char *path, const struct ps_asn_source *source,
                        struct ps_asn_index **ret_index)
{
    _cleanup_(ps_asn_free) struct ps_asn_index *index = NULL;
    int r;

    r = ps_asn_map(path, &index);
    if (r < 0)
        return r;
    if (!is_of(index, source))
        return -ESTALE;
    *ret_index = TAKE_PTR(index);
    return 0;
}

/* Reads the CSV anew; on success the index file is of this very source. */
/* NOLINTNEXTLINE(readability-non-const-parameter): TAKE_FD() */
static int import(int *fd, const struct ps_asn_source *source, const char *path,
                  char **ret_reason)
{
    _cleanup_fclose_ FILE *file = fdopen(*fd, "r");

    if (!file)
        return -ENOMEM;
    (void)TAKE_FD(*fd);
    return ps_asn_import(file, source, path, ret_reason);
}

int ps_asn_open(const char *csv, const char *dir,
                struct ps_asn_index **ret_index, char **ret_reason)
{
    _cleanup_free_ char *path = NULL;
    _cleanup_close_ int fd = -1;
    struct ps_asn_source source;
    struct stat st;
    int r;

    fd = ps_source_open(csv, PS_ASN_MAX_CSV_BYTES, &st, ret_reason);
    if (fd < 0)
        return fd;
    source.size = (uint64_t)st.st_size;
    source.changed_ns = (uint64_t)st.st_mtim.tv_sec * PS_NS_PER_S +
                        (uint64_t)st.st_mtim.tv_nsec;
    if (asprintf(&path, "%s/locator.asn-%016llx.idx", dir,
                 (unsigned long long)hash(csv)) < 0)
        return -ENOMEM;
    if (map_existing(path, &source, ret_index) == 0)
        return 0;
    r = import(&fd, &source, path, ret_reason);
    if (r < 0)
        return r;
    r = ps_asn_map(path, ret_index);
    if (r < 0 && r != -ENOMEM)
        *ret_reason = strdup(strerror(-r));
    return r;
}

/* ---- look-up ------------------------------------------------------------ */

static int find4(const struct ps_asn_index *index, const struct ps_addr *addr,
                 uint32_t *ret_asn, uint32_t *ret_name)
{
    size_t low = 0, high = index->header->n_ranges4;
    uint32_t net, ip;

    memcpy(&net, addr->bytes, sizeof(net));
    ip = ntohl(net);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct ps_asn_range4 *range = &index->ranges4[middle];

        if (ip < range->first) {
            high = middle;
        } else if (ip > range->last) {
            low = middle + 1;
        } else {
            *ret_asn = range->asn;
            *ret_name = range->name;
            return 0;
        }
    }
    return -ENOENT;
}

static int find6(const struct ps_asn_index *index, const struct ps_addr *addr,
                 uint32_t *ret_asn, uint32_t *ret_name)
{
    size_t low = 0, high = index->header->n_ranges6;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct ps_asn_range6 *range = &index->ranges6[middle];

        if (memcmp(addr->bytes, range->first, 16) < 0) {
            high = middle;
        } else if (memcmp(addr->bytes, range->last, 16) > 0) {
            low = middle + 1;
        } else {
            *ret_asn = range->asn;
            *ret_name = range->name;
            return 0;
        }
    }
    return -ENOENT;
}

int ps_asn_lookup(const struct ps_asn_index *index, const struct ps_addr *addr,
                  struct ps_record *record)
{
    uint64_t name_bytes = index->header->name_bytes;
    uint32_t asn, name;
    int r;

    r = addr->family == 6 ? find6(index, addr, &asn, &name)
                          : find4(index, addr, &asn, &name);
    if (r < 0)
        return r;
    record->asn = asn;
    record->has_asn = true;
    if (name < name_bytes && index->names[name] < name_bytes - name)
        (void)ps_record_set_text(record->as_name, sizeof(record->as_name),
                                 (const char *)index->names + name + 1,
                                 index->names[name]);
    return 0;
}

uint64_t ps_asn_built(const struct ps_asn_index *index)
{
    return index->header->source_changed_ns / PS_NS_PER_S;
}

uint64_t ps_asn_overlaps(const struct ps_asn_index *index)
{
    return index->header->overlaps;
}
