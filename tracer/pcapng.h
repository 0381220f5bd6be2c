/* SPDX-License-Identifier: MIT */
/*
 * Blocks of the pcapng format (draft-ietf-opsawg-pcapng), in this machine's
 * byte order, as the format allows. Plain logic; the caller checks ferror().
 */
#ifndef PS_TRACER_PCAPNG_H
#define PS_TRACER_PCAPNG_H

#include "common/util.h"

/* Of one packet's comment: an option's length has 16 bits. */
#define PS_PCAPNG_COMMENT 32768u

/* A section begins; interfaces are numbered from 0 in the order they come. */
void ps_pcapng_section(FILE *out, const char *program, const char *comment);
/* Packets of it begin with their L3 header; times are in nanoseconds. */
void ps_pcapng_iface(FILE *out, const char *name, const char *description,
                     uint32_t snaplen);

struct ps_pcapng_packet {
    uint32_t iface;
    uint64_t unix_ns;
    const uint8_t *data; /* may be NULL when len is 0 */
    uint32_t len, original_len;
    const char *direction; /* "in", "out"; NULL: not known */
    const char *comment;   /* cut to PS_PCAPNG_COMMENT bytes */
};
void ps_pcapng_packet(FILE *out, const struct ps_pcapng_packet *packet);

#endif
