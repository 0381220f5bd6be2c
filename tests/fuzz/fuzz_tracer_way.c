/* SPDX-License-Identifier: MIT */
/*
 * A stored way and what it was packed with, of any bytes: a way, or an error;
 * and captured bytes of any packet, whose headers end within them.
 */
#include "common/json.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/grow.h"
#include "tracer/capture.h"
#include "tracer/way_body.h"
#include "tracer/way_keys.h"

static void use_body(struct grow *g)
{
    struct ps_way_codec *codec = NULL;
    uint64_t keys[PS_WAY_KEYS];
    Ps__PacketWay *way = NULL;
    const uint8_t *sample;
    size_t len;

    sample = grow_bytes(g, &len);
    REQUIRE(ps_way_codec_new(&codec) == 0);
    if (ps_way_unpack(codec, sample, len, g->data, g->left, &way) == 0) {
        REQUIRE(ps_way_keys(way, keys) <= PS_WAY_KEYS);
        ps__packet_way__free_unpacked(way, NULL);
    }
    ps_way_codec_free(&codec);
}

/* What goes in comes out, whatever else it was packed with. */
static void use_way(struct grow *g)
{
    _cleanup_free_ uint8_t *body = NULL;
    _cleanup_free_ char *before = NULL, *after = NULL;
    struct ps_way_codec *codec = NULL;
    Ps__PacketWay *way, *got = NULL;
    const uint8_t *sample;
    struct ps_way_plain plain;
    size_t sample_len, len;

    sample = grow_bytes(g, &sample_len);
    way = (Ps__PacketWay *)grow_message(g, &ps__packet_way__descriptor);
    REQUIRE(ps_json_print(&way->base, &before, NULL) == 0);
    REQUIRE(ps_way_codec_new(&codec) == 0);
    if (ps_way_pack(way, &plain) == 0) {
        REQUIRE(ps_way_deflate(codec, sample, sample_len, &plain, &body,
                               &len) == 0);
        REQUIRE(ps_way_unpack(codec, sample, sample_len, body, len, &got) == 0);
        REQUIRE(ps_json_print(&got->base, &after, NULL) == 0);
        REQUIRE(!strcmp(before, after));
        ps__packet_way__free_unpacked(got, NULL);
        free(plain.data);
    }
    ps__packet_way__free_unpacked(way, NULL);
    ps_way_codec_free(&codec);
}

static void use_capture(const struct grow *g)
{
    size_t headers = ps_capture_headers(g->data, g->left);

    REQUIRE(headers <= g->left);
    /* Headers alone have the same headers. */
    REQUIRE(ps_capture_headers(g->data, headers) == headers);
    ps_capture_length(g->data, g->left);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct grow g = {data, size};

    switch (grow_u8(&g) % 3) {
    case 0:
        use_body(&g);
        break;
    case 1:
        use_way(&g);
        break;
    default:
        use_capture(&g);
    }
    return 0;
}
