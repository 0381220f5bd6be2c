/* SPDX-License-Identifier: MIT */
#include "common/service.h"

#include <limits.h>
#include <pwd.h>
#include <signal.h>

#include "common/service_internal.h"

#define DRAIN_NS (5 * PS_NS_PER_S)

enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_BAD_USAGE = 2,
    EXIT_PLACE_TAKEN = 3,
};

const struct ps_option ps_common_options[] = {
    {.name = "config",
     .type = PS_OPT_STRING,
     .offset = offsetof(struct ps_common_config, config),
     .arg = "FILE",
     .help = "YAML file; default /etc/packetscope/NAME.yaml if it exists"},
    {.name = "run-dir",
     .type = PS_OPT_STRING,
     .offset = offsetof(struct ps_common_config, run_dir),
     .def = "/run/packetscope",
     .arg = "DIR",
     .help = "sockets and locks"},
    {.name = "state-dir",
     .type = PS_OPT_STRING,
     .offset = offsetof(struct ps_common_config, state_dir),
     .def = "/var/lib/packetscope",
     .arg = "DIR",
     .help = "databases and tokens"},
    {.name = "log-level",
     .type = PS_OPT_STRING,
     .offset = offsetof(struct ps_common_config, log_level),
     .def = "info",
     .arg = "LEVEL",
     .help = "error, warning, info or debug"},
    {.name = "instance",
     .type = PS_OPT_STRING,
     .offset = offsetof(struct ps_common_config, instance),
     .arg = "NAME",
     .help = "name of this instance; default the host's name"},
    {.name = "user",
     .type = PS_OPT_STRING,
     .offset = offsetof(struct ps_common_config, user),
     .def = "packetscope",
     .arg = "NAME",
     .help = "user to become once all is open; root: stay"},
    {.name = "rep",
     .type = PS_OPT_STRING,
     .offset = offsetof(struct ps_common_config, rep),
     .arg = "URL",
     .help = "where requests are taken; default ipc:// in the run directory"},
    {.name = "pub",
     .type = PS_OPT_STRING,
     .offset = offsetof(struct ps_common_config, pub),
     .arg = "URL",
     .help = "where events are published; default as above"},
    {.name = "peers",
     .type = PS_OPT_LIST,
     .offset = offsetof(struct ps_common_config, peers),
     .max = 16,
     .arg = "LIST",
     .help = "NAME=REP_URL+PUB_URL of parts that are not in the run directory"},
    {.name = "tls-ca",
     .type = PS_OPT_STRING,
     .offset = offsetof(struct ps_common_config, tls_ca),
     .arg = "FILE",
     .help = "PEM; peers of tls+tcp:// must have a certificate signed by it"},
    {.name = "tls-cert",
     .type = PS_OPT_STRING,
     .offset = offsetof(struct ps_common_config, tls_cert),
     .arg = "FILE",
     .help = "PEM; our own certificate for tls+tcp://"},
    {.name = "tls-key",
     .type = PS_OPT_STRING,
     .offset = offsetof(struct ps_common_config, tls_key),
     .arg = "FILE",
     .help = "PEM; its key"},
    {.name = "selftest",
     .type = PS_OPT_BOOL,
     .offset = offsetof(struct ps_common_config, selftest),
     .help = "load and attach all, print what this kernel gives, and leave"},
    {0},
};

/* ---- accessors ---------------------------------------------------------- */

struct event_base *ps_daemon_base(struct ps_daemon *d)
{
    return d->base;
}

struct ps_bus *ps_daemon_bus(struct ps_daemon *d)
{
    return d->bus;
}

const char *ps_daemon_state_dir(struct ps_daemon *d)
{
    return ps_daemon_common(d)->state_dir;
}

const char *ps_daemon_run_dir(struct ps_daemon *d)
{
    return ps_daemon_common(d)->run_dir;
}

const char *ps_daemon_instance(struct ps_daemon *d)
{
    return ps_daemon_common(d)->instance;
}

uint64_t ps_daemon_epoch(struct ps_daemon *d)
{
    return d->epoch;
}

bool ps_daemon_draining(struct ps_daemon *d)
{
    return d->draining;
}

