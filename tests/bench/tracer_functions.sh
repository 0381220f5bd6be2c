# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# shellcheck disable=SC2154
# The same packets, seen by both; behind tracer_functions_lib.sh.

resolved
ping -i 0.2 10.9.0.2 >/dev/null &
PING=$!
sleep 1
begin=$(now)
follow '{"daddr": "10.9.0.2", "proto": "icmp"}'
# A call of a function, not a station's step, which comes earlier.
must 300 says "traces/$ID/packets?limit=1" '"depth":'
fig ours_first "$begin"
must 600 all_there
fig ours_all "$begin"
sleep 4
# The newest: the first ones came before most probes.
api GET "traces/$ID/packets?sort=-first&limit=40" >/tmp/packets
jq -r '.packets[].steps[] | select(.depth != null) | .station' /tmp/packets |
    sort -u | sed 's/^/PSFN ours /'
begin=$(now)
order_end
all_off none_left
fig ours_detach "$begin"
sleep 2

: >/tmp/pwru.out
begin=$(now)
pwru --output-file /tmp/pwru.out 'icmp and host 10.9.0.2' >/tmp/pwru.log 2>&1 &
PWRU=$!
two_lines() { [ "$(wc -l </tmp/pwru.out)" -ge 2 ]; }
must 600 two_lines
fig pwru_first "$begin"
sleep 4
begin=$(now)
kill -INT "$PWRU"
none_of_pwru() { [ "$(links "$PWRU")" -eq 0 ]; }
all_off none_of_pwru
fig pwru_detach "$begin"
wait "$PWRU"
fig pwru_ended "$begin"
awk 'NR > 1 { for (i = 1; i <= NF; i++) if ($i ~ /^[a-z_][a-z0-9_.]*$/)
    print $i }' /tmp/pwru.out | sort -u | sed 's/^/PSFN pwru /'
kill "$PING"
