/* SPDX-License-Identifier: MIT */
#include "locator/locator.h"

#include "locator/convert.h"

#define OPTION(field) offsetof(struct ps_locator_config, field)

const struct ps_option ps_locator_options[] = {
    {.name = "geo-db",
     .type = PS_OPT_LIST,
     .offset = OPTION(geo_db),
     .max = PS_PLACES_MAX_FILES,
     .arg = "FILE,...",
     .help = "databases of places (.mmdb); the first that knows an address "
             "answers"},
    {.name = "asn-db",
     .type = PS_OPT_LIST,
     .offset = OPTION(asn_db),
     .max = PS_PLACES_MAX_FILES,
     .arg = "FILE,...",
     .help = "databases of AS numbers (.mmdb, or .csv of "
             "first,last,asn,name)"},
    {.name = "probe-rate",
     .type = PS_OPT_UINT,
     .offset = OPTION(rate),
     .def = "500",
     .min = 1,
     .max = PS_ENGINE_MAX_RATE,
     .arg = "N",
     .help = "probes each second, of all measurements together"},
    {.name = "max-running",
     .type = PS_OPT_UINT,
     .offset = OPTION(max_running),
     .def = "16",
     .min = 1,
     .max = PS_ENGINE_MAX_RUNNING,
     .arg = "N",
     .help = "measurements that run at once"},
    {.name = "max-queued",
     .type = PS_OPT_UINT,
     .offset = OPTION(max_queued),
     .def = "64",
     .min = 0,
     .max = PS_ENGINE_MAX_QUEUED,
     .arg = "N",
     .help = "measurements that wait for a place"},
    {.name = "history-size",
     .type = PS_OPT_SIZE,
     .offset = OPTION(history_size),
     .def = "64M",
     .min = 1 << 20,
     .max = UINT64_C(1) << 40,
     .arg = "SIZE",
     .help = "bound of the database of measured paths; the oldest go"},
    {},
};

/* ---- what there is ------------------------------------------------------ */

static const struct {
    const char *capability, *option, *tier, *without, *kind;
} databases[] = {
    [PS_PLACES_GEO] = {"locator.geo", "geo-db", "mmdb",
                       "countries, cities and coordinates", "geo"},
    [PS_PLACES_ASN] = {"locator.asn", "asn-db", "table", "AS numbers and names",
                       "asn"},
};

static void tell_databases(struct ps_locator *locator)
{
    for (size_t i = 0; i < ARRAY_SIZE(databases); i++) {
        enum ps_places_kind kind = (enum ps_places_kind)i;
        bool usable = ps_places_usable(locator->places, kind) != 0;
        const char *problem = ps_places_problem(locator->places, kind);
        char reason[PS_PLACES_PROBLEM] = "";

        if (problem[0])
            snprintf(reason, sizeof(reason), "%s", problem);
        else if (!usable)
            snprintf(reason, sizeof(reason),
                     "no database is configured; set %s (deploy/geo fetches "
                     "free ones)",
                     databases[i].option);
        ps_capability(locator->daemon, databases[i].capability, usable,
                      usable ? databases[i].tier : NULL,
                      reason[0] ? reason : NULL,
                      usable ? NULL : databases[i].without);
    }
}

/* Before the bus stands: only the log and the capabilities tell of it. */
static void on_opened(void *arg _unused_, enum ps_places_kind kind,
                      const char *path, const char *reason)
{
    if (reason)
        ps_warning("database_missing", "kind=%s path=" PS_Q " reason=" PS_Q,
                   databases[kind].kind, path, reason);
    else
        ps_info("database_loaded", "kind=%s path=" PS_Q, databases[kind].kind,
                path);
}

static void on_database(void *arg, enum ps_places_kind kind, const char *path,
                        const char *reason)
{
    struct ps_locator *locator = arg;
    const struct ps_event_param params[] = {
        {"kind", databases[kind].kind},
        {"path", path},
        {reason ? "reason" : NULL, reason},
        {},
    };

    if (reason)
        ps_event(locator->daemon, PS__EVENT__SEVERITY__warning,
                 "locator.database_missing", params,
                 "The database %s cannot be used: %s", path, reason);
    else
        ps_event(locator->daemon, PS__EVENT__SEVERITY__info,
                 "locator.database_loaded", params, "Loaded the database %s",
                 path);
    tell_databases(locator);
}

