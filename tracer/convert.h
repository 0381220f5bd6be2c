/* SPDX-License-Identifier: MIT */
/* Between what the kernel says and what the bus says. */
#ifndef PS_TRACER_CONVERT_H
#define PS_TRACER_CONVERT_H

#include "common/bpf.h"
#include "common/types.h"
#include "tracer/calls.h"
#include "tracer/carry.h"
#include "tracer/join.h"
#include "tracer/netns_enter.h"
#include "tracer/rules.h"
#include "tracer/socktable.h"

/* Names that a packet's steps need. Each may be NULL. */
struct ps_names {
    struct ps_ksyms *ksyms;
    const struct ps_drop_reasons *reasons;
    const char *tier; /* hook of the tracepoints */
    /* Of the function tier; NULL: the trace is not of it. */
    const struct ps_calls *calls;
    const char *functions_tier; /* their hook */
    uint64_t mono_to_unix;      /* added to the kernel's clock */
    struct ps_owners *owners;
    const struct ps_rules *rules;
    const struct ps_carry *carry; /* what the trace's events carried */
};
/* A ps_free_fn; arg is a struct ps_names. */
enum ps_free ps_names_free(const void *arg, const struct ps_step *s);

/*
 * Appends a loss to a message's list; nothing where it is zero. Without memory
 * it is left out.
 */
void ps_losses_add(Ps__Loss ***losses, size_t *n_losses, const char *id,
                   const char *unit, uint64_t count);

/* New messages, freed with protobuf_c_message_free_unpacked(); NULL without
 * memory. */
Ps__PacketWay *ps_convert_way(const struct ps_join *join,
                              const struct ps_way *way, uint64_t id,
                              const struct ps_names *names);
/* Who sent and received a packet, where that is known. 0 or -ENOMEM. */
int ps_convert_owners(Ps__PacketWay *msg, const struct ps_way *way,
                      const struct ps_names *names);
/* A step's stack, and a packet's bytes. 0 or -ENOMEM. */
int ps_convert_stack(Ps__Step *step, const struct ps_step *s,
                     const struct ps_names *names);
int ps_convert_bytes(Ps__PacketWay *msg, const struct ps_way *way,
                     const struct ps_names *names);
/* What a step says of a drop; nothing where it is none. 0 or -ENOMEM. */
int ps_convert_drop(Ps__Step *step, const struct ps_step *s,
                    const struct ps_names *names);
Ps__Tuple *ps_convert_tuple(const struct ps_tracer_tuple *tuple, bool fragment);
/* cache: of the process that was asked for last. */
Ps__Socket *ps_convert_socket(const struct ps_socktable *table,
                              const struct ps_sock *sock,
                              const struct ps_netns *netns, size_t n_netns,
                              struct ps_sock_cgroup *cache);

/* Puts the calls of a way among its steps, by time. */
int ps_convert_calls(Ps__PacketWay *msg, const struct ps_join *join,
                     const struct ps_way *way, const struct ps_names *names);

#endif
