/* SPDX-License-Identifier: MIT */
/* The keys of a flat YAML mapping, with their lines. */
#ifndef PS_COMMON_OPTIONS_KEYS_H
#define PS_COMMON_OPTIONS_KEYS_H

#include <yaml.h>

#include "common/options_internal.h"

#define PS_YAML_MAX_KEYS 256
#define PS_YAML_MAX_KEY  64

struct ps_yaml_key {
    char key[PS_YAML_MAX_KEY];
    size_t line;            /* from 0 */
    yaml_event_type_t kind; /* of the value */
};

struct ps_yaml_keys {
    const char *path; /* for messages; borrowed */
    struct ps_yaml_key entries[PS_YAML_MAX_KEYS];
    size_t n;
};

/*
 * Fills an index whose path is set. -EINVAL with a message: not YAML, not one
 * mapping, a key twice, an alias, a zero byte; -ENOMEM.
 */
int ps_yaml_index(struct ps_yaml_keys *idx, const char *text, size_t len,
                  char **ret_error);
/* NULL: the key is not there. Borrowed. */
const struct ps_yaml_key *ps_yaml_find(const struct ps_yaml_keys *idx,
                                       const char *key);

#endif
