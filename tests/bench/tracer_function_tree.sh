# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# shellcheck disable=SC2154
# The kernel's own function graph beside a trace; behind tracer_functions_lib.sh.

TRACING=/sys/kernel/tracing
resolved
follow '{"daddr": "10.9.0.2", "proto": "icmp"}'
must 600 all_there
path="traces/$ID/packets?sort=-first&limit=2"
# Returns are told some packets after the first one.
timed() {
    ping -c 1 10.9.0.2 >/dev/null
    api GET "$path" | jq -e '[.packets[].steps[] | select(.depth != null)] |
        length > 0 and all(.[]; .duration_ns != null)'
}
must 120 timed
api GET "$path" | jq -r '.packets[].steps[] | select(.depth != null) |
    .station' | sort -u >"$TRACING/set_ftrace_filter"
echo function_graph >"$TRACING/current_tracer"
echo funcgraph-proc >"$TRACING/trace_options"
echo nofuncgraph-overhead >"$TRACING/trace_options"
echo >"$TRACING/trace"
ping -c 2 -i 0.5 10.9.0.2 >/dev/null
sleep 1
echo 0 >"$TRACING/tracing_on"
api GET "$path" | jq -r '.packets[] | .id as $id | .steps[] |
    select(.depth != null) | "PSCALL \($id) \(.depth) " +
        "\(.duration_ns // 0) \(.station)"'
sed 's/^/PSGRAPH /' "$TRACING/trace"
