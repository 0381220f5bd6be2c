# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034 # those who source it use them
#
# What deploy/up, deploy/down and deploy/demo share: where a suite lives, and
# which of its daemons run. Sourced.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BIN=${PACKETSCOPE_BIN:-$ROOT/build/release/bin}
# In the order of starting; ended in the reverse.
DAEMONS=(gateway analyzer guarder tracer locator)

HTTP=127.0.0.1:8080
STATE=/var/lib/packetscope
RUN=/run/packetscope

if [[ -t 1 ]]; then
    BOLD=$'\e[1m' RED=$'\e[31m' RESET=$'\e[0m'
else
    BOLD='' RED='' RESET=''
fi

say() { printf '%s\n' "$*"; }
step() { printf '%s==>%s %s\n' "$BOLD" "$RESET" "$*"; }
warn() { printf '%s%s%s\n' "$RED" "$*" "$RESET" >&2; }
die() { warn "$(basename "$0"): $1"; exit "${2:-1}"; }

# Takes the options that up and down have in common; sets TAKEN to how many
# words it used, 0: not one of them.
take_common() {
    TAKEN=2
    case $1 in
    --http | --state | --run)
        (($# > 1)) || die "$1 needs a value; --help shows how" 2
        ;;&
    --http) HTTP=$2 ;;
    --state) STATE=$(realpath -m -- "$2") ;;
    --run) RUN=$(realpath -m -- "$2") ;;
    --http=* | --state=* | --run=*)
        take_common "${1%%=*}" "${1#*=}"
        TAKEN=1
        ;;
    *) TAKEN=0 ;;
    esac
}

# The gateway's certificate, if its options make it speak TLS.
gateway_cert() {
    local file=/etc/packetscope/gateway.yaml
    if [[ -n ${PACKETSCOPE_HTTP_TLS_CERT:-} ]]; then
        echo "$PACKETSCOPE_HTTP_TLS_CERT"
    elif [[ -r $file ]]; then
        sed -n "s/^http_tls_cert:[[:space:]]*[\"']\{0,1\}\([^\"'#]*[^\"'# ]\).*/\1/p" \
            "$file"
    fi
}

gateway_url() {
    if [[ -n $(gateway_cert) ]]; then
        echo "https://$HTTP"
    else
        echo "http://$HTTP"
    fi
}

# The header that says who asks, for curl's -H @FILE: what stands in a command
# line everybody on this host can read. printf is the shell's own.
authorization() {
    printf 'Authorization: Bearer %s\n' "$(<"$STATE/admin.token")"
}

# Asks this suite's gateway. With TLS it must have the key of the certificate
# that is configured; the address need not be among its names.
gateway_curl() { # PATH [CURL OPTION]...
    local path=$1 cert pin
    local -a tls=()
    shift
    cert=$(gateway_cert)
    if [[ -n $cert ]]; then
        pin=$(openssl x509 -in "$cert" -noout -pubkey |
            openssl pkey -pubin -outform der |
            openssl dgst -sha256 -binary | base64) || return 1
        tls=(--insecure --pinnedpubkey "sha256//$pin")
    fi
    curl -sS --noproxy '*' "${tls[@]}" "$@" "$(gateway_url)$path"
}

need_root() {
    ((EUID == 0)) && return
    die "needs root: to load eBPF programs, open raw sockets and read other \
processes' sockets. The daemons drop what they need no more once they are up. \
Try: sudo $0 $*"
}

# The pid of this suite's daemon, if that very process still runs.
pid_of() { # NAME
    local pid exe
    read -r pid 2>/dev/null <"$RUN/$1.pid" || return 1
    [[ $pid =~ ^[0-9]+$ ]] || return 1
    exe=$(readlink "/proc/$pid/exe") || return 1
    [[ ${exe% (deleted)} == */ps-$1 ]] || return 1
    tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -qxF -- "$RUN" ||
        return 1
    echo "$pid"
}

# Ends the demonstration, if there is one; what it cannot undo stops nobody.
stop_demo() {
    [[ -x $ROOT/deploy/demo ]] || return 0
    "$ROOT/deploy/demo" down --run "$RUN" --state "$STATE" ||
        warn "the demonstration did not end as it should: see above"
}

# Ends this suite's daemons and takes the enforcement off.
stop_suite() {
    local name pid i
    local -a pids=()
    for ((i = ${#DAEMONS[@]} - 1; i >= 0; i--)); do
        name=${DAEMONS[i]}
        pid=$(pid_of "$name") || continue
        kill -TERM "$pid" 2>/dev/null && pids+=("$pid:$name")
    done
    for pid in "${pids[@]}"; do
        for ((i = 0; i < 140; i++)); do
            kill -0 "${pid%%:*}" 2>/dev/null || break
            sleep 0.05
        done
        if kill -0 "${pid%%:*}" 2>/dev/null; then
            warn "ps-${pid#*:} did not end in 7 s; killed"
            kill -KILL "${pid%%:*}" 2>/dev/null || true # it just did
        fi
    done
    for name in "${DAEMONS[@]}"; do
        rm -f "$RUN/$name.pid"
    done
    if [[ -x $BIN/ps-guarder ]]; then
        "$BIN/ps-guarder" --flush --run-dir "$RUN" --state-dir "$STATE" ||
            warn "enforcement may still be on: see the line above"
    fi
}
