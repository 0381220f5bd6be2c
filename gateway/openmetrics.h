/* SPDX-License-Identifier: MIT */
/* Metrics as OpenMetrics 1.0 text. Pure. */
#ifndef PS_GATEWAY_OPENMETRICS_H
#define PS_GATEWAY_OPENMETRICS_H

#include <event2/buffer.h>

#include "common/types.h"

/* The metrics of one part; borrowed. */
struct ps_om_source {
    const char *service, *instance;
    Ps__Metric *const *metrics;
    size_t n;
};

/*
 * Writes all families, each once, with the labels service and instance added,
 * and the closing "# EOF". Metrics whose name is not one are left out. -ENOMEM.
 */
int ps_om_write(const struct ps_om_source *sources, size_t n,
                struct evbuffer *out);

#endif
