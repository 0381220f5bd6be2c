/* SPDX-License-Identifier: MIT */
/*
 * Ownership and small helpers that every file uses.
 *
 * An owning local carries _cleanup_(fn) and leaves a function only through
 * TAKE_PTR() or TAKE_FD(). Functions that can fail return 0 or -errno.
 */
#ifndef PS_COMMON_UTIL_H
#define PS_COMMON_UTIL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define _cleanup_(fn)        __attribute__((cleanup(fn)))
#define _cleanup_free_       _cleanup_(ps_freep)
#define _cleanup_close_      _cleanup_(ps_closep)
#define _cleanup_fclose_     _cleanup_(ps_fclosep)
#define _unused_             __attribute__((unused))
#define _printf_(fmt, first) __attribute__((format(printf, fmt, first)))
#define _must_check_         __attribute__((warn_unused_result))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define PS_NS_PER_S  UINT64_C(1000000000)
#define PS_NS_PER_MS UINT64_C(1000000)

/* Give up ownership of a local: it becomes NULL, the value is returned. */
#define TAKE_PTR(p)                \
    ({                             \
        __typeof__(p) *_pp = &(p); \
        __typeof__(p) _v = *_pp;   \
        *_pp = NULL;               \
        _v;                        \
    })

/* The same for a descriptor: it becomes -1. */
#define TAKE_FD(fd)       \
    ({                    \
        int *_pf = &(fd); \
        int _f = *_pf;    \
        *_pf = -1;        \
        _f;               \
    })

static inline void ps_freep(void *p)
{
    free(*(void **)p);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): as cleanup wants it */
static inline void ps_closep(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void ps_fclosep(FILE **f)
{
    if (*f)
        fclose(*f);
}

static inline bool ps_streq(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

/* Value of a hexadecimal digit, -1 for another character. */
static inline int ps_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Nanoseconds of CLOCK_REALTIME and CLOCK_MONOTONIC (bpf_ktime_get_ns). */
static inline uint64_t ps_clock_ns(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * PS_NS_PER_S + (uint64_t)ts.tv_nsec;
}

static inline uint64_t ps_now_ns(void)
{
    return ps_clock_ns(CLOCK_REALTIME);
}

static inline uint64_t ps_mono_ns(void)
{
    return ps_clock_ns(CLOCK_MONOTONIC);
}

#endif
