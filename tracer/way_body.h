/* SPDX-License-Identifier: MIT */
/*
 * A way as it is kept: its message, deflated with another way of its trace as
 * the dictionary, for the ways of a trace are much alike; the time of a step
 * that its delta says already is left out. Plain logic.
 */
#ifndef PS_TRACER_WAY_BODY_H
#define PS_TRACER_WAY_BODY_H

#include "common/types.h"
#include "common/util.h"

/* Of a sample: deflate looks back so far. */
#define PS_WAY_SAMPLE_MAX 8192u
/* A packed way is never larger. */
#define PS_WAY_MAX_BYTES (512u << 10)

struct ps_way_codec;

int ps_way_codec_new(struct ps_way_codec **ret_codec);
void ps_way_codec_free(struct ps_way_codec **codec);

struct ps_way_plain {
    uint8_t *data; /* the caller's */
    size_t len;
    bool hidden; /* times are left out */
};

/* The plain form, as what a sample begins with. The way is the same again when
 * it returns. -E2BIG. */
int ps_way_pack(Ps__PacketWay *way, struct ps_way_plain *ret_plain);
/* Leaves steps before its last one out of a way that is too large to pack, and
 * says in its `cut` how many. False: there are none to leave out. */
bool ps_way_cut(Ps__PacketWay *way);
/* The kept form of a plain one; sample may be empty. Owned by the caller. */
int ps_way_deflate(struct ps_way_codec *codec, const uint8_t *sample,
                   size_t sample_len, const struct ps_way_plain *plain,
                   uint8_t **ret_data, size_t *ret_len);
/* Either form, of anybody. -EBADMSG: it is none. */
int ps_way_unpack(struct ps_way_codec *codec, const uint8_t *sample,
                  size_t sample_len, const uint8_t *data, size_t len,
                  Ps__PacketWay **ret_way);

#endif
