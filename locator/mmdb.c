/* SPDX-License-Identifier: MIT */
#include "locator/mmdb.h"

#include <fcntl.h>
#include <maxminddb.h>
#include <sys/stat.h>

struct ps_mmdb {
    MMDB_s mmdb;
    int fd;
    off_t size;
    struct timespec changed;
};

static int open_file(const char *path, struct stat *ret_st)
{
    _cleanup_close_ int fd =
        open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0)
        return -errno;
    if (fstat(fd, ret_st) < 0)
        return -errno;
    if (!S_ISREG(ret_st->st_mode))
        return -EISDIR;
    if (ret_st->st_size == 0)
        return -ENODATA;
    if ((uint64_t)ret_st->st_size > PS_MMDB_MAX_BYTES)
        return -EFBIG;
    return TAKE_FD(fd);
}

static const char *describe(int error)
{
    if (error == -EISDIR)
        return "is not a regular file";
    if (error == -ENODATA)
        return "is empty";
    return strerror(-error);
}

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
    const char *reason;
    char same[32];
    struct stat st;
    int r;

    if (!db)
        return -ENOMEM;
    db->fd = open_file(path, &st);
    if (db->fd < 0) {
        reason = describe(db->fd);
        r = db->fd;
        goto fail;
    }
    db->size = st.st_size;
    db->changed = st.st_mtim;
    /* By the descriptor, so that it is this very file that is mapped. */
    snprintf(same, sizeof(same), "/proc/self/fd/%d", db->fd);
    r = MMDB_open(same, MMDB_MODE_MMAP, &db->mmdb);
    if (r != MMDB_SUCCESS)
        memset(&db->mmdb, 0, sizeof(db->mmdb));
    if (r != MMDB_SUCCESS || !is_sound(&db->mmdb)) {
        reason = r == MMDB_SUCCESS ? "its sizes do not fit" : MMDB_strerror(r);
        r = -EBADMSG;
        goto fail;
    }
    *ret_db = TAKE_PTR(db);
    return 0;
fail:
    if (asprintf(ret_reason,
                 r == -EBADMSG ? "not a usable MaxMind DB: %s" : "%s",
                 reason) < 0)
        return -ENOMEM;
    return r;
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
