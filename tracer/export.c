/* SPDX-License-Identifier: MIT */
#include "tracer/export.h"

#include <inttypes.h>

#include "common/json.h"
#include "common/options.h"
#include "tracer/capture.h"
#include "tracer/pcapng.h"
#include "tracer/way_text.h"

int ps_export_format_parse(const char *text, enum ps_export_format *ret_format)
{
    if (!text || !strcmp(text, "pcapng"))
        *ret_format = PS_EXPORT_PCAPNG;
    else if (!strcmp(text, "jsonl"))
        *ret_format = PS_EXPORT_JSONL;
    else
        return -EINVAL;
    return 0;
}

void ps_export_place_format(const struct ps_export_place *place, char *text)
{
    snprintf(text, PS_EXPORT_PLACE_TEXT, "%" PRIu32 ".%" PRIu32, place->way,
             place->ifaces);
}

int ps_export_place_parse(const char *text, struct ps_export_place *ret_place)
{
    uint64_t way = 0, ifaces = 0;
    char copy[PS_EXPORT_PLACE_TEXT], *dot;

    if (text) {
        if (strlen(text) >= sizeof(copy))
            return -EINVAL;
        snprintf(copy, sizeof(copy), "%s", text);
        dot = strchr(copy, '.');
        if (!dot)
            return -EINVAL;
        *dot++ = '\0';
        if (ps_parse_uint(copy, 0, PS_HISTORY_MAX_WAYS, &way) < 0 ||
            ps_parse_uint(dot, 0, PS_HISTORY_MAX_IFACES + 1, &ifaces) < 0)
            return -EINVAL;
    }
    *ret_place = (struct ps_export_place){(uint32_t)way, (uint32_t)ifaces};
    return 0;
}

/* ---- pcapng ------------------------------------------------------------- */

/* Interface 0 is for packets that were on none that is known. */
static uint32_t iface_of(const struct ps_export *x, const Ps__PacketWay *way)
{
    for (size_t i = 0; i < way->n_steps; i++) {
        const Ps__Step *step = way->steps[i];

        if (!step->ifname)
            continue;
        for (size_t k = 0; k < x->n_ifaces; k++)
            if (x->ifaces[k].netns == step->netns &&
                x->ifaces[k].ifindex == step->ifindex &&
                !strncmp(x->ifaces[k].name, step->ifname,
                         sizeof(x->ifaces[k].name) - 1))
                return (uint32_t)k + 1;
    }
    return 0;
}

static void put_ifaces(const struct ps_export *x, struct ps_export_place *place,
                       FILE *out)
{
    uint32_t snaplen = x->trace->has_snaplen ? x->trace->snaplen : 0;
    char comment[128], text[96];

    if (place->ifaces == 0) {
        snprintf(comment, sizeof(comment),
                 "Trace %.40s. The way of each packet is in its comment.",
                 x->trace->id);
        ps_pcapng_section(out, "PacketScope", comment);
        ps_pcapng_iface(out, "unknown", "packets that were on no interface",
                        snaplen);
        place->ifaces = 1;
    }
    for (; place->ifaces <= x->n_ifaces; place->ifaces++) {
        const struct ps_history_iface *iface = &x->ifaces[place->ifaces - 1];

        snprintf(text, sizeof(text),
                 "interface %" PRIu32 " of network namespace %" PRIu32,
                 iface->ifindex, iface->netns);
        ps_pcapng_iface(out, iface->name, text, snaplen);
    }
}

/* Interfaces of the file carry IP (LINKTYPE_RAW). */
static bool is_ip(const Ps__PacketWay *way)
{
    return way->has_bytes && way->bytes.len > 0 &&
           (way->bytes.data[0] >> 4 == 4 || way->bytes.data[0] >> 4 == 6);
}

/* Owned by the caller. */
static char *make_comment(const struct ps_export *x, const Ps__PacketWay *way,
                          size_t kept)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    bool ok;

    if (!out)
        return NULL;
    ps_way_text(out, way, PS_PCAPNG_COMMENT);
    if (!way->has_bytes || way->bytes.len == 0)
        fputs("No byte of it was captured.\n", out);
    else if (!is_ip(way))
        fputs("No IP packet: the file's link type has no room for it.\n", out);
    else if (kept < way->bytes.len && !x->payload)
        fputs("Cut behind its headers: payload was not asked for.\n", out);
    ok = !ferror(out);
    if (fclose(out) != 0 || !ok) {
        free(text);
        return NULL;
    }
    return text;
}

static int put_packet(const struct ps_export *x, const Ps__PacketWay *way,
                      FILE *out)
{
    size_t all = is_ip(way) ? way->bytes.len : 0;
    size_t kept =
        x->payload || all == 0 ? all : ps_capture_headers(way->bytes.data, all);
    _cleanup_free_ char *comment = make_comment(x, way, kept);
    uint32_t length = all ? ps_capture_length(way->bytes.data, all) : 0;
    struct ps_pcapng_packet packet = {
        .iface = iface_of(x, way),
        .unix_ns = way->first->unix_ns,
        .data = way->bytes.data,
        .len = (uint32_t)kept,
        .original_len = length ? length : way->len,
        .direction = way->n_steps ? way->steps[0]->direction : NULL,
        .comment = comment,
    };

    if (!comment)
        return -ENOMEM;
    if (packet.original_len < all)
        packet.original_len = (uint32_t)all;
    ps_pcapng_packet(out, &packet);
    return 0;
}

/* ---- JSON --------------------------------------------------------------- */

static int put_line(const struct ps_export *x, Ps__PacketWay *way, FILE *out)
{
    _cleanup_free_ char *text = NULL;
    size_t len = 0;
    int r;

    if (!x->payload)
        ps_capture_cut(way);
    r = ps_json_print(&way->base, &text, &len);
    if (r < 0)
        return r;
    fwrite(text, 1, len, out);
    fputc('\n', out);
    return 0;
}

int ps_export_write(const struct ps_export *x, struct ps_export_place *place,
                    Ps__PacketWay *const *ways, size_t n, uint8_t **ret_data,
                    size_t *ret_len)
{
    char *data = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&data, &len);
    bool bad;
    int r = 0;

    if (!out)
        return -ENOMEM;
    if (x->format == PS_EXPORT_PCAPNG)
        put_ifaces(x, place, out);
    for (size_t i = 0; i < n && r == 0; i++)
        r = x->format == PS_EXPORT_PCAPNG ? put_packet(x, ways[i], out)
                                          : put_line(x, ways[i], out);
    bad = ferror(out);
    if ((fclose(out) != 0 || bad) && r == 0)
        r = -ENOMEM;
    if (r < 0) {
        free(data);
        return r;
    }
    *ret_data = (uint8_t *)data;
    *ret_len = len;
    return 0;
}
