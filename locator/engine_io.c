/* SPDX-License-Identifier: MIT */
#include "locator/engine_internal.h"

/* Datagrams read before the loop goes on with something else. */
#define MAX_READS 256

static const struct {
    int error;
    const char *text;
} failures[] = {
    {ENETUNREACH, "network unreachable: this host has no route to the target"},
    {EADDRNOTAVAIL,
     "network unreachable: this host has no address for that family"},
    {EHOSTUNREACH, "host unreachable: this host cannot reach the target"},
    {ENETDOWN, "network down: the interface to the target is down"},
    {EACCES, "permission denied: a broadcast address, or a forbidden route"},
    {EPERM, "not permitted: a firewall of this host drops the probes"},
    {EINVAL, "invalid: this host cannot send to the target (a blackhole "
             "route, or an address that needs an interface)"},
};

void ps_engine_describe(int error, char *ret_text, size_t size)
{
    for (size_t i = 0; i < ARRAY_SIZE(failures); i++) {
        if (failures[i].error == error) {
            snprintf(ret_text, size, "%s", failures[i].text);
            return;
        }
    }
    snprintf(ret_text, size, "cannot send: %s", strerror(error));
}

static struct ps_run *find_run(struct ps_engine *engine, unsigned int family,
                               uint16_t id)
{
    for (size_t i = 0; i < engine->n_runs; i++) {
        struct ps_run *run = engine->runs[i];
        const struct ps_icmp_flow *flow;

        if (!run->measure)
            continue;
        flow = ps_measure_flow(run->measure);
        if (flow->id == id && flow->target.family == family)
            return run;
    }
    return NULL;
}

static bool answers_ended(const struct ps_engine *engine,
                          const struct ps_icmp_answer *answer)
{
    for (size_t i = 0; i < PS_ENGINE_ENDED; i++) {
        if (engine->ended[i].target.family &&
            ps_icmp_answers(&engine->ended[i], answer))
            return true;
    }
    return false;
}

static void take_answer(struct ps_engine *engine, unsigned int family,
                        const struct ps_probe_datagram *datagram)
{
    struct ps_engine_stats *stats = &engine->stats;
    uint64_t *counters[] = {
        [PS_MEASURE_MATCHED] = &stats->received,
        [PS_MEASURE_DUPLICATE] = &stats->duplicate,
        [PS_MEASURE_LATE] = &stats->late,
        [PS_MEASURE_UNMATCHED] = &stats->unmatched,
    };
    struct ps_icmp_answer answer;
    struct ps_run *run;
    int r;

    r = ps_icmp_parse(family, datagram->bytes, datagram->len, &answer);
    stats->malformed += r == -EBADMSG;
    if (r < 0)
        return;
    run = find_run(engine, family, answer.id);
    if (run)
        ++*counters[ps_measure_answer(run->measure, &answer, &datagram->from,
                                      datagram->rx_real, ps_mono_ns())];
    else
        stats->late += answers_ended(engine, &answer);
}

static void take_sent_times(struct ps_engine *engine,
                            struct ps_probe_socket *sock)
{
    struct ps_probe_id id;
    struct ps_run *run;
    uint64_t real;

    for (size_t i = 0; i < MAX_READS; i++) {
        if (ps_probe_sent_time(sock, &id, &real) < 0)
            return;
        run = real ? find_run(engine, sock->family, id.id) : NULL;
        if (run)
            ps_measure_stamp(run->measure, id.seq, real, ps_now_ns());
    }
}

static bool receive(struct ps_engine *engine, struct ps_probe_socket *sock)
{
    struct ps_probe_datagram datagram;

    if (sock->fd < 0)
        return true;
    take_sent_times(engine, sock);
    for (size_t i = 0; i < MAX_READS; i++) {
        if (ps_probe_receive(sock, &datagram) < 0)
            return true;
        take_answer(engine, sock->family, &datagram);
    }
    return false;
}

bool ps_engine_receive(struct ps_engine *engine)
{
    bool all = true;

    for (size_t i = 0; i < ARRAY_SIZE(engine->config.sockets); i++)
        all &= receive(engine, engine->config.sockets[i]);
    return all;
}

/* ---- sending ------------------------------------------------------------ */

static void send_one(struct ps_engine *engine, struct ps_run *run,
                     const struct ps_measure_probe *probe)
{
    const struct ps_icmp_flow *flow = ps_measure_flow(run->measure);
    struct ps_probe_socket *sock =
        engine->config.sockets[flow->target.family == 6];
    uint64_t mono, real;
    int r;

    engine->stats.held_back += probe->delayed;
    mono = ps_mono_ns();
    real = ps_now_ns();
    r = ps_probe_send(sock, flow, probe->seq, probe->ttl);
    if (r == 0) {
        ps_measure_sent(run->measure, mono, real);
        engine->stats.sent++;
        take_sent_times(engine, sock);
        return;
    }
    engine->stats.send_errors++;
    ps_measure_failed(run->measure, -r);
    /* A full queue passes; that the very first cannot go does not. */
    if (r != -ENOBUFS && r != -EAGAIN && r != -ENOMEM &&
        !ps_measure_total_sent(run->measure))
        ps_engine_describe(-r, run->failure, sizeof(run->failure));
}

/* The next run, in turn, that has a probe to send. */
static struct ps_run *next_run(struct ps_engine *engine, uint64_t now,
                               struct ps_measure_probe *ret_probe)
{
    for (size_t i = 0; i < engine->n_runs; i++) {
        size_t at = (engine->next_run + i) % engine->n_runs;
        struct ps_run *run = engine->runs[at];

        if (run->measure && !run->failure[0] &&
            ps_measure_next(run->measure, now, ret_probe)) {
            engine->next_run = at + 1;
            return run;
        }
    }
    return NULL;
}

void ps_engine_send(struct ps_engine *engine, uint64_t now)
{
    struct ps_measure_probe probe;
    struct ps_run *run;

    while ((run = next_run(engine, now, &probe))) {
        if (!ps_pacer_take(&engine->pacer, now)) {
            engine->next_run--;
            return;
        }
        send_one(engine, run, &probe);
    }
}
