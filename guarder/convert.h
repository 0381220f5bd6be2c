/* SPDX-License-Identifier: MIT */
/* Rules and counters to protobuf messages. The way back is ps_rule_parse(). */
#ifndef PS_GUARDER_CONVERT_H
#define PS_GUARDER_CONVERT_H

#include "bpf/guarder/guarder_abi.h"
#include "guarder/attach.h"
#include "guarder/rule.h"
#include "guarder/ruleset.h"

/*
 * A new message; hits NULL leaves the fields of answers out, as the store
 * wants it. NULL without memory. Freed with ps__rule__free_unpacked().
 */
Ps__Rule *ps_rule_to_pb(const struct ps_rule *rule,
                        const struct ps_rule_hits *hits);

/* One interface's counters with its attachment. NULL without memory. */
Ps__GuardedInterface *ps_iface_to_pb(const struct ps_attached *iface,
                                     const struct ps_gd_iface *counts);

#endif
