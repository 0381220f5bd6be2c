/* SPDX-License-Identifier: MIT */
#include "gateway/certificate.h"

#include "gateway/gateway.h"
#include "gateway/tls.h"

static bool has_expired(const struct ps_gateway *gateway)
{
    return ps_tls_expires(gateway->tls) <= (int64_t)(ps_now_ns() / PS_NS_PER_S);
}

int ps_certificate_open(struct ps_gateway *gateway)
{
    const char *cert = gateway->config->http_tls_cert;
    const char *key = gateway->config->http_tls_key;
    _cleanup_free_ char *error = NULL;
    int r;

    if (!cert && !key)
        return 0;
    if (!cert || !key) {
        ps_error("tls_incomplete", "hint=" PS_Q,
                 "TLS needs both --http-tls-cert FILE and --http-tls-key "
                 "FILE");
        return -EINVAL;
    }
    r = ps_tls_new(cert, key, &gateway->tls, &error);
    if (r < 0)
        ps_error("tls_failed", "error=" PS_Q, error ? error : strerror(-r));
    else if (has_expired(gateway))
        ps_warning("tls_expired", "certificate=" PS_Q " hint=" PS_Q, cert,
                   "clients will refuse it: put a new one there and send "
                   "SIGHUP");
    return r;
}

void ps_certificate_start(struct ps_gateway *gateway)
{
    _cleanup_free_ char *error = NULL;
    int r;

    if (!gateway->tls)
        return;
    gateway->secure = true;
    ps_http_set_tls(gateway->http, gateway->tls);
    r = ps_tls_readable(gateway->tls, &error);
    ps_capability(gateway->daemon, "gateway.tls_reload", r == 0, NULL,
                  r < 0 ? error : NULL,
                  "a new certificate only by restarting the gateway");
}

void ps_certificate_reload(struct ps_gateway *gateway)
{
    _cleanup_free_ char *error = NULL;
    struct ps_event_param params[] = {
        {"certificate", NULL}, {"reason", NULL}, {NULL, NULL}};
    int r;

    if (!gateway->tls)
        return;
    r = ps_tls_reload(gateway->tls, &error);
    params[0].value = gateway->config->http_tls_cert;
    if (r < 0) {
        params[1].value = error ? error : strerror(-r);
        ps_event(gateway->daemon, PS__EVENT__SEVERITY__warning,
                 "gateway.tls_refused", params,
                 "The new certificate is not used, the old one stays: %s",
                 params[1].value);
        return;
    }
    params[1].name = NULL;
    ps_event(gateway->daemon, PS__EVENT__SEVERITY__info, "gateway.tls_reloaded",
             params, "The certificate of %s is in force", params[0].value);
}

void ps_certificate_sample(struct ps_gateway *gateway)
{
    if (gateway->tls)
        ps_metric(gateway->daemon, PS__METRIC__KIND__gauge,
                  "gateway_certificate_expires_seconds",
                  "Unix time at which the certificate in force expires.", NULL,
                  NULL, (double)ps_tls_expires(gateway->tls));
}
