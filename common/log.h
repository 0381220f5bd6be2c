/* SPDX-License-Identifier: MIT */
/*
 * Structured logging: one line for each event, on standard error.
 *
 *   2026-11-23T10:00:00.123456Z INFO tracer trace_started id=t1 max=100
 *
 * The first word after the daemon's name is the event (snake_case), then
 * key=value pairs. Where JOURNAL_STREAM says that standard error is the
 * journal, time and level are left to it and the line starts with the <N>
 * priority of sd-daemon(3). Control characters and invalid UTF-8 are replaced,
 * lines are cut at 1 KiB. Safe on any thread.
 */
#ifndef PS_COMMON_LOG_H
#define PS_COMMON_LOG_H

#include "common/util.h"

enum ps_log_level {
    PS_LOG_ERROR,
    PS_LOG_WARNING,
    PS_LOG_INFO,
    PS_LOG_DEBUG,
};

/* Name printed in each line; a string constant. */
void ps_log_init(const char *name);
void ps_log_set_level(enum ps_log_level level);
/* "error", "warning", "info", "debug"; -EINVAL otherwise. */
int ps_log_parse_level(const char *text, enum ps_log_level *ret_level);

/*
 * event is a constant; fmt makes "key=value key=value", or is NULL. Values
 * that may hold spaces are written with PS_Q, which is %s in double quotes.
 */
void ps_log(enum ps_log_level level, const char *event, const char *fmt, ...)
    _printf_(3, 4);

/* Lines that could not be written: the disk is full, the reader has gone. */
uint64_t ps_log_lost(void);

#define PS_Q                   "\"%s\""
#define ps_error(event, ...)   ps_log(PS_LOG_ERROR, event, __VA_ARGS__)
#define ps_warning(event, ...) ps_log(PS_LOG_WARNING, event, __VA_ARGS__)
#define ps_info(event, ...)    ps_log(PS_LOG_INFO, event, __VA_ARGS__)
#define ps_debug(event, ...)   ps_log(PS_LOG_DEBUG, event, __VA_ARGS__)

#endif
