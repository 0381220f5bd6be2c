/* SPDX-License-Identifier: MIT */
/* Stored ways as the bytes of an export. No I/O, no clock. */
#ifndef PS_TRACER_EXPORT_H
#define PS_TRACER_EXPORT_H

#include "tracer/history.h"

enum ps_export_format { PS_EXPORT_PCAPNG, PS_EXPORT_JSONL };

/* NULL is pcapng. -EINVAL. */
int ps_export_format_parse(const char *text, enum ps_export_format *ret_format);

/*
 * Where an export goes on: at the way of this number, with so many interfaces
 * told. As text "WAY.IFACES".
 */
struct ps_export_place {
    uint32_t way, ifaces;
};

#define PS_EXPORT_PLACE_TEXT 32
void ps_export_place_format(const struct ps_export_place *place, char *text);
/* NULL is the start. -EINVAL: not such a text. */
int ps_export_place_parse(const char *text, struct ps_export_place *ret_place);

struct ps_export {
    enum ps_export_format format;
    const Ps__Trace *trace;
    /* All that are known now. */
    const struct ps_history_iface *ifaces;
    size_t n_ifaces;
    bool payload; /* may be shown */
};

/*
 * The next bytes of an export, for these ways (of which the payload is cut off
 * where it may not be shown), owned by the caller. place: where it stands; its
 * ifaces are set, its way is the caller's.
 */
int ps_export_write(const struct ps_export *x, struct ps_export_place *place,
                    Ps__PacketWay *const *ways, size_t n, uint8_t **ret_data,
                    size_t *ret_len);

#endif
