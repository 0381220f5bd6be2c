# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Runs inside a machine of tests/vm, for tracer_functions.py, which reads the
# lines that begin with PSFIG (a figure) and PSFN (a function that was shown).
# shellcheck disable=SC1091
. /lib.sh

RUN=/run/ps STATE=/var/lib/ps
URL=http://127.0.0.1:8080/api/v1
pair peer
now() { cut -d' ' -f1 /proc/uptime; }
fig() { # NAME BEGIN: seconds since then
    echo "PSFIG $1 $(awk "BEGIN { print $(now) - $2 }")"
}

must() { # SECONDS COMMAND...
    until_ok "$@" && return
    shift
    echo "PSABORT this did not come: $*"
    exit 1
}

ps-tracer --run-dir "$RUN" --state-dir "$STATE" >/tmp/tracer.log 2>&1 &
TRACER=$!
ps-gateway --run-dir "$RUN" --state-dir "$STATE" --http 127.0.0.1:8080 \
    >/tmp/gateway.log 2>&1 &
must 300 test -S "$RUN/tracer.rep"
must 300 find "$STATE" -name admin.token
must 300 curl -s "$URL/../../healthz"
TOKEN=$(cat "$(find "$STATE" -name admin.token | head -n 1)")
api() { # METHOD PATH [BODY]
    curl -sS --max-time 120 -X "$1" -H "Authorization: Bearer $TOKEN" \
        -H 'Content-Type: application/json' ${3+-d "$3"} "$URL/$2"
}
says() { api GET "$1" | grep -q -E "$2"; }
must 300 says traces '"total":0'
links() { find "/proc/$TRACER/fd" -lname 'anon_inode:*' -exec readlink {} + |
    grep -c -E 'bpf.link|perf_event'; }
BEFORE=$(links)
# Nothing of it runs any more: neither by a descriptor nor by itself.
none_left() {
    [ "$(links)" -le "$BEFORE" ] &&
        ! grep -v -q DISABLED /sys/kernel/debug/kprobes/list
}

follow() { # FILTER: sets ID
    api POST traces "{\"filter\": $1, \"tier\": \"function\",
        \"max_packets\": 10000, \"duration_ns\": 3600000000000}" >/tmp/trace
    ID=$(jq -r .id /tmp/trace)
    # Without the tier nothing below would be a measurement of it.
    [ "$(jq -r .tier /tmp/trace)" = function ] && return
    echo "PSABORT $(jq -c '.detail // .' /tmp/trace || tail -n 1 /tmp/trace)"
    exit 1
}
all_there() { # every function has its probe
    api GET "traces/$ID" | jq -e '.stations[] | select(.id == "functions") |
        .reason == null'
}

# ---- the same packets, seen by both -----------------------------------------

# Or some packets wake the neighbour up, and others do not.
ip neigh replace 10.9.0.2 lladdr "$(ip netns exec peer cat /sys/class/net/v1/address)" dev v0 nud permanent
ip netns exec peer ip neigh replace 10.9.0.1 lladdr "$(cat /sys/class/net/v0/address)" dev v1 nud permanent
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
api DELETE "traces/$ID" >/dev/null
must 300 none_left
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
wait "$PWRU"
fig pwru_detach "$begin"
awk 'NR > 1 { for (i = 1; i <= NF; i++) if ($i ~ /^[a-z_][a-z0-9_.]*$/)
    print $i }' /tmp/pwru.out | sort -u | sed 's/^/PSFN pwru /'
kill "$PING"

# ---- what it costs a packet that nobody asks for ----------------------------

[ "$COST" = 1 ] || exit 0
ip netns exec peer iperf3 -s >/dev/null 2>&1 &
sleep 1
rate() { # NAME
    echo "PSFIG $1 $(iperf3 -c 10.9.0.2 -t 4 -J | jq .end.sum_sent.bits_per_second)"
}
rate warm
for round in 1 2 3; do
    rate "base_$round"
    follow '{"daddr": "10.9.0.77", "proto": "udp"}'
    must 600 all_there
    rate "ours_$round"
    api DELETE "traces/$ID" >/dev/null
    must 300 none_left
    rate "again_$round"
    pwru --output-file /tmp/pwru.out 'udp and host 10.9.0.77' \
        >/tmp/pwru.log 2>&1 &
    PWRU=$!
    must 600 grep -q -i listening /tmp/pwru.log
    rate "pwru_$round"
    kill -INT "$PWRU"
    wait "$PWRU"
done
