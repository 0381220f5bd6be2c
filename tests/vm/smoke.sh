# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Runs inside the machine (bash, curl, jq, ip, nft; the rest is busybox).
# Each line that starts with "t NAME" is one test for pytest.
# shellcheck disable=SC1091
. /lib.sh

RUN=/run/ps STATE=/var/lib/ps
URL=http://127.0.0.1:8080
pair peer
in_peer() { ip netns exec peer "$@"; }

# ---- each daemon's own report of what it could load and attach ------------

# A capability may be missing where a reason is given (exit code 1): what must
# be there on which kernel is in test_vm.py, which reads the PSCAP lines.
selftest() {
    local rc=0
    "ps-$1" --selftest --run-dir "/run/self-$1" --state-dir "/run/self-$1" \
        >"/tmp/$1.selftest" 2>"/tmp/$1.err" || rc=$?
    sed -n "s/^capability /PSCAP $1 /p" "/tmp/$1.selftest" >/dev/console
    cat "/tmp/$1.selftest" "/tmp/$1.err"
    [ "$rc" -le 1 ] || return "$rc"
    awk '$1 == "capability" && $3 == "missing" && ($5 == "-" || NF < 5) {
             bad = 1
         }
         $1 == "capability" { n++ }
         END { exit bad || !n }' "/tmp/$1.selftest"
}
selftest_tracer() { selftest tracer; }
selftest_analyzer() { selftest analyzer; }
selftest_guarder() { selftest guarder; }

t selftest-tracer selftest_tracer
t selftest-analyzer selftest_analyzer
t selftest-guarder selftest_guarder
nothing_left() { [ "$(bpftool -j prog | jq length)" = "$PROGS" ]; }
PROGS=$(bpftool -j prog | jq length)

# ---- the daemons for real ---------------------------------------------------

start() { # NAME OPTION...
    local name=$1
    shift
    "ps-$name" --run-dir "$RUN" --state-dir "$STATE" "$@" \
        >"/tmp/$name.log" 2>&1 &
    echo $! >"/tmp/$name.pid"
}
is_up() { [ -S "$RUN/$1.rep" ] && kill -0 "$(cat "/tmp/$1.pid")"; }
came_up() {
    until_ok 60 is_up "$1" && return
    tail -n 40 "/tmp/$1.log"
    return 1
}
start guarder --interfaces v0
# An emulated core is slow: what is measured there is no cost.
start tracer --cpu-budget 100
start analyzer
start locator
start gateway --http 127.0.0.1:8080
t start-guarder came_up guarder
t start-tracer came_up tracer
t start-analyzer came_up analyzer
t start-locator came_up locator
t start-gateway came_up gateway

TOKEN=$(cat "$(find "$STATE" -name admin.token | head -n 1)")
api() { # METHOD PATH [BODY]
    curl -sS --max-time 20 -X "$1" -H "Authorization: Bearer $TOKEN" \
        -H 'Content-Type: application/json' ${3+-d "$3"} \
        -o /tmp/answer -w '%{http_code}' "$URL/api/v1/$2" >/tmp/code ||
        return 1
    cat /tmp/answer
    [[ $(cat /tmp/code) == 2* ]]
}
says() { # PATH JQ-CONDITION
    api GET "$1" | jq -e "$2"
}
shown() { # SECONDS PATH JQ-CONDITION: until it is so, else show the answer
    until_ok "$1" says "$2" "$3" && return
    api GET "$2" | head -c 1500
    return 1
}
all_known() {
    shown 30 services '[.services[] | select(.state == "ready" or
        .state == "degraded") | .name] | contains(["tracer", "analyzer",
        "guarder", "locator"])'
}
t services all_known

# ---- tracer -------------------------------------------------------------------

sockets() { # FAMILY-OPTION PORT
    nc "$1" -l -p "$2" >/dev/null 2>&1 &
    local pid=$!
    shown 15 "sockets?port=$2" ".sockets | any(.lport == $2 and
        .owners[0].pid == $pid)"
    local rc=$?
    kill "$pid"
    return "$rc"
}
sockets4() { sockets -ll 7004; }
t tracer-sockets sockets4

