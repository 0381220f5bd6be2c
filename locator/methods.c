/* SPDX-License-Identifier: MIT */
#include "locator/convert.h"
#include "locator/cursor.h"
#include "locator/locator.h"

/* A list ends before its message becomes too large for the bus. */
#define MAX_LIST_BYTES ((size_t)PS_BUS_MAX_MESSAGE / 4 * 3)

static void path_free(Ps__Path **path)
{
    if (*path)
        ps__path__free_unpacked(*path, NULL);
}

static void place_free(Ps__Place **place)
{
    if (*place)
        ps__place__free_unpacked(*place, NULL);
}

static void no_memory(struct ps_call *call)
{
    ps_call_fail(call, "locator.no_memory", 503, NULL,
                 "out of memory; try again");
}

static void reply_path(struct ps_locator *locator, Ps__Path *path,
                       struct ps_call *call)
{
    if (ps_places_fill(locator->places, path) < 0)
        no_memory(call);
    else
        ps_call_reply(call, &path->base);
}

static void measure_path(void *arg, const ProtobufCMessage *req,
                         struct ps_call *call)
{
    struct ps_locator *locator = arg;
    struct ps_request_problem problem = {};
    struct ps_engine_request request;
    _cleanup_(path_free) Ps__Path *path = NULL;
    size_t six;
    int r;

    if (ps_locator_check_request((const Ps__MeasureRequest *)req, &request,
                                 &problem) < 0) {
        ps_call_fail(call, problem.id, 400, problem.field, "%s", problem.text);
        return;
    }
    six = request.target.family == 6;
    if (locator->socket_problem[six][0]) {
        ps_call_fail(call, "path.unavailable", 503, "target",
                     "IPv%d paths cannot be measured on this host: %s",
                     six ? 6 : 4, locator->socket_problem[six]);
        return;
    }
    r = ps_engine_start(locator->engine, &request, &path);
    if (r == -EAGAIN)
        ps_call_fail(call, "path.too_many", 429, NULL,
                     "%llu measurements run and %llu wait; try again when "
                     "some are done",
                     (unsigned long long)locator->config->max_running,
                     (unsigned long long)locator->config->max_queued);
    else if (r < 0)
        no_memory(call);
    else
        reply_path(locator, path, call);
}

static void get_path(void *arg, const ProtobufCMessage *req,
                     struct ps_call *call)
{
    struct ps_locator *locator = arg;
    const Ps__PathId *request = (const Ps__PathId *)req;
    _cleanup_(path_free) Ps__Path *path = NULL;
    int r;

    r = ps_engine_get(locator->engine, request->id, &path);
    if (r == -ENOENT)
        r = ps_history_get(locator->history, request->id, &path);
    if (r == -ENOENT)
        ps_call_fail(call, "path.not_found", 404, "id",
                     "there is no such path; it may have been removed to make "
                     "room for newer ones");
    else if (r < 0)
        ps_call_fail(call, "locator.history_failed", 500, NULL,
                     "the history cannot be read: %s", strerror(-r));
    else
        reply_path(locator, path, call);
}

/* ---- the list ----------------------------------------------------------- */

struct listing {
    struct ps_locator *locator;
    Ps__PathList list;
    size_t limit, bytes;
    bool more; /* what follows the last one is there */
};

static void listing_clear(struct listing *listing)
{
    for (size_t i = 0; i < listing->list.n_paths; i++)
        ps__path__free_unpacked(listing->list.paths[i], NULL);
    free(listing->list.paths);
    free(listing->list.next_cursor);
}

static int add_path(void *arg, Ps__Path *stored)
{
    struct listing *listing = arg;
    _cleanup_(path_free) Ps__Path *path = stored;
    Ps__Path *now = NULL;
    int r;

    if (listing->list.n_paths == listing->limit) {
        listing->more = true;
        return 1;
    }
    if (path->state == PS__PATH__STATE__running &&
        ps_engine_get(listing->locator->engine, path->id, &now) == 0) {
        path_free(&path);
        path = now;
    }
    r = ps_places_fill(listing->locator->places, path);
    if (r < 0)
        return r;
    listing->bytes += ps__path__get_packed_size(path) + 16;
    if (listing->list.n_paths && listing->bytes > MAX_LIST_BYTES) {
        listing->more = true;
        return 1;
    }
    listing->list.paths[listing->list.n_paths++] = TAKE_PTR(path);
    return 0;
}

