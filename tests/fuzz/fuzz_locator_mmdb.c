/* SPDX-License-Identifier: MIT */
/* A MaxMind DB file of hostile bytes: opened, and asked for addresses. */
#include <sys/mman.h>

#include "common/utf8.h"
#include "locator/mmdb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libmaxminddb 1.7 forgets some kilobytes when a file's metadata is broken. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:libmaxminddb";
}

static void check_text(const char *text)
{
    if (!ps_utf8_valid(text, strlen(text)))
        abort();
}

static void check_record(const struct ps_record *record)
{
    check_text(record->region);
    check_text(record->city);
    check_text(record->as_name);
    if (record->country[0] && strlen(record->country) != 2)
        abort();
    if (record->has_location &&
        !(record->latitude >= -90 && record->latitude <= 90 &&
          record->longitude >= -180 && record->longitude <= 180))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const asked[] = {
        "10.1.2.3", "10.2.3.4", "10.3.0.1", "255.255.255.255",
        "0.0.0.0",  "fd01::1",  "::",       "2001:db8::1"};
    _cleanup_(ps_mmdb_free) struct ps_mmdb *db = NULL;
    _cleanup_free_ char *reason = NULL;
    _cleanup_close_ int fd = memfd_create("fuzz", MFD_CLOEXEC);
    char path[32];

    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    /* The first byte also begins a data section by itself. */
    if (size) {
        struct ps_record record = {};

        ps_record_read(data, size, data[0], &record);
        check_record(&record);
    }
    if (ps_mmdb_open(path, &db, &reason) < 0) {
        if (!reason)
            abort();
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
        struct ps_record record = {};
        struct ps_addr addr;

        if (ps_addr_parse(asked[i], &addr) < 0)
            abort();
        ps_mmdb_lookup(db, &addr, &record);
        check_record(&record);
    }
    return 0;
}