begin() { # ADDRESS PROTO TIER: id of a new trace
    api POST traces "{\"tier\": \"$3\",
        \"filter\": {\"daddr\": \"$1\", \"proto\": \"$2\"},
        \"duration_ns\": 120000000000}" | jq -re .id
}
trace() { # ADDRESS PROTO PING
    local id
    id=$(begin "$1" "$2" core) || { cat /tmp/answer; return 1; }
    ping "$3" -c 3 "$1" >/dev/null || return 1
    until_ok 15 says "traces/$id/packets" '.packets |
        map(select(.steps | length >= 4)) | length >= 3' &&
        echo "$id" >"/tmp/trace.$2" && return
    api GET "traces/$id" | jq -c '[.state, .throttle, .losses]'
    api GET "traces/$id/packets" | jq -c '.packets[]? | [.id, .tuple.daddr,
        .fate, (.steps | map(.station + "@" + (.ifname // "-")))]'
    return 1
}
trace4() { trace 10.9.0.2 icmp -4; }
trace6() { trace fd09::2 icmpv6 -6; }
t tracer-trace4 trace4
t tracer-trace6 trace6

# All of these packets arrived (ping said so): none may be called dropped.
fate() { # PROTO
    local id
    id=$(cat "/tmp/trace.$1") || return 1
    until_ok 10 says "traces/$id/packets" '.packets |
        all(.fate != "dropped")' && return
    api GET "traces/$id/packets" | jq -c '.packets[] |
        select(.fate == "dropped") | [.id, .tuple.daddr, (.steps[] |
        select(.drop) | [.layer, .drop])]'
    return 1
}
fate_and_end() {
    fate "$1" && api DELETE "traces/$(cat "/tmp/trace.$1")"
}
fate4() { fate_and_end icmp; }
fate6() { fate_and_end icmpv6; }
t tracer-fate4 fate4
t tracer-fate6 fate6

# The packets' functions, as a tree. Where all are probed at once, most calls
# say how long they took, some packets after the first one; single probes come
# while packets flow. Who freed a packet is known all the same.
CALLS='[.packets[].steps[] | select(.depth != null)]'
calls_path() { echo "traces/$(cat "/tmp/trace.$1")/packets?sort=-first&limit=2"; }
tree() { # ADDRESS PROTO PING
    ping "$3" -c 1 "$1" >/dev/null && says "$(calls_path "$2")" "$CALLS |
        (map(.station) | contains([\"__dev_queue_xmit\",
            \"dev_hard_start_xmit\"])) and (map(.depth) | max >= 1) and
        (.[0].hook == \"kprobe\" or
            2 * (map(select(.duration_ns > 0)) | length) > length)"
}
calls() {
    begin "$1" "$2" function >"/tmp/trace.$2" ||
        { cat /tmp/answer; return 1; }
    until_ok 60 tree "$@" && fate "$2" && return
    tree "$@"
    api GET "$(calls_path "$2")" | jq -c "$CALLS | .[] | [.station, .hook,
        .depth, .duration_ns]"
    return 1
}
calls4() { calls 10.9.0.2 icmp -4; }
calls6() { calls fd09::2 icmpv6 -6; }
t tracer-calls4 calls4
t tracer-calls6 calls6

# ---- analyzer -------------------------------------------------------------------

flows() { # ADDRESS PING PROTO
    local before after
    until_ok 10 api GET flows || return 1
    count() {
        api GET "flows?raddr=$1&ifname=v0" | jq "[.flows[] |
            select(.proto == \"$2\") | .tx.packets] | add // 0"
    }
    before=$(count "$1" "$3") || return 1
    ping "$2" -c 7 -i 0.1 "$1" >/dev/null || return 1
    counted() {
        after=$(count "$1" "$3")
        [ $((after - before)) -ge 7 ]
    }
    until_ok 15 counted "$@"
    counted "$@" || true
    echo "before $before, after $after, sent 7"
    [ "$3" = icmpv6 ] || [ $((after - before)) = 7 ]
}
flows4() { flows 10.9.0.2 -4 icmp; }
flows6() { flows fd09::2 -6 icmpv6; }
t analyzer-flows4 flows4
t analyzer-flows6 flows6

# ---- guarder --------------------------------------------------------------------

rule() { # SOURCE PROTO TYPE PING DESTINATION
    local id hits
    in_peer ping "$4" -c 2 "$5" >/dev/null || { echo 'no ping'; return 1; }
    id=$(api POST rules "{\"action\": \"drop\", \"src\": \"$1\",
        \"proto\": \"$2\", \"icmp_type\": $3}" | jq -re .id) ||
        { cat /tmp/answer; return 1; }
    if in_peer ping "$4" -c 3 -i 0.2 -W 1 "$5"; then
        echo 'not dropped'
        return 1
    fi
    hits=$(api GET "rules/$id" | jq .hit_packets)
    api DELETE "rules/$id" || return 1
    in_peer ping "$4" -c 2 "$5" >/dev/null || { echo 'still off'; return 1; }
    echo "hits $hits of 3"
    [ "$hits" = 3 ]
}
rule4() { rule 10.9.0.2/32 icmp 8 -4 10.9.0.1; }
rule6() { rule fd09::2/128 icmpv6 128 -6 fd09::1; }
t guarder-rule4 rule4
t guarder-rule6 rule6

# ---- locator --------------------------------------------------------------------

path() {
    local id
    id=$(api POST paths "{\"target\": \"$1\", \"probes\": 3}" |
        jq -re .id) || { cat /tmp/answer; return 1; }
    shown 30 "paths/$id" '.state == "done" and .reached and
        (.hops | length == 1) and .hops[0].received == 3'
}
path4() { path 10.9.0.2; }
path6() { path fd09::2; }
t locator-path4 path4
t locator-path6 path6

# ---- the end ----------------------------------------------------------------------

ends() {
    local pid rc=0
    pid=$(cat "/tmp/$1.pid")
    kill "$pid" || return 1
    wait "$pid" || rc=$?
    tail -n 5 "/tmp/$1.log"
    return "$rc"
}
t end-gateway ends gateway
t end-locator ends locator
t end-analyzer ends analyzer
t end-tracer ends tracer
t end-guarder ends guarder
flushed() {
    ps-guarder --flush --run-dir "$RUN" --state-dir "$STATE" || return 1
    until_ok 10 nothing_left && return
    bpftool prog | grep -E '^[0-9]+:'
    return 1
}
t nothing-left flushed
