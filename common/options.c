/* SPDX-License-Identifier: MIT */
#include <ctype.h>

#include "common/options_internal.h"

#define ENV_PREFIX "PACKETSCOPE_"
#define MAX_NAME   64
/* Columns of --help. */
#define HELP_INDENT 28
#define HELP_WIDTH  79

const struct ps_option *ps_option_find(const struct ps_option *table,
                                       const char *name, size_t len)
{
    for (; table->name; table++)
        if (strlen(table->name) == len && strncmp(table->name, name, len) == 0)
            return table;
    return NULL;
}

int ps_options_defaults(const struct ps_option *table, void *config)
{
    for (; table->name; table++) {
        _cleanup_free_ char *reason = NULL;
        int r;

        ps_option_clear(table, config);
        if (!table->def)
            continue;
        r = ps_option_parse(table, config, table->def, &reason);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Sets a value; source is what the message starts with, the way the user
 * wrote the option. */
static int set_from(const struct ps_option *opt, void *config,
                    const char *source, const char *value, char **ret_error)
{
    _cleanup_free_ char *reason = NULL;
    int r = ps_option_parse(opt, config, value, &reason);

    if (r < 0 && reason)
        r = ps_option_fail(ret_error, "%s: %s", source, reason);
    return r;
}

int ps_options_set(const struct ps_option *table, void *config,
                   const char *name, const char *value, char **ret_error)
{
    const struct ps_option *opt = ps_option_find(table, name, strlen(name));

    *ret_error = NULL;
    if (!opt)
        return ps_option_fail(ret_error, "unknown option \"%.64s\"", name);
    return set_from(opt, config, opt->name, value, ret_error);
}

/* ---- environment -------------------------------------------------------- */

static void env_name(const struct ps_option *opt, char *name, size_t size)
{
    int n = snprintf(name, size, ENV_PREFIX "%s", opt->name);

    for (int i = (int)strlen(ENV_PREFIX); i < n && (size_t)i < size - 1; i++)
        name[i] = (char)(name[i] == '-' ? '_' : toupper((uint8_t)name[i]));
}

int ps_options_load_env(const struct ps_option *table, void *config,
                        char **ret_error)
{
    char name[sizeof(ENV_PREFIX) + MAX_NAME];

    *ret_error = NULL;
    for (; table->name; table++) {
        const char *value;
        int r;

        env_name(table, name, sizeof(name));
        value = getenv(name);
        if (!value)
            continue;
        r = set_from(table, config, name, value, ret_error);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- flags -------------------------------------------------------------- */

/* Takes argv[*i], and the next word where that is the value; moves *i to the
 * last one taken. */
static int take_flag(const struct ps_option *table, void *config, int argc,
                     char **argv, int *i, char **ret_error)
{
    const char *word = argv[*i];
    const struct ps_option *opt;
    char flag[MAX_NAME + 3];
    const char *value;
    size_t len;

    if (strncmp(word, "--", 2) != 0 || word[2] == '\0')
        return ps_option_fail(ret_error,
                              "unexpected argument \"%.64s\"; "
                              "--help shows what is taken",
                              word);
    len = strcspn(word + 2, "=");
    opt = ps_option_find(table, word + 2, len);
    if (!opt)
        return ps_option_fail(ret_error,
                              "unknown option \"%.*s\"; --help "
                              "shows what there is",
                              (int)(len < 64 ? len + 2 : 66), word);
    if (word[2 + len] == '=') {
        value = word + 3 + len;
    } else if (opt->type == PS_OPT_BOOL) {
        value = "true";
    } else if (*i + 1 < argc && strncmp(argv[*i + 1], "--", 2) != 0) {
        value = argv[++*i];
    } else {
        return ps_option_fail(ret_error, "--%s: needs a value: --%s=%s",
                              opt->name, opt->name,
                              opt->arg ? opt->arg : "VALUE");
    }
    snprintf(flag, sizeof(flag), "--%s", opt->name);
    return set_from(opt, config, flag, value, ret_error);
}

int ps_options_load_args(const struct ps_option *table, void *config, int argc,
                         char **argv, char **ret_error)
{
    *ret_error = NULL;
    for (int i = 1; i < argc; i++) {
        int r = take_flag(table, config, argc, argv, &i, ret_error);

        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- help --------------------------------------------------------------- */

/* Writes words from column HELP_INDENT on; column is where the line is. */
static void print_wrapped(FILE *out, const char *text, int column)
{
    while (*text) {
        int len = (int)strcspn(text, " ");

        if (column + 1 + len > HELP_WIDTH && column > HELP_INDENT) {
            fprintf(out, "\n%*s", HELP_INDENT, "");
            column = HELP_INDENT;
        } else if (column > HELP_INDENT) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", len, text);
        column += len;
        text += len;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

static void print_option(const struct ps_option *opt, FILE *out)
{
    char text[512];
    int column;

    column = fprintf(out, "  --%s%s%s", opt->name,
                     opt->type == PS_OPT_BOOL ? "" : " ",
                     opt->type == PS_OPT_BOOL ? ""
                     : opt->arg               ? opt->arg
                                              : "VALUE");
    if (column >= HELP_INDENT - 1) {
        fputc('\n', out);
        column = 0;
    }
    fprintf(out, "%*s", HELP_INDENT - column, "");
    snprintf(text, sizeof(text), "%s%s%s%s", opt->help ? opt->help : "",
             opt->def ? " (default " : "", opt->def ? opt->def : "",
             opt->def ? ")" : "");
    print_wrapped(out, text, HELP_INDENT);
}

void ps_options_print_help(const struct ps_option *table, FILE *out)
{
    for (; table->name; table++)
        print_option(table, out);
}

void ps_options_free(const struct ps_option *table, void *config)
{
    for (; table->name; table++)
        ps_option_clear(table, config);
}
