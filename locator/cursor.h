/* SPDX-License-Identifier: MIT */
/*
 * The cursor of a list of paths: the place of its last one, so that any
 * locator goes on there, whatever came or went meanwhile.
 */
#ifndef PS_LOCATOR_CURSOR_H
#define PS_LOCATOR_CURSOR_H

#include "locator/history.h"

/* "t1700000000000000000.p0123"; NULL: no memory. Owned by the caller. */
char *ps_path_cursor(uint64_t started, const char *id);
/* -EINVAL: not such a text. */
int ps_path_cursor_read(const char *text, struct ps_history_place *ret_place);

#endif
