/* SPDX-License-Identifier: MIT */
#include "gateway/merge.h"

#include <inttypes.h>

#include "common/util.h"

/* True when a comes before b. */
static bool before(const Ps__Path *a, const Ps__Path *b)
{
    if (a->started->unix_ns != b->started->unix_ns)
        return a->started->unix_ns > b->started->unix_ns;
    return strcmp(a->id, b->id) > 0;
}

/* The list whose head is next; NULL: one ended whose rest is not known, or
 * all did. */
static const Ps__PathList *next_list(const struct ps_merge *merge,
                                     const size_t *at, size_t *ret_i)
{
    const Ps__PathList *best = NULL;

    for (size_t i = 0; i < merge->n; i++) {
        const Ps__PathList *list = merge->lists[i];

        if (at[i] == list->n_paths) {
            if (list->next_cursor)
                return NULL;
            continue;
        }
        if (!best || before(list->paths[at[i]], best->paths[at[*ret_i]])) {
            best = list;
            *ret_i = i;
        }
    }
    return best;
}

static bool has_more(const struct ps_merge *merge, const size_t *at)
{
    for (size_t i = 0; i < merge->n; i++)
        if (at[i] < merge->lists[i]->n_paths || merge->lists[i]->next_cursor)
            return true;
    return false;
}

static int add_missing(const struct ps_merge *merge, Ps__PathList *out)
{
    out->missing = calloc(merge->n_missing + 1, sizeof(*out->missing));
    if (!out->missing)
        return -ENOMEM;
    for (size_t i = 0; i < merge->n_missing; i++) {
        Ps__MissingLocator *m = malloc(sizeof(*m));

        if (!m)
            return -ENOMEM;
        ps__missing_locator__init(m);
        out->missing[out->n_missing++] = m;
        m->instance = strdup(merge->missing[i].instance);
        m->reason = strdup(merge->missing[i].reason);
        if (!m->instance || !m->reason)
            return -ENOMEM;
    }
    return 0;
}

static int add_paths(const struct ps_merge *merge, size_t *at,
                     Ps__PathList *out)
{
    const Ps__PathList *list;
    const Ps__Path *last;
    size_t i = 0;

    for (size_t k = 0; k < merge->n; k++)
        out->total += merge->lists[k]->total;
    while (out->n_paths < merge->limit && (list = next_list(merge, at, &i)))
        out->paths[out->n_paths++] = list->paths[at[i]++];
    if (out->n_paths == 0 || !has_more(merge, at))
        return 0;
    last = out->paths[out->n_paths - 1];
    if (asprintf(&out->next_cursor, "t%" PRIu64 ".%s", last->started->unix_ns,
                 last->id) < 0) {
        out->next_cursor = NULL;
        return -ENOMEM;
    }
    return 0;
}

int ps_merge_paths(const struct ps_merge *merge, Ps__PathList **ret_list)
{
    _cleanup_(ps_merge_free) Ps__PathList *out = malloc(sizeof(*out));
    _cleanup_free_ size_t *at = calloc(merge->n + 1, sizeof(*at));
    size_t paths = 0;
    int r;

    if (!out)
        return -ENOMEM;
    ps__path_list__init(out);
    for (size_t i = 0; i < merge->n; i++)
        paths += merge->lists[i]->n_paths;
    out->paths = calloc(paths + 1, sizeof(*out->paths));
    if (!out->paths || !at)
        return -ENOMEM;
    r = add_paths(merge, at, out);
    if (r == 0)
        r = add_missing(merge, out);
    if (r < 0)
        return r;
    *ret_list = TAKE_PTR(out);
    return 0;
}

void ps_merge_free(Ps__PathList **list)
{
    Ps__PathList *l = *list;

    if (!l)
        return;
    for (size_t i = 0; i < l->n_missing; i++) {
        free(l->missing[i]->instance);
        free(l->missing[i]->reason);
        free(l->missing[i]);
    }
    free(l->missing);
    free(l->paths);
    free(l->next_cursor);
    free(l);
    *list = NULL;
}
