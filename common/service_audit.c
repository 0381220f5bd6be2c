/* SPDX-License-Identifier: MIT */
/* The audit log of a daemon: opened once it runs, asked by service.list_audit,
 * its entries published on topic "audit". */
#include "common/service_internal.h"

static void publish(void *arg, const Ps__AuditEntry *entry)
{
    ps_publish(arg, "audit", &entry->base, false);
}

int ps_service_audit_open(struct ps_daemon *d)
{
    const struct ps_common_config *config = ps_daemon_common(d);
    _cleanup_free_ char *error = NULL;
    const char *name = d->service->name;
    int r;

    r = ps_audit_open(config->state_dir,
                      d->service->audit_shared ? name : d->place, name,
                      d->instance, config->audit_size, &d->audit, &error);
    if (r < 0)
        ps_error("audit_failed", "error=" PS_Q " hint=" PS_Q,
                 error ? error : strerror(-r),
                 "changes are refused until it can be written");
    else
        ps_audit_watch(d->audit, publish, d);
    ps_capability(d, "audit", r == 0, NULL, r < 0 ? error : NULL,
                  "all changes: without a record of them they are refused");
    if (ps_bus_audit(d->bus, d->audit) < 0)
        ps_warning("audit_repeats_unknown", "hint=" PS_Q,
                   "a change that comes again by its key may be made twice");
    /* To measure, and to enforce what stands, needs no log. */
    return r == -ENOMEM ? r : 0;
}

void ps_service_audit_sample(struct ps_daemon *d)
{
    const struct ps_audit_stats *stats;

    if (!d->audit)
        return;
    stats = ps_audit_stats(d->audit);
    ps_loss(d, "audit_evicted", "entries", stats->evicted);
    ps_loss(d, "audit_failed", "entries", stats->failed);
}

struct ps_audit *ps_daemon_audit(struct ps_daemon *d)
{
    return d->audit;
}

static void list_audit(void *arg, const ProtobufCMessage *msg,
                       struct ps_call *call)
{
    const Ps__ListAuditRequest *req = (const Ps__ListAuditRequest *)msg;
    struct ps_daemon *d = arg;
    Ps__AuditList *list = NULL;
    uint32_t limit;
    int r;

    if (ps_list_limit(call, req->has_limit, req->limit, &limit) < 0)
        return;
    r = d->audit ? ps_audit_list(d->audit, req, limit, &list) : -ENODEV;
    if (r == -EINVAL)
        ps_call_fail(call, "request.cursor", 400, "cursor",
                     "This cursor was not given by this list; leave it out "
                     "to start from the first entry.");
    else if (r < 0)
        ps_call_fail(call, "audit.not_readable", 503, NULL,
                     "The audit log of the %s cannot be read (%s); see its "
                     "log for why.",
                     d->service->name, strerror(-r));
    else
        ps_call_reply(call, &list->base);
    if (list)
        ps__audit_list__free_unpacked(list, NULL);
}

const struct ps_method ps_service_audit_methods[] = {
    {.name = "service.list_audit",
     .request = &ps__list_audit_request__descriptor,
     .reply = &ps__audit_list__descriptor,
     .handle = list_audit},
    {0},
};
