# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The begin of what tracer_functions.py and tracer_function_cost.py run inside a
# machine of tests/vm: a tracer, a gateway, and a pair of namespaces. Lines that
# begin with PSFIG (a figure) and PSFN (a function that was shown) are read.
# shellcheck disable=SC1091,SC2119,SC2120
. /lib.sh

RUN=/run/ps STATE=/var/lib/ps
URL=http://127.0.0.1:8080/api/v1
pair peer
now() { echo "$EPOCHREALTIME"; }
fig() { # NAME BEGIN: seconds since then
    echo "PSFIG $1 $(awk "BEGIN { print $(now) - $2 }")"
}

must() { # SECONDS COMMAND...
    until_ok "$@" && return
    shift
    echo "PSABORT this did not come: $*"
    exit 1
}

start_tracer() { # OPTIONS...
    ps-tracer --run-dir "$RUN" --state-dir "$STATE" "$@" >/tmp/tracer.log 2>&1 &
    TRACER=$!
    must 300 test -S "$RUN/tracer.rep"
}
begin=$(now)
start_tracer
ps-gateway --run-dir "$RUN" --state-dir "$STATE" --http 127.0.0.1:8080 \
    >/tmp/gateway.log 2>&1 &
must 300 find "$STATE" -name admin.token
must 300 curl -s "$URL/../../healthz"
TOKEN=$(cat "$(find "$STATE" -name admin.token | head -n 1)")
api() { # METHOD PATH [BODY]
    curl -sS --max-time 120 -X "$1" -H "Authorization: Bearer $TOKEN" \
        -H 'Content-Type: application/json' ${3+-d "$3"} "$URL/$2"
}
says() { api GET "$1" | grep -q -E "$2"; }
must 300 says traces '"total":0'
fig ours_start "$begin"
links() { find "/proc/${1:-$TRACER}/fd" -lname 'anon_inode:*' -printf '%l\n' |
    grep -c -E 'bpf.link|perf_event'; }
BEFORE=$(links)
# Nothing of it runs any more: neither by a descriptor nor by itself.
none_left() {
    [ "$(links)" -le "$BEFORE" ] &&
        ! grep -v -q DISABLED /sys/kernel/debug/kprobes/list
}

# The shell's own look at what ftrace has patched, and a pause of its own: each
# program that is started takes an emulated machine longer than is measured.
mkfifo /tmp/never
exec 9<>/tmp/never
patched() { IFS= read -r _ </sys/kernel/debug/tracing/enabled_functions; }
order_end() { # of trace ID
    exec 8<>/dev/tcp/127.0.0.1/8080
    printf 'DELETE /api/v1/traces/%s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s%s' \
        "$ID" "Authorization: Bearer $TOKEN"$'\r\n' \
        $'Connection: close\r\n\r\n' >&8
    IFS= read -r -t 60 status <&8
    exec 8>&-
    [[ "$status" == 'HTTP/1.1 20'* ]] && return
    echo "PSABORT not ended: $status"
    exit 1
}
all_off() { # COMMAND...: no call site is patched, and the command says so too
    local end=$((SECONDS + 300))
    until ! patched && "$@"; do
        ((SECONDS < end)) || { echo 'PSABORT not taken off'; exit 1; }
        read -r -t 0.005 -u 9
    done
}

follow() { # FILTER: sets ID
    api POST traces "{\"filter\": $1, \"tier\": \"function\",
        \"max_packets\": 10000, \"duration_ns\": 3600000000000}" >/tmp/trace
    ID=$(jq -r .id /tmp/trace)
    # Without the tier nothing below would be a measurement of it.
    [ "$(jq -r .tier /tmp/trace)" = function ] &&
        [ "$(links)" -gt "$BEFORE" ] && return
    echo "PSABORT $(jq -c '.detail // .' /tmp/trace || tail -n 1 /tmp/trace)"
    exit 1
}
all_there() { # every function has its probe
    api GET "traces/$ID" | jq -e '.stations[] | select(.id == "functions") |
        .reason == null'
}
# The neighbours: or some packets wake them up, and others do not.
resolved() {
    ip neigh replace 10.9.0.2 dev v0 nud permanent lladdr \
        "$(ip netns exec peer cat /sys/class/net/v1/address)"
    ip netns exec peer ip neigh replace 10.9.0.1 dev v1 nud permanent \
        lladdr "$(cat /sys/class/net/v0/address)"
}
