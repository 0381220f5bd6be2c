/* SPDX-License-Identifier: MIT */
#include "locator/convert.h"

static void hop_free(Ps__Hop **hop)
{
    if (*hop)
        ps__hop__free_unpacked(*hop, NULL);
}

static void path_free(Ps__Path **path)
{
    if (*path)
        ps__path__free_unpacked(*path, NULL);
}

Ps__Path *ps_path_message(const char *id, const struct ps_addr *target,
                          uint32_t probes, uint32_t max_hops, uint64_t started)
{
    _cleanup_(path_free) Ps__Path *path = malloc(sizeof(*path));

    if (!path)
        return NULL;
    ps__path__init(path);
    path->state = PS__PATH__STATE__running;
    path->id = strdup(id);
    path->target = ps_addr_to_pb(target);
    path->started = ps_time_to_pb(started);
    path->has_probes = true;
    path->probes = probes;
    path->has_max_hops = true;
    path->max_hops = max_hops;
    if (!path->id || !path->target || !path->started)
        return NULL;
    return TAKE_PTR(path);
}

Ps__Path *ps_path_copy(const Ps__Path *path)
{
    size_t size = ps__path__get_packed_size(path);
    _cleanup_free_ uint8_t *bytes = malloc(size);

    if (!bytes)
        return NULL;
    ps__path__pack(path, bytes);
    return ps__path__unpack(NULL, size, bytes);
}

static int add_address(Ps__Hop *hop, const struct ps_measure_address *from)
{
    Ps__HopAddress *address = malloc(sizeof(*address));

    if (!address)
        return -ENOMEM;
    ps__hop_address__init(address);
    hop->addresses[hop->n_addresses++] = address;
    address->received = from->received;
    address->ip = ps_addr_to_pb(&from->ip);
    return address->ip ? 0 : -ENOMEM;
}

static int fill_hop(Ps__Hop *hop, uint32_t ttl,
                    const struct ps_measure_hop *from)
{
    uint32_t settled = from->received + from->expired;

    hop->ttl = ttl;
    hop->sent = from->sent;
    hop->received = from->received;
    hop->has_loss_ratio = settled != 0;
    if (settled)
        hop->loss_ratio = (double)from->expired / settled;
    hop->has_rtt_min_ns = hop->has_rtt_avg_ns = hop->has_rtt_p50_ns =
        hop->has_rtt_max_ns = hop->has_rtt_stddev_ns = from->received != 0;
    hop->rtt_min_ns = from->min_ns;
    hop->rtt_avg_ns = from->avg_ns;
    hop->rtt_p50_ns = from->p50_ns;
    hop->rtt_max_ns = from->max_ns;
    hop->rtt_stddev_ns = from->stddev_ns;
    if (from->unreachable) {
        hop->unreachable = strdup(from->unreachable);
        if (!hop->unreachable)
            return -ENOMEM;
    }
    if (!from->n_addresses)
        return 0;
    hop->addresses = calloc(from->n_addresses, sizeof(hop->addresses[0]));
    if (!hop->addresses)
        return -ENOMEM;
    for (uint32_t i = 0; i < from->n_addresses; i++) {
        if (add_address(hop, &from->addresses[i]) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int make_hop(const struct ps_measure *m, uint32_t ttl, Ps__Hop **ret_hop)
{
    _cleanup_(hop_free) Ps__Hop *hop = malloc(sizeof(*hop));
    struct ps_measure_hop figures;

    if (!hop)
        return -ENOMEM;
    ps__hop__init(hop);
    ps_measure_hop(m, ttl, &figures);
    if (fill_hop(hop, ttl, &figures) < 0)
        return -ENOMEM;
    *ret_hop = TAKE_PTR(hop);
    return 0;
}

static void drop_hops(Ps__Path *path)
{
    for (size_t i = 0; i < path->n_hops; i++)
        ps__hop__free_unpacked(path->hops[i], NULL);
    free(path->hops);
    path->hops = NULL;
    path->n_hops = 0;
}

int ps_path_set_hops(Ps__Path *path, const struct ps_measure *m)
{
    uint32_t n = ps_measure_hops(m);

    drop_hops(path);
    path->has_reached = true;
    path->reached = ps_measure_reached(m);
    if (!n)
        return 0;
    path->hops = calloc(n, sizeof(path->hops[0]));
    if (!path->hops)
        return -ENOMEM;
    for (uint32_t ttl = 1; ttl <= n; ttl++) {
        if (make_hop(m, ttl, &path->hops[ttl - 1]) < 0)
            return -ENOMEM;
        path->n_hops++;
    }
    return 0;
}

int ps_path_end(Ps__Path *path, uint64_t ended, const char *failure)
{
    path->state = failure ? PS__PATH__STATE__failed : PS__PATH__STATE__done;
    if (!path->ended)
        path->ended = ps_time_to_pb(ended);
    if (failure && !path->failure)
        path->failure = strdup(failure);
    return path->ended && (!failure || path->failure) ? 0 : -ENOMEM;
}
