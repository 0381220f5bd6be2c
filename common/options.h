/* SPDX-License-Identifier: MIT */
/*
 * One table makes a daemon's flags, environment variables, YAML file and
 * --help. A later source wins: default, file, environment, flag.
 *
 *   option "log-level": flag --log-level debug
 *                       environment PACKETSCOPE_LOG_LEVEL=debug
 *                       YAML  log_level: debug
 *
 * The file is one flat mapping (libcyaml); an unknown key, a wrong type or a
 * value out of bounds is an error that names file, line and key. All sources
 * go through the same parser and bounds.
 */
#ifndef PS_COMMON_OPTIONS_H
#define PS_COMMON_OPTIONS_H

#include "common/util.h"

enum ps_opt_type {
    PS_OPT_STRING,   /* char *            owned; NULL: empty, which an option
                      *                   that has a default never is */
    PS_OPT_BOOL,     /* bool              true/false/yes/no/1/0; flag alone */
    PS_OPT_UINT,     /* uint64_t          min..max */
    PS_OPT_DURATION, /* uint64_t ns       "500ms", "2s", "5m", "1h" */
    PS_OPT_SIZE,     /* uint64_t bytes    "64K", "10M", "1G", powers of two */
    PS_OPT_LIST,     /* struct ps_strlist owned; a,b,c or a YAML sequence */
};

struct ps_strlist {
    char **items;
    size_t n;
};

struct ps_option {
    const char *name; /* with dashes; NULL ends a table */
    enum ps_opt_type type;
    size_t offset;     /* in the daemon's configuration struct */
    const char *def;   /* parsed like any other; NULL: empty, 0 or false */
    uint64_t min, max; /* UINT, DURATION, SIZE; max 0: no bound; LIST: count */
    const char *arg;   /* what --help calls the value: "FILE", "N" */
    const char *help;  /* one line */
};

#define PS_MAX_LIST 256

/* Sets the defaults of a table; config is zeroed memory. */
int ps_options_defaults(const struct ps_option *table, void *config);

/*
 * Each returns 0, or -EINVAL with a message that says what and where in
 * ret_error (owned by the caller). -ENOENT: the file is not there.
 * On error the configuration holds a mix: the caller must leave. -ENOMEM
 * comes without a message. A file is read up to 256 KiB.
 */
int ps_options_set(const struct ps_option *table, void *config,
                   const char *name, const char *value, char **ret_error);
int ps_options_load_yaml(const struct ps_option *table, void *config,
                         const char *path, char **ret_error);
int ps_options_load_env(const struct ps_option *table, void *config,
                        char **ret_error);
/*
 * Parses argv[1] and on: --name value, --name=value and bare --name for
 * booleans. A value that starts with "--" needs the form with "=". Nothing
 * else is taken: a first other word is an error. "--help" and "--version" are
 * not handled here.
 */
int ps_options_load_args(const struct ps_option *table, void *config, int argc,
                         char **argv, char **ret_error);

/* The options' part of --help, from the table. */
void ps_options_print_help(const struct ps_option *table, FILE *out);

/* Frees what the table owns in config and clears it. */
void ps_options_free(const struct ps_option *table, void *config);

/* The parsers, for other use: 0 or -EINVAL. */
int ps_parse_uint(const char *text, uint64_t min, uint64_t max,
                  uint64_t *ret_value);
int ps_parse_duration(const char *text, uint64_t *ret_ns);
int ps_parse_size(const char *text, uint64_t *ret_bytes);

#endif