static int fill_list(struct listing *listing, const struct ps_addr *target,
                     const struct ps_history_place *after)
{
    struct ps_history *history = listing->locator->history;
    const Ps__Path *last;
    int r;

    listing->list.paths = calloc(listing->limit, sizeof(Ps__Path *));
    if (!listing->list.paths)
        return -ENOMEM;
    r = ps_history_count(history, target, &listing->list.total);
    if (r == 0)
        r = ps_history_list(history, target, after, add_path, listing);
    if (r < 0 || !listing->more)
        return r;
    last = listing->list.paths[listing->list.n_paths - 1];
    listing->list.next_cursor =
        ps_path_cursor(last->started->unix_ns, last->id);
    return listing->list.next_cursor ? 0 : -ENOMEM;
}

/* True with NULL for a list from its first entry. */
static bool take_cursor(struct ps_call *call, const char *cursor,
                        struct ps_history_place *place,
                        const struct ps_history_place **ret_after)
{
    *ret_after = NULL;
    if (!cursor || !*cursor)
        return true;
    if (ps_path_cursor_read(cursor, place) < 0) {
        ps_call_fail(call, "request.cursor", 400, "cursor",
                     "This cursor was not given by this list; leave it out "
                     "to start from the first entry.");
        return false;
    }
    *ret_after = place;
    return true;
}

static void list_paths(void *arg, const ProtobufCMessage *req,
                       struct ps_call *call)
{
    const Ps__ListPathsRequest *request = (const Ps__ListPathsRequest *)req;
    _cleanup_(listing_clear) struct listing listing = {
        .locator = arg,
        .list = PS__PATH_LIST__INIT,
    };
    struct ps_addr target;
    struct ps_history_place place;
    const struct ps_history_place *after;
    uint32_t limit;
    int r;

    if (ps_list_limit(call, request->has_limit, request->limit, &limit) < 0 ||
        !take_cursor(call, request->cursor, &place, &after))
        return;
    if (request->target && ps_addr_from_pb(request->target, &target) < 0) {
        ps_call_fail(call, "path.target_invalid", 400, "target",
                     "target is not an address of 4 or 16 bytes");
        return;
    }
    listing.limit = limit;
    r = fill_list(&listing, request->target ? &target : NULL, after);
    if (r < 0)
        ps_call_fail(call, "locator.history_failed", 500, NULL,
                     "the history cannot be read: %s", strerror(-r));
    else
        ps_call_reply(call, &listing.list.base);
}

static void get_geo(void *arg, const ProtobufCMessage *req,
                    struct ps_call *call)
{
    struct ps_locator *locator = arg;
    const Ps__GeoRequest *request = (const Ps__GeoRequest *)req;
    _cleanup_(place_free) Ps__Place *place = NULL;
    struct ps_addr addr;

    if (ps_addr_from_pb(request->ip, &addr) < 0) {
        ps_call_fail(call, "geo.address_invalid", 400, "ip",
                     "ip is not an address of 4 or 16 bytes");
        return;
    }
    place = ps_places_find(locator->places, &addr);
    if (!place)
        no_memory(call);
    else
        ps_call_reply(call, &place->base);
}

const struct ps_method ps_locator_methods[] = {
    {"locator.measure_path", &ps__measure_request__descriptor,
     &ps__path__descriptor, measure_path, true},
    {"locator.list_paths", &ps__list_paths_request__descriptor,
     &ps__path_list__descriptor, list_paths, false},
    {"locator.get_path", &ps__path_id__descriptor, &ps__path__descriptor,
     get_path, false},
    {"locator.get_geo", &ps__geo_request__descriptor, &ps__place__descriptor,
     get_geo, false},
    {},
};