int ps_daemon_peer_url(struct ps_daemon *d, const char *name, const char *kind,
                       char **ret_url)
{
    const struct ps_strlist *peers = &ps_daemon_common(d)->peers;
    size_t len = strlen(name);
    char *url = NULL;

    for (size_t i = 0; i < peers->n; i++) {
        const char *rep;
        const char *pub;

        if (strncmp(peers->items[i], name, len) != 0 ||
            peers->items[i][len] != '=')
            continue;
        rep = peers->items[i] + len + 1;
        /* The + that divides: tls+tcp:// has one of its own. */
        pub = strchr(strstr(rep, "://") ? strstr(rep, "://") : rep, '+');
        if (!pub)
            return -EINVAL;
        url = strcmp(kind, "rep") == 0 ? strndup(rep, (size_t)(pub - rep))
                                       : strdup(pub + 1);
        if (!url)
            return -ENOMEM;
        *ret_url = url;
        return 0;
    }
    if (asprintf(&url, "ipc://%s/%s.%s", ps_daemon_run_dir(d), name, kind) < 0)
        return -ENOMEM;
    *ret_url = url;
    return 0;
}

/* ---- options ------------------------------------------------------------ */

static size_t table_length(const struct ps_option *table)
{
    size_t n = 0;

    while (table && table[n].name)
        n++;
    return n;
}

/* One table of the common options and the daemon's own, behind each other. */
static int make_options(struct ps_daemon *d)
{
    const struct ps_service *service = d->service;
    size_t n_common = table_length(ps_common_options);
    size_t n_own = table_length(service->options);

    d->own_offset = (sizeof(struct ps_common_config) + 15) & ~(size_t)15;
    d->config = calloc(1, d->own_offset + service->config_size + 1);
    d->options = calloc(n_common + n_own + 1, sizeof(*d->options));
    if (!d->config || !d->options)
        return -ENOMEM;
    memcpy(d->options, ps_common_options, n_common * sizeof(*d->options));
    for (size_t i = 0; i < n_own; i++) {
        d->options[n_common + i] = service->options[i];
        d->options[n_common + i].offset += d->own_offset;
    }
    return ps_options_defaults(d->options, d->config);
}

static void print_help(const struct ps_daemon *d)
{
    printf("Usage: ps-%s [OPTION]...\n%s\n\n", d->service->name,
           d->service->summary);
    ps_options_print_help(d->options, stdout);
    printf("  --help                  show this and leave\n"
           "  --version               show the version and leave\n\n"
           "Each option may stand in the YAML file as its name with _ for -, "
           "and in the\nenvironment as PACKETSCOPE_NAME. Flags win over the "
           "environment, that over the\nfile.\n\n"
           "Signals: TERM and INT end it after answering what is open, HUP "
           "reads again\nwhat can be read again.\n"
           "Exit codes: 0 ended well; 1 failed; 2 wrong usage or "
           "configuration;\n3 another instance holds the place.\n");
}

/* The file must be known before the other sources are read. */
static const char *config_path(int argc, char **argv)
{
    const char *path = getenv("PACKETSCOPE_CONFIG");

    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--config=", 9) == 0)
            path = argv[i] + 9;
        else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
            path = argv[i + 1];
    }
    return path;
}

static int load_file(struct ps_daemon *d, int argc, char **argv,
                     char **ret_error)
{
    _cleanup_free_ char *standard = NULL;
    const char *path = config_path(argc, argv);
    int r;

    if (path)
        return ps_options_load_yaml(d->options, d->config, path, ret_error);
    if (asprintf(&standard, "/etc/packetscope/%s.yaml", d->service->name) < 0)
        return -ENOMEM;
    r = ps_options_load_yaml(d->options, d->config, standard, ret_error);
    if (r == -ENOENT) {
        free(*ret_error);
        *ret_error = NULL;
        return 0;
    }
    return r;
}

/* The defaults that depend on the host. */
static int fill_config(struct ps_daemon *d, char **ret_error)
{
    struct ps_common_config *config = ps_daemon_common(d);
    enum ps_log_level level;
    char host[65] = "localhost";

    if (ps_log_parse_level(config->log_level, &level) < 0) {
        if (asprintf(ret_error,
                     "log-level is \"%s\"; use error, warning, info or debug",
                     config->log_level) < 0)
            *ret_error = NULL;
        return -EINVAL;
    }
    ps_log_set_level(level);
    if (!config->instance || !*config->instance) {
        free(config->instance);
        gethostname(host, sizeof(host) - 1);
        config->instance = strdup(host);
    }
    if (!config->instance)
        return -ENOMEM;
    if (strlen(config->instance) > 64) {
        *ret_error = strdup("instance has more than 64 characters");
        return -EINVAL;
    }
    return 0;
}

