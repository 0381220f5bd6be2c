/* SPDX-License-Identifier: MIT */
/* Values of options: texts to numbers, and the sentences when they do not
 * fit. */
#include <stdarg.h>

#include "common/options_internal.h"

struct unit {
    const char *suffix;
    uint64_t factor;
};

/* Ascending; the largest that divides a value is the one to show it with. */
static const struct unit duration_units[] = {
    {"ns", 1},
    {"us", 1000},
    {"ms", PS_NS_PER_MS},
    {"s", PS_NS_PER_S},
    {"m", 60 * PS_NS_PER_S},
    {"h", 3600 * PS_NS_PER_S},
    {"d", 86400 * PS_NS_PER_S},
    {NULL, 0},
};

static const struct unit size_units[] = {
    {"", 1},
    {"K", UINT64_C(1) << 10},
    {"M", UINT64_C(1) << 20},
    {"G", UINT64_C(1) << 30},
    {"T", UINT64_C(1) << 40},
    {NULL, 0},
};

static const struct unit plain_units[] = {{"", 1}, {NULL, 0}};

int ps_option_fail(char **ret_text, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vasprintf(ret_text, fmt, ap);
    va_end(ap);
    if (n < 0) {
        *ret_text = NULL;
        return -ENOMEM;
    }
    return -EINVAL;
}

static int parse_scaled(const char *text, const struct unit *units,
                        uint64_t *ret_value)
{
    uint64_t value = 0;
    const char *p = text;

    if (!text || *p < '0' || *p > '9')
        return -EINVAL;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
            return -EINVAL;
    for (; units->suffix; units++) {
        if (strcmp(p, units->suffix) != 0)
            continue;
        if (__builtin_mul_overflow(value, units->factor, &value))
            return -EINVAL;
        *ret_value = value;
        return 0;
    }
    return -EINVAL;
}

int ps_parse_uint(const char *text, uint64_t min, uint64_t max,
                  uint64_t *ret_value)
{
    uint64_t value;

    if (parse_scaled(text, plain_units, &value) < 0)
        return -EINVAL;
    if (value < min || (max != 0 && value > max))
        return -EINVAL;
    *ret_value = value;
    return 0;
}

int ps_parse_duration(const char *text, uint64_t *ret_ns)
{
    /* Nothing is nothing in any unit. */
    if (ps_streq(text, "0")) {
        *ret_ns = 0;
        return 0;
    }
    return parse_scaled(text, duration_units, ret_ns);
}

int ps_parse_size(const char *text, uint64_t *ret_bytes)
{
    return parse_scaled(text, size_units, ret_bytes);
}

/* ---- numbers ------------------------------------------------------------ */

static int parse_plain(const char *text, uint64_t *ret_value)
{
    return parse_scaled(text, plain_units, ret_value);
}

static const struct number_kind {
    int (*parse)(const char *text, uint64_t *ret_value);
    const struct unit *units;
    const char *expected;
} number_kinds[] = {
    [PS_OPT_UINT] = {parse_plain, plain_units, "a whole number"},
    [PS_OPT_DURATION] = {ps_parse_duration, duration_units,
                         "a duration like 500ms, 2s, 5m or 1h"},
    [PS_OPT_SIZE] = {ps_parse_size, size_units,
                     "a size in bytes like 4096, 64K, 10M or 1G"},
};

static void format_number(const struct unit *units, uint64_t value, char *text,
                          size_t size)
{
    const struct unit *best = units;

    for (; units->suffix; units++)
        if (value != 0 && value % units->factor == 0)
            best = units;
    snprintf(text, size, "%llu%s", (unsigned long long)(value / best->factor),
             best->suffix);
}

static int fail_number(const struct ps_option *opt, const char *text,
                       char **ret_reason)
{
    const struct number_kind *kind = &number_kinds[opt->type];
    char min[32], max[32];

    format_number(kind->units, opt->min, min, sizeof(min));
    format_number(kind->units, opt->max, max, sizeof(max));
    if (opt->max != 0)
        return ps_option_fail(ret_reason,
                              "expected %s, from %s to %s, found \"%.64s\"",
                              kind->expected, min, max, text);
    if (opt->min != 0)
        return ps_option_fail(ret_reason,
                              "expected %s, at least %s, found \"%.64s\"",
                              kind->expected, min, text);
    return ps_option_fail(ret_reason, "expected %s, found \"%.64s\"",
                          kind->expected, text);
}

static int set_number(const struct ps_option *opt, void *place,
                      const char *text, char **ret_reason)
{
    uint64_t value;

    if (number_kinds[opt->type].parse(text, &value) < 0 || value < opt->min ||
        (opt->max != 0 && value > opt->max))
        return fail_number(opt, text, ret_reason);
    *(uint64_t *)place = value;
    return 0;
}

