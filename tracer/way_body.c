/* SPDX-License-Identifier: MIT */
#include "tracer/way_body.h"

#include <zlib.h>

#include "common/unpack.h"

/* A message begins with the tag of its first field, 8: never with this. */
#define DEFLATED 1
#define HIDDEN   2 /* the same, and times are left out */
#define HEAD     5 /* one of these, and the plain length in four bytes */

/* What PacketWay.cut takes at most. */
#define CUT_BYTES 7

/* A window of 16 KiB holds the sample and what repeats within a way. */
#define WINDOW_BITS 14
#define MEM_LEVEL   6
#define LEVEL       3

struct ps_way_codec {
    z_stream out, in;
    bool has_out, has_in;
};

int ps_way_codec_new(struct ps_way_codec **ret_codec)
{
    _cleanup_(ps_way_codec_free) struct ps_way_codec *c = calloc(1, sizeof(*c));

    if (!c)
        return -ENOMEM;
    c->has_out = deflateInit2(&c->out, LEVEL, Z_DEFLATED, -WINDOW_BITS,
                              MEM_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK;
    c->has_in = inflateInit2(&c->in, -WINDOW_BITS) == Z_OK;
    if (!c->has_out || !c->has_in)
        return -ENOMEM;
    *ret_codec = TAKE_PTR(c);
    return 0;
}

void ps_way_codec_free(struct ps_way_codec **codec)
{
    struct ps_way_codec *c = *codec;

    if (!c)
        return;
    if (c->has_out)
        deflateEnd(&c->out);
    if (c->has_in)
        inflateEnd(&c->in);
    free(c);
    *codec = NULL;
}

/* ---- times -------------------------------------------------------------- */

/* A step's time, where its delta and the step before say it too. */
static bool is_said(const Ps__Step *before, const Ps__Step *step)
{
    return step->has_delta_ns && step->time && before->time &&
           step->time->unix_ns == before->time->unix_ns + step->delta_ns;
}

/* A time of nothing would come back as another one. */
static bool may_hide(const Ps__PacketWay *way)
{
    for (size_t i = 1; i < way->n_steps; i++)
        if (way->steps[i]->has_delta_ns && way->steps[i]->time->unix_ns == 0)
            return false;
    return true;
}

/* The last first: each is held against the one before as it was. */
static void hide_times(Ps__PacketWay *way)
{
    for (size_t i = way->n_steps; i-- > 1;)
        if (is_said(way->steps[i - 1], way->steps[i]))
            way->steps[i]->time->unix_ns = 0;
}

static void show_times(Ps__PacketWay *way)
{
    for (size_t i = 1; i < way->n_steps; i++) {
        const Ps__Step *before = way->steps[i - 1];
        Ps__Step *step = way->steps[i];

        if (step->has_delta_ns && step->time->unix_ns == 0)
            step->time->unix_ns = before->time->unix_ns + step->delta_ns;
    }
}

/* ---- forms -------------------------------------------------------------- */

int ps_way_pack(Ps__PacketWay *way, struct ps_way_plain *ret_plain)
{
    struct ps_way_plain plain = {.hidden = may_hide(way)};

    if (plain.hidden)
        hide_times(way);
    plain.len = protobuf_c_message_get_packed_size(&way->base);
    plain.data = plain.len <= PS_WAY_MAX_BYTES ? malloc(plain.len) : NULL;
    if (plain.data)
        protobuf_c_message_pack(&way->base, plain.data);
    if (plain.hidden)
        show_times(way);
    if (!plain.data)
        return plain.len > PS_WAY_MAX_BYTES ? -E2BIG : -ENOMEM;
    *ret_plain = plain;
    return 0;
}

/* With its tag and its length, which stands in sevens of bits. */
static size_t size_of_step(const Ps__Step *step)
{
    size_t len = protobuf_c_message_get_packed_size(&step->base);
    size_t size = len + 2;

    for (; len > 127; len >>= 7)
        size++;
    return size;
}

bool ps_way_cut(Ps__PacketWay *way)
{
    size_t size = protobuf_c_message_get_packed_size(&way->base) + CUT_BYTES;
    size_t last = way->n_steps ? way->n_steps - 1 : 0, kept = last;
    Ps__Step *end = way->n_steps ? way->steps[last] : NULL;

    while (kept > 0 && size > PS_WAY_MAX_BYTES)
        size -= size_of_step(way->steps[--kept]);
    if (kept == last)
        return false;
    for (size_t i = kept; i < last; i++)
        ps__step__free_unpacked(way->steps[i], NULL);
    way->steps[kept] = end;
    way->n_steps = kept + 1;
    if (kept > 0 && end->has_delta_ns)
        end->delta_ns = end->time->unix_ns -
                        way->steps[kept - 1]->time->unix_ns;
    way->has_cut = 1;
    way->cut += (uint32_t)(last - kept);
    return true;
}

int ps_way_deflate(struct ps_way_codec *c, const uint8_t *sample,
                   size_t sample_len, const struct ps_way_plain *plain,
                   uint8_t **ret_data, size_t *ret_len)
{
    _cleanup_free_ uint8_t *data = NULL;
    size_t bound;

    if (deflateReset(&c->out) != Z_OK ||
        (sample_len && deflateSetDictionary(&c->out, sample,
                                            (unsigned int)sample_len) != Z_OK))
        return -EINVAL;
    bound = deflateBound(&c->out, plain->len);
    data = malloc(HEAD + bound);
    if (!data)
        return -ENOMEM;
    data[0] = plain->hidden ? HIDDEN : DEFLATED;
    for (size_t i = 0; i < 4; i++)
        data[1 + i] = (uint8_t)(plain->len >> (8 * i));
    c->out.next_in = plain->data;
    c->out.avail_in = (unsigned int)plain->len;
    c->out.next_out = data + HEAD;
    c->out.avail_out = (unsigned int)bound;
    if (deflate(&c->out, Z_FINISH) != Z_STREAM_END)
        return -EINVAL;
    *ret_len = HEAD + bound - c->out.avail_out;
    *ret_data = TAKE_PTR(data);
    return 0;
}

static int inflate_body(struct ps_way_codec *c, const uint8_t *sample,
                        size_t sample_len, const uint8_t *data, size_t len,
                        uint8_t **ret_plain, size_t *ret_len)
{
    _cleanup_free_ uint8_t *plain = NULL;
    size_t size = 0;

    for (size_t i = 0; i < 4; i++)
        size |= (size_t)data[1 + i] << (8 * i);
    if (size == 0 || size > PS_WAY_MAX_BYTES)
        return -EBADMSG;
    plain = malloc(size);
    if (!plain)
        return -ENOMEM;
    if (inflateReset(&c->in) != Z_OK ||
        (sample_len && inflateSetDictionary(&c->in, sample,
                                            (unsigned int)sample_len) != Z_OK))
        return -EBADMSG;
    c->in.next_in = (unsigned char *)(uintptr_t)(data + HEAD);
    c->in.avail_in = (unsigned int)(len - HEAD);
    c->in.next_out = plain;
    c->in.avail_out = (unsigned int)size;
    if (inflate(&c->in, Z_FINISH) != Z_STREAM_END || c->in.avail_out != 0)
        return -EBADMSG;
    *ret_plain = TAKE_PTR(plain);
    *ret_len = size;
    return 0;
}

int ps_way_unpack(struct ps_way_codec *c, const uint8_t *sample,
                  size_t sample_len, const uint8_t *data, size_t len,
                  Ps__PacketWay **ret_way)
{
    _cleanup_free_ uint8_t *plain = NULL;
    Ps__PacketWay *way;
    bool hidden;
    int r;

    if (len == 0 || len > PS_WAY_MAX_BYTES + HEAD ||
        sample_len > PS_WAY_SAMPLE_MAX)
        return -EBADMSG;
    hidden = data[0] == HIDDEN;
    if (hidden || data[0] == DEFLATED) {
        if (len < HEAD)
            return -EBADMSG;
        r = inflate_body(c, sample, sample_len, data, len, &plain, &len);
        if (r < 0)
            return r;
        data = plain;
    }
    way = (Ps__PacketWay *)ps_message_unpack(&ps__packet_way__descriptor, data,
                                             len, PS_UNPACK_MAX);
    if (!way)
        return -EBADMSG;
    if (hidden)
        show_times(way);
    *ret_way = way;
    return 0;
}
