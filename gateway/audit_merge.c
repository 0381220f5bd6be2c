/* SPDX-License-Identifier: MIT */
#include "gateway/audit_merge.h"

#include <inttypes.h>

#include "common/options.h"

/* ---- places ------------------------------------------------------------- */

/* "m<time>-<seq>.<service>.<instance>" */
int ps_audit_place_parse(const char *cursor, struct ps_audit_place *ret_place)
{
    struct ps_audit_place place = {0};
    char own[PS_AUDIT_CURSOR];
    const char *service, *instance;

    if (!cursor || !*cursor) {
        *ret_place = (struct ps_audit_place){.start = true};
        return 0;
    }
    service = strchr(cursor, '.');
    instance = service ? strchr(service + 1, '.') : NULL;
    if (cursor[0] != 'm' || !instance ||
        service - cursor >= (ptrdiff_t)sizeof(own) ||
        instance - service > (ptrdiff_t)sizeof(place.service) ||
        strlen(instance + 1) >= sizeof(place.instance))
        return -EINVAL;
    snprintf(own, sizeof(own), "a%.*s", (int)(service - cursor - 1),
             cursor + 1);
    if (ps_audit_cursor_parse(own, &place.time_ns, &place.seq) < 0)
        return -EINVAL;
    snprintf(place.service, sizeof(place.service), "%.*s",
             (int)(instance - service - 1), service + 1);
    snprintf(place.instance, sizeof(place.instance), "%s", instance + 1);
    *ret_place = place;
    return 0;
}

static int compare_names(const char *service, const char *instance,
                         const char *other_service, const char *other_instance)
{
    int r = strcmp(service, other_service);

    return r ? r : strcmp(instance, other_instance);
}

void ps_audit_place_of(const struct ps_audit_place *place, const char *service,
                       const char *instance, char *text)
{
    uint64_t seq = place->seq;
    int r;

    text[0] = '\0';
    if (place->start)
        return;
    r = compare_names(service, instance, place->service, place->instance);
    /* Of the same time, who comes later has all to give, who comes earlier
     * none. */
    if (r != 0)
        seq = r > 0 ? INT64_MAX : 0;
    ps_audit_cursor(place->time_ns, seq, text);
}

/* ---- merging ------------------------------------------------------------ */

/* Whether the next entry of a comes before that of b. */
static bool before(const struct ps_audit_source *a, size_t a_at,
                   const struct ps_audit_source *b, size_t b_at)
{
    uint64_t a_ns = a->list->entries[a_at]->time->unix_ns;
    uint64_t b_ns = b->list->entries[b_at]->time->unix_ns;

    if (a_ns != b_ns)
        return a_ns > b_ns;
    return compare_names(a->service, a->instance, b->service, b->instance) < 0;
}

/* The list whose head is next; false: the rest of one is not known, or all
 * have ended. */
static bool next_list(const struct ps_audit_source *sources, size_t n,
                      const size_t *at, size_t *ret_i)
{
    bool found = false;

    for (size_t i = 0; i < n; i++) {
        const Ps__AuditList *list = sources[i].list;

        if (at[i] == list->n_entries) {
            if (list->next_cursor)
                return false;
            continue;
        }
        if (!found || before(&sources[i], at[i], &sources[*ret_i], at[*ret_i]))
            *ret_i = i;
        found = true;
    }
    return found;
}

static bool has_more(const struct ps_audit_source *sources, size_t n,
                     const size_t *at)
{
    for (size_t i = 0; i < n; i++)
        if (at[i] < sources[i].list->n_entries || sources[i].list->next_cursor)
            return true;
    return false;
}

static int add_cursor(const struct ps_audit_source *source,
                      Ps__AuditReport *report)
{
    const Ps__AuditEntry *last = report->entries[report->n_entries - 1];

    if (asprintf(&report->next_cursor, "m%" PRIu64 "-%" PRIu64 ".%s.%s",
                 last->time->unix_ns, last->seq, source->service,
                 source->instance) < 0) {
        report->next_cursor = NULL;
        return -ENOMEM;
    }
    return 0;
}

int ps_audit_merge(const struct ps_audit_source *sources, size_t n,
                   size_t limit, Ps__AuditReport **ret_report)
{
    _cleanup_(ps_audit_merge_free)
        Ps__AuditReport *report = malloc(sizeof(*report));
    _cleanup_free_ size_t *at = calloc(n + 1, sizeof(*at));
    size_t all = 0, i = 0, last = 0;
    int r = 0;

    if (!report)
        return -ENOMEM;
    ps__audit_report__init(report);
    report->has_evicted = true;
    for (size_t k = 0; k < n; k++) {
        all += sources[k].list->n_entries;
        report->evicted += sources[k].list->evicted;
    }
    report->entries = calloc(all + 1, sizeof(Ps__AuditEntry *));
    if (!at || !report->entries)
        return -ENOMEM;
    while (report->n_entries < limit && next_list(sources, n, at, &i)) {
        report->entries[report->n_entries++] =
            sources[i].list->entries[at[i]++];
        last = i;
    }
    if (report->n_entries > 0 && has_more(sources, n, at))
        r = add_cursor(&sources[last], report);
    if (r == 0)
        *ret_report = TAKE_PTR(report);
    return r;
}

void ps_audit_merge_free(Ps__AuditReport **report)
{
    if (!*report)
        return;
    free((*report)->entries);
    free((*report)->next_cursor);
    free(*report);
    *report = NULL;
}
