/* SPDX-License-Identifier: MIT */
/*
 * By what a way is found: keys of its tuples, without regard to direction.
 * Keys are kept on disk: the same text of bytes is the same key in every
 * version. Two things may share one; who looks up compares. Plain logic.
 */
#ifndef PS_TRACER_WAY_KEYS_H
#define PS_TRACER_WAY_KEYS_H

#include "common/types.h"
#include "common/util.h"

/* Of one way; those beyond are not kept, and it is not found by them. */
#define PS_WAY_KEYS 64u
/* Of a question. */
#define PS_FIND_KEYS 3u

/* All different. Returns how many. */
size_t ps_way_keys(const Ps__PacketWay *way, uint64_t keys[PS_WAY_KEYS]);

/* Each way that fits has all of these; none of them: every way. */
size_t ps_find_keys(const Ps__FindPacketsRequest *req,
                    uint64_t keys[PS_FIND_KEYS]);
/* Whether a tuple of the way fits, in either order. */
bool ps_way_fits(const Ps__PacketWay *way, const Ps__FindPacketsRequest *req);

/* Whether one of its steps is at this station, or in this function. */
bool ps_way_passed(const Ps__PacketWay *way, const char *station);

#endif