static int load_options(struct ps_daemon *d, int argc, char **argv)
{
    _cleanup_free_ char *error = NULL;
    int r;

    r = load_file(d, argc, argv, &error);
    if (r == 0)
        r = ps_options_load_env(d->options, d->config, &error);
    if (r == 0)
        r = ps_options_load_args(d->options, d->config, argc, argv, &error);
    if (r == 0)
        r = fill_config(d, &error);
    if (r < 0)
        fprintf(stderr, "ps-%s: %s\nTry 'ps-%s --help'.\n", d->service->name,
                error ? error : strerror(-r), d->service->name);
    return r;
}

/* ---- signals and the end ------------------------------------------------ */

static void on_drain(evutil_socket_t fd _unused_, short what _unused_,
                     void *arg)
{
    struct ps_daemon *d = arg;
    size_t open = ps_bus_open_calls(d->bus);

    if (d->started && d->service->drain)
        open += d->service->drain(d, d->state);
    if (open == 0 || ps_mono_ns() >= d->drain_deadline_ns)
        event_base_loopbreak(d->base);
}

void ps_daemon_exit(struct ps_daemon *d, int code)
{
    const struct timeval soon = {.tv_usec = 20000};

    if (d->draining) {
        /* Asked twice: somebody is in a hurry. */
        event_base_loopbreak(d->base);
        return;
    }
    d->draining = true;
    d->exit_code = code;
    d->drain_deadline_ns = ps_mono_ns() + DRAIN_NS;
    ps_info("draining", "open=%zu", d->bus ? ps_bus_open_calls(d->bus) : 0);
    if (d->bus)
        ps_service_heartbeat(d);
    d->drain_tick = event_new(d->base, -1, EV_PERSIST, on_drain, d);
    if (!d->bus || !d->drain_tick || event_add(d->drain_tick, &soon) < 0)
        event_base_loopbreak(d->base);
}

static void on_signal(evutil_socket_t sig, short what _unused_, void *arg)
{
    struct ps_daemon *d = arg;

    if (sig == SIGHUP) {
        if (d->service->reload && d->started) {
            ps_info("reloading", NULL);
            d->service->reload(d, d->state);
        }
        return;
    }
    ps_daemon_exit(d, EXIT_OK);
}

static int watch_signals(struct ps_daemon *d)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};

    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        d->signals[i] = evsignal_new(d->base, numbers[i], on_signal, d);
        if (!d->signals[i] || event_add(d->signals[i], NULL) < 0)
            return -ENOMEM;
    }
    return 0;
}

static void on_tick(evutil_socket_t fd _unused_, short what _unused_, void *arg)
{
    ps_service_heartbeat(arg);
}

/* ---- running ------------------------------------------------------------ */

static int listen_bus(struct ps_daemon *d, const char *kind,
                      const char *configured,
                      int (*listen)(struct ps_bus *bus, const char *url))
{
    _cleanup_free_ char *url = NULL;
    int r = 0;

    if (configured && *configured)
        url = strdup(configured);
    else
        r = ps_daemon_peer_url(d, d->service->name, kind, &url);
    if (r < 0 || !url)
        return -ENOMEM;
    r = listen(d->bus, url);
    if (r < 0)
        ps_error("bus_listen_failed", "url=" PS_Q " error=" PS_Q, url,
                 strerror(-r));
    return r;
}

static int start_bus(struct ps_daemon *d)
{
    const struct ps_common_config *config = ps_daemon_common(d);
    const struct ps_bus_identity id = {
        .publisher = d->service->name,
        .instance = config->instance,
        .epoch = d->epoch,
    };
    const struct ps_bus_tls tls = {
        .ca_file = config->tls_ca,
        .cert_file = config->tls_cert,
        .key_file = config->tls_key,
    };
    int r;

    r = ps_bus_new(d->base, &id, &tls, &d->bus);
    if (r < 0) {
        ps_error("bus_failed", "error=" PS_Q " hint=" PS_Q, strerror(-r),
                 "are the tls files readable?");
        return r;
    }
    r = ps_bus_serve(d->bus, ps_service_methods, d);
    if (r == 0 && d->service->methods)
        r = ps_bus_serve(d->bus, d->service->methods, d->state);
    if (r == 0)
        r = listen_bus(d, "pub", config->pub, ps_bus_listen_pub);
    return r;
}