static void open_socket(struct ps_locator *locator, size_t six)
{
    const char *step = NULL;
    char *problem = locator->socket_problem[six];
    int r;

    locator->sockets[six].fd = -1;
    r = ps_probe_open(six ? 6 : 4, &locator->sockets[six], &step);
    if (r < 0)
        snprintf(problem, sizeof(locator->socket_problem[six]),
                 "cannot make %s: %s%s", step, strerror(-r),
                 r == -EPERM ? " (needs CAP_NET_RAW)" : "");
    ps_capability(locator->daemon, six ? "locator.icmp6" : "locator.icmp4",
                  r == 0,
                  r < 0                          ? NULL
                  : locator->sockets[six].stamps ? "raw"
                                                 : "raw-no-tx-time",
                  r < 0 ? problem : NULL,
                  r < 0 ? "measuring paths with this IP version" : NULL);
}

/* ---- the service -------------------------------------------------------- */

static int open_places(struct ps_locator *locator)
{
    struct ps_places_config config = {
        .files = {[PS_PLACES_GEO] = &locator->config->geo_db,
                  [PS_PLACES_ASN] = &locator->config->asn_db},
        .state_dir = ps_daemon_state_dir(locator->daemon),
    };
    int r;

    r = ps_places_new(&config, &locator->places);
    if (r < 0)
        return r;
    ps_places_load(locator->places, on_opened, locator);
    tell_databases(locator);
    return 0;
}

static int open_history(struct ps_locator *locator)
{
    _cleanup_free_ char *error = NULL;
    size_t n = 0;
    int r;

    r = ps_history_open(
        ps_daemon_state_dir(locator->daemon), ps_daemon_place(locator->daemon),
        locator->config->history_size, &locator->history, &error);
    if (r < 0) {
        ps_error("history_failed", "error=" PS_Q, error ? error : strerror(-r));
        return r;
    }
    r = ps_history_close_running(locator->history, ps_now_ns(), &n);
    if (r < 0)
        ps_warning("history_not_cleaned", "error=" PS_Q, strerror(-r));
    if (n)
        ps_info("paths_cut", "count=%zu reason=restart", n);
    return 0;
}

int ps_locator_open(struct ps_daemon *d, void *config, void **ret_state)
{
    struct ps_locator *locator = calloc(1, sizeof(*locator));
    int r;

    if (!locator)
        return -ENOMEM;
    locator->daemon = d;
    locator->config = config;
    open_socket(locator, 0);
    open_socket(locator, 1);
    r = open_places(locator);
    if (r == 0)
        r = open_history(locator);
    if (r < 0) {
        ps_locator_close(d, locator);
        return r;
    }
    *ret_state = locator;
    return 0;
}

static const char *path_summary(const Ps__Path *path, char *text, size_t size)
{
    if (path->failure)
        snprintf(text, size, "failed: %s", path->failure);
    else if (path->reached)
        snprintf(text, size, "%zu hops", path->n_hops);
    else
        snprintf(text, size, "it did not answer");
    return text;
}

static void tell_done(struct ps_locator *locator, const Ps__Path *path)
{
    char target_text[PS_ADDR_TEXT], summary[200];
    struct ps_addr target;
    const struct ps_event_param params[] = {
        {"path", path->id},
        {"target", target_text},
        {"result", summary},
        {},
    };

    if (ps_addr_from_pb(path->target, &target) < 0)
        return;
    ps_addr_format(&target, target_text);
    ps_event(locator->daemon, PS__EVENT__SEVERITY__info, "locator.path_done",
             params, "Measured the path to %s: %s", target_text,
             path_summary(path, summary, sizeof(summary)));
}