/* ---- the other types ---------------------------------------------------- */

static int set_bool(const struct ps_option *opt _unused_, void *place,
                    const char *text, char **ret_reason)
{
    static const struct {
        const char *text;
        bool value;
    } words[] = {
        {"true", true},   {"yes", true}, {"1", true},
        {"false", false}, {"no", false}, {"0", false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (strcmp(words[i].text, text) == 0) {
            *(bool *)place = words[i].value;
            return 0;
        }
    }
    return ps_option_fail(ret_reason, "expected true or false, found \"%.64s\"",
                          text);
}

static int set_string(const struct ps_option *opt, void *place,
                      const char *text, char **ret_reason)
{
    char *copy = NULL;

    if (*text == '\0' && opt->def)
        return ps_option_fail(ret_reason, "must not be empty");
    if (*text != '\0') {
        copy = strdup(text);
        if (!copy)
            return -ENOMEM;
    }
    free(*(char **)place);
    *(char **)place = copy;
    return 0;
}

static void free_list(struct ps_strlist *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct ps_strlist){0};
}

static int check_count(const struct ps_option *opt, size_t n, char **ret_reason)
{
    size_t max = opt->max != 0 && opt->max < PS_MAX_LIST ? (size_t)opt->max
                                                         : PS_MAX_LIST;

    if (n >= opt->min && n <= max)
        return 0;
    return ps_option_fail(ret_reason,
                          "expected %llu to %zu items in the list, found %zu",
                          (unsigned long long)opt->min, max, n);
}

int ps_option_set_items(const struct ps_option *opt, void *config,
                        char *const *items, size_t n, char **ret_reason)
{
    _cleanup_(free_list) struct ps_strlist list = {0};
    struct ps_strlist *place = (void *)((char *)config + opt->offset);
    int r = check_count(opt, n, ret_reason);

    if (r < 0)
        return r;
    list.items = calloc(n ? n : 1, sizeof(*list.items));
    if (!list.items)
        return -ENOMEM;
    for (; list.n < n; list.n++) {
        if (!items[list.n] || !*items[list.n])
            return ps_option_fail(ret_reason, "item %zu of the list is empty",
                                  list.n + 1);
        list.items[list.n] = strdup(items[list.n]);
        if (!list.items[list.n])
            return -ENOMEM;
    }
    free_list(place);
    *place = list;
    /* NOLINTNEXTLINE(clang-analyzer-deadcode.DeadStores): its cleanup */
    list = (struct ps_strlist){0};
    return 0;
}

static char *trim(char *text)
{
    size_t len;

    text += strspn(text, " \t");
    len = strlen(text);
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
        len--;
    text[len] = '\0';
    return text;
}

static int set_list(const struct ps_option *opt, void *config, const char *text,
                    char **ret_reason)
{
    _cleanup_free_ char *copy = strdup(text);
    /* One more than may be: what is too much is seen, and not all of it. */
    char *items[PS_MAX_LIST + 1];
    char *rest = copy;
    size_t n = 0;

    if (!copy)
        return -ENOMEM;
    if (*trim(copy) == '\0')
        return ps_option_set_items(opt, config, items, 0, ret_reason);
    while (rest && n < ARRAY_SIZE(items))
        items[n++] = trim(strsep(&rest, ","));
    return ps_option_set_items(opt, config, items, n, ret_reason);
}

int ps_option_parse(const struct ps_option *opt, void *config, const char *text,
                    char **ret_reason)
{
    static int (*const setters[])(const struct ps_option *opt, void *place,
                                  const char *text, char **ret_reason) = {
        [PS_OPT_STRING] = set_string, [PS_OPT_BOOL] = set_bool,
        [PS_OPT_UINT] = set_number,   [PS_OPT_DURATION] = set_number,
        [PS_OPT_SIZE] = set_number,
    };

    *ret_reason = NULL;
    if (strlen(text) > PS_OPTION_MAX_TEXT)
        return ps_option_fail(ret_reason, "longer than %d bytes",
                              PS_OPTION_MAX_TEXT);
    if (opt->type == PS_OPT_LIST)
        return set_list(opt, config, text, ret_reason);
    return setters[opt->type](opt, (char *)config + opt->offset, text,
                              ret_reason);
}

void ps_option_clear(const struct ps_option *opt, void *config)
{
    void *place = (char *)config + opt->offset;

    if (opt->type == PS_OPT_LIST) {
        free_list(place);
    } else if (opt->type == PS_OPT_STRING) {
        free(*(char **)place);
        *(char **)place = NULL;
    } else if (opt->type == PS_OPT_BOOL) {
        *(bool *)place = false;
    } else {
        *(uint64_t *)place = 0;
    }
}
