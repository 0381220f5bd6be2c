/* SPDX-License-Identifier: MIT */
#include <sys/random.h>

#include "locator/convert.h"
#include "locator/engine_internal.h"

/* How long answers to ended measurements are still counted. */
#define LINGER_NS (10 * PS_NS_PER_S)
/* Under a flood not all answers are read in one turn: how much longer probes
 * are then waited for. */
#define FLOOD_NS PS_NS_PER_S

static void run_free(struct ps_run **run)
{
    if (!*run)
        return;
    if ((*run)->path)
        ps__path__free_unpacked((*run)->path, NULL);
    ps_measure_free(&(*run)->measure);
    free(*run);
    *run = NULL;
}

static void listen_all(struct ps_engine *engine, bool on)
{
    for (size_t i = 0; i < ARRAY_SIZE(engine->config.sockets); i++) {
        struct ps_probe_socket *sock = engine->config.sockets[i];

        if (sock->fd >= 0)
            (void)ps_probe_listen(sock, on);
    }
}

static bool random_bytes(void *buf, size_t len)
{
    return getrandom(buf, len, 0) == (ssize_t)len;
}

/* ---- beginning and ending ----------------------------------------------- */

static bool id_in_use(const struct ps_engine *engine, uint16_t id)
{
    for (size_t i = 0; i < PS_ENGINE_ENDED; i++) {
        if (engine->ended[i].target.family && engine->ended[i].id == id)
            return true;
    }
    for (size_t i = 0; i < engine->n_runs; i++) {
        if (engine->runs[i]->measure &&
            ps_measure_flow(engine->runs[i]->measure)->id == id)
            return true;
    }
    return false;
}

static int make_flow(struct ps_engine *engine, struct ps_run *run,
                     struct ps_measure_config *config)
{
    config->flow.target = run->request.target;
    if (engine->config.sockets[run->request.target.family == 6]->fd < 0)
        return -EAFNOSUPPORT;
    if (!random_bytes(&config->flow.nonce, sizeof(config->flow.nonce)) ||
        !random_bytes(&config->seq_base, sizeof(config->seq_base)))
        return -EIO;
    do {
        if (!random_bytes(&config->flow.id, sizeof(config->flow.id)))
            return -EIO;
    } while (!config->flow.id || id_in_use(engine, config->flow.id));
    return ps_probe_source(&config->flow.target, &config->flow.source);
}

/* Gives a waiting run its place; its failure is set where it cannot start. */
static void begin(struct ps_engine *engine, struct ps_run *run, uint64_t now)
{
    struct ps_measure_config config = {
        .max_hops = run->request.max_hops,
        .probes = run->request.probes,
        .interval_ns = run->request.interval_ns,
        .timeout_ns = run->request.timeout_ns,
    };
    int r;

    r = make_flow(engine, run, &config);
    if (r == 0) {
        run->path->source = ps_addr_to_pb(&config.flow.source);
        r = ps_measure_new(&config, now, &run->measure);
    }
    if (r < 0)
        ps_engine_describe(-r, run->failure, sizeof(run->failure));
    else
        listen_all(engine, true);
}

static void end(struct ps_engine *engine, struct ps_run *run)
{
    struct ps_measure *m = run->measure;
    bool failed;

    if (m && !run->failure[0] && !ps_measure_total_sent(m))
        ps_engine_describe(ps_measure_send_error(m), run->failure,
                           sizeof(run->failure));
    failed = run->failure[0] != '\0';
    if (m) {
        engine->ended[engine->n_ended++ % PS_ENGINE_ENDED] =
            *ps_measure_flow(m);
        engine->last_ended = ps_mono_ns();
        engine->stats.hop_overflow += ps_measure_overflow(m);
    }
    if ((m && ps_path_set_hops(run->path, m) < 0) ||
        ps_path_end(run->path, ps_now_ns(), failed ? run->failure : NULL) < 0)
        run->path->state = PS__PATH__STATE__failed;
    engine->config.changed(engine->config.arg, run->path);
    run_free(&run);
}

