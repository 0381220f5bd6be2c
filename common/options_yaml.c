/* SPDX-License-Identifier: MIT */
/*
 * The file: one flat mapping. libyaml's events give the line of each key
 * (options_keys.c); libcyaml checks it against a schema made of the option
 * table and gives the texts, which then go the way of every other source.
 */
#include <cyaml/cyaml.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/options_keys.h"

#define MAX_FILE        (256u << 10)
#define PS_YAML_MAX_KEY 64

/* ---- the schema --------------------------------------------------------- */

/* What libcyaml fills for each option: a text, or items. */
struct slot {
    char *text;
    char **items;
    uint32_t n_items;
};

struct schema {
    cyaml_schema_value_t top, item;
    cyaml_schema_field_t *fields;
    char (*keys)[PS_YAML_MAX_KEY];
    size_t n;
};

static void free_schema(struct schema *schema)
{
    free(schema->fields);
    free(schema->keys);
}

static void yaml_key(const char *name, char *key)
{
    snprintf(key, PS_YAML_MAX_KEY, "%s", name);
    for (; *key; key++)
        if (*key == '-')
            *key = '_';
}

static void make_field(struct schema *schema, size_t i,
                       const struct ps_option *opt)
{
    cyaml_schema_field_t *field = &schema->fields[i];
    uint32_t base = (uint32_t)(i * sizeof(struct slot));
    /* The library wants its flags joined. */
    enum cyaml_flag flags = /* NOLINTNEXTLINE(*.EnumCastOutOfRange) */
        (enum cyaml_flag)(CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL);

    yaml_key(opt->name, schema->keys[i]);
    field->key = schema->keys[i];
    if (opt->type == PS_OPT_LIST) {
        field->data_offset = base + (uint32_t)offsetof(struct slot, items);
        field->count_offset = base + (uint32_t)offsetof(struct slot, n_items);
        field->count_size = sizeof(uint32_t);
        field->value = (cyaml_schema_value_t){
            .type = CYAML_SEQUENCE,
            .flags = flags,
            .data_size = sizeof(char *),
            .sequence = {.entry = &schema->item, .max = PS_MAX_LIST + 1},
        };
        return;
    }
    field->data_offset = base + (uint32_t)offsetof(struct slot, text);
    field->value = (cyaml_schema_value_t){
        .type = CYAML_STRING,
        .flags = flags,
        .data_size = sizeof(char),
        .string = {.max = MAX_FILE},
    };
}

static int make_schema(struct schema *schema, const struct ps_option *table)
{
    while (table[schema->n].name)
        schema->n++;
    schema->fields = calloc(schema->n + 1, sizeof(*schema->fields));
    schema->keys = calloc(schema->n + 1, sizeof(*schema->keys));
    if (!schema->fields || !schema->keys)
        return -ENOMEM;
    schema->item = (cyaml_schema_value_t){
        .type = CYAML_STRING,
        .flags = CYAML_FLAG_POINTER,
        .data_size = sizeof(char),
        .string = {.max = MAX_FILE},
    };
    for (size_t i = 0; i < schema->n; i++)
        make_field(schema, i, &table[i]);
    schema->top = (cyaml_schema_value_t){
        .type = CYAML_MAPPING,
        .flags = CYAML_FLAG_POINTER,
        .data_size = (uint32_t)(schema->n * sizeof(struct slot)),
        .mapping = {.fields = schema->fields},
    };
    return 0;
}

/* ---- libcyaml's complaints ---------------------------------------------- */

/* Its first line says what, a later one in which key. */
struct complaint {
    char what[160];
    char key[PS_YAML_MAX_KEY];
};

static void __attribute__((format(printf, 3, 0)))
note_complaint(cyaml_log_t level, void *ctx, const char *fmt, va_list args)
{
    struct complaint *c = ctx;
    const char *field;
    char line[256];

    if (level < CYAML_LOG_ERROR)
        return;
    vsnprintf(line, sizeof(line), fmt, args);
    line[strcspn(line, "\n")] = '\0';
    if (c->what[0] == '\0')
        snprintf(c->what, sizeof(c->what), "%.150s",
                 strncmp(line, "Load: ", 6) == 0 ? line + 6 : line);
    field = strstr(line, "Unexpected key: ");
    if (field)
        snprintf(c->key, sizeof(c->key), "%.63s", field + 16);
    field = strstr(line, "in mapping field '");
    if (field && c->key[0] == '\0')
        snprintf(c->key, sizeof(c->key), "%.*s", (int)strcspn(field + 18, "'"),
                 field + 18);
}

static const char *kind_name(yaml_event_type_t kind)
{
    return kind == YAML_SEQUENCE_START_EVENT  ? "a list"
           : kind == YAML_MAPPING_START_EVENT ? "a mapping"
                                              : "a single value";
}

