/* SPDX-License-Identifier: MIT */
/*
 * The user's databases, asked for one address. A file that cannot be used is
 * left out and named; the others answer.
 */
#ifndef PS_LOCATOR_PLACES_H
#define PS_LOCATOR_PLACES_H

#include "common/net.h"
#include "common/options.h"
#include "locator/record.h"

/* Files of each kind. */
#define PS_PLACES_MAX_FILES 16
#define PS_PLACES_SOURCE    320
#define PS_PLACES_PROBLEM   512

struct ps_places;

enum ps_places_kind {
    PS_PLACES_GEO, /* country to coordinates */
    PS_PLACES_ASN,
    PS_PLACES_KINDS,
};

struct ps_places_config {
    const struct ps_strlist *files[PS_PLACES_KINDS];
    const char *state_dir; /* for the index of an ASN table */
};

/* Called for each file when it is loaded or refused (reason set), and when a
 * loaded one turns out to be unusable. reason is borrowed. */
typedef void (*ps_places_fn)(void *arg, enum ps_places_kind kind,
                             const char *path, const char *reason);

int ps_places_new(const struct ps_places_config *config,
                  struct ps_places **ret_places);
void ps_places_free(struct ps_places **places);

/* Opens all files again. One that cannot be opened stops to answer. */
void ps_places_load(struct ps_places *places, ps_places_fn fn, void *arg);
/* From now on fn is told instead. */
void ps_places_watch(struct ps_places *places, ps_places_fn fn, void *arg);

/* Files that answer, and a sentence on those that do not ("" for none). */
size_t ps_places_usable(const struct ps_places *places,
                        enum ps_places_kind kind);
const char *ps_places_problem(const struct ps_places *places,
                              enum ps_places_kind kind);

/* A new message, NULL without memory. */
Ps__Place *ps_places_find(struct ps_places *places, const struct ps_addr *addr);
/* Sets the place of a path's target and of each hop's addresses. */
int ps_places_fill(struct ps_places *places, Ps__Path *path);

#endif
