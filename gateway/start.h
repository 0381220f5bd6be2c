/* SPDX-License-Identifier: MIT */
/* What main.c's table is made of. */
#ifndef PS_GATEWAY_START_H
#define PS_GATEWAY_START_H

#include "common/service.h"

extern const struct ps_option ps_gateway_options[];

int ps_gateway_open(struct ps_daemon *d, void *config, void **ret_state);
int ps_gateway_start(struct ps_daemon *d, void *state);
void ps_gateway_reload(struct ps_daemon *d, void *state);
size_t ps_gateway_drain(struct ps_daemon *d, void *state);
void ps_gateway_stop(struct ps_daemon *d, void *state);
void ps_gateway_close(struct ps_daemon *d, void *state);

#endif
