/* SPDX-License-Identifier: MIT */
/* Captured bytes of a packet, from its L3 header on. Plain logic. */
#ifndef PS_TRACER_CAPTURE_H
#define PS_TRACER_CAPTURE_H

#include "common/types.h"
#include "common/util.h"

/*
 * How many of the bytes are headers, up to the end of L4: what anybody who may
 * see packets may see. Where the L4 header is not known, the L3 header; where
 * that is none, 0. Never more than len.
 */
size_t ps_capture_headers(const uint8_t *bytes, size_t len);
/* Length of the packet as its L3 header has it; 0: it does not say. */
uint32_t ps_capture_length(const uint8_t *bytes, size_t len);

/* Leaves only the headers of the way's bytes. */
void ps_capture_cut(Ps__PacketWay *way);

#endif
