/* SPDX-License-Identifier: MIT */
/* Measurements as messages. */
#ifndef PS_LOCATOR_CONVERT_H
#define PS_LOCATOR_CONVERT_H

#include "common/types.h"
#include "locator/measure.h"

/* A new message with what is known at the start; NULL without memory. */
Ps__Path *ps_path_message(const char *id, const struct ps_addr *target,
                          uint32_t probes, uint32_t max_hops, uint64_t started);
/* A deep copy. NULL without memory. */
Ps__Path *ps_path_copy(const Ps__Path *path);
/* Replaces the hops by what the measurement knows now. */
int ps_path_set_hops(Ps__Path *path, const struct ps_measure *m);
/* Ends it: done, or failed when a failure is given. */
int ps_path_end(Ps__Path *path, uint64_t ended, const char *failure);

#endif
