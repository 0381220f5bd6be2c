/* SPDX-License-Identifier: MIT */
#include "common/service.h"

#include <pwd.h>
#include <signal.h>

#include "common/service_internal.h"

/* For NNG to close its sockets. */
#define END_S    5
#define DRAIN_NS (5 * PS_NS_PER_S)

enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_BAD_USAGE = 2,
    EXIT_PLACE_TAKEN = 3,
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
    return d->instance;
}

const char *ps_daemon_place(struct ps_daemon *d)
{
    return d->place;
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
                      int (*listen)(struct ps_bus *bus, const char *url),
                      char **ret_url)
{
    _cleanup_free_ char *url = NULL;
    int r = 0;

    /* The address that was given is the active one's. */
    if (configured && *configured && !d->standby)
        url = strdup(configured);
    else
        r = ps_daemon_peer_url(d, d->place, kind, &url);
    if (r < 0 || !url)
        return -ENOMEM;
    r = listen(d->bus, url);
    if (r < 0)
        ps_error("bus_listen_failed", "url=" PS_Q " error=" PS_Q, url,
                 strerror(-r));
    else
        *ret_url = TAKE_PTR(url);
    return r;
}

static int start_bus(struct ps_daemon *d)
{
    const struct ps_common_config *config = ps_daemon_common(d);
    const struct ps_bus_identity id = {
        .publisher = d->service->name,
        .instance = d->instance,
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
    r = d->standby ? 0 : ps_service_audit_open(d);
    if (r == 0)
        r = ps_bus_serve(d->bus, ps_service_methods, d);
    if (r == 0)
        r = ps_bus_serve(d->bus, ps_service_audit_methods, d);
    if (r == 0 && d->service->methods)
        r = ps_bus_serve(d->bus, d->service->methods, d->state);
    if (r == 0)
        ps_bus_set_pub_queue(d->bus, (int)config->pub_queue);
    if (r == 0)
        r = listen_bus(d, "pub", config->pub, ps_bus_listen_pub, &d->pub_url);
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
    r = listen_bus(d, "rep", ps_daemon_common(d)->rep, ps_bus_listen_rep,
                   &d->rep_url);
    if (r < 0)
        return r;
    r = ps_announcer_new(d, &d->announcer);
    if (r < 0)
        return r;
    d->tick = event_new(d->base, -1, EV_PERSIST, on_tick, d);
    if (!d->tick || event_add(d->tick, &second) < 0)
        return -ENOMEM;
    ps_service_heartbeat(d);
    ps_info(d->standby ? "seen" : "ready",
            "version=%s pid=%d user=%s instance=" PS_Q, PS_VERSION,
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

int ps_service_join_bus(struct ps_daemon *d)
{
    int r;

    note_user(d);
    r = start_bus(d);
    return r < 0 ? r : start_service(d);
}

static int take_place(struct ps_daemon *d)
{
    int pid = 0;
    int r;

    if (d->service->single)
        r = ps_service_lock(d, 1, &pid);
    else
        r = ps_service_lock_free(d, 1, &pid);
    if (r == -EEXIST && d->service->single && ps_daemon_common(d)->standby &&
        !ps_daemon_common(d)->selftest)
        r = ps_service_stand_by(d, pid);
    if (r == -EEXIST) {
        ps_error("place_taken", "pid=%d run_dir=" PS_Q " hint=" PS_Q, pid,
                 ps_daemon_run_dir(d),
                 "end it, use another --run-dir, or wait for its end with "
                 "--standby");
        d->exit_code = EXIT_PLACE_TAKEN;
    } else if (r < 0 && r != -ECANCELED) {
        ps_error("lock_failed", "run_dir=" PS_Q " error=" PS_Q,
                 ps_daemon_run_dir(d), strerror(-r));
    } else if (r == 0) {
        ps_service_name_instance(d);
    }
    return r;
}

static int open_service(struct ps_daemon *d)
{
    int r;

    r = ps_service_become_first(d);
    if (r < 0) {
        ps_error("user_failed", "error=" PS_Q, strerror(-r));
        return r;
    }
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
        return r == -ECANCELED ? 0 : r;
    if (ps_daemon_common(d)->selftest) {
        ps_service_print_capabilities(d);
        d->exit_code = ps_service_selftest_result(d);
        return 0;
    }
    r = ps_service_drop(d);
    if (r < 0) {
        ps_error("drop_failed", "error=" PS_Q, strerror(-r));
        return r;
    }
    r = ps_service_join_bus(d);
    if (r < 0)
        return r;
    event_base_dispatch(d->base);
    return 0;
}

static void end_now(union sigval code)
{
    ps_warning("end_forced", "reason=" PS_Q,
               "the bus did not close; all else was done");
    _exit(code.sival_int);
}

void ps_daemon_bound_end(struct ps_daemon *d)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD};
    const struct itimerspec when = {.it_value.tv_sec = END_S};
    timer_t timer;

    if (d->end_bounded)
        return;
    d->end_bounded = true;
    event.sigev_notify_function = end_now;
    event.sigev_value.sival_int = d->exit_code;
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) == 0)
        timer_settime(timer, 0, &when, NULL);
}

static void clean(struct ps_daemon *d)
{
    if (d->tick)
        event_free(d->tick);
    if (d->drain_tick)
        event_free(d->drain_tick);
    if (d->started && d->service->stop)
        d->service->stop(d, d->state);
    if (d->bus)
        ps_daemon_bound_end(d);
    ps_announcer_free(&d->announcer);
    ps_bus_free(&d->bus);
    ps_audit_free(&d->audit);
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
    free(d->rep_url);
    free(d->pub_url);
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

/* 1: such a flag was given and has been answered; 0: none was. */
static int print_instead(const struct ps_service *service, int argc,
                         char **argv)
{
    const struct ps_service_print *print = service->prints;

    for (; print && print->flag; print++) {
        if (has_flag(argc, argv, print->flag)) {
            int r = print->print(stdout);

            return r < 0 ? r : 1;
        }
    }
    return 0;
}

int ps_service_main(const struct ps_service *service, int argc, char **argv)
{
    struct ps_daemon d = {.service = service, .lock_fd = -1};
    int r;

    ps_log_init(service->name);
    d.epoch = ps_now_ns();
    d.started_mono_ns = ps_mono_ns();
    d.exit_code = EXIT_OK;
    r = ps_service_options_make(&d);
    if (r == 0 && has_flag(argc, argv, "--help")) {
        ps_service_options_help(&d);
    } else if (r == 0 && has_flag(argc, argv, "--version")) {
        printf("ps-%s %s\n", service->name, PS_VERSION);
    } else if (r == 0 && (r = print_instead(service, argc, argv)) != 0) {
        r = r < 0 ? r : 0;
    } else if (r == 0 && ps_service_options_load(&d, argc, argv) < 0) {
        d.exit_code = EXIT_BAD_USAGE;
    } else if (r == 0 && ps_daemon_common(&d)->healthcheck) {
        if (ps_service_healthcheck(&d) < 0)
            d.exit_code = EXIT_FAILED;
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
