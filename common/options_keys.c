/* SPDX-License-Identifier: MIT */
/* What libcyaml does not say well: which line, what stands twice, and what a
 * flat mapping has no place for. */
#include "common/options_keys.h"

/* Where an event is not what one flat mapping has there. */
static int fail_at(const struct ps_yaml_keys *idx, size_t line,
                   char **ret_error, const char *what)
{
    return ps_option_fail(ret_error, "%s:%zu: %s", idx->path, line + 1, what);
}

const struct ps_yaml_key *ps_yaml_find(const struct ps_yaml_keys *idx,
                                       const char *key)
{
    for (size_t i = 0; i < idx->n; i++)
        if (strcmp(idx->entries[i].key, key) == 0)
            return &idx->entries[i];
    return NULL;
}

static int add_key(struct ps_yaml_keys *idx, const yaml_event_t *event,
                   char **ret_error)
{
    const char *text = (const char *)event->data.scalar.value;
    struct ps_yaml_key *entry = &idx->entries[idx->n];
    size_t line = event->start_mark.line;

    if (event->data.scalar.length >= PS_YAML_MAX_KEY)
        return fail_at(idx, line, ret_error, "unknown key: it is too long");
    if (ps_yaml_find(idx, text))
        return ps_option_fail(ret_error, "%s:%zu: %s: stands here again",
                              idx->path, line + 1, text);
    if (idx->n == PS_YAML_MAX_KEYS)
        return fail_at(idx, line, ret_error, "too many keys");
    *entry = (struct ps_yaml_key){.line = line};
    snprintf(entry->key, sizeof(entry->key), "%s", text);
    idx->n++;
    return 0;
}

/* Follows the events: document, mapping, then keys (depth 1, even) and their
 * values (depth 1, odd, or deeper). */
struct walk {
    struct ps_yaml_keys *idx;
    int documents;
    int depth;
    bool in_value;
};

static int check_scalar(const struct ps_yaml_keys *idx,
                        const yaml_event_t *event, char **ret_error)
{
    if (memchr(event->data.scalar.value, 0, event->data.scalar.length))
        return fail_at(idx, event->start_mark.line, ret_error,
                       "a zero byte cannot stand in a text");
    return 0;
}

/* An event that starts a key or a value of the mapping itself. */
static int take_node(struct walk *w, const yaml_event_t *event,
                     char **ret_error)
{
    struct ps_yaml_keys *idx = w->idx;

    if (w->depth == 0 && event->type != YAML_MAPPING_START_EVENT)
        return fail_at(idx, event->start_mark.line, ret_error,
                       "expected lines of the form \"key: value\"");
    if (w->depth != 1)
        return 0;
    if (w->in_value) {
        idx->entries[idx->n - 1].kind = event->type;
        w->in_value = false;
        return 0;
    }
    if (event->type != YAML_SCALAR_EVENT)
        return fail_at(idx, event->start_mark.line, ret_error,
                       "a key must be the name of an option");
    w->in_value = true;
    return add_key(idx, event, ret_error);
}

static int take_event(struct walk *w, const yaml_event_t *event,
                      char **ret_error)
{
    int r = 0;

    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (w->documents++ > 0)
            r = fail_at(w->idx, event->start_mark.line, ret_error,
                        "a second document; one file holds one");
        break;
    case YAML_ALIAS_EVENT:
        r = fail_at(w->idx, event->start_mark.line, ret_error,
                    "aliases are not taken; write the value out");
        break;
    case YAML_SCALAR_EVENT:
        r = check_scalar(w->idx, event, ret_error);
        if (r == 0)
            r = take_node(w, event, ret_error);
        break;
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        r = take_node(w, event, ret_error);
        /* No schema goes deeper; libyaml's and libcyaml's stacks need not. */
        if (r == 0 && ++w->depth > 3)
            r = fail_at(w->idx, event->start_mark.line, ret_error,
                        "nested too deeply");
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        w->depth--;
        break;
    default:
        break;
    }
    return r;
}

static int fail_syntax(const struct ps_yaml_keys *idx,
                       const yaml_parser_t *parser, char **ret_error)
{
    if (parser->error == YAML_MEMORY_ERROR)
        return -ENOMEM;
    return fail_at(idx, parser->problem_mark.line, ret_error,
                   parser->problem ? parser->problem : "not YAML");
}

int ps_yaml_index(struct ps_yaml_keys *idx, const char *text, size_t len,
                  char **ret_error)
{
    _cleanup_(yaml_parser_delete) yaml_parser_t parser = {0};
    struct walk walk = {.idx = idx};
    bool end = false;
    int r = 0;

    if (!yaml_parser_initialize(&parser))
        return -ENOMEM;
    yaml_parser_set_input_string(&parser, (const uint8_t *)text, len);
    while (r == 0 && !end) {
        yaml_event_t event;

        if (!yaml_parser_parse(&parser, &event))
            return fail_syntax(idx, &parser, ret_error);
        r = take_event(&walk, &event, ret_error);
        end = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    return r;
}