static bool is_over(const struct ps_run *run)
{
    return run->failure[0] || (run->measure && ps_measure_done(run->measure));
}

static void end_finished(struct ps_engine *engine)
{
    size_t kept = 0, n = engine->n_runs;
    struct ps_run *over[PS_ENGINE_MAX_RUNNING + PS_ENGINE_MAX_QUEUED];
    size_t n_over = 0;

    for (size_t i = 0; i < n; i++) {
        if (is_over(engine->runs[i]))
            over[n_over++] = engine->runs[i];
        else
            engine->runs[kept++] = engine->runs[i];
    }
    engine->n_runs = kept;
    /* Off the list first: changed() may look at it. */
    for (size_t i = 0; i < n_over; i++)
        end(engine, over[i]);
}

static void begin_waiting(struct ps_engine *engine, uint64_t now)
{
    size_t running = 0;

    for (size_t i = 0; i < engine->n_runs; i++)
        running += engine->runs[i]->measure != NULL;
    for (size_t i = 0; i < engine->n_runs; i++) {
        struct ps_run *run = engine->runs[i];

        if (running >= engine->config.max_running)
            return;
        if (run->measure || run->failure[0])
            continue;
        begin(engine, run, now);
        running += run->measure != NULL;
    }
}

/* ---- the timer ---------------------------------------------------------- */

static uint64_t wakeup(const struct ps_engine *engine, uint64_t now)
{
    uint64_t when = UINT64_MAX;

    for (size_t i = 0; i < engine->n_runs; i++) {
        const struct ps_run *run = engine->runs[i];
        uint64_t own = run->measure ? ps_measure_wakeup(run->measure) : now;

        /* What is due and not sent waits for the pacer, or for a place. */
        if (run->measure && own <= now)
            own = engine->pacer.next;
        if (run->measure || run->failure[0])
            when = own < when ? own : when;
    }
    if (!engine->n_runs && engine->n_ended)
        when = engine->last_ended + LINGER_NS;
    return when;
}

static void schedule(struct ps_engine *engine, uint64_t now)
{
    uint64_t when = wakeup(engine, now);
    uint64_t wait = when > now ? when - now : 0;
    struct timeval tv = {
        .tv_sec = (time_t)(wait / PS_NS_PER_S),
        .tv_usec = (suseconds_t)(wait % PS_NS_PER_S / 1000),
    };

    if (when == UINT64_MAX)
        evtimer_del(engine->timer);
    else
        evtimer_add(engine->timer, &tv);
}

static void work(struct ps_engine *engine)
{
    bool all = ps_engine_receive(engine);
    uint64_t now = ps_mono_ns();

    begin_waiting(engine, now);
    ps_engine_send(engine, now);
    for (size_t i = 0; i < engine->n_runs; i++) {
        if (engine->runs[i]->measure)
            ps_measure_expire(engine->runs[i]->measure,
                              all ? now : now - FLOOD_NS);
    }
    end_finished(engine);
    begin_waiting(engine, now);
    now = ps_mono_ns();
    if (!engine->n_runs && now - engine->last_ended >= LINGER_NS) {
        listen_all(engine, false);
        engine->n_ended = 0;
        memset(engine->ended, 0, sizeof(engine->ended));
    }
    schedule(engine, now);
}

static void on_event(evutil_socket_t fd _unused_, short what _unused_,
                     void *arg)
{
    work(arg);
}

/* ---- the interface ------------------------------------------------------ */

static int watch(struct ps_engine *engine, struct event_base *base)
{
    engine->timer = evtimer_new(base, on_event, engine);
    if (!engine->timer)
        return -ENOMEM;
    for (size_t i = 0; i < ARRAY_SIZE(engine->readable); i++) {
        int fd = engine->config.sockets[i]->fd;

        if (fd < 0)
            continue;
        engine->readable[i] =
            event_new(base, fd, EV_READ | EV_PERSIST, on_event, engine);
        if (!engine->readable[i] || event_add(engine->readable[i], NULL) < 0)
            return -ENOMEM;
    }
    return 0;
}

