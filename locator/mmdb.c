/* SPDX-License-Identifier: MIT */
#include "locator/mmdb.h"

#include <maxminddb.h>
#include <sys/stat.h>

#include "locator/source_file.h"

struct ps_mmdb {
    MMDB_s mmdb;
    int fd;
    off_t size;
    struct timespec changed;
};

/* The library believes the metadata; what it says must fit the file. */
static bool is_sound(const MMDB_s *mmdb)
{
    const uint8_t *end = mmdb->file_content + mmdb->file_size;

    return mmdb->metadata.node_count && mmdb->data_section <= end &&
           mmdb->data_section_size <= (size_t)(end - mmdb->data_section);
}

int ps_mmdb_open(const char *path, struct ps_mmdb **ret_db, char **ret_reason)
{
    _cleanup_(ps_mmdb_free) struct ps_mmdb *db = calloc(1, sizeof(*db));
    char same[32];
    struct stat st;
    int r;

    if (!db)
        return -ENOMEM;
    db->fd = ps_source_open(path, PS_MMDB_MAX_BYTES, &st, ret_reason);
    if (db->fd < 0)
        return db->fd;
    db->size = st.st_size;
    db->changed = st.st_mtim;
    /* By the descriptor, so that it is this very file that is mapped. */
    snprintf(same, sizeof(same), "/proc/self/fd/%d", db->fd);
    r = MMDB_open(same, MMDB_MODE_MMAP, &db->mmdb);
    if (r != MMDB_SUCCESS)
        memset(&db->mmdb, 0, sizeof(db->mmdb));
    if (r == MMDB_SUCCESS && is_sound(&db->mmdb)) {
        *ret_db = TAKE_PTR(db);
        return 0;
    }
    if (asprintf(ret_reason, "is not a usable MaxMind DB: %s",
                 r == MMDB_SUCCESS ? "its sizes do not fit"
                                   : MMDB_strerror(r)) < 0)
        return -ENOMEM;
    return -EBADMSG;
}

void ps_mmdb_free(struct ps_mmdb **db)
{
    if (!*db)
        return;
    if ((*db)->mmdb.file_content)
        MMDB_close(&(*db)->mmdb);
    ps_closep(&(*db)->fd);
    free(*db);
    *db = NULL;
}

static bool changed(const struct ps_mmdb *db)
{
    struct stat st;

    return fstat(db->fd, &st) < 0 || st.st_size != db->size ||
           st.st_mtim.tv_sec != db->changed.tv_sec ||
           st.st_mtim.tv_nsec != db->changed.tv_nsec;
}

int ps_mmdb_lookup(struct ps_mmdb *db, const struct ps_addr *addr,
                   struct ps_record *record)
{
    struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6};
    struct sockaddr_in sin = {.sin_family = AF_INET};
    const struct sockaddr *sa = (const struct sockaddr *)&sin;
    MMDB_lookup_result_s found;
    int error = 0;

    if (changed(db))
        return -ESTALE;
    if (addr->family == 6) {
        memcpy(&sin6.sin6_addr, addr->bytes, 16);
        sa = (const struct sockaddr *)&sin6;
        if (db->mmdb.metadata.ip_version != 6)
            return -ENOENT;
    } else {
        memcpy(&sin.sin_addr, addr->bytes, 4);
    }
    found = MMDB_lookup_sockaddr(&db->mmdb, sa, &error);
    if (error != MMDB_SUCCESS)
        return -EBADMSG;
    if (!found.found_entry)
        return -ENOENT;
    return ps_record_read(db->mmdb.data_section, db->mmdb.data_section_size,
                          found.entry.offset, record);
}

uint64_t ps_mmdb_built(const struct ps_mmdb *db)
{
    return db->mmdb.metadata.build_epoch;
}
