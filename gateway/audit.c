/* SPDX-License-Identifier: MIT */
#include "gateway/audit.h"

static struct ps_audit_start describe(const struct ps_http_request *req,
                                      const char *action, const char *target)
{
    return (struct ps_audit_start){
        .time_ns = ps_now_ns(),
        .actor = req->who ? req->who->name : NULL,
        .client = req->client,
        .action = action,
        .target = target,
    };
}

bool ps_gateway_audit_begin(struct ps_gateway *gateway,
                            struct ps_http_request *req, const char *action,
                            const char *target, uint64_t *ret_seq)
{
    struct ps_audit *audit = ps_daemon_audit(gateway->daemon);
    const struct ps_audit_start start = describe(req, action, target);
    int r = audit ? ps_audit_begin(audit, &start, ret_seq) : -ENODEV;

    if (r == 0)
        return true;
    ps_problem_fail(req, r == -ENOSPC ? 507 : 503, "audit.not_writable", NULL,
                    "The audit log cannot be written (%s), so nothing was "
                    "changed. Make room on the disk, or see the gateway's log "
                    "for why, and try again.",
                    strerror(-r));
    return false;
}

int ps_gateway_audit_end(struct ps_gateway *gateway, uint64_t seq,
                         const struct ps_audit_end *end)
{
    return ps_audit_end(ps_daemon_audit(gateway->daemon), seq, end);
}

void ps_gateway_audit_note(struct ps_gateway *gateway,
                           const struct ps_http_request *req,
                           const char *action, const char *target)
{
    struct ps_audit *audit = ps_daemon_audit(gateway->daemon);
    const struct ps_audit_start start = describe(req, action, target);
    const struct ps_audit_end end = {0};

    if (audit)
        (void)ps_audit_add(audit, &start, &end);
}

void ps_gateway_audit_refused(struct ps_gateway *gateway,
                              const struct ps_http_request *req,
                              const char *action, uint32_t status,
                              const char *error)
{
    struct ps_audit *audit = ps_daemon_audit(gateway->daemon);
    const struct ps_audit_start start = describe(req, action, NULL);
    const struct ps_audit_end end = {.status = status, .error = error};

    if (!audit || !ps_audit_limit_take(&gateway->audit_limit, ps_mono_ns()))
        return;
    /* A failure is counted there; the request was refused all the same. */
    (void)ps_audit_add(audit, &start, &end);
}

/* "gateway.create_token" of an operation "createToken". */
static void own_action(const char *id, char *text, size_t size)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    size_t n = (size_t)snprintf(text, size, "gateway.");

    for (; *id && n + 2 < size; id++) {
        char letter = *id;

        if (letter >= 'A' && letter <= 'Z') {
            letter = letters[letter - 'A'];
            text[n++] = '_';
        }
        text[n++] = letter;
    }
    text[n] = '\0';
}

void ps_gateway_audit_role(struct ps_gateway *gateway,
                           const struct ps_http_request *req,
                           const struct ps_route *route)
{
    char action[80];

    if (!route || route->method == PS_HTTP_GET)
        return;
    if (!route->bus_method)
        own_action(route->id, action, sizeof(action));
    ps_gateway_audit_refused(gateway, req,
                             route->bus_method ? route->bus_method : action,
                             403, "auth.role");
}

static void on_entry(void *arg, const Ps__AuditEntry *entry)
{
    struct ps_gateway *gateway = arg;

    /* Other gateways of this host are told by the bus. */
    ps_publish(gateway->daemon, "audit", &entry->base, false);
    if (gateway->sse)
        ps_sse_publish(gateway->sse, "audit", &entry->base);
}

void ps_gateway_audit_start(struct ps_gateway *gateway)
{
    struct ps_audit *audit = ps_daemon_audit(gateway->daemon);

    if (audit)
        ps_audit_watch(audit, on_entry, gateway);
}