int ps_engine_new(struct event_base *base,
                  const struct ps_engine_config *config,
                  struct ps_engine **ret_engine)
{
    _cleanup_(ps_engine_free) struct ps_engine *engine =
        calloc(1, sizeof(*engine));

    if (!engine)
        return -ENOMEM;
    engine->config = *config;
    ps_pacer_init(&engine->pacer, config->rate);
    engine->runs = calloc(config->max_running + config->max_queued,
                          sizeof(struct ps_run *));
    if (!engine->runs || watch(engine, base) < 0)
        return -ENOMEM;
    *ret_engine = TAKE_PTR(engine);
    return 0;
}

void ps_engine_free(struct ps_engine **engine)
{
    if (!*engine)
        return;
    for (size_t i = 0; i < (*engine)->n_runs; i++)
        run_free(&(*engine)->runs[i]);
    for (size_t i = 0; i < ARRAY_SIZE((*engine)->readable); i++) {
        if ((*engine)->readable[i])
            event_free((*engine)->readable[i]);
    }
    if ((*engine)->timer)
        event_free((*engine)->timer);
    free((*engine)->runs);
    free(*engine);
    *engine = NULL;
}

int ps_engine_start(struct ps_engine *engine,
                    const struct ps_engine_request *request,
                    Ps__Path **ret_path)
{
    _cleanup_(run_free) struct ps_run *run = NULL;
    uint64_t random;
    char id[24];

    if (engine->n_runs >=
        engine->config.max_running + engine->config.max_queued) {
        engine->stats.refused++;
        return -EAGAIN;
    }
    run = calloc(1, sizeof(*run));
    if (!run || !random_bytes(&random, sizeof(random)))
        return -ENOMEM;
    run->request = *request;
    snprintf(id, sizeof(id), "p%016llx", (unsigned long long)random);
    run->path = ps_path_message(id, &request->target, request->probes,
                                request->max_hops, ps_now_ns());
    if (!run->path)
        return -ENOMEM;
    *ret_path = ps_path_copy(run->path);
    if (!*ret_path)
        return -ENOMEM;
    engine->config.changed(engine->config.arg, run->path);
    engine->runs[engine->n_runs++] = TAKE_PTR(run);
    engine->stats.paths++;
    event_active(engine->timer, EV_TIMEOUT, 0);
    return 0;
}

int ps_engine_get(struct ps_engine *engine, const char *id, Ps__Path **ret_path)
{
    for (size_t i = 0; i < engine->n_runs; i++) {
        struct ps_run *run = engine->runs[i];

        if (strcmp(run->path->id, id) != 0)
            continue;
        if (run->measure && ps_path_set_hops(run->path, run->measure) < 0)
            return -ENOMEM;
        *ret_path = ps_path_copy(run->path);
        return *ret_path ? 0 : -ENOMEM;
    }
    return -ENOENT;
}

void ps_engine_abort(struct ps_engine *engine, const char *failure)
{
    for (size_t i = 0; i < engine->n_runs; i++)
        snprintf(engine->runs[i]->failure, sizeof(engine->runs[i]->failure),
                 "%s", failure);
    end_finished(engine);
}

void ps_engine_stats(const struct ps_engine *engine,
                     struct ps_engine_stats *ret_stats)
{
    struct ps_engine_stats stats = engine->stats;

    for (size_t i = 0; i < engine->n_runs; i++) {
        stats.running += engine->runs[i]->measure != NULL;
        stats.queued += engine->runs[i]->measure == NULL;
    }
    for (size_t i = 0; i < ARRAY_SIZE(engine->config.sockets); i++)
        stats.queue_overflow += engine->config.sockets[i]->overflow;
    *ret_stats = stats;
}
