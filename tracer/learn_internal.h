/* SPDX-License-Identifier: MIT */
/* Shared by learn*.c only. */
#ifndef PS_TRACER_LEARN_INTERNAL_H
#define PS_TRACER_LEARN_INTERNAL_H

#include "tracer/learn.h"

/* Tells the programs of the sockets that these processes hold. */
void ps_learn_look_socks(struct tracer *t, const struct ps_members *members);
void ps_learn_ends_clear(struct ps_local_ends *ends);

#endif
