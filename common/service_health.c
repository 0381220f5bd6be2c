/* SPDX-License-Identifier: MIT */
/*
 * --healthcheck: asks the one of this name that runs here how it is.
 *
 * Replicas share a run directory, each in a container of its own: ours is the
 * one whose socket's owner is in our pid namespace.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include "common/service_internal.h"

#define TIMEOUT_NS (3 * PS_NS_PER_S)
#define GREETING   8 /* bytes that NNG sends to whoever connects */

struct health {
    struct event_base *base;
    bool well;
};

/* NNG 1.5 stops to accept when its greeting finds the peer gone, so it is
 * taken. */
static bool is_ours(const char *path)
{
    const struct timeval patience = {.tv_sec = 2};
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct ucred peer = {0};
    socklen_t len = sizeof(peer);
    char greeting[GREETING];

    if (fd < 0 || strlen(path) >= sizeof(addr.sun_path))
        return false;
    memcpy(addr.sun_path, path, strlen(path));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
           recv(fd, greeting, sizeof(greeting), MSG_WAITALL) > 0 &&
           getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           peer.pid > 0;
}

static void on_status(void *arg, int result, const ProtobufCMessage *reply,
                      const Ps__Error *error)
{
    const Ps__ServiceStatus *status = (const Ps__ServiceStatus *)reply;
    struct health *health = arg;

    event_base_loopbreak(health->base);
    if (result < 0) {
        printf("%s\n", error ? error->detail : strerror(-result));
        return;
    }
    /* A degraded one works; to start it again would not help it. */
    health->well = status->state == PS__SERVICE_STATUS__STATE__ready ||
                   status->state == PS__SERVICE_STATUS__STATE__degraded ||
                   status->state == PS__SERVICE_STATUS__STATE__standby;
    printf("%s%s%s\n",
           protobuf_c_enum_descriptor_get_value(
               &ps__service_status__state__descriptor, (int)status->state)
               ->name,
           status->reason ? ": " : "", status->reason ? status->reason : "");
}

static bool is_well(struct ps_daemon *d, const char *url)
{
    struct health health = {.base = d->base};
    struct ps_client *client = NULL;
    const Ps__Empty nothing = PS__EMPTY__INIT;
    const struct ps_ask ask = {
        .method = "service.status",
        .request = &nothing.base,
        .reply = &ps__service_status__descriptor,
        .timeout_ns = TIMEOUT_NS,
    };

    if (ps_client_new(d->bus, url, &client) < 0)
        return false;
    if (ps_client_call(client, &ask, on_status, &health) == 0)
        event_base_dispatch(d->base);
    ps_client_free(&client);
    return health.well;
}

/* All that run here must be well, and one must be there. */
static bool places_are_well(struct ps_daemon *d)
{
    size_t n = 0, n_well = 0;

    for (unsigned int slot = 1; slot <= PS_SERVICE_SLOTS; slot++) {
        _cleanup_free_ char *url = NULL;
        char name[sizeof(d->place)];

        ps_service_slot_name(d->service->name, slot, name, sizeof(name));
        if (asprintf(&url, "ipc://%s/%s.rep", ps_daemon_run_dir(d), name) < 0)
            return false;
        if (!is_ours(url + strlen("ipc://")))
            continue;
        n++;
        n_well += is_well(d, url);
    }
    if (n == 0)
        printf("there is no ps-%s in %s\n", d->service->name,
               ps_daemon_run_dir(d));
    return n > 0 && n == n_well;
}

int ps_service_healthcheck(struct ps_daemon *d)
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
    bool well;
    int r;

    d->base = event_base_new();
    if (!d->base)
        return -ENOMEM;
    r = ps_service_become_first(d);
    if (r == 0)
        r = ps_bus_new(d->base, &id, &tls, &d->bus);
    if (r < 0)
        return r;
    well = config->rep && *config->rep ? is_well(d, config->rep)
                                       : places_are_well(d);
    return well ? 0 : -EAGAIN;
}
