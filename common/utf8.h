/* SPDX-License-Identifier: MIT */
/* Bytes from outside as UTF-8 (RFC 3629: no overlong forms, no surrogates). */
#ifndef PS_COMMON_UTF8_H
#define PS_COMMON_UTF8_H

#include "common/util.h"

/* Bytes of the valid sequence that starts here (1 to 4), 0: there is none. */
size_t ps_utf8_sequence(const char *text, size_t len);
bool ps_utf8_valid(const char *text, size_t len);
/*
 * A copy with each invalid byte replaced by U+FFFD; ends with a zero byte.
 * NULL without memory. ret_len may be NULL.
 */
char *ps_utf8_repair(const char *text, size_t len, size_t *ret_len);

#endif
