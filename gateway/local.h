/* SPDX-License-Identifier: MIT */
/* Routes that the gateway answers by itself; see ps_local_fn. */
#ifndef PS_GATEWAY_LOCAL_H
#define PS_GATEWAY_LOCAL_H

#include "gateway/routes.h"

#define PS_LOCAL(name)                                                 \
    void name(struct ps_gateway *gateway, struct ps_http_request *req, \
              const ProtobufCMessage *msg)

PS_LOCAL(ps_local_health);
PS_LOCAL(ps_local_ready);
PS_LOCAL(ps_local_metrics);
PS_LOCAL(ps_local_openapi);
PS_LOCAL(ps_local_session);
PS_LOCAL(ps_local_login);
PS_LOCAL(ps_local_logout);
PS_LOCAL(ps_local_tokens);
PS_LOCAL(ps_local_create_token);
PS_LOCAL(ps_local_delete_token);
PS_LOCAL(ps_local_services);
PS_LOCAL(ps_local_events);
PS_LOCAL(ps_local_host);
PS_LOCAL(ps_local_audit);
PS_LOCAL(ps_local_export);

#endif