/* Requests are taken only once start() is through. */
static int start_service(struct ps_daemon *d)
{
    const struct timeval second = {.tv_sec = 1};
    int r = 0;

    if (d->service->start)
        r = d->service->start(d, d->state);
    if (r < 0)
        return r;
    d->started = true;
    r = listen_bus(d, "rep", ps_daemon_common(d)->rep, ps_bus_listen_rep);
    if (r < 0)
        return r;
    d->tick = event_new(d->base, -1, EV_PERSIST, on_tick, d);
    if (!d->tick || event_add(d->tick, &second) < 0)
        return -ENOMEM;
    ps_service_heartbeat(d);
    ps_info("ready", "version=%s pid=%d user=%s instance=" PS_Q, PS_VERSION,
            (int)getpid(), d->user_name, ps_daemon_instance(d));
    return 0;
}

static void note_user(struct ps_daemon *d)
{
    struct passwd pw;
    struct passwd *found = NULL;
    char buffer[4096];

    getpwuid_r(geteuid(), &pw, buffer, sizeof(buffer), &found);
    if (found)
        snprintf(d->user_name, sizeof(d->user_name), "%s", pw.pw_name);
    else
        snprintf(d->user_name, sizeof(d->user_name), "%u", geteuid());
}

static int take_place(struct ps_daemon *d)
{
    int pid = 0;
    int r;

    if (!d->service->single)
        return 0;
    r = ps_service_lock(d, &pid);
    if (r == -EEXIST) {
        ps_error("place_taken", "pid=%d run_dir=" PS_Q " hint=" PS_Q, pid,
                 ps_daemon_run_dir(d), "end it, or use another --run-dir");
        d->exit_code = EXIT_PLACE_TAKEN;
    } else if (r < 0) {
        ps_error("lock_failed", "run_dir=" PS_Q " error=" PS_Q,
                 ps_daemon_run_dir(d), strerror(-r));
    }
    return r;
}

static int open_service(struct ps_daemon *d)
{
    int r;

    r = ps_service_make_dirs(d);
    if (r == 0)
        r = take_place(d);
    if (r == 0 && d->service->open)
        r = d->service->open(d, (char *)d->config + d->own_offset, &d->state);
    return r;
}

static int run(struct ps_daemon *d)
{
    int r;

    d->base = event_base_new();
    if (!d->base)
        return -ENOMEM;
    r = watch_signals(d);
    if (r == 0)
        r = open_service(d);
    if (r < 0)
        return r;
    if (ps_daemon_common(d)->selftest) {
        ps_service_print_capabilities(d);
        d->exit_code = ps_service_selftest_result(d);
        return 0;
    }
    r = ps_service_drop(d);
    note_user(d);
    if (r < 0) {
        ps_error("drop_failed", "error=" PS_Q, strerror(-r));
        return r;
    }
    r = start_bus(d);
    if (r == 0)
        r = start_service(d);
    if (r < 0)
        return r;
    event_base_dispatch(d->base);
    return 0;
}

static void clean(struct ps_daemon *d)
{
    if (d->tick)
        event_free(d->tick);
    if (d->drain_tick)
        event_free(d->drain_tick);
    if (d->started && d->service->stop)
        d->service->stop(d, d->state);
    ps_bus_free(&d->bus);
    if (d->state && d->service->close)
        d->service->close(d, d->state);
    for (size_t i = 0; i < ARRAY_SIZE(d->signals); i++) {
        if (d->signals[i])
            event_free(d->signals[i]);
    }
    if (d->base)
        event_base_free(d->base);
    if (d->lock_fd >= 0)
        close(d->lock_fd);
    ps_service_status_free(d);
    if (d->options)
        ps_options_free(d->options, d->config);
    free(d->options);
    free(d->config);
}

static bool has_flag(int argc, char **argv, const char *flag)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], flag) == 0)
            return true;
    }
    return false;
}

int ps_service_main(const struct ps_service *service, int argc, char **argv)
{
    struct ps_daemon d = {.service = service, .lock_fd = -1};
    int r;

    ps_log_init(service->name);
    d.epoch = ps_now_ns();
    d.started_mono_ns = ps_mono_ns();
    d.exit_code = EXIT_OK;
    r = make_options(&d);
    if (r == 0 && has_flag(argc, argv, "--help")) {
        print_help(&d);
    } else if (r == 0 && has_flag(argc, argv, "--version")) {
        printf("ps-%s %s\n", service->name, PS_VERSION);
    } else if (r == 0 && load_options(&d, argc, argv) < 0) {
        d.exit_code = EXIT_BAD_USAGE;
    } else if (r == 0) {
        r = run(&d);
    }
    if (r < 0 && d.exit_code == EXIT_OK)
        d.exit_code = EXIT_FAILED;
    if (r < 0)
        ps_error("ended", "code=%d error=" PS_Q, d.exit_code, strerror(-r));
    clean(&d);
    return d.exit_code;
}