static int fail_complaint(const struct ps_yaml_keys *idx,
                          const struct schema *schema,
                          const struct ps_option *table, cyaml_err_t err,
                          const struct complaint *c, char **ret_error)
{
    const struct ps_yaml_key *entry = ps_yaml_find(idx, c->key);

    if (err == CYAML_ERR_OOM)
        return -ENOMEM;
    if (!entry)
        return ps_option_fail(ret_error, "%s: %s", idx->path, c->what);
    if (err == CYAML_ERR_INVALID_KEY)
        return ps_option_fail(ret_error,
                              "%s:%zu: %s: unknown key; --help "
                              "shows the options",
                              idx->path, entry->line + 1, entry->key);
    for (size_t i = 0; i < schema->n; i++) {
        bool list = table[i].type == PS_OPT_LIST;

        if (strcmp(schema->keys[i], entry->key) != 0)
            continue;
        /* A list found where one belongs: its items are at fault. */
        if (list && entry->kind == YAML_SEQUENCE_START_EVENT)
            break;
        return ps_option_fail(ret_error, "%s:%zu: %s: expected %s, found %s",
                              idx->path, entry->line + 1, entry->key,
                              list ? "a list" : "a single value",
                              kind_name(entry->kind));
    }
    return ps_option_fail(ret_error, "%s:%zu: %s: %s", idx->path,
                          entry->line + 1, entry->key, c->what);
}

/* ---- loading ------------------------------------------------------------ */

static int set_slot(const struct ps_option *opt, const struct slot *slot,
                    const struct ps_yaml_key *entry,
                    const struct ps_yaml_keys *idx, void *config,
                    char **ret_error)
{
    _cleanup_free_ char *reason = NULL;
    int r;

    if (opt->type == PS_OPT_LIST)
        r = ps_option_set_items(opt, config, slot->items, slot->n_items,
                                &reason);
    else
        r = ps_option_parse(opt, config, slot->text ? slot->text : "", &reason);
    if (r < 0 && reason)
        return ps_option_fail(ret_error, "%s:%zu: %s: %s", idx->path,
                              entry->line + 1, entry->key, reason);
    return r;
}

static int load_text(const struct ps_option *table, void *config,
                     struct ps_yaml_keys *idx, const char *text, size_t len,
                     char **ret_error)
{
    _cleanup_(free_schema) struct schema schema = {0};
    struct complaint complaint = {0};
    cyaml_config_t cy = {
        .log_fn = note_complaint,
        .log_ctx = &complaint,
        .log_level = CYAML_LOG_ERROR,
        .mem_fn = cyaml_mem,
        .flags = CYAML_CFG_NO_ALIAS,
    };
    struct slot *slots = NULL;
    cyaml_err_t err;
    int r = ps_yaml_index(idx, text, len, ret_error);

    if (r < 0 || idx->n == 0)
        return r;
    r = make_schema(&schema, table);
    if (r < 0)
        return r;
    err = cyaml_load_data((const uint8_t *)text, len, &cy, &schema.top,
                          (cyaml_data_t **)&slots, NULL);
    if (err != CYAML_OK)
        return fail_complaint(idx, &schema, table, err, &complaint, ret_error);
    for (size_t i = 0; r == 0 && i < schema.n; i++) {
        const struct ps_yaml_key *entry = ps_yaml_find(idx, schema.keys[i]);

        if (entry)
            r = set_slot(&table[i], &slots[i], entry, idx, config, ret_error);
    }
    cyaml_free(&cy, &schema.top, slots, 0);
    return r;
}

static int read_file(const char *path, char **ret_text, size_t *ret_len,
                     char **ret_error)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    _cleanup_free_ char *text = NULL;
    size_t len = 0;
    struct stat st;
    ssize_t n = 1;

    if (fd < 0 && errno == ENOENT) {
        (void)ps_option_fail(ret_error, "%s: there is no such file", path);
        return -ENOENT;
    }
    if (fd < 0 || fstat(fd, &st) < 0)
        return ps_option_fail(ret_error, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return ps_option_fail(ret_error, "%s: not a regular file", path);
    text = malloc(MAX_FILE + 1);
    if (!text)
        return -ENOMEM;
    while (n > 0 && len <= MAX_FILE) {
        n = read(fd, text + len, MAX_FILE + 1 - len);
        if (n < 0)
            return ps_option_fail(ret_error, "%s: %s", path, strerror(errno));
        len += (size_t)n;
    }
    if (len > MAX_FILE)
        return ps_option_fail(ret_error, "%s: larger than %u KiB", path,
                              MAX_FILE >> 10);
    *ret_text = TAKE_PTR(text);
    *ret_len = len;
    return 0;
}

int ps_options_load_yaml(const struct ps_option *table, void *config,
                         const char *path, char **ret_error)
{
    _cleanup_free_ struct ps_yaml_keys *idx = calloc(1, sizeof(*idx));
    _cleanup_free_ char *text = NULL;
    size_t len;
    int r;

    *ret_error = NULL;
    if (!idx)
        return -ENOMEM;
    idx->path = path;
    r = read_file(path, &text, &len, ret_error);
    if (r < 0)
        return r;
    return load_text(table, config, idx, text, len, ret_error);
}
