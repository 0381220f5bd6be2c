/* SPDX-License-Identifier: MIT */
/*
 * Messages from what was read. Each returns a new message that is freed with
 * protobuf_c_message_free_unpacked(), or NULL without memory.
 */
#ifndef PS_ANALYZER_CONVERT_H
#define PS_ANALYZER_CONVERT_H

#include "analyzer/analyzer.h"
#include "analyzer/query.h"

Ps__Counters *ps_counters_to_pb(const struct ps_counters *counters);
Ps__Flow *ps_flow_to_pb(const struct ps_analyzer *a,
                        const struct ps_flow *flow);
Ps__DropCount *ps_drop_to_pb(const struct ps_analyzer *a,
                             const struct ps_drop_row *row);
Ps__InterfaceCount *ps_iface_to_pb(const struct ps_iface *iface);
/* When the last reading was. */
Ps__Time *ps_reading_time_to_pb(const struct ps_analyzer *a);

/*
 * A query from a request. -EINVAL with the field's name and a sentence that
 * says what to do; both are constants.
 */
int ps_query_from_pb(const Ps__ListFlowsRequest *req,
                     struct ps_query *ret_query, const char **ret_field,
                     const char **ret_detail);

#endif
