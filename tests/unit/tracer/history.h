/* SPDX-License-Identifier: MIT */
/* A history in a directory of its own. */
#ifndef PS_TESTS_UNIT_HISTORY_H
#define PS_TESTS_UNIT_HISTORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tracer/history.h"

#define MIB (UINT64_C(1) << 20)

static char dir[64];

static inline int make_dir(void **state _unused_)
{
    snprintf(dir, sizeof(dir), "/tmp/ps-unit-tracer-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static inline int remove_dir(void **state _unused_)
{
    static const char *const files[] = {"tracer.db", "tracer.db-wal",
                                        "tracer.db-shm"};
    char path[128];

    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
        unlink(path);
    }
    return rmdir(dir);
}

static inline struct ps_history *open_history(uint64_t max)
{
    struct ps_history *h = NULL;
    char *error = NULL;

    assert_int_equal(ps_history_open(dir, max, &h, &error), 0);
    return h;
}

#endif
