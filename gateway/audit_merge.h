/* SPDX-License-Identifier: MIT */
/*
 * Several audit logs as one, newest first; of one time, by the service and the
 * instance whose log it is. A cursor names a place in that order, not a number
 * of entries, so entries that come meanwhile shift no page. Pure.
 */
#ifndef PS_GATEWAY_AUDIT_MERGE_H
#define PS_GATEWAY_AUDIT_MERGE_H

#include "common/audit.h"

/* Where a page ended: after this entry. */
struct ps_audit_place {
    bool start; /* before all of them; the rest is not set */
    uint64_t time_ns, seq;
    char service[65], instance[65];
};

/* NULL or "": the start. -EINVAL: not a cursor of ours. */
int ps_audit_place_parse(const char *cursor, struct ps_audit_place *ret_place);
/* The cursor by which one log goes on there; text has PS_AUDIT_CURSOR bytes,
 * and is "" for the start. */
void ps_audit_place_of(const struct ps_audit_place *place, const char *service,
                       const char *instance, char *text);

/* What one log gave. */
struct ps_audit_source {
    const char *service, *instance; /* whose log it is */
    const Ps__AuditList *list;
};

/*
 * The first entries of all lists, at most limit (above 0). It ends where a
 * list ends that its service cut short, since what follows there is not
 * known. The entries are the lists' own. -ENOMEM.
 */
int ps_audit_merge(const struct ps_audit_source *sources, size_t n,
                   size_t limit, Ps__AuditReport **ret_report);
/* Frees what ps_audit_merge() made, not the entries. */
void ps_audit_merge_free(Ps__AuditReport **report);

#endif
