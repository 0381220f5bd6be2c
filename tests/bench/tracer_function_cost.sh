# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154
# What it costs packets that nobody asks for; behind tracer_functions_lib.sh.

ROUNDS="1 2 3" SECONDS_EACH=2
ip netns exec peer iperf3 -s >/dev/null 2>&1 &
sleep 1
rate() { # NAME [SECONDS that are not counted]
    echo "PSFIG $1 $(iperf3 -c 10.9.0.2 -t "$SECONDS_EACH" -O "${2:-0}" -J |
        jq .end.sum_sent.bits_per_second)"
}
waits() { # it is known by its own word whether it does
    api GET "traces/$ID" | jq -e .waiting >/dev/null
}
# Until a trace that nothing comes for has done what it does on a busy host.
SETTLES=4

# What bpftrace gets: the functions that these packets pass, with where their
# packet is. All 1,600 would cost the same, but take it minutes to attach. It
# takes no name that several functions have.
passed() {
    follow '{"daddr": "10.9.0.2", "proto": "tcp"}'
    must 600 all_there
    iperf3 -c 10.9.0.2 -t 1 >/dev/null
    for way in first -first; do
        api GET "traces/$ID/packets?sort=$way&limit=100" | jq -r '.packets[] |
            .steps[] | select(.depth != null) | .station'
    done | sort -u >/tmp/passed
    bpftool -j link | jq -r '.[] | select(.type == "kprobe_multi") |
        .funcs[]? | "\(.func) \(.cookie % 256)"' | sort | uniq -c |
        awk 'NR == FNR { want[$1] = 1; next }
            $1 == 1 && $2 in want { print $3, $2 }' /tmp/passed - \
            >/tmp/functions
    api DELETE "traces/$ID" >/dev/null
    must 300 none_left
    echo "PSFIG passed $(grep -c '' /tmp/passed)"
    echo "PSFIG bpftrace_functions $(grep -c '' /tmp/functions)"
}

peer_script() {
    awk '{ list[$1] = list[$1] (list[$1] ? ",\n" : "") "kprobe:" $2 }
        END {
            for (i in list)
                print list[i] " {\n" \
                    "  $skb = (struct sk_buff *)arg" i - 1 ";\n" \
                    "  $ip = (struct iphdr *)($skb->head + " \
                    "$skb->network_header);\n" \
                    "  if ($ip->protocol == 17 && ($ip->daddr == 0x4d00090a " \
                    "|| $ip->saddr == 0x4d00090a)) {\n" \
                    "    printf(\"%x %s\\n\", $skb, func);\n  }\n}"
            print "interval:s:1 { printf(\"ticks\\n\"); }"
        }' /tmp/functions
}

rate warm
for round in $ROUNDS; do
    rate "base_$round" "$SETTLES"
    follow '{"daddr": "10.9.0.77", "proto": "udp"}'
    must 600 all_there
    rate "ours_$round" "$SETTLES"
    echo "PSFIG waits_$round $(waits && echo 1 || echo 0)"
    # What is there all the same once a packet came, and how soon.
    begin=$(now)
    echo x >/dev/udp/10.9.0.77/9
    must 300 all_there
    fig "wakes_$round" "$begin"
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

# With all functions there: a tracer that may use a core sees no busy host.
kill "$TRACER"
wait "$TRACER"
start_tracer --cpu-budget 100
must 300 says traces '"total":'
BEFORE=$(links)
for round in $ROUNDS; do
    rate "fourth_$round" "$SETTLES"
    follow '{"daddr": "10.9.0.77", "proto": "udp"}'
    must 600 all_there
    rate "attached_$round" "$SETTLES"
    all_there || { echo "PSABORT not all functions were there"; exit 1; }
    api DELETE "traces/$ID" >/dev/null
    must 300 none_left
done

passed
peer_script >/tmp/peer.bt
for round in $ROUNDS; do
    rate "third_$round"
    bpftrace -B line /tmp/peer.bt >/tmp/bpftrace.log 2>&1 &
    PEER=$!
    # It reads what its probes say once all are attached.
    until_ok 300 grep -q ticks /tmp/bpftrace.log || {
        echo "PSABORT bpftrace: $(tail -c 300 /tmp/bpftrace.log | tr '\n' ' ')"
        exit 1
    }
    rate "bpftrace_$round"
    kill -INT "$PEER"
    wait "$PEER" || true
done
