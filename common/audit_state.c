/* SPDX-License-Identifier: MIT */
/* States of what was changed, made small enough to be kept. */
#include <mbedtls/md.h>

#include "common/audit_internal.h"
#include "common/json_internal.h"

static int describe(const char *text, struct ps_audit_state *state)
{
    const mbedtls_md_info_t *md = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
    unsigned char hash[32];

    if (!md ||
        mbedtls_md(md, (const unsigned char *)text, strlen(text), hash) != 0)
        return -ENOMEM;
    state->cut = true;
    state->bytes = strlen(text);
    for (size_t i = 0; i < sizeof(hash); i++)
        snprintf(state->sha256 + 2 * i, 3, "%02x", hash[i]);
    return 0;
}

/* The entry of a list that has this id. */
static json_t *by_id(json_t *index, const json_t *entry)
{
    const char *id = json_string_value(json_object_get(entry, "id"));

    return id ? json_object_get(index, id) : NULL;
}

static json_t *make_index(const json_t *list)
{
    json_t *index = json_object(), *entry;
    size_t i;

    json_array_foreach(list, i, entry)
    {
        const char *id = json_string_value(json_object_get(entry, "id"));

        if (id)
            json_object_set_nocheck(index, id, entry);
    }
    return index;
}

/* Leaves out of a list what the other has in the same way. */
static void drop_same(json_t *list, json_t *index)
{
    for (size_t i = json_array_size(list); i-- > 0;) {
        const json_t *entry = json_array_get(list, i);
        json_t *other = by_id(index, entry);

        if (other && json_equal(other, entry))
            json_array_remove(list, i);
    }
}

static void drop_unchanged(json_t *before, json_t *after)
{
    const char *key;
    json_t *list;

    json_object_foreach(before, key, list)
    {
        json_t *other = json_object_get(after, key);
        json_t *had, *has;

        if (!json_is_array(list) || !json_is_array(other))
            continue;
        had = make_index(list);
        has = make_index(other);
        drop_same(list, has);
        drop_same(other, had);
        json_decref(had);
        json_decref(has);
    }
}

/* Halves the longest list; false: there is none to halve. */
static bool shorten(json_t *state)
{
    json_t *longest = NULL, *value;
    const char *key;
    size_t n;

    json_object_foreach(state, key, value)
    {
        if (json_array_size(value) > json_array_size(longest))
            longest = value;
    }
    n = json_array_size(longest) / 2;
    if (!longest)
        return false;
    while (json_array_size(longest) > n)
        json_array_remove(longest, json_array_size(longest) - 1);
    return true;
}

static int finish(json_t *json, size_t max, struct ps_audit_state *state)
{
    for (;;) {
        char *text = ps_json_dump(json);

        if (!text)
            return -ENOMEM;
        if (strlen(text) <= max) {
            state->text = text;
            return 0;
        }
        free(text);
        if (!shorten(json))
            return 0;
    }
}

int ps_audit_state_make(json_t *before, json_t *after, size_t max,
                        struct ps_audit_state ret_states[2])
{
    json_t *states[2] = {before, after};
    struct ps_audit_state found[2] = {0};
    bool large = false;
    int r = 0;

    for (size_t i = 0; i < 2; i++) {
        found[i].text = states[i] ? ps_json_dump(states[i]) : NULL;
        if (states[i] && !found[i].text)
            r = -ENOMEM;
        large |= found[i].text && strlen(found[i].text) > max;
    }
    if (r == 0 && large && before && after)
        drop_unchanged(before, after);
    for (size_t i = 0; r == 0 && large && i < 2; i++) {
        _cleanup_free_ char *whole = TAKE_PTR(found[i].text);

        if (!whole)
            continue;
        r = finish(states[i], max, &found[i]);
        if (r == 0 && !ps_streq(found[i].text, whole))
            r = describe(whole, &found[i]);
    }
    if (r < 0) {
        ps_audit_state_clear(found);
        return r;
    }
    memcpy(ret_states, found, sizeof(found));
    return 0;
}

void ps_audit_state_clear(struct ps_audit_state states[2])
{
    for (size_t i = 0; i < 2; i++) {
        free(states[i].text);
        states[i] = (struct ps_audit_state){0};
    }
}
