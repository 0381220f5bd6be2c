/* SPDX-License-Identifier: MIT */
/* What the sources of options (options.c, options_yaml.c) share. */
#ifndef PS_COMMON_OPTIONS_INTERNAL_H
#define PS_COMMON_OPTIONS_INTERNAL_H

#include "common/options.h"

/* Longest text of an option or of an item of a list. */
#define PS_OPTION_MAX_TEXT 4096

/*
 * Parses a value and puts it in its place, freeing what was there. -EINVAL
 * with a reason that names neither the source nor the option (owned by the
 * caller), or -ENOMEM.
 */
int ps_option_parse(const struct ps_option *opt, void *config, const char *text,
                    char **ret_reason);
/* The same for a list whose items are already apart. */
int ps_option_set_items(const struct ps_option *opt, void *config,
                        char *const *items, size_t n, char **ret_reason);

/* Frees an option's value and zeroes its place. */
void ps_option_clear(const struct ps_option *opt, void *config);

/* An entry by its name; len excludes what follows the name. NULL: none. */
const struct ps_option *ps_option_find(const struct ps_option *table,
                                       const char *name, size_t len);

/* Makes a message; returns -EINVAL, or -ENOMEM with *ret_text NULL. */
int ps_option_fail(char **ret_text, const char *fmt, ...) _printf_(2, 3);

#endif
