/* SPDX-License-Identifier: MIT */
/* Start and end of what decides who may come in. */
#ifndef PS_GATEWAY_ACCESS_H
#define PS_GATEWAY_ACCESS_H

#include "gateway/gateway.h"

/* Privileged: the file admin.token, and what the options say. Logs. */
int ps_access_open(struct ps_gateway *gateway);
/* Unprivileged: gateway.db, so that all its files are the user's. Logs. */
int ps_access_start(struct ps_gateway *gateway);
void ps_access_stop(struct ps_gateway *gateway);
void ps_access_close(struct ps_gateway *gateway);
/* Losses and metrics. */
void ps_access_sample(struct ps_daemon *d, const struct ps_gateway *gateway);

#endif
