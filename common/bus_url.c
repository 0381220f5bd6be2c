/* SPDX-License-Identifier: MIT */
/* Listeners and dialers by URL: ipc, tcp, tls+tcp. */
#include "common/bus_internal.h"

#include <nng/supplemental/tls/tls.h>

#define RECONNECT_MIN 100 /* ms */

int ps_bus_errno(int rc)
{
    static const struct {
        int nng;
        int err;
    } map[] = {
        {0, 0},
        {NNG_EINTR, -EINTR},
        {NNG_ENOMEM, -ENOMEM},
        {NNG_EINVAL, -EINVAL},
        {NNG_EBUSY, -EBUSY},
        {NNG_ETIMEDOUT, -ETIMEDOUT},
        {NNG_ECONNREFUSED, -ECONNREFUSED},
        {NNG_ECLOSED, -ECANCELED},
        {NNG_EAGAIN, -EAGAIN},
        {NNG_ENOTSUP, -EOPNOTSUPP},
        {NNG_EADDRINUSE, -EADDRINUSE},
        {NNG_ENOENT, -ENOENT},
        {NNG_EPROTO, -EPROTO},
        {NNG_EADDRINVAL, -EINVAL},
        {NNG_EPERM, -EPERM},
        {NNG_EMSGSIZE, -EMSGSIZE},
        {NNG_ECANCELED, -ECANCELED},
        {NNG_ENOFILES, -EMFILE},
        {NNG_ENOSPC, -ENOSPC},
        {NNG_ECRYPTO, -EBADMSG},
        {NNG_EPEERAUTH, -EACCES},
    };

    for (size_t i = 0; i < ARRAY_SIZE(map); i++) {
        if (map[i].nng == rc)
            return map[i].err;
    }
    if (rc & NNG_ESYSERR)
        return -(rc & ~NNG_ESYSERR);
    return -EIO;
}

/* The host of tls+tcp://host:port, for the certificate's name. */
static char *url_host(const char *url)
{
    const char *host = strstr(url, "://");
    size_t len;

    if (!host)
        return NULL;
    host += 3;
    if (*host == '[') {
        host++;
        len = strcspn(host, "]");
    } else {
        len = strcspn(host, ":/");
    }
    return strndup(host, len);
}

static int tls_config(struct ps_bus *bus, const char *url, nng_tls_mode mode,
                      nng_tls_config **ret_config)
{
    _cleanup_free_ char *host = url_host(url);
    nng_tls_config *config;
    int rc;

    rc = nng_tls_config_alloc(&config, mode);
    if (rc)
        return ps_bus_errno(rc);
    if (bus->tls_ca) {
        rc = nng_tls_config_ca_chain(config, bus->tls_ca, NULL);
        if (rc == 0)
            rc = nng_tls_config_auth_mode(config, NNG_TLS_AUTH_MODE_REQUIRED);
    }
    if (rc == 0 && bus->tls_cert && bus->tls_key)
        rc = nng_tls_config_own_cert(config, bus->tls_cert, bus->tls_key, NULL);
    if (rc == 0 && mode == NNG_TLS_MODE_CLIENT && host)
        rc = nng_tls_config_server_name(config, host);
    if (rc) {
        nng_tls_config_free(config);
        return ps_bus_errno(rc);
    }
    *ret_config = config;
    return 0;
}

static bool is_tls(const char *url)
{
    return strncmp(url, "tls+", 4) == 0;
}

int ps_bus_listener_start(struct ps_bus *bus, nng_socket socket,
                          const char *url, nng_listener *ret_listener)
{
    nng_tls_config *config = NULL;
    nng_listener listener;
    int rc;

    rc = nng_listener_create(&listener, socket, url);
    if (rc)
        return ps_bus_errno(rc);
    if (strncmp(url, "ipc://", 6) == 0)
        rc = nng_listener_set_int(listener, NNG_OPT_IPC_PERMISSIONS, 0660);
    if (rc == 0 && is_tls(url)) {
        int r = tls_config(bus, url, NNG_TLS_MODE_SERVER, &config);

        if (r < 0) {
            nng_listener_close(listener);
            return r;
        }
        rc = nng_listener_set_ptr(listener, NNG_OPT_TLS_CONFIG, config);
        nng_tls_config_free(config);
    }
    if (rc == 0)
        rc = nng_listener_start(listener, 0);
    if (rc) {
        nng_listener_close(listener);
        return ps_bus_errno(rc);
    }
    *ret_listener = listener;
    return 0;
}

int ps_bus_dialer_start(struct ps_bus *bus, nng_socket socket, const char *url,
                        nng_dialer *ret_dialer)
{
    nng_tls_config *config = NULL;
    nng_dialer dialer;
    int rc;

    rc = nng_dialer_create(&dialer, socket, url);
    if (rc)
        return ps_bus_errno(rc);
    nng_dialer_set_ms(dialer, NNG_OPT_RECONNMINT, RECONNECT_MIN);
    nng_dialer_set_ms(dialer, NNG_OPT_RECONNMAXT, PS_BUS_RECONNECT_MAX_MS);
    if (is_tls(url)) {
        int r = tls_config(bus, url, NNG_TLS_MODE_CLIENT, &config);

        if (r < 0) {
            nng_dialer_close(dialer);
            return r;
        }
        rc = nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, config);
        nng_tls_config_free(config);
    }
    if (rc == 0)
        rc = nng_dialer_start(dialer, NNG_FLAG_NONBLOCK);
    if (rc) {
        nng_dialer_close(dialer);
        return ps_bus_errno(rc);
    }
    *ret_dialer = dialer;
    return 0;
}
