/* SPDX-License-Identifier: MIT */
/* A packet's way as text, for the comment of its packet in a capture. */
#ifndef PS_TRACER_WAY_TEXT_H
#define PS_TRACER_WAY_TEXT_H

#include "common/types.h"
#include "common/util.h"

/*
 * What became of it and why, then a line for each step: as many as leave room
 * for some words more within max bytes, from where out begins (a memory
 * stream), and how many steps had none.
 */
void ps_way_text(FILE *out, const Ps__PacketWay *way, size_t max);

#endif
