/* SPDX-License-Identifier: MIT */
#include "common/bus_internal.h"

#include <sys/eventfd.h>

#define MAX_PEM ((size_t)64 * 1024)

/* ---- operations --------------------------------------------------------- */

void ps_op_post(struct ps_op *op)
{
    struct ps_bus *bus = op->bus;
    const uint64_t one = 1;
    ssize_t written;

    pthread_mutex_lock(&bus->lock);
    if (!op->queued) {
        op->queued = true;
        TAILQ_INSERT_TAIL(&bus->done, op, link);
    }
    pthread_mutex_unlock(&bus->lock);
    /* EAGAIN: the counter is full, so the loop is awake anyway. */
    written = write(bus->wake_fd, &one, sizeof(one));
    (void)written;
}

static void op_done(void *arg)
{
    ps_op_post(arg);
}

int ps_op_init(struct ps_op *op, struct ps_bus *bus,
               void (*finish)(struct ps_op *op), bool with_aio)
{
    op->bus = bus;
    op->finish = finish;
    op->queued = false;
    op->aio = NULL;
    if (!with_aio)
        return 0;
    return ps_bus_errno(nng_aio_alloc(&op->aio, op_done, op));
}

void ps_op_clear(struct ps_op *op)
{
    if (!op->bus)
        return;
    if (op->aio) {
        nng_aio_stop(op->aio);
        nng_aio_free(op->aio);
        op->aio = NULL;
    }
    pthread_mutex_lock(&op->bus->lock);
    if (op->queued) {
        TAILQ_REMOVE(&op->bus->done, op, link);
        op->queued = false;
    }
    pthread_mutex_unlock(&op->bus->lock);
    op->bus = NULL;
}

/* Takes the first finished operation off the list; NULL: none. */
static struct ps_op *take_done(struct ps_bus *bus)
{
    struct ps_op *op;

    pthread_mutex_lock(&bus->lock);
    op = TAILQ_FIRST(&bus->done);
    if (op) {
        TAILQ_REMOVE(&bus->done, op, link);
        op->queued = false;
    }
    pthread_mutex_unlock(&bus->lock);
    return op;
}

static void on_wake(evutil_socket_t fd, short what _unused_, void *arg)
{
    struct ps_bus *bus = arg;
    uint64_t count;
    ssize_t got;

    got = read(fd, &count, sizeof(count));
    (void)got;
    /* Bounded, so that a flood of messages does not starve other events. */
    for (int i = 0; i < 256; i++) {
        struct ps_op *op = take_done(bus);

        if (!op)
            return;
        op->finish(op);
    }
    event_active(bus->wake_event, EV_READ, 0);
}

const struct ps_bus_stats *ps_bus_stats(const struct ps_bus *bus)
{
    return &bus->stats;
}

/* ---- envelopes ---------------------------------------------------------- */

void ps_envelope_init(const struct ps_bus *bus, Ps__Envelope *ret_env)
{
    ps__envelope__init(ret_env);
    ret_env->publisher = (char *)(uintptr_t)bus->id.publisher;
    ret_env->instance = (char *)(uintptr_t)bus->id.instance;
    ret_env->epoch = bus->id.epoch;
    ret_env->time_ns = ps_now_ns();
    ret_env->schema = PS_SCHEMA;
}

int ps_envelope_to_msg(const Ps__Envelope *env, const char *prefix,
                       nng_msg **ret_msg)
{
    size_t prefix_len = prefix ? strlen(prefix) + 1 : 0;
    size_t len = ps__envelope__get_packed_size(env);
    nng_msg *msg;
    int rc;

    if (len > PS_BUS_MAX_MESSAGE)
        return -EMSGSIZE;
    rc = nng_msg_alloc(&msg, prefix_len + len);
    if (rc)
        return ps_bus_errno(rc);
    if (prefix)
        memcpy(nng_msg_body(msg), prefix, prefix_len);
    ps__envelope__pack(env, (uint8_t *)nng_msg_body(msg) + prefix_len);
    *ret_msg = msg;
    return 0;
}

/* ---- life --------------------------------------------------------------- */

static int read_pem(const char *path, char **ret_text)
{
    _cleanup_fclose_ FILE *f = NULL;
    _cleanup_free_ char *text = NULL;
    size_t n;

    if (!path || !*path)
        return 0;
    f = fopen(path, "re");
    if (!f)
        return -errno;
    text = calloc(1, MAX_PEM + 1);
    if (!text)
        return -ENOMEM;
    n = fread(text, 1, MAX_PEM, f);
    if (ferror(f))
        return -EIO;
    if (n == 0 || n == MAX_PEM)
        return -EBADMSG;
    *ret_text = TAKE_PTR(text);
    return 0;
}

static int read_tls(struct ps_bus *bus, const struct ps_bus_tls *tls)
{
    int r;

    if (!tls)
        return 0;
    r = read_pem(tls->ca_file, &bus->tls_ca);
    if (r == 0)
        r = read_pem(tls->cert_file, &bus->tls_cert);
    if (r == 0)
        r = read_pem(tls->key_file, &bus->tls_key);
    return r;
}

int ps_bus_new(struct event_base *base, const struct ps_bus_identity *id,
               const struct ps_bus_tls *tls, struct ps_bus **ret_bus)
{
    struct ps_bus *bus;
    int r;

    bus = calloc(1, sizeof(*bus));
    if (!bus)
        return -ENOMEM;
    bus->base = base;
    bus->id = *id;
    bus->wake_fd = -1;
    bus->pub_queue = PS_BUS_PUB_QUEUE;
    TAILQ_INIT(&bus->done);
    LIST_INIT(&bus->clients);
    LIST_INIT(&bus->subs);
    LIST_INIT(&bus->dialers);
    pthread_mutex_init(&bus->lock, NULL);

    r = read_tls(bus, tls);
    if (r < 0)
        goto fail;
    r = ps_idem_new(&bus->idem);
    if (r < 0)
        goto fail;
    bus->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (bus->wake_fd < 0) {
        r = -errno;
        goto fail;
    }
    bus->wake_event =
        event_new(base, bus->wake_fd, EV_READ | EV_PERSIST, on_wake, bus);
    if (!bus->wake_event || event_add(bus->wake_event, NULL) < 0) {
        r = -ENOMEM;
        goto fail;
    }
    *ret_bus = bus;
    return 0;
fail:
    ps_bus_free(&bus);
    return r;
}

void ps_bus_free(struct ps_bus **busp)
{
    struct ps_bus *bus = *busp;

    *busp = NULL;
    if (!bus)
        return;
    while (!LIST_EMPTY(&bus->subs)) {
        struct ps_sub *sub = LIST_FIRST(&bus->subs);

        ps_sub_free(&sub);
    }
    while (!LIST_EMPTY(&bus->clients)) {
        struct ps_client *client = LIST_FIRST(&bus->clients);

        ps_client_free(&client);
    }
    ps_bus_watch_free(bus);
    ps_bus_rep_free(bus);
    ps_bus_pub_free(bus);
    ps_idem_free(&bus->idem);
    if (bus->wake_event)
        event_free(bus->wake_event);
    if (bus->wake_fd >= 0)
        close(bus->wake_fd);
    pthread_mutex_destroy(&bus->lock);
    free(bus->tls_ca);
    free(bus->tls_cert);
    free(bus->tls_key);
    free(bus);
}
