/* SPDX-License-Identifier: MIT */
/*
 * Waiting for a place that another process holds.
 *
 * The bus makes threads, and privileges are per thread: this process must
 * have neither bus nor threads when it loads and attaches at last. So a child
 * without privileges stands on the bus in its place, seen as `standby`, and
 * ends when its pipe does: because the place is ours, or because we died.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "common/service_internal.h"

#define TRY_US     100000
#define LEAVE_US   50000
#define REAP_TRIES 40
#define REAP_US    10000

struct standby {
    struct ps_daemon *d;
    int lock_fd; /* of the place in which we wait */
    int pipe_fd; /* the child ends with it */
    pid_t child;
    int r; /* of the last try; -EEXIST: go on */
};

/* ---- the child ---------------------------------------------------------- */

static void on_leave(evutil_socket_t fd _unused_, short what _unused_,
                     void *arg)
{
    event_base_loopbreak(arg);
}

/* The last heartbeat gets a moment to go out. */
static void on_pipe(evutil_socket_t fd _unused_, short what _unused_, void *arg)
{
    const struct timeval soon = {.tv_usec = LEAVE_US};
    struct ps_daemon *d = arg;

    d->draining = true;
    ps_service_heartbeat(d);
    if (event_base_once(d->base, -1, EV_TIMEOUT, on_leave, d->base, &soon) < 0)
        event_base_loopbreak(d->base);
}

static void remove_sockets(const struct ps_daemon *d, const char *place)
{
    static const char *const kinds[] = {"rep", "pub"};

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s/%s.%s", ps_daemon_common(d)->run_dir, place,
                     kinds[i]) < 0)
            path = NULL;
        else
            unlink(path);
    }
}

/* Never returns. */
static _Noreturn void stand_in(struct ps_daemon *d, int pipe_fd, int holder)
{
    const struct ps_service shell = {
        .name = d->service->name,
        .summary = d->service->summary,
        .options = d->service->options,
        .config_size = d->service->config_size,
        .single = true,
    };
    struct event *leave;

    for (size_t i = 0; i < ARRAY_SIZE(d->signals); i++)
        if (d->signals[i])
            event_del(d->signals[i]);
    /* Ctrl-C reaches both; the parent decides. */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    d->service = &shell;
    d->standby = true;
    snprintf(d->degraded, sizeof(d->degraded),
             "Process %d holds the place; this one takes it when that ends.",
             holder);
    leave = event_new(d->base, pipe_fd, EV_READ, on_pipe, d);
    if (event_reinit(d->base) < 0 || !leave || event_add(leave, NULL) < 0 ||
        ps_service_drop(d) < 0 || ps_service_join_bus(d) < 0)
        _exit(1);
    event_base_dispatch(d->base);
    remove_sockets(d, d->place);
    _exit(0);
}

/* ---- the one that waits ------------------------------------------------- */

static int start_child(struct standby *s, int holder)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    s->child = fork();
    if (s->child == 0) {
        close(fds[1]);
        stand_in(s->d, fds[0], holder);
    }
    close(fds[0]);
    s->pipe_fd = fds[1];
    if (s->child < 0) {
        close(TAKE_FD(s->pipe_fd));
        return -errno;
    }
    return 0;
}

static void end_child(struct standby *s)
{
    if (s->pipe_fd >= 0)
        close(TAKE_FD(s->pipe_fd));
    if (s->child <= 0)
        return;
    for (int i = 0; i < REAP_TRIES; i++) {
        if (waitpid(s->child, NULL, WNOHANG) != 0)
            return;
        usleep(REAP_US);
    }
    kill(s->child, SIGKILL);
    waitpid(s->child, NULL, 0);
}

/* Without it the wait goes on, only that nobody sees it. */
static void look_at_child(struct standby *s)
{
    int status;

    if (s->child <= 0 || waitpid(s->child, &status, WNOHANG) != s->child)
        return;
    ps_warning("standby_unseen", "status=%d", status);
    s->child = 0;
}

static void on_try(evutil_socket_t fd _unused_, short what _unused_, void *arg)
{
    struct standby *s = arg;
    int pid;

    look_at_child(s);
    s->r = ps_service_lock(s->d, 1, &pid);
    if (s->r != -EEXIST)
        event_base_loopbreak(s->d->base);
}

static int wait_for_place(struct standby *s)
{
    const struct timeval again = {.tv_usec = TRY_US};
    struct ps_daemon *d = s->d;
    struct event *tick = event_new(d->base, -1, EV_PERSIST, on_try, s);

    s->r = -EEXIST;
    if (!tick || event_add(tick, &again) < 0)
        s->r = -ENOMEM;
    while (s->r == -EEXIST && !d->draining)
        event_base_dispatch(d->base);
    if (tick)
        event_free(tick);
    return d->draining && s->r == -EEXIST ? -ECANCELED : s->r;
}

int ps_service_stand_by(struct ps_daemon *d, int holder)
{
    struct standby s = {.d = d, .lock_fd = -1, .pipe_fd = -1};
    char place[sizeof(d->place)];
    int pid = 0;
    int r;

    r = ps_service_lock_free(d, 2, &pid);
    if (r < 0)
        return r;
    s.lock_fd = TAKE_FD(d->lock_fd);
    memcpy(place, d->place, sizeof(place));
    ps_service_name_instance(d);
    ps_info("standing_by", "pid=%d instance=" PS_Q, holder, d->instance);
    r = start_child(&s, holder);
    if (r == 0)
        r = wait_for_place(&s);
    end_child(&s);
    remove_sockets(d, place);
    close(s.lock_fd);
    if (r == 0) {
        /* Its life as the active one begins here. */
        d->epoch = ps_now_ns();
        d->started_mono_ns = ps_mono_ns();
        ps_info("place_free", "pid=%d", holder);
    }
    return r;
}
