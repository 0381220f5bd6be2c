/* SPDX-License-Identifier: MIT */
/* The head of an Ethernet frame as an event: its tuple and its content, as the
 * programs in the kernel would read them (bpf/lib/skb.h, content.h). */
#ifndef PS_TRACER_FRAME_H
#define PS_TRACER_FRAME_H

#include "bpf/tracer/tracer_abi.h"
#include "common/util.h"

/*
 * head has n bytes of a frame of len. Sets tuple, seq, ack, payload, hash,
 * ip_id, tcp_flags and flags of the event; the others are left. -EBADMSG: no
 * IP packet, or cut before its ports; then nothing is set. ret_l3: where the IP
 * header begins.
 */
int ps_frame_read(const uint8_t *head, size_t n, uint32_t len,
                  struct ps_tracer_event *event, size_t *ret_l3);

#endif