static void on_path(void *arg, const Ps__Path *path)
{
    struct ps_locator *locator = arg;
    Ps__Path *copy;
    int r;

    r = ps_history_put(locator->history, path);
    if (r < 0) {
        locator->history_errors++;
        ps_warning("history_write_failed", "path=%s error=" PS_Q, path->id,
                   strerror(-r));
    }
    copy = ps_path_copy(path);
    if (copy && ps_places_fill(locator->places, copy) == 0)
        ps_publish(locator->daemon, "path", &copy->base, false);
    if (copy)
        ps__path__free_unpacked(copy, NULL);
    if (path->state != PS__PATH__STATE__running)
        tell_done(locator, path);
}

/* After the drop of privileges a file may be out of reach for SIGHUP. */
static void check_readable(const struct ps_strlist *files)
{
    for (size_t i = 0; i < files->n; i++) {
        if (access(files->items[i], R_OK) < 0 && errno == EACCES)
            ps_warning("database_not_reloadable", "path=" PS_Q " hint=" PS_Q,
                       files->items[i],
                       "let the daemon's user read it, or restart instead of "
                       "SIGHUP");
    }
}

int ps_locator_start(struct ps_daemon *d, void *state)
{
    struct ps_locator *locator = state;
    const struct ps_engine_config config = {
        .rate = locator->config->rate,
        .max_running = locator->config->max_running,
        .max_queued = locator->config->max_queued,
        .sockets = {&locator->sockets[0], &locator->sockets[1]},
        .changed = on_path,
        .arg = locator,
    };

    ps_places_watch(locator->places, on_database, locator);
    check_readable(&locator->config->geo_db);
    check_readable(&locator->config->asn_db);
    return ps_engine_new(ps_daemon_base(d), &config, &locator->engine);
}

void ps_locator_sample(struct ps_daemon *d, void *state)
{
    struct ps_locator *locator = state;
    struct ps_engine_stats s;

    ps_engine_stats(locator->engine, &s);
    ps_loss(d, "late_answers", "packets", s.late);
    ps_loss(d, "duplicate_answers", "packets", s.duplicate);
    ps_loss(d, "unmatched_answers", "packets", s.unmatched);
    ps_loss(d, "malformed_answers", "packets", s.malformed);
    ps_loss(d, "rate_limited", "probes", s.held_back);
    ps_loss(d, "send_errors", "probes", s.send_errors);
    ps_loss(d, "rx_overflow", "packets", s.queue_overflow);
    ps_loss(d, "hop_addresses_full", "packets", s.hop_overflow);
    ps_loss(d, "queue_full", "paths", s.refused);
    ps_loss(d, "history_write_failed", "paths", locator->history_errors);
    ps_loss(d, "history_evicted", "paths",
            ps_history_evicted(locator->history));
    ps_metric(d, PS__METRIC__KIND__counter, "locator_probes_sent_total",
              "Probes sent.", NULL, NULL, (double)s.sent);
    ps_metric(d, PS__METRIC__KIND__counter, "locator_probes_answered_total",
              "Answers that belong to a probe.", NULL, NULL,
              (double)s.received);
    ps_metric(d, PS__METRIC__KIND__gauge, "locator_paths_running",
              "Measurements that run now.", NULL, NULL, (double)s.running);
    ps_metric(d, PS__METRIC__KIND__gauge, "locator_paths_queued",
              "Measurements that wait for a place.", NULL, NULL,
              (double)s.queued);
    ps_metric(d, PS__METRIC__KIND__counter, "locator_paths_total",
              "Measurements taken on.", NULL, NULL, (double)s.paths);
}

void ps_locator_reload(struct ps_daemon *d _unused_, void *state)
{
    struct ps_locator *locator = state;

    ps_places_load(locator->places, on_database, locator);
}

void ps_locator_stop(struct ps_daemon *d _unused_, void *state)
{
    struct ps_locator *locator = state;

    ps_engine_abort(locator->engine, "restart");
    ps_engine_free(&locator->engine);
}

void ps_locator_close(struct ps_daemon *d _unused_, void *state)
{
    struct ps_locator *locator = state;

    ps_engine_free(&locator->engine);
    ps_history_free(&locator->history);
    ps_places_free(&locator->places);
    for (size_t i = 0; i < ARRAY_SIZE(locator->sockets); i++)
        ps_probe_close(&locator->sockets[i]);
    free(locator);
}
